"""A function app alone."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from mockserver.cli.explained import PATH, PORT, explained, stoppable
from mockserver.functions.process import READY, tell
from mockserver.functions.workers import WorkerKind
from mockserver.server import Servers, bind, url_of


@click.command()
@click.option("--app", type=PATH, required=True, metavar="DIR", help="The folder of function_app.py.")
@click.option("--port", type=PORT, default=7071, show_default=True)
@click.option(
    "--worker",
    type=click.Choice([each.value for each in WorkerKind]),
    default=WorkerKind.AUTO.value,
    show_default=True,
    help="Microsoft's own needs Python 3.13; auto takes it where it can.",
)
@click.option(
    "--key", metavar="KEY", help="What opens functions that are not anonymous. Default: nothing is asked for."
)
@click.option(
    "--cors", "origins", multiple=True, metavar="ORIGIN", help="A site whose pages may ask it; may be repeated."
)
@click.option("--reload", is_flag=True, help="Start anew whenever a file of the app changes.")
@click.option("--debug", is_flag=True, help="Let a debugger attach.")
@click.option("--stop-on-eof", is_flag=True, hidden=True, help="End when standard input does, and tell of every call.")
def functions(app: Path, port: int, **options: Any) -> None:
    """Start a function app alone."""
    from mockserver.functions.app import LoadError, open_app
    from mockserver.functions.debug import listen
    from mockserver.functions.host import FunctionsHost
    from mockserver.functions.reload import changed, start_anew, started_anew
    from mockserver.functions.workers import start_worker

    app, here = app.resolve(), Path.cwd()
    # Bytecode is compared by the second: an app that is edited twice in one would be loaded as it was.
    sys.dont_write_bytecode |= options["reload"]
    if options["stop_on_eof"]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, and ends us
        threading.Thread(target=_stop_at_eof, daemon=True).start()
    with explained():
        socket = bind(port, "the Functions host")
        port = socket.getsockname()[1]
        report = tell if options["stop_on_eof"] else lambda _call: None
        try:
            opened = open_app(app)
            if options["debug"]:
                listen()
            worker, which = start_worker(opened, WorkerKind(options["worker"]))
        except LoadError as error:
            if not options["reload"] or not started_anew():
                raise
            click.secho(f"{error}\nWaiting for it to be mended.", fg="yellow", err=True)
            with stoppable() as stopped:
                changed(app, stopped)
            if not stopped.is_set():
                start_anew(port, here)
            return
    # Not before: while the app is imported, Ctrl-C ends that.
    with explained(), stoppable() as stopped:
        host = FunctionsHost(worker, key=options["key"], origins=opened.origins | {*options["origins"]}, report=report)
        servers = Servers((host, socket), at_end=worker.close)
        servers.start()
        click.echo(f"functions  {len(worker.functions)} on {which}")
        click.echo(f"{READY}{url_of(socket)}")
        sys.stdout.flush()
        try:
            changed(app, stopped) if options["reload"] else stopped.wait()
        finally:
            servers.stop()
        if not stopped.is_set():
            click.echo("functions  a file of the app has changed: starting anew")
            start_anew(port, here)


def _stop_at_eof() -> None:
    sys.stdin.read()
    signal.raise_signal(signal.SIGTERM)
