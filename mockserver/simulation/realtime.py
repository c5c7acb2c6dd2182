"""One realtime session: a client's events go in, the server's come out; each response is answered as any other request is.

Texts and tool calls are real. Audio goes out as a tone with its transcript; audio that comes in is kept and not understood.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from mockserver.answers.authored.ids import Ids
from mockserver.answers.generated.audio import audio
from mockserver.exchange import Answer, Request, parse_json
from mockserver.simulation.realtime_items import as_input, is_tool
from mockserver.sse import event_json

#: The method of the requests that a session's responses are answered as: no HTTP client sends it.
METHOD = "WEBSOCKET"
ServerEvent = dict[str, Any]

#: Names of the events and parts that the preview has otherwise. Source: Azure's reference for 2024-10-01-preview and OpenAI's
#: migration guide to the general release, 2025-09.
_OF_PREVIEW = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_ONLY_GENERAL = frozenset({"conversation.item.done"})
_PART_OF_PREVIEW = {"output_text": "text", "output_audio": "audio"}
#: Events of a response that are sent on as they are, but for what a session adds.
_SENT_ON = frozenset(
    {"response.function_call_arguments.delta", "response.function_call_arguments.done"}
    | {"response.output_text.delta", "response.output_text.done"}
)
_WORD_S = 0.4
_MOST_KEPT_BYTES = 64 << 20


@dataclass
class RealtimeSession:
    """A session as its handshake began it. `preview` sends the events of the preview.

    `items` is the conversation, oldest first, `kept_bytes` what it was told in; `active` the id of the response that was last begun.
    """

    handshake: Request
    model: str
    preview: bool
    ids: Ids
    at_s: float
    items: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    buffered: int = 0
    kept_bytes: int = 0
    active: str | None = None

    # --- what the server says by itself ---

    def begin(self) -> Iterator[ServerEvent]:
        """The events that a new session gets."""
        defaults: dict[str, Any] = {"instructions": "", "tools": [], "tool_choice": "auto"}
        if self.preview:
            defaults |= {"modalities": ["text", "audio"], "voice": "alloy", "turn_detection": None}
            defaults |= {"input_audio_format": "pcm16", "output_audio_format": "pcm16"}
        else:
            output = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"}
            defaults |= {"type": "realtime", "output_modalities": ["audio"], "audio": {"output": output}}
        self.settings = {
            "id": f"sess_{self.ids.letters(21)}",
            "object": "realtime.session",
            "model": self.model,
            "expires_at": int(self.at_s) + 1800,
            **defaults,
        }
        yield self.event("session.created", session=self.settings)

    def event(self, kind: str, **fields: Any) -> ServerEvent:
        """An event of the server."""
        return {"type": kind, "event_id": f"event_{self.ids.letters(21)}", **fields}

    def name(self, kind: str) -> str | None:
        """What an event is called in this session; None where it has none."""
        if not self.preview:
            return kind
        return None if kind in _ONLY_GENERAL else _OF_PREVIEW.get(kind, kind)

    def error(self, message: str, code: str, *, param: str | None = None, caused_by: Any = None) -> ServerEvent:
        """The event that refuses a client's event."""
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": param}
        return self.event("error", error={**error, "event_id": caused_by})

    # --- what a client says ---

    def take(self, text: str | bytes) -> Iterator[ServerEvent]:
        """The events that follow at once from a client's event, which may be any text; a response is asked for by `request`."""
        said = parse_json(text.encode() if isinstance(text, str) else text)
        if not isinstance(said, dict) or not isinstance(said.get("type"), str):
            yield self.error("Invalid JSON: an event is an object with a type.", "invalid_json")
            return
        takes = getattr(self, "_" + said["type"].replace(".", "_"), None) if said["type"] in _CLIENT_EVENTS else None
        if takes is None:
            known = ", ".join(f"'{kind}'" for kind in sorted(_CLIENT_EVENTS))
            words = f"Invalid value: '{said['type']}'. Supported values are: {known}."
            yield self.error(words, "invalid_value", param="type", caused_by=said.get("event_id"))
            return
        if said["type"] == "conversation.item.create":
            self.kept_bytes += len(text)
        if self.kept_bytes > _MOST_KEPT_BYTES:
            words = f"The conversation is larger than {_MOST_KEPT_BYTES >> 20} MB, the most that the mock keeps."
            yield self.error(words, "mockserver_conversation_too_large", caused_by=said.get("event_id"))
            return
        try:
            yield from takes(said)
        except (TypeError, KeyError, AttributeError) as problem:
            words = f"Missing or invalid parameter in '{said['type']}': {problem}."
            yield self.error(words, "invalid_request_error", caused_by=said.get("event_id"))

    def _session_update(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        fixed = {"id", "object", "model", "expires_at"}
        if not isinstance(said["session"], dict):
            raise TypeError("a session is an object")
        changed = {key: value for key, value in said["session"].items() if key not in fixed}
        self.settings = {**self.settings, **changed}
        yield self.event("session.updated", session=self.settings)

    def _conversation_item_create(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        if not isinstance(said["item"], dict) or not isinstance(said["item"].get("type"), str):
            raise TypeError("an item is an object with a type")
        item = said["item"]
        own = item.get("id")
        if own is not None and (not isinstance(own, str) or self._item(own) is not None):
            words = f"Invalid value for 'item.id': {own!r} is taken, or no string."
            yield self.error(words, "invalid_value", param="item.id", caused_by=said.get("event_id"))
            return
        item = {**item, "id": own or f"item_{self.ids.letters(21)}", "object": "realtime.item"}
        item.setdefault("status", "completed")
        after = said.get("previous_item_id")
        names = [each["id"] for each in self.items]
        if after not in (None, "root", *names):
            words = f"Item with id '{after}' not found."
            yield self.error(words, "invalid_value", param="previous_item_id", caused_by=said.get("event_id"))
            return
        place = len(self.items) if after is None else 0 if after == "root" else names.index(after) + 1
        self.items.insert(place, item)
        yield from self._added(item, self.items[place - 1]["id"] if place else None)

    def _added(self, item: dict[str, Any], after: str | None) -> Iterator[ServerEvent]:
        for kind in ("conversation.item.added", "conversation.item.done"):
            if (name := self.name(kind)) is not None:
                yield self.event(name, previous_item_id=after, item=item)

    def _conversation_item_delete(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        if (item := self._item(said["item_id"])) is None:
            yield self._no_item(said)
            return
        self.items.remove(item)
        yield self.event("conversation.item.deleted", item_id=item["id"])

    def _conversation_item_retrieve(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        item = self._item(said["item_id"])
        yield self._no_item(said) if item is None else self.event("conversation.item.retrieved", item=item)

    def _conversation_item_truncate(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        if self._item(said["item_id"]) is None:
            yield self._no_item(said)
            return
        place = {key: said[key] for key in ("item_id", "content_index", "audio_end_ms")}
        yield self.event("conversation.item.truncated", **place)

    def _input_audio_buffer_append(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        self.buffered += len(said["audio"])
        return iter(())

    def _input_audio_buffer_clear(self, _said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        self.buffered = 0
        yield self.event("input_audio_buffer.cleared")

    def _input_audio_buffer_commit(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        if not self.buffered:
            words = "Error committing input audio buffer: the buffer is empty."
            yield self.error(words, "input_audio_buffer_commit_empty", caused_by=said.get("event_id"))
            return
        self.buffered = 0
        after = self.items[-1]["id"] if self.items else None
        content = [{"type": "input_audio", "transcript": None}]
        item: dict[str, Any] = {"id": f"item_{self.ids.letters(21)}", "object": "realtime.item", "type": "message"}
        item |= {"status": "completed", "role": "user", "content": content}
        self.items.append(item)
        yield self.event("input_audio_buffer.committed", previous_item_id=after, item_id=item["id"])
        yield from self._added(item, after)

    def _response_create(self, _said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        return iter(())  # `request` and `response` answer it

    def _response_cancel(self, said: Mapping[str, Any]) -> Iterator[ServerEvent]:
        words = "Cancellation failed: no active response found"
        yield self.error(words, "response_cancel_not_active", caused_by=said.get("event_id"))

    def _item(self, name: Any) -> dict[str, Any] | None:
        return next((item for item in self.items if item["id"] == name), None)

    def _no_item(self, said: Mapping[str, Any]) -> ServerEvent:
        words = f"Item with id '{said['item_id']}' not found."
        return self.error(words, "item_not_found", param="item_id", caused_by=said.get("event_id"))

    # --- responses ---

    def request(self, asked: Mapping[str, Any]) -> Request:
        """The request that a `response.create` stands for: the session's settings, its own on top, and the conversation.

        Raises:
            ValueError: its tools or its instructions are of another shape.
        """
        settings = {**self.settings, **asked}
        tools = settings.get("tools") or []
        if not isinstance(tools, list) or not all(is_tool(tool) for tool in tools):
            raise ValueError("Invalid value for 'response.tools': expected an array of tools with a type and a name.")
        if not isinstance(settings.get("instructions"), str | None):
            raise ValueError("Invalid type for 'response.instructions': expected a string.")
        given = asked.get("input")
        items = given if isinstance(given, list) else self.items
        limit = settings.get("max_output_tokens", settings.get("max_response_output_tokens"))
        body = {
            "model": self.model,
            "instructions": settings.get("instructions") or None,
            "input": [as_input(item) for item in items if isinstance(item, Mapping)],
            "tools": tools,
            "tool_choice": settings.get("tool_choice", "auto"),
            "max_output_tokens": limit if isinstance(limit, int) else None,
            "stream": True,
        }
        body = {key: value for key, value in body.items() if value is not None}
        handshake = self.handshake
        return Request(METHOD, handshake.raw_path, handshake.query, handshake.headers, json.dumps(body).encode())

    def speaks(self, asked: Mapping[str, Any]) -> bool:
        """Whether a response has audio."""
        settings = {**self.settings, **asked}
        kinds = settings.get("modalities" if self.preview else "output_modalities")
        return isinstance(kinds, list) and "audio" in kinds

    def response(self, answer: Answer, asked: Mapping[str, Any]) -> Iterator[tuple[float, ServerEvent]]:
        """The events of a response, each with the milliseconds after the one before.

        `answer` is a stream of events as Responses sends them, or a refusal.
        """
        if not answer.streams:
            yield answer.head_after_ms, self._refusal(answer)
            return
        draft = _Response(self, asked)
        self.active = draft.shown["id"]
        wait_ms = answer.head_after_ms
        for event in answer.events:
            wait_ms += event.after_ms
            said = event_json(event.data) or {}
            try:
                told = list(draft.events(said))
            except (LookupError, TypeError, AttributeError, ValueError) as problem:  # of an answer that a test says
                words = f"The answer has an event that no session can send: {said.get('type')}: {problem!r}."
                yield wait_ms, self.error(words, "server_error")
                wait_ms = 0
                continue
            for kind, fields in told:
                if (name := self.name(kind)) is not None:
                    yield wait_ms, self.event(name, **fields)
                    wait_ms = 0

    def _refusal(self, answer: Answer) -> ServerEvent:
        parsed = parse_json(answer.body)
        error = parsed.get("error") if isinstance(parsed, dict) else None
        error = error if isinstance(error, dict) else {"message": answer.body.decode("utf-8", "replace")}
        whole = {"type": "invalid_request_error", "code": None, "param": None, **error, "event_id": None}
        return self.event("error", error=whole)


class _Response:
    """One response of a session, made from the events of Responses."""

    def __init__(self, session: RealtimeSession, asked: Mapping[str, Any]) -> None:
        self.session = session
        self.speaks = session.speaks(asked)
        self.joins = asked.get("conversation") != "none"
        self.call: dict[str, Any] = {}  # the call that is being made
        self.part = "output_audio" if self.speaks else "output_text"
        modalities = ["audio", "text"] if session.preview and self.speaks else ["audio"] if self.speaks else ["text"]
        self.shown: dict[str, Any] = {
            "object": "realtime.response",
            "id": f"resp_{session.ids.letters(21)}",
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "modalities" if session.preview else "output_modalities": modalities,
            "metadata": asked.get("metadata"),
            "usage": None,
        }

    def events(self, event: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The session's events for one event of Responses."""
        kind = str(event.get("type"))
        place = {key: event[key] for key in ("item_id", "output_index", "content_index", "call_id") if key in event}
        place = {"response_id": self.shown["id"], **place}
        if kind == "response.created":
            yield kind, {"response": dict(self.shown)}
        elif kind == "response.output_item.added":
            item = self._item(event["item"], "in_progress")
            self.call = {key: item[key] for key in ("call_id", "name") if key in item}
            yield kind, {"response_id": self.shown["id"], "output_index": event["output_index"], "item": item}
            if self.joins:
                yield "conversation.item.added", {"previous_item_id": self._last(), "item": item}
        elif kind in ("response.content_part.added", "response.content_part.done"):
            part = self._part(event["part"])
            yield kind, {**place, "part": {**part, "type": "audio" if self.speaks else "text"}}
        elif kind.startswith("response.output_text.") and self.speaks:
            yield from self._spoken(kind, event, place)
        elif kind in _SENT_ON:
            told = {key: event[key] for key in ("delta", "text", "arguments", "name") if key in event}
            yield kind, {**place, **self.call, **told}
        elif kind == "response.output_item.done":
            item = self._item(event["item"], "completed")
            if self.joins:
                yield "conversation.item.done", {"previous_item_id": self._last(), "item": item}
                self.session.items.append(item)
            self.shown["output"].append(item)
            yield kind, {"response_id": self.shown["id"], "output_index": event["output_index"], "item": item}
        elif "response" in event and kind.rpartition(".")[2] in ("completed", "incomplete", "failed"):
            yield "response.done", {"response": self._done(event["response"])}

    def _spoken(
        self, kind: str, event: Mapping[str, Any], place: dict[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        if kind == "response.output_text.delta":
            yield "response.output_audio_transcript.delta", {**place, "delta": event["delta"]}
            sound = audio("pcm", len(event["delta"].split()) * _WORD_S)
            yield "response.output_audio.delta", {**place, "delta": base64.b64encode(sound).decode()}
        elif kind == "response.output_text.done":
            yield "response.output_audio.done", place
            yield "response.output_audio_transcript.done", {**place, "transcript": event["text"]}

    def _last(self) -> str | None:
        return self.session.items[-1]["id"] if self.session.items else None

    def _item(self, item: Mapping[str, Any], status: str) -> dict[str, Any]:
        whole = {"id": item["id"], "object": "realtime.item", **item, "status": status}
        if "content" in whole:
            whole["content"] = [self._part(part) for part in whole["content"]]
        return whole

    def _part(self, part: Mapping[str, Any]) -> dict[str, Any]:
        kind = _PART_OF_PREVIEW[self.part] if self.session.preview else self.part
        text = str(part.get("text") or part.get("refusal") or "")
        return {"type": kind, "transcript": text} if self.speaks else {"type": kind, "text": text}

    def _done(self, response: Mapping[str, Any]) -> dict[str, Any]:
        status = response["status"]
        reason = (response.get("incomplete_details") or {}).get("reason")
        details = {"type": status, **({"reason": reason} if reason else {})}
        counts = response.get("usage") or {}
        usage = {key: counts.get(key, 0) for key in ("total_tokens", "input_tokens", "output_tokens")}
        return {
            **self.shown,
            "status": status,
            "status_details": None if status == "completed" else details,
            "usage": usage,
        }


#: Every event of a client that is taken, by its type.
_CLIENT_EVENTS = frozenset(
    {"session.update", "response.create", "response.cancel"}
    | {f"conversation.item.{what}" for what in ("create", "delete", "retrieve", "truncate")}
    | {f"input_audio_buffer.{what}" for what in ("append", "clear", "commit")}
)


def session_of(handshake: Request, at_s: float, number: int) -> RealtimeSession:
    """The session that a handshake asks for: the preview with its header or at a dated address."""
    query = parse_qs(handshake.query)
    name = query.get("model", query.get("deployment", [""]))[0]
    preview = "realtime=v1" in (handshake.header("openai-beta") or "") or handshake.raw_path == "/openai/realtime"
    ids = Ids(f"realtime {number} {handshake.target}")
    return RealtimeSession(handshake, name, preview, ids, at_s)
