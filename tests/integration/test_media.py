"""Audio, images, moderations and legacy completions, as the official SDK asks for them."""

from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from mockserver.answers.conformance import violations
from mockserver.answers.latency import Latency
from mockserver.matching.call import Call
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from tests.integration.conftest import Serve

Served = tuple[Simulation, Any]


@pytest.fixture(params=["openai", "azure", "azure v1"])
def served(serve_front: Serve, request: pytest.FixtureRequest) -> Served:
    simulation = Simulation(on_miss=OnMiss.GENERATE, latency=Latency(0, 0, 100_000))
    url = serve_front(simulation)
    if request.param == "azure":
        version = "2025-04-01-preview"
        return simulation, openai.AzureOpenAI(azure_endpoint=url, api_key="any", api_version=version, max_retries=0)
    path = "/v1" if request.param == "openai" else "/openai/v1"
    return simulation, openai.OpenAI(base_url=url + path, api_key="any", max_retries=0)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_a_transcription_comes_in_every_format(served: Served) -> None:
    simulation, client = served
    simulation.scopes.say_entries({"when": {"operation": "createTranscription"}, "say": "One two three."}, name="test")
    sound = ("a.wav", b"RIFF", "audio/wav")
    made = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound)
    assert (made.text, made.usage.type) == ("One two three.", "tokens")
    verbose = client.audio.transcriptions.create(
        model="whisper-1", file=sound, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert [word.word for word in verbose.words] == ["One", "two", "three."]
    assert (verbose.duration, verbose.segments[0].end) == (1.2, 1.2)
    srt = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="srt")
    assert srt == "1\n00:00:00,000 --> 00:00:01,200\nOne two three.\n\n"
    vtt = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="vtt")
    assert vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:01.200\nOne two three.\n\n"
    plain = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="text")
    assert plain == "One two three.\n"
    spoken = client.audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize", file=sound, response_format="diarized_json", chunking_strategy="auto"
    )
    assert [(each.speaker, each.text) for each in spoken.segments] == [("A", "One two three.")]
    events = list(client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=sound, stream=True))
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "One two three."
    for entry in simulation.journal:
        assert violations(Call(entry.request), entry.answer) == ()  # type: ignore[arg-type]
    with pytest.raises(openai.BadRequestError, match=r"Invalid value: 'mp4'. Supported values are"):
        client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="mp4")
    translated = client.audio.translations.create(model="whisper-1", file=sound)
    assert "nobody has listened to a.wav" in translated.text


def test_speech_is_audio_as_long_as_the_text(served: Served) -> None:
    _, client = served
    made = client.audio.speech.create(
        model="tts-1", voice="alloy", input="one two three four five", response_format="wav"
    )
    with wave.open(io.BytesIO(made.content)) as sound:
        assert (sound.getnframes() / sound.getframerate(), sound.getnchannels()) == (2.0, 1)
    fast = client.audio.speech.create(
        model="tts-1", voice="alloy", input="one two three four five", response_format="pcm", speed=2
    )
    assert len(fast.content) == 24_000 * 2
    assert (
        client.audio.speech.create(model="tts-1", voice="alloy", input="x").response.headers["content-type"]
        == "audio/mpeg"
    )


def test_an_image_is_one(served: Served) -> None:
    simulation, client = served
    made = client.images.generate(
        model="gpt-image-1", prompt="A lighthouse", size="1536x1024", output_format="webp", n=2
    )
    pictures = [Image.open(io.BytesIO(base64.b64decode(each.b64_json))) for each in made.data]
    assert [(picture.format, picture.size) for picture in pictures] == [("WEBP", (1536, 1024))] * 2
    assert (made.size, made.output_format, made.usage.total_tokens > 0) == ("1536x1024", "webp", True)
    events = list(
        client.images.generate(model="gpt-image-1", prompt="x", size="1024x1024", stream=True, partial_images=2)
    )
    assert [event.type.rpartition(".")[2] for event in events] == ["partial_image", "partial_image", "completed"]
    edited = client.images.edit(model="gpt-image-1", prompt="Add a boat", image=[("a.png", b"1"), ("b.png", b"2")])
    assert Image.open(io.BytesIO(base64.b64decode(edited.data[0].b64_json))).size == (1024, 1024)
    for entry in simulation.journal:
        assert violations(Call(entry.request), entry.answer) == ()  # type: ignore[arg-type]


def test_an_image_is_at_its_address(served: Served) -> None:
    _, client = served
    made = client.images.generate(model="dall-e-3", prompt="A lighthouse", size="1024x1024")
    assert made.data[0].revised_prompt == "A lighthouse"
    answer = httpx2.get(made.data[0].url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(answer.content)).size == (1024, 1024)
    assert httpx2.get(made.data[0].url + "x").status_code == 404


def test_a_moderation_flags_what_names_a_category(served: Served) -> None:
    _, client = served
    if "/openai/" in str(client.base_url):
        with pytest.raises(openai.NotFoundError, match="Resource not found"):
            client.moderations.create(input="Hello!")
        return
    calm, rude = client.moderations.create(input=["Hello!", "This is harassment."]).results
    assert (calm.flagged, rude.flagged, rude.categories.harassment) == (False, True, True)


@pytest.mark.parametrize("stream", [False, True])
def test_a_legacy_completion_is_a_text(served: Served, stream: bool) -> None:
    simulation, client = served
    simulation.scopes.say_entries({"when": {"prompt": "Where is Oslo?"}, "say": "In Norway."}, name="test")
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Where is Oslo?"}
    if stream:
        chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "In Norway."
        assert chunks[-1].usage.completion_tokens > 0
    else:
        assert client.completions.create(**asked, n=2).choices[1].text == "In Norway."
    other = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Something else", max_tokens=3)
    assert (other.choices[0].finish_reason, other.usage.completion_tokens) == ("length", 3)


def test_what_the_mock_does_not_answer_says_so(served: Served) -> None:
    simulation, client = served
    if not isinstance(client, openai.AzureOpenAI):
        with pytest.raises(openai.NotFoundError, match="this mock does not answer it by itself") as raised:
            client.fine_tuning.jobs.create(model="gpt-4o", training_file="file-1")
        assert raised.value.code == "mockserver_not_answered"
        path = "/v1/fine_tuning/jobs" if "/openai/" not in str(client.base_url) else "/openai/v1/fine_tuning/jobs"
        body = json.dumps({"id": "ftjob-1", "object": "fine_tuning.job", "status": "queued"})
        simulation.scopes.say_entries({"when": {"path": path}, "status": 200, "body": body}, name="test")
        assert client.fine_tuning.jobs.create(model="gpt-4o", training_file="file-1").id == "ftjob-1"
