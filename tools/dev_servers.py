"""Runs `site` in front of fresh projects of web frameworks, as their users do: a browser checks each through the gate.

tools/dev_servers.py [NAME...]   run all, or those whose names begin so: vite, next, angular-https

It needs Node 22.12 or newer with npm on PATH, and the ports that the frameworks choose. The projects are made by the frameworks'
own scaffolders, in ~/.local/state/dress-rehearsal; for one whose template does not come from npm, the files are written here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import browser
from dev_projects import CACHE, PROJECTS, Project
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, WebSocket, expect, sync_playwright
from playwright.sync_api import Error as BrowserError

ROOT = Path(__file__).resolve().parent.parent
#: A terminal of its own for a command, which gets what is written to its input, as the keys of a person.
_TERMINAL = [sys.executable, "-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"]
_CTRL_C = b"\x03"
_START_S, _STOP_S, _INSTALL_S = 120, 20, 900
#: Nothing is asked, and nothing is told to anyone.
_QUIET = {
    "ASTRO_TELEMETRY_DISABLED": "1",
    "NEXT_TELEMETRY_DISABLED": "1",
    "NG_CLI_ANALYTICS": "false",
    "NO_UPDATE_NOTIFIER": "1",
    "NUXT_TELEMETRY_DISABLED": "1",
}
_RULES = {
    "routes": [{"route": "/admin*", "allowedRoles": ["admin"]}],
    "navigationFallback": {"rewrite": "/index.html"},
}


def main() -> None:
    """Make, start and check each project; exit status 0 only if every check passed."""
    names = tuple(sys.argv[1:])
    chosen = [project for project in PROJECTS if not names or project.name.startswith(names)]
    if not chosen:
        sys.exit(f"choose of these: {', '.join(project.name for project in PROJECTS)}")
    if shutil.which("npx") is None:
        sys.exit("tools/dev_servers.py needs Node 22.12 or newer with npm on PATH: install it from https://nodejs.org")
    executable, faults = browser.find(), 0  # before this Playwright starts: `find` runs its own
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable)
        for project in chosen:
            make(project)
            for check, fault in outcomes(project, chromium):
                print(f"{'FAULT' if fault else 'ok   '} {project.name} {project.version}: {check}{fault}", flush=True)
                faults += bool(fault)
    if faults:
        sys.exit(1)


# --- making ----------------------------------------------------------------------------------------------------------


def make(project: Project) -> None:
    """The project with its packages and both configurations, once; and its page as it was."""
    folder, made = project.folder, project.folder / ".made"
    state = json.dumps([project.scaffold, dict(project.files)])
    if not made.is_file() or made.read_text() != state:
        print(f"dev servers: making {project.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if project.scaffold:
            _do(project.scaffold, folder)
        for name, text in project.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        _do("npm install --no-audit --no-fund", folder)
        shutil.copy(folder / project.page, folder / ".page")
        made.write_text(state)
    shutil.copy(folder / ".page", folder / project.page)
    _write(folder / "staticwebapp.config.json", _RULES)
    start = {"appLocation": ".", "outputLocation": project.output or "dist", "appBuildCommand": "npm run build"}
    if project.url:
        start |= {"run": project.run, "appDevserverUrl": project.url}
    schema = "https://aka.ms/azure/static-web-apps-cli/schema"
    _write(folder / "swa-cli.config.json", {"$schema": schema, "configurations": {project.name: start}})


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _do(command: str, folder: Path) -> None:
    with (folder.parent / f"{folder.name}.log").open("a") as log:
        done = subprocess.run(
            shlex.split(command),
            cwd=folder,
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=_INSTALL_S,
            check=False,
        )
    if done.returncode != 0:
        sys.exit(f"{folder.name}: {command!r} ended with status {done.returncode}; see {log.name}")


# --- checking --------------------------------------------------------------------------------------------------------


def outcomes(project: Project, chromium: Browser) -> Iterator[tuple[str, str]]:
    """Each check of a project, and its fault; an empty string if there is none."""
    if project.url:
        yield from _dev_server(project, chromium)
    if project.output:
        _do("npm run build", project.folder)
        with (
            site(project, "--app", project.output, "--config", "staticwebapp.config.json") as (url, _),
            page_of(chromium, url) as page,
        ):
            yield f"the build in {project.output} is served", _fault(lambda: shows(page, project))
            yield "the build: /admin is for carol", _fault(lambda: guarded(page))


def _dev_server(project: Project, chromium: Browser) -> Iterator[tuple[str, str]]:
    with site(project) as (url, end), page_of(chromium, url) as page:
        yield "the page renders", _fault(lambda: shows(page, project))
        yield "its WebSocket is connected through the gate", _fault(lambda: connected(page))
        how = "by a reload" if project.reloads else "without a reload"
        yield f"an edit changes the page, {how}", _fault(lambda: changes(page, project))
        yield "/admin is for carol", _fault(lambda: guarded(page))
        if project.serves:
            yield "a redirect of its own stays at the site", _fault(lambda: stays(page))
            yield "a form outside /api is refused with 405, as by the platform", _fault(lambda: refuses(page))
        yield "Ctrl-C ends every process", _fault(end)
    (project.folder / project.page).write_bytes((project.folder / ".page").read_bytes())
    arguments = ("--app", project.url, "--run", project.run)
    with site(project, *arguments) as (url, end), page_of(chromium, url.replace("127.0.0.1", "localhost")) as page:
        yield "at localhost, with --app and --run, the page renders", _fault(lambda: shows(page, project))
        yield "so, its WebSocket is connected through the gate", _fault(lambda: connected(page))
        yield f"so, an edit changes the page, {how}", _fault(lambda: changes(page, project))
        yield "so, Ctrl-C ends every process", _fault(end)


class _WatchedPage:
    """A page with what it complains of, and its WebSockets."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.web_sockets: list[WebSocket] = []
        self.talking: set[str] = set()
        page.on("console", self._wrote)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._answered)
        page.on("websocket", self._opened)

    def _wrote(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    def _opened(self, web_socket: WebSocket) -> None:
        self.web_sockets.append(web_socket)
        web_socket.on("framereceived", lambda _: self.talking.add(web_socket.url))


@contextmanager
def page_of(chromium: Browser, url: str) -> Iterator[_WatchedPage]:
    """A new browser's page for a site."""
    context = chromium.new_context(base_url=url)
    context.set_default_timeout(30_000)
    try:
        yield _WatchedPage(context.new_page(), url)
    finally:
        context.close()


def _fault(check: Callable[[], str]) -> str:
    """A check's fault, or what the browser waited for in vain."""
    try:
        fault = check()
    except (AssertionError, BrowserError) as error:
        fault = " ".join(str(error).split())[:300]
    return f": {fault}" if fault else ""


def shows(watched: _WatchedPage, project: Project) -> str:
    """The page shows its text, and nothing is complained of."""
    watched.page.goto("/", wait_until="load")
    expect(watched.page.locator("h1").first).to_contain_text(re.sub(r"<.*", "", project.text), timeout=30_000)
    watched.page.wait_for_load_state("networkidle")
    return "; ".join(watched.complaints)


def connected(watched: _WatchedPage) -> str:
    """A WebSocket to the site has received something and is open, and there is none to anywhere else."""
    place = urlsplit(watched.url).netloc
    elsewhere = [each.url for each in watched.web_sockets if urlsplit(each.url).netloc != place]
    if elsewhere:
        return f"it goes past the gate, to {', '.join(elsewhere)}"
    for _ in range(50):
        if any(each.url in watched.talking and not each.is_closed() for each in watched.web_sockets):
            return ""
        watched.page.wait_for_timeout(100)
    return "none is open and has received something"


def changes(watched: _WatchedPage, project: Project) -> str:
    """An edit of the source changes the page that is open, and the page keeps what it knows if its framework can."""
    page, source = watched.page, project.folder / project.page
    page.evaluate("window.kept = true")
    watched.complaints.clear()
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace(project.text, f"Changed {project.text}", 1), encoding="utf-8")
    expect(page.locator("h1").first).to_contain_text("Changed", timeout=30_000)
    page.wait_for_load_state("networkidle")
    kept = page.evaluate("window.kept === true")
    if kept is project.reloads:
        return "without a reload" if kept else "by a reload"
    return "; ".join(watched.complaints)


