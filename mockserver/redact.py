"""Keeps secrets and names out of what is written down or shown: headers by allow-list, known keys by value, others by
their form. What is put in their place is the same each time, so that conversations still match."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mockserver.exchange import Answer, Event, Headers, Interaction, Request

_REQUEST_HEADERS = frozenset({"accept", "content-type"})
_ANSWER_HEADERS = frozenset({"content-encoding", "content-type", "retry-after", "retry-after-ms", "server"})
_ANSWER_PREFIXES = ("x-ratelimit-", "x-ms-region", "x-ms-rai-", "openai-processing-ms", "openai-version")
#: Headers whose values are credentials or say who somebody is; shown without them.
_PERSONAL_HEADERS = frozenset(
    {"api-key", "authorization", "cookie", "ocp-apim-subscription-key", "proxy-authorization", "set-cookie"}
    | {"x-functions-key", "x-mockserver-token", "x-ms-client-principal"}
)
_KEY_IN_QUERY = re.compile(r"((?:^|&)(?:api-key|subscription-key|code|sig|token)=)[^&]*", re.IGNORECASE)
_GONE = "REDACTED"
_SHORTEST = 8
_NOBODY = "00000000-0000-0000-0000-000000000000"
_GUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


@dataclass(frozen=True, slots=True)
class SecretPattern:
    """A kind of thing that can be told by its form: one of `markers` is always in it; `instead` takes its place."""

    kind: str
    markers: tuple[str, ...]
    pattern: re.Pattern[str]
    instead: Callable[[re.Match[str]], str] = lambda _found: _GONE


def _somebody(found: re.Match[str]) -> str:
    """Another address for each address, always the same one."""
    return f"person-{hashlib.sha256(found[0].lower().encode()).hexdigest()[:6]}@example.com"


def _is_personal(found: re.Match[str]) -> bool:
    """Whether base64 that begins as a JSON object does says who somebody is."""
    try:
        text = base64.b64decode(found[0] + "=" * (-len(found[0]) % 4), altchars=b"-_").decode()
        return isinstance(json.loads(text), dict) and bool(re.search(r'"userDetails"|"userId"|@', text))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False


def _pattern(kind: str, markers: str, pattern: str, *instead: Callable[[re.Match[str]], str]) -> SecretPattern:
    return SecretPattern(kind, tuple(markers.split()), re.compile(pattern), *instead)


#: What is told by its form. No entropy and no keywords: those flag clean traffic. detect-secrets, which has some of
#: these forms, finds only a part of them (of a JWT not its signature, of a GitHub token its prefix), which is enough to
#: warn and too little to redact. Source of each form: its issuer's documentation.
PATTERNS = (
    _pattern(
        "OpenAI key",
        "sk-",
        r"(?<![\w-])sk-(?:(?:proj|svcacct|admin)-[\w-]{20,}|(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{20,})",
    ),
    _pattern("Azure AI key", "JQQJ9", r"(?<![A-Za-z0-9])[A-Za-z0-9]{40,56}JQQJ9[A-Za-z0-9]{20,30}(?![A-Za-z0-9])"),
    _pattern("Azure storage key", "AccountKey=", r"(?<=AccountKey=)[A-Za-z0-9+/]{86}=="),
    _pattern("Azure shared access signature", "sig=", r"(?<=[?&]sig=)[A-Za-z0-9%+/]{40,}={0,2}"),
    _pattern("JSON Web Token", "eyJ", r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{20,}"),
    _pattern(
        "client principal",
        "eyJ",
        r"(?<![\w.+/-])eyJ[A-Za-z0-9+/_-]{30,}={0,2}",
        lambda found: _GONE if _is_personal(found) else found[0],
    ),
    _pattern(
        "GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,})"
    ),
    _pattern("AWS access key", "AKIA ASIA", r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    _pattern("Google API key", "AIza", r"AIza[\w-]{35}"),
    _pattern("Slack token", "xox", r"xox[abeprs]-[A-Za-z0-9-]{10,}"),
    _pattern("Stripe key", "k_live_", r"[rs]k_live_[A-Za-z0-9]{20,}"),
    _pattern(
        "private key",
        "-----BEGIN",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.{0,10000}?)-----END [A-Z ]*PRIVATE KEY-----",
    ),
    _pattern(
        "e-mail address",
        "@",
        # Not what is reserved for examples (RFC 2606), nor git's user, nor a picture for sharp screens.
        r"(?<![\w.+-])(?!git@)[A-Za-z0-9][\w.+-]*@"
        r"(?!(?:[\w-]+\.)*(?:example\.(?:com|org|net)|example|test|invalid|localhost)(?![\w-]|\.[A-Za-z]))"
        r"(?:[A-Za-z0-9-]+\.)+(?!(?:png|jpe?g|gif|svg|webp|js|css)\b)[A-Za-z]{2,}(?![\w-])",
        _somebody,
    ),
    _pattern("subscription", "/subscriptions/", rf"(?<=/subscriptions/)(?!{_NOBODY}){_GUID}", lambda _found: _NOBODY),
    _pattern(
        "resource group", "/resourceGroups/", r"(?<=/resourceGroups/)(?!group\b)[\w.()-]+", lambda _found: "group"
    ),
    _pattern(
        "tenant",
        "login.microsoftonline.com/ sts.windows.net/ onmicrosoft.com",
        rf"(?<=login\.microsoftonline\.com/)(?!{_NOBODY}){_GUID}|(?<=sts\.windows\.net/)(?!{_NOBODY}){_GUID}"
        r"|(?<![\w.-])(?!tenant\.)[A-Za-z0-9-]+(?=\.onmicrosoft\.com)",
        lambda found: _NOBODY if re.fullmatch(_GUID, found[0]) else "tenant",
    ),
    _pattern(
        "Azure resource",
        ".azure.com",
        r"(?<=//)(?!resource\.|your|my-|example)[a-z0-9][a-z0-9-]*(?=\.(?:openai|cognitiveservices|services\.ai)\.azure\.com)",
        lambda _found: "resource",
    ),
)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is taken out: everything that has a form of `FORMS`, and the secrets this process knows, whatever their form."""

    forms: tuple[SecretPattern, ...] = PATTERNS

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redaction:
        """Take out these too; what is shorter than 8 letters is a placeholder, and would be found everywhere."""
        known = sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True)
        return cls((*(SecretPattern("known key", (each,), re.compile(re.escape(each))) for each in known), *PATTERNS))

    def found(self, text: str) -> Iterator[tuple[SecretPattern, re.Match[str]]]:
        """What is to be taken out of a text, form by form."""
        for form in self.forms:
            if any(marker in text for marker in form.markers):
                yield from ((form, each) for each in form.pattern.finditer(text) if form.instead(each) != each[0])

    def text(self, text: str) -> str:
        """The text without them."""
        for form in self.forms:
            if any(marker in text for marker in form.markers):
                text = form.pattern.sub(form.instead, text)
        return text

    def data(self, data: bytes) -> bytes:
        """Bytes without them, whatever their encoding: every form is ASCII."""
        text = data.decode("latin-1")
        cleaned = self.text(text)
        return data if cleaned is text or cleaned == text else cleaned.encode("latin-1")

    def interaction(self, interaction: Interaction) -> Interaction:
        """The interaction without them, also where several events of a stream share one, and without headers that
        identify anyone. Every event stays, with its time."""
        request, answer = interaction.request, interaction.answer
        events = _joined_up(answer, self) if answer.streams else answer.events
        return Interaction(
            replace(
                request,
                query=_KEY_IN_QUERY.sub(rf"\1{_GONE}", request.query),
                headers=_kept(request.headers, _REQUEST_HEADERS.__contains__),
                body=self.data(request.body),
            ),
            replace(
                answer,
                headers=_kept(
                    answer.headers, lambda name: name in _ANSWER_HEADERS or name.startswith(_ANSWER_PREFIXES)
                ),
                events=tuple(Event(event.after_ms, self.data(event.data)) for event in events),
            ),
        )

    def kinds(self, interaction: Interaction) -> Counter[str]:
        """What is to be taken out of an interaction's address and bodies, by kind; never by value."""
        request, answer = interaction.request, interaction.answer
        texts = [request.target, request.body.decode("latin-1"), answer.body.decode("latin-1")]
        texts += ["".join(channel) for channel in _channels(answer)] if answer.streams else []
        counted = [Counter(form.kind for form, _ in self.found(text)) for text in texts]
        whole = sum(counted[:3], Counter[str]())
        for joined in counted[3:]:  # what only shows where events are put together
            whole |= joined
        return whole


