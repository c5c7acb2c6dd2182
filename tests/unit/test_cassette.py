from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
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
def test_what_is_written_is_read_back_to_the_byte(answer: Answer, tmp_path: Path) -> None:
    written = Cassette(Source.RECORDED, (Interaction(chat("Grüße 🙂"), answer),))
    cassette.write(tmp_path / "a.yaml", cassette.dump(written))
    assert cassette.load(tmp_path / "a.yaml") == written


def test_a_stream_is_a_readable_block() -> None:
    assert '\n        data: {"text":"Grüße 🙂 "}\n\n        : ping\n\n        data: [DONE]\n' in cassette.dump(RECORDED)
    assert "timing: {head_ms: 5, after_ms: [170, 0, 11], end: eof}" in cassette.dump(RECORDED)


def test_the_address_is_the_backends_own_whoever_was_asked() -> None:
    azure = Request("POST", "/openai/deployments/d/chat/completions", "api-version=2024-10-21")
    written = cassette.dump(Cassette(Source.RECORDED, (Interaction(azure, STREAM),)))
    assert (
        "uri: https://resource.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21\n"
        in written
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("version: 1", "version: [", "no YAML"),
        (
            "interactions:",
            "interactionz:",
            "unknown key 'interactionz' in the file; known are version, interactions, metadata",
        ),
        (
            "source: recorded",
            "source: invented",
            "source 'invented' is unknown; there are: recorded, imported, authored, carried",
        ),
        ("format: 1", "format: 2", "format 2 is newer than this version reads (1)"),
        ("code: 200", "code: ok", "interaction 1: response.status.code is 'ok', not a status"),
        ("end: eof", "end: bang", "interaction 1: response.timing.end is 'bang'; there are: eof, reset, stall"),
        (
            "[170, 0, 11]",
            "[170, 0]",
            "2 waits in timing.after_ms, but 3 events in the body. To mend it: dress-rehearsal cassette fmt",
        ),
        ("[170, 0, 11]", "[170, -1, 11]", "interaction 1: response.timing.after_ms is no list of milliseconds"),
        ("    method: POST\n", "", "interaction 1: request.method is missing"),
        ("version: 1", "version: 99", "version 99 is not vcrpy's format 1"),
        ("date: '2026-11-22'", "date: 2026-13-45", "no YAML: month must be in 1..12"),
        ("uri: https://", "uri: http://[", "interaction 1: request.uri: Invalid IPv6 URL"),
    ],
)
def test_a_broken_cassette_says_where_and_what(old: str, new: str, complaint: str, tmp_path: Path) -> None:
    text = cassette.dump(RECORDED)
    assert old in text
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(CassetteError) as raised:
        cassette.load(path)
    assert complaint in str(raised.value)
    assert str(path) in str(raised.value)


def test_no_utf_8_is_an_error_and_not_an_empty_cassette(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"version: 1\n\xff")
    with pytest.raises(CassetteError, match="no UTF-8 at byte 11"):
        cassette.load(tmp_path / "a.yaml")


def test_mending_fits_the_waits_to_the_events() -> None:
    text = cassette.dump(RECORDED).replace("[170, 0, 11]", "[170, 0]")
    mended = cassette.parse(Path("a.yaml"), text.encode(), mend=True)
    assert [event.after_ms for event in mended.interactions[0].answer.events] == [170, 0, 85]


def test_a_file_of_plain_vcrpy_plays_without_waits(tmp_path: Path) -> None:
    entry = {
        "request": {"method": "GET", "uri": "https://api.openai.com/v1/models", "body": None, "headers": {}},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {"A": ["1"]}, "body": {"string": "{}"}},
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"version": 1, "interactions": [entry]}))
    loaded = cassette.load(tmp_path / "a.yaml")
    assert loaded.source is Source.IMPORTED
    assert loaded.interactions[0].answer == Answer(200, (("a", "1"),), (Event(0, b"{}"),))


def test_appending_leaves_what_stands_there_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    assert cassette.append(path, RECORDED.interactions[0], upstream="llama.cpp") == 1
    path.write_text("# my own note\n" + path.read_text())
    before = path.read_text()
    assert cassette.append(path, Interaction(chat("Again"), answered("x")), upstream="llama.cpp") == 2
    assert path.read_text().startswith(before)
    assert len(cassette.load(path).interactions) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["a.yaml"]


def test_appending_to_a_file_that_vcrpy_saved_again_keeps_both(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(cassette.dump(RECORDED)), sort_keys=True))
    cassette.append(path, Interaction(chat("Again"), answered("x")), upstream="")
    assert [len(each.answer.events) for each in cassette.load(path).interactions] == [3, 1]


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
    cassette.append(path, Interaction(chat("Again"), answered("x")), upstream="")
    assert [len(each.answer.events) for each in cassette.load(path).interactions] == [3, 1]


def test_cassettes_of_the_same_name_in_two_folders_are_two(tmp_path: Path) -> None:
    for folder, text in (("one", "first"), ("two", "second")):
        cassette.write(
            tmp_path / folder / "a.yaml",
            cassette.dump(Cassette(Source.RECORDED, (Interaction(chat(), answered(text)),))),
        )
    with pytest.raises(ConflictError):
        load_index([tmp_path / "one", tmp_path / "two"])


def test_a_recording_never_goes_into_an_authored_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(cassette.dump(RECORDED).replace("source: recorded", "source: authored"))
    with pytest.raises(CassetteError, match="holds authored answers; a recording needs a file of its own"):
        cassette.append(path, RECORDED.interactions[0], upstream="")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cassette.write(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.yaml"]


def test_two_cassettes_may_not_disagree(tmp_path: Path) -> None:
    for name, text in (("a.yaml", "one"), ("b.yaml", "two")):
        cassette.write(
            tmp_path / name, cassette.dump(Cassette(Source.RECORDED, (Interaction(chat(), answered(text)),)))
        )
    with pytest.raises(ConflictError) as raised:
        load_index([tmp_path])
    assert raised.value.names == ("a.yaml#1", "b.yaml#1")
    assert "hold the same request (gpt-4o, 1 message) with different answers" in str(raised.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder of cassettes at"):
        load_index([tmp_path / "nowhere"])
