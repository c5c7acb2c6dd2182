from __future__ import annotations

from pathlib import Path

import pytest

from mockserver.faults import FAULTS, SITE_FAULTS, Fault
from mockserver.library import load_library
from mockserver.say import Call, Pace, Said
from mockserver.stub import Stub, StubError, load_stubs
from mockserver.when import When

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
        Stub("demo.yaml#1", When("Show me a table"), Said("| a | b |\n", pace=Pace(400, 30))),
        Stub("demo.yaml#2", When("Weather in Oslo?"), Said(None, (Call("get_weather", {"city": "Oslo"}),))),
        Stub("demo.yaml#3", fault=Fault("dropped", 2), times=2),
    )


def test_a_folder_may_hold_scenarios_beside_cassettes(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("# said by hand\n---\n" + SCENARIO)
    assert [stub.name for stub in load_library([tmp_path]).scenarios.always] == [
        "demo.yaml#1",
        "demo.yaml#2",
        "demo.yaml#3",
    ]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (
            "- {sai: x}",
            "demo.yaml#1: unknown key 'sai' in the entry; known are when, say, call, pace, filter, fault, after, wait_ms, retry_after, times",
        ),
        ("- {say: x, when: {promt: y}}", "demo.yaml#1: unknown key 'promt' in when; known are prompt, model, path"),
        ("- {say: 5}", "demo.yaml#1: say: 5 is a whole number, not a text"),
        (
            "- {fault: explode}",
            "demo.yaml#1: unknown fault 'explode'; there are: " + ", ".join((*FAULTS, *SITE_FAULTS)),
        ),
        ("- {fault: dropped, after: -1}", "demo.yaml#1: after: -1 is no number of events; 0 or more is"),
        (
            "- {say: x, filter: harsh}",
            "demo.yaml#1: unknown filter 'harsh'; there are: default, none, stopped, asynchronous, "
            "asynchronous_stopped, asynchronous_blocklist, prompt, prompt_without_details",
        ),
        ("- {say: x, after: 1}", "demo.yaml#1: after: 1 says how a fault strikes, but there is no fault"),
        (
            "- {fault: drop}",
            "demo.yaml#1: unknown fault 'drop' (did you mean dropped?); there are: "
            + ", ".join((*FAULTS, *SITE_FAULTS)),
        ),
        (
            "- {fault: stall, retry_after: soon}",
            "demo.yaml#1: retry_after: 'soon' is not understood; write 3s, 250ms, 3s as a date, or never",
        ),
        ("- {fault: stall, wait_ms: -1}", "demo.yaml#1: wait_ms: -1 is no number of milliseconds"),
        ("- {say: x, times: 0}", "demo.yaml#1: times: 0 never answers; 1 or more does"),
        ("- {say: x, times: true}", "demo.yaml#1: times: True is yes or no, not a whole number"),
        ("- {say: x, pace: {each_ms: fast}}", "demo.yaml#1: pace.each_ms: 'fast' is no number of milliseconds"),
        ("- {call: {f: 1}}", "demo.yaml#1: call.f: the arguments are a mapping (`{city: Oslo}`), not a whole number"),
        (
            "- {call: {f: {day: 2026-11-22}}}",
            "demo.yaml#1: call.f: Object of type date is not JSON serializable; put a date into quotes",
        ),
        ("- {when: {prompt: x}}", "demo.yaml#1: nothing to do: give it `say`, `call` or `fault`"),
        ("- 7", "demo.yaml#1: the entry is a whole number, not a mapping"),
        ("say: x", "demo.yaml: a list of stubs is needed (`- when: …`), this is a mapping"),
    ],
)
def test_a_mistake_in_a_scenario_says_where_and_what(entry: str, complaint: str) -> None:
    with pytest.raises(StubError) as raised:
        load_stubs(Path("demo.yaml"), entry)
    assert str(raised.value) == complaint


@pytest.mark.parametrize("text", ["- when: {prompt: x}\n   say: y", "- say: Note: bad", "- say: x\n\t- say: y"])
def test_no_yaml_says_which_file_and_where(text: str) -> None:
    with pytest.raises(StubError, match=r"demo\.yaml: no YAML: .* line \d"):
        load_stubs(Path("demo.yaml"), text)


def test_one_function_may_be_called_twice() -> None:
    (stub,) = load_stubs(Path("demo.yaml"), "- call: [{f: {x: 1}}, {f: {x: 2}}]")
    assert stub.answer == Said(None, (Call("f", {"x": 1}), Call("f", {"x": 2})))
