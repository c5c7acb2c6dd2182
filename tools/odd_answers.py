"""Odd answers of a model: those that the mock makes up, with some of their parts changed."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odd_inputs import OddInputs
from valid_inputs import VALID

from mockserver.clock import Alarm
from mockserver.exchange import Request
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.sse import event_json

_ASKED = {
    "chat/completions": [0, 1, 2, 3, 4, 5],
    "responses": [0, 1, 2, 3, 5],
    "embeddings": [0],
    "completions": [0, 1],
    "moderations": [0],
}
_OPERATIONS = {
    "chat/completions": "createChatCompletion",
    "responses": "createResponse",
    "embeddings": "createEmbedding",
    "completions": "createCompletion",
    "moderations": "createModeration",
}


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """An answer with what was asked: the path, the request's body, and the JSON of the answer or of its events."""

    path: str
    asked: dict[str, Any]
    streams: bool
    events: tuple[Any, ...]

    def body(self, odd: OddInputs) -> str:
        """Its body with a change somewhere."""
        which = odd.chance.randrange(len(self.events) or 1)
        texts = [
            odd.json(event).decode("utf-8", "replace") if number == which else json.dumps(event)
            for number, event in enumerate(self.events)
        ]
        if not self.streams:
            return texts[0]
        if odd.often() < 0.2:
            odd.chance.shuffle(texts)
        return "".join(f"data: {text}\n\n" for text in texts) + odd.pick(["data: [DONE]\n\n", "", "data: [DONE]"])


class NoClock:
    """A clock that stands still, so that every run makes up the same answers."""

    def now(self) -> float:
        """Always the same."""
        return 1e9

    async def until(self, moment_s: float) -> None:
        """Return at once."""

    def block_until(self, moment_s: float) -> None:
        """Return at once."""

    def call_at(self, moment_s: float, callback: Callable[[], None]) -> Alarm:
        """Call back at once."""
        del moment_s
        return asyncio.get_running_loop().call_soon(callback)


@functools.cache
def answers() -> tuple[ModelAnswer, ...]:
    """Every answer, streamed and whole."""
    simulation, found = Simulation(on_miss=OnMiss.GENERATE, clock=NoClock()), []
    for path, numbers in _ASKED.items():
        for number in numbers:
            for streams in (False, True) if path in ("chat/completions", "responses", "completions") else (False,):
                asked = {**VALID[_OPERATIONS[path]][number], "stream": streams, "store": True}
                asked = {key: value for key, value in asked.items() if value != "{id}"}
                if not streams:
                    asked.pop("stream_options", None)
                headers = (("authorization", "Bearer k"), ("content-type", "application/json"))
                answer = simulation.answer(
                    Request("POST", f"/v1/{path}", "", headers, json.dumps(asked).encode())
                ).answer
                if answer is None or answer.status != 200:
                    continue
                events = (
                    [event for each in answer.events if (event := event_json(each.data))]
                    if streams
                    else [json.loads(answer.body)]
                )
                found.append(ModelAnswer(path, asked, streams, tuple(events[:40])))
    return tuple(found)
