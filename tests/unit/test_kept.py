"""Which secrets a deployment keeps as they are deployed, and where it looks for them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from infra.azure import Azure
from infra.deploy import find_existing
from infra.findings import Finding
from infra.kept import kept_secrets
from infra.plan import Choice, ExistingDeployment, make_plan, resolve_parameters
from infra.preflight import preflight
from tests.unit.subscriptions import SUBSCRIPTION, TODAY, fake

SETTINGS = {"OPENAI_API_KEY": "sk-o", "AZURE_OPENAI_API_KEY": "sk-a", "AZURE_CLIENT_SECRET": "secret"}
THEIRS = {"backend": "existingAzureOpenAI", "existingEndpoint": "https://theirs.openai.azure.com/"}


def kept(last: dict[str, Any], chosen: dict[str, Any], *, vault: bool = True, **given: str) -> dict[str, str]:
    """What is kept of a deployment with the `last` parameters where the `chosen` ones replace some."""

    def run(arguments: Sequence[str], stdin: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        del stdin, timeout_s
        if arguments[0] == "rest":
            assert arguments[4].startswith(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/chat-test/providers/Microsoft.KeyVault/vaults/kv-chat-x/secrets/openai-api-key?")  # fmt: skip
            return subprocess.CompletedProcess(arguments, 0 if vault else 3, "{}", "ERROR: (SecretNotFound) no")
        return subprocess.CompletedProcess(arguments, 0, json.dumps({"properties": SETTINGS}), "")

    existing = ExistingDeployment(SUBSCRIPTION, "westeurope", {"name": "chat-x", **last})
    parameters = resolve_parameters(Choice("test", parameters=chosen), existing, given)
    return kept_secrets(Azure(run), "chat-test", parameters, existing)


@pytest.mark.parametrize(
    ("last", "chosen", "found"),
    [
        ({"topology": "managed", "backend": "openAI"}, {}, {"openAIKey": "sk-o"}),
        ({"topology": "linked", "backend": "openAI"}, {}, {"openAIKey": ""}),
        ({"topology": "managed", **THEIRS}, {}, {"existingKey": "sk-a"}),
        ({"topology": "direct", **THEIRS}, {}, {"existingKey": ""}),
        ({"topology": "managed", **THEIRS}, {"existingEndpoint": "https://other.openai.azure.com/"}, {}),
        ({"topology": "linked", "backend": "openAI"}, THEIRS, {}),
        ({"topology": "managed", "backend": "openAI"}, {"name": "chat-y"}, {}),
        ({"topology": "linked", "backend": "newAzureOpenAI", "signInClientId": "id"}, {}, {"signInClientSecret": "secret"}),
        ({"topology": "linked", "backend": "newAzureOpenAI", "signInClientId": "id"}, {"signInClientId": "other"}, {}),
        ({"topology": "managed", "backend": "newAzureOpenAI"}, {}, {}),
    ],
)  # fmt: skip
def test_a_secret_stays_for_whom_it_was_given(
    last: dict[str, Any], chosen: dict[str, Any], found: dict[str, str]
) -> None:
    assert kept(last, chosen) == found


def test_a_secret_that_is_given_or_is_not_there_is_not_looked_for_or_kept() -> None:
    assert kept({"topology": "managed", "backend": "openAI"}, {}, OPENAI_API_KEY="sk-new") == {}
    assert kept({"topology": "linked", "backend": "openAI"}, {}, vault=False) == {}


def test_after_a_deployment_that_failed_no_key_is_kept_for_nobody_knows_whose_it_wrote() -> None:
    def deployment(state: str, at: str, endpoint: str) -> dict[str, Any]:
        values = {"name": "chat-x", "topology": "linked", **THEIRS, "existingEndpoint": endpoint}
        parameters = {name: {"value": value} for name, value in values.items()}
        return {"properties": {"provisioningState": state, "timestamp": at, "parameters": parameters}}

    done = deployment("Succeeded", "2026-11-29", "https://theirs.openai.azure.com/")
    failed = deployment("Failed", "2026-11-30", "https://other.openai.azure.com/")
    answers = {"group list": [["chat-test", "westeurope"]], "account show": {"id": SUBSCRIPTION}, "rest --method": {}}

    def found(*deployments: dict[str, Any]) -> dict[str, str]:
        def run(arguments: Sequence[str], stdin: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
            del stdin, timeout_s
            answer = {**answers, "deployment group": deployments}[" ".join(arguments[:2])]
            return subprocess.CompletedProcess(arguments, 0, json.dumps(answer), "")

        existing = find_existing(Azure(run), "chat-test")
        parameters = resolve_parameters(Choice("test"), existing, {})
        assert parameters["existingEndpoint"] == "https://theirs.openai.azure.com/"
        return kept_secrets(Azure(run), "chat-test", parameters, existing)

    assert (found(done), found(failed, done)) == ({"existingKey": ""}, {})


def test_a_kept_key_is_not_missing_and_its_secret_is_not_written() -> None:
    parameters = resolve_parameters(Choice("test", "linked", "openAI", "chat-x"), ExistingDeployment(), {})

    def missing(stays: dict[str, str]) -> list[Finding]:
        found = preflight(fake(), make_plan(parameters, "chat-test", TODAY, {}, stays)).findings
        return [each for each in found if "key is missing" in each.what]

    assert (len(missing({})), missing({"openAIKey": ""})) == (1, [])
    deployment = make_plan(parameters, "chat-test", TODAY, {}, {"openAIKey": ""}).deployment
    assert (len(deployment.of("Microsoft.KeyVault/vaults")), deployment.of("Microsoft.KeyVault/vaults/secrets")) == (
        1,
        (),
    )
