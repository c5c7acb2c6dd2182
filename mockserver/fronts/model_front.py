"""The model's async front: checks the Host, carries the model's traffic, and leaves the control routes to Flask."""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from mockserver.cassettes.recorder import Recorder
from mockserver.clock import Timetable
from mockserver.errors import UserError, count_of
from mockserver.exchange import BY_MOCK, Answer, End, Headers, Request, first, is_event_stream, json_answer
from mockserver.fronts.front import NO_RETRY, Front, sent_ms_of, sized
from mockserver.fronts.held import HeldPlaying
from mockserver.fronts.realtime_front import RealtimeFront
from mockserver.journal.entry import Entry
from mockserver.simulation.simulation import Simulation
from mockserver.wire.connection import AsgiReceive, AsgiScope, AsgiSend, Connection
from mockserver.wire.play import Playing
from mockserver.wire.tape import Tape
from mockserver.wire.upstream import UpstreamError
from mockserver.wire.writer import AnswerWriter

#: How long an upstream may take to close a stream whose last event has come.
_AFTER_LAST_EVENT_S = 2


class ModelFront(Front):
    """Plays the simulation's answers, or forwards requests to the upstream and records its answers."""

    def __init__(
        self,
        flask: Any,
        simulation: Simulation,
        *,
        recorder: Recorder | None = None,
        report: Callable[[Sequence[Entry]], None] = lambda _entries: None,
    ) -> None:
        super().__init__(flask, simulation.journal.records)
        self._simulation, self._recorder, self._report = simulation, recorder, report
        self._timetable, self._unreported = Timetable(simulation.clock), list[Entry]()
        self._realtime = RealtimeFront(simulation, report)
        # One at a time: several would share one interpreter, and the event loop would wait for each of them in turn.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="mockserver-aside")

    async def converse(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """A realtime session."""
        await self._realtime(scope, receive, send)

    def answer_directly(self, request: Request, writer: AnswerWriter) -> bool:
        """Everything that needs no upstream, and takes no time."""
        if self._recorder is not None or request.raw_path.startswith(_OWN) or _takes_long(request):
            return False
        try:
            entry = self._simulation.answer(request)
            self._play(writer, entry, entry.answer or _NO_UPSTREAM)
        except Exception as error:  # noqa: BLE001  the outermost frame of our own code
            self._fail(writer, request, error)
        return True

    async def carry(self, connection: Connection, request: Request) -> bool:
        """Everything but the control routes and the console."""
        if request.raw_path.startswith(_OWN):
            return False
        if request.header("origin") is not None:
            await connection.answer(403, "A web page may not call the model; it calls the site's API.\n")
            return True
        if _takes_long(request):  # other requests must not wait for it
            loop = asyncio.get_running_loop()
            entry = await loop.run_in_executor(self._aside, self._simulation.answer, request)
        else:
            entry = self._simulation.answer(request)
        answer = entry.answer or (_NO_UPSTREAM if self._recorder is None else None)
        if answer is not None:
            await self._play_and_wait(connection, entry, answer)
        elif self._recorder is not None:
            await self._forward(self._recorder, connection, entry)
        return True

    async def _play_and_wait(self, connection: Connection, entry: Entry, answer: Answer) -> None:
        writer = connection.writer()
        self._play(writer, entry, answer)
        await writer.wait()

    def _play(self, writer: AnswerWriter, entry: Entry, answer: Answer) -> None:
        """Begin to send an answer. Its entry closes before its last bytes leave, so a client that has them finds it closed."""

        def close(end: str, sent_ms: Sequence[float]) -> None:
            self._close(entry, end, sent_ms, playing.answer)

        def fail(error: Exception) -> None:
            self._fail(writer, entry.request, error)

        held = self._simulation.hold_of(entry)
        rest: dict[str, Any] = {"writer": writer, "close": close, "fail": fail, "since_s": entry.at_s}
        playing = (
            Playing(answer, head=sized(answer), **rest) if held is None else HeldPlaying(*held, sized, answer, **rest)
        )
        playing.begin(self._timetable, self._simulation.clock.now())

    def _fail(self, writer: AnswerWriter, request: Request, error: Exception) -> None:
        status, words = self.failed(error, f"{request.method} {request.raw_path}", request.body)
        if writer.started:
            writer.break_off()
        else:
            writer.answer(status, words, NO_RETRY)

    async def _forward(self, recorder: Recorder, connection: Connection, entry: Entry) -> None:
        """Pass an upstream's answer on as it comes, all but its end: that leaves when the answer is on disk."""
        clock = self._simulation.clock
        tape = Tape(since_s=entry.at_s, clock=clock, decode=True)
        held = b""
        head: tuple[int, Headers] = (0, ())

        async def pass_on() -> None:
            nonlocal held, head
            async with recorder.endpoint.ask(entry.request) as live:
                tape.begin(live.status, live.headers)
                head = live.status, live.headers
                if not _is_bodiless(entry.request, *head):
                    await connection.start(*head)
                async with asyncio.timeout(None) as limit:
                    async for chunk in live.chunks:
                        if held:
                            await connection.write(held)
                        tape.add(chunk)
                        held = chunk
                        if is_event_stream(live.headers) and not tape.at_last_event:
                            await connection.write(chunk)
                            held = b""
                        elif is_event_stream(live.headers):
                            limit.reschedule(asyncio.get_running_loop().time() + _AFTER_LAST_EVENT_S)
                tape.end()

        trouble = ""
        try:
            with contextlib.suppress(TimeoutError):
                await connection.run_while_connected(pass_on())
        except (UpstreamError, zlib.error) as error:
            if not tape.status:
                return await self._play_and_wait(
                    connection, entry, _own_error(502, "the upstream does not answer", str(error))
                )
            trouble = "" if tape.whole else str(error)
        if not tape.whole and not trouble:
            sent_ms = sent_ms_of(tape.answer())
            reason = f"not recorded: the client left after {count_of(len(sent_ms), 'event')}"
            self._close(entry, "client left", sent_ms, Answer(tape.status, decided_by=reason))
            return None
        # Where the answer broke off, the client sees that as it would from the upstream itself.
        answer = replace(tape.answer(), end=End.RESET if trouble else End.EOF)
        answer, end = await self._record(recorder, entry.request, answer, trouble)
        self._close(entry, end, sent_ms_of(answer), answer)  # a client that has the last bytes finds it closed
        if end is End.EOF and not connection.started:
            await connection.start(*head)
        if end is End.EOF and held:
            await connection.write(held)
        await connection.end(end)
        return None

    async def _record(self, recorder: Recorder, request: Request, answer: Answer, trouble: str) -> tuple[Answer, End]:
        """Record an answer: it is on disk then. The answer with its name, or why it was not recorded; and how it is to end:
        where it could not be written, the client must not take it for recorded."""
        if refusal := recorder.refusal(request, answer, trouble):
            return replace(answer, decided_by=f"not kept: {refusal}"), answer.end
        try:
            recording = await recorder.keep(request, answer)
        except (OSError, ValueError, UserError) as error:  # ValueError: a text that cannot be encoded
            return replace(answer, decided_by=f"not written: {error}"), End.RESET
        return replace(answer, decided_by=str(recording)), answer.end

    def _close(self, entry: Entry, end: str, sent_ms: Sequence[float], answer: Answer) -> None:
        """Close an entry, once; it is reported with all others of this moment, when their answers are on their way."""
        took_s = self._simulation.clock.now() - entry.at_s
        if not self._unreported:
            asyncio.get_running_loop().call_soon(self._report_all)
        self._unreported.append(
            self._simulation.journal.records.close(entry, end=end, sent_ms=sent_ms, took_s=took_s, answer=answer)
        )

    def _report_all(self) -> None:
        unreported, self._unreported = self._unreported, []
        self._report(unreported)


#: What begins so is no model's: the control routes, and the console.
_OWN = ("/__admin", "/__mock/")
#: Answers that are drawn, or that many requests make.
_LONG = re.compile(r".*/(?:images/\w+|audio/speech|batches(?:/[^/]+)?|vector_stores/.+)")
_LARGE_BYTES = 1 << 20


def _takes_long(request: Request) -> bool:
    """Whether an answer may take so long that it is made beside the event loop."""
    return len(request.body) > _LARGE_BYTES or _LONG.fullmatch(request.raw_path) is not None


def _is_bodiless(request: Request, status: int, headers: Headers) -> bool:
    """Whether an answer ends with its head."""
    return request.method == "HEAD" or status in (204, 304) or first(headers, "content-length") == "0"


def _own_error(status: int, what: str, why: str) -> Answer:
    message = f"{what.capitalize()}: {why}"
    error = {"message": message, "type": "mockserver_upstream", "param": None, "code": "mockserver_upstream"}
    return json_answer(status, {"error": error}, headers=((BY_MOCK, "error"),), decided_by=what)


_NO_UPSTREAM = _own_error(501, "there is no upstream", "to record from")
