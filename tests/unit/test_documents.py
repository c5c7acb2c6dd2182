"""Documents that people write: every mistake says where it is, what must be there, and what is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from mockserver.documents import Strict, convert, parse_yaml
from mockserver.errors import UserError


class Inner(Strict, frozen=True):
    prompt: str | None = None
    size: Annotated[int, Meta(ge=1)] = 1


class Card(Strict, frozen=True):
    name: str
    inner: Inner = Inner()
    kind: Literal["one", "two"] = "one"
    parts: dict[str, Inner] | None = None
    sizes: tuple[Annotated[float, Meta(ge=0)], ...] = ()
    either: str | list[Inner] | None = None


NAMED = {"name": "a"}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([NAMED, {"name": 5}], "f.yaml: entry 2: name must be a string, got 5"),
        ([{}], "f.yaml: entry 1: the key 'name' is required"),
        ([{**NAMED, "inner": {"promt": "x"}}], "f.yaml: entry 1: unknown key 'promt' in inner (did you mean 'prompt'?); known keys: prompt, size"),
        ([{**NAMED, "xyz": 1}], "f.yaml: entry 1: unknown key 'xyz'; known keys: name, inner, kind, parts, sizes, either"),
        ([{**NAMED, "inner": {"size": 0}}], "f.yaml: entry 1: inner.size must be an integer >= 1, got 0"),
        ([{**NAMED, "inner": {"size": True}}], "f.yaml: entry 1: inner.size must be an integer, got True"),
        ([{**NAMED, "kind": "tow"}], "f.yaml: entry 1: unknown kind 'tow' (did you mean 'two'?); known values: one, two"),
        ([{**NAMED, "parts": {"a": {}, "b": {"size": "x"}}}], "f.yaml: entry 1: parts.b.size must be an integer, got 'x'"),
        ([{**NAMED, "parts": {"a": {}, "b": {"sise": 1}}}], "f.yaml: entry 1: unknown key 'sise' in parts.b (did you mean 'size'?); known keys: prompt, size"),
        ([{**NAMED, "sizes": [1, 2.5, -1]}], "f.yaml: entry 1: sizes[3] must be a number >= 0, got -1"),
        ([{**NAMED, "either": 5}], "f.yaml: entry 1: either must be a string or a list, got 5"),
        ([{**NAMED, "either": [{"size": "x"}]}], "f.yaml: entry 1: either[1].size must be an integer, got 'x'"),
        ([7], "f.yaml: entry 1: must be a mapping, got 7"),
        ({"name": "a"}, "f.yaml: must be a list, got {'name': 'a'}"),
        ([{**NAMED, "parts": {3: {}}}], "f.yaml: entry 1: every key of parts must be a string, got 3"),
        ([{"name": 5, "parts": {"a": {}, "b": {3: 1}}}], "f.yaml: entry 1: name must be a string, got 5"),
        ([{"parts": {"a": {}, "b": {3: 1}}, "name": 5}], "f.yaml: entry 1: every key of parts.b must be a string, got 3"),
        ([{"parts": {"a": {}, "b": {"size": "x"}}, "name": 5}], "f.yaml: entry 1: parts.b.size must be an integer, got 'x'"),
        ([{"name": "a", 1: 2}], "f.yaml: entry 1: every key must be a string, got 1"),
        ([{"na\ud800me": "x"}], "f.yaml: entry 1: not valid Unicode: 'na\\ud800me'"),
        ([NAMED, {"name": "\ud83d"}], "f.yaml: entry 2: name: not valid Unicode: '\\ud83d'"),
        ([{**NAMED, "either": [{"prompt": "a\udc00"}]}], "f.yaml: entry 1: either[1].prompt: not valid Unicode: 'a\\udc00'"),
        (["x" * 100], f"f.yaml: entry 1: must be a mapping, got '{'x' * 56}…"),
    ],
)  # fmt: skip
def test_a_mistake_says_where_and_what(document: Any, problem: str) -> None:
    with pytest.raises(UserError) as raised:
        convert(document, list[Card], "f.yaml", UserError)
    assert str(raised.value) == problem


def test_a_number_too_long_to_be_written_out_is_still_a_mistake_with_a_place() -> None:
    document = parse_yaml(b"- name: a\n  inner: {size: [0x" + b"f" * 5000 + b"]}", "f.yaml", UserError)
    with pytest.raises(UserError) as raised:
        convert(document, list[Card], "f.yaml", UserError)
    assert str(raised.value) == "f.yaml: entry 1: inner.size must be an integer, got a number of very many digits"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: \xff", r"f\.yaml: not valid UTF-8 \(byte 3\)"),
        (b"a: b: c", r"f\.yaml: not valid YAML: .* line 1"),
        (b"a: 2026-13-45", r"f\.yaml: not valid YAML: month must be in 1\.\.12"),
        (b"[" * 300 + b"]" * 300, r"f\.yaml: must be nested at most 200 levels deep"),
        (b"a: !!bool x", r"f\.yaml: not valid YAML: 'x' is not a valid bool at line 1, column 4"),
        (b"a: !!int ''", r"f\.yaml: not valid YAML: '' is not a valid int at line 1, column 4"),
        (b"a: !!float x", r"f\.yaml: not valid YAML: could not convert string to float: 'x' at line 1, column 4"),
        (b"a: !!timestamp x", r"f\.yaml: not valid YAML: 'x' is not a valid timestamp at line 1, column 4"),
        (b"a: !!int [1]", r"f\.yaml: not valid YAML: expected a scalar node"),
        (b"a: " + b"9" * 5000, r"f\.yaml: not valid YAML: Exceeds the limit .* line 1, column 4"),
        (b"- {call: !!set {a}}", r"f\.yaml: not valid YAML: could not determine a constructor for the tag .*:set"),
        (
            b"- {roles: !!omap [a: b]}",
            r"f\.yaml: not valid YAML: could not determine a constructor for the tag .*:omap",
        ),
    ],
)
def test_what_is_not_yaml_says_so(text: bytes, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        parse_yaml(text, "f.yaml", UserError)


def bomb(line: str) -> str:
    """Ten names, each of which stands for ten times the one before."""
    pairs = zip("abcdefghi", "bcdefghij", strict=True)
    return "a: &a {k: x}\n" + "".join(line.format(name=to, of=", ".join([f"*{of}"] * 10)) for of, to in pairs)


DEEP = "f.yaml: must be nested at most 200 levels deep"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 1_000 + "]" * 1_000, DEEP),
        ("[" * 100_000 + "]" * 100_000, DEEP),
        ("{a: " * 100_000, DEEP),
        ("- " * 100_000 + "a", DEEP),
        ("? " * 100_000 + "a", DEEP),
        ("".join(" " * level + "a:\n" for level in range(1_500)), DEEP),
        ("".join("  " * level + "-\n" for level in range(300)), DEEP),
        ("&a [*a]", DEEP),
        (bomb("{name}: &{name} [{of}]\n"), "f.yaml: its aliases must stand for at most 1,000,000 values"),
        (bomb("{name}: &{name} {{<<: [{of}]}}\n"), "f.yaml: its aliases must stand for at most 1,000,000 values"),
        ("a: .nan", "f.yaml: not valid YAML: a number must be finite at line 1, column 4"),
        ("a: [1, -.inf]", "f.yaml: not valid YAML: a number must be finite at line 1, column 8"),
        ("a: 1.0e+999", "f.yaml: not valid YAML: a number must be finite at line 1, column 4"),
        ("a: 2020-13-45", "f.yaml: not valid YAML: month must be in 1..12"),
        ("a: " + "9" * 5_000, "f.yaml: not valid YAML: Exceeds the limit"),
    ],
    ids=lambda value: value[:20],
)
def test_no_document_takes_the_stack_the_memory_or_an_hour(text: str, problem: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_yaml(text, "f.yaml", UserError)
    assert str(raised.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[" * 199 + "]" * 199, None),
        ("a: &x [1, 2]\nb: *x\nc: 1.5", {"a": [1, 2], "b": [1, 2], "c": 1.5}),
        ("a: '" + "[" * 2_000 + "'", {"a": "[" * 2_000}),
        ("a: |\n" + " " * 2_000 + "x", {"a": "x"}),
    ],
    ids=["nested", "aliases", "brackets-in-a-text", "indented"],
)
def test_what_only_looks_dangerous_is_read(text: str, value: object) -> None:
    document = parse_yaml(text, "f.yaml", UserError)
    assert value is None or document == value
