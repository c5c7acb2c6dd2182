"""What tools/fuzz_ports.py asks a simulation in this process: answers that keep odd schemas, and odd answers that tests say."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import Any

from fuzz_rig import Rig
from odd_answers import answers
from odd_inputs import OddInputs, dumped, places_in
from valid_inputs import SCHEMA, STUBS, VALID

from mockserver.errors import UserError
from mockserver.exchange import Request
from mockserver.simulation.fault import MODEL_FAULT_KINDS
from mockserver.simulation.realtime import session_of
from mockserver.simulation.simulation import Simulation
from mockserver.wire.play import schedule

_KEYWORDS: dict[str, list[Any]] = {"pattern": ["^[A-Z]{2,5}$", "(a+)+$", "\\d{1000}", "[", "(?<x>a)", "\\p{L}+", "^$", "(?=a)b", "a{99999}", ".*" * 30], "minLength": [0, 5, 100_000, 10**9], "maxLength": [0, 3], "minItems": [1, 50, 10**9], "maxItems": [0, 2], "uniqueItems": [True], "multipleOf": [3, 0.1, 1e-300], "minimum": [5, -5, 1e300, 10**400], "maximum": [1, 10, 1e-300],
    "exclusiveMinimum": [0, 1e308], "enum": [[], [1], ["\ud800"], [{}]], "const": [None, {"a": 1}], "format": ["date-time", "email", "ipv6", "uuid", "odd", "regex", "uri"], "type": ["string", "object", "null", ["null", "integer"], []], "anyOf": [[], [True], [{"type": "string"}]], "oneOf": [[{}, {}]], "allOf": [[{"minimum": 3}, {"maximum": 2}], [{"$ref": "#"}]], "not": [{}, {"type": "string"}], "$ref": ["#", "#/$defs/day", "#/nowhere", "x", "#/properties/city", "#/$defs/%ff"],
    "items": [True, False, [], {"$ref": "#"}], "prefixItems": [[{"type": "string"}], [{"$ref": "#"}]], "properties": [{}, {"a": False}, {"a": {"$ref": "#"}}], "required": [["a"], ["city", "z"]], "additionalProperties": [True, {"type": "string"}], "patternProperties": [{"^x": {}}], "minProperties": [3, 10**6], "maxProperties": [0], "if": [{"const": 1}], "then": [False], "dependentRequired": [{"a": ["b"]}], "contains": [{"const": 9}], "propertyNames": [{"pattern": "^x"}], "default": [1], "$dynamicRef": ["#x"]}  # fmt: skip


def schema(odd: OddInputs) -> list[bytes]:
    """A question with a schema for its answer."""
    wanted = json.loads(json.dumps(SCHEMA))
    for _ in range(odd.pick([1, 2, 3, 5])):
        inside = [part for parent, key in places_in(wanted) if isinstance(part := parent[key], dict)]
        keyword = odd.pick(list(_KEYWORDS))
        odd.pick([wanted, *inside])[keyword] = copy.deepcopy(odd.pick(_KEYWORDS[keyword]))
    if odd.often() < 0.2:
        wanted = odd.changed(wanted, 1)
    strict = odd.pick([True, False, False])
    if odd.often() < 0.7:
        body: dict[str, Any] = {
            **VALID["createChatCompletion"][0],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "strict": strict, "schema": wanted},
            },
        }
    else:
        body = {
            **VALID["createChatCompletion"][0],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": wanted, "strict": strict}}],
            "tool_choice": "required",
        }
    return [dumped(body).encode("utf-8", "surrogatepass")]


def attack_schema(rig: Rig, made: list[bytes]) -> None:
    """Ask for an answer that keeps a schema."""
    rig.simulation.answer(
        Request(
            "POST",
            "/v1/chat/completions",
            "",
            (("authorization", "Bearer k"), ("content-type", "application/json")),
            made[0],
        )
    )
    rig.simulation.journal.clear()


def said(odd: OddInputs) -> Any:
    """The entries that a test says, as Python values."""
    if odd.often() < 0.4:
        return said_answer(odd)
    entry = odd.changed(odd.pick(STUBS), odd.pick([1, 1, 2]))
    if isinstance(entry, dict) and odd.often() < 0.3:
        entry["fault"] = odd.pick(MODEL_FAULT_KINDS)
    python = [float("nan"), float("inf"), 10**4400, b"x", (1,), {1: 2}, object, "\ud800", -1, 1e308, True]
    if isinstance(entry, dict) and odd.often() < 0.4 and (places := list(places_in(entry))):
        parent, key = odd.pick(places)
        parent[key] = odd.pick(python)
    return entry


def said_answer(odd: OddInputs) -> dict[str, Any]:
    """An entry with an odd answer of a model, perhaps under a fault."""
    answer = odd.pick([answer for answer in answers() if answer.path in ("chat/completions", "responses")])
    body = answer.body(odd)
    entry: dict[str, Any] = {"events": [body.removesuffix("data: [DONE]\n\n")]} if answer.streams else {"body": body}
    if answer.streams:
        entry["events"] = [f"{event}\n\n" for event in body.split("\n\n") if event]
    else:
        entry["headers"] = {"content-type": "application/json"}
    if odd.often() < 0.4:
        entry["fault"] = odd.pick(MODEL_FAULT_KINDS)
        entry |= odd.pick([{}, {"after": odd.pick([0, 1, 5, 10**9])}, {"wait_ms": odd.pick([0, 10**9])}])
    return entry


def attack_said(rig: Rig, made: Any) -> None:
    """Say an entry, and ask for its answer."""
    simulation = rig.simulation
    try:
        with contextlib.suppress(UserError):
            simulation.scopes.say_entries(made, name="said")
        if simulation.scopes.everybody.stubs:
            ask_for_it(simulation)
    finally:
        simulation.reset()


def ask_for_it(simulation: Simulation) -> None:
    """Ask for what was said in every way."""
    headers = (("authorization", "Bearer k"), ("content-type", "application/json"))
    for name, path, kept in (
        ("createChatCompletion", "/v1/chat/completions", "messages"),
        ("createResponse", "/v1/responses", "input_items"),
    ):
        for more in ({"stream": True}, {"store": True, "background": name == "createResponse"}):
            asked = json.dumps({**VALID[name][0], **more}).encode()
            entry = simulation.answer(Request("POST", path, "", headers, asked))
            if entry.answer is not None:
                list(schedule(entry.answer))
                found = re.search(rb'"id": ?"((?:chatcmpl-|resp_)[\w-]+)"', entry.answer.body)
                for target in (path, *([f"{path}/{found[1].decode()}/{kept}"] if found else [])):
                    simulation.answer(Request("GET", target, "", headers))
    for path in ("/v1/realtime", "/openai/realtime"):
        session = session_of(Request("WEBSOCKET", path, "model=gpt-4o", headers), 0, 1)
        list(session.begin())
        entry = simulation.answer(session.request({}))
        if entry.answer is not None and entry.answer.status:
            list(session.response(entry.answer, {}))
