"""The `site` command: the gate in front of any Static Web App."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from mockserver.cli import console
from mockserver.cli.dev_server import running
from mockserver.cli.errors import user_errors
from mockserver.cli.options import delivery_option, personas_option
from mockserver.cli.param_types import PATH, PORT, AppType, api_url
from mockserver.cli.signals import stop_signal
from mockserver.cli.site_check import check_site
from mockserver.clock import SystemClock
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import Delivery, SiteFront
from mockserver.harness.environment import authority_file, sessions_of
from mockserver.journal.entry import Entry
from mockserver.journal.records import Records
from mockserver.swa.personas import load_personas
from mockserver.swa.static_web_app import StaticWebApp, load_static_web_app
from mockserver.swa.swa_cli_config import SWA_CLI_CONFIG, SwaCliConfig, read_swa_cli_config
from mockserver.wire.server import Servers, bind, url_of
from mockserver.wire.tls import LocalTls

_DEFAULT_PORT = 4280


@click.command(short_help="Start a site alone, behind its gate.")
@click.option(
    "--app",
    type=AppType(),
    metavar="DIR|URL",
    help=f"The built page, or its dev server. Default: from {SWA_CLI_CONFIG}.",
)
@click.option("--api", metavar="URL", callback=api_url, help="The address of its API.")
@click.option("--config", type=PATH, metavar="FILE", help="Its staticwebapp.config.json, if that is elsewhere.")
@personas_option
@click.option("--port", type=PORT, help=f"Default: {_DEFAULT_PORT}.")
@click.option("--run", "command", metavar="COMMAND", help="Start the dev server with this, and stop it.")
@click.option("--configuration", metavar="NAME", help=f"The configuration to take from {SWA_CLI_CONFIG}.")
@click.option("--ssl", is_flag=True, help="Serve https, with a certificate of this run that the start names.")
@click.option("--check", is_flag=True, help="Say what a deployment will make of the configuration, and start nothing.")
@delivery_option
def site(
    *,
    app: Path | str | None,
    api: str | None,
    config: Path | None,
    personas: Path,
    port: int | None,
    command: str | None,
    configuration: str | None,
    ssl: bool,
    check: bool,
    delivery: str,
) -> None:
    """Start a site alone: gate, sign-in, files or dev server, and the proxy to its API."""
    if check:
        with user_errors():
            place = config or (app if isinstance(app, Path) else None) or _place_of_cli(configuration)
            if not check_site(place):
                raise click.exceptions.Exit(1)
        return
    with user_errors(), stop_signal() as stopped:
        if app is None:
            defaults = read_swa_cli_config(Path(SWA_CLI_CONFIG), configuration)
            for note in defaults.notes:
                click.echo(f"config     {note}", err=True)
            app = AppType().convert(defaults.app, None, None)
        else:
            defaults = SwaCliConfig(app)
        api = defaults.api_url if api is None else api
        port = defaults.port if port is None else port
        command = defaults.run if command is None else command
        clock = SystemClock()
        web_app = load_static_web_app(
            app,
            personas=load_personas(personas),
            sessions=sessions_of(app, clock),
            clock=clock,
            api_urls=(api,) if api else (),
            config=config,
            search=defaults.search if config is None else None,
        )
        sock = bind(_DEFAULT_PORT if port is None else port, "the site")
        if command is not None and defaults.run == command:
            click.echo(f"run        {command}   from {SWA_CLI_CONFIG}", err=True)
        where = f"--app URL, or appDevserverUrl in {SWA_CLI_CONFIG}"
        with running(command, app, stopped, where, folder=defaults.run_in):
            for line in config_notes(web_app):
                click.echo(line, err=True)
            _serve(web_app, sock, Delivery(delivery), LocalTls() if ssl else None, stopped)


def _serve(
    web_app: StaticWebApp, sock: socket.socket, delivery: Delivery, tls: LocalTls | None, stopped: threading.Event
) -> None:
    """Answer until stopped."""
    records = Records()
    front = SiteFront(create_app(web_app), web_app, delivery=delivery, records=records, report=_report)
    servers = Servers((front, sock), at_end=front.close, tls=tls.context if tls else None, crashed=records.crashed)
    servers.start()
    if tls is not None:
        click.echo(f"trust      {authority_file(tls.authority, sock.getsockname()[1])}")
    click.echo(f"ready {url_of(sock, 'https' if tls else 'http')}")
    try:
        stopped.wait()
    finally:
        servers.stop()


def _place_of_cli(configuration: str | None) -> Path:
    """Where the official CLI looks for the configuration of this folder."""
    if not Path(SWA_CLI_CONFIG).is_file():
        return Path()
    return read_swa_cli_config(Path(SWA_CLI_CONFIG), configuration).search or Path()


def config_notes(web_app: StaticWebApp) -> Iterator[str]:
    """Lines to print about a site's configuration at the start."""
    for note in (*web_app.config_notes, *web_app.findings):
        yield f"config     {note}"
    if web_app.app_url and any(name == "content-security-policy" for name, _ in web_app.config.global_headers):
        yield "config     the content-security-policy is not sent with a dev server's pages; a built page gets it"


def _report(visit: Entry) -> None:
    if line := console.visit_line(visit, ()):
        console.say(line)
