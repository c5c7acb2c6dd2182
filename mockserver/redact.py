"""Takes secrets and names out of what is written or shown: headers by an allow-list, known keys by value, others by
their form. The same secret always gets the same replacement, so that conversations still match."""

from __future__ import annotations

import base64
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
#: Headers whose values are credentials or identify a person; shown without their values.
_PERSONAL_HEADERS = frozenset(
    {"api-key", "authorization", "cookie", "ocp-apim-subscription-key", "proxy-authorization", "set-cookie"}
    | {"x-functions-key", "x-mockserver-token", "x-ms-client-principal"}
)
_KEY_IN_QUERY = re.compile(r"((?:^|&)(?:api-key|subscription-key|code|sig|token)=)[^&]*", re.IGNORECASE)
_REDACTED = "REDACTED"
_SHORTEST_KEY = 8
_ZERO_GUID = "00000000-0000-0000-0000-000000000000"
_GUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


@dataclass(frozen=True, slots=True)
class SecretPattern:
    """A kind of secret that has a form of its own: it always contains one of `markers`; `replacement` replaces it."""

    kind: str
    markers: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: Callable[[re.Match[str]], str] = lambda _match: _REDACTED


def _example_address(match: re.Match[str]) -> str:
    """An address at example.com: a different one for each address, and always the same for the same address."""
    return f"person-{hashlib.sha256(match[0].lower().encode()).hexdigest()[:6]}@example.com"


def _is_personal(match: re.Match[str]) -> bool:
    """Whether base64 text that begins like a JSON object identifies a person."""
    try:
        text = base64.b64decode(match[0] + "=" * (-len(match[0]) % 4), altchars=b"-_").decode()
        return isinstance(json.loads(text), dict) and bool(re.search(r'"userDetails"|"userId"|@', text))
    except (ValueError, RecursionError):  # not base64, not UTF-8, not JSON
        return False


def _pattern(kind: str, markers: str, pattern: str, *replacement: Callable[[re.Match[str]], str]) -> SecretPattern:
    return SecretPattern(kind, tuple(markers.split()), re.compile(pattern), *replacement)


#: No entropy and no keywords: those flag clean traffic. detect-secrets, which has some of these forms, matches only a
#: part of the secret (a JWT without its signature, the prefix of a GitHub token): enough for a warning, but not for
#: redaction. Source of each form: its issuer's documentation.
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
        lambda match: _REDACTED if _is_personal(match) else match[0],
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
        # Not an address reserved for examples (RFC 2606), nor git's user, nor a picture like logo@2x.png.
        r"(?<![\w.+-])(?!git@)[A-Za-z0-9][\w.+-]*@"
        r"(?!(?:[\w-]+\.)*(?:example\.(?:com|org|net)|example|test|invalid|localhost)(?![\w-]|\.[A-Za-z]))"
        r"(?:[A-Za-z0-9-]+\.)+(?!(?:png|jpe?g|gif|svg|webp|js|css)\b)[A-Za-z]{2,}(?![\w-])",
        _example_address,
    ),
    _pattern(
        "subscription", "/subscriptions/", rf"(?<=/subscriptions/)(?!{_ZERO_GUID}){_GUID}", lambda _match: _ZERO_GUID
    ),
    _pattern(
        "resource group", "/resourceGroups/", r"(?<=/resourceGroups/)(?!group\b)[\w.()-]+", lambda _match: "group"
    ),
    _pattern(
        "tenant",
        "login.microsoftonline.com/ sts.windows.net/ onmicrosoft.com",
        rf"(?<=login\.microsoftonline\.com/)(?!{_ZERO_GUID}){_GUID}|(?<=sts\.windows\.net/)(?!{_ZERO_GUID}){_GUID}"
        r"|(?<![\w.-])(?!tenant\.)[A-Za-z0-9-]+(?=\.onmicrosoft\.com)",
        lambda match: _ZERO_GUID if re.fullmatch(_GUID, match[0]) else "tenant",
    ),
    _pattern(
        "Azure resource",
        ".azure.com",
        r"(?<=//)(?!resource\.|your|my-|example)[a-z0-9][a-z0-9-]*(?=\.(?:openai|cognitiveservices|services\.ai)\.azure\.com)",
        lambda _match: "resource",
    ),
)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is taken out: everything that fits `PATTERNS`, and the secrets that this process knows, whatever their form."""

    patterns: tuple[SecretPattern, ...] = PATTERNS

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redaction:
        """One that also takes these out; a text shorter than 8 letters is a placeholder, and would match everywhere."""
        keys = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_KEY}, key=len, reverse=True)
        return cls((*(SecretPattern("known key", (key,), re.compile(re.escape(key))) for key in keys), *PATTERNS))

    def matches(self, text: str) -> Iterator[tuple[SecretPattern, re.Match[str]]]:
        """The secrets in a text, pattern by pattern."""
        for secret in self.patterns:
            if any(marker in text for marker in secret.markers):
                for match in secret.pattern.finditer(text):
                    if secret.replacement(match) != match[0]:
                        yield secret, match

    def text(self, text: str) -> str:
        """The text without secrets."""
        for secret in self.patterns:
            if any(marker in text for marker in secret.markers):
                text = secret.pattern.sub(secret.replacement, text)
        return text

    def data(self, data: bytes) -> bytes:
        """The bytes without secrets, whatever their encoding: every pattern is ASCII."""
        text = data.decode("latin-1")
        cleaned = self.text(text)
        return data if cleaned is text or cleaned == text else cleaned.encode("latin-1")

    def interaction(self, interaction: Interaction) -> Interaction:
        """The interaction without secrets, also where several events of a stream share one, and without headers that
        identify a person. Every event stays, with its time."""
        request, answer = interaction.request, interaction.answer
        events = _redacted_events(answer, self) if answer.streams else answer.events
        return Interaction(
            replace(
                request,
                query=_KEY_IN_QUERY.sub(rf"\1{_REDACTED}", request.query),
                headers=_allowed(request.headers, _REQUEST_HEADERS.__contains__),
                body=self.data(request.body),
            ),
            replace(
                answer,
                headers=_allowed(
                    answer.headers, lambda name: name in _ANSWER_HEADERS or name.startswith(_ANSWER_PREFIXES)
                ),
                events=tuple(Event(event.after_ms, self.data(event.data)) for event in events),
            ),
        )

    def kinds(self, interaction: Interaction) -> Counter[str]:
        """How many secrets of each kind an interaction's address and bodies hold; never the secrets themselves."""
        request, answer = interaction.request, interaction.answer
        texts = [request.target, request.body.decode("latin-1"), answer.body.decode("latin-1")]
        texts += ["".join(channel) for channel in _channels(answer)] if answer.streams else []
        counts = [Counter(secret.kind for secret, _ in self.matches(text)) for text in texts]
        total = sum(counts[:3], Counter[str]())
        for count in counts[3:]:  # secrets that only appear where events are joined
            total |= count
        return total


