"""What the mock costs, as ratios to a bare server in the same run: requests, streams, paced streams, its start, its library.

tools/bench.py [STREAMS]    1,000 paced streams by default

Each figure stands beside one of a reference on this machine: a server of forty lines that sends the same bytes and does nothing else,
or Python's own reading of the same JSON. Rounds alternate, and the middle one counts. Where the reference itself varies by more
than a quarter, the machine is busy with something else: then nothing is judged, and it ends with 2. No figure is a pass or a
failure; `tests/unit/test_cost.py` holds what a request costs in calls, which no machine changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
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
from typing import Any

CONNECTIONS, REQUESTS, STREAMS, ROUNDS = 64, 6_000, 1_000, 5
EVENTS, FIRST_MS, GAP_MS, PACED_S = 60, 300, 20, 6.0
_MOST_SPREAD = 0.25
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

# --- what is asked and answered ----------------------------------------------------------------------------------------


def _body(prompt: str, *, stream: bool = False) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}], "stream": stream}).encode()


def _request(port: int, body: bytes) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", f"host: 127.0.0.1:{port}", "authorization: Bearer any"]
    lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def _completion() -> bytes:
    message = {"role": "assistant", "content": "word " * EVENTS}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    usage = {"prompt_tokens": 9, "completion_tokens": EVENTS, "total_tokens": EVENTS + 9}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]}
    return json.dumps({**whole, "usage": usage}).encode()


def _events() -> list[bytes]:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    deltas = [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}] * EVENTS
    return [b"data: " + json.dumps({**chunk, "choices": [delta]}).encode() + b"\n\n" for delta in deltas]


PROMPTS = {"whole": False, "stream": True, "paced": True}


def write_cassettes(folder: Path, count: int = 0) -> None:
    """The recordings that the servers play, or a library of so many others."""
    kinds: list[tuple[bytes, str, list[bytes], list[int]]] = []
    if count:
        kinds = [(_body(f"question {number}"), "application/json", [_completion()], [0]) for number in range(count)]
    else:
        pieces = _events()
        kinds.append((_body("whole"), "application/json", [_completion()], [0]))
        kinds.append((_body("stream", stream=True), "text/event-stream", pieces, [0] * EVENTS))
        waits = [FIRST_MS, *[GAP_MS] * (EVENTS - 1)]
        kinds.append((_body("paced", stream=True), "text/event-stream", pieces, waits))
    for start in range(0, len(kinds), 100):
        entries = [
            {
                "request": {
                    "method": "POST",
                    "uri": "https://api.openai.com/v1/chat/completions",
                    "headers": {"content-type": ["application/json"]},
                    "body": body.decode(),
                },
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {"content-type": [kind]},
                    "body": {"string": b"".join(events).decode()},
                    "timing": {"head_ms": 0, "after_ms": waits, "end": "eof"},
                },
            }
            for body, kind, events, waits in kinds[start : start + 100]
        ]
        whole = {"version": 1, "metadata": {"format": 1, "source": "authored"}, "interactions": entries}
        (folder / f"c{start:06}.yaml").write_text(json.dumps(whole), encoding="utf-8")


# --- the reference -----------------------------------------------------------------------------------------------------


class Bare(asyncio.Protocol):
    """Sends the same bytes, and does nothing else; it takes each piece that comes for a whole request."""

    def connection_made(self, transport: Any) -> None:
        """Begin a connection."""
        self._transport, self._loop = transport, asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Answer a request."""
        stream = b'"stream": true' in data
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b\r\n\r\n"
        if not stream:
            whole = _COMPLETION
            self._transport.write(head % (b"application/json", b"content-length: %d" % len(whole)) + whole)
            return
        pieces = [head % (b"text/event-stream", b"transfer-encoding: chunked"), *_CHUNKS, b"0\r\n\r\n"]
        if b'"paced"' not in data:
            self._transport.write(b"".join(pieces))
            return
        began_s = self._loop.time() + FIRST_MS / 1000
        self._loop.call_at(began_s, self._send, iter(_CHUNKS), began_s, pieces[0])

    def _send(self, chunks: Iterator[bytes], at_s: float, before: bytes = b"") -> None:
        chunk = next(chunks, None)
        self._transport.write(before + (chunk or b"0\r\n\r\n"))
        if chunk is not None:
            self._loop.call_at(at_s + GAP_MS / 1000, self._send, chunks, at_s + GAP_MS / 1000)


_COMPLETION = _completion()
_CHUNKS = [b"%x\r\n%b\r\n" % (len(event), event) for event in _events()]


