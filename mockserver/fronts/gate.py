"""The gate on the wire: decides about every request, proxies the API with production's limits, and a dev server before its files."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from mockserver.exchange import Answer, End, Event, Headers, Request, first
from mockserver.fronts.front import Front, sent_ms_of, sized
from mockserver.journal.entry import Entry, Place
from mockserver.journal.records import Records
from mockserver.matching.call import Call
from mockserver.simulation.scopes import ScopeError
from mockserver.simulation.site_faults import NO_FAULT, SiteFault, api_timed_out
from mockserver.sse import split_events
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.routing import Action, Decision
from mockserver.swa.static_web_app import StaticWebApp
from mockserver.wire.connection import Connection
from mockserver.wire.tape import Tape
from mockserver.wire.upstream import LiveAnswer, Upstream, UpstreamError

#: Source: Static Web Apps API constraints: "maximum request duration of 45 seconds", managed and linked alike.
API_LIMIT_S = 45.0
_LOOKED_S = 0.5  # how often a debugger's pause is looked for
#: How much of an API's answer the journal keeps.
_TAPED_BYTES = 256 << 10
#: What Static Web Apps passes on as it comes. Source: Microsoft in static-web-apps#1180, 2024-09-06 and 2025-02-07.
_STREAMED = frozenset({"text/event-stream", "application/octet-stream"})
#: The site's own headers that a dev server's pages do not get: its reloading needs scripts that the policy forbids.
_NOT_FOR_DEVELOPMENT = frozenset({"content-security-policy", "strict-transport-security", "cache-control"})

log = logging.getLogger("mockserver.site")

#: The name of a visit's scope, empty for everybody's, and what goes wrong with it.
Attribution = Callable[[Call, ClientPrincipal | None], tuple[str, SiteFault]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request at the gate: as it is forwarded, who is signed in, what was decided, its scope and its fault."""

    call: Call
    principal: ClientPrincipal | None
    decision: Decision
    scope: str = ""
    fault: SiteFault = NO_FAULT


class Delivery(StrEnum):
    """How the proxy passes an API's answer on: by its content type, in one piece, or as it comes."""

    AS_AZURE = "as-azure"
    BUFFERED = "buffered"
    LIVE = "live"

    def streams(self, headers: Headers) -> bool:
        """Whether an answer with these headers is passed on as it comes."""
        if self is Delivery.AS_AZURE:
            return (first(headers, "content-type") or "").partition(";")[0].strip().lower() in _STREAMED
        return self is Delivery.LIVE


