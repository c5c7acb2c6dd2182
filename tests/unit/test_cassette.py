from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
from mockserver.cassettes.open_cassette import OpenCassette
from mockserver.cassettes.yaml_text import to_yaml
from mockserver.exchange import Answer, End, Event, Interaction, Request
from mockserver.simulation.cassette_index import ConflictError, load_index
from tests.unit.examples import answered, chat

STREAM = Answer(
    200,
    (("content-type", "text/event-stream"), ("x-twice", "1"), ("x-twice", "2")),
    (Event(170, 'data: {"text":"Grüße 🙂 "}\n\n'.encode()), Event(0, b": ping\n\n"), Event(11, b"data: [DONE]\n\n")),
    End.EOF,
    5,
)
RECORDED = Cassette(Source.RECORDED, (Interaction(chat(), STREAM),), "llama.cpp", "2026-11-22", "test")


@pytest.mark.parametrize(
    "answer",
    [
        STREAM,
        Answer(200, (("content-type", "application/json"),), (Event(451, '{"a": "日本"}\n'.encode()),)),
        Answer(204),
        Answer(200, (("content-type", "application/json"),), (Event(1, b"\x1f\x8b\xff\x00"),)),
        Answer(
            200,
            (("content-type", "text/event-stream"),),
            (Event(1, b"data: 1\r\n\r\n"), Event(2, b"data: trailing \t\n")),
            End.RESET,
        ),
        Answer(200, (("content-type", "text/plain"),), (Event(1, "a\x85b\u2028c\n\u2029d".encode()),)),
        Answer(499, (), (Event(1, b"closed"),)),
    ],
    ids=["stream", "json", "empty", "binary", "crlf-and-reset", "other-line-ends", "unknown-status"],
)
def test_a_written_cassette_is_read_back_to_the_byte(answer: Answer, tmp_path: Path) -> None:
    written = Cassette(Source.RECORDED, (Interaction(chat("Grüße 🙂"), answer),))
    cassette.write(tmp_path / "a.yaml", cassette.dump(written))
    assert cassette.load(tmp_path / "a.yaml") == written


def test_a_stream_is_a_readable_block() -> None:
    assert '\n        data: {"text":"Grüße 🙂 "}\n\n        : ping\n\n        data: [DONE]\n' in cassette.dump(RECORDED)
    assert "timing: {head_ms: 5, after_ms: [170, 0, 11], end: eof}" in cassette.dump(RECORDED)


def test_the_address_is_the_backends_own_for_any_upstream() -> None:
    azure = Request("POST", "/openai/deployments/d/chat/completions", "api-version=2024-10-21")
    written = cassette.dump(Cassette(Source.RECORDED, (Interaction(azure, STREAM),)))
    assert (
        "uri: https://resource.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21\n"
        in written
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version: 1", "version: [", "broken.yaml: not valid YAML: while parsing"),
        (
            "interactions:",
            "interactionz:",
            "unknown key 'interactionz' (did you mean 'interactions'?); known keys: interactions, version, metadata",
        ),
        (
            "source: recorded",
            "source: invented",
            "unknown metadata.source 'invented'; known values: authored, carried, imported, recorded",
        ),
        ("format: 1", "format: 2", "metadata: format 2 is newer than this version reads (1)"),
        ("code: 200", "code: ok", "interaction 1: response.status.code must be an integer, got 'ok'"),
        ("code: 200", "code: 600", "interaction 1: response.status.code must be an integer <= 599, got 600"),
        ("end: eof", "end: bang", "interaction 1: unknown response.timing.end 'bang'; known values: eof, reset, stall"),
        (
            "[170, 0, 11]",
            "[170, 0]",
            "interaction 1: 2 waits in timing.after_ms, but 3 events in the body. Fix it with: dress-rehearsal cassette fmt",
        ),
        ("[170, 0, 11]", "[170, -1, 11]", "interaction 1: response.timing.after_ms[2] must be an integer >= 0, got -1"),
        ("    method: POST\n", "", "interaction 1: request: the key 'method' is required"),
        (
            "    method: POST\n",
            "    methd: POST\n",
            "interaction 1: unknown key 'methd' in request (did you mean 'method'?)",
        ),
        ("version: 1", "version: 99", "unknown version 99; known values: 1"),
        ("date: '2026-11-22'", "date: 2026-13-45", "not valid YAML: month must be in 1..12"),
        ("text/event-stream", '"a\\nb"', "interaction 1: response.headers: 'content-type': 'a\\nb' cannot be sent"),
        ("uri: https://", "uri: http://[", "interaction 1: request.uri: Invalid IPv6 URL"),
    ],
)
def test_a_broken_cassette_says_where_and_what(old: str, new: str, problem: str, tmp_path: Path) -> None:
    text = cassette.dump(RECORDED)
    assert old in text
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(CassetteError) as raised:
        cassette.load(path)
    assert problem in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"version: 1\n\xff")
    with pytest.raises(CassetteError, match=r"not valid UTF-8 \(byte 11\)"):
        cassette.load(tmp_path / "a.yaml")


