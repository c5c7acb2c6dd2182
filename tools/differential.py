"""Sends the same requests to the official Static Web Apps CLI and to our gate, and explains every difference. An optional tool:

npm install --prefix FOLDER --ignore-scripts --omit=optional @azure/static-web-apps-cli@2.0.10
.venv/bin/python tools/differential.py FOLDER/node_modules/.bin/swa
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2

CONFIGS = 16
PATHS = [
    "/",
    "/index.html",
    "/about",
    "/about/",
    "/about/index.html",
    "/contact",
    "/contact.html",
    "/contact/",
    "/admin",
    "/admin/",
    "/admin/secret.txt",
    "/admin/secret%2Etxt",
    "/ADMIN/secret.txt",
    "/admin2",
    "/img/a.png",
    "/img/b.png",
    "/nowhere",
    "/nowhere/deep",
    "/nowhere.css",
    "/old",
    "/moved",
    "/gone",
    "/api/x",
    "/API/x",
    "/api/admin/y",
    "/Api/Admin/y",
    "/.auth/me",
    "/.auth/login/github",
    "/staticwebapp.config.json",
    "/docs/a.html",
    "/docs",
    "/docs/",
]
FILES = [
    "index.html",
    "about/index.html",
    "contact.html",
    "admin/index.html",
    "admin/secret.txt",
    "img/a.png",
    "denied.html",
    "docs/a.html",
]
METHODS = ["GET", "POST", "HEAD"]
PERSONAS: dict[str, list[str] | None] = {"nobody": None, "bob": [], "alice": ["invited"], "carol": ["invited", "admin"]}
RULES: list[dict[str, Any]] = [
    {"route": "/admin/*", "allowedRoles": ["admin"]},
    {"route": "/admin*", "allowedRoles": ["admin"]},
    {"route": "/admin", "allowedRoles": ["authenticated"]},
    {"route": "/api/*", "allowedRoles": ["invited"]},
    {"route": "/api/admin/*", "allowedRoles": ["admin"]},
    {"route": "/api/x", "methods": ["POST"], "allowedRoles": ["invited"]},
    {"route": "/old", "redirect": "/about", "statusCode": 301},
    {"route": "/moved", "rewrite": "/contact.html"},
    {"route": "/gone", "statusCode": 404},
    {"route": "/about", "allowedRoles": ["invited"]},
    {"route": "/docs/*", "headers": {"x-docs": "1"}},
    {"route": "/*.png", "allowedRoles": ["authenticated"]},
    {"route": "/*", "allowedRoles": ["authenticated"]},
]


@dataclass(frozen=True)
class Observation:
    """What a client sees of a response: status, redirect location, page, and whether the API answered."""

    status: int
    location: str
    page: str
    api: bool


def random_config(rng: random.Random) -> dict[str, Any]:
    """A configuration with random parts."""
    config: dict[str, Any] = {"routes": rng.sample(RULES[:-1], rng.randrange(1, 7)) + [RULES[-1]] * rng.randrange(2)}
    if rng.random() < 0.6:
        config["navigationFallback"] = {
            "rewrite": "/index.html",
            "exclude": rng.choice([[], ["/img/*", "/*.css"], ["/img*"]]),
        }
    if rng.random() < 0.5:
        config["responseOverrides"] = {
            "401": {"redirect": "/.auth/login/github", "statusCode": 302},
            "403": {"rewrite": "/denied.html"},
        }
    if rng.random() < 0.3:
        config["trailingSlash"] = rng.choice(["always", "never", "auto"])
    if rng.random() < 0.5:
        config["globalHeaders"] = {"x-global": "1"}
    return config


def reason_for(
    config: dict[str, Any], path: str, method: str, persona: str, theirs: Observation, ours: Observation
) -> str:
    """The known reason for a difference; empty if there is none."""
    routes, plain = config["routes"], path.partition("?")[0]
    patterns = [rule["route"] for rule in routes]
    starred = [pattern[:-1] for pattern in patterns if pattern.endswith("*") and not pattern.endswith("/*")]
    excluded = config.get("navigationFallback", {}).get("exclude", [])
    if theirs.status == 401 and ours.status in (403, 200) and persona != "nobody" and PERSONAS[persona] is not None:
        return "signed in without the role: the CLI answers 401, we answer 403 like production"
    overridden = "responseOverrides" in config
    if overridden and persona != "nobody" and "/.auth/login" in theirs.location and ours.status == 403:
        return "signed in without the role: the CLI redirects to the sign-in, we answer 403 like production"
    if "%2E" in path:
        return "the CLI lets an encoded path through"
    if path.startswith(("/API", "/Api")):
        return "the CLI lets an API path in another case through"
    if any(path.startswith(prefix) for prefix in starred) or "/img*" in excluded:
        return "for the CLI, /x* matches only the literal path"
    if "trailingSlash" in config and plain.startswith(("/about", "/contact", "/docs", "/admin", "/moved")):
        return "the CLI does not know trailingSlash"
    if plain in ("/contact", "/contact/", "/docs/a", "/about", "/admin", "/docs"):
        return "the CLI does not serve contact.html at /contact, and redirects to a folder"
    if any(pattern.endswith("/*") and plain == pattern[:-2] for pattern in patterns):
        return "for the CLI, /x/* also matches /x"
    if plain.startswith("/staticwebapp.config"):
        return "the configuration file: we answer 404, the CLI applies the routes"
    if method == "POST" and not plain.lower().startswith(("/api", "/.auth")):
        return "a method that files do not allow: we answer 405, the CLI before or after other checks"
    if plain == "/.auth/login/github":
        return "the sign-in page: the CLI has a page with scripts"
    if "/*.png" in patterns and plain.endswith(".png"):
        return "the CLI ignores the dot in /*.png, or matches it differently"
    if overridden and ours.status in (401, 403) and theirs.status in (401, 403, 404):
        return "the CLI applies an override only once"
    return ""


class FixedApi(BaseHTTPRequestHandler):
    """Answers every request with `API`."""

    def handle_any(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"API")

    do_GET = do_POST = do_HEAD = handle_any  # noqa: N815  the names that the base class calls

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[str]:
    """A server's URL, once it answers; the server ends with the block."""
    log = (folder.parent / f"log-{port}").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder.parent, start_new_session=True)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit(f"{command[0]} did not start: {Path(log.name).read_text()[-500:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def cookie(base: str, persona: str, *, official: bool) -> dict[str, str]:
    """A persona's session cookie, as a header; the official CLI's is plain base64."""
    roles = PERSONAS[persona]
    if roles is None:
        return {}
    principal = {"identityProvider": "github", "userId": persona, "userDetails": persona}
    base_roles = ["anonymous", "authenticated"]
    if official:
        value = base64.b64encode(
            json.dumps({**principal, "userRoles": [*roles, *base_roles], "claims": []}).encode()
        ).decode()
        return {"cookie": f"StaticWebAppsAuthCookie={value}"}
    answer = httpx2.post(f"{base}/__mock/login", json={"principal": {**principal, "userRoles": roles}}, trust_env=False)
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def observe(client: httpx2.Client, base: str, path: str, method: str, headers: dict[str, str]) -> Observation:
    """Send one request to one server."""
    answer = client.request(method, base + path, headers=headers)
    location = answer.headers.get("location", "").removeprefix(base).partition("?")[0]
    page = re.search(r"page:[\w./]+", answer.text)
    return Observation(answer.status_code, location, page[0] if page else "", answer.text == "API")


def observations(
    swa: str, config: dict[str, Any], api: str, stack: ExitStack
) -> Iterator[tuple[str, str, str, Observation, Observation]]:
    """Every request (path, method, persona), with the observation at the CLI and at our gate."""
    site = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "site"
    for name in FILES:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"page:{name}")
    (site / "staticwebapp.config.json").write_text(json.dumps(config))
    theirs, ours = free_port(), free_port()
    official = [swa, "start", str(site), "--port", str(theirs), "--host", "127.0.0.1", "--api-devserver-url", api]
    urls = [
        stack.enter_context(running([*official, "--swa-config-location", str(site)], theirs, site)),
        stack.enter_context(
            running(
                [sys.executable, "-m", "mockserver", "site", "--app", str(site), "--port", str(ours), "--api", api],
                ours,
                site,
            )
        ),
    ]
    cookies = {persona: [cookie(url, persona, official=url is urls[0]) for url in urls] for persona in PERSONAS}
    requests = list(itertools.product(PATHS, METHODS, PERSONAS))
    with ThreadPoolExecutor(4) as pool, httpx2.Client(trust_env=False, follow_redirects=False, timeout=30) as client:

        def observe_both(request: tuple[str, str, str]) -> tuple[Observation, Observation]:
            path, method, persona = request
            theirs, ours = cookies[persona]
            return (
                observe(client, urls[0], path, method, theirs),
                observe(client, urls[1], path, method, ours),
            )

        for request, pair in zip(requests, pool.map(observe_both, requests), strict=True):
            yield (*request, *pair)


def main() -> None:
    """Compare, count the known reasons, and print the differences without one."""
    rng, reasons, unknown, count = random.Random(5), Counter[str](), list[str](), 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), FixedApi)
    Thread(target=server.serve_forever, daemon=True).start()
    for number in range(CONFIGS):
        config = random_config(rng)
        with ExitStack() as stack:
            for path, method, persona, theirs, ours in observations(
                sys.argv[1], config, f"http://127.0.0.1:{server.server_port}", stack
            ):
                count += 1
                if theirs == ours:
                    continue
                reason = reason_for(config, path, method, persona, theirs, ours)
                reasons[reason or "?"] += 1
                if not reason:
                    unknown.append(
                        f"{number} {method} {path} as {persona}: the CLI {theirs}, we {ours}\n   {json.dumps(config)}"
                    )
    print(f"{count} requests, {sum(reasons.values())} differences")
    for reason, times in reasons.most_common():
        print(f"{times:5}  {reason}")
    print("\n".join(unknown[:40]))
    sys.exit(1 if unknown else 0)


if __name__ == "__main__":
    main()
