"""A fake clock, and the smallest requests, answers and recordings."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mockserver.cassettes import cassette
from mockserver.clock import Alarm
from mockserver.exchange import Answer, Event, Interaction, Request


class FakeClock:
    """A clock that stands still until a caller waits for it or sets it."""

    def __init__(self, now_s: float = 1_000_000.0) -> None:
        self.now_s = now_s
        self.waited_for: list[float] = []

    def now(self) -> float:
        return self.now_s

    async def until(self, moment_s: float) -> None:
        self.block_until(moment_s)

    def call_at(self, moment_s: float, callback: Callable[[], None]) -> Alarm:
        self.block_until(moment_s)
        return asyncio.get_running_loop().call_soon(callback)

    def block_until(self, moment_s: float) -> None:
        self.waited_for.append(moment_s)
        self.now_s = max(self.now_s, moment_s)


def chat(prompt: str = "Hello!", *, path: str = "/v1/chat/completions", key: str = "any", **body: Any) -> Request:
    """A chat completion request; `body` adds to the smallest body, or replaces parts of it."""
    content = {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}], **body}
    raw_path, _, query = path.partition("?")
    headers = (("authorization", f"Bearer {key}"), ("content-type", "application/json"))
    return Request("POST", raw_path, query, headers, json.dumps(content).encode())


def answered(text: str) -> Answer:
    return Answer(200, (("content-type", "application/json"),), (Event(0, text.encode()),))


#: A complete answer of `createChatCompletion`.
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "In Norway.", "refusal": None}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}  # fmt: skip


def recording(*prompts: str) -> str:
    """The text of a cassette in which every prompt has the answer `ANSWER`."""
    answer = Answer(200, (("content-type", "application/json"),), (Event(0, json.dumps(ANSWER).encode()),))
    interactions = [Interaction(replace(chat(prompt), headers=()), answer) for prompt in prompts]
    return cassette.dump(cassette.new_recording(interactions, upstream="a test"))


def odd_shapes(answer: Answer) -> Iterator[Answer]:
    """The answer again and again, each time with a value of another type, or none, at one place of its JSON."""
    for number, event in enumerate(answer.events):
        head, divider, text = event.data.rpartition(b"data: ") if answer.streams else (b"", b"", event.data)
        if text.startswith(b"{"):
            for value in _odd_values(json.loads(text)):
                data = head + divider + json.dumps(value).encode() + b"\n\n"
                yield replace(answer, events=(*answer.events[:number], Event(0, data), *answer.events[number + 1 :]))


_ODD: tuple[Any, ...] = (None, 0, "x", {}, ["x"], [{}], "\ud83d", ...)


def _odd_values(value: Any) -> Iterator[Any]:
    waiting: list[list[str | int]] = [[]]
    while waiting:
        path = waiting.pop()
        here = value
        for step in path:
            here = here[step]
        waiting += [
            [*path, step]
            for step in (here if isinstance(here, dict) else range(len(here) if isinstance(here, list) else 0))
        ]
        for odd in _ODD if path else ():
            whole = copy.deepcopy(value)
            parent = whole
            for step in path[:-1]:
                parent = parent[step]
            if odd is ...:
                del parent[path[-1]]
            else:
                parent[path[-1]] = odd
            yield whole
