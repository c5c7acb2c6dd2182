"""A day of use in minutes: many requests of every kind at the whole app, and what the processes hold meanwhile.

tools/soak.py [REQUESTS] [SEED]     200,000 by default; writes docs/soak.svg when it is that many

The whole app with two Functions hosts runs in this process and its children; the clients in another. They read answers, streams,
pages and the journal, leave in the middle, reset their connections, meet faults, sign in, change scenarios, jump the clock, reset
the run, and change files that are reloaded. Every thousand requests, descriptors, threads, tasks and memory are counted. It ends
with 1 where one of them grows by more than 5 % after the warm-up, or where the mock's own code has failed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from mockserver.harness import model_endpoint, whole_app
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.settings import OnMiss
from mockserver.swa.personas import load_personas
from mockserver.wire.server import Servers

ROOT = Path(__file__).resolve().parent.parent
REQUESTS, _EACH, _AT_ONCE = 200_000, 1_000, 12
_WARM_UP = 0.25  # the journal is full by then
_MOST_GROWTH = 1.05

# --- the clients, in a process of their own --------------------------------------------------------------------------


class Clients:
    """What the clients know: the ports, the token, a session, and the files that they change."""

    def __init__(self, told: dict[str, str], seed: int) -> None:
        self.model, self.site = int(told["model"]), int(told["site"])
        self.token, self.scenario, self.api = told["token"], Path(told["scenario"]), Path(told["api"])
        self.cookie, self.done, self.chance = "", 0, random.Random(seed)  # noqa: S311  no secret
        self.statuses = Counter[str]()

    async def ask(self, port: int, method: str, path: str, body: object = None, **headers: str) -> bytes:
        """The whole answer to a request."""
        reader, writer = await self.send(port, method, path, body, **headers)
        try:
            answer = await asyncio.wait_for(reader.read(), 60)
        except ConnectionResetError:
            answer = b"HTTP/1.1 reset"
        writer.close()
        self.statuses[f"{method} {path.partition('?')[0]} {answer[9:12].decode()}"] += 1
        return answer

    async def send(
        self, port: int, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which a request was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", "connection: close", f"content-length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        return reader, writer

    def chat(self, *, stream: bool = False, text: str = "") -> dict[str, object]:
        """The body of a question that differs from others."""
        text = text or f"Question {self.chance.randrange(10**6)}"
        return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "stream": stream}

    async def change(self, path: str, body: object) -> None:
        """Use a control route."""
        await self.ask(self.model, "POST", path, body, x_mockserver_token=self.token)

    async def sign_in(self) -> None:
        """Begin a new session."""
        answer = await self.ask(
            self.site, "POST", "/__mock/login", {"persona": "alice"}, content_type="application/json"
        )
        head = answer.partition(b"\r\n\r\n")[0].decode()
        self.cookie = next(line[12:].partition(";")[0] for line in head.split("\r\n") if line.startswith("set-cookie"))

    async def leave(self, port: int, path: str, *, reset: bool, **headers: str) -> None:
        """Leave a stream after its first bytes."""
        reader, writer = await self.send(port, "POST", path, self.chat(stream=True), **headers)
        await asyncio.wait_for(reader.read(1), 60)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def meet_fault(self) -> None:
        """A question that ends badly."""
        with_fault = self.chat(stream=True, text=self.chance.choice(["drop this", "refuse this", "fail this"]))
        try:
            await self.ask(self.model, "POST", "/v1/chat/completions", with_fault, authorization="Bearer k")
        except OSError:
            self.statuses["fault"] += 1

    async def one(self) -> None:
        """One request of any kind."""
        api = {"cookie": self.cookie, "content_type": "application/json", "x_request_id": f"r{self.chance.random()}"}
        completions, key = "/v1/chat/completions", {"authorization": "Bearer k"}
        kinds: list[tuple[float, Callable[[], Awaitable[object]]]] = [
            (44, lambda: self.ask(self.model, "POST", completions, self.chat(), **key)),
            (14, lambda: self.ask(self.model, "POST", completions, self.chat(stream=True), **key)),
            (6, lambda: self.leave(self.model, completions, reset=False, **key)),
            (4, lambda: self.leave(self.model, completions, reset=True, **key)),
            (3, self.meet_fault),
            (12, lambda: self.ask(self.site, "GET", "/", cookie=self.cookie)),
            (5, lambda: self.ask(self.site, "GET", "/.auth/me", cookie=self.cookie)),
            (6, lambda: self.ask(self.site, "POST", "/api/chat/completions", self.chat(stream=True), **api)),
            (2, lambda: self.leave(self.site, "/api/chat/completions", reset=False, **api)),
            (1, lambda: self.ask(self.model, "GET", "/__admin/journal/verify?times=0&within_s=0&status=599")),
            (1, lambda: self.change("/__admin/clock", {"advance_s": 60})),
            (0.5, lambda: self.change("/__admin/scenarios", {"chosen": self.chance.choice(["all-at-once", None])})),
            (0.5, lambda: asyncio.to_thread(self.scenario.touch)),
            (1, self.sign_in),
        ]
        (kind,) = self.chance.choices([kind for _, kind in kinds], [weight for weight, _ in kinds])
        try:
            await kind()
        except OSError as error:
            self.statuses[type(error).__name__] += 1

    async def run(self, count: int) -> None:
        """Make all requests, some at once, and say how far they are."""
        await self.sign_in()

        async def work() -> None:
            while self.done < count:
                self.done += 1
                if self.done % (count // 5) == 0:  # a new version of the API: its hosts restart
                    (self.api / "function_app.py").touch()
                    await self.change("/__admin/reset", {})
                if self.done % _EACH == 0:
                    print(f"done {self.done}", flush=True)
                await self.one()

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
        print(json.dumps(self.statuses), flush=True)


# --- the whole app, and what it holds --------------------------------------------------------------------------------


def held(pid: int) -> tuple[int, int, float]:
    """The descriptors, the threads and the resident megabytes of a process."""
    folder = Path(f"/proc/{pid}")
    fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return len(list((folder / "fd").iterdir())), int(fields["Threads"]), int(fields["VmRSS"].split()[0]) / 1024


class _Watched(Servers):
    """Servers that tell their event loop."""

    loops: ClassVar[list[asyncio.AbstractEventLoop]] = []

    async def _serve(self) -> None:
        self.loops.append(asyncio.get_running_loop())
        await super()._serve()


def sample(hosts: list[int]) -> dict[str, float]:
    """What is held now, once everything that has ended is collected."""
    gc.collect()
    own = held(os.getpid())
    others = [held(pid) for pid in hosts]
    return {
        "descriptors": own[0] + sum(each[0] for each in others),
        "threads": own[1] + sum(each[1] for each in others),
        "tasks": sum(len(asyncio.all_tasks(loop)) for loop in _Watched.loops),
        "servers' memory, MB": own[2],
        "hosts' memory, MB": sum(each[2] for each in others),
    }


def growth(samples: list[dict[str, float]]) -> dict[str, float]:
    """How much more the last quarter holds than the first after the warm-up, as a ratio of medians."""
    after = samples[int(len(samples) * _WARM_UP) :]
    quarter = max(1, len(after) // 4)
    return {
        name: statistics.median(each[name] for each in after[-quarter:])
        / max(1.0, statistics.median(each[name] for each in after[:quarter]))
        for name in samples[0]
    }


def picture(samples: list[dict[str, float]], requests: int) -> str:
    """The samples as SVG: a row for each measure, from nothing to its highest value."""
    width, row, left = 900, 92, 190
    lines = []
    for index, name in enumerate(samples[0]):
        top, values = 20 + index * row, [each[name] for each in samples]
        most = max(values) or 1
        points = " ".join(
            f"{left + number * (width - left - 20) / max(1, len(values) - 1):.1f},{top + 60 - 60 * value / most:.1f}"
            for number, value in enumerate(values)
        )
        lines.append(
            f'<text x="16" y="{top + 30}">{name}</text><text class="n" x="16" y="{top + 48}">up to {most:.0f}</text>'
        )
        lines.append(
            f'<line x1="{left}" x2="{width - 20}" y1="{top + 60}" y2="{top + 60}"/><polyline points="{points}"/>'
        )
    height = 30 + len(samples[0]) * row
    style = "svg{background:#fff}text{font-size:14px;fill:#12263a}.n{font-size:12px;fill:#5b6b7b}line{stroke:#9aa5b1}polyline{fill:none;stroke:#3b6ea5;stroke-width:1.5}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif">'
        f"<style>{style}</style>{''.join(lines)}"
        f'<text class="n" x="{left}" y="{height - 6}">0 to {requests:,} requests</text></svg>\n'
    )


SCENARIO = """
- {when: {prompt: drop this}, fault: dropped, after: 2, say: one two three}
- {when: {prompt: refuse this}, fault: refused}
- {when: {prompt: fail this}, fault: overloaded}
"""


def soak(requests: int, seed: int) -> int:
    """Run it; the exit status."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    logging.getLogger("mockserver.site").setLevel(logging.ERROR)  # an API that restarts is no news here
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cassettes, api = folder / "cassettes", folder / "api"
        shutil.copytree(BUNDLED_CASSETTES, cassettes)
        shutil.copytree(ROOT / "api", api)
        (cassettes / "always.yaml").write_text(SCENARIO)
        latency = "first=1ms,rate=5000tok/s"
        options = ModelOptions((cassettes,), OnMiss.GENERATE, latency=latency)
        model_endpoint.Servers = whole_app.Servers = _Watched  # type: ignore[attr-defined]  # to see their tasks
        model = ModelEndpoint(options)
        functions = FunctionApp(model, ApiOptions(api, instances=2, reload=True))
        app = WholeApp(model, functions, SiteOptions(ROOT / "webapp" / "dist", load_personas()))
        for each in (model, functions, app):
            stack.enter_context(each)
        told = {"model": str(urlsplit(model.url).port), "site": str(urlsplit(app.url).port), "token": model.token}
        told |= {"scenario": str(cassettes / "always.yaml"), "api": str(api)}
        command = [sys.executable, __file__, "--clients", json.dumps(told), str(requests), str(seed)]
        clients = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        hosts = [process._process.pid for process in functions._processes]
        samples, statuses = [], ""
        for line in clients.stdout or ():
            if line.startswith("done "):
                samples.append(sample(hosts))
                print(line.strip(), {name: round(value) for name, value in samples[-1].items()}, flush=True)
            else:
                statuses = line.strip()
        crashes = list(model.simulation.journal.records.crashes)
        ended = clients.wait()
    print(statuses)
    for crash in crashes:
        print(crash, crash.traceback, sep="\n")
    grown = growth(samples)
    for name, ratio in grown.items():
        print(f"{name}: {ratio:.3f} of what it was after the warm-up")
    if requests >= REQUESTS:
        (ROOT / "docs" / "soak.svg").write_text(picture(samples, requests))
    return 1 if ended or crashes or max(grown.values()) > _MOST_GROWTH else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--clients"]:
        asyncio.run(Clients(json.loads(sys.argv[2]), int(sys.argv[4])).run(int(sys.argv[3])))
        sys.exit()
    numbers = [int(text) for text in sys.argv[1:]]
    sys.exit(soak(*(numbers[:1] or [REQUESTS]), *(numbers[1:] or [1])))
