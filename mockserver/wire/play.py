"""Plays an answer: each event at its absolute deadline, however long the events before it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mockserver.clock import Clock, Planned, Timetable
from mockserver.exchange import Answer, End, Headers
from mockserver.wire.writer import AnswerWriter

#: How much is handed to a connection at once; then it says whether its client has room for more.
_AT_ONCE_BYTES = 64 << 10


def schedule(answer: Answer) -> Iterator[tuple[float, bytes]]:
    """Seconds from the request to each event, and its bytes. Deadlines are sums of the waits, so delays do not add up."""
    due_ms = answer.head_after_ms
    for event in answer.events:
        due_ms += event.after_ms
        yield due_ms / 1000, event.data


def play_blocking(answer: Answer, *, since_s: float, clock: Clock) -> Iterator[bytes]:
    """The events' bytes, each when it is due, for servers with one thread for each request; `since_s` is when the request came."""
    for due_s, data in schedule(answer):
        clock.block_until(since_s + due_s)
        yield data


class Playing:
    """An answer on its way to a client that came at `since_s` on the clock.

    Events that are due together leave together. A client that does not read is sent no more until it does. `close` is called
    once, before the last bytes leave: with how it ended, and the milliseconds from the request to each event that left. `fail`
    is called with what nobody expected.
    """

    def __init__(
        self,
        answer: Answer,
        writer: AnswerWriter,
        close: Callable[[str, list[float]], None],
        fail: Callable[[Exception], None],
        *,
        head: Headers,
        since_s: float,
    ) -> None:
        self.answer, self._writer, self._head, self._since_s = answer, writer, head, since_s
        self._close_with, self._fail = close, fail
        self._schedule = schedule(answer)
        self._next = next(self._schedule, None)
        self._sent_ms: list[float] = []
        self._is_open, self._waits_for_room = True, False
        self._planned: Planned | None = None

    def begin(self, timetable: Timetable, now_s: float) -> None:
        """Send what is due, and the rest when it is."""
        self._timetable = timetable
        self._writer.on_left, self._writer.on_room = self._left, self._room
        if self._writer.is_closing:  # the client has left while its answer was made, and nobody will tell
            self._writer.leave()
            return
        begins_s = self._since_s + self.answer.head_after_ms / 1000
        again_s = self._go_on(now_s) if begins_s <= now_s else begins_s
        if again_s is not None:
            self._planned = timetable.add(again_s, self._go_on)

    def _room(self) -> None:
        if self._waits_for_room:
            self._waits_for_room = False
            self._planned = self._timetable.add(self._since_s, self._go_on)

    def _go_on(self, now_s: float) -> float | None:
        """Send what is due; when there is more."""
        try:
            return self._send_due(now_s)
        except Exception as error:  # noqa: BLE001  one answer must not end the others
            self._close("failed")
            self._fail(error)
            return None

    def _send_due(self, now_s: float) -> float | None:
        writer, since_s = self._writer, self._since_s
        if writer.ended:
            return None
        if writer.full:
            self._waits_for_room = True
            return None
        if not writer.started and self.answer.status:  # 0 is a refused connection, which sends nothing
            writer.start(self.answer.status, self._head)
        due, size, sent_ms = [], 0, (now_s - since_s) * 1000
        while self._next is not None and since_s + self._next[0] <= now_s and size < _AT_ONCE_BYTES:
            due.append(self._next[1])
            size += len(self._next[1])
            self._sent_ms.append(sent_ms)
            self._next = next(self._schedule, None)
        data = b"".join(due)
        if self._next is not None:
            writer.send(data)
            return since_s + self._next[0]
        self._close(self.answer.end)
        if self.answer.end is End.EOF:
            writer.send(data, last=True)
            return None
        if self.answer.status:
            writer.send(data)
        if self.answer.end is End.RESET:
            writer.reset()
        return None

    def _left(self) -> None:
        self._close("client left")
        if self._planned is not None:
            self._timetable.remove(self._planned)

    def _close(self, end: str) -> None:
        if self._is_open:
            self._is_open = False
            self._close_with(end, self._sent_ms)
