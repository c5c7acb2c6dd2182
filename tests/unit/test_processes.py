"""The processes of one command, and the signals that stop one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from socket import socketpair
from typing import Any

import pytest

from mockserver.workers import processes
from mockserver.workers.processes import Processes, WorkersError


def test_every_command_can_be_imported_without_what_only_unix_has() -> None:
    without = (
        "import sys, signal, multiprocessing.context as context\n"
        "sys.modules.update(dict.fromkeys(['fcntl', 'grp', 'pwd', 'resource', 'termios'])); del signal.SIGHUP\n"
        "for name in ('ForkProcess', 'ForkContext', 'ForkServerProcess'): delattr(context, name)\n"
        "import pkgutil, importlib, mockserver.cli\n"
        "for module in pkgutil.iter_modules(mockserver.cli.__path__, 'mockserver.cli.'): importlib.import_module(module.name)\n"
    )
    imported = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)
    assert (imported.returncode, imported.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize(("ignored", "stops"), [(False, True), (True, False)], ids=["terminal", "nohup"])
def test_a_closed_terminal_stops_a_command_unless_nohup_protects_it(ignored: bool, stops: bool) -> None:
    source = (
        "import signal\nfrom mockserver.cli.signals import stop_signal\n"
        f"signal.signal(signal.SIGHUP, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})\n"
        "with stop_signal() as stopped:\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
        f"    print(stopped.wait({0.3 if ignored else 20}))\n"
    )
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == (f"{stops}\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="several processes on one port need Linux")
def test_the_first_process_sleeps_until_a_worker_that_did_not_start_is_due_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_AGAIN_S", 0.3)
    starts, waits = tmp_path / "starts", 0

    @contextmanager
    def work(_number: int) -> Iterator[None]:
        count = len(starts.read_text()) if starts.exists() else 0
        starts.write_text("x" * (count + 1))
        if count:  # every start but the first fails
            raise WorkersError("no")
        threading.Timer(0.05, os._exit, (3,)).start()
        yield

    wait = connection.wait

    def counted(objects: Any, timeout: float | None = None) -> list[Any]:
        nonlocal waits
        waits += 1
        if starts.exists() and len(starts.read_text()) >= 3:
            stop.send(b"x")
        return list(wait(objects, timeout))

    stop, stopped = socketpair()
    with stop, stopped, Processes(1, work) as workers:
        monkeypatch.setattr(connection, "wait", counted)
        workers.watch(stopped)
    assert waits < 20
