"""The steps of an answer, where one value decides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mockserver.answers.conformance import violations
from mockserver.exchange import Event, Interaction
from mockserver.matching.call import Call
from mockserver.matching.ignore import parse_ignore
from mockserver.simulation.cassette_index import CassetteIndex, ConflictError, load_index
from mockserver.simulation.limits import Limit
from mockserver.simulation.miss_report import miss_report
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from mockserver.tokens import count_request
from tests.unit.examples import FakeClock, answered, chat, recording


def statuses(simulation: Simulation, *bodies: dict[str, Any]) -> list[int | None]:
    return [simulation.answer(chat(**body)).status for body in bodies]


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ({}, 0),
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 50}, 50),
        ({"max_tokens": 50, "n": 3}, 150),
        ({"n": 3}, 0),
    ],
)
def test_a_request_costs_its_tokens_and_its_longest_answers(body: dict[str, Any], cost: int) -> None:
    whole = count_request(Call(chat(**body)).body or {}, "gpt-4o") + cost
    for tokens, status in ((whole, 200), (whole - 1, 429)):
        simulation = Simulation(limits={"gpt-4o": Limit(tokens=tokens)}, clock=FakeClock())
        simulation.scopes.say(parse_stub({"say": "x"}, "said#1"))
        assert statuses(simulation, body) == [status]


def test_a_scope_counts_for_itself_and_a_refused_request_costs_nothing() -> None:
    simulation = Simulation(limits={"*": Limit(requests=6)}, clock=(clock := FakeClock()))
    simulation.scopes.say(parse_stub({"say": "x"}, "said#1"))
    assert statuses(simulation, {}, {}, {"temperature": 9}) == [200, 429, 400]
    with_key = chat()
    scope = simulation.scopes.open()
    entry = simulation.answer(replace(with_key, headers=(*with_key.headers, ("x-mockserver-scope", scope.name))))
    assert (entry.status, entry.scope) == (200, scope.name)
    simulation.scopes.close(scope.name)
    clock.now_s += 10
    assert statuses(simulation, {}) == [200]


def test_faults_of_several_stubs_apply_in_their_order_and_count() -> None:
    index = CassetteIndex()
    index.add("a.yaml#1", Interaction(chat(), answered("x")))
    simulation = Simulation(index, clock=FakeClock())
    simulation.scopes.say(
        parse_stub({"fault": "slow_first_token", "wait_ms": 5, "times": 1}, "said#1"),
        parse_stub({"fault": "wrong_content_type", "times": 2}, "said#2"),
    )
    entries = [simulation.answer(chat()) for _ in range(3)]
    assert [entry.decided_by for entry in entries] == [
        "a.yaml#1, slow_first_token by said#1, wrong_content_type by said#2",
        "a.yaml#1, wrong_content_type by said#2",
        "a.yaml#1",
    ]
    assert [entry.answer.faults for entry in entries if entry.answer] == [
        ("slow_first_token", "wrong_content_type"),
        ("wrong_content_type",),
        (),
    ]
    assert simulation.scopes.ever_used == {"a.yaml#1", "said#1", "said#2"}


def test_a_stubs_own_fault_takes_the_place_of_others() -> None:
    simulation = Simulation(clock=FakeClock())
    simulation.scopes.say(
        parse_stub({"fault": "slow_events"}, "said#1"), parse_stub({"say": "x", "fault": "empty"}, "said#2")
    )
    assert simulation.answer(chat()).decided_by == "said#2, empty by said#2"
    assert simulation.scopes.ever_used == {"said#2"}


# --- what is written here is held to the contract, each event of a stream too ----------------------------------------


def streamed() -> tuple[Call, list[Event]]:
    simulation = Simulation(clock=FakeClock())
    simulation.scopes.say(parse_stub({"say": "One two three"}, "said#1"))
    request = chat(stream=True)
    answer = simulation.answer(request).answer
    assert answer is not None
    return Call(request), list(answer.events)


def with_changed_event(events: list[Event], index: int, **change: object) -> list[Event]:
    payload = json.loads(events[index].data.removeprefix(b"data: "))
    events[index] = Event(0, b"data: " + json.dumps({**payload, **change}).encode() + b"\n\n")
    return events


@pytest.mark.parametrize("index", [0, 1, -2])
@pytest.mark.parametrize("change", [{"object": "chat.completion"}, {"choices": "none"}, {"id": 5}])
def test_an_event_of_a_stream_that_breaks_its_schema_is_found(index: int, change: dict[str, object]) -> None:
    call, events = streamed()
    whole = replace(answered("x"), headers=(("content-type", "text/event-stream"),), events=tuple(events))
    assert violations(call, whole) == ()
    broken = replace(whole, events=tuple(with_changed_event(events, index, **change)))
    assert next(iter(change)) in {violation.field.partition("[")[0] for violation in violations(call, broken)}


def test_an_answer_that_its_request_makes_impossible_is_an_error_and_a_miss__a_response_in_a_stream() -> None:
    simulation = Simulation(clock=FakeClock())
    simulation.scopes.say(parse_stub({"call": {"get_weather": {"city": "Oslo"}}}, "said#1"))
    body = {"model": "gpt-4o", "input": "Hi", "stream": True, "messages": None}
    request = replace(chat(path="/v1/responses"), body=json.dumps({k: v for k, v in body.items() if v}).encode())
    entry = simulation.answer(request)
    assert entry.answer is not None
    assert (entry.status, entry.decided_by) == (404, "violation")
    assert "get_weather" in json.loads(entry.answer.body)["error"]["message"]
    assert [miss.number for miss in simulation.journal.misses()] == [entry.number]


def test_a_generated_answer_is_held_to_the_contract_too(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock())
    monkeypatch.setattr("mockserver.simulation.steps.generate", lambda *_arguments, **_options: answered("{}"))
    assert simulation.answer(chat()).decided_by == "violation"


def test_a_recorded_answer_plays_whatever_it_breaks() -> None:
    index = CassetteIndex()
    index.add("a.yaml#1", Interaction(chat(), answered("{}")))
    assert Simulation(index, clock=FakeClock()).answer(chat()).decided_by == "a.yaml#1"


def test_an_index_counts_its_recordings_and_the_stubs_that_always_apply(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(recording("one", "two"))
    (tmp_path / "b.yaml").write_text("- {fault: empty}\n- {fault: stall}")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "c.yaml").write_text("- {fault: empty}")
    index = load_index([tmp_path])
    assert (len(index), index.files) == (4, 3)


def test_two_cassettes_with_different_answers_name_both(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(recording("one"))
    (tmp_path / "b.yaml").write_text(recording("one").replace("Norway", "Sweden"))
    with pytest.raises(
        ConflictError, match=r"a\.yaml#1 and b\.yaml#1 hold the same request \(gpt-4o, 1 message\)"
    ) as raised:
        load_index([tmp_path])
    assert raised.value.names == ("a.yaml#1", "b.yaml#1")


def test_a_body_that_is_not_json_breaks_the_contract() -> None:
    assert [violation.rule for violation in violations(Call(chat()), answered("Hello"))] == ["no-json"]


def test_while_recording_only_the_token_of_this_run_opens_the_port() -> None:
    simulation = Simulation(on_miss=OnMiss.RECORD, api_key="token", clock=FakeClock())
    refused, asked = simulation.answer(chat(key="mine")), simulation.answer(chat(key="token"))
    assert refused.answer is not None
    assert (refused.status, json.loads(refused.answer.body)["error"]["code"]) == (401, "mockserver_token")
    assert (asked.answer, asked.status) == (None, None)


def test_a_reset_forgets_the_journal_and_what_counts_towards_limits() -> None:
    simulation = Simulation(on_miss=OnMiss.GENERATE, limits={"*": Limit(requests=6)}, clock=FakeClock())
    assert statuses(simulation, {}, {}) == [200, 429]
    simulation.reset()
    assert len(simulation.journal) == 0
    assert statuses(simulation, {}) == [200]


def test_the_same_answer_in_two_cassettes_is_no_conflict(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(recording("one"))
    simulation = Simulation(load_index([tmp_path]), clock=FakeClock())
    request = replace(chat("one"), headers=chat().headers)
    assert simulation.answer(request).decided_by == "a.yaml#1"


def test_a_miss_names_every_way_out() -> None:
    index = CassetteIndex(tuple(map(parse_ignore, ["messages[*].name"])))
    messages = [{"role": "system", "content": "Today is 2026-11-28."}, {"role": "user", "content": "Hi"}]
    index.add("dir/a.yaml#3", Interaction(chat(messages=messages), answered("x")))
    messages[0] = {"role": "system", "content": "Today is 2027-01-01."}
    entry = Simulation(index, clock=FakeClock()).answer(chat(messages=messages))
    assert entry.miss is not None
    assert miss_report(entry.miss).splitlines() == [
        "No recording fits POST /v1/chat/completions (gpt-4o, 2 messages).",
        "Nearest: dir/a.yaml, interaction 3. It differs in",
        '  messages[0].content   wanted "Today is 2026-11-28."   got "Today is 2027-01-01."',
        "Not compared: messages[*].name",
        "It would fit with --ignore 'messages[*].content=date'",
        "  dress-rehearsal cassette accept dir/a.yaml   keeps the old answer for the new prompt, marked as carried over",
        '  mock_server.say(…, to="Hi")   answers it in a test',
        '  - {when: {prompt: "Hi"}, say: …}   answers it from a YAML file in --cassettes',
        "  dress-rehearsal record --missing …   asks the real model (about 22 tokens to read)",
        "  pytest --record=missing …   asks it while the tests run, all turns at once",
    ]


def test_a_sequence_is_answered_one_by_one() -> None:
    index = CassetteIndex()
    for number in (1, 2, 3):
        index.add(f"a.yaml#{number}", Interaction(chat(), answered(str(number))))
    simulation = Simulation(index, clock=FakeClock())
    assert [simulation.answer(chat()).decided_by for _ in range(4)] == [f"a.yaml#{number}" for number in (1, 2, 3, 3)]


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        ("3s", ("retry-after", "3")),
        ("250ms", ("retry-after-ms", "250")),
        ("5s as a date", ("retry-after", "Mon, 12 Jan 1970 13:46:45 GMT")),
        ("never", None),
        (None, ("retry-after", "1")),
        (0, ("retry-after", "0")),
        (1234567, ("retry-after", "1234567")),
        (0.5, ("retry-after", "0.5")),
    ],
)
def test_a_rate_limit_says_when_to_come_back(retry_after: str | None, header: tuple[str, str] | None) -> None:
    simulation = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock())
    details = {} if retry_after is None else {"retry_after": retry_after}
    simulation.scopes.say(parse_stub({"fault": "rate_limited", **details}, "said#1"))
    answer = simulation.answer(chat()).answer
    assert answer is not None
    assert [each for each in answer.headers if each[0].startswith("retry-after")] == ([header] if header else [])


def test_a_fault_waits_as_long_as_it_says__zero_too() -> None:
    simulation = Simulation(clock=FakeClock())
    simulation.scopes.say(
        parse_stub({"say": "x", "fault": "slow_first_token", "wait_ms": 0, "times": 1}, "said#1"),
        parse_stub({"say": "x", "fault": "slow_first_token", "wait_ms": 7, "times": 1}, "said#2"),
        parse_stub({"say": "x", "fault": "slow_first_token"}, "said#3"),
    )
    answers = [simulation.answer(chat()).answer for _ in range(3)]
    assert [answer.head_after_ms for answer in answers if answer] == [0, 7, 10_000]