def test_fit_waits_gives_each_event_a_wait() -> None:
    text = cassette.dump(RECORDED).replace("[170, 0, 11]", "[170, 0]")
    parsed = cassette.parse(Path("a.yaml"), text.encode(), fit_waits=True)
    assert [event.after_ms for event in parsed.interactions[0].answer.events] == [170, 0, 85]


def test_a_file_of_plain_vcrpy_plays_without_waits(tmp_path: Path) -> None:
    entry = {
        "request": {"method": "GET", "uri": "https://api.openai.com/v1/models", "body": None, "headers": {}},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {"A": ["1"]}, "body": {"string": "{}"}},
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"version": 1, "interactions": [entry]}))
    loaded = cassette.load(tmp_path / "a.yaml")
    assert loaded.source is Source.IMPORTED
    assert loaded.interactions[0].answer == Answer(200, (("a", "1"),), (Event(0, b"{}"),))


def test_an_error_carries_the_file_and_the_interaction() -> None:
    document = yaml.safe_load(cassette.dump(RECORDED))
    document["interactions"].append({"request": {"method": "GET", "uri": "/v1/models"}, "response": {}})
    with pytest.raises(CassetteError) as raised:
        cassette.parse(Path("a.yaml"), yaml.safe_dump(document).encode())
    assert (raised.value.path, raised.value.entry) == (Path("a.yaml"), 2)
    assert str(raised.value) == "a.yaml, interaction 2: response: the key 'status' is required"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("Grüße", "Grüße".encode()),
        (b"\x1f\x8b\xff", b"\x1f\x8b\xff"),
        ([b"one", "two"], b"onetwo"),
        ({"model": "m", "n": 1}, b'{"model": "m", "n": 1}'),
        (None, b""),
    ],
    ids=["text", "binary", "chunks", "json", "none"],
)
def test_every_body_that_vcrpy_writes_is_read(body: object, sent: bytes) -> None:
    request = {"method": "POST", "uri": "/v1/x", "headers": {"Content-Length": [b"5"]}, "body": body}
    response = {"status": {"code": 200, "message": None}, "body": {"string": None}, "headers": {}, "url": "/v1/x"}
    text = yaml.dump({"version": 1, "interactions": [{"request": request, "response": response}]}).encode()
    (interaction,) = cassette.parse(Path("a.yaml"), text).interactions
    assert (interaction.request.body, interaction.request.headers) == (sent, (("content-length", "5"),))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("body: x", "body: 7", "request: body must be a string or !!binary, got int"),
        ("string: x", "string: {}", "response.body: string must be a string or !!binary, got dict"),
    ],
)
def test_a_body_of_another_type_is_an_error(old: str, new: str, problem: str) -> None:
    entry = "{request: {method: GET, uri: /x, body: x}, response: {status: {code: 200}, body: {string: x}}}"
    with pytest.raises(CassetteError) as raised:
        cassette.parse(Path("a.yaml"), f"interactions: [{entry}]".replace(old, new).encode())
    assert str(raised.value) == f"a.yaml, interaction 1: {problem}"


def test_appending_does_not_change_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    assert OpenCassette(path).append(RECORDED.interactions[0], upstream="llama.cpp") == 1
    path.write_text("# my own note\n" + path.read_text())
    before = path.read_text()
    assert OpenCassette(path).append(Interaction(chat("Again"), answered("x")), upstream="llama.cpp") == 2
    assert path.read_text().startswith(before)
    assert len(cassette.load(path).interactions) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["a.yaml"]


