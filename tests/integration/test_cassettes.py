"""Every bundled cassette: in its one form, without secrets, byte-exact through our server, the SDK and vcrpy."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
import vcr

from mockserver.cassettes import cassette
from mockserver.clock import SystemClock
from mockserver.exchange import Interaction
from mockserver.matching.call import Call
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES, load_index
from mockserver.simulation.simulation import Simulation
from tests.integration.conftest import Serve

CASSETTES = sorted(BUNDLED_CASSETTES.glob("*.yaml"))
SECRET = re.compile(r"sk-[\w-]{8,}|bearer |api-key|authorization|set-cookie|@[\w-]+\.(?!example)", re.IGNORECASE)


def sdk_answer(base_url: str, interaction: Interaction) -> tuple[int, bytes]:
    """Status and body as the SDK gets them."""
    body = Call(interaction.request).body or {}
    client = openai.OpenAI(base_url=base_url, api_key="any", max_retries=0)
    try:
        with client.chat.completions.with_streaming_response.create(**body) as response:
            return response.status_code, b"".join(response.iter_bytes())
    except openai.APIStatusError as error:
        return error.status_code, error.response.content


def base_path(interaction: Interaction) -> str:
    return interaction.request.raw_path.removesuffix("/chat/completions")


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_a_bundled_cassette_is_in_its_one_form_and_holds_no_secret(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert cassette.dump(cassette.load(path)) == text
    assert SECRET.findall(text) == []


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_a_bundled_cassette_plays_byte_for_byte_through_the_sdk(path: Path, serve: Serve) -> None:
    url = serve(Simulation(load_index([path]), clock=SystemClock(speed=1000)))
    for interaction in cassette.load(path).interactions:
        got = sdk_answer(url + base_path(interaction), interaction)
        assert got == (interaction.answer.status, interaction.answer.body)


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_a_bundled_cassette_plays_byte_for_byte_in_vcrpy(path: Path) -> None:
    origin = urlsplit(re.findall(r"uri: (\S+)", path.read_text())[0])
    recorder = vcr.VCR(record_mode=vcr.mode.NONE, match_on=["method", "uri", "body"])
    with recorder.use_cassette(path) as played:
        for interaction in cassette.load(path).interactions:
            got = sdk_answer(f"{origin.scheme}://{origin.netloc}{base_path(interaction)}", interaction)
            assert got == (interaction.answer.status, interaction.answer.body)
        assert played.all_played


def test_vcrpy_keeps_our_waits_when_it_saves_a_cassette_again(tmp_path: Path) -> None:
    path = tmp_path / "hello.yaml"
    path.write_bytes((BUNDLED_CASSETTES / "hello.yaml").read_bytes())
    with vcr.VCR(record_mode=vcr.mode.ALL).use_cassette(path) as saved:
        saved.dirty = True
    assert path.read_bytes() != (BUNDLED_CASSETTES / "hello.yaml").read_bytes()
    after, before = (cassette.load(file).interactions[0].answer for file in (path, BUNDLED_CASSETTES / "hello.yaml"))
    assert (after.events, after.head_after_ms, after.end) == (before.events, before.head_after_ms, before.end)


def test_five_recordings_and_two_authored_cassettes_are_bundled() -> None:
    sources = [cassette.load(path).source for path in CASSETTES]
    assert sources.count(cassette.Source.RECORDED) >= 5
    assert sources.count(cassette.Source.AUTHORED) == 2
