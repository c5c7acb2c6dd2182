"""What the mock costs, as ratios to a bare server in the same run: requests, streams, paced streams, its start, its library.

tools/bench.py [STREAMS]    1,000 paced streams by default

Each figure stands beside one of a reference on this machine: a server of forty lines that sends the same bytes and does nothing else,
or Python's own reading of the same JSON. Rounds alternate, and the middle one counts. Where the reference itself varies by more
than a quarter, the machine is busy with something else: then nothing is judged, and it ends with 2. No figure is a pass or a
failure; `tests/unit/test_cost.py` holds what a request costs in calls, which no machine changes.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from bench_rig import (
    EVENTS,
    REFERENCE,
    chat_body,
    cost_us,
    costs_us,
    lateness_ms,
    memory_mb,
    post_chat,
    running,
    write_cassettes,
)

REQUESTS, STREAMS, ROUNDS = 6_000, 1_000, 5
_MOST_SPREAD = 0.25

# --- the whole app -----------------------------------------------------------------------------------------------------


def chain_us(folder: Path) -> dict[str, tuple[float, float]]:
    """What each part of the whole app takes of CPU for a JSON answer, and for each event of a stream, in microseconds."""
    words = "word " * EVENTS
    (folder / "say.yaml").write_text(json.dumps([{"say": words}]), encoding="utf-8")
    ports = [option for name in ("site", "model", "functions", "direct") for option in (f"--{name}-port", "0")]
    command = [sys.executable, "-m", "mockserver", "up", "--cassettes", str(folder), *ports]
    with (
        (folder / "app.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[1]) as app,
    ):
        try:
            lines = _until_ready(app, folder / "app.log")
            site, model = (int(lines[name].rpartition(":")[2]) for name in ("site", "model"))
            children = Path(f"/proc/{app.pid}/task/{app.pid}/children").read_text(encoding="utf-8").split()
            pids = (app.pid, int(children[0]))
            with socket.create_connection(("127.0.0.1", site)) as client:
                body = b'{"persona": "alice"}'
                client.sendall(_post(site, "/__mock/login", body))
                cookie = client.recv(1 << 16).decode().partition("set-cookie: ")[2].partition(";")[0]
            found: dict[str, list[float]] = {}
            for kind, stream in (("whole", False), ("stream", True)):
                asked = chat_body("anything", stream=stream)
                end = b"0\r\n\r\n" if stream else b"}"
                alone = costs_us(model, pids, post_chat(model, asked), end, 600)
                sent = _post(site, "/api/chat/completions", asked, f"cookie: {cookie}")
                whole = costs_us(site, pids, sent, b"0\r\n\r\n" if stream else b"}", 300)
                found[kind] = [alone[0], whole[0] - alone[0], whole[1]]
        finally:
            app.terminate()
            app.wait()
    parts = ("the model", "the gate", "the Functions host with the API")
    pairs = zip(parts, found["whole"], found["stream"], strict=True)
    return {part: (whole, (stream - whole) / EVENTS) for part, whole, stream in pairs}


def _until_ready(app: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """The addresses that the app says, by the word before each; the site's is its last line."""
    for _ in range(600):
        lines = log.read_text(encoding="utf-8").splitlines()
        site = next((line for line in lines if line.startswith("http")), None)
        if site is not None:
            model = next(line.split()[1] for line in lines if line.startswith("model "))
            return {"site": site, "model": model.removesuffix("/v1")}
        if app.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"the whole app has not started:\n{log.read_text(encoding='utf-8')}")


