"""What is taken out of texts, JSON values and bodies."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import functools
import gzip
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mockserver.exchange import gunzip
from mockserver.redaction.kinds import matches
from mockserver.redaction.known import known
from mockserver.redaction.literals import literals
from mockserver.redaction.replacements import DOCUMENTED, REDACTED, REPLACEMENTS
from mockserver.redaction.scan import Form, form_of, has_long_word, is_data

#: The shortest text with a secret of a known form: an e-mail address.
_SHORTEST = 6
#: No key is longer.
_LONGEST_KEY = 600
_DEEPEST = 16
#: How JSON begins, and code hardly ever.
_OBJECT = re.compile(r'[\s\ufeff\[]*\{\s*"[^"\\]*"\s*:')
_AFTER_PREFIX = re.compile(r"(?:[A-Za-z0-9]{1,12}[-_/]){1,3}(?=[A-Za-z0-9+/_-]{16})")
_BASE64 = re.compile(r"(?:(?<![\w+/-])(?!(?<=\\)[nrtbf])|(?<=\\[nrtbf]))[A-Za-z0-9+/_-]{16,}={0,2}", re.ASCII)
#: The ends of JSON's keys whose values are secrets, in lower case and without _ and -.
_SECRET_NAMES = (
    "accesskey",
    "accesstoken",
    "accountkey",
    "adminkey",
    "apikey",
    "apitoken",
    "authorization",
    "authtoken",
    "bearertoken",
    "functionkey",
    "functionskey",
    "idtoken",
    "key1",
    "key2",
    "masterkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "querykey",
    "refreshtoken",
    "sastoken",
    "secret",
    "secretkey",
    "sessiontoken",
    "subscriptionkey",
)
_NAMED_SECRET = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[^\s<{$]\S{7,}")


class Secret(NamedTuple):
    """A secret in a text: where it stands, what replaces it, and of which kind it is."""

    start: int
    end: int
    replacement: str
    kind: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """Everything with the form of a secret is taken out, and what this process knows; not what is `allowed`: texts, with `*`
    for any part. The same secret always gets the same replacement, so that conversations still match."""

    allowed: tuple[str, ...] = ()
    #: Whether the secrets that this process knows are taken out too. They would make a fingerprint depend on the process.
    with_known: bool = True
    #: What was allowed and occurred.
    used: set[str] = field(default_factory=set, compare=False)

    def secrets(self, text: str, name: str = "", *, depth: int = 0) -> list[Secret]:
        """The secrets in a text, in order, none overlapping; `name` is the JSON key that it is the value of.

        JSON in the text is read as such, and base64 of text too, also inside each other.
        """
        if len(text) < _SHORTEST or depth > _DEEPEST:
            return []
        found = [*self._known(text)] if self.with_known and known() else []
        form = form_of(text)
        if form is not Form.TEXT:
            named = form is Form.JSON or _OBJECT.match(text) is not None
            found += self._inside_json(text, depth, with_names=named)
        if form is not Form.JSON and not self._is_opaque(text):
            found += self._by_form(text, name)
            found += self._inside_base64(text, depth)
        return apart(found)

    def text(self, text: str, name: str = "") -> str:
        """The text without secrets."""
        return replaced(text, self.secrets(text, name))

    def value(self, value: Any, name: str = "") -> Any:
        """The JSON value without secrets, in keys neither."""
        if isinstance(value, str):
            return self.text(value, name)
        if isinstance(value, dict):
            return {self.text(key): self.value(item, key) for key, item in value.items()}
        return [self.value(item, name) for item in value] if isinstance(value, list) else value

    def data(self, data: bytes, counts: Counter[str] | None = None) -> bytes:
        """The body without secrets, and otherwise byte for byte the same; `counts` counts them by kind."""
        if data.startswith(b"\x1f\x8b"):
            return self._compressed(data, counts)
        text = data.decode("utf-8", "surrogateescape")
        found = self.secrets(text)
        if counts is not None:
            counts.update(secret.kind for secret in found)
        return replaced(text, found).encode("utf-8", "surrogateescape") if found else data

    def _compressed(self, data: bytes, counts: Counter[str] | None) -> bytes:
        try:
            plain = gunzip(data)
        except (OSError, EOFError, zlib.error):
            return data
        except ValueError:  # too large to be read, so that it may hold anything
            return REDACTED.encode()
        cleaned = self.data(plain, counts)
        return data if cleaned == plain else gzip.compress(cleaned, mtime=0)

    def _known(self, text: str) -> Iterator[Secret]:
        for key in known():
            at = text.find(key)
            while at >= 0:
                yield Secret(at, at + len(key), REDACTED, "known key")
                at = text.find(key, at + len(key))

    def _is_opaque(self, text: str) -> bool:
        """Whether this is data in which letters mean nothing by themselves: an image, an embedding, encrypted reasoning."""
        return len(text) > _LONGEST_KEY and is_data(text) and _decoded(text) is None

    def _by_form(self, text: str, name: str) -> Iterator[Secret]:
        for kind, start, end, replacement in matches(text):
            if not self._allows(text[start:end]):
                yield Secret(start, end, replacement, kind.name)
        if name and len(text) < _LONGEST_KEY and _is_telling(name):  # some are known by the words before them
            before = len(name) + 1
            for kind, start, end, replacement in matches(f"{name}={text}"):
                if start >= before and not self._allows(text[start - before : end - before]):
                    yield Secret(start - before, end - before, replacement, kind.name)
        if name and _is_named_secret(name, text) and not self._allows(text):
            yield Secret(0, len(text), REDACTED, "value of a secret's name")

    def _allows(self, secret: str) -> bool:
        pattern = next((each for each in self.allowed if fnmatch.fnmatchcase(secret, each)), None)
        if pattern is not None:
            self.used.add(pattern)
        return pattern is not None or secret in DOCUMENTED

    def _inside_json(self, text: str, depth: int, *, with_names: bool) -> Iterator[Secret]:
        """The secrets in the strings of JSON, or of what begins like JSON."""
        for literal in literals(text):
            if len(literal.text) < _SHORTEST:
                continue
            found = self.secrets(literal.text, literal.name if with_names else "", depth=depth + 1)
            offsets = literal.offsets() if found else ()
            for secret in found:
                replacement = literal.encoded(secret.replacement)
                yield Secret(offsets[secret.start], offsets[secret.end], replacement, secret.kind)

    def _inside_base64(self, text: str, depth: int) -> Iterator[Secret]:
        if not has_long_word(text):
            return
        for match in _BASE64.finditer(text):
            start, inner = match.start(), _decoded(match[0])
            if inner is None and (cut := _AFTER_PREFIX.match(match[0])):  # base64-eyJ…, or /v1/eyJ…
                start, inner = match.start() + cut.end(), _decoded(match[0][cut.end() :])
            if inner is None:
                continue
            if found := self.secrets(inner, depth=depth + 1):
                cleaned = base64.b64encode(replaced(inner, found).encode()).decode()
                encoded = text[start : match.end()]
                if "-" in encoded or "_" in encoded:
                    cleaned = cleaned.replace("+", "-").replace("/", "_")
                cleaned = cleaned if encoded.endswith("=") or len(encoded) % 4 == 0 else cleaned.rstrip("=")
                yield Secret(start, match.end(), cleaned, found[0].kind)


def replaced(text: str, secrets: Sequence[Secret]) -> str:
    """The text with each secret replaced."""
    if not secrets:
        return text
    parts, at = [], 0
    for secret in secrets:
        parts += [text[at : secret.start], secret.replacement]
        at = secret.end
    return "".join([*parts, text[at:]])


def by_piece(texts: Sequence[str], together: Sequence[Secret]) -> Iterator[list[Secret]]:
    """For each of the texts the parts in it of the secrets that all texts together have, in order. A replacement is in the first
    part of its secret."""
    start = done = 0
    for text in texts:
        end, parts = start + len(text), []
        while done < len(together) and together[done].end <= start:
            done += 1
        for secret in itertools.islice(together, done, None):
            if secret.start >= end:
                break
            replacement = secret.replacement if secret.start >= start else ""
            place = max(secret.start, start) - start, min(secret.end, end) - start
            parts.append(Secret(*place, replacement, secret.kind))
        yield parts
        start = end


def apart(found: list[Secret]) -> list[Secret]:
    """The secrets in order; those that overlap become one, with the replacement of the first."""
    if len(found) < 2:
        return found
    apart: list[Secret] = []
    for secret in sorted(found, key=lambda each: (each.start, -each.end)):
        if apart and secret.start < apart[-1].end:
            apart[-1] = apart[-1]._replace(end=max(apart[-1].end, secret.end))
        else:
            apart.append(secret)
    return apart


@functools.lru_cache(1000)  # clients choose the names
def _is_telling(name: str) -> bool:
    """Whether a JSON key may say what its value is."""
    return len(name) < 100 and re.search(r"(?i)key|secret|token|pass|pwd|connection|sig", name) is not None


def _is_named_secret(name: str, text: str) -> bool:
    """Whether a JSON key says that its value is a secret, and the value looks like one."""
    plain = name.replace("-", "").replace("_", "").replace(" ", "").lower()
    return (
        plain.endswith(_SECRET_NAMES)
        and bool(_NAMED_SECRET.fullmatch(text))
        and REPLACEMENTS["unless placeholder"](text) != text
    )


def _decoded(text: str) -> str | None:
    """The text that base64 stands for; None where it stands for something else, or for nothing."""
    if len(text) > 256 and not _is_text(_bytes_of(text[:64]), whole=False):
        return None  # an image, or numbers
    data = _bytes_of(text)
    return data.decode() if _is_text(data) else None


def _bytes_of(text: str) -> bytes:
    """What base64 stands for, with or without its padding, in either alphabet; bytes that are not text if it is not base64."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error:  # its length, or padding that is not at its end
        return b"\xff"


def _is_text(data: bytes, *, whole: bool = True) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return not whole and error.start > len(data) - 4  # the cut divided a character
    return True


def clean(value: Any) -> Any:
    """The JSON value as it may be shown: without anything that has the form of a secret, and without what this process knows."""
    return Redaction().value(value)
