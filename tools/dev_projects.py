"""The projects of web frameworks that tools/dev_servers.py makes and tries: what makes each, and what its page says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mockserver.harness.environment import state_folder

#: Not in this repository: a configuration below the folder in which `site` starts is looked for.
CACHE = state_folder() / "dev-servers"
_ADMIN_REACT = "export default function Admin() {\n  return <h1>Admin</h1>;\n}\n"


@dataclass(frozen=True, slots=True)
class Project:
    """A framework's new project: what makes it, what starts its dev server, and a text of its page to change.

    `package` is the one whose version counts; `files` are added; `output` is the folder of a build, empty if none is tried;
    without a `url`, only the build is. `serves`: it has a form at /send and a redirect at /moved, which its server answers.
    `reloads`: the framework reloads the page after every change of that file.
    """

    name: str
    scaffold: str
    package: str
    page: str
    text: str
    url: str = ""
    run: str = "npm run dev"
    output: str = ""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    serves: bool = False
    reloads: bool = False

    @property
    def folder(self) -> Path:
        """Where it is."""
        return CACHE / self.name

    @property
    def version(self) -> str:
        """The version of its package."""
        package = self.folder / "node_modules" / self.package / "package.json"
        return str(json.loads(package.read_text(encoding="utf-8"))["version"])


def _vite(framework: str, page: str) -> Project:
    scaffold = f"npx --yes create-vite@9.3.0 . --template {framework} --no-interactive"
    return Project(
        f"vite-{framework}", scaffold, "vite", page, "Get started", url="http://localhost:5173", output="dist"
    )


def _next(name: str, *, url: str = "", output: str = "", files: Mapping[str, str]) -> Project:
    scaffold = (
        "npx --yes create-next-app@16.4.3 . --ts --app --no-tailwind --no-eslint --src-dir --import-alias @/* --use-npm"
        " --skip-install --disable-git --yes"
    )
    # The template's fonts come from another host; the page is the same without them.
    layout = (
        "import './globals.css';\n\nexport default function Layout({ children }: { children: React.ReactNode }) {\n"
        '  return <html lang="en"><body>{children}</body></html>;\n}\n'
    )
    text = "To get started, edit the"
    files = {"src/app/layout.tsx": layout, "src/app/admin/page.tsx": _ADMIN_REACT, **files}
    page, serves = "src/app/page.tsx", bool(url)
    return Project(name, scaffold, "next", page, text, url=url, output=output, files=files, serves=serves)


def _angular(name: str, *, url: str, run: str, output: str = "") -> Project:
    scaffold = (
        "npx --yes @angular/cli@22.2.7 new app --directory . --defaults --skip-git --skip-install --ssr=false"
        " --ai-config=none"
    )
    page = "src/app/app.html"
    return Project(name, scaffold, "@angular/core", page, "Hello, ", url=url, run=run, output=output)


PROJECTS = (
    _vite("react", "src/App.jsx"),
    _vite("vue", "src/components/HelloWorld.vue"),
    _vite("svelte", "src/App.svelte"),
    Project(
        "sveltekit",
        "npx --yes sv@0.17.1 create . --template minimal --types ts --no-add-ons --no-install --no-dir-check",
        "@sveltejs/kit",
        "src/routes/+page.svelte",
        "Welcome to SvelteKit",
        url="http://localhost:5173",
        files={
            "src/routes/admin/+page.svelte": "<h1>Admin</h1>\n",
            "src/routes/moved/+server.ts": (
                "export const GET = ({ url }) => Response.redirect(new URL('/admin', url));\n"
            ),
            "src/routes/send/+page.server.ts": "export const actions = { default: async () => ({ sent: true }) };\n",
            "src/routes/send/+page.svelte": (
                "<script>\n\tlet { form } = $props();\n</script>\n\n"
                '<form method="POST"><button>Send</button></form>\n{#if form?.sent}<p>Received</p>{/if}\n'
            ),
        },
        serves=True,
    ),
    _next(
        "next",
        url="http://localhost:3000",
        files={
            "src/app/send/page.tsx": (
                '"use client";\n\nimport { useActionState } from "react";\nimport { send } from "./send";\n\n'
                'export default function Page() {\n  const [text, action] = useActionState(send, "");\n'
                "  return <form action={action}><button>Send</button><p>{text}</p></form>;\n}\n"
            ),
            "src/proxy.ts": (
                'import { NextResponse, type NextRequest } from "next/server";\n\nexport const config = { matcher:'
                ' "/moved" };\n\nexport function proxy(request: NextRequest) {\n  return NextResponse.redirect(new'
                ' URL("/admin", request.url));\n}\n'
            ),
            "src/app/send/send.ts": '"use server";\n\nexport async function send() {\n  return "Received";\n}\n',
        },
    ),
    _next(
        "next-export",
        output="out",
        files={"next.config.ts": 'export default { output: "export" as const, images: { unoptimized: true } };\n'},
    ),
    _angular("angular", url="http://localhost:4200", run="npm start", output="dist/app/browser"),
    _angular("angular-https", url="https://localhost:4200", run="npm start -- --ssl"),
    Project(
        "astro",
        "",
        "astro",
        "src/pages/index.astro",
        "Astro</h1>",
        url="http://localhost:4321",
        output="dist",
        files={
            "package.json": (
                '{"name": "app", "type": "module", "version": "0.0.1", "scripts": {"dev": "astro dev", "build": "astro'
                ' build"}, "dependencies": {"astro": "7.3.5"}}\n'
            ),
            "astro.config.mjs": "import { defineConfig } from 'astro/config';\n\nexport default defineConfig({});\n",
            "src/pages/index.astro": "<html lang='en'>\n<body>\n<h1>Astro</h1>\n</body>\n</html>\n",
            "src/pages/admin.astro": "<html lang='en'>\n<body>\n<h1>Admin</h1>\n</body>\n</html>\n",
        },
        reloads=True,
    ),
    Project(
        "nuxt",
        "",
        "nuxt",
        "app/app.vue",
        "Nuxt</h1>",
        url="http://localhost:3000",
        output=".output/public",
        files={
            "package.json": (
                '{"name": "app", "type": "module", "private": true, "scripts": {"dev": "nuxt dev", "build": "nuxt'
                ' generate"}, "dependencies": {"nuxt": "4.5.2", "vue": "^3.5.0"}}\n'
            ),
            "nuxt.config.ts": "export default defineNuxtConfig({ compatibilityDate: '2026-01-01' })\n",
            "app/app.vue": "<template>\n  <h1>Nuxt</h1>\n</template>\n",
        },
    ),
)