def _post(port: int, path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "content-type: application/json", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


# --- the table ---------------------------------------------------------------------------------------------------------


def middle(rounds: list[float]) -> float:
    """The middle of some rounds."""
    return statistics.median(rounds)


def spread(rounds: list[float]) -> float:
    """How far the rounds are apart, without the furthest on each side, as a part of their middle."""
    inner = sorted(rounds)[1:-1]
    return (inner[-1] - inner[0]) / middle(rounds)


def alternately(*acts: Callable[[], float]) -> list[list[float]]:
    """What each of them measures, in rounds that alternate."""
    found: list[list[float]] = [[] for _ in acts]
    for _ in range(ROUNDS):
        for act, rounds in zip(acts, found, strict=True):
            rounds.append(act())
    return found


def measured(folder: Path, streams: int) -> Iterator[tuple[str, float, float, str, float]]:
    """Rows: what, ours, the reference, the unit, and the spread of the reference."""
    library, played = folder / "library", folder / "played"
    library.mkdir()
    played.mkdir()
    write_cassettes(library, 1_000)
    write_cassettes(played)
    model = ("-m", "mockserver", "model", "--port", "0", "--cassettes", str(played))
    with running(*model) as ours, running(REFERENCE) as bare:
        for prompt, what, requests in (
            ("whole", "a JSON answer, CPU", REQUESTS),
            ("stream", f"a stream of {EVENTS} events, CPU", REQUESTS // 2),
        ):
            mine, theirs = alternately(
                functools.partial(cost_us, *ours[:2], prompt, requests),
                functools.partial(cost_us, *bare[:2], prompt, requests),
            )
            yield what, middle(mine), middle(theirs), "µs", spread(theirs)
        theirs_late, mine_late = lateness_ms(bare[0], streams), lateness_ms(ours[0], streams)
        for what, value in mine_late.items():
            unit = "" if what.endswith("finished") else "ms"
            yield f"{streams:,} paced streams: {what}", value, theirs_late[what], unit, 0.0
        yield "memory after all that", memory_mb(ours[1]), memory_mb(bare[1]), "MB", 0.0

    def start(*command: str) -> float:
        with running(*command) as (_, _, took_s):
            return took_s * 1000

    mine, theirs = alternately(lambda: start(*model), lambda: start(REFERENCE))
    yield "ready", middle(mine), middle(theirs), "ms", spread(theirs)

    from mockserver.simulation.cassette_index import (
        load_index,  # the reference, which is this file too, starts without it
    )

    def load() -> float:
        began_s = time.process_time()
        load_index([library])
        return (time.process_time() - began_s) * 1000

    def read() -> float:
        began_s = time.process_time()
        for _ in range(10):
            for path in library.iterdir():
                json.loads(path.read_bytes())
        return (time.process_time() - began_s) * 100

    mine, theirs = alternately(load, read)
    yield "1,000 recordings loaded; reference: their JSON alone", middle(mine), middle(theirs), "ms", spread(theirs)


@click.command(help="What the mock costs, as ratios to a bare server in the same run.")
@click.argument("streams", type=click.IntRange(1), default=STREAMS)
def main(streams: int) -> None:
    """Print the table; the exit status is 2 where the machine was too busy to say anything."""
    if not hasattr(select, "epoll"):
        sys.exit("make bench measures on Linux alone: it reads what a process costs from /proc.")
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n"
    )
    print(f"{'':56}{'ours':>10}{'bare':>10}{'':4}{'ratio':>7}{'spread':>8}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for what, ours, bare, unit, apart in measured(Path(folder), streams):
            ratio = (
                f"{ours / bare:7.1f}" if unit in ("µs", "MB") or what.startswith(("ready", "1,000 rec")) else " " * 7
            )
            shown = f"{apart:8.0%}" if apart else ""
            print(f"{what:56}{ours:10.1f}{bare:10.1f} {unit:3}{ratio}{shown}", flush=True)
            worst = max(worst, apart)
        print(f"\n{'the whole app, µs of CPU':56}{'an answer':>10}{'an event':>10}")
        with tempfile.TemporaryDirectory() as said:
            for part, (whole, event) in chain_us(Path(said)).items():
                print(f"{part:56}{whole:10.0f}{event:10.0f}", flush=True)
    if worst > _MOST_SPREAD:
        print(
            f"\nThe reference varied by {worst:.0%}: this machine is busy, and these figures say nothing. Try again on a quiet one."
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
