"""What tools/fuzz_ports.py gives to the parsers in this process: documents, recordings, streams, options, schemas, stubs."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from fuzz_rig import ROOT, Rig
from odd_answers import answers
from odd_inputs import OddInputs, Raw, dumped, places_in
from valid_inputs import (
    CASSETTE,
    CHAT_BODY,
    CONFIG,
    EXCHANGE,
    PERSONAS,
    RECORDINGS,
    STATES,
    STREAM,
    STUBS,
    SWA_CLI,
)

from mockserver.answers.conformance import violations
from mockserver.answers.latency import parse_latency
from mockserver.cassette_tools import importers
from mockserver.cassette_tools.check import check
from mockserver.cassette_tools.redact import without_secrets
from mockserver.cassette_tools.structure import changes
from mockserver.cassette_tools.transcript import transcript
from mockserver.cassettes import cassette
from mockserver.contract.addresses import Backend
from mockserver.errors import UserError
from mockserver.exchange import Interaction, Request
from mockserver.journal.whole_answer import whole_answer
from mockserver.matching.call import Call
from mockserver.matching.ignore import parse_ignore
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.limits import LimitWindow, parse_limits
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import load_stubs
from mockserver.sse import event_json, split_events
from mockserver.swa.config import FILE_NAME
from mockserver.swa.personas import load_personas
from mockserver.swa.session import SESSION_COOKIE
from mockserver.swa.states import load_states
from mockserver.swa.static_web_app import load_static_web_app
from mockserver.swa.swa_cli_config import SWA_CLI_CONFIG, read_swa_cli_config
from mockserver.wire.tape import Tape


def _bundled(*names: str) -> list[str]:
    return [(ROOT / name).read_text(encoding="utf-8") for name in names]


CASSETTE_TEXTS = _bundled(
    "mockserver/data/cassettes/hello.yaml", "mockserver/data/cassettes/azure-filtered-prompt.yaml"
)
SCENARIO_TEXTS = _bundled(
    "mockserver/data/cassettes/scenarios/rate-limited.yaml", "mockserver/data/cassettes/scenarios/stalled.yaml"
)
PERSONA_TEXTS = _bundled("mockserver/swa/personas.yaml")
STATE_TEXTS = _bundled("webapp/states.yaml")


def document(odd: OddInputs) -> list[Any]:
    """The kind of a document, and its bytes."""
    kind = odd.pick(["cassette", "cassette", "scenario", "scenario", "personas", "states", "site", "site", "swa"])
    match kind:
        case "cassette" if odd.often() < 0.7:
            return [kind, dumped(played(odd)).encode("utf-8", "surrogatepass")]
        case "cassette":
            return [kind, odd.yaml(odd.pick(CASSETTE_TEXTS), CASSETTE)]
        case "scenario":
            return [kind, odd.yaml(odd.pick(SCENARIO_TEXTS), odd.pick([STUBS, [odd.pick(STUBS)]]))]
        case "personas":
            return [kind, odd.yaml(odd.pick(PERSONA_TEXTS), PERSONAS)]
        case "states":
            return [kind, odd.yaml(odd.pick(STATE_TEXTS), STATES)]
        case "site":
            return [
                kind,
                odd.json(CONFIG)
                if odd.often() < 0.8
                else odd.text(json.dumps(CONFIG, indent=1), ["// x", "/* x", ",", "null"]),
            ]
        case _:
            return [kind, odd.json(SWA_CLI)]


def played(odd: OddInputs) -> Any:
    """A cassette with an odd answer of a model, and perhaps another one to the same question."""
    document = copy.deepcopy(CASSETTE)
    answer = odd.pick(answers())
    kind = "text/event-stream" if answer.streams else "application/json"
    interactions: list[Any] = []
    for _ in range(odd.pick([1, 1, 2])):
        entry = copy.deepcopy(EXCHANGE)
        asked = odd.json(answer.asked).decode("utf-8", "replace") if odd.often() < 0.3 else json.dumps(answer.asked)
        entry["request"] |= {"uri": f"https://api.openai.com/v1/{answer.path}", "body": asked}
        entry["response"] |= {"headers": {"content-type": [kind]}, "body": {"string": answer.body(odd)}}
        interactions.append(entry)
    return {**document, "interactions": interactions}


def attack_document(rig: Rig, made: list[Any]) -> None:
    """Read a document as the mock does, and use it."""
    kind, data = made
    folder = rig.folder / "documents"
    folder.mkdir(exist_ok=True)
    path = folder / {"site": FILE_NAME, "swa": SWA_CLI_CONFIG}.get(kind, "a.yaml")
    path.write_bytes(data)
    with contextlib.suppress(UserError):
        match kind:
            case "cassette":
                cassette.is_scenario(data)
                index, read = CassetteIndex(), cassette.load(path)
                for number, interaction in enumerate(read.interactions):
                    index.add(f"a.yaml#{number}", interaction)
                list(map(str, check([path])))
                list(transcript_lines(read.interactions))
                without_secrets(read)
                cassette.parse(path, cassette.dump(read).encode())
                simulation = Simulation(index)
                for interaction in read.interactions:
                    simulation.answer(interaction.request)
                    violations(Call(interaction.request), interaction.answer)
            case "scenario":
                list(map(str, check([path])))
                load_stubs(path, data)
            case "personas":
                for persona in load_personas(path).values():
                    self_cookie = rig.sessions.cookie(persona.principal("aad"), persona.expires_in_s)
                    rig.sessions.principal(f"{SESSION_COOKIE}={self_cookie}")
            case "states":
                for state in load_states(path):
                    state.live  # noqa: B018  it is worked out
            case "site":
                (folder / "index.html").touch()
                site = load_static_web_app(
                    folder, personas=rig.personas, sessions=rig.sessions, clock=rig.clock, api_urls=()
                )
                list(map(str, site.findings))
                for target in (
                    "/",
                    "/admin/x",
                    "/img/a.png",
                    "/old",
                    "/no",
                    "/.auth/login/aad",
                    "/api/x",
                    "/" + "a" * 3000,
                ):
                    for user in (None, rig.personas["carol"].principal("aad")):
                        headers = (("x-forwarded-for", "["), ("x-forwarded-host", "\xff"), ("cookie", "a"))
                        site.decide(Request("GET", target, "", headers), user)
            case _:
                read_swa_cli_config(path)


def transcript_lines(interactions: Sequence[Interaction]) -> Iterator[str]:
    """What the tools for cassettes say of interactions."""
    for interaction in interactions:
        yield from transcript(interaction).lines()
        yield str(whole_answer(interaction.answer))
        yield from map(str, changes(interaction.answer, interactions[0].answer))


def recording(odd: OddInputs) -> list[Any]:
    """The name of a recording's file, and its bytes."""
    value = odd.changed(odd.pick(RECORDINGS), odd.pick([1, 1, 2, 3]))
    if (
        isinstance(value, dict | list)
        and odd.often() < 0.3
        and (
            places := [
                place
                for place in places_in(value)
                if place[1] in ("body", "string", "content", "parsed_body", "base64_string")
            ]
        )
    ):
        parent, key = odd.pick(places)
        body = odd.pick(
            [
                gzip.compress(CHAT_BODY.encode(), mtime=0),
                gzip.compress(b"x" * 100, mtime=0)[:15],
                zlib.compress(b"{}"),
                b"\x1f\x8b",
                b"\xff\xfe",
                STREAM.encode(),
            ]
        )
        parent[key] = odd.pick(
            [
                Raw(f"!!binary {base64.b64encode(body).decode()}"),
                base64.b64encode(body).decode(),
                body.decode("latin-1"),
            ]
        )
    if odd.often() < 0.3:
        data = odd.yaml(dumped(value), value)
    else:
        data = dumped(value).encode("utf-8", "surrogatepass")
        data = odd.broken(data) if odd.often() < 0.1 else data
    name = odd.pick(["a.yaml", "a.yaml", "a.json", "a.yaml.gz", "a.json.gz"])
    if name.endswith("gz"):
        data = gzip.compress(data, mtime=0)
        data = odd.broken(data) if odd.often() < 0.3 else data
    if odd.often() < 0.002:
        data = gzip.compress(b"\0" * (400 << 20), 1, mtime=0)
    return [name, data, odd.pick(["", "openai", "azure"])]


