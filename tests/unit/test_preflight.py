"""What makes a deployment fail, each in Azure's own words, and each reported before anything is changed."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from infra.azure import AzureError
from infra.plan import Choice, ExistingDeployment, make_plan, resolve_parameters
from infra.preflight import preflight
from tests.unit.subscriptions import EVERYTHING, HEALTHY, MODEL, SUBSCRIPTION, TODAY, fake, report


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def test_a_subscription_that_has_everything_passes_all_checks() -> None:
    healthy = report(fake())
    assert (healthy.findings, healthy.skipped, healthy.ready) == ((), (), True)
    assert healthy.checks == 14


def test_the_secret_of_a_sign_in_that_is_given_up_is_named_with_the_command_that_removes_it() -> None:
    resolved = resolve_parameters(Choice("test", "linked", name="chat-x"), ExistingDeployment(), {})
    plan = make_plan(resolved, "chat-test", TODAY, {"topology": "linked", "signInClientId": "id"})
    (finding,) = preflight(fake(), plan).findings
    assert (finding.what, finding.warning) == ("the secret of your own sign-in stays a setting of chat-x", True)
    assert finding.fix.startswith("az staticwebapp appsettings delete --name chat-x --resource-group chat-test")


def _taken(kind: str) -> Any:
    return lambda command: {"nameAvailable": kind not in command, "reason": "AlreadyExists"}


_DELETED = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/westeurope/resourceGroups/old/deletedAccounts/chat-test-x"
ELSEWHERE = {"backend": "existingAzureOpenAI", "existingResourceName": "theirs", "existingResourceGroup": "models"}


def _rights_in_models(*actions: str) -> Any:
    """All rights in our group; in the group of the model, these alone."""
    theirs = {"value": [{"actions": actions, "notActions": []}]}
    return lambda command: theirs if "/resourceGroups/models" in command else EVERYTHING


def _refused_in_models(code: str) -> Any:
    return lambda command: AzureError(code, "no") if "/resourceGroups/models" in command else EVERYTHING


#: An environment that exists: its site is linked to the app of the name, under the other name.
def _linked(name: str, app: str) -> dict[str, Any]:
    of_app = {"backendResourceId": f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/{app}"}
    links = {"value": [{"name": name, "properties": of_app}]}
    return {
        "resource_list": [{"name": "chat-x"}],
        "rest___method_get": lambda command: links if "/chat-x/linkedBackends" in command else EVERYTHING,
    }


FAILURES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "a subscription that is disabled": (
        {"account_show": HEALTHY["account show"] | {"state": "Disabled"}},
        {},
        "the subscription Contoso has the state Disabled",
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
        "may not assign roles, which the topology linked needs",
        "TOPOLOGY=managed",
    ),
    "no right to assign roles in the model's group": (
        {"rest___method_get": _rights_in_models("Microsoft.CognitiveServices/*", "Microsoft.Resources/deployments/*")},
        ELSEWHERE,
        "ada@contoso.example may not assign roles in the group models, where the app gets its role for theirs",
        "Role Based Access Control Administrator there, or use TOPOLOGY=managed",
    ),
    "no right to deploy to the model's group": (
        {"rest___method_get": _rights_in_models("*/read", "Microsoft.Authorization/roleAssignments/write")},
        ELSEWHERE,
        "ada@contoso.example may not deploy to the group models",
        "Cognitive Services Contributor",
    ),
    "no right in the model's group": (
        {"rest___method_get": _refused_in_models("AuthorizationFailed")},
        ELSEWHERE,
        "may not assign roles in the group models",
        "Role Based Access Control Administrator there",
    ),
    "no right to read the key in the model's group": (
        {"rest___method_get": _rights_in_models("*/read")},
        {**ELSEWHERE, "topology": "managed"},
        "may not read the key of theirs in the group models, which the topology managed needs",
        "Cognitive Services Contributor",
    ),
    "a region without sites": (
        {"provider_list___query_[?namespace=='Microsoft.Web']": ["East US 2", "East Asia"]},
        {"topology": "managed"},
        "Static Web Apps are not available in westeurope",
        "use siteLocation eastasia, eastus2",
    ),
    "a region whose apps are not linked": (
        {"functionapp_list__flexconsumption__locations": [{"name": "southcentralus"}]},
        {"location": "southcentralus"},
        "an app in southcentralus may not be linked",
        "TOPOLOGY=direct",
    ),
    "a link by hand": (
        _linked("backend1", "chat-x-api"),
        {"name": "chat-x"},
        "chat-x is linked to chat-x-api already, as backend1",
        "az staticwebapp backends unlink --name chat-x --resource-group chat-test",
    ),
    "a link to another app": (
        _linked("api", "other"),
        {"name": "chat-x"},
        "chat-x is linked to other already, as api",
        "az staticwebapp backends unlink",
    ),
    "more ranges than Azure OpenAI allows": (
        {},
        {"modelIpRanges": [f"203.0.{number}.0/24" for number in range(201)]},
        "modelIpRanges has 201 ranges; Azure OpenAI allows 200",
        "docs/access.md",
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
    "a region without Flex": (
        {},
        {"location": "norwayeast"},
        "Flex Consumption is not available in norwayeast",
        "swedencentral",
    ),
    "another topology": (
        {},
        {"last_topology": "managed"},
        "chat-test is deployed as managed; a site cannot change its topology to linked",
        "another ENV",
    ),
    "a quota under another name": (
        {"cognitiveservices_usage_list": []},
        {},
        "lists no quota named OpenAI.GlobalStandard.gpt5.6-terra",
        "check in the portal",
    ),
    "two names for one deployment": (
        {},
        {"deploymentName": "a,b"},
        "a new resource has only one deployment",
        "one name",
    ),
    "a sign-in without its secret": (
        {},
        {"signInClientId": "id"},
        "the secret of your own sign-in registration is missing",
        "SIGN_IN_CLIENT_SECRET",
    ),
    "roles from a function on the Free plan": (
        {},
        {"topology": "managed", "invited": "@x.example"},
        "roles from a function need the Standard plan",
        "siteSku=Standard",
    ),
    "a sign-in of one's own on the Free plan": (
        {},
        {"topology": "managed", "signInClientId": "id"},
        "your own sign-in registration needs the Standard plan",
        "siteSku=Standard",
    ),
    "ranges for a model that managed functions ask": (
        {},
        {"topology": "managed", "modelIpRanges": ["203.0.113.0/24"]},
        "modelIpRanges would lock them out of the model",
        "TOPOLOGY=linked",
    ),
    "a vault with the key of the model before": (
        {"resource_list": [{"name": "kv-chat-x"}]},
        {"name": "chat-x"},
        "the Key Vault kv-chat-x stays in chat-test, with the key of the model before",
        "az keyvault delete --name kv-chat-x && az keyvault purge --name kv-chat-x",
    ),
    "an existing resource that is closed": (
        {
            "cognitiveservices_account_show": {
                "properties": {"customSubDomainName": "t", "publicNetworkAccess": "Disabled"}
            }
        },
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "theirs does not allow network access",
        "docs/access.md",
    ),
    "a model that the region does not have": (
        {"cognitiveservices_model_list": [{"model": {"name": "gpt-5", "version": "2025-08-07"}}]},
        {},
        "gpt-5.6-terra is not available in westeurope",
        "gpt-5",
    ),
    "a version that the region does not have": (
        {"cognitiveservices_model_list": [{"model": {**MODEL["model"], "version": "2026-01-01"}}]},
        {},
        "gpt-5.6-terra 2026-07-09 is not available in westeurope",
        "modelVersion 2026-01-01",
    ),
    "a model that is not offered with this SKU": (
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
    "no quota": (
        {"cognitiveservices_usage_list": [{**HEALTHY["cognitiveservices usage list"][0], "limit": 0.0}]},
        {},
        "gpt-5.6-terra needs 50 thousand tokens a minute, and westeurope has 0 left",
        "another modelLocation, or ask for more",
    ),
    "too little quota": (
        {"cognitiveservices_usage_list": [{**HEALTHY["cognitiveservices usage list"][0], "currentValue": 970.0}]},
        {},
        "has 30 left",
        "use modelCapacity 30",
    ),
    "a model resource that was deleted": (
        {
            "cognitiveservices_account_list__deleted": [
                {"name": "chat-test-x-openai", "location": "westeurope", "id": _DELETED}
            ]
        },
        {"name": "chat-test-x"},
        "a deleted Azure OpenAI resource still holds the name chat-test-x-openai",
        "az cognitiveservices account purge --name chat-test-x-openai --resource-group old --location westeurope",
    ),
    "a vault that was deleted": (
        {"keyvault_list__deleted": [{"name": "kv-chat-test-x"}]},
        {"name": "chat-test-x", "backend": "openAI", "openAIKey": "k"},
        "a deleted Key Vault still holds the name kv-chat-test-x",
        "az keyvault purge --name kv-chat-test-x",
    ),
    "a storage account's name that is taken": (
        {"rest___method_post": _taken("Microsoft.Storage")},
        {},
        "is already in use (AlreadyExists)",
        "NAME=",
    ),
    "an app's name that is taken": (
        {"rest___method_post": _taken("Microsoft.Web")},
        {"name": "chat"},
        "the name chat-api is already in use",
        "NAME=",
    ),
    "a subdomain that is taken": (
        {
            "rest___method_post": lambda command: {
                "isSubdomainAvailable": "CognitiveServices" not in command,
                "reason": "Sub domain name is in use",
            }
        },
        {"name": "chat"},
        "the name chat-openai is already in use (Sub domain name is in use)",
        "NAME=",
    ),
    "an existing resource without a name": (
        {},
        {"backend": "existingAzureOpenAI"},
        "the name of the existing Azure OpenAI resource is missing",
        "existingResourceName",
    ),
    "an existing resource that does not exist": (
        {"cognitiveservices_account_show": AzureError("ResourceNotFound", "The Resource 'theirs' was not found.")},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "the group chat-test has no Azure OpenAI resource theirs",
        "az cognitiveservices account list",
    ),
    "an existing resource that no identity can use": (
        {"cognitiveservices_account_show": {"properties": {"customSubDomainName": None}}},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "theirs has no custom subdomain",
        "--custom-domain theirs",
    ),
    "an existing resource that accepts no key": (
        {"cognitiveservices_account_show": {"properties": {"disableLocalAuth": True}}},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs", "topology": "managed"},
        "theirs accepts no key",
        "TOPOLOGY=linked",
    ),
    "a deployment that does not exist": (
        {"cognitiveservices_account_deployment_list": [{"name": "gpt"}]},
        {"backend": "existingAzureOpenAI", "existingResourceName": "theirs"},
        "theirs has no deployment chat",
        "deploymentName gpt",
    ),
    "no key for OpenAI": ({}, {"backend": "openAI"}, "OpenAI's key is missing", "OPENAI_API_KEY"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_preflight_reports_a_problem_with_its_fix(name: str) -> None:
    changed, parameters, what, fix = FAILURES[name]
    result = report(fake(**changed), **parameters)
    assert [finding.what for finding in result.findings if what in finding.what and fix in finding.fix], result
    assert result.skipped == ()


@pytest.mark.parametrize(
    ("changed", "parameters"),
    [
        (_linked("api", "Chat-X-API"), {"name": "chat-x"}),
        (
            {"rest___method_get": _refused_in_models("AuthorizationFailed")},
            {**ELSEWHERE, "existingResourceGroup": "Chat-Test"},
        ),
        ({"rest___method_get": _refused_in_models("AuthorizationFailed")}, {}),
        (
            {"rest___method_get": _rights_in_models("Microsoft.CognitiveServices/*")},
            {**ELSEWHERE, "topology": "managed"},
        ),
        ({"rest___method_get": _refused_in_models("ResourceNotFound")}, ELSEWHERE),
    ],
    ids=[
        "our link",
        "the model in our group",
        "a model of our own",
        "the right to read the key",
        "no such model, which another check reports",
    ],
)
def test_preflight_reports_nothing_where_all_is_well(changed: dict[str, Any], parameters: dict[str, Any]) -> None:
    result = report(fake(**changed), **parameters)
    assert (result.findings, result.skipped) == ((), ())


def test_preflight_reports_all_problems_at_once() -> None:
    result = report(
        fake(
            rest___method_get={"value": []},
            provider_list=[],
            cognitiveservices_model_list=[],
            rest___method_post={"nameAvailable": False},
        ),
        location="norwayeast",
    )
    assert len([finding for finding in result.findings if not finding.warning]) >= 9
    assert not result.ready


def test_a_check_without_permission_is_reported_as_skipped_and_stops_nothing() -> None:
    result = report(
        fake(provider_list=AzureError("AuthorizationFailed", "The client 'ada' does not have authorization"))
    )
    assert result.skipped == (
        "The providers that the subscription has registered: AuthorizationFailed: (AuthorizationFailed) The client 'ada' does not have authorization",
    )
    assert result.ready


def test_without_a_login_preflight_says_so_and_does_the_checks_that_need_none() -> None:
    error = AzureError("x", "Please run 'az login' to setup account.")
    result = report(fake(account_show=error), backend="openAI")
    assert [finding.fix for finding in result.findings] == ["set it as OPENAI_API_KEY", "az login"]
    assert len(result.skipped) == 11


def test_preflight_reports_missing_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert [finding.what for finding in report(fake()).findings] == ["az is not on PATH", "npm is not on PATH"]
