"""Audio that a decoder reads, and forms as clients send them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.answers.generated.audio import CONTENT_TYPES, audio
from mockserver.contract.addresses import address_of
from mockserver.exchange import Request
from mockserver.matching.call import Call

#: What FFmpeg decoded without a warning to 0.4 s of mono sound, 2026-11-29 (PyAV 16); decode again what changes.
DECODED = {
    "mp3": "1e29d1e0f18d0b99",
    "opus": "53a9393e1e9494b0",
    "aac": "8793ee4723245ea7",
    "flac": "feabaa372ada5973",
    "wav": "981a1a7e43806041",
    "pcm": "db81e217508ec913",
}


@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_audio_is_what_a_decoder_has_read(kind: str) -> None:
    assert hashlib.sha256(audio(kind, 0.4)).hexdigest()[:16] == DECODED[kind]


def form(*parts: tuple[str, bytes]) -> bytes:
    heads = (f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts)
    return b"".join(heads) + b"--b--\r\n"


def upload(body: bytes, path: str = "/v1/audio/transcriptions") -> Call:
    return Call(Request("POST", path, "", (("content-type", "multipart/form-data; boundary=b"),), body))


def test_the_fields_of_a_form_are_of_the_types_of_their_schema() -> None:
    call = upload(
        form(
            ('name="file"; filename="a.mp3"', b"\xff\x00"),
            ('name="stream"', b"true"),
            ('name="temperature"', b"0.5"),
            ('name="include[]"', b"logprobs"),
            ('name="chunking_strategy[type]"', b"server_vad"),
            ('name="chunking_strategy[threshold]"', b"0.1"),
        )
    )
    assert call.body == {
        "file": "a.mp3",
        "stream": True,
        "temperature": 0.5,
        "include": ["logprobs"],
        "chunking_strategy": {"type": "server_vad", "threshold": "0.1"},
    }
    assert call.form is not None
    assert call.form.files["file"][0].data == b"\xff\x00"


@pytest.mark.parametrize("head", ["x", 'filename="a.mp3"'])
def test_a_form_with_a_part_that_names_no_field_is_none(head: str) -> None:
    call = upload(form((head, b"x"), ('name="model"', b"whisper-1")))
    assert (call.form, call.body) == (None, None)


@given(st.binary(max_size=300), st.sampled_from(["", "multipart/form-data", "multipart/form-data; boundary=b"]))
def test_any_body_is_a_form_or_none(body: bytes, content_type: str) -> None:
    call = Call(Request("POST", "/v1/files", "", (("content-type", content_type),), body))
    assert call.form is None or isinstance(call.body, dict)
    assert call.canonical.fingerprint


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1/vector_stores/vs_1/files/file-2/content", (None, "vs_1", "file-2", None)),
        ("/openai/deployments/a%20b/images/generations", ("a b", None, None, None)),
        ("/api/projects/p%20q/openai/v1/responses/resp_1", (None, "resp_1", None, "p q")),
        ("/models/chat/completions", (None, None, None, None)),
    ],
)
def test_an_address_names_deployment_objects_and_project(path: str, names: tuple[str | None, ...]) -> None:
    found = [
        address
        for method in ("GET", "POST")
        if (address := address_of(method, path, "api-version=2025-04-01-preview")).operation
    ]
    address = found[0]
    assert (address.deployment, address.resource, address.item, address.project) == names
