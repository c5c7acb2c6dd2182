"""Scenarios: chosen, laid over, read again, and never lost to a typing error."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mockserver.exchange import Request
from mockserver.matching.call import Call
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES, load_index
from mockserver.simulation.scenarios import ScenarioError
from mockserver.simulation.scopes import SCOPE_HEADER, ScopeError
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.site_faults import NO_FAULT, site_fault
from mockserver.simulation.stub import parse_stub
from tests.unit.examples import FakeClock, chat


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "always.yaml").write_text("- {when: {prompt: always}, say: 'yes'}\n")
    (tmp_path / "scenarios" / "busy.yaml").write_text("- {fault: overloaded, times: 1}\n")
    (tmp_path / "scenarios" / "gone.yaml").write_text("- {fault: deployment_gone}\n")
    return tmp_path


def made(folder: Path, scenario: str | None = None) -> Simulation:
    return Simulation(load_index([folder]), on_miss=OnMiss.GENERATE, scenario=scenario, clock=FakeClock())


def decided(simulation: Simulation, prompt: str = "x", request_id: str | None = None) -> str:
    asked = chat(prompt)
    if request_id is not None:
        asked = replace(asked, headers=(*asked.headers, ("x-request-id", request_id)))
    return simulation.answer(asked).decided_by


def write(path: Path, text: str) -> None:
    """Write so that even a file system with coarse times sees the change."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000_000, before + 1_000_000_000))


def test_a_scenario_waits_to_be_chosen_and_others_are_always_there(folder: Path) -> None:
    simulation = made(folder)
    assert (decided(simulation), decided(simulation, "always")) == ("made up", "always.yaml#1")
    simulation.scopes.choose("busy")
    assert decided(simulation) == "made up, overloaded by scenarios/busy.yaml#1"
    assert decided(simulation) == "made up"
    simulation.scopes.choose(None)
    assert decided(made(folder, "gone")) == "made up, deployment_gone by scenarios/gone.yaml#1"


def test_a_folder_with_nothing_but_scenarios_keeps_them_and_what_is_ignored(folder: Path) -> None:
    (folder / "always.yaml").unlink()
    simulation = Simulation(load_index([folder], ["messages[*].content=date"]), scenario="gone", clock=FakeClock())
    assert (simulation.scopes.everybody.scenario, simulation.index.ignored) == ("gone", ("messages[*].content=date",))


def test_what_is_said_goes_before_it(folder: Path) -> None:
    simulation = made(folder, "busy")
    simulation.scopes.say(parse_stub({"say": "Hi", "when": {"prompt": "x"}}, "said#1"))
    assert decided(simulation) == "said#1, overloaded by scenarios/busy.yaml#1"


def test_an_unknown_scenario_is_named_with_the_nearest(folder: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r"no scenario 'bussy' \(did you mean 'busy'\?\); known scenarios: busy, gone"
    ):
        made(folder).scopes.choose("bussy")


def test_two_scenarios_at_once_never_cross(folder: Path) -> None:
    simulation = made(folder)
    names = [simulation.scopes.open(scenario).name for scenario in ("gone", "busy")]
    for number in range(50):
        visit = Request("POST", "/api/chat/completions", headers=(("x-request-id", f"r{number}"),))
        simulation.scopes.attribute(Call(visit).visit_ids, names[number % 2])
    assert decided(simulation, request_id="r6") == "made up, deployment_gone by scenarios/gone.yaml#1"
    assert decided(simulation, request_id="r7") == "made up, overloaded by scenarios/busy.yaml#1"
    assert decided(simulation, request_id="r9") == "made up"
    simulation.reset()
    assert decided(simulation, request_id="r6") == "made up"


