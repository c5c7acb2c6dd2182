"""Plays an answer: each event at its absolute deadline, however long the events before it took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from mockserver.clock import Clock
from mockserver.exchange import Answer


def schedule(answer: Answer) -> Iterator[tuple[float, bytes]]:
    """Seconds from the request to each event, and its bytes. Deadlines are sums of the waits, so delays do not add up."""
    due_ms = answer.head_after_ms
    for event in answer.events:
        due_ms += event.after_ms
        yield due_ms / 1000, event.data


async def play(answer: Answer, *, since_s: float, clock: Clock) -> AsyncIterator[bytes]:
    """The events' bytes, each when it is due; `since_s` is when the request came, on the clock."""
    for due_s, data in schedule(answer):
        await clock.until(since_s + due_s)
        yield data


def play_blocking(answer: Answer, *, since_s: float, clock: Clock) -> Iterator[bytes]:
    """The same as `play`, for servers with one thread for each request."""
    for due_s, data in schedule(answer):
        clock.block_until(since_s + due_s)
        yield data
