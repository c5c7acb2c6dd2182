"""Registers steps, runs them one after another and prints one JSON line for each.

A script imports this before any library, which must not ask the internet. It decorates a coroutine with `@step(backend, api, name, mode)` for every combination, and calls `run_steps(distribution)`
at its end. One of mode sync asks its library without waiting for anything, in a thread without an event loop.

CLIENTS_URL        the server's address without a path
CLIENTS_TRACEBACK  prints the traceback of every failure
An argument runs only the steps whose "backend api name (mode)" contains it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import math
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from enum import StrEnum
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

ADDRESS = os.environ.get("CLIENTS_URL", "http://127.0.0.1:15281")
KEY = "not-a-secret"
API_VERSION = "2025-03-01-preview"

# OpenAI's names and the names of the deployments on Azure.
MODELS = {
    "openai": {"chat": "gpt-4o", "reasoner": "gpt-5-mini", "emb": "text-embedding-3-small"},
    "azure": {"chat": "chat", "reasoner": "reasoner", "emb": "emb"},
}
V1 = {"openai": f"{ADDRESS}/v1", "azure": f"{ADDRESS}/openai/v1"}
VECTOR_LENGTH = 1536
CALL_WEATHER = "Please get weather in Oslo."
WEATHER = json.dumps({"temperature": 7, "sky": "rain"})

# A red square of 16 by 16 pixels.
PNG = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mP4z8BAEmIY1TCqYfhqAACQ+f8B8u7oVwAAAABJRU5ErkJggg=="
IMAGE_URL = f"data:image/png;base64,{PNG}"

LIMIT_S = 60

MODES = ("sync", "async")

Run = Callable[[], Coroutine[Any, Any, object]]

_registered: list[tuple[str, str, str, str, Run]] = []
_refused: list[str] = []

# No telemetry, whatever the libraries' defaults are, and no list of prices or vocabulary from the internet.
os.environ |= {
    "ANONYMIZED_TELEMETRY": "false",
    "AUTOGEN_DISABLE_RUNTIME_TRACING": "true",
    "DO_NOT_TRACK": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}


class Continent(StrEnum):
    """Where a city is."""

    EUROPE = "Europe"
    ASIA = "Asia"
    AFRICA = "Africa"


class City(BaseModel):
    """What structured outputs are asked for."""

    name: str = Field(description="the city's name")
    population: int
    continent: Continent
    rivers: list[str]
    mayor: str | None


class Weather:
    """A tool of two, so that the right one has to be chosen; its calls are kept."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def get_weather(self, city: str) -> str:
        """Get the weather in a city"""
        self.calls.append(city)
        return WEATHER

    def get_time(self, zone: str) -> str:
        """Tell the time"""
        return f"12:00 {zone}"

    def check(self) -> None:
        """The tool ran once, with a city's name."""
        assert len(self.calls) == 1, f"the tool ran {len(self.calls)} times"
        check_text(self.calls[0])


def step(backend: str, api: str, name: str, mode: str) -> Callable[[Run], Run]:
    """Register a coroutine as a step."""

    def register(run: Run) -> Run:
        _registered.append((backend, api, name, mode, run))
        return run

    return register


async def value(given: Any) -> Any:
    """What a function gave, whether it is asynchronous or not."""
    return await given if inspect.isawaitable(given) else given


async def items(stream: Any) -> AsyncIterator[Any]:
    """What a stream gives, whether it is asynchronous or not; one that is both is what the step is."""
    if hasattr(stream, "__aiter__") and not (hasattr(stream, "__iter__") and _is_synchronous()):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


def _is_synchronous() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def run_steps(library: str) -> None:
    """Run every registered step, print its outcome, and end the process."""
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    asyncio.run(_run_all(library, metadata.version(library)))


