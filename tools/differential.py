"""Asks the official Static Web Apps CLI and this gate the same and names every difference. An optional tool:

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
class Met:
    """What came back: status, where a redirect leads, which page it was, and whether the API was asked."""

    status: int
    location: str
    page: str
    api: bool


def config_of(rng: random.Random) -> dict[str, Any]:
    """A configuration of random parts."""
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


def named(config: dict[str, Any], path: str, method: str, persona: str, theirs: Met, ours: Met) -> str:
    """Why the two differ: one of the known reasons, or nothing."""
    routes, plain = config["routes"], path.partition("?")[0]
    starred = [
        each["route"][:-1] for each in routes if each["route"].endswith("*") and not each["route"].endswith("/*")
    ]
    excluded = config.get("navigationFallback", {}).get("exclude", [])
    if theirs.status == 401 and ours.status in (403, 200) and persona != "nobody" and PERSONAS[persona] is not None:
        return "signed in without the role: 401 there, 403 as production"
    overridden = "responseOverrides" in config
    if overridden and persona != "nobody" and "/.auth/login" in theirs.location and ours.status == 403:
        return "signed in without the role: sent to sign in there, 403 as production"
    if "%2E" in path:
        return "an encoded path passes the gate there"
    if path.startswith(("/API", "/Api")):
        return "an API path in another case passes the gate there"
    if any(path.startswith(each) for each in starred) or "/img*" in excluded:
        return "/x* fits the literal path alone there"
    if "trailingSlash" in config and plain.startswith(("/about", "/contact", "/docs", "/admin", "/moved")):
        return "trailingSlash is not known there"
    if plain in ("/contact", "/contact/", "/docs/a", "/about", "/admin", "/docs"):
        return "contact.html is not found at /contact there; a folder is redirected to"
    if any(each["route"].endswith("/*") and plain == each["route"][:-2] for each in routes):
        return "/x/* fits /x too there"
    if plain.startswith("/staticwebapp.config"):
        return "the configuration: 404 here, whatever fits there"
    if method == "POST" and not plain.lower().startswith(("/api", "/.auth")):
        return "a method that files do not take: 405 here, before or behind other checks there"
    if plain == "/.auth/login/github":
        return "the sign-in page: theirs is a page of scripts"
    if any(each["route"] == "/*.png" for each in routes) and plain.endswith(".png"):
        return "/*.png there loses its dot or fits otherwise"
    if overridden and ours.status in (401, 403) and theirs.status in (401, 403, 404):
        return "an override works once there"
    return ""


class Api(BaseHTTPRequestHandler):
    """Answers everything with one word."""

    def handle_any(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"API")

    do_GET = do_POST = do_HEAD = handle_any  # noqa: N815  the names the class is asked by

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[str]:
    """A server's URL, once it answers; ended behind."""
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
    """How a persona is signed in: the official CLI's cookie is plain base64."""
    roles = PERSONAS[persona]
    if roles is None:
        return {}
    principal = {"identityProvider": "github", "userId": persona, "userDetails": persona}
    everybody = ["anonymous", "authenticated"]
    if official:
        value = base64.b64encode(
            json.dumps({**principal, "userRoles": [*roles, *everybody], "claims": []}).encode()
        ).decode()
        return {"cookie": f"StaticWebAppsAuthCookie={value}"}
    answer = httpx2.post(f"{base}/__mock/login", json={"principal": {**principal, "userRoles": roles}}, trust_env=False)
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def met(client: httpx2.Client, base: str, path: str, method: str, headers: dict[str, str]) -> Met:
    """What one of them answers."""
    answer = client.request(method, base + path, headers=headers)
    location = answer.headers.get("location", "").removeprefix(base).partition("?")[0]
    page = found[0] if (found := re.search(r"page:[\w./]+", answer.text)) else ""
    return Met(answer.status_code, location, page, answer.text == "API")


def compared(swa: str, config: dict[str, Any], api: str, stack: ExitStack) -> Iterator[tuple[str, str, str, Met, Met]]:
    """Every request to both, and what each answered."""
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
    asked = list(itertools.product(PATHS, METHODS, PERSONAS))
    with ThreadPoolExecutor(4) as pool, httpx2.Client(trust_env=False, follow_redirects=False, timeout=30) as client:

        def both(case: tuple[str, str, str]) -> list[Met]:
            path, method, persona = case
            return [met(client, url, path, method, cookies[persona][number]) for number, url in enumerate(urls)]

        for case, answers in zip(asked, pool.map(both, asked), strict=True):
            yield (*case, *answers)  # type: ignore[misc]  # two answers, always


def main() -> None:
    """Compare, and say what is on no list."""
    rng, reasons, unknown, count = random.Random(5), Counter[str](), list[str](), 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    Thread(target=server.serve_forever, daemon=True).start()
    for number in range(CONFIGS):
        config = config_of(rng)
        with ExitStack() as stack:
            for path, method, persona, theirs, ours in compared(
                sys.argv[1], config, f"http://127.0.0.1:{server.server_port}", stack
            ):
                count += 1
                if theirs == ours:
                    continue
                reason = named(config, path, method, persona, theirs, ours)
                reasons[reason or "?"] += 1
                if not reason:
                    unknown.append(
                        f"{number} {method} {path} as {persona}: there {theirs}, here {ours}\n   {json.dumps(config)}"
                    )
    print(f"{count} requests, {sum(reasons.values())} differences")
    for reason, times in reasons.most_common():
        print(f"{times:5}  {reason}")
    print("\n".join(unknown[:40]))
    sys.exit(1 if unknown else 0)


if __name__ == "__main__":
    main()