def personal_headers(headers: Headers) -> tuple[str, ...]:
    """The names of the headers that say who somebody is, or open something."""
    return tuple(name for name, value in headers if name in _PERSONAL_HEADERS and value != _GONE)


def shown(request: Request) -> Request:
    """The request as it may be shown: who sent it, and with which key, is left out."""
    headers = tuple((name, _GONE if name in _PERSONAL_HEADERS else value) for name, value in request.headers)
    return replace(request, headers=headers, query=_KEY_IN_QUERY.sub(rf"\1{_GONE}", request.query))


def _kept(headers: Headers, keeps: Callable[[str], bool]) -> Headers:
    return tuple((name, value) for name, value in headers if keeps(name))


# --- what several events of a stream share ---------------------------------------------------------------------------

_PIECE = re.compile(rb'"(?:content|delta|arguments|text|refusal|input)":\s*("(?:[^"\\]|\\.)*")')
_CHANNEL = re.compile(rb'"(?:index|output_index|content_index|item_id)":\s*("[^"]*"|\d+)')


def _pieces(answer: Answer) -> list[tuple[tuple[bytes, ...], re.Match[bytes] | None]]:
    """What each event adds to a text, and to which: the choice, the call or the item it belongs to."""
    found = [_PIECE.search(event.data) for event in answer.events]
    return [(tuple(_CHANNEL.findall(event.data)), piece) for event, piece in zip(answer.events, found, strict=True)]