def guarded(watched: _WatchedPage) -> str:
    """/admin is refused to nobody and open to carol, and /.auth/me knows who she is."""
    page = watched.page
    refused = page.goto("/admin")
    if refused is None or refused.status != 401:
        return f"nobody gets {refused and refused.status}"
    nobody = page.request.get("/.auth/me").json()
    if nobody != {"clientPrincipal": None}:
        return f"/.auth/me says of nobody: {nobody}"
    opened = page.goto("/.auth/login/aad?persona=carol&post_login_redirect_uri=/admin")
    if opened is None or opened.status != 200 or urlsplit(opened.url).path.rstrip("/") != "/admin":
        return f"carol gets {opened and opened.status} at {opened and opened.url}"
    principal = page.request.get("/.auth/me").json()["clientPrincipal"]
    return "" if "admin" in principal["userRoles"] else f"/.auth/me says of carol: {principal}"


def stays(watched: _WatchedPage) -> str:
    """A redirect that the framework makes from the URL of the request leads to the site, where carol is signed in."""
    opened = watched.page.goto("/moved")
    if opened is None or urlsplit(opened.url).netloc != urlsplit(watched.url).netloc:
        return f"it leads to {opened and opened.url}"
    return "" if opened.status == 200 else f"it leads to a {opened.status}"