async def serve() -> None:
    """The reference, until it is stopped."""
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0, backlog=2048)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def running(*command: str) -> Iterator[tuple[int, int, float]]:
    """A server's port, its process, and the seconds until it was ready."""
    began_s = time.perf_counter()
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        ready = next(line for line in process.stdout if line.startswith("ready "))
        took_s = time.perf_counter() - began_s
        drain = subprocess.Popen([sys.executable, "-c", "import sys\nfor _ in sys.stdin: pass"], stdin=process.stdout)
        try:
            yield int(ready.strip().rpartition(":")[2]), process.pid, took_s
        finally:
            process.terminate()
            process.wait()
            drain.wait()


# --- the clients -------------------------------------------------------------------------------------------------------


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def memory_mb(pid: int) -> float:
    """What a process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cost_us(port: int, pid: int, prompt: str, requests: int) -> float:
    """Microseconds of CPU that a server takes for a request: 64 clients ask again as soon as they have their answer."""
    sent = _request(port, _body(prompt, stream=PROMPTS[prompt]))
    end = b"0\r\n\r\n" if PROMPTS[prompt] else _COMPLETION[-8:]
    poll, clients, received = select.epoll(), dict[int, socket.socket](), dict[int, bytes]()
    for _ in range(CONNECTIONS):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(client, select.EPOLLIN)
        clients[client.fileno()], received[client.fileno()] = client, b""
    before_s, left, open_ = _cpu_s(pid), requests, 0
    for client in clients.values():
        client.sendall(sent)
        open_ += 1
    while open_:
        for number, _ in poll.poll(10):
            received[number] = received[number][-16:] + clients[number].recv(1 << 18)
            if received[number].endswith(end):
                received[number] = b""
                left -= 1
                if left >= open_:
                    clients[number].sendall(sent)
                else:
                    open_ -= 1
    for client in clients.values():
        client.close()
    return (_cpu_s(pid) - before_s) / requests * 1e6


def lateness_ms(port: int, streams: int) -> dict[str, float]:
    """How late what many paced streams send comes: first events, gaps, and last events, in milliseconds; those unfinished."""
    sent = _request(port, _body("paced", stream=True))
    poll, clients = select.epoll(), dict[int, socket.socket]()
    began, came = dict[int, float](), dict[int, list[float]]()
    first, gaps, drift, done = list[float](), list[float](), list[float](), 0
    for _ in range(streams):
        client = socket.create_connection(("127.0.0.1", port))
        poll.register(client, select.EPOLLIN)
        clients[client.fileno()] = client
    waiting = list(clients)
    began_s = time.perf_counter()
    per_tick = max(1, streams // 1000)  # they begin within a second, not at once
    while (now_s := time.perf_counter()) < began_s + PACED_S or began:
        if now_s > began_s + PACED_S + 15:
            break
        due = waiting[: per_tick if now_s < began_s + PACED_S else 0]
        del waiting[: len(due)]
        for number in due:
            began[number], came[number] = time.perf_counter(), []
            clients[number].sendall(sent)
        for number, _ in poll.poll(0.001):
            data, at_s = clients[number].recv(1 << 16), time.perf_counter()
            times = came[number]
            times += [at_s] * data.count(b"data: ")
            if data.endswith(b"0\r\n\r\n"):
                done += 1
                first.append((times[0] - began.pop(number)) * 1000 - FIRST_MS)
                gaps += [abs((after - before) * 1000 - GAP_MS) for before, after in itertools.pairwise(times)]
                drift.append((times[-1] - times[0]) * 1000 - GAP_MS * (EVENTS - 1))
                waiting.append(number)
    for client in clients.values():
        client.close()
    late = statistics.quantiles(gaps, n=100)[98]
    return {
        "first event, median": statistics.median(first),
        "gap, 99th percentile": late,
        "last event, median": statistics.median(drift),
        "unfinished": float(len(began)),
        "finished": float(done),
    }


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
    with running(*model) as ours, running(__file__, "serve") as bare:
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

    mine, theirs = alternately(lambda: start(*model), lambda: start(__file__, "serve"))
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


def main() -> int:
    """Print the table; 2 where the machine was too busy to say anything."""
    if not hasattr(select, "epoll"):
        sys.exit("make bench measures on Linux alone: it reads what a process costs from /proc.")
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS
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
    if worst > _MOST_SPREAD:
        print(
            f"\nThe reference varied by {worst:.0%}: this machine is busy, and these figures say nothing. Try again on a quiet one."
        )
        return 2
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    sys.exit(main())
