"""The gate on the wire: decides on every request, and proxies the API, with production's limits, or a dev server."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mockserver.exchange import Answer, End, Event, Headers, Request, first, is_origin_of
from mockserver.fronts.front import Front, sent_ms_of, sized
from mockserver.journal.entry import Entry, Place
from mockserver.journal.records import Records
from mockserver.matching.call import Call
from mockserver.simulation.scopes import ScopeError
from mockserver.simulation.site_faults import NO_FAULT, SiteFault, api_timed_out
from mockserver.simulation.turn import mock_error
from mockserver.sse import split_events
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.routing import DECIDED, Action, Decision
from mockserver.swa.static_web_app import StaticWebApp
from mockserver.wire.connection import Connection
from mockserver.wire.tape import Tape
from mockserver.wire.trace import own_span, passed_on
from mockserver.wire.upstream import LiveAnswer, Upstream, UpstreamError

#: Source: Static Web Apps API constraints: "maximum request duration of 45 seconds", managed and linked alike.
API_LIMIT_S = 45.0
_PAUSE_CHECK_S = 0.5  # how often a debugger's pause is checked
#: How much of an API's answer the journal keeps.
_TAPE_BYTES = 256 << 10
#: What Static Web Apps passes on as it comes. Source: Microsoft in static-web-apps#1180, 2024-09-06 and 2025-02-07.
_STREAMED = frozenset({"text/event-stream", "application/octet-stream"})
#: The site's headers that a dev server's pages do not get: its hot reload needs scripts that the policy forbids.
_NOT_FOR_DEVELOPMENT = frozenset({"content-security-policy", "strict-transport-security", "cache-control"})
log = logging.getLogger("mockserver.site")

#: The name of a visit's scope, empty for everybody's, and its site fault.
Attribution = Callable[[Call, ClientPrincipal | None], tuple[str, SiteFault]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request at the gate: the call as it is forwarded, who is signed in, the decision, its scope and its fault; and the id of
    its own span, which is empty where no spans are sent."""

    call: Call
    principal: ClientPrincipal | None
    decision: Decision
    scope: str = ""
    fault: SiteFault = NO_FAULT
    span_id: str = ""


class Delivery(StrEnum):
    """How the proxy passes an API's answer on: depending on its content type, in one piece, or as it comes."""

    AS_AZURE = "as-azure"
    BUFFERED = "buffered"
    LIVE = "live"

    def streams(self, headers: Headers) -> bool:
        """Whether an answer with these headers is passed on as it comes."""
        if self is Delivery.AS_AZURE:
            return (first(headers, "content-type") or "").partition(";")[0].strip().lower() in _STREAMED
        return self is Delivery.LIVE


