"""What keeps a deployment from working, each as Azure says it, and each found before anything is changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra import plan
from infra.azure import Azure, AzureError, refusal
from infra.expressions import TemplateError
from infra.plan import Choice, There, parameters_of, parsed, wanted
from infra.preflight import Looked, preflight

TODAY = date(2026, 7, 1)
SUBSCRIPTION = "0f0f0f0f-0000-0000-0000-000000000000"
MODEL = {
    "model": {
        "name": "gpt-5.1",
        "version": "2025-11-13",
        "lifecycleStatus": "GenerallyAvailable",
        "skus": [{"name": "GlobalStandard", "usageName": "OpenAI.GlobalStandard.gpt5.1"}, {"name": "DataZoneStandard"}],
    }
}
EVERYTHING = {"value": [{"actions": ["*"], "notActions": []}]}
#: A subscription in which everything works: what `az` answers, by the words a command begins with.
HEALTHY: dict[str, Any] = {
    "account show": {
        "id": SUBSCRIPTION,
        "name": "Contoso",
        "state": "Enabled",
        "user": {"name": "ada@contoso.example"},
    },
    "resource list": AzureError("ResourceGroupNotFound", "Resource group 'chat-test' could not be found."),
    "provider list": [
        {"name": f"Microsoft.{each}", "state": "Registered"}
        for each in ("Web", "Storage", "Insights", "OperationalInsights", "CognitiveServices", "KeyVault")
    ],
    "functionapp list-flexconsumption-locations": [{"name": "westeurope"}, {"name": "Sweden Central"}],
    "cognitiveservices model list": [MODEL],
    "cognitiveservices usage list": [
        {"name": {"value": "OpenAI.GlobalStandard.gpt5.1"}, "currentValue": 0.0, "limit": 1000.0}
    ],
    "cognitiveservices account list-deleted": [],
    "cognitiveservices account show": {"properties": {"customSubDomainName": "theirs", "disableLocalAuth": False}},
    "cognitiveservices account deployment list": [{"name": "chat"}],
    "keyvault list-deleted": [],
    "rest --method get": EVERYTHING,
    "rest --method post": {"nameAvailable": True},
}


def fake(**changed: Any) -> Azure:
    """An `az` that answers as HEALTHY does but for what is changed, `_` standing for a space."""
    answers = HEALTHY | {
        name.replace("___", " --").replace("__", "-").replace("_", " "): answer for name, answer in changed.items()
    }

    def run(words: Sequence[str], given: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        del given, timeout_s
        said = " ".join(words)
        answer = answers[max((each for each in answers if said.startswith(each)), key=len)]
        answer = answer(said) if callable(answer) else answer
        if isinstance(answer, AzureError):
            return subprocess.CompletedProcess(words, 1, "", f"ERROR: ({answer.code}) {answer.message}")
        return subprocess.CompletedProcess(words, 0, json.dumps(answer), "")

    return Azure(run)


def looked(
    azure: Azure, topology: str = "linked", backend: str = "newAzureOpenAI", before: str | None = None, **given: Any
) -> Looked:
    choice = Choice("test", topology, backend, given=given)
    there = There(SUBSCRIPTION, parameters={"topology": before} if before else {})
    return preflight(azure, wanted(parameters_of(choice, there, {}), choice.group, TODAY, there.parameters))


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def test_nothing_stands_in_the_way_of_a_subscription_that_has_all_it_needs() -> None:
    found = looked(fake())
    assert (found.findings, found.unseen, found.ready) == ((), (), True)
    assert found.looked_at == 13


def _taken(kind: str) -> Any:
    return lambda said: {"nameAvailable": kind not in said, "reason": "AlreadyExists"}


_DELETED = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/westeurope/resourceGroups/old/deletedAccounts/chat-test-x"
FAILURES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "a subscription that is disabled": (
        {"account_show": HEALTHY["account show"] | {"state": "Disabled"}},
        {},
        "the subscription Contoso is Disabled",
        "az account set",
    ),
    "no right to create": (
        {"rest___method_get": {"value": [{"actions": ["*/read"], "notActions": []}]}},
        {"topology": "managed"},
        "ada@contoso.example may not create resources",
        "Contributor",
    ),
    "no right to assign roles": (
        {"rest___method_get": {"value": [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}]}},
        {},
        "may not assign roles, which linked needs",
        "TOPOLOGY=managed",
    ),
    "a provider that is not registered": (
        {
            "provider_list": [
                *HEALTHY["provider list"][:-2],
                {"name": "Microsoft.CognitiveServices", "state": "NotRegistered"},
            ]
        },
        {},
        "has not registered Microsoft.CognitiveServices",
        "az provider register --namespace Microsoft.CognitiveServices",
    ),
    "a region without Flex": ({}, {"location": "norwayeast"}, "Flex Consumption is not in norwayeast", "swedencentral"),
    "another topology": (
        {},
        {"before": "managed"},
        "chat-test is managed, and a site does not change into linked",
        "another ENV",
    ),
    "a quota that is called otherwise": (
        {"cognitiveservices_usage_list": []},
        {},
        "says nothing of a quota OpenAI.GlobalStandard.gpt5.1",
        "look in the portal",
    ),
    "two names for one deployment": ({}, {"deploymentName": "a,b"}, "a new resource gets one deployment", "one name"),
    "a sign-in without its secret": (
        {},
        {"signInClientId": "id"},
        "no secret of your own sign-in",
        "SIGN_IN_CLIENT_SECRET",
    ),
    "roles by a function on the Free plan": (
        {},
        {"topology": "managed", "invited": "@x.example"},
        "roles by a function need the Standard plan",
        "siteSku=Standard",
    ),
    "an existing resource that is closed": (
        {
            "cognitiveservices_account_show": {
                "properties": {"customSubDomainName": "t", "publicNetworkAccess": "Disabled"}
            }
        },
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "theirs is closed to the network",
        "docs/access.md",
    ),
    "a model that the region has not": (
        {"cognitiveservices_model_list": [{"model": {"name": "gpt-5", "version": "2025-08-07"}}]},
        {},
        "there is no gpt-5.1 in westeurope",
        "gpt-5",
    ),
    "a version that the region has not": (
        {"cognitiveservices_model_list": [{"model": {**MODEL["model"], "version": "2026-01-01"}}]},
        {},
        "westeurope has no gpt-5.1 2025-11-13",
        "modelVersion 2026-01-01",
    ),
    "a model that is not offered so": (
        {},
        {"modelSku": "Standard"},
        "is not offered as Standard in westeurope",
        "modelSku DataZoneStandard, GlobalStandard",
    ),
    "a model that is deprecated": (
        {"cognitiveservices_model_list": [{"model": {**MODEL["model"], "lifecycleStatus": "Deprecated"}}]},
        {},
        "is deprecated",
        "docs/model-change.md",
    ),
    "a model that nobody listed": (
        {},
        {"modelName": "gpt-4", "modelVersion": "0613"},
        "infra/models.json has no gpt-4 0613",
        "add it",
    ),
    "no quota": (
        {"cognitiveservices_usage_list": [{**HEALTHY["cognitiveservices usage list"][0], "limit": 0.0}]},
        {},
        "gpt-5.1 wants 50 thousand tokens a minute and westeurope has 0 left",
        "another modelLocation, or ask for more",
    ),
    "too little quota": (
        {"cognitiveservices_usage_list": [{**HEALTHY["cognitiveservices usage list"][0], "currentValue": 970.0}]},
        {},
        "has 30 left",
        "take modelCapacity 30",
    ),
    "a model resource that was deleted": (
        {
            "cognitiveservices_account_list__deleted": [
                {"name": "chat-test-x-openai", "location": "westeurope", "id": _DELETED}
            ]
        },
        {"name": "chat-test-x"},
        "chat-test-x-openai was deleted and still holds its name",
        "az cognitiveservices account purge --name chat-test-x-openai --resource-group old --location westeurope",
    ),
    "a vault that was deleted": (
        {"keyvault_list__deleted": [{"name": "kv-chat-test-x"}]},
        {"name": "chat-test-x", "backend": "openAI", "openAIKey": "k"},
        "kv-chat-test-x was deleted",
        "az keyvault purge --name kv-chat-test-x",
    ),
    "a storage account's name that is taken": (
        {"rest___method_post": _taken("Microsoft.Storage")},
        {},
        "is taken (AlreadyExists)",
        "NAME=",
    ),
    "an app's name that is taken": (
        {"rest___method_post": _taken("Microsoft.Web")},
        {"name": "chat"},
        "the name chat-api is taken",
        "NAME=",
    ),
    "a subdomain that is taken": (
        {
            "rest___method_post": lambda said: {
                "isSubdomainAvailable": "CognitiveServices" not in said,
                "reason": "Sub domain name is in use",
            }
        },
        {"name": "chat"},
        "the name chat-openai is taken (Sub domain name is in use)",
        "NAME=",
    ),
    "an existing resource that nobody named": (
        {},
        {"backend": "existingAzureOpenAI"},
        "it is not said which",
        "existingResourceName",
    ),
    "an existing resource that is not there": (
        {"cognitiveservices_account_show": AzureError("ResourceNotFound", "The Resource 'theirs' was not found.")},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "there is no Azure OpenAI resource theirs in the group chat-test",
        "az cognitiveservices account list",
    ),
    "an existing resource that no identity can ask": (
        {"cognitiveservices_account_show": {"properties": {"customSubDomainName": None}}},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "theirs has no subdomain of its own",
        "--custom-domain theirs",
    ),
    "an existing resource that takes no key": (
        {"cognitiveservices_account_show": {"properties": {"disableLocalAuth": True}}},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs", "topology": "managed"},
        "theirs takes no key",
        "TOPOLOGY=linked",
    ),
    "a deployment that is not there": (
        {"cognitiveservices_account_deployment_list": [{"name": "gpt"}]},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "theirs has no deployment chat",
        "deploymentName gpt",
    ),
    "no key of OpenAI": ({}, {"backend": "openAI"}, "there is no key of OpenAI", "OPENAI_API_KEY"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_named_with_its_fix(name: str) -> None:
    changed, given, what, fix = FAILURES[name]
    found = looked(fake(**changed), **given)
    assert [each.what for each in found.findings if what in each.what and fix in each.fix], found
    assert found.unseen == ()


def test_all_failures_are_named_at_once() -> None:
    found = looked(
        fake(
            rest___method_get={"value": []},
            provider_list=[],
            cognitiveservices_model_list=[],
            rest___method_post={"nameAvailable": False},
        ),
        location="norwayeast",
    )
    assert len([each for each in found.findings if not each.to_know]) >= 9
    assert not found.ready


def test_what_cannot_be_looked_at_is_said_and_does_not_stop_who_may_see_less() -> None:
    found = looked(
        fake(provider_list=AzureError("AuthorizationFailed", "The client 'ada' does not have authorization"))
    )
    assert found.unseen == (
        "The providers that the subscription has registered: AuthorizationFailed: (AuthorizationFailed) The client 'ada' does not have authorization",
    )
    assert found.ready


def test_who_is_not_signed_in_is_told_so_and_what_needs_no_login_is_looked_at() -> None:
    said = AzureError("x", "Please run 'az login' to setup account.")
    found = looked(fake(account_show=said), backend="openAI")
    assert [each.fix for each in found.findings] == ["put it into OPENAI_API_KEY", "az login"]
    assert len(found.unseen) == 9


def test_tools_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert [each.what for each in looked(fake()).findings] == ["there is no az on PATH", "there is no npm on PATH"]


@pytest.mark.parametrize(
    ("today", "what"),
    [
        (date(2026, 11, 15), None),
        (date(2026, 11, 16), "retires on 2027-05-15, in 180 days"),
        (date(2027, 5, 15), "has retired on 2027-05-15"),
    ],
)
def test_a_model_that_retires_is_told_of_in_time(today: date, what: str | None) -> None:
    choice = Choice("test")
    found = preflight(fake(), wanted(parameters_of(choice, There(), {}), choice.group, today))
    assert [each.what.removeprefix("gpt-5.1 2025-11-13 ") for each in found.findings] == ([what] if what else [])
    assert found.ready is (today < date(2027, 5, 15))


#: As `az` writes them. Sources: Azure/azure-cli#18146, Azure-Samples/azure-search-openai-demo#155 and #1483,
#: Azure/business-process-automation#276.
REFUSALS = [
    ("ERROR: Please run 'az login' to setup account.", "NotLoggedIn"),
    ("ERROR: AADSTS700082: The refresh token has expired due to inactivity.", "NotLoggedIn"),
    (
        "ERROR: (ResourceGroupNotFound) Resource group 'chat-test' could not be found.\nCode: ResourceGroupNotFound",
        "ResourceGroupNotFound",
    ),
    (
        "InvalidTemplateDeployment: The template deployment 'openai' is not valid according to the validation procedure. See inner errors for details.\n"
        "FlagMustBeSetForRestore: An existing resource with ID '/subscriptions/s' has been soft-deleted.",
        "FlagMustBeSetForRestore",
    ),
    (
        'ERROR: {"status":"Failed","error":{"code":"DeploymentFailed","details":[{"code":"InsufficientQuota","message":"This operation require 120 new capacity"}]}}',
        "InsufficientQuota",
    ),
    (
        "The template deployment failed with error: 'Authorization failed for template resource 'x' of type "
        "'Microsoft.Authorization/roleAssignments'. (Code: InvalidTemplateDeployment)",
        "InvalidTemplateDeployment",
    ),
    ("something nobody has seen", "Unknown"),
]


@pytest.mark.parametrize(("said", "code"), REFUSALS, ids=[code for _, code in REFUSALS])
def test_azures_own_code_is_found_in_what_it_says(said: str, code: str) -> None:
    assert refusal(said).code == code


# --- what shall be deployed --------------------------------------------------------------------------------------------


def test_what_is_there_stays_unless_another_is_asked_for() -> None:
    there = There(
        SUBSCRIPTION, "northeurope", {"topology": "linked", "backend": "openAI", "invited": "@x.example", "gone": 1}
    )
    found = parameters_of(Choice("test", given={"invited": "@y.example"}), there, {"OPENAI_API_KEY": "sk-1"})
    assert {name: found.get(name) for name in ("topology", "backend", "invited", "location", "gone", "openAIKey")} == {
        "topology": "linked",
        "backend": "openAI",
        "invited": "@y.example",
        "location": "northeurope",
        "gone": None,
        "openAIKey": "sk-1",
    }


@pytest.mark.parametrize("given", ["openAIKey=sk-1", "signInClientSecret=x"])
def test_a_secret_on_a_command_line_is_refused(given: str) -> None:
    with pytest.raises(TemplateError, match="is a secret, which no file and no command line may have"):
        parsed(given)


def test_a_secret_in_an_environments_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "infra").mkdir()
    file = tmp_path / "infra" / "test.parameters.json"
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    file.write_text('{"parameters": {"invited": {"value": "@x.example"}}}')
    assert parameters_of(Choice("test"), There(), {})["invited"] == "@x.example"
    file.write_text('{"parameters": {"openAIKey": {"value": "sk-1"}}}')
    with pytest.raises(TemplateError, match="openAIKey is a secret, which no file"):
        parameters_of(Choice("test"), There(), {})


def test_a_secret_that_a_pipeline_did_not_set_is_none() -> None:
    assert "openAIKey" not in parameters_of(
        Choice("test", backend="openAI"), There(), {"OPENAI_API_KEY": "$(OPENAI_API_KEY)"}
    )


def test_a_list_may_be_written_with_commas() -> None:
    assert parsed("modelIpRanges=203.0.113.0/24, 198.51.100.7/32") == (
        "modelIpRanges",
        ["203.0.113.0/24", "198.51.100.7/32"],
    )


@pytest.mark.parametrize("name", ["Chat", "chat_app", "a--b", "chat-", "x", "a" * 22])
def test_a_name_that_some_resource_will_not_take_is_refused(name: str) -> None:
    with pytest.raises(TemplateError, match="3 to 21 lower-case letters"):
        parameters_of(Choice("test", name=name), There(), {})
