"""The complete Flask applications, as a project uses them without any server of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from mockserver import model_app, site_app
from mockserver.errors import UserError
from mockserver.harness.options import OptionsError

KEY = {"authorization": "Bearer any"}
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}
TOKEN = {"x-mockserver-token": "t0"}


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_the_model_answers_in_flasks_test_client() -> None:
    answer: TestResponse = (
        model_app(on_miss="generate", latency="first=0ms,rate=9999tok/s")
        .test_client()
        .post("/v1/chat/completions", json=ASK, headers=KEY)
    )
    assert (answer.status_code, answer.headers["x-mockserver-answer"]) == (200, "made up")


def test_the_model_answers_from_a_folder_and_streams(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text("- say: One two three")
    client = model_app(tmp_path).test_client()
    answer = client.post("/v1/chat/completions", json={**ASK, "stream": True}, headers=KEY)
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    text = "".join(json.loads(event)["choices"][0]["delta"].get("content", "") for event in events)
    assert (text, answer.text.endswith("data: [DONE]\n\n")) == ("One two three", True)


def test_the_control_routes_are_there_with_a_token_only() -> None:
    client = model_app(control_token="t0").test_client()
    stubs = [{"say": "Hi", "times": 1}]
    assert client.post("/__admin/stubs", json=stubs).status_code == 403
    assert client.post("/__admin/stubs", json=stubs, headers=TOKEN).status_code == 201
    assert client.post("/v1/chat/completions", json=ASK, headers=KEY).json["choices"][0]["message"]["content"] == "Hi"  # type: ignore[index]
    assert [entry["decided_by"] for entry in client.get("/__admin/journal").json or ()] == ["said#1"]
    assert model_app().test_client().get("/__admin/health", headers=KEY).status_code == 404


@pytest.mark.parametrize("depth", [150, 1_000, 30_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/embeddings", "/nope", "/__admin/stubs", "/__admin/clock"]
)
def test_deeply_nested_json_breaks_neither_its_own_answer_nor_a_later_one(
    depth: int, start: str, end: str, path: str
) -> None:
    client = model_app(control_token="t0").test_client()
    body = f'{{"model": "gpt-4o", "input": "x", "messages": [], "tools": {start * depth}1{end * depth}}}'
    for headers in ({}, KEY | TOKEN):
        for data in (body, f"[{body}]"):
            assert 400 <= client.post(path, data=data, headers=headers).status_code < 500
    for page in ("journal", "journal/verify?times=0", "timeline", "journal.har"):
        assert client.get(f"/__admin/{page}", headers=TOKEN).status_code in (200, 409)
    assert client.post("/v1/chat/completions", json=ASK, headers=KEY).status_code == 404


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-Infinity", "-1", "1e999"])
def test_a_clock_moves_by_a_finite_number_only(seconds: str) -> None:
    client = model_app(control_token="t0").test_client()
    assert client.post("/__admin/clock", data=f'{{"advance_s": {seconds}}}', headers=TOKEN).status_code == 400
    with pytest.raises(ValueError, match="seconds must be a number from 0"):
        client.application.extensions["mockserver"].clock.advance(float(seconds))


def test_what_was_asked_is_in_the_simulations_journal() -> None:
    app = model_app(on_miss="generate", latency="first=0ms,rate=9999tok/s")
    app.test_client().post("/v1/chat/completions", json=ASK, headers=KEY)
    app.extensions["mockserver"].journal.verify(1, prompt="Hello!")


def test_the_site_signs_in_and_shuts_its_gate(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>built</p>")
    (tmp_path / "staticwebapp.config.json").write_text('{"routes": [{"route": "/*", "allowedRoles": ["invited"]}]}')
    client = site_app(tmp_path).test_client()
    assert client.get("/", buffered=True).status_code == 401
    assert client.post("/__mock/login", json={"persona": "alice"}).status_code == 204
    assert client.get("/", buffered=True).text == "<p>built</p>"


def test_another_host_name_and_a_web_page_are_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("x")
    for client in (model_app(control_token="t0").test_client(), site_app(tmp_path).test_client()):
        assert client.get("/", base_url="http://evil.example", buffered=True).status_code == 400
    page = (
        model_app()
        .test_client()
        .post("/v1/chat/completions", json=ASK, headers={**KEY, "origin": "http://evil.example"})
    )
    assert page.status_code == 403


def test_wrong_options_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="dress-rehearsal model"):
        model_app(on_miss="record")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="NAME=6rpm"):
        model_app(limits=("gpt-4o",))
    with pytest.raises(FileNotFoundError, match=r"no index\.html"):
        site_app(tmp_path)
