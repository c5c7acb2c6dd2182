"""YAML as cassettes have it: readable blocks, and large bodies as fast as they can be copied."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import yaml

#: PyYAML looks at each character of a text several times: a megabyte takes a second. Larger ones are written here.
_LARGE = 16 << 10
_PLACEHOLDER = "large-text-8c1f0f2e-"
#: What a block may hold, and what a text in double quotes may, as JSON writes it. Source: YAML 1.1, 5.1; PyYAML's emitter.
_NO_BLOCK = re.compile(
    "[^\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]| \n| \\Z"
)
_NO_QUOTES = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_IN_BLOCK = bytes({9, 10, *range(0x20, 0x7F)})
_IN_QUOTES = bytes(range(0x7F))


class OneLine(dict[str, Any]):
    """A mapping written in braces."""


class OneLineList(list[str]):
    """A list written in brackets."""


class _Dumper(yaml.SafeDumper):
    """Keeps the order of keys, writes texts of several lines as `|` blocks, and never writes an alias.

    This is PyYAML's own emitter: libyaml's cannot write an emoji in a block. `large` are the texts left out, in order.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.large: list[str | bytes] = []

    def leave_out(self, value: str | bytes) -> yaml.ScalarNode:
        """A short text in place of a large one."""
        self.large.append(value)
        return self.represent_scalar("tag:yaml.org,2002:str", f"{_PLACEHOLDER}{len(self.large) - 1}")

    def ignore_aliases(self, data: object) -> bool:
        """Never."""
        del data
        return True


def _bytes(dumper: _Dumper, data: bytes) -> yaml.ScalarNode:
    return dumper.leave_out(data) if len(data) > _LARGE else dumper.represent_binary(data)


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if len(text) > _LARGE and not _fits_no(_NO_QUOTES, _IN_QUOTES, text):
        return dumper.leave_out(text)
    # YAML reads these as line ends too, and would return newlines for them.
    block = "\n" in text and not {"\x85", "\u2028", "\u2029"} & set(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else '"' if "\n" in text else None)


_Dumper.add_representer(str, _string)
_Dumper.add_representer(bytes, _bytes)
_Dumper.add_representer(
    OneLine, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)
)
_Dumper.add_representer(
    OneLineList, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def to_yaml(value: object) -> str:
    """The text of a value; its texts of more than 16 kB are values of mappings."""
    stream = io.StringIO()
    dumper = _Dumper(stream, sort_keys=False, allow_unicode=True, width=120)
    dumper.open()
    dumper.represent(value)
    dumper.close()
    text = stream.getvalue()
    for number, large in enumerate(dumper.large):
        before, placeholder, after = text.partition(f"{_PLACEHOLDER}{number}")
        line = before.rpartition("\n")[2]
        text = before + _large(large, len(line) - len(line.lstrip(" -")) + 2) + after if placeholder else text
    return text


def _fits_no(forbidden: re.Pattern[str], allowed: bytes, text: str) -> bool:
    """Whether a text has a forbidden character; ASCII is looked at all at once."""
    return bool(text.encode().translate(None, allowed)) if text.isascii() else forbidden.search(text) is not None


def _large(value: str | bytes, indent: int) -> str:
    """A text or bytes as a value on a line that is indented by two less."""
    if isinstance(value, bytes):
        return "!!binary |\n" + _indented(base64.encodebytes(value).decode().rstrip("\n"), indent)
    if "\n" in value and " \n" not in value and value[-1] != " " and not _fits_no(_NO_BLOCK, _IN_BLOCK, value):
        body = value.rstrip("\n")
        ends = len(value) - len(body)
        chomping = "" if ends == 1 else "+" if ends else "-"
        leading = "2" if value[0] in " \n" else ""
        return f"|{leading}{chomping}\n{_indented(body, indent)}" + "\n" * max(0, ends - 1)
    if "\n" not in value and not _fits_no(_NO_BLOCK, _IN_BLOCK, value):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


def _indented(text: str, indent: int) -> str:
    return re.sub(r"(?m)^(?=.)", " " * indent, text)
