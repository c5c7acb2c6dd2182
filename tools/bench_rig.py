"""What tools/bench.py measures with: a reference server of forty lines, and clients that count and wait."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONNECTIONS = 64
EVENTS, FIRST_MS, GAP_MS, PACED_S = 60, 300, 20, 6.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

# --- what is asked and answered ----------------------------------------------------------------------------------------


def chat_body(prompt: str, *, stream: bool = False) -> bytes:
    """The body of a question."""
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}], "stream": stream}).encode()


def post_chat(port: int, body: bytes) -> bytes:
    """A whole request to a model's port."""
    lines = ["POST /v1/chat/completions HTTP/1.1", f"host: 127.0.0.1:{port}", "authorization: Bearer any"]
    lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def completion() -> bytes:
    """A recorded answer."""
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
        kinds = [(chat_body(f"question {number}"), "application/json", [completion()], [0]) for number in range(count)]
    else:
        pieces = _events()
        kinds.append((chat_body("whole"), "application/json", [completion()], [0]))
        kinds.append((chat_body("stream", stream=True), "text/event-stream", pieces, [0] * EVENTS))
        waits = [FIRST_MS, *[GAP_MS] * (EVENTS - 1)]
        kinds.append((chat_body("paced", stream=True), "text/event-stream", pieces, waits))
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


_COMPLETION = completion()
WHOLE_END, STREAM_END = _COMPLETION[-8:], b"0\r\n\r\n"
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
    """Microseconds of CPU that a server takes for a request."""
    sent = post_chat(port, chat_body(prompt, stream=PROMPTS[prompt]))
    return costs_us(port, (pid,), sent, STREAM_END if PROMPTS[prompt] else WHOLE_END, requests)[0]


def costs_us(port: int, pids: tuple[int, ...], sent: bytes, end: bytes, requests: int) -> list[float]:
    """Microseconds of CPU that processes take for a request: 64 clients ask again as soon as they have their answer."""
    poll, clients, received = select.epoll(), dict[int, socket.socket](), dict[int, bytes]()
    for _ in range(CONNECTIONS):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(client, select.EPOLLIN)
        clients[client.fileno()], received[client.fileno()] = client, b""
    before_s, left, open_ = [_cpu_s(pid) for pid in pids], requests, 0
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
    return [(_cpu_s(pid) - began_s) / requests * 1e6 for pid, began_s in zip(pids, before_s, strict=True)]


def lateness_ms(port: int, streams: int) -> dict[str, float]:
    """How late what many paced streams send comes: first events, gaps, and last events, in milliseconds; those unfinished."""
    sent = post_chat(port, chat_body("paced", stream=True))
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


#: The file that is the reference when it is run.
REFERENCE = __file__

if __name__ == "__main__":
    asyncio.run(serve())