def personal_headers(headers: Headers) -> tuple[str, ...]:
    """The names of the headers that identify a person or hold a credential."""
    return tuple(name for name, value in headers if name in _PERSONAL_HEADERS and value != _REDACTED)


def shown(request: Request) -> Request:
    """The request as it may be shown: without the person and the key that it came with."""
    headers = tuple((name, _REDACTED if name in _PERSONAL_HEADERS else value) for name, value in request.headers)
    return replace(request, headers=headers, query=_KEY_IN_QUERY.sub(rf"\1{_REDACTED}", request.query))


def _allowed(headers: Headers, is_allowed: Callable[[str], bool]) -> Headers:
    return tuple((name, value) for name, value in headers if is_allowed(name))


# --- secrets that several events of a stream share ------------------------------------------------------------------

_PIECE = re.compile(rb'"(?:content|delta|arguments|text|refusal|input)":\s*("(?:[^"\\]|\\.)*")')
_CHANNEL = re.compile(rb'"(?:index|output_index|content_index|item_id)":\s*("[^"]*"|\d+)')


def _pieces(answer: Answer) -> list[tuple[tuple[bytes, ...], re.Match[bytes] | None]]:
    """For each event its channel (the choice, the call or the item it belongs to) and the piece of text it adds there."""
    return [(tuple(_CHANNEL.findall(event.data)), _PIECE.search(event.data)) for event in answer.events]


def _channels(answer: Answer) -> Iterator[list[str]]:
    """The text of each channel, in pieces."""
    pieces = _pieces(answer)
    for name in dict.fromkeys(channel for channel, piece in pieces if piece):
        yield [json.loads(piece[1]) for channel, piece in pieces if piece and channel == name]


def _redacted_events(answer: Answer, redaction: Redaction) -> tuple[Event, ...]:
    """The events without the secrets that only appear where they are joined."""
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
    """The pieces of one text without secrets; a replacement is in the piece where its secret began."""
    whole, cleaned = "".join(pieces), list(pieces)
    spans = sorted(
        (match.start(), match.end(), secret.replacement(match)) for secret, match in redaction.matches(whole)
    )
    start = 0
    for index, piece in enumerate(pieces):
        end = start + len(piece)
        text, at = "", start
        for first, last, replacement in spans:
            if last <= at or first >= end:
                continue
            text += whole[at : max(first, at)] + (replacement if first >= start else "")
            at = min(last, end)
        cleaned[index] = text + whole[at:end]
        start = end
    return cleaned


def _without_logprobs(event: bytes) -> bytes:
    """The event without its log probabilities: their tokens would spell the secret that was taken out of the text."""
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
    """The JSON value as it may be shown: without anything that has the form of a secret."""
    if isinstance(value, str):
        return Redaction().text(value)
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, list) else value
