"""Requests and answers without secrets: as they are written, and as they are shown."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, unquote_plus

from mockserver.exchange import Answer, Event, Headers, Interaction, Request, first
from mockserver.redaction.known import known
from mockserver.redaction.redaction import Redaction, replaced
from mockserver.redaction.replacements import REDACTED
from mockserver.redaction.streams import redacted_events

_REQUEST_HEADERS = frozenset({"accept", "content-type"})
_ANSWER_HEADERS = re.compile(
    r"content-(?:disposition|encoding|type)|location|operation-location|retry-after(?:-ms)?|server|openai-(?:processing-ms|version)"
    r"|x-ms-region|x-ms-rai-[\w-]+|x-ratelimit-(?:limit|remaining|reset|renewalperiod)(?:-(?:requests|tokens))?"
)
#: Headers whose values are credentials or identify a person; shown without their values.
_PERSONAL_HEADERS = re.compile(
    r"authorization|proxy-authorization|cookie|set-cookie|x-ms-client-principal[\w-]*|x-mockserver-token|x-ms-token-[\w-]+"
    r"|(?:[\w-]+-)?(?:api-?key|subscription-key|functions-key|ratelimit-key|auth-token|access-token|secret)"
)
#: Parameters of an address that open something. They change nothing in what the model sees.
CREDENTIALS = re.compile(
    r"(?i)(?:[\w-]*(?:api-?_?key|subscription-key|access-?_?token|client_?secret|password|passwd|pwd)|code|sig|token|key)"
)


@dataclass(frozen=True, slots=True)
class RedactedInteraction:
    """An interaction without secrets, and how many of each kind were taken out."""

    interaction: Interaction
    secrets: Counter[str] = field(default_factory=Counter)


def redacted(interaction: Interaction, redaction: Redaction) -> RedactedInteraction:
    """The interaction as a cassette may hold it: without secrets, without headers that identify a person. Every event stays,
    with its time."""
    counts: Counter[str] = Counter()
    request, answer = interaction.request, interaction.answer
    clean_request = replace(
        request,
        raw_path=_path(request.raw_path, redaction, counts),
        query=_query(request.query, redaction, counts),
        headers=_headers(request.headers, _REQUEST_HEADERS.__contains__, redaction, counts),
        body=clean_body(request, redaction, counts),
    )
    headers = _headers(answer.headers, lambda name: bool(_ANSWER_HEADERS.fullmatch(name)), redaction, counts)
    return RedactedInteraction(
        Interaction(clean_request, replace(_answer(answer, redaction, counts), headers=headers)), counts
    )


def clean_body(request: Request, redaction: Redaction, counts: Counter[str] | None = None) -> bytes:
    """The body without secrets; of a form, value by value."""
    counts = Counter() if counts is None else counts
    if (first(request.headers, "content-type") or "").lower().startswith("application/x-www-form-urlencoded"):
        return _query(request.body.decode("latin-1"), redaction, counts).encode("latin-1")
    return redaction.data(request.body, counts)


def personal_headers(headers: Headers) -> tuple[str, ...]:
    """The names of the headers that identify a person or hold a credential."""
    return tuple(name for name, value in headers if _is_personal(name) and value != REDACTED)


@functools.lru_cache(1000)  # clients choose the names
def _is_personal(name: str) -> bool:
    return _PERSONAL_HEADERS.fullmatch(name) is not None


def without_credentials(request: Request) -> Request:
    """The request without the credentials in its headers and query. Its texts are cleaned later, where they are shown."""
    headers = tuple([(name, REDACTED if _is_personal(name) else value) for name, value in request.headers])
    query = request.query
    return Request(
        request.method,
        request.raw_path,
        _query(query, None, Counter()) if "=" in query else query,
        headers,
        request.body,
    )


def shown_request(request: Request) -> Request:
    """The request as it may be shown, but for its body."""
    redaction, counts = Redaction(), Counter[str]()
    return replace(
        request,
        raw_path=shown_path(request.raw_path),
        query=_query(request.query, redaction, counts),
        headers=shown_headers(request.headers),
    )


def shown_path(raw_path: str) -> str:
    """A path as it may be shown."""
    return _shown_path(raw_path, known())


@functools.lru_cache(1000)  # clients choose the paths
def _shown_path(raw_path: str, _secrets: tuple[str, ...]) -> str:
    return _path(raw_path, Redaction(), Counter())


def shown_headers(headers: Headers) -> Headers:
    """The headers as they may be shown."""
    redaction = Redaction()
    return tuple((name, REDACTED if _is_personal(name) else redaction.text(value)) for name, value in headers)


def shown_answer(answer: Answer) -> Answer:
    """The answer as it may be shown."""
    return replace(_answer(answer, Redaction(), Counter()), headers=shown_headers(answer.headers))


def _answer(answer: Answer, redaction: Redaction, counts: Counter[str]) -> Answer:
    if not answer.events:
        return answer
    if answer.streams:
        data = redacted_events([event.data for event in answer.events], redaction, counts)
    elif answer.body.startswith(b"\x1f\x8b"):
        return replace(answer, events=(Event(answer.events[-1].after_ms, redaction.data(answer.body, counts)),))
    else:
        data = redacted_events([event.data for event in answer.events], redaction, counts, framed=False)
    events = tuple(Event(event.after_ms, new) for event, new in zip(answer.events, data, strict=True))
    return replace(answer, events=events)


def _headers(
    headers: Headers, is_allowed: Callable[[str], bool], redaction: Redaction, counts: Counter[str]
) -> Headers:
    kept = []
    for name, value in headers:
        if is_allowed(name):
            found = redaction.secrets(value)
            counts.update(secret.kind for secret in found)
            kept.append((name, replaced(value, found)))
    return tuple(kept)


def _path(raw_path: str, redaction: Redaction, counts: Counter[str]) -> str:
    """The path, decoded where it has a secret."""
    said = unquote(raw_path)
    found = redaction.secrets(said)
    counts.update(secret.kind for secret in found)
    return quote(replaced(said, found), safe="/:@$,+!*'();=~") if found else raw_path


def _query(query: str, redaction: Redaction | None, counts: Counter[str]) -> str:
    """The query or form without credentials, and with each value decoded where it has a secret; without a redaction, only the
    former."""
    return "&".join(_pair(pair, redaction, counts) for pair in query.split("&"))


def _pair(pair: str, redaction: Redaction | None, counts: Counter[str]) -> str:
    name, equals, value = pair.partition("=")
    said_name, said = unquote_plus(name), unquote_plus(value)
    if value not in ("", REDACTED) and CREDENTIALS.fullmatch(said_name):
        counts["key in an address"] += 1
        return f"{name}={REDACTED}"
    found = redaction.secrets(said, said_name) if redaction is not None else []
    counts.update(secret.kind for secret in found)
    return f"{name}{equals}{quote(replaced(said, found), safe='')}" if found else pair
