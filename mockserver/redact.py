"""Keeps secrets out of what is written down: headers by allow-list, known keys by value, others by their form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from mockserver.exchange import Event, Headers, Interaction

_REQUEST_HEADERS = frozenset({"accept", "content-type"})
_ANSWER_HEADERS = frozenset({"content-encoding", "content-type", "retry-after", "retry-after-ms", "server"})
_ANSWER_PREFIXES = ("x-ratelimit-", "x-ms-region", "x-ms-rai-", "openai-processing-ms", "openai-version")
_KEY_IN_QUERY = re.compile(r"((?:^|&)(?:api-key|subscription-key|code|sig|token)=)[^&]*", re.IGNORECASE)
_GONE = b"REDACTED"
_SHORTEST = 8

#: Secrets that can be told by their form alone, each by its kind. No entropy and no keywords: those flag clean traffic.
#: detect-secrets, which has these forms too, finds only a part of some (of a JWT not its signature, of a GitHub token
#: its prefix), which is enough to warn and too little to redact. Source of each form: its issuer's documentation.
SECRETS = {
    "OpenAI key": r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
    "Azure AI key": r"(?<![A-Za-z0-9])[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{23}ACOG[A-Za-z0-9]{0,4}(?![A-Za-z0-9])",
    "Azure storage key": r"AccountKey=[A-Za-z0-9+/]{86}==",
    "Azure shared access signature": r"(?<=[?&])sig=[A-Za-z0-9%+/]{40,}(?:=|%3[Dd])?",
    "JSON Web Token": r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{20,}",
    "GitHub token": r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})",
    "AWS access key": r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])",
    "Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "Slack token": r"xox[abeprs]-[A-Za-z0-9-]{10,}",
    "Stripe key": r"[rs]k_live_[A-Za-z0-9]{20,}",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----END))*-----END [A-Z ]*PRIVATE KEY-----",
}
_FORMS = re.compile("|".join(f"(?P<s{number}>{form})" for number, form in enumerate(SECRETS.values())).encode())


def redacted(interaction: Interaction, secrets: Iterable[str] = ()) -> Interaction:
    """The interaction without headers that identify anyone, and without secrets in its bodies: the given ones, and
    those that have the form of one.

    An event keeps its time; a secret that two events share is not found here.
    """
    # A shorter one is a placeholder, and would be found everywhere.
    known = [secret.encode() for secret in secrets if len(secret) >= _SHORTEST]
    request, answer = interaction.request, interaction.answer

    def clean(data: bytes) -> bytes:
        for secret in known:
            data = data.replace(secret, _GONE)
        return _FORMS.sub(_GONE, data)

    return Interaction(
        replace(
            request,
            query=_KEY_IN_QUERY.sub(r"\1REDACTED", request.query),
            headers=_kept(request.headers, _REQUEST_HEADERS.__contains__),
            body=clean(request.body),
        ),
        replace(
            answer,
            headers=_kept(answer.headers, lambda name: name in _ANSWER_HEADERS or name.startswith(_ANSWER_PREFIXES)),
            events=tuple(Event(event.after_ms, clean(event.data)) for event in answer.events),
        ),
    )


def secret_kinds(interaction: Interaction) -> Counter[str]:
    """The kinds of secrets that stand in an interaction, with how often; told by their form, never by their value."""
    request, answer = interaction.request, interaction.answer
    headers = (value.encode() for _, value in (*request.headers, *answer.headers))
    kinds = tuple(SECRETS)
    texts = (request.target.encode(), request.body, answer.body, *headers)
    return Counter(kinds[int((found.lastgroup or "s0")[1:])] for text in texts for found in _FORMS.finditer(text))


def _kept(headers: Headers, keeps: Callable[[str], bool]) -> Headers:
    return tuple((name, value) for name, value in headers if keeps(name))
