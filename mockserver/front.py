"""The async front: checks who is asked, carries the model's traffic, and hands everything else to Flask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from a2wsgi import WSGIMiddleware

from mockserver.connection import Connection, Receive, Scope, Send
from mockserver.exchange import BY_MOCK, Answer, End, Headers, Request, json_answer
from mockserver.journal import Entry
from mockserver.mendable import MendableError
from mockserver.play import play, schedule
from mockserver.recorder import Recorder
from mockserver.relay import HOP_BY_HOP, Tape, UpstreamError
from mockserver.simulation import Simulation

#: Source: Static Web Apps quotas, "Maximum request size" (static-web-apps#467, #1721).
REQUEST_LIMIT_BYTES = 30 << 20

log = logging.getLogger("mockserver")


class Front:
    """An ASGI application that checks who is asked for and hands what it does not carry itself to a Flask application."""

    def __init__(self, flask: Any) -> None:
        def with_raw_path(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            scope = environ["asgi.scope"]
            environ["RAW_URI"] = "?".join(
                part.decode("latin-1") for part in (scope["raw_path"], scope["query_string"]) if part
            )
            return flask(environ, start_response)  # type: ignore[no-any-return]  # a WSGI application

        self._flask = WSGIMiddleware(with_raw_path)  # type: ignore[arg-type]  # a2wsgi's own type for environ

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; `carry` first."""
        if scope["type"] != "http":
            return
        connection = Connection(scope, receive, send)
        try:
            await self._answer(connection, scope, send)
        except Exception:
            log.exception("the mock server failed on %s %s", scope["method"], scope["path"])
            if not connection.started:
                await connection.answer(500, "The mock server failed; its console says why.\n")

    async def _answer(self, connection: Connection, scope: Scope, send: Send) -> None:
        request = await connection.accept(REQUEST_LIMIT_BYTES)
        if request is not None and not await self.carry(connection, request):
            await self._flask(scope, connection.again(request.body), send)  # type: ignore[arg-type]  # its ASGI types are stricter

    async def carry(self, connection: Connection, request: Request) -> bool:
        """Answer the request and return True, or return False to leave it to Flask."""
        raise NotImplementedError


class ModelFront(Front):
    """Plays what the simulation answers, or relays to the upstream and keeps what came."""

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
            await connection.answer(403, "A web page may not ask the model; it asks the site's API.\n")
            return True
        entry = self._simulation.answer(request)
        if entry.answer is not None:
            entry = await self._play(connection, entry, entry.answer)
        else:
            entry = await self._relay(connection, entry)
        self._report(entry)
        return True

    async def _play(self, connection: Connection, entry: Entry, answer: Answer) -> Entry:
        clock = self._simulation.clock
        sent_ms: list[float] = []

        async def events() -> None:
            await clock.until(entry.at_s + answer.head_after_ms / 1000)
            if answer.status:  # without one, the connection ends before it begins
                await connection.start(answer.status, sized(answer))
            async for data in play(answer, since_s=entry.at_s, clock=clock):
                sent_ms.append((clock.now() - entry.at_s) * 1000)
                if len(sent_ms) == len(answer.events):
                    ended(answer.end)
                await connection.write(data)
            ended(answer.end)
            await connection.end(answer.end)

        def ended(end: str) -> None:
            """Close the entry; before its last bytes leave, so that whoever has them finds it closed."""
            nonlocal entry
            if entry.end == "open":
                entry = self._close(entry, end, sent_ms, answer)

        await connection.until_gone(events())
        ended("client left")
        return entry

    async def _relay(self, connection: Connection, entry: Entry) -> Entry:
        if self._recorder is None:
            return await self._play(connection, entry, _fault_of_ours(501, "there is no upstream", "to record from"))
        recorder, tape = self._recorder, None

        async def hand_on() -> None:
            nonlocal tape
            async with recorder.endpoint.ask(entry.request) as live:
                tape = Tape(asked_s=entry.at_s, clock=self._simulation.clock)
                tape.begin(live.status, live.headers)
                await connection.start(live.status, live.headers)
                async for chunk in live.chunks:
                    tape.add(chunk)
                    await connection.write(chunk)
                tape.end()

        try:
            await connection.until_gone(hand_on())
        except UpstreamError as error:
            if tape is None:
                fault = _fault_of_ours(502, "the upstream could not be asked", str(error))
                return await self._play(connection, entry, fault)
            # It broke off: the client learns it as from the upstream itself.
            answer = replace(tape.answer(), end=End.RESET)
            answer = replace(answer, decided_by=await self._kept(recorder, entry.request, answer, str(error)))
            await connection.end(End.RESET)
            return self._close(entry, End.RESET, sent_ms_of(answer), answer)
        if tape is None or not tape.whole:
            came = sent_ms_of(tape.answer()) if tape else ()
            left = f"not recorded: the client left after {len(came)} event{'s' * (len(came) != 1)}, and so did we"
            return self._close(entry, "client left", came, Answer(tape.status if tape else 0, decided_by=left))
        answer = tape.answer()
        name = await self._kept(recorder, entry.request, answer)
        await connection.finish()
        return self._close(entry, End.EOF, sent_ms_of(answer), replace(answer, decided_by=name))

    async def _kept(self, recorder: Recorder, request: Request, answer: Answer, trouble: str = "") -> str:
        """Write an answer down, unless it is not to be kept, and answer with it from now on; what became of it."""
        if refusal := recorder.refusal(answer, trouble):
            return f"not kept: {refusal}"
        try:
            kept = await recorder.keep(request, answer)
            self._simulation.library.add(kept.name, kept.interaction)
        except (OSError, ValueError, MendableError) as error:  # ValueError: a text that no file can hold
            return f"not kept: {error}"
        return str(kept)

    def _close(self, entry: Entry, end: str, sent_ms: Sequence[float], answer: Answer | None = None) -> Entry:
        took_s = self._simulation.clock.now() - entry.at_s
        return self._simulation.journal.records.close(entry, end=end, sent_ms=sent_ms, took_s=took_s, answer=answer)


def sent_ms_of(answer: Answer) -> tuple[float, ...]:
    """When each event came and was handed on, which is the same."""
    return tuple(due_s * 1000 for due_s, _ in schedule(answer))


def _fault_of_ours(status: int, what: str, why: str) -> Answer:
    message = f"{what.capitalize()}: {why}"
    error = {"message": message, "type": "mockserver_upstream", "param": None, "code": "mockserver_upstream"}
    return json_answer(status, {"error": error}, headers=((BY_MOCK, "error"),), decided_by=what)


def sized(answer: Answer) -> Headers:
    """The answer's headers; with its length where it is one body, whole."""
    kept = tuple((name, value) for name, value in answer.headers if name not in HOP_BY_HOP | {"content-length"})
    if answer.streams or answer.end is not End.EOF:
        return kept
    return (*kept, ("content-length", str(len(answer.body))))
