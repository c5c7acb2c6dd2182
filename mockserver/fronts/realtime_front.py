"""A realtime session on its WebSocket: events in both directions, responses at their pace, until one side leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from mockserver.crash import Crash
from mockserver.exchange import End, Request, json_answer, parse_json
from mockserver.journal.entry import Entry
from mockserver.simulation.realtime import METHOD, RealtimeSession, ServerEvent, session_of
from mockserver.simulation.simulation import Simulation
from mockserver.wire.connection import AsgiReceive, AsgiScope, AsgiSend, Connection

#: How browsers and some clients send a key: as one of the subprotocols.
_KEY_PROTOCOL = "openai-insecure-api-key."


class RealtimeFront:
    """Carries the sessions of a simulation."""

    def __init__(self, simulation: Simulation, report: Callable[[Sequence[Entry]], None]) -> None:
        self._simulation, self._report = simulation, report
        self._sessions = 0

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Carry one session, or refuse its handshake."""
        await receive()  # websocket.connect
        connection = Connection(scope, receive, send)
        protocols = scope.get("subprotocols") or []
        handshake = _with_key(connection.request_of(METHOD), protocols)
        if not connection.is_for_this_machine or handshake.header("origin") is not None:
            await send({"type": "websocket.close", "code": 1008})
            return
        if (refusal := self._simulation.refusal_of_handshake(handshake)) is not None:
            self._report([refusal])
            status = refusal.answer.status if refusal.answer else 403
            body = refusal.answer.body if refusal.answer else b""
            await _refuse(scope, send, status, body)
            return
        chosen = "realtime" if "realtime" in protocols else None
        await send({"type": "websocket.accept", "subprotocol": chosen})
        self._sessions += 1
        session = session_of(handshake, self._simulation.clock.now(), self._sessions)
        await _Live(session, self._simulation, self._report, receive, send).run()


class _Live:
    """One session while it lasts."""

    def __init__(
        self,
        session: RealtimeSession,
        simulation: Simulation,
        report: Callable[[Sequence[Entry]], None],
        receive: AsgiReceive,
        send: AsgiSend,
    ) -> None:
        self._session, self._simulation, self._report = session, simulation, report
        self._receive, self._send = receive, send
        self._response: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Take events until the client leaves."""
        for event in self._session.begin():
            await self._tell(event)
        try:
            while (message := await self._receive())["type"] == "websocket.receive":
                await self._take(message.get("text") or message.get("bytes") or "")
        finally:
            await self._stop()

    async def _take(self, text: str | bytes) -> None:
        said = parse_json(text.encode() if isinstance(text, str) else text)
        kind = said.get("type") if isinstance(said, dict) else None
        if kind == "response.create":
            asked = said.get("response") or {}
            if self._response is not None and not self._response.done():
                words = "Conversation already has an active response in progress."
                await self._tell(
                    self._session.error(
                        words, "conversation_already_has_active_response", caused_by=said.get("event_id")
                    )
                )
                return
            self._response = asyncio.create_task(self._respond(asked if isinstance(asked, dict) else {}))
        elif kind == "response.cancel" and await self._stop():
            shown: dict[str, Any] = {
                "object": "realtime.response",
                "id": self._session.active,
                "status": "cancelled",
                "output": [],
            }
            details = {"type": "cancelled", "reason": "client_cancelled"}
            await self._tell(self._session.event("response.done", response={**shown, "status_details": details}))
        else:
            for event in self._session.take(text):
                await self._tell(event)

    async def _respond(self, asked: dict[str, Any]) -> None:
        try:
            entry = self._simulation.answer(self._session.request(asked))
        except ValueError as problem:
            await self._tell(self._session.error(str(problem), "invalid_value", param="response"))
            return
        except Exception as error:  # noqa: BLE001  the session goes on
            self._simulation.journal.records.crashed(Crash.of("a realtime response.create", error))
            await self._tell(self._session.error("The mock server failed; its console says why.", "server_error"))
            return
        clock, answer, sent_ms = self._simulation.clock, entry.answer, list[float]()
        end: str = End.EOF
        try:
            if answer is None or not answer.status:
                await self._close(1011)
                return
            due_s = entry.at_s
            for wait_ms, event in self._session.response(answer, asked):
                due_s += wait_ms / 1000
                await clock.until(due_s)
                sent_ms.append((clock.now() - entry.at_s) * 1000)
                await self._tell(event)
            end = answer.end
            if end is End.RESET:
                await self._close(1011)
        except asyncio.CancelledError:
            end = "client left"
            raise
        finally:
            took_s = clock.now() - entry.at_s
            closed = self._simulation.journal.records.close(entry, end=end, sent_ms=sent_ms, took_s=took_s)
            self._report([closed])

    async def _tell(self, event: ServerEvent) -> None:
        await self._send({"type": "websocket.send", "text": json_answer(200, event).body.decode()})

    async def _close(self, code: int) -> None:
        with contextlib.suppress(RuntimeError):  # the client has closed it already
            await self._send({"type": "websocket.close", "code": code})

    async def _stop(self) -> bool:
        """Stop a response that is still coming; whether there was one."""
        task, self._response = self._response, None
        if task is None or task.done():
            return False
        task.cancel()
        await asyncio.wait({task})
        return True


def _with_key(handshake: Request, protocols: list[str]) -> Request:
    """The handshake with its key as a header alone: as a subprotocol or in the query it would be kept in the journal."""
    query = parse_qsl(handshake.query, keep_blank_values=True)
    keys = [each.removeprefix(_KEY_PROTOCOL) for each in protocols if each.startswith(_KEY_PROTOCOL)]
    keys += [value for name, value in query if name == "api-key"]
    headers = tuple(header for header in handshake.headers if header[0] != "sec-websocket-protocol")
    if keys:
        headers = (*headers, ("authorization", f"Bearer {keys[0]}"))
    rest = urlencode([pair for pair in query if pair[0] != "api-key"])
    return replace(handshake, headers=headers, query=rest)


async def _refuse(scope: AsgiScope, send: AsgiSend, status: int, body: bytes) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