def _channels(answer: Answer) -> Iterator[list[str]]:
    """The texts that events add up to, each in its pieces."""
    pieces = _pieces(answer)
    for name in dict.fromkeys(channel for channel, piece in pieces if piece):
        yield [json.loads(piece[1]) for channel, piece in pieces if piece and channel == name]


def _joined_up(answer: Answer, redaction: Redaction) -> tuple[Event, ...]:
    """The events without what only shows where they are put together."""
    pieces, events = _pieces(answer), list(answer.events)
    for name in dict.fromkeys(channel for channel, piece in pieces if piece):
        places = [(index, piece) for index, (channel, piece) in enumerate(pieces) if piece and channel == name]
        texts = [json.loads(piece[1]) for _, piece in places]
        for (index, piece), before, after in zip(places, texts, _cleaned(texts, redaction), strict=True):
            if before != after:
                data = events[index].data
                literal = json.dumps(after, ensure_ascii=b"\\u" in piece[1]).encode()
                rewritten = data[: piece.start(1)] + literal + data[piece.end(1) :]
                events[index] = replace(events[index], data=_without_logprobs(rewritten))
    return tuple(events)


def _cleaned(pieces: Sequence[str], redaction: Redaction) -> list[str]:
    """The pieces of one text without secrets; what takes the place of one stands in the piece where it began."""
    whole, cleaned = "".join(pieces), list(pieces)
    spans = sorted((found.start(), found.end(), form.instead(found)) for form, found in redaction.found(whole))
    start = 0
    for index, piece in enumerate(pieces):
        end = start + len(piece)
        kept, at = "", start
        for first, last, instead in spans:
            if last <= at or first >= end:
                continue
            kept += whole[at : max(first, at)] + (instead if first >= start else "")
            at = min(last, end)
        cleaned[index] = kept + whole[at:end]
        start = end
    return cleaned


def _without_logprobs(event: bytes) -> bytes:
    """An event whose tokens would spell out what was taken out of its text, without them."""
    if b'"logprobs"' not in event:
        return event
    head, mark, rest = event.partition(b"data:")
    payload = json.loads(rest)
    for holder in (payload, *payload.get("choices", ())):
        if holder.get("logprobs"):
            holder["logprobs"] = [] if isinstance(holder["logprobs"], list) else None
    ending = rest[len(rest.rstrip()) :]
    return head + mark + b" " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + ending


def clean(value: Any) -> Any:
    """JSON as it may be shown, without what has the form of a secret."""
    if isinstance(value, str):
        return Redaction().text(value)
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    return [clean(each) for each in value] if isinstance(value, list) else value
