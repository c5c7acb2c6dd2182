"""The async front: carries model traffic, the gate and the API proxy, and hands everything else to Flask."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from a2wsgi import WSGIMiddleware

from mockserver.connection import Connection, Receive, Scope, Send
from mockserver.exchange import Answer, End, Headers, Request, json_answer
from mockserver.journal import Entry
from mockserver.play import play
from mockserver.recorder import Recorder
from mockserver.relay import HOP_BY_HOP, LAST_WORD, LiveAnswer, Tape, Upstream, UpstreamError
from mockserver.simulation import Simulation
from mockserver.swa.rules import Action, Decision
from mockserver.swa.site import Site

#: Source: Static Web Apps quotas, "Maximum request size" (static-web-apps#467, #1721).
REQUEST_LIMIT_BYTES = 30 << 20
_REMEMBERED = 1000

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


# --- the model endpoint ----------------------------------------------------------------------------------------------


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
        clock, sent = self._simulation.clock, 0

        async def events() -> None:
            nonlocal sent
            await clock.until(entry.at_s + answer.head_after_ms / 1000)
            if answer.status:  # without one, the connection ends before it begins
                await connection.start(answer.status, _sized(answer))
            async for data in play(answer, since_s=entry.at_s, clock=clock):
                sent += 1
                if sent == len(answer.events):
                    ended(answer.end)
                await connection.write(data)
            ended(answer.end)
            await connection.end(answer.end)

        def ended(end: str) -> None:
            """Close the entry; before its last bytes leave, so that whoever has them finds it closed."""
            nonlocal entry
            if entry.end == "open":
                entry = self._close(entry, end, sent, answer)

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
                tape = Tape(live.status, live.headers, asked_s=entry.at_s, clock=self._simulation.clock)
                await _hand_on(connection, live, tape.add)
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
            return self._close(entry, End.RESET, len(answer.events), answer)
        if tape is None or not tape.whole:
            came = len(tape.answer().events) if tape else 0
            left = f"not recorded: the client left after {came} event{'s' * (came != 1)}, and so did we"
            return self._close(entry, "client left", came, Answer(tape.status if tape else 0, decided_by=left))
        answer = tape.answer()
        name = await self._kept(recorder, entry.request, answer, f"a {answer.status} may pass")
        await connection.finish()
        return self._close(entry, End.EOF, len(answer.events), replace(answer, decided_by=name))

    async def _kept(self, recorder: Recorder, request: Request, answer: Answer, why_not: str) -> str:
        """Write an answer down, unless it is passing trouble, and answer with it from now on; what became of it."""
        if not recorder.keeps(answer):
            return f"not kept: {why_not} (--keep-errors keeps it)"
        try:
            kept = await recorder.keep(request, answer)
            self._simulation.library.add(kept.name, kept.interaction)
        except (OSError, ValueError) as error:
            return f"not kept: {error}"
        return str(kept)

    def _close(self, entry: Entry, end: str, sent: int, answer: Answer | None = None) -> Entry:
        took_s = self._simulation.clock.now() - entry.at_s
        return self._simulation.journal.close(entry, end=str(end), events_sent=sent, took_s=took_s, answer=answer)


def _fault_of_ours(status: int, what: str, why: str) -> Answer:
    message = f"{what.capitalize()}: {why}"
    error = {"message": message, "type": "mockserver_upstream", "param": None, "code": "mockserver_upstream"}
    return json_answer(status, {"error": error}, decided_by=what)


def _sized(answer: Answer) -> Headers:
    """The answer's headers; with its length where it is one body, whole."""
    kept = tuple((name, value) for name, value in answer.headers if name not in HOP_BY_HOP | {"content-length"})
    if answer.streams or answer.end is not End.EOF:
        return kept
    return (*kept, ("content-length", str(len(answer.body))))


# --- the site --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the site as it ended.

    `end` is "eof", "reset" or "client left"; `persona` is None for nobody; `request_id` is the one the API was given,
    None where it was not asked.
    """

    request: Request
    decision: Decision
    persona: str | None
    status: int
    end: str
    took_s: float
    request_id: str | None


class SiteFront(Front):
    """The gate, and the proxy to the API behind it; files and sign-in are Flask's."""

    def __init__(
        self,
        flask: Any,
        site: Site,
        *,
        report: Callable[[Visit], None] = lambda _visit: None,
        asking: Callable[[str, str], None] = lambda _persona, _request_id: None,
    ) -> None:
        """`asking` hears who asks the API, by e-mail address, and with which request id, before it is asked."""
        super().__init__(flask)
        self._site, self._report, self._asking = site, report, asking
        self._api = Upstream(site.api_url) if site.api_url else None
        self._passed_on: dict[str, None] = {}  # request ids, the oldest first

    async def carry(self, connection: Connection, request: Request) -> bool:
        """Whatever the gate sends to the API."""
        started_s = time.monotonic()
        principal = self._site.principal(request)
        decision = self._site.decide(request, principal)
        status, end, request_id = decision.status, "eof", None
        if decision.action is Action.API and self._api is None:
            status = 404
        if carried := decision.action is Action.API and self._api is not None:
            asked = replace(request, headers=self._site.api_headers(request, principal))
            request_id = asked.header("x-request-id") or ""
            self._remember(request_id)
            if principal is not None:
                self._asking(principal.user_details, request_id)
            status, end = await self._proxy(connection, asked, self._site.api_target(request, decision))
        persona = principal.user_details.partition("@")[0] if principal else None
        self._report(Visit(request, decision, persona, status, end, time.monotonic() - started_s, request_id))
        return carried

    async def _proxy(self, connection: Connection, asked: Request, target: str) -> tuple[int, str]:
        """The status and the end of an API call."""
        assert self._api is not None  # noqa: S101  for the type checker
        api, status, whole = self._api, 0, False

        def ended_by(chunk: bytes) -> None:
            nonlocal whole
            whole = chunk.endswith(LAST_WORD)

        async def hand_on() -> None:
            nonlocal status, whole
            async with api.ask(asked, target) as live:
                status = live.status
                await _hand_on(connection, live, ended_by)
                whole = True
            await connection.finish()

        try:
            await connection.until_gone(hand_on())
        except UpstreamError:
            if status:
                await connection.end(End.RESET)
                return status, "reset"
            await connection.answer(502, "The API does not answer.\n")
            return 502, "eof"
        return status, "eof" if whole else "client left"

    def passed_on(self, request_id: str | None) -> bool:
        """Whether a recent request with this id went through to the API."""
        return request_id in self._passed_on

    def _remember(self, request_id: str) -> None:
        self._passed_on[request_id] = None
        while len(self._passed_on) > _REMEMBERED:
            del self._passed_on[next(iter(self._passed_on))]

    async def close(self) -> None:
        """Close the connections to the API."""
        if self._api is not None:
            await self._api.close()


async def _hand_on(
    connection: Connection, live: LiveAnswer, tap: Callable[[bytes], None] = lambda _chunk: None
) -> None:
    """Send an upstream's answer on as it comes, not yet its end."""
    await connection.start(live.status, live.headers)
    async for chunk in live.chunks:
        tap(chunk)
        await connection.write(chunk)