def test_whose_a_request_is_must_be_known_where_there_are_several(folder: Path) -> None:
    simulation = made(folder)
    alone = simulation.scopes.open("gone")
    assert decided(simulation) == "made up, deployment_gone by scenarios/gone.yaml#1"  # it can be nobody else's
    simulation.scopes.open("busy")
    entry = simulation.answer(chat("x"))
    assert entry.decided_by == "cannot_attribute"
    assert entry.miss is not None
    assert "2 scopes are open" in entry.miss.reason
    visit = Request("POST", "/api/x", headers=(("x-request-id", "same"),))
    simulation.scopes.attribute(Call(visit).visit_ids, alone.name)
    with pytest.raises(ScopeError, match="another scope has sent the request id or trace same too"):
        simulation.scopes.attribute(Call(visit).visit_ids, simulation.scopes.open().name)
    simulation.scopes.close(alone.name)
    assert decided(simulation, request_id="same") == "cannot_attribute"
    with pytest.raises(ScopeError, match="was closed"):
        simulation.scopes.attribute(Call(visit).visit_ids, alone.name)


def test_a_scope_counts_for_itself(folder: Path) -> None:
    simulation = made(folder)
    simulation.scopes.say(parse_stub({"say": "once", "times": 1}, "said#1"))
    headers = [(SCOPE_HEADER, simulation.scopes.open().name) for _ in range(2)]
    asked = [replace(chat("x"), headers=(*chat().headers, each)) for each in headers]
    assert [simulation.answer(each).decided_by for each in (*asked, *asked)] == ["said#1"] * 2 + ["made up"] * 2


def test_a_changed_file_is_read_again_and_counts_afresh(folder: Path) -> None:
    simulation = made(folder, "busy")
    assert [decided(simulation), decided(simulation)] == ["made up, overloaded by scenarios/busy.yaml#1", "made up"]
    write(folder / "scenarios" / "busy.yaml", "- {fault: server_error, times: 1}\n")
    assert decided(simulation) == "made up, server_error by scenarios/busy.yaml#1"
    write(folder / "always.yaml", "- {when: {prompt: always}, say: 'no'}\n- {when: {prompt: new}, say: new}\n")
    assert decided(simulation, "new") == "always.yaml#2"


@pytest.mark.parametrize("broken", ["- {fault: overloded}\n", "- {", "a: 1\n", "\xff"])
def test_a_broken_file_keeps_what_it_said_and_says_so_once(
    folder: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    simulation, path = made(folder, "gone"), folder / "scenarios" / "gone.yaml"
    before = path.stat().st_mtime_ns
    path.write_bytes(broken.encode("latin-1"))
    os.utime(path, ns=(before + 1_000_000_000, before + 1_000_000_000))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert decided(simulation) == "made up, deployment_gone by scenarios/gone.yaml#1"
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("Its last valid version stays in use.")
    write(path, "- {fault: overloaded}\n")
    assert decided(simulation) == "made up, overloaded by scenarios/gone.yaml#1"


def test_a_file_that_goes_keeps_what_it_said_and_is_read_when_it_is_back(folder: Path) -> None:
    simulation, path = made(folder, "gone"), folder / "scenarios" / "gone.yaml"
    path.unlink()
    assert [decided(simulation)] * 2 == ["made up, deployment_gone by scenarios/gone.yaml#1"] * 2
    path.write_text("- {fault: overloaded}\n")
    assert decided(simulation) == "made up, overloaded by scenarios/gone.yaml#1"


@pytest.mark.parametrize("name", load_index([BUNDLED_CASSETTES]).scenarios.names)
def test_every_shipped_scenario_does_something(name: str) -> None:
    simulation = Simulation(load_index([BUNDLED_CASSETTES]), on_miss=OnMiss.GENERATE, scenario=name, clock=FakeClock())
    without = Simulation(load_index([BUNDLED_CASSETTES]), on_miss=OnMiss.GENERATE, clock=FakeClock())
    azure = "/openai/v1/chat/completions"
    if site_fault(simulation.site_fault(Call(chat(path=azure)))) != NO_FAULT:  # before the model
        return
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    asked = [
        chat(path=azure, stream=True),
        chat(path=azure, stream=True, messages=[{"role": "user", "content": [image]}]),
    ]
    assert any(simulation.answer(each).answer != without.answer(each).answer for each in asked)
