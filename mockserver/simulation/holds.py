"""Streams in somebody's hand: an answer that goes on only when it is told to, piece by piece, to its end or into a fault."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from mockserver.errors import UserError, did_you_mean
from mockserver.exchange import Answer
from mockserver.matching.call import Call
from mockserver.matching.criteria import Criteria
from mockserver.simulation import model_faults
from mockserver.simulation.fault import Fault
from mockserver.simulation.model_faults import MODEL_FAULTS, FaultContext
from mockserver.sse import pieces_of, text_of

#: Real seconds that a step waits for the question and for its pieces to leave, where nobody says otherwise.
PATIENCE_S = 10
#: Real seconds after which a stream that is told nothing goes on by itself, so that nothing hangs for ever.
LONGEST_HOLD_S = 60
#: Faults that can come in the middle of a stream; all others replace the answer, whose head must not have left.
_ON_THE_WAY = ("dropped", "stall", "cut_short", "truncated_event", "malformed_event", "rate_limited_in_stream")


class HoldError(UserError):
    """A held stream that cannot do what it is told: its question did not come, it has ended, or the fault comes too late."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a held stream shall do: send its first `upto` events, None none and no head either; then, where `rest` is set, go on
    by itself with what that answer has after them."""

    upto: int | None = None
    rest: Answer | None = None


class Hold:
    """One answer that is held: the first one to a request that fits, from when its question comes. Thread-safe.

    Its unit is a piece: an event of a stream with some of the text, of the reasoning or of a tool call, with the events before
    it; the body of an answer that is no stream. Leaving the `with` block releases it.
    """

    def __init__(self, criteria: Criteria, scope: str) -> None:
        self.id = secrets.token_urlsafe(6)
        self.criteria, self.scope = criteria, scope
        self.order = Order()
        self._changed = threading.Condition()
        self._answer: Answer | None = None
        self._context: FaultContext | None = None
        self._stops: tuple[int, ...] = ()
        self._wake: Callable[[], None] = lambda: None
        self._sent = 0
        self._end = ""
        self._overdue = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    # --- for whoever holds it ---

    def step(self, pieces: int = 1, *, within_s: float = PATIENCE_S) -> str:
        """Let so many pieces leave; their text, once they have left. With 0, only the head leaves.

        Raises:
            HoldError: no request that fits has come within so many real seconds, or the stream has ended.
        """
        answer = self._wait_for_request(within_s)
        with self._changed:
            self._check_open()
            before = self.order.upto or 0
            left = [stop for stop in self._stops if stop > before]
            # A step beyond the last piece is the end, with whatever comes after it.
            upto = len(answer.events) if pieces > len(left) else left[pieces - 1] if pieces else before
            self._tell(Order(upto))
            self._changed.wait_for(lambda: self._sent >= upto or self._end, within_s)
            if self._sent < upto:
                raise HoldError(f"{self._sent} of {upto} events have left: {self._end or 'the client does not read'}")
        return "".join(text_of(event.data) for event in answer.events[before:upto])

    def fault(self, kind: str, *, within_s: float = PATIENCE_S) -> None:
        """Go on into a fault: `dropped`, `stall`, `malformed_event` and the like after what has left; any of the model's faults
        where nothing has.

        Raises:
            HoldError: no such fault, or none that can come now; no request has come; the stream has ended.
        """
        if kind not in MODEL_FAULTS:
            raise HoldError(
                f"unknown fault {kind!r}{did_you_mean(kind, MODEL_FAULTS)}; known: {', '.join(MODEL_FAULTS)}"
            )
        answer = self._wait_for_request(within_s)
        with self._changed:
            self._check_open()
            upto = self.order.upto
            if upto is not None and kind not in _ON_THE_WAY:
                raise HoldError(f"{kind} comes too late: the head has left. Now possible: {', '.join(_ON_THE_WAY)}")
            assert self._context is not None  # noqa: S101  for the type checker: it came with the request
            broken = model_faults.apply(Fault(kind, after=upto or 0), answer, self._context)
            self._tell(Order(upto, replace(broken, decided_by=f"{answer.decided_by}, {kind} by hand")))

    def release(self) -> None:
        """Let it go on by itself, at its own pace. Nothing more can be told to it; one that has not begun is not held at all."""
        with self._changed:
            if self._answer is None:
                self._end = self._end or "released"
            elif self._is_held:
                self._tell(Order(self.order.upto, self._answer))

    @property
    def state(self) -> dict[str, Any]:
        """What can be said of it, as JSON: `waiting` for a request, `held`, `going on`, or how it ended; pieces and text that left."""
        with self._changed:
            name = "waiting" if self._answer is None else "held" if self._is_held else "going on"
            events = self._answer.events if self._answer else ()
            left = sum(1 for stop in self._stops if stop > self._sent)
            text = "".join(text_of(event.data) for event in events[: self._sent])
            sent = len(self._stops) - left
            return {"hold": self.id, "state": self._end or name, "sent": sent, "left": left, "text": text}

    def _wait_for_request(self, within_s: float) -> Answer:
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self._end, within_s)
            if self._answer is None:
                wanted = self.criteria.words or "any request"
                why = "it was released before one came" if self._end else f"none came within {within_s:g} s"
                raise HoldError(f"held for {wanted}, and {why}. Ask, then step; what was asked is in the journal.")
            return self._answer

    @property
    def _is_held(self) -> bool:
        return self._answer is not None and not self._end and self.order.rest is None

    def _check_open(self) -> None:
        if self._overdue:
            raise HoldError(f"it was told nothing for {LONGEST_HOLD_S} s, and went on by itself")
        if not self._is_held:
            raise HoldError(f"it is not held any more: {self._end or 'it was released'}")

    def _tell(self, order: Order) -> None:
        self.order = order
        self._wake()

    # --- for whoever plays it, on the event loop ---

    def begin(self, answer: Answer, call: Call, at_s: float, wake: Callable[[], None]) -> bool:
        """A request has come; `wake` is called, from any thread, when there is a new order. Whether it is held."""
        with self._changed:
            if self._end or self._answer is not None:
                return False
            self._answer, self._wake = answer, wake
            self._context = FaultContext(call.address, call.model or "", at_s)
            self._stops = pieces_of(answer)
            self._changed.notify_all()
            return True

    def has_sent(self, events: int) -> None:
        """So many events have left in all."""
        with self._changed:
            self._sent = events
            self._changed.notify_all()

    def ended(self, end: str) -> None:
        """How it ended on the wire."""
        with self._changed:
            self._end = end
            self._changed.notify_all()

    def overdue(self) -> None:
        """Nothing was told for too long."""
        with self._changed:
            self._overdue = self._is_held
        self.release()


class Holds:
    """The holds of a simulation. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Hold] = {}
        #: Those that wait for a request; most of the time nobody holds anything, and nothing is compared.
        self._waiting: list[Hold] = []

    def open(self, criteria: Criteria, scope: str) -> Hold:
        """Hold the next answer to a request that fits, of a scope, or of everybody's where it is empty."""
        hold = Hold(criteria, scope)
        with self._lock:
            self._open[hold.id] = hold
            self._waiting.append(hold)
        return hold

    @property
    def waiting(self) -> bool:
        """Whether any waits for a request."""
        return bool(self._waiting)

    def take(self, call: Call, scope: str) -> Hold | None:
        """The hold of a request; each holds one."""
        with self._lock:
            fits = (each for each in self._waiting if each.scope in ("", scope) and each.criteria.fits(call))
            found = next(fits, None)
            if found is not None:
                self._waiting.remove(found)
            return found

    def named(self, hold_id: str) -> Hold:
        """The hold of an id.

        Raises:
            HoldError: there is none.
        """
        with self._lock:
            if hold_id not in self._open:
                raise HoldError(f"no hold {hold_id!r}; those there are: GET /__admin/holds")
            return self._open[hold_id]

    def all(self) -> list[Hold]:
        """All that were opened since the last reset."""
        with self._lock:
            return list(self._open.values())

    def release(self, scope: str | None = None) -> None:
        """Release those of a scope, or all, and forget them."""
        with self._lock:
            gone = [each for each in self._open.values() if scope in (None, each.scope)]
            self._open = {id_: each for id_, each in self._open.items() if each not in gone}
            self._waiting = [each for each in self._waiting if each not in gone]
        for hold in gone:
            hold.release()