class SiteFront(Front):
    """The gate, and the proxy to the API behind it; Flask serves files and sign-in."""

    def __init__(
        self,
        flask: Any,
        site: StaticWebApp,
        *,
        delivery: Delivery = Delivery.AS_AZURE,
        records: Records | None = None,
        report: Callable[[Entry], None] = lambda _entry: None,
        attribute: Attribution = lambda _call, _principal: ("", NO_FAULT),
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        """Every visit is written into the records and then reported. While the API is `paused`, its 45 s do not count down.

        `attribute` may raise ScopeError for a request without a clear scope, which is then refused with the reason.
        """
        super().__init__(flask, records or Records())
        self._site, self._delivery, self._report = site, delivery, report
        self._attribute, self._paused = attribute, paused
        self._apis = deque(map(Upstream, site.api_urls))
        self._app = Upstream(site.app_url) if site.app_url else None
        if site.live is not None and site.live.apart:
            self.hosts = frozenset(state.host for state in site.states)

    async def carry(self, connection: Connection, request: Request) -> bool:
        """Everything that goes to the API or to a dev server."""
        if request.raw_path.startswith("/__mock/"):
            return False
        try:
            visit = self._visit(request)
        except ScopeError as error:
            await self._refuse(connection, request, error)
            return True
        if visit.fault.signed_out:
            connection.remove_header("cookie")
        entry, decision, clock = self._open(visit), visit.decision, self._site.clock
        tape = Tape(since_s=entry.at_s, clock=clock, limit_bytes=_TAPE_BYTES)
        if decision.action is Action.API and self._apis:
            end = await self._proxy(connection, visit, tape)
        elif decision.action is Action.FILE and self._app is not None:
            end = await self._develop(connection, self._app, visit, tape)
        else:  # for Flask, which answers 404 if there is no API
            answer = replace(entry.answer, status=404) if entry.answer and decision.action is Action.API else None
            self._report(self._records.close(entry, end="eof", took_s=clock.now() - entry.at_s, answer=answer))
            known = {DECIDED: (request, visit.principal, decision)}
            waits = _waits(decision)
            await self.flask.answer(connection.scope, request.body, connection, waits=waits, known=known)
            return True
        answer = replace(tape.answer(), decided_by=decision.action, faults=visit.fault.kinds)
        took_s = clock.now() - entry.at_s
        self._report(self._records.close(entry, end=end, sent_ms=sent_ms_of(answer), took_s=took_s, answer=answer))
        return True

    def _visit(self, request: Request) -> Visit:
        """The gate's decision on a request, and what it depends on.

        Raises:
            ScopeError: it goes to the API, and its scope is not clear.
        """
        site, principal = self._site, self._site.principal(request)
        decision = site.decide(request, principal)
        if decision.action is not Action.API:
            return Visit(Call(request), principal, decision)
        request, span_id = own_span(site.with_id(request))
        call = Call(request)
        scope, fault = self._attribute(call, principal)
        if fault.signed_out:
            principal, decision = None, site.decide(call.request, None)
        return Visit(call, principal, decision, scope, fault, span_id if self._records.watcher else "")

    async def _refuse(self, connection: Connection, request: Request, error: ScopeError) -> None:
        """Answer 409 in the form of an API's errors, and report the visit with the reason: it goes to nobody's scope."""
        site = self._site
        principal, now_s = site.principal(request), site.clock.now()
        refusal = replace(mock_error("mockserver_cannot_attribute", str(error)), status=409)
        decision = Decision(Action.ERROR, 409, because=str(error))
        entry = self._open(Visit(Call(site.with_id(request)), principal, decision))
        await connection.start(409, sized(refusal))
        await connection.write(refusal.body)
        await connection.finish()
        took_s = site.clock.now() - now_s
        self._report(self._records.close(entry, end="eof", took_s=took_s, answer=refusal))

    def _open(self, visit: Visit) -> Entry:
        decision, user = visit.decision, visit.principal
        answer = Answer(decision.status, _location(decision), decided_by=decision.action, faults=visit.fault.kinds)
        return self._records.open(
            self._site.clock.now(),
            visit.call,
            answer,
            place=Place.SITE,
            scope=visit.scope,
            persona=user.user_details.partition("@")[0] if user else None,
            rule=decision.because,
            span_id=visit.span_id,
        )

    # --- the API -----------------------------------------------------------------------------------------------------

    async def _proxy(self, connection: Connection, visit: Visit, tape: Tape) -> str:
        """Proxy an API call and return how it ended; its answer is on the tape."""
        api, site, clock, fault = self._apis[0], self._site, self._site.clock, visit.fault
        headers = passed_on(site.api_headers(visit.call.request, visit.principal), visit.span_id)
        request = replace(visit.call.request, headers=headers)
        target = site.api_target(visit.call.request, visit.decision)
        self._apis.rotate()  # as a load balancer does: the next request goes to the next instance
        if _asks_for_web_socket(visit.call.request):
            # Source: Static Web Apps API constraints: only HTTP; the status of the refusal is not documented.
            return await _answer(
                connection, tape, _plain(400, "Static Web Apps does not pass WebSockets on to an API.\n")
            )

        async def pass_on() -> None:
            await clock.until(clock.now() + fault.wait_ms / 1000)
            if fault.instead is not None:
                await _answer(connection, tape, fault.instead)
                tape.end()
                return
            async with api.ask(request, target) as live:
                headers = _headers_from_site(live.headers, api.base_url)
                if not any(name == "x-ms-request-id" for name, _ in headers):
                    headers = (*headers, ("x-ms-request-id", request.header("x-request-id") or ""))
                bodiless = request.method == "HEAD" or live.status in (204, 304)  # unchanged, its length too
                if bodiless or self._delivery.streams(headers) or fault.cut_after is not None:
                    await _stream(connection, tape, replace(live, headers=headers), fault.cut_after)
                    tape.end()
                else:
                    body = b"".join([chunk async for chunk in live.chunks])
                    await _answer(connection, tape, Answer(live.status, headers, (Event(0, body),)))
                    tape.end()
                    return
            await connection.finish()

        try:
            if await connection.run_while_connected(pass_on(), limit=self._api_limit()):
                return "eof"
            if connection.client_left:
                return "eof" if tape.whole else "client left"
            return await _cut(connection, tape, api_timed_out())
        except _CutError:
            return await _cut(connection, tape, api_timed_out())
        except UpstreamError as error:
            log.warning("the API does not answer: %s", error)
            return await _cut(connection, tape, _plain(502, "The API does not answer.\n"))

    async def _api_limit(self) -> None:
        """Return after the time that an API call may take; time in a debugger does not count."""
        clock, left_s = self._site.clock, API_LIMIT_S
        while left_s > 0:
            began_s = clock.now()
            await clock.until(began_s + min(_PAUSE_CHECK_S, left_s))
            if not self._paused():
                left_s -= clock.now() - began_s

    # --- a dev server ------------------------------------------------------------------------------------------------

    async def _develop(self, connection: Connection, app: Upstream, visit: Visit, tape: Tape) -> str:
        """Proxy a request to a dev server, its bytes unchanged, and return how it ended."""
        request, decision = visit.call.request, visit.decision
        target = self._site.app_target(request, decision)
        origin = request.header("origin")
        of_site = origin is not None and is_origin_of(origin, request.header("host") or "")
        if (web_socket := _asks_for_web_socket(request)) and origin is not None and not of_site:
            return await _answer(connection, tape, _plain(403, "Another site may not open a connection to this one.\n"))
        headers = tuple(header for header in request.headers if _for_dev_server(header[0]))
        if of_site:  # as the Host: Next.js refuses its hot reload to any origin but its own
            headers = tuple((name, app.base_url if name == "origin" else value) for name, value in headers)
        plain = replace(request, headers=headers)

        async def pass_on() -> None:
            async with app.ask(plain, target, upgrade=web_socket) as live:
                if live.raw is not None:
                    tape.begin(live.status, live.headers)
                    await connection.tunnel(live.status, live.headers, live.raw)
                    return
                fallback = self._site.fallback(request) if live.status == 404 else None
                if fallback is None:
                    await stream(live)
            if fallback is not None:
                async with app.ask(plain, fallback) as live:
                    await stream(live)
            await connection.finish()

        async def stream(live: LiveAnswer) -> None:
            own = {name for name, _ in live.headers} | _NOT_FOR_DEVELOPMENT
            added = tuple(header for header in decision.headers if header[0] not in own)
            status, headers = live.status, _headers_from_site(live.headers, app.base_url)
            if decision.status != 200:
                status, headers = decision.status, tuple(header for header in headers if header[0] != "etag")
            await _stream(connection, tape, replace(live, status=status, headers=(*headers, *added)), None)

        try:
            return "eof" if await connection.run_while_connected(pass_on()) else "client left"
        except UpstreamError as error:
            text = f"The dev server does not answer: {error}. Start it, or let --run start it.\n"
            return await _cut(connection, tape, _plain(502, text))

    async def close(self) -> None:
        """Close the connections to the API and to a dev server."""
        for upstream in (*self._apis, *filter(None, [self._app])):
            await upstream.close()


def _waits(decision: Decision) -> bool:
    """Whether Flask may wait for another server: a sign-in asks the function that gives roles."""
    return decision.action is Action.API or decision.target.startswith("/.auth/login/")


class _CutError(Exception):
    """A site fault cuts the answer of an API call here."""


async def _answer(connection: Connection, tape: Tape, answer: Answer) -> str:
    """Send a complete answer."""
    tape.begin(answer.status, answer.headers)
    tape.add(answer.body)
    await connection.start(answer.status, sized(answer))
    await connection.write(answer.body)
    await connection.finish()
    return "eof"


async def _stream(connection: Connection, tape: Tape, live: LiveAnswer, cut_after: int | None) -> None:
    """Pass an answer on as it comes, without ending it.

    Raises:
        _CutError: it has more than `cut_after` events.
    """
    tape.begin(live.status, live.headers)
    await connection.start(live.status, live.headers)
    async for chunk in live.chunks:
        data = chunk
        if cut_after is not None:
            data = b"".join(split_events(chunk)[: max(0, cut_after - tape.count)])
        tape.add(data)
        await connection.write(data)
        if len(data) < len(chunk):
            raise _CutError


async def _cut(connection: Connection, tape: Tape, instead: Answer) -> str:
    """End an exchange that cannot continue: with the answer `instead`, or with a reset if an answer has begun."""
    if not connection.started:
        return await _answer(connection, tape, instead)
    await connection.end(End.RESET)
    return "reset"


def _headers_from_site(headers: Headers, server_url: str) -> Headers:
    """The headers of an API or a dev server; a redirect to the server itself becomes a redirect to the site."""
    return tuple((name, _on_site(value, server_url) if name == "location" else value) for name, value in headers)


def _on_site(location: str, server_url: str) -> str:
    rest = location.removeprefix(server_url)
    if rest == location or (rest and rest[0] not in "/?#"):  # elsewhere: another port may begin alike
        return location
    return rest if rest.startswith("/") else f"/{rest}"


def _for_dev_server(name: str) -> bool:
    """Whether a dev server gets a client's header: no principal that a client sends, which some would believe."""
    return name != "host" and not name.replace("_", "-").startswith("x-ms-client-principal")


def _asks_for_web_socket(request: Request) -> bool:
    """Whether a request is a whole handshake of a WebSocket. Any other protocol would lead past the gate, and is ignored.

    Source: RFC 6455, 4.1; RFC 9110, 7.8.
    """
    wants = {
        token.strip().lower() for name, value in request.headers if name == "connection" for token in value.split(",")
    }
    return (
        request.method == "GET"
        and not request.body
        and (request.header("upgrade") or "").strip().lower() == "websocket"
        and "upgrade" in wants
        and request.header("sec-websocket-key") is not None
    )


def _plain(status: int, text: str) -> Answer:
    return Answer(status, (("content-type", "text/plain; charset=utf-8"),), (Event(0, text.encode()),))


def _location(decision: Decision) -> Headers:
    return (("location", decision.target),) if decision.action is Action.REDIRECT else ()
