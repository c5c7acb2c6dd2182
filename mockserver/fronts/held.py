"""Plays an answer that somebody holds: as far as they say, and then by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mockserver.clock import Timetable
from mockserver.exchange import Answer, Headers
from mockserver.matching.call import Call
from mockserver.simulation.holds import LONGEST_HOLD_S, Hold
from mockserver.wire.play import Playing, schedule


class HeldPlaying(Playing):
    """An answer on its way by the orders of a hold; `head_of` is the head of whatever answer it becomes."""

    def __init__(
        self, hold: Hold, call: Call, head_of: Callable[[Answer], Headers], answer: Answer, **rest: Any
    ) -> None:
        super().__init__(answer, head=head_of(answer), **rest)
        self._hold, self._call, self._head_of = hold, call, head_of
        self._by_itself = False
        self._overdue: asyncio.TimerHandle | None = None

    def begin(self, timetable: Timetable, now_s: float) -> None:
        """Wait for the first order."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake)

        if not self._hold.begin(self.answer, self._call, self._since_s, wake):
            self._by_itself = True
            super().begin(timetable, now_s)
            return
        self._timetable = timetable
        self._writer.on_left, self._writer.on_room = self._left, self._room
        self._be_patient()
        if self._writer.is_closing:
            self._writer.leave()

    def _wake(self) -> None:
        self._be_patient()
        self._room_or_order()

    def _be_patient(self) -> None:
        """Let it go on by itself where nothing more is told."""
        if self._overdue is not None:
            self._overdue.cancel()
        self._overdue = asyncio.get_running_loop().call_later(LONGEST_HOLD_S, self._hold.overdue)

    def _room_or_order(self) -> None:
        if not self._writer.ended:
            self._planned = self._timetable.add(self._since_s, self._go_on)

    def _send_due(self, now_s: float) -> float | None:
        if self._by_itself:
            return super()._send_due(now_s)
        order, sent = self._hold.order, len(self._sent_ms)
        if order.rest is None and order.upto is not None and not self._writer.ended:
            if not self._writer.started and self.answer.status:
                self._writer.start(self.answer.status, self._head)
            due = [event.data for event in self.answer.events[sent : order.upto]]
            self._sent_ms += [(now_s - self._since_s) * 1000] * len(due)
            self._writer.send(b"".join(due))
            self._hold.has_sent(len(self._sent_ms))
            if len(self._sent_ms) < len(self.answer.events):
                return None
        elif order.rest is not None:
            self.answer, self._head = order.rest, self._head_of(order.rest)
        else:
            return None
        self._by_itself = True
        # What is left keeps its pace, from now on.
        rest = self.answer.events[len(self._sent_ms) :]
        ahead_s = now_s - self._since_s
        self._schedule = ((ahead_s + due_s, data) for due_s, data in schedule(Answer(0, events=rest)))
        self._next = next(self._schedule, None)
        return super()._send_due(now_s)

    def _close(self, end: str) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        super()._close(end)
        self._hold.ended(end)
