"""Keeps secrets out of what is written down: headers by allow-list, known keys by value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from mockserver.exchange import Event, Headers, Interaction

_REQUEST_HEADERS = frozenset({"accept", "content-type"})
_ANSWER_HEADERS = frozenset({"content-encoding", "content-type", "retry-after", "retry-after-ms", "server"})
_ANSWER_PREFIXES = ("x-ratelimit-", "x-ms-region", "x-ms-rai-", "openai-processing-ms", "openai-version")
_KEY_IN_QUERY = re.compile(r"((?:^|&)(?:api-key|subscription-key|code|sig|token)=)[^&]*", re.IGNORECASE)
_GONE = b"REDACTED"
_SHORTEST = 8


def redacted(interaction: Interaction, secrets: Iterable[str]) -> Interaction:
    """The interaction without headers that identify anyone, and without the given secrets in its bodies.

    An event keeps its time; a secret that two events share is not found here.
    """
    # A shorter one is a placeholder, and would be found everywhere.
    known = [secret.encode() for secret in secrets if len(secret) >= _SHORTEST]
    request, answer = interaction.request, interaction.answer

    def clean(data: bytes) -> bytes:
        for secret in known:
            data = data.replace(secret, _GONE)
        return data

    return Interaction(
        replace(
            request,
            query=_KEY_IN_QUERY.sub(r"\1REDACTED", request.query),
            headers=_kept(request.headers, _REQUEST_HEADERS),
            body=clean(request.body),
        ),
        replace(
            answer,
            headers=_kept(answer.headers, _ANSWER_HEADERS, _ANSWER_PREFIXES),
            events=tuple(Event(event.after_ms, clean(event.data)) for event in answer.events),
        ),
    )


def _kept(headers: Headers, names: frozenset[str], prefixes: tuple[str, ...] = ()) -> Headers:
    return tuple((name, value) for name, value in headers if name in names or (prefixes and name.startswith(prefixes)))
