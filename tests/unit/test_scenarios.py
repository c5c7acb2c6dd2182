"""Scenarios: chosen, laid over, read again, and never lost to a typing error."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mockserver.library import SHIPPED, load_library
from mockserver.scenarios import ScenarioError
from mockserver.simulation import OnMiss, Simulation
from mockserver.stub import parse_stub
from tests.unit.examples import FakeClock, chat


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "always.yaml").write_text("- {when: {prompt: always}, say: 'yes'}\n")
    (tmp_path / "scenarios" / "busy.yaml").write_text("- {fault: overloaded, times: 1}\n")
    (tmp_path / "scenarios" / "gone.yaml").write_text("- {fault: deployment_gone}\n")
    return tmp_path


def made(folder: Path, scenario: str | None = None) -> Simulation:
    return Simulation(load_library([folder]), on_miss=OnMiss.GENERATE, scenario=scenario, clock=FakeClock())


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
    simulation.choose("busy")
    assert decided(simulation) == "made up, overloaded by scenarios/busy.yaml#1"
    assert decided(simulation) == "made up"
    simulation.choose(None)
    assert decided(made(folder, "gone")) == "made up, deployment_gone by scenarios/gone.yaml#1"


def test_what_is_said_goes_before_it(folder: Path) -> None:
    simulation = made(folder, "busy")
    simulation.say(parse_stub({"say": "Hi", "when": {"prompt": "x"}}, "said#1"))
    assert decided(simulation) == "said#1, overloaded by scenarios/busy.yaml#1"


def test_an_unknown_scenario_is_named_with_the_nearest(folder: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r"There is no scenario 'bussy' \(did you mean busy\?\)\. There are: busy, gone\."
    ):
        made(folder).choose("bussy")


def test_two_scenarios_at_once_never_cross(folder: Path) -> None:
    simulation = made(folder)
    for number in range(50):
        simulation.scope(f"busy-{number}", "gone")
    assert decided(simulation, request_id="busy-7") == "made up, deployment_gone by scenarios/gone.yaml#1"
    assert decided(simulation, request_id="other") == "made up"
    assert decided(simulation) == "made up"
    simulation.reset()
    assert decided(simulation, request_id="busy-7") == "made up"


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
    assert caplog.messages[0].endswith("What it said before stands.")
    write(path, "- {fault: overloaded}\n")
    assert decided(simulation) == "made up, overloaded by scenarios/gone.yaml#1"


def test_a_file_that_goes_keeps_what_it_said_and_is_read_when_it_is_back(folder: Path) -> None:
    simulation, path = made(folder, "gone"), folder / "scenarios" / "gone.yaml"
    path.unlink()
    assert [decided(simulation)] * 2 == ["made up, deployment_gone by scenarios/gone.yaml#1"] * 2
    path.write_text("- {fault: overloaded}\n")
    assert decided(simulation) == "made up, overloaded by scenarios/gone.yaml#1"


@pytest.mark.parametrize("name", load_library([SHIPPED]).scenarios.names)
def test_every_shipped_scenario_does_something(name: str) -> None:
    simulation = Simulation(load_library([SHIPPED]), on_miss=OnMiss.GENERATE, scenario=name, clock=FakeClock())
    without = Simulation(load_library([SHIPPED]), on_miss=OnMiss.GENERATE, clock=FakeClock())
    azure = "/openai/v1/chat/completions"
    assert (
        simulation.answer(chat(path=azure, stream=True)).answer != without.answer(chat(path=azure, stream=True)).answer
    )
