"""The parameters of a deployment: chosen, from a file, from the last one; and secrets, from the environment alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import plan
from infra.expressions import TemplateError
from infra.plan import Choice, ExistingDeployment, parse_parameter, resolve_parameters
from tests.unit.subscriptions import SUBSCRIPTION


def test_deployed_parameters_stay_unless_the_user_chooses_others() -> None:
    existing = ExistingDeployment(
        SUBSCRIPTION, "northeurope", {"topology": "linked", "backend": "openAI", "invited": "@x.example", "gone": 1}
    )
    choice = Choice("test", parameters={"invited": "@y.example"})
    parameters = resolve_parameters(choice, existing, {"OPENAI_API_KEY": "sk-1"})
    names = ("topology", "backend", "invited", "location", "gone", "openAIKey")
    assert {name: parameters.get(name) for name in names} == {
        "topology": "linked",
        "backend": "openAI",
        "invited": "@y.example",
        "location": "northeurope",
        "gone": None,
        "openAIKey": "sk-1",
    }


@pytest.mark.parametrize("text", ["openAIKey=sk-1", "signInClientSecret=x"])
def test_a_secret_on_a_command_line_is_refused(text: str) -> None:
    with pytest.raises(TemplateError, match="is a secret and must not be in a file or on a command line"):
        parse_parameter(text)


def test_a_secret_in_a_parameters_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "infra").mkdir()
    file = tmp_path / "infra" / "test.parameters.json"
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    file.write_text('{"parameters": {"invited": {"value": "@x.example"}}}')
    assert resolve_parameters(Choice("test"), ExistingDeployment(), {})["invited"] == "@x.example"
    file.write_text('{"parameters": {"openAIKey": {"value": "sk-1"}}}')
    with pytest.raises(TemplateError, match="openAIKey is a secret and must not be in a file"):
        resolve_parameters(Choice("test"), ExistingDeployment(), {})


def test_a_secret_that_a_pipeline_did_not_set_counts_as_missing() -> None:
    assert "openAIKey" not in resolve_parameters(
        Choice("test", backend="openAI"), ExistingDeployment(), {"OPENAI_API_KEY": "$(OPENAI_API_KEY)"}
    )


def test_a_list_may_be_written_with_commas() -> None:
    assert parse_parameter("modelIpRanges=203.0.113.0/24, 198.51.100.7/32") == (
        "modelIpRanges",
        ["203.0.113.0/24", "198.51.100.7/32"],
    )


@pytest.mark.parametrize("name", ["Chat", "chat_app", "a--b", "chat-", "x", "a" * 22])
def test_a_name_that_some_resource_does_not_accept_is_refused(name: str) -> None:
    with pytest.raises(TemplateError, match=r"must have 3 to 21 lower-case letters.* choose one with NAME=…"):
        resolve_parameters(Choice("test", name=name), ExistingDeployment(), {})


def test_the_name_is_that_of_the_environment_and_the_subscription() -> None:
    def name(environment: str, subscription: str) -> str:
        return str(resolve_parameters(Choice(environment), ExistingDeployment(subscription), {})["name"])

    assert name("test", "one") == name("test", "one") != name("test", "another")
    assert name("test", "one").startswith("chat-test-")
