from __future__ import annotations

from pathlib import Path

import pytest

from mockserver.answers.authored.authored_answer import AuthoredAnswer, Pace, ToolCall
from mockserver.exchange import HEADER_FORM
from mockserver.matching.criteria import Criteria
from mockserver.simulation.cassette_index import load_index
from mockserver.simulation.fault import Fault
from mockserver.simulation.model_faults import MODEL_FAULTS
from mockserver.simulation.site_faults import SITE_FAULTS
from mockserver.simulation.stub import Stub, StubError, load_stubs

SCENARIO = """\
- when: {prompt: "Show me a table"}
  say: |
    | a | b |
  pace: {first_ms: 400, each_ms: 30}
- when: {prompt: "Weather in Oslo?"}
  call: {get_weather: {city: Oslo}}
- {fault: dropped, after: 2, times: 2}
"""


def test_reads_a_scenario_in_order() -> None:
    assert load_stubs(Path("demo.yaml"), SCENARIO) == (
        Stub("demo.yaml#1", Criteria("Show me a table"), AuthoredAnswer("| a | b |\n", pace=Pace(400, 30))),
        Stub(
            "demo.yaml#2",
            Criteria("Weather in Oslo?"),
            AuthoredAnswer(None, (ToolCall("get_weather", {"city": "Oslo"}),)),
        ),
        Stub("demo.yaml#3", fault=Fault("dropped", 2), times=2),
    )


def test_a_folder_may_hold_scenarios_beside_cassettes(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("# said by hand\n---\n" + SCENARIO)
    assert [stub.name for stub in load_index([tmp_path]).scenarios.always] == [
        "demo.yaml#1",
        "demo.yaml#2",
        "demo.yaml#3",
    ]


KINDS = ", ".join(sorted((*MODEL_FAULTS, *SITE_FAULTS)))


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (
            "- {sai: x}",
            "demo.yaml#1: unknown key 'sai' (did you mean 'say'?); known keys: when, say, call, refusal, reasoning, reasoning_content, citations, context, finish, usage, pace, filter, status, error, body, events, headers, fault, after, wait_ms, retry_after, times",
        ),
        (
            "- {say: x, when: {promt: y}}",
            "demo.yaml#1: unknown key 'promt' in when (did you mean 'prompt'?); known keys: prompt, contains, pattern, turn, images, tool_result, system, operation, model, path",
        ),
        ("- {say: 5}", "demo.yaml#1: say must be a string, got 5"),
        (
            "- {fault: explode}",
            "demo.yaml#1: unknown fault 'explode'; known values: " + KINDS,
        ),
        ("- {fault: dropped, after: -1}", "demo.yaml#1: after must be an integer >= 0, got -1"),
        (
            "- {say: x, filter: harsh}",
            "demo.yaml#1: unknown filter 'harsh'; known values: asynchronous, asynchronous_blocklist, "
            "asynchronous_stopped, default, none, prompt, prompt_without_details, stopped",
        ),
        ("- {say: x, after: 1}", "demo.yaml#1: after needs a fault: add `fault`"),
        (
            "- {fault: drop}",
            "demo.yaml#1: unknown fault 'drop' (did you mean 'dropped'?); known values: " + KINDS,
        ),
        (
            f"- {{fault: rate_limited, retry_after: {'9' * 400}s}}",
            f"demo.yaml#1: retry_after must be like 3s, 250ms, '3s as a date' or never, got '{'9' * 400}s'",
        ),
        (
            f"- {{fault: stall, wait_ms: 1{'0' * 400}}}",
            f"demo.yaml#1: wait_ms must be an integer <= 1000000000, got 1{'0' * 56}…",
        ),
        (
            "- {say: x, usage: {input: 1000000001}}",
            "demo.yaml#1: usage.input must be an integer <= 1000000000, got 1000000001",
        ),
        (
            "- {fault: stall, retry_after: soon}",
            "demo.yaml#1: retry_after must be like 3s, 250ms, '3s as a date' or never, got 'soon'",
        ),
        ("- {fault: stall, wait_ms: -1}", "demo.yaml#1: wait_ms must be an integer >= 0, got -1"),
        ("- {say: x, times: 0}", "demo.yaml#1: times must be an integer >= 1, got 0"),
        ("- {say: x, times: true}", "demo.yaml#1: times must be an integer, got True"),
        ("- {say: x, pace: {each_ms: fast}}", "demo.yaml#1: pace.each_ms must be a number, got 'fast'"),
        ("- {call: {f: 1}}", "demo.yaml#1: call.f must be a mapping, got 1"),
        (
            "- {call: {f: {day: 2026-11-22}}}",
            "demo.yaml#1: call.f: Object of type date is not JSON serializable; put a date in quotes",
        ),
        (
            "- {when: {prompt: x}}",
            "demo.yaml#1: nothing to do; add `say`, `call`, `error`, `body`, `events` or `fault`",
        ),
        (
            "- {say: x, fault: cold_start}",
            "demo.yaml#1: cold_start happens before the model is asked; give it an entry of its own",
        ),
        ("- {say: x, headers: {x a: b}}", f"demo.yaml#1: headers: 'x a': 'b' cannot be sent: {HEADER_FORM}"),
        (
            '- {body: x, headers: {x-a: "b\\nc: d"}}',
            f"demo.yaml#1: headers: 'x-a': 'b\\nc: d' cannot be sent: {HEADER_FORM}",
        ),
        ("- {body: x, headers: {x-a: →}}", f"demo.yaml#1: headers: 'x-a': '→' cannot be sent: {HEADER_FORM}"),
        ("- 7", "demo.yaml#1: must be a mapping, got 7"),
        ("say: x", "demo.yaml: must be a list, got {'say': 'x'}"),
    ],
)
def test_a_mistake_in_a_scenario_says_where_and_what(entry: str, complaint: str) -> None:
    with pytest.raises(StubError) as raised:
        load_stubs(Path("demo.yaml"), entry)
    assert str(raised.value) == complaint


@pytest.mark.parametrize("text", ["- when: {prompt: x}\n   say: y", "- say: Note: bad", "- say: x\n\t- say: y"])
def test_broken_yaml_says_which_file_and_where(text: str) -> None:
    with pytest.raises(StubError, match=r"demo\.yaml: not valid YAML: .* line \d"):
        load_stubs(Path("demo.yaml"), text)


def test_one_function_may_be_called_twice() -> None:
    (stub,) = load_stubs(Path("demo.yaml"), "- call: [{f: {x: 1}}, {f: {x: 2}}]")
    assert stub.answer == AuthoredAnswer(None, (ToolCall("f", {"x": 1}), ToolCall("f", {"x": 2})))