class SiteFront(Front):
    """The gate, and the proxy to the API behind it; files and sign-in are Flask's."""

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
        """Every visit is written into the records and then reported. While the API is `paused`, its time does not run.

        `attribute` may raise ScopeError for a request that cannot be attributed: it is refused with the reason.
        """
        super().__init__(flask)
        self._site, self._delivery, self._report = site, delivery, report
        self._attribute, self._paused = attribute, paused
        self._records = records or Records()
        self._apis = deque(map(Upstream, site.api_urls))
        self._app = Upstream(site.app_url) if site.app_url else None

    async def carry(self, connection: Connection, request: Request) -> bool:
        """Whatever goes to the API or to a dev server."""
        if request.raw_path.startswith("/__mock/"):
            return False
        try:
            visit = self._visit(request)
        except ScopeError as error:
            await connection.answer(409, f"{error}\n")
            return True
        if visit.fault.signed_out:
            connection.drop("cookie")
        entry, decision, clock = self._open(visit), visit.decision, self._site.clock
        tape = Tape(asked_s=entry.at_s, clock=clock, limit_bytes=_TAPED_BYTES)
        if decision.action is Action.API and self._apis:
            end = await self._proxy(connection, visit, tape)
        elif decision.action is Action.FILE and self._app is not None:
            end = await self._develop(connection, self._app, visit, tape)
        else:  # Flask's; where there is no API, it answers 404
            answer = replace(entry.answer, status=404) if entry.answer and decision.action is Action.API else None
            self._report(self._records.close(entry, end="eof", took_s=clock.now() - entry.at_s, answer=answer))
            return False
        answer = replace(tape.answer(), decided_by=decision.action)
        took_s = clock.now() - entry.at_s
        self._report(self._records.close(entry, end=end, sent_ms=sent_ms_of(answer), took_s=took_s, answer=answer))
        return True

    def _visit(self, request: Request) -> Visit:
        """What the gate makes of a request.

        Raises:
            ScopeError: it goes to the API, and its scope cannot be told.
        """
        site, principal = self._site, self._site.principal(request)
        decision = site.decide(request, principal)
        if decision.action is not Action.API:
            return Visit(Call(request), principal, decision)
        call = Call(site.with_ids(request))
        scope, fault = self._attribute(call, principal)
        if fault.signed_out:
            return Visit(call, None, site.decide(call.request, None), scope, fault)
        return Visit(call, principal, decision, scope, fault)

    def _open(self, visit: Visit) -> Entry:
        decision, user = visit.decision, visit.principal
        known = Answer(decision.status, _location(decision), decided_by=decision.action)
        return self._records.open(
            self._site.clock.now(),
            visit.call,
            known,
            place=Place.SITE,
            scope=visit.scope,
            persona=user.user_details.partition("@")[0] if user else None,
            rule=decision.because,
        )

    # --- the API -----------------------------------------------------------------------------------------------------

    async def _proxy(self, connection: Connection, visit: Visit, tape: Tape) -> str:
        """How an API call ended; what came is on the tape."""
        api, site, clock, fault = self._apis[0], self._site, self._site.clock, visit.fault
        asked = replace(visit.call.request, headers=site.api_headers(visit.call.request, visit.principal))
        target = site.api_target(visit.call.request, visit.decision)
        self._apis.rotate()  # as a load balancer does: the next request meets the next instance
        if asked.header("upgrade") is not None:
            # Source: Static Web Apps API constraints: only HTTP; with which status it refuses is not documented.
            return await _answer(
                connection, tape, _plain(400, "Static Web Apps does not pass WebSockets on to an API.\n")
            )

        async def hand_on() -> None:
            await clock.until(clock.now() + fault.wait_ms / 1000)
            if fault.instead is not None:
                await _answer(connection, tape, fault.instead)
                tape.end()
                return
            async with api.ask(asked, target) as live:
                headers = _at_home(live.headers, api.base_url)
                bodiless = asked.method == "HEAD" or live.status in (204, 304)  # as it is, its length too
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
            if await connection.until_gone(hand_on(), over=self._time_is_up()):
                return "eof"
            if connection.gone:
                return "eof" if tape.whole else "client left"
            return await _cut(connection, tape, api_timed_out())
        except _CutError:
            return await _cut(connection, tape, api_timed_out())
        except UpstreamError as error:
            log.warning("the API does not answer: %s", error)
            return await _cut(connection, tape, _plain(502, "The API does not answer.\n"))

    async def _time_is_up(self) -> None:
        """Return once an API call has had its time, that in a debugger not counted."""
        clock, left_s = self._site.clock, API_LIMIT_S
        while left_s > 0:
            began_s = clock.now()
            await clock.until(began_s + min(_LOOKED_S, left_s))
            left_s -= 0 if self._paused() else clock.now() - began_s

    # --- a dev server ------------------------------------------------------------------------------------------------

    async def _develop(self, connection: Connection, app: Upstream, visit: Visit, tape: Tape) -> str:
        """How a request for a dev server's files ended; its bytes are passed on untouched."""
        request, decision = visit.call.request, visit.decision
        target = self._site.app_target(request, decision)
        if request.header("upgrade") is not None:
            origin = request.header("origin")
            if origin is not None and urlsplit(origin).netloc != request.header("host"):
                return await _answer(connection, tape, _plain(403, "Another site may not listen to this one.\n"))
            await connection.tunnel(app.base_url, request, target)
            return "eof"
        plain = replace(request, headers=tuple(each for each in request.headers if each[0] != "host"))

        async def hand_on() -> None:
            async with app.ask(plain, target) as live:
                fallback = self._site.fallback(request) if live.status == 404 else None
                if fallback is None:
                    await stream(live)
            if fallback is not None:
                async with app.ask(plain, fallback) as live:
                    await stream(live)
            await connection.finish()

        async def stream(live: LiveAnswer) -> None:
            given = {name for name, _ in live.headers}
            added = tuple(each for each in decision.headers if each[0] not in given | _NOT_FOR_DEVELOPMENT)
            status = live.status if decision.status == 200 else decision.status
            kept = tuple(each for each in live.headers if decision.status == 200 or each[0] != "etag")
            await _stream(connection, tape, replace(live, status=status, headers=(*kept, *added)), None)

        try:
            return "eof" if await connection.until_gone(hand_on()) else "client left"
        except UpstreamError as error:
            text = f"The dev server does not answer: {error}. Start it, or let --run start it.\n"
            return await _cut(connection, tape, _plain(502, text))

    async def close(self) -> None:
        """Close the connections to the API and to a dev server."""
        for upstream in (*self._apis, *filter(None, [self._app])):
            await upstream.close()


class _CutError(Exception):
    """The gate has had enough of an API call."""


async def _answer(connection: Connection, tape: Tape, answer: Answer) -> str:
    """Send a whole answer."""
    tape.begin(answer.status, answer.headers)
    tape.add(answer.body)
    await connection.start(answer.status, sized(answer))
    await connection.write(answer.body)
    await connection.finish()
    return "eof"


async def _stream(connection: Connection, tape: Tape, live: LiveAnswer, cut_after: int | None) -> None:
    """Send an answer on as it comes, not yet its end.

    Raises:
        _CutError: there was more than so many events.
    """
    tape.begin(live.status, live.headers)
    await connection.start(live.status, live.headers)
    async for chunk in live.chunks:
        passed = chunk
        if cut_after is not None:
            passed = b"".join(split_events(chunk)[: max(0, cut_after - tape.count)])
        tape.add(passed)
        await connection.write(passed)
        if len(passed) < len(chunk):
            raise _CutError


async def _cut(connection: Connection, tape: Tape, instead: Answer) -> str:
    """End what cannot go on: by an answer, or, where one has begun, by breaking it off."""
    if not connection.started:
        return await _answer(connection, tape, instead)
    await connection.end(End.RESET)
    return "reset"


def _at_home(headers: Headers, api_url: str) -> Headers:
    """The API's headers, its redirects to itself made redirects to the site."""
    return tuple(
        (name, value.removeprefix(api_url) if name == "location" and urlsplit(value).netloc else value)
        for name, value in headers
    )


def _plain(status: int, text: str) -> Answer:
    return Answer(status, (("content-type", "text/plain; charset=utf-8"),), (Event(0, text.encode()),))


def _location(decision: Decision) -> Headers:
    return (("location", decision.target),) if decision.action is Action.REDIRECT else ()