def attack_recording(rig: Rig, made: list[Any]) -> None:
    """Import a recording, and read what was made of it."""
    name, data, backend = made
    path = rig.folder / name
    path.write_bytes(data)
    imported = importers.read(path, Backend(backend) if backend else None)
    path.unlink()
    again = cassette.dump(importers.as_cassette(imported, path))
    if imported.interactions:
        cassette.parse(path, again.encode())


def stream(odd: OddInputs) -> list[bytes]:
    """The head of an upstream's answer, and the pieces of its body."""
    text = STREAM.encode() * odd.pick([1, 1, 3, 400])
    data = (
        odd.broken(text)
        if odd.often() < 0.5
        else b"data: "
        + odd.json({"type": "response.completed", "choices": []})
        + odd.pick([b"\n\n", b"\r\r", b"\r\n\r\n", b"\n", b""])
    )
    encoding = odd.pick([b"", b"", b"gzip", b"deflate", b"br"])
    data = (
        gzip.compress(data, mtime=0)
        if encoding == b"gzip" and odd.often() < 0.8
        else zlib.compress(data)
        if encoding == b"deflate"
        else data
    )
    size = odd.pick([1, 2, 7, 1 << 20])
    return [encoding, *(data[start : start + size] for start in range(0, min(len(data), 3000 * size), size))]


def attack_stream(rig: Rig, made: list[bytes]) -> None:
    """Take a stream as it comes, and read its events."""
    tape = Tape(since_s=0, clock=rig.clock, decode=True, limit_bytes=1000 if len(made) % 2 else None)
    tape.begin(200, (("content-type", "text/event-stream"), ("content-encoding", made[0].decode())))
    with contextlib.suppress(zlib.error):
        for piece in made[1:]:
            tape.add(piece)
    tape.answer()
    for event in split_events(b"".join(made[1:])):
        event_json(event)


def option(odd: OddInputs) -> list[str]:
    """The kind of an option, and its text."""
    kind = odd.pick(["latency", "limit", "ignore"])
    text = odd.pick(
        {
            "latency": ["first=600ms,p95=2s,rate=45tok/s,seed=1", "first=0ms", "rate=1tok/s"],
            "limit": ["gpt-4o=6rpm,1000tpm", "*=1rpm"],
            "ignore": ["messages[].content", "header:x", "user", "metadata.*"],
        }[kind]
    )
    return [
        kind,
        odd.text(text, ["=", ",", "[", "]", "[]", "**", ".", "0ms", "1e5", "999999999999s"]).decode("utf-8", "replace"),
    ]


def attack_option(_rig: Rig, made: list[str]) -> None:
    """Read an option, and use it."""
    kind, text = made
    with contextlib.suppress(UserError):
        match kind:
            case "latency":
                str(parse_latency(text).pace("x"))
            case "limit":
                for limit in parse_limits([text]).values():
                    LimitWindow(limit).admit(5.0, 3, Backend.OPENAI).window.admit(5.5, 3000, Backend.AZURE)
            case _:
                parse_ignore(text)