def test_appending_to_a_file_that_vcrpy_saved_again_keeps_both(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(cassette.dump(RECORDED)), sort_keys=True))
    OpenCassette(path).append(Interaction(chat("Again"), answered("x")), upstream="")
    assert [len(interaction.answer.events) for interaction in cassette.load(path).interactions] == [3, 1]


@pytest.mark.parametrize("change", ["indented", "ended", "flow"])
def test_appending_to_another_layout_loses_nothing(change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    text = cassette.dump(RECORDED)
    head, _, items = text.partition("interactions:\n")
    layouts = {
        "indented": head
        + "interactions:\n"
        + "".join(f"  {line}\n" if line else "\n" for line in items.split("\n")[:-1]),
        "ended": text + "...\n",
        "flow": yaml.safe_dump(yaml.safe_load(text), default_flow_style=True),
    }
    path.write_text(layouts[change])
    OpenCassette(path).append(Interaction(chat("Again"), answered("x")), upstream="")
    assert [len(interaction.answer.events) for interaction in cassette.load(path).interactions] == [3, 1]


def test_cassettes_of_the_same_name_in_two_folders_conflict(tmp_path: Path) -> None:
    for folder, text in (("one", "first"), ("two", "second")):
        cassette.write(
            tmp_path / folder / "a.yaml",
            cassette.dump(Cassette(Source.RECORDED, (Interaction(chat(), answered(text)),))),
        )
    with pytest.raises(ConflictError):
        load_index([tmp_path / "one", tmp_path / "two"])


def test_a_recording_is_never_added_to_an_authored_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(cassette.dump(RECORDED).replace("source: recorded", "source: authored"))
    with pytest.raises(CassetteError, match="its answers are authored; a recording needs a file of its own"):
        OpenCassette(path).append(RECORDED.interactions[0], upstream="")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cassette.write(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.yaml"]


def test_two_cassettes_with_different_answers_conflict(tmp_path: Path) -> None:
    for name, text in (("a.yaml", "one"), ("b.yaml", "two")):
        cassette.write(
            tmp_path / name, cassette.dump(Cassette(Source.RECORDED, (Interaction(chat(), answered(text)),)))
        )
    with pytest.raises(ConflictError) as raised:
        load_index([tmp_path])
    assert raised.value.names == ("a.yaml#1", "b.yaml#1")
    assert "hold the same request (gpt-4o, 1 message) with different answers" in str(raised.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder of cassettes at"):
        load_index([tmp_path / "nowhere"])


LARGE = 20_000


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            ["\n", " \n", "  a\n\n", "\n\nb", "# c: -\n- d", "'\"\\\t", "\r\n", "\x00", "\x85", "\ufeff", "🙂\n", "a "]
        ),
    ),
    st.one_of(st.text(max_size=30), st.sampled_from(["\n", "\n\n\n", " ", "", "x\n"])),
    st.sampled_from(["line\n", "word ", "ü", "🙂\n", "\n"]),
)
def test_a_large_text_is_what_it_was_when_it_is_read_again(start: str, end: str, middle: str) -> None:
    for value in (
        f"{start}{middle * (LARGE // len(middle))}{end}",
        start.encode("utf-8", "surrogatepass") + bytes(range(256)) * 80,
    ):
        text = to_yaml([{"a": {"string": value, "after": 1}, "b": value}])
        assert yaml.load(text, yaml.CSafeLoader) == [{"a": {"string": value, "after": 1}, "b": value}]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_is_as_private_as_the_user_wants(tmp_path: Path) -> None:
    old = tmp_path / "old.yaml"
    old.touch()
    old.chmod(0o640)
    before = os.umask(0o077)
    try:
        for path in (tmp_path / "new.yaml", old):
            cassette.write(path, "text")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"new.yaml": 0o600, "old.yaml": 0o640}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").mkdir()
    (tmp_path / "c.yaml").touch()
    assert [name for name, _ in cassette.files([tmp_path])] == ["c.yaml"]
