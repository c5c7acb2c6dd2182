"""Recordings of other tools, each format in its smallest form: what is imported, refused and taken out."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from mockserver.cassette_tools import importers
from mockserver.cassettes import cassette
from mockserver.cli import main
from mockserver.contract.addresses import Backend
from mockserver.exchange import Interaction
from mockserver.matching.call import Call

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Grüße?"}]}
ANSWER = '{"id":"chatcmpl-1","choices":[]}'
STREAM = 'data: {"choices":[]}\n\ndata: {"choices":[1]}\n\ndata: [DONE]\n\n'
URI = "https://api.openai.com/v1/chat/completions"
JSON = {"content-type": ["application/json"]}
BOMB = gzip.compress(bytes(65 << 20), 1)


def exchange(
    *, uri: str = URI, body: Any = None, answer: Any = ANSWER, status: Any = None, headers: Any = None
) -> dict[str, Any]:
    request = {"method": "POST", "uri": uri, "headers": JSON, "body": json.dumps(BODY) if body is None else body}
    response = {"status": status or {"code": 200, "message": "OK"}, "headers": headers or JSON, "body": answer}
    return {"request": request, "response": response}


def vcr(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "interactions": list(entries)}


def written(folder: Path, document: Any, name: str = "a.yaml") -> Path:
    path = folder / name
    text = json.dumps(document).encode() if ".json" in name else yaml.safe_dump(document).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def only(path: Path, backend: Backend | None = None) -> Interaction:
    imported = importers.read(path, backend)
    assert imported.refused == ()
    (interaction,) = imported.interactions
    return interaction


def ruby(entry: dict[str, Any]) -> dict[str, Any]:
    entry["request"] |= {"method": "post", "body": {"encoding": "UTF-8", "string": json.dumps(BODY)}}
    entry["response"]["body"] = {"encoding": "ASCII-8BIT", "base64_string": base64.b64encode(ANSWER.encode()).decode()}
    return {"http_interactions": [entry], "recorded_with": "VCR 6.4.0"}


def parsed_body(entry: dict[str, Any]) -> dict[str, Any]:
    entry["request"] = {"method": "POST", "uri": URI, "headers": JSON, "parsed_body": BODY}
    entry["response"] |= {"parsed_body": json.loads(ANSWER), "body": None}
    return vcr(entry)


def httpx_content(entry: dict[str, Any]) -> dict[str, Any]:
    entry["response"] = {"status_code": 200, "headers": {"content-type": "application/json"}, "content": ANSWER}
    return vcr(entry)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (vcr(exchange(answer={"string": ANSWER})), "a.yaml"),
        (vcr(exchange(answer={"string": ANSWER.encode()})), "a.yml"),
        (vcr(exchange(answer={"string": gzip.compress(ANSWER.encode())})), "a.yaml"),
        (vcr(exchange(body=gzip.compress(json.dumps(BODY).encode()))), "a.yaml"),
        (vcr(exchange(headers={"Content-Encoding": "gzip", **JSON})), "a.yaml"),
        (httpx_content(exchange()), "a.yaml"),
        (parsed_body(exchange()), "a.yaml"),
        (ruby(exchange()), "a.yml"),
        ({"requests": [exchange()["request"]], "responses": [exchange()["response"]]}, "a.yaml.gz"),
        (exchange(), "a.json"),
    ],
    ids=[
        "text",
        "bytes",
        "gzip",
        "gzip request",
        "only the header says gzip",
        "httpx",
        "parsed",
        "ruby",
        "langchain",
        "testagent",
    ],
)
def test_every_format_gives_the_same_interaction(tmp_path: Path, document: dict[str, Any], name: str) -> None:
    interaction = only(written(tmp_path, document, name))
    assert (interaction.request.method, interaction.request.raw_path) == ("POST", "/v1/chat/completions")
    assert Call(interaction.request).body == BODY
    assert (interaction.answer.status, json.loads(interaction.answer.body)) == (200, json.loads(ANSWER))
    assert interaction.answer.headers == (("content-type", "application/json"),)


@pytest.mark.parametrize("kind", ["text/event-stream; charset=utf-8", "application/json", "**REDACTED**"])
def test_a_stream_is_cut_into_events_at_a_modelled_pace(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, vcr(exchange(answer={"string": STREAM}, headers={"content-type": kind})))
    answer = only(path).answer
    assert [event.data for event in answer.events] == [part.encode() + b"\n\n" for part in STREAM.split("\n\n")[:-1]]
    assert answer.streams
    assert answer.head_after_ms > 0
    assert [event.after_ms for event in answer.events] == [0, 22.2, 22.2]
    new = importers.as_cassette(importers.read(path), path)
    assert (new.source, new.timing) == (cassette.Source.IMPORTED, "modelled")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("https://eu.api.openai.com/v1/chat/completions", "/v1/chat/completions"),
        ("https://x.openai.azure.com//openai/deployments/d/chat/completions?api-version=2024-10-21", "/openai/deployments/d/chat/completions"),
        ("https://x.services.ai.azure.com/openai/v1/chat/completions", "/openai/v1/chat/completions"),
    ],
)  # fmt: skip
def test_an_address_keeps_its_form_and_loses_its_resource(tmp_path: Path, uri: str, path: str) -> None:
    file = written(tmp_path, vcr(exchange(uri=uri)))
    assert only(file).request.raw_path == path
    assert "x.openai" not in cassette.dump(importers.as_cassette(importers.read(file), Path("a.yaml")))


@pytest.mark.parametrize(
    ("body", "backend", "path"),
    [
        (BODY, Backend.OPENAI, "/v1/chat/completions"),
        (BODY, Backend.AZURE, "/openai/v1/chat/completions"),
        ({"model": "gpt-4o", "input": "x"}, Backend.OPENAI, "/v1/responses"),
        ({"model": "text-embedding-3-small", "input": "x"}, Backend.OPENAI, "/v1/embeddings"),
    ],
)
def test_the_body_tells_the_operation_where_there_is_no_address(
    tmp_path: Path, body: dict[str, Any], backend: Backend, path: str
) -> None:
    file = written(tmp_path, vcr(exchange(uri="**REDACTED**", body=json.dumps(body))))
    assert only(file, backend).request.raw_path == path
    assert importers.read(file).refused[0].reason.startswith("cannot tell the backend from **REDACTED**")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (vcr(exchange(uri="https://api.openai.com/v1/assistants")), "POST /v1/assistants is not an operation that the mock has"),
        (vcr(exchange(uri="https://example.com/v1/chat/completions")), "cannot tell the backend from https://example.com/v1/chat/completions"),
        (vcr(exchange(uri="https://api.groq.com/openai/v1/chat/completions")), "cannot tell the backend from https://api.groq.com"),
        (vcr(exchange(uri="http://[")), "Invalid IPv6 URL"),
        (vcr(exchange(status="fine")), "its answer has no status"),
        (vcr(exchange(answer={"string": b"\x1f\x8bbroken"})), "its compressed body cannot be read"),
        (vcr(exchange(answer={"string": BOMB})), "it holds more than 64 MB"),
        (vcr(exchange(answer={"string": zlib.compress(bytes(65 << 20))}, headers={"content-encoding": "deflate"})), "holds more than 64 MB"),
        (vcr(exchange(status={"code": True})), "its answer has no status from 100 to 599, got True"),
        (vcr(exchange(status={"code": 600})), "its answer has no status from 100 to 599, got 600"),
        (vcr(exchange(headers=7)), "its headers must be a mapping or a list of pairs"),
        (vcr(exchange(headers=[None])), "its headers must be a mapping or a list of pairs"),
        (vcr(exchange(headers=[["a", "b", "c"]])), "its headers must be a mapping or a list of pairs"),
        (vcr(exchange(answer={"string": b"\x0b\x02"}, headers={"content-encoding": "br"})), "compressed with br"),
        (vcr(exchange(answer={"base64_string": "a"})), "its body is not valid base64"),
        (vcr(exchange(answer=7)), "its body must be text, bytes or JSON, got int"),
        (vcr({"request": {}}), "its answer is missing"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_imported_is_named_and_the_rest_is_kept(
    tmp_path: Path, document: dict[str, Any], reason: str
) -> None:
    document["interactions"].append(exchange())
    imported = importers.read(written(tmp_path, document))
    assert [refusal.entry for refusal in imported.refused] == [1]
    assert reason in imported.refused[0].reason
    assert len(imported.interactions) == 1


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.yaml", b"a: [", "not valid YAML or JSON: while parsing"),
        ("a.json", b"{", "not valid YAML or JSON: Expecting"),
        ("a.yaml", b"\xff", "not valid UTF-8 (byte 0)"),
        ("a.yaml.gz", b"\x1f\x8b\x08broken", "it is not a gzip file that can be read"),
        ("a.json.gz", BOMB, "it holds more than 64 MB"),
        ("a.json", b"[" * 100_000, "not valid YAML or JSON: "),
        ("a.yaml", b"- " * 100_000, "must be nested at most 200 levels deep"),
        (
            "a.yaml",
            b"a: !!python/object/apply:os.system [ls]",
            "it holds a Python object (object/apply:os.system), which is never loaded",
        ),
        ("a.yaml", b"a: !!bool x", "not valid YAML or JSON: 'x' is not a valid bool"),
        ("a.json", b"[1]", "not a recording of a known tool"),
        ("a.yaml", b"", "not a recording of a known tool"),
    ],
)
def test_a_file_that_is_not_a_recording_is_refused_as_a_whole(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(data)
    (refused,) = importers.read(tmp_path / name).refused
    assert refused.entry is None
    assert reason in refused.reason


def test_yaml_tags_for_plain_data_are_read(tmp_path: Path) -> None:
    text = yaml.safe_dump(vcr(exchange())).replace("method: POST", "method: !!python/unicode POST")
    body = base64.b64encode(ANSWER.encode()).decode()
    text = text.replace(f"body: '{ANSWER}'", f"body: !binary {body}")
    (tmp_path / "a.yaml").write_text(text)
    assert only(tmp_path / "a.yaml").answer.body == ANSWER.encode()


def test_secrets_are_taken_out_and_counted_by_kind(tmp_path: Path) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    key = "sk-proj-" + "a1" * 20
    body = {"model": "m", "messages": [{"role": "user", "content": f"{key} and {token}"}]}
    entry = exchange(
        body=json.dumps(body), headers={**JSON, "set-cookie": "x", "date": "Fri, 17 Oct 2025 18:00:13 GMT"}
    )
    entry["request"]["headers"] = {"authorization": f"Bearer {key}"}
    imported = importers.read(written(tmp_path, vcr(entry)))
    text = cassette.dump(importers.as_cassette(imported, Path("a.yaml")))
    assert key not in text
    assert token.rpartition(".")[2] not in text
    assert "set-cookie" not in text
    assert dict(imported.secrets) == {"OpenAI key": 1, "JSON Web Token": 1}
    assert imported.date == "2025-10-17"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["cassette", "import", *arguments])
    return result.exit_code, result.output


def test_the_command_writes_cassettes_and_names_what_it_did_not_import(tmp_path: Path) -> None:
    (tmp_path / "from" / "deep").mkdir(parents=True)
    written(tmp_path / "from", vcr(exchange(), exchange(uri="https://api.openai.com/v1/assistants")), "grüße.yaml")
    written(tmp_path / "from" / "deep", exchange(), "b.json")
    status, text = run(str(tmp_path / "from"), "--to", str(tmp_path / "to"))
    assert status == 1
    assert "grüße#2: not imported: POST /v1/assistants is not an operation" in text
    assert "2 interactions in 2 cassettes; 1 not imported" in text
    assert len(cassette.load(tmp_path / "to" / "grüße.yaml").interactions) == 1
    assert run(str(tmp_path / "from" / "deep"), "--to", str(tmp_path / "again"))[0] == 0


def test_an_existing_cassette_is_never_overwritten(tmp_path: Path) -> None:
    source = written(tmp_path, vcr(exchange()), "a.yaml")
    assert run(str(source), "--to", str(tmp_path / "to"))[0] == 0
    assert run(str(source), "--to", str(tmp_path / "to"))[0] == 0
    target = tmp_path / "to" / "a.yaml"
    target.write_text(target.read_text() + "# mine\n")
    status, text = run(str(source), "--to", str(tmp_path / "to"))
    assert (status, "already exists and is different" in text) == (1, True)
    assert target.read_text().endswith("# mine\n")


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    status, text = run(str(tmp_path / "nowhere"), "--to", str(tmp_path))
    assert (status, f"nothing to import: {tmp_path / 'nowhere'} does not exist" in text) == (1, True)
