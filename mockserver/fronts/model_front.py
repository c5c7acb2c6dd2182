"""The model's async front: checks the Host, carries the model's traffic, and leaves the control routes to Flask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mockserver.cassettes.recorder import Recorder
from mockserver.errors import UserError, count_of
from mockserver.exchange import BY_MOCK, Answer, End, Request, json_answer
from mockserver.fronts.front import Front, sent_ms_of, sized
from mockserver.journal.entry import Entry
from mockserver.simulation.simulation import Simulation
from mockserver.wire.connection import Connection
from mockserver.wire.play import play
from mockserver.wire.tape import Tape
from mockserver.wire.upstream import UpstreamError

log = logging.getLogger("mockserver")


class ModelFront(Front):
    """Plays the simulation's answers, or forwards requests to the upstream and records its answers."""

    def __init__(
        self,
        flask: Any,
        simulation: Simulation,
        *,
        recorder: Recorder | None = None,
        report: Callable[[Entry], None] = lambda _entry: None,
    ) -> None:
        super().__init__(flask)
        self._simulation, self._recorder, self._report = simulation, recorder, report

    async def carry(self, connection: Connection, request: Request) -> bool:
        """Everything but the control routes."""
        if request.raw_path.startswith("/__admin"):
            return False
        if request.header("origin") is not None:
            await connection.answer(403, "A web page may not call the model; it calls the site's API.\n")
            return True
        entry = self._simulation.answer(request)
        if entry.answer is not None:
            entry = await self._play(connection, entry, entry.answer)
        else:
            entry = await self._forward(connection, entry)
        self._report(entry)
        return True

    async def _play(self, connection: Connection, entry: Entry, answer: Answer) -> Entry:
        clock = self._simulation.clock
        sent_ms: list[float] = []

        async def events() -> None:
            await clock.until(entry.at_s + answer.head_after_ms / 1000)
            if answer.status:  # 0 is a refused connection, which sends nothing
                await connection.start(answer.status, sized(answer))
            async for data in play(answer, since_s=entry.at_s, clock=clock):
                sent_ms.append((clock.now() - entry.at_s) * 1000)
                if len(sent_ms) == len(answer.events):
                    close(answer.end)
                await connection.write(data)
            close(answer.end)
            await connection.end(answer.end)

        def close(end: str) -> None:
            """Close the entry, once. It closes before its last bytes leave, so a client that has them finds it closed."""
            nonlocal entry
            if entry.end == "open":
                entry = self._close(entry, end, sent_ms, answer)

        await connection.run_while_connected(events())
        close("client left")
        return entry

    async def _forward(self, connection: Connection, entry: Entry) -> Entry:
        if self._recorder is None:
            return await self._play(connection, entry, _own_error(501, "there is no upstream", "to record from"))
        recorder, tape = self._recorder, None

        async def pass_on() -> None:
            nonlocal tape
            async with recorder.endpoint.ask(entry.request) as live:
                tape = Tape(since_s=entry.at_s, clock=self._simulation.clock)
                tape.begin(live.status, live.headers)
                await connection.start(live.status, live.headers)
                async for chunk in live.chunks:
                    tape.add(chunk)
                    await connection.write(chunk)
                tape.end()

        try:
            await connection.run_while_connected(pass_on())
        except UpstreamError as error:
            if tape is None:
                return await self._play(connection, entry, _own_error(502, "the upstream does not answer", str(error)))
            # The answer broke off: the client sees that as it would from the upstream itself.
            answer = replace(tape.answer(), end=End.RESET)
            answer = replace(answer, decided_by=await self._record(recorder, entry.request, answer, str(error)))
            await connection.end(End.RESET)
            return self._close(entry, End.RESET, sent_ms_of(answer), answer)
        if tape is None or not tape.whole:
            sent_ms = sent_ms_of(tape.answer()) if tape else ()
            reason = f"not recorded: the client left after {count_of(len(sent_ms), 'event')}"
            return self._close(entry, "client left", sent_ms, Answer(tape.status if tape else 0, decided_by=reason))
        answer = tape.answer()
        name = await self._record(recorder, entry.request, answer)
        await connection.finish()
        return self._close(entry, End.EOF, sent_ms_of(answer), replace(answer, decided_by=name))

    async def _record(self, recorder: Recorder, request: Request, answer: Answer, trouble: str = "") -> str:
        """Record an answer and replay it from now on; its name, or why it was not recorded."""
        if refusal := recorder.refusal(answer, trouble):
            return f"not kept: {refusal}"
        try:
            recording = await recorder.keep(request, answer)
            self._simulation.index.add(recording.name, recording.interaction)
        except (OSError, ValueError, UserError) as error:  # ValueError: a text that cannot be encoded
            return f"not kept: {error}"
        return str(recording)

    def _close(self, entry: Entry, end: str, sent_ms: Sequence[float], answer: Answer | None = None) -> Entry:
        took_s = self._simulation.clock.now() - entry.at_s
        return self._simulation.journal.records.close(entry, end=end, sent_ms=sent_ms, took_s=took_s, answer=answer)


def _own_error(status: int, what: str, why: str) -> Answer:
    message = f"{what.capitalize()}: {why}"
    error = {"message": message, "type": "mockserver_upstream", "param": None, "code": "mockserver_upstream"}
    return json_answer(status, {"error": error}, headers=((BY_MOCK, "error"),), decided_by=what)