async def _run_all(library: str, version: str) -> None:
    failures = 0
    for backend, api, name, mode, run in _registered:
        if len(sys.argv) > 1 and sys.argv[1] not in f"{backend} {api} {name} ({mode})":
            continue
        error = await _failure(mode, run)
        failures += error is not None
        result = {"library": library, "version": version, "backend": backend, "api": api, "step": name}
        print(json.dumps(result | {"mode": mode, "ok": error is None, "error": error}), flush=True)
    # A library's open sockets and threads must not keep the process alive.
    os._exit(1 if failures else 0)


async def _failure(mode: str, run: Run) -> str | None:
    """None, or the first 300 letters of what went wrong."""
    _refused.clear()
    try:
        async with asyncio.timeout(LIMIT_S):
            await (run() if mode == "async" else asyncio.to_thread(_run_at_once, run))
        assert not _refused, f"asked another server: {_refused[0]}"
    except TimeoutError as error:
        return f"TimeoutError: {str(error) or f'no end after {LIMIT_S} s'}"
    except Exception as error:  # noqa: BLE001  whatever a library raises fails its step alone
        if "CLIENTS_TRACEBACK" in os.environ:
            traceback.print_exception(error)
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return None


def _run_at_once(run: Run) -> None:
    """Run a coroutine that never waits."""
    coroutine = run()
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
        coroutine.close()
        raise AssertionError("a synchronous step waited")


def _only_the_server(event: str, arguments: tuple[Any, ...]) -> None:
    """Only the server is asked: any other address fails the step."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        asked = arguments[1][:2]
    elif event == "socket.getaddrinfo" and arguments[0] is not None:
        asked = (arguments[0], arguments[1])
    else:
        return
    server = urlsplit(ADDRESS)
    if (str(asked[0]), str(asked[1])) != (server.hostname, str(server.port)):
        _refused.append(f"{asked[0]}:{asked[1]}")
        raise ConnectionRefusedError(f"asked another server: {_refused[-1]}")


sys.addaudithook(_only_the_server)


# What every library's answers are measured with.


def check_text(text: object) -> None:
    """A text that says something."""
    assert isinstance(text, str), f"the text is {text!r}"
    assert text.strip(), "the text is empty"


def check_chunks(chunks: Sequence[str], text: str) -> None:
    """The chunks are the text."""
    check_text(text)
    assert len(chunks) > 1, f"the stream had {len(chunks)} chunk(s)"
    assert "".join(chunks) == text, "the chunks joined are not the text"


def check_count(count: object, what: str) -> None:
    """A number above zero."""
    assert isinstance(count, int), f"{what} is {count!r}"
    assert count > 0, f"{what} is {count!r}"


def check_weather_call(name: object, arguments: object) -> None:
    """A call of the right tool, with a city's name."""
    assert name == "get_weather", f"the tool called is {name!r}"
    assert isinstance(arguments, dict), f"the arguments are {arguments!r}"
    assert list(arguments) == ["city"], f"the arguments are {arguments!r}"
    check_text(arguments["city"])


def check_city(city: object) -> None:
    """A structured output that fits its schema: pydantic has checked the types, unless it is plain JSON."""
    city = City.model_validate(city) if isinstance(city, dict) else city
    assert isinstance(city, City), f"the city is {city!r}"
    City.model_validate(city.model_dump(), strict=True)
    check_text(city.name)


def check_vectors(vectors: Iterable[Sequence[float]], count: int, length: int = VECTOR_LENGTH) -> None:
    """As many vectors as texts, each of the length, no two the same."""
    vectors = [tuple(vector) for vector in vectors]
    assert len(vectors) == count, f"{len(vectors)} vectors"
    for vector in vectors:
        assert len(vector) == length, f"a vector has {len(vector)} numbers"
        assert all(isinstance(value, float) and math.isfinite(value) for value in vector), "not a number in a vector"
        assert any(vector), "a vector is all zeros"
    assert len(set(vectors)) == count, "two texts have the same vector"
