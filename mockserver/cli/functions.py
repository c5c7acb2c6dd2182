"""The `functions` command: a function app alone."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from socket import socket as Socket  # noqa: N812  a type beside a name
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mockserver.cli.errors import user_errors
from mockserver.cli.param_types import PATH, PORT
from mockserver.cli.signals import stop_signal
from mockserver.functions.process import HostReports, ReportsToParent
from mockserver.functions.workers import WorkerKind
from mockserver.wire.server import Servers, bind, url_of

if TYPE_CHECKING:
    from mockserver.functions.host import FunctionsHost
    from mockserver.functions.reload import AppFiles


def _key(_context: click.Context, _option: click.Parameter, key: str | None) -> str | None:
    if key == "":  # as of a variable that is not set
        raise click.BadParameter("a key must have at least one letter; leave --key out for an open host")
    return key


@click.command()
@click.option("--app", type=PATH, required=True, metavar="DIR", help="The folder of function_app.py.")
@click.option("--port", type=PORT, default=7071, show_default=True)
@click.option(
    "--worker",
    type=click.Choice([kind.value for kind in WorkerKind]),
    default=WorkerKind.AUTO.value,
    show_default=True,
    help="Microsoft's own needs Python 3.13; auto uses it if it can.",
)
@click.option("--key", metavar="KEY", callback=_key, help="Key for non-anonymous functions. Default: none.")
@click.option(
    "--cors", "origins", multiple=True, metavar="ORIGIN", help="Allow this site's pages to call it; may be repeated."
)
@click.option("--reload", is_flag=True, help="Restart when a file of the app changes.")
@click.option("--debug", is_flag=True, help="Let a debugger attach.")
@click.option(
    "--stop-on-eof", is_flag=True, hidden=True, help="Stop when standard input ends; report to standard output."
)
@click.option("--traced", is_flag=True, hidden=True, help="Make each call a span of its own in the request's trace.")
def functions(
    *,
    app: Path,
    port: int,
    worker: str,
    key: str | None,
    origins: tuple[str, ...],
    reload: bool,
    debug: bool,
    stop_on_eof: bool,
    traced: bool,
) -> None:
    """Start a function app alone."""
    from mockserver.clock import SystemClock
    from mockserver.functions.app import open_app
    from mockserver.functions.debug import listen
    from mockserver.functions.host import FunctionsHost
    from mockserver.functions.logs import show_logs
    from mockserver.functions.reload import AppFiles, restart, restarted
    from mockserver.functions.settings import LoadError, local_port
    from mockserver.functions.timers import Timers
    from mockserver.functions.workers import start_worker

    app, start_folder = app.resolve(), Path.cwd()
    files = AppFiles(app)
    # Bytecode is compared by the second: after two edits within a second, the app before the last edit would be loaded.
    sys.dont_write_bytecode |= reload
    reports = _reports_to_parent() if stop_on_eof else HostReports()
    with user_errors():
        if click.get_current_context().get_parameter_source("port") is ParameterSource.DEFAULT:
            port = local_port(app) or port
        socket = bind(port, "the Functions host")
        port = socket.getsockname()[1]
        try:
            app_folder = open_app(app)
            if debug:
                listen(reports)
            show_logs(app_folder.settings.log_level)
            app_worker, worker_name = start_worker(app_folder, WorkerKind(worker))
        except LoadError as error:
            if not reload or not restarted():
                raise
            click.secho(f"{error}\nWaiting for a change.", fg="yellow", err=True)
            with stop_signal() as stopped:
                files.wait_for_change(stopped)
            return None if stopped.is_set() else restart(port, start_folder, reports)
    settings = replace(app_folder.settings, origins=app_folder.settings.origins | {*origins})
    host = FunctionsHost(app_worker, settings, key=key, traced=traced, report=reports.ended, crashed=reports.crashed)
    with user_errors():
        # Those of an app that was started with a mock run on its clock.
        timers = nullcontext() if stop_on_eof else Timers(url_of(socket), SystemClock(), key=key)
        with timers:
            changed = _serve(host, socket, worker_name, reports, files if reload else None)
    if not changed:
        return None
    reports.say("functions  a file of the app has changed: restarting")
    return restart(port, start_folder, reports)


def _serve(host: FunctionsHost, socket: Socket, worker_name: str, reports: HostReports, files: AppFiles | None) -> bool:
    """Answer until Ctrl-C, or until one of `files` has changed; whether one has."""
    servers = Servers((host, socket), at_end=host.close, crashed=reports.crashed)
    with stop_signal() as stopped:  # only from here on: before that, Ctrl-C must end an import that does not return
        servers.start()
        for line in host.described(worker_name, url_of(socket)):
            reports.say(line)
        reports.ready(url_of(socket))
        try:
            files.wait_for_change(stopped) if files is not None else stopped.wait()
        finally:
            servers.stop()
        return not stopped.is_set()


def _reports_to_parent() -> ReportsToParent:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C, and stops us
    threading.Thread(target=_stop_at_eof, daemon=True).start()
    return ReportsToParent()


def _stop_at_eof() -> None:
    sys.stdin.read()
    signal.raise_signal(signal.SIGTERM)
