"""What a crowd does to others: how long they wait for an answer alone, and while many clients behave badly at once.

tools/crowd.py

At the model and at the site, all at the same time: clients that do not read what they asked for, clients that send a byte now and
then, uploads of 30 MB, and connections that stay idle. Needs about 3,000 file descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

_READERS, _WRITERS, _UPLOADS, _IDLE = 200, 200, 50, 1000
_ASKED = 200
_UPLOAD = 29 << 20
_MODEL_HEAD = "host: localhost\r\nauthorization: Bearer k\r\n"
_CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}'
_LONG = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello"}],"max_completion_tokens":9000}'

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def request(method: str, path: str, body: bytes = b"", more: str = "", length: int | None = None) -> bytes:
    """The bytes of a request, whose body may be shorter than it says."""
    size = f"content-length: {len(body) if length is None else length}\r\n" if method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\n{_MODEL_HEAD}{more}{size}\r\n".encode() + body


async def ask(port: int, data: bytes) -> float:
    """The milliseconds until an answer is complete, on a connection of its own."""
    began_s = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
    answer = await reader.read()
    writer.close()
    if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 302")):
        raise RuntimeError(f"not answered well: {answer[:200]!r}")
    return (time.monotonic() - began_s) * 1000


async def waits(port: int, data: bytes) -> list[float]:
    """How long each of some requests took, one after the other."""
    return [await ask(port, data) for _ in range(_ASKED)]


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Send a byte each second."""
    with contextlib.suppress(OSError):
        while True:
            writer.write(b"x")
            await asyncio.sleep(1)


async def upload(port: int) -> None:
    """Send a file of 29 MB, again and again; the server may refuse it for lack of room."""
    form = b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--x\r\n'
    form += b'content-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + bytes(_UPLOAD) + b"\r\n--x--\r\n"
    more = "content-type: multipart/form-data; boundary=x\r\nconnection: close\r\n"
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request("POST", "/v1/files", form, more))
            await writer.drain()
            answer = await reader.read()
            writer.close()
            if answer.startswith(b"HTTP/1.1 503"):
                await asyncio.sleep(1)  # as its retry-after says


@contextlib.asynccontextmanager
async def crowd(model: int, site: int) -> AsyncIterator[None]:
    """The crowd, while it lasts."""
    open_: list[Connection] = []
    tasks: list[asyncio.Task[None]] = []
    for _ in range(_READERS):
        for port, data in (
            (model, request("POST", "/v1/chat/completions", _LONG)),
            (site, request("GET", "/large.bin")),
        ):
            open_.append(await asyncio.open_connection("127.0.0.1", port, limit=1))
            open_[-1][1].transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
            open_[-1][1].write(data)
    for _ in range(_WRITERS):
        for port, path in ((model, "/v1/chat/completions"), (site, "/.auth/login/aad")):
            open_.append(await asyncio.open_connection("127.0.0.1", port))
            open_[-1][1].write(request("POST", path, b"{", length=1_000_000))
            tasks.append(asyncio.create_task(trickle(open_[-1][1])))
    for port in (model, site):
        open_ += [await asyncio.open_connection("127.0.0.1", port) for _ in range(_IDLE)]
    tasks += [asyncio.create_task(upload(model)) for _ in range(_UPLOADS)]
    await asyncio.sleep(3)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for _, writer in open_:
            writer.transport.abort()


def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    """A command of ours and the port that it says it is ready at."""
    command = [sys.executable, "-m", "mockserver", *arguments, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout or ():
        if line.startswith("ready "):
            return process, int(line.rpartition(":")[2])
    raise RuntimeError(f"{arguments[0]} did not start")


def row(what: str, alone: list[float], among: list[float]) -> str:
    """A line of the table."""
    figures = []
    for waits_ms in (alone, among):
        figures += [statistics.median(waits_ms), statistics.quantiles(waits_ms, n=100)[98]]
    more = figures[2] - figures[0], figures[3] - figures[1]
    return f"| {what} | " + " | ".join(f"{figure:.1f}" for figure in (*figures, *more)) + " |"


async def measure(model: int, site: int) -> list[str]:
    """The lines of the table."""
    asked = {
        "a chat completion": (model, request("POST", "/v1/chat/completions", _CHAT)),
        "the model's journal": (model, request("GET", "/__admin/health")),
        "a page of the site": (site, request("GET", "/")),
        "who is signed in": (site, request("GET", "/.auth/me")),
    }
    alone = {what: await waits(*each) for what, each in asked.items()}
    async with crowd(model, site):
        among = {what: await waits(*each) for what, each in asked.items()}
    head = "| | alone: median | p99 | in the crowd: median | p99 | more: median | p99 |\n|---|---|---|---|---|---|---|"
    return [head, *(row(what, alone[what], among[what]) for what in asked)]


def main() -> None:
    """Start both servers, measure, print."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "index.html").write_text("<p>here</p>")
        (folder / "large.bin").write_bytes(bytes(40 << 20))
        processes = []
        try:
            for arguments in (
                ("model", "--on-miss", "generate", "--latency", "first=0ms,rate=9999tok/s"),
                ("site", "--app", name),
            ):
                processes.append(start(*arguments))
            for process, _ in processes:  # or it would wait for somebody to read what it prints
                threading.Thread(target=list, args=(process.stdout,), daemon=True).start()
            lines = asyncio.run(measure(*(port for _, port in processes)))
            peaks = [
                Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
                for process, _ in processes
            ]
        finally:
            for process, _ in processes:
                process.terminate()
                process.wait()
    lines.append(f"\nMost memory: model {int(peaks[0]) >> 10} MB, site {int(peaks[1]) >> 10} MB.")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
