"""The journal as HAR 1.2, which browsers' tools, proxies and Playwright read: one entry for each exchange.

Source: the HTTP Archive specification, W3C draft of 2012-08-14. Names that begin with an underscore are ours, as it provides.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl

from mockserver import __version__
from mockserver.errors import count_of
from mockserver.exchange import Headers, Request, first, gunzip
from mockserver.journal.entry import Entry, Place
from mockserver.journal.visits import visits
from mockserver.redaction.exchanges import clean_body, shown_answer, shown_request
from mockserver.redaction.redaction import Redaction, clean
from mockserver.swa.routing import Action

_HOST = re.compile(r"[\w.-]+(?::\d{1,5})?|\[[0-9a-fA-F:.]+\](?::\d{1,5})?", re.ASCII)


def har(entries: Iterable[Entry], *, tls: bool = False) -> dict[str, Any]:
    """The entries, oldest first, as one HAR document without secrets; with `tls`, the model's addresses are https.

    Times are milliseconds. `wait` ends with the answer's head, `send` is 0 as an exchange begins when its request has come, and
    what nobody measured is -1. An answer without a head has status 0. `_visit` is the `_number` of its visit's first entry in
    the document, `_sentMs` when each event left.
    """
    ordered = sorted(entries, key=lambda entry: (entry.at_s, entry.number))
    first_of = {entry.number: visit[0].number for visit in visits(ordered) for entry in visit}
    creator = {"name": "Dress Rehearsal", "version": __version__}
    found = [_entry(entry, first_of[entry.number], tls=tls) for entry in ordered]
    return {"log": {"version": "1.2", "creator": creator, "entries": found}}


def _entry(entry: Entry, visit: int, *, tls: bool) -> dict[str, Any]:
    time_ms, wait_ms, receive_ms = _times(entry)
    unknown = dict.fromkeys(("blocked", "dns", "connect", "ssl"), -1)
    return {
        "startedDateTime": _moment(entry.at_s),
        "time": time_ms,
        "request": _request(entry, "https" if tls and entry.place is Place.MODEL else "http"),
        "response": _response(entry),
        "cache": {},
        "timings": {**unknown, "send": 0, "wait": wait_ms, "receive": receive_ms},
        "_number": entry.number,
        "_visit": visit,
        "_place": str(entry.place),
        "_scope": entry.scope,
        "_persona": entry.persona,
        "_rule": clean(entry.rule),
        "_decidedBy": clean(entry.decided_by),
        "_attempt": entry.attempt,
        "_end": entry.end,
        "_sentMs": [round(ms, 3) for ms in entry.sent_ms],
    }


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _times(entry: Entry) -> tuple[float, float, float]:
    """How long the exchange took, and of it until its head, and after that; the latter are -1 while it has not ended."""
    if entry.end == "open":
        return 0, -1, -1
    took_ms = round(entry.took_s * 1000, 3)
    answer, first_ms = entry.answer, min((took_ms, *entry.sent_ms[:1]))
    alone = answer is not None and answer.status and answer.events and answer.events[0].after_ms
    wait_ms = round(
        min(answer.head_after_ms, first_ms) if answer and alone else first_ms, 3
    )  # else with the first event
    return took_ms, wait_ms, round(took_ms - wait_ms, 3)


def _request(entry: Entry, scheme: str) -> dict[str, Any]:
    request = shown_request(entry.request)
    host = request.header("host") or ""
    origin = f"{scheme}://{host if _HOST.fullmatch(host) else f'{entry.place}.localhost'}"
    query = parse_qsl(request.query, keep_blank_values=True)
    return {
        "method": request.method,
        "url": origin + request.target,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(request.headers),
        "queryString": _pairs(query),
        "headersSize": -1,
        "bodySize": len(request.body),
        **_post_data(request),
    }


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _post_data(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    form = {"mimeType": request.header("content-type") or ""}
    try:
        return {"postData": {**form, "text": clean_body(request, Redaction()).decode()}}
    except UnicodeDecodeError:  # a HAR has no way to hold it
        return {"postData": {**form, "text": "", "comment": f"{count_of(len(request.body), 'byte')} that are no text"}}


def _response(entry: Entry) -> dict[str, Any]:
    """The answer as far as it left."""
    common = {"httpVersion": "HTTP/1.1", "cookies": [], "headersSize": -1}
    if entry.answer is None or not entry.answer.status:
        aborted = {"headers": [], "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "bodySize": -1}
        return {**common, "status": 0, "statusText": "", **aborted}
    answer = shown_answer(entry.answer)
    events = answer.events if entry.end == "eof" else answer.events[: entry.events_sent]
    body = b"".join(event.data for event in events)
    content = _content(answer.headers, body)
    if not answer.events and entry.place is not Place.MODEL and entry.decided_by != Action.API:
        content["comment"] = "the journal does not keep these bytes"
    elif any(not event.data for event in events):
        content["comment"] = "the journal keeps the beginning of what passes the gate"
    return {
        **common,
        "status": answer.status,
        "statusText": responses.get(answer.status, ""),
        "headers": _pairs(answer.headers),
        "content": content,
        "redirectURL": first(answer.headers, "location") or "",
        "bodySize": -1 if "comment" in content else len(body),
    }


def _content(headers: Headers, body: bytes) -> dict[str, Any]:
    """The body as text, or else in base64; what is compressed so that nobody can look for secrets in it is left out."""
    encoding = (first(headers, "content-encoding") or "identity").lower()
    form = {"size": len(body), "mimeType": first(headers, "content-type") or ""}
    if encoding == "gzip" and body:
        try:
            body = gunzip(body)
        except (OSError, EOFError, ValueError, zlib.error):
            return {**form, "comment": "gzip that breaks off, or holds too much"}
        form["size"] = len(body)
    elif encoding != "identity" and body:
        return {**form, "comment": f"compressed with {encoding}"}
    try:
        return {**form, "text": body.decode()}
    except UnicodeDecodeError:
        return {**form, "text": b64encode(body).decode(), "encoding": "base64"}
