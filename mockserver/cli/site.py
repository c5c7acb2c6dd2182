"""The command that stands before any Static Web App: `dress-rehearsal site`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click

from mockserver import console
from mockserver.apps.site import create_app
from mockserver.cli.explained import PATH, PORT, explained, stoppable
from mockserver.clock import SystemClock
from mockserver.exchange import server_url
from mockserver.functions.process import READY, StartError
from mockserver.gate import Delivery, SiteFront
from mockserver.journal import Entry
from mockserver.rehearsal import state_folder
from mockserver.server import Servers, bind, url_of
from mockserver.swa.personas import SHIPPED, load_personas
from mockserver.swa.principal import Sessions, session_key
from mockserver.swa.site import Site, load_site
from mockserver.swa.start import CONFIG_NAME, read_start

_UP_WITHIN_S = 120
_ENDS_WITHIN_S = 5


class AppType(click.ParamType[Path | str]):
    """A folder of built files, or the URL of a dev server."""

    name = "DIR|URL"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | str:
        """The folder, or the URL; of this machine, under the name that stands for both of its addresses."""
        if not isinstance(value, str) or "://" not in value:
            return Path(value)
        parts = server_url(value)
        if parts is None or parts.scheme != "http":
            self.fail(f"{value}: a dev server's URL is http://localhost:PORT", param, ctx)
        port = f":{parts.port}" if parts.port else ""
        local = parts.hostname in ("127.0.0.1", "::1")  # Node listens on either, and does not say on which
        return urlunsplit(parts._replace(netloc=f"localhost{port}")) if local else value


def _api_url(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """The URL of an API: its origin, because the path is the request's own."""
    if url is None:
        return None
    parts = server_url(url)
    if parts is None or parts.path.rstrip("/") or parts.query:
        raise click.BadParameter(
            f"{url!r}: an API's URL is http://localhost:PORT, without a path; /api comes with the request"
        )
    return url.rstrip("/")


DELIVERY = click.option(
    "--delivery",
    type=click.Choice([each.value for each in Delivery]),
    default=Delivery.AS_AZURE.value,
    show_default=True,
    help="How an API's answer is passed on: streams of the types that Azure streams, in one piece, or as it comes.",
)


@click.command()
@click.option(
    "--app",
    type=AppType(),
    metavar="DIR|URL",
    help=f"The built page, or its dev server. Default: what {CONFIG_NAME} says.",
)
@click.option("--api", "api_url", metavar="URL", callback=_api_url, help="Where its API answers.")
@click.option(
    "--config", type=PATH, metavar="FILE", help="Its staticwebapp.config.json, where that does not lie among its files."
)
@click.option("--personas", type=PATH, default=SHIPPED, metavar="FILE", help="Whom one can sign in as.")
@click.option("--port", type=PORT, help="Default: 4280.")
@click.option("--run", "command", metavar="COMMAND", help="Starts the dev server, and ends it.")
@click.option("--configuration", metavar="NAME", help=f"Which one of {CONFIG_NAME}.")
@DELIVERY
def site(**options: Any) -> None:
    """Start a site alone: gate, sign-in, files or dev server, and the proxy to its API."""
    with explained(), stoppable() as stopped:
        app = options["app"]
        if app is None:
            start = read_start(Path(CONFIG_NAME), options["configuration"])
            app = AppType().convert(start.app, None, None)
            given = {"api_url": start.api_url, "command": start.run, "config": start.config, "port": start.port}
            options |= {name: value for name, value in given.items() if options[name] is None}
        clock = SystemClock()
        served = load_site(
            app,
            personas=load_personas(options["personas"]),
            sessions=Sessions(session_key(state_folder()), clock),
            clock=clock,
            api_urls=(options["api_url"],) if options["api_url"] else (),
            config=options["config"],
        )
        port = bind(4280 if options["port"] is None else options["port"], "the site")
        with running(options["command"], app, stopped):
            for line in notes(served):
                click.echo(line, err=True)
            front = SiteFront(create_app(served), served, delivery=Delivery(options["delivery"]), report=_report)
            servers = Servers((front, port), at_end=front.close)
            servers.start()
            click.echo(f"{READY}{url_of(port)}")
            try:
                stopped.wait()
            finally:
                servers.stop()


def notes(served: Site) -> Iterator[str]:
    """What is worth saying about a site once, before it starts."""
    for trap in served.traps:
        yield f"config     {trap}"
    if served.app_url and any(name == "content-security-policy" for name, _ in served.config.global_headers):
        yield "config     the content-security-policy is not sent with a dev server's pages; a built page gets it"


def _report(visit: Entry) -> None:
    if line := console.visit_line(visit, ()):
        click.echo(line)


@contextmanager
def running(command: str | None, app: Path | str, stopped: threading.Event) -> Iterator[None]:
    """A dev server's command, ended with all it started.

    Raises:
        StartError: it ended at once, or nothing answered where the app was said to be.
    """
    if command is None:
        yield
        return
    started = subprocess.Popen(command, shell=True, start_new_session=True)  # noqa: S602  the user's own command
    try:
        if isinstance(app, str):
            _wait_for(app, started, command, stopped)
        yield
    finally:
        if started.poll() is None or os.name != "nt":
            _end(started)


def _wait_for(url: str, started: subprocess.Popen[bytes], command: str, stopped: threading.Event) -> None:
    address, until_s = (urlsplit(url).hostname or "", urlsplit(url).port or 80), time.monotonic() + _UP_WITHIN_S
    while not stopped.wait(0.1):
        try:
            socket.create_connection(address, timeout=1).close()
            return
        except OSError as error:
            if (status := started.poll()) is not None:
                raise StartError(f"--run {command!r} ended with status {status} before {url} answered.") from error
            if time.monotonic() > until_s:
                raise StartError(f"--run {command!r} runs, but nothing answers at {url}.") from error


def _end(started: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        started.terminate()
    else:
        try:
            os.killpg(started.pid, signal.SIGTERM)
        except ProcessLookupError:
            return
    until_s = time.monotonic() + _ENDS_WITHIN_S
    while time.monotonic() < until_s:
        if started.poll() is not None and not _group_lives(started.pid):
            return
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        started.kill() if os.name == "nt" else os.killpg(started.pid, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (OSError, AttributeError):  # OSError: it ended (macOS words it its own way); AttributeError: Windows
        return False
    return True