def refuses(watched: _WatchedPage) -> str:
    """A form that the framework's own server would receive gets 405, and does not reach it.

    Source: Azure/static-web-apps#1132, of applications of Next.js with a server: only /api takes a POST.
    """
    watched.page.goto("/send")
    watched.page.wait_for_load_state("networkidle")
    with watched.page.expect_response(lambda response: response.request.method == "POST") as waited:
        watched.page.get_by_role("button", name="Send").click()
    return "" if waited.value.status == 405 else f"it gets {waited.value.status}"


# --- running ---------------------------------------------------------------------------------------------------------


@contextmanager
def site(project: Project, *arguments: str) -> Iterator[tuple[str, Callable[[], str]]]:
    """`site` in a project's folder, in a terminal: its URL, and what ends it with Ctrl-C and says which processes are left."""
    if project.output not in arguments:
        _must_be_free(project)
    log = CACHE / f"{project.name}-site.log"
    command = [sys.executable, "-m", "mockserver", "site", "--port", "0", *arguments]
    environment = {**os.environ, **_QUIET, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with log.open("w") as output:
        terminal = subprocess.Popen(
            [*_TERMINAL, *command],
            cwd=project.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )

    def end() -> str:
        started = dict(descendants(terminal.pid))
        try:
            terminal.communicate(_CTRL_C, timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            return "it goes on"
        left = [name for pid, name in started.items() if _exists(pid)]
        if left:
            return f"left: {', '.join(left)}"
        return f"status {terminal.returncode}" if terminal.returncode else ""

    try:
        yield _url_in(log, terminal), end
    finally:
        for pid, _ in descendants(terminal.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        terminal.kill()
        terminal.wait()


def _must_be_free(project: Project) -> None:
    port = urlsplit(project.url).port
    with suppress(OSError):
        socket.create_connection(("localhost", port), timeout=1).close()
        sys.exit(f"{project.name}: port {port} is in use; end what listens there")


def _url_in(log: Path, terminal: subprocess.Popen[bytes]) -> str:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if found := re.search(r"ready (https?://\S+)", log.read_text(errors="replace")):
            return found[1]
        if terminal.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"the site did not start; see {log}")


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Every process that a process started, and those started: its number and its command."""
    ps = ["ps", "-A", "-o", "pid=,ppid=,args="]
    lines = subprocess.run(ps, stdout=subprocess.PIPE, text=True, check=True).stdout
    processes = [line.split(None, 2) for line in lines.splitlines()]
    parents = {pid}
    for _ in range(10):  # deep enough for npm, a shell, a dev server and its workers
        parents |= {int(own) for own, parent, *_ in processes if int(parent) in parents}
    yield from ((int(own), rest[0] if rest else "") for own, _, *rest in processes if int(own) in parents - {pid})


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
