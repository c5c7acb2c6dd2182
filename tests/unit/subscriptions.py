"""A subscription in which everything works, as `az` shows it, for the checks before a deployment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import date
from typing import Any

from infra.azure import Azure, AzureError
from infra.findings import PreflightReport
from infra.plan import Choice, ExistingDeployment, make_plan, resolve_parameters
from infra.preflight import preflight

TODAY = date(2026, 7, 1)
SUBSCRIPTION = "0f0f0f0f-0000-0000-0000-000000000000"
MODEL: dict[str, Any] = {
    "model": {
        "name": "gpt-5.6-terra",
        "version": "2026-07-09",
        "lifecycleStatus": "GenerallyAvailable",
        "deprecation": {"inference": "2028-01-11T00:00:00Z"},
        "skus": [
            {"name": "GlobalStandard", "usageName": "OpenAI.GlobalStandard.gpt5.6-terra"},
            {"name": "DataZoneStandard"},
        ],
    }
}
EVERYTHING = {"value": [{"actions": ["*"], "notActions": []}]}
#: A subscription in which everything works: the output of `az`, by the beginning of the command.
HEALTHY: dict[str, Any] = {
    "account show": {
        "id": SUBSCRIPTION,
        "name": "Contoso",
        "state": "Enabled",
        "user": {"name": "ada@contoso.example"},
    },
    "resource list": AzureError("ResourceGroupNotFound", "Resource group 'chat-test' could not be found."),
    "provider list": [
        {"name": f"Microsoft.{name}", "state": "Registered"}
        for name in ("Web", "Storage", "Insights", "OperationalInsights", "CognitiveServices", "KeyVault")
    ],
    "provider list --query [?namespace=='Microsoft.Web']": ["West Europe", "East US 2"],
    "functionapp list-flexconsumption-locations": [{"name": "westeurope"}, {"name": "Sweden Central"}],
    "cognitiveservices model list": [MODEL],
    "cognitiveservices usage list": [
        {"name": {"value": "OpenAI.GlobalStandard.gpt5.6-terra"}, "currentValue": 0.0, "limit": 1000.0}
    ],
    "cognitiveservices account list-deleted": [],
    "cognitiveservices account show": {"properties": {"customSubDomainName": "theirs", "disableLocalAuth": False}},
    "cognitiveservices account deployment list": [{"name": "chat"}],
    "keyvault list-deleted": [],
    "rest --method get": EVERYTHING,
    "rest --method post": {"nameAvailable": True},
}


def fake(**changed: Any) -> Azure:
    """An `az` that answers like HEALTHY except for `changed`, where `_` stands for a space."""
    answers = HEALTHY | {
        name.replace("___", " --").replace("__", "-").replace("_", " "): answer for name, answer in changed.items()
    }

    def run(arguments: Sequence[str], stdin: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        del stdin, timeout_s
        command = " ".join(arguments)
        answer = answers[max((prefix for prefix in answers if command.startswith(prefix)), key=len)]
        answer = answer(command) if callable(answer) else answer
        if isinstance(answer, AzureError):
            return subprocess.CompletedProcess(arguments, 1, "", f"ERROR: ({answer.code}) {answer.message}")
        return subprocess.CompletedProcess(arguments, 0, json.dumps(answer), "")

    return Azure(run)


def report(
    azure: Azure,
    topology: str = "linked",
    backend: str = "newAzureOpenAI",
    last_topology: str | None = None,
    **parameters: Any,
) -> PreflightReport:
    choice = Choice("test", topology, backend, parameters=parameters)
    existing = ExistingDeployment(SUBSCRIPTION, parameters={"topology": last_topology} if last_topology else {})
    resolved = resolve_parameters(choice, existing, {})
    return preflight(azure, make_plan(resolved, choice.group, TODAY, existing.parameters))
