"""What makes a deployment fail, each in Azure's own words, and each reported before anything is changed."""

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
from infra.azure import Azure, AzureError, azure_error
from infra.expressions import TemplateError
from infra.findings import PreflightReport
from infra.plan import Choice, ExistingDeployment, make_plan, parse_parameter, resolve_parameters
from infra.preflight import preflight
from infra.retirement import load_models, read_on

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


@pytest.mark.parametrize(
    ("today", "what"),
    [
        (date(2027, 7, 14), None),
        (date(2027, 7, 15), "retires on 2028-01-11, in 180 days"),
        (date(2028, 1, 11), "retired on 2028-01-11"),
    ],
)
def test_preflight_warns_180_days_before_a_model_retires(today: date, what: str | None) -> None:
    choice = Choice("test")
    plan = make_plan(resolve_parameters(choice, ExistingDeployment(), {}), choice.group, today)
    result = preflight(fake(), plan)
    expected = [f"gpt-5.6-terra 2026-07-09 {what}"] if what else []
    assert [finding.what for finding in result.findings] == expected
    assert result.ready is (today < date(2028, 1, 11))


def _listed(**changed: Any) -> Azure:
    return fake(cognitiveservices_model_list=[{"model": {**MODEL["model"], **changed}}])


def test_azures_own_date_goes_before_the_files_and_that_of_the_sku_before_the_models() -> None:
    plan = make_plan(resolve_parameters(Choice("test"), ExistingDeployment(), {}), "chat-test", date(2026, 12, 1))
    skus = [{**MODEL["model"]["skus"][0], "deprecationDate": "2027-02-01T00:00:00Z"}]
    for changed, words in (
        ({"deprecation": {"inference": "2027-03-01T00:00:00Z"}}, "retires on 2027-03-01, in 90 days"),
        ({"skus": skus}, "retires on 2027-02-01, in 62 days"),
    ):
        assert [each.what for each in preflight(_listed(**changed), plan).findings] == [
            f"gpt-5.6-terra 2026-07-09 {words}"
        ]


def test_without_azures_dates_the_files_are_used_and_said_to_be_old() -> None:
    def words(azure: Azure, today: date, **parameters: Any) -> list[str]:
        resolved = resolve_parameters(Choice("test", parameters=parameters), ExistingDeployment(), {})
        return [each.what for each in preflight(azure, make_plan(resolved, "chat-test", today)).findings]

    no_dates = _listed(deprecation=None)
    signed_out = fake(account_show=AzureError("NotLoggedIn", "Please run 'az login' to setup account."))
    fresh, old = date(2026, 12, 1), date(2026, 12, 2)
    assert words(no_dates, fresh) == []
    assert words(no_dates, old) == ["the dates in infra/models.json were read 91 days ago"]
    assert words(signed_out, old)[1:] == ["the dates in infra/models.json were read 91 days ago"]
    retiring = words(signed_out, fresh, modelName="gpt-5", modelVersion="2025-08-07")
    assert retiring[1:] == ["gpt-5 2025-08-07 retires on 2027-02-09, in 70 days"]
    unknown = words(signed_out, fresh, modelName="gpt-9")
    assert unknown[1:] == ["infra/models.json does not list gpt-9 2026-07-09"]
    no_models = fake(cognitiveservices_model_list=AzureError("AuthorizationFailed", "No."))
    assert words(no_models, old)[0] == "the dates in infra/models.json were read 91 days ago"


def test_a_deprecated_model_is_an_error_where_nothing_is_deployed_yet() -> None:
    deprecated = _listed(lifecycleStatus="Deprecated")
    assert not report(deprecated).ready
    ours = fake(
        cognitiveservices_model_list=[{"model": {**MODEL["model"], "lifecycleStatus": "Deprecated"}}],
        resource_list=[{"name": "chat-test-aa40-openai"}],
    )
    resolved = resolve_parameters(Choice("test", name="chat-test-aa40"), ExistingDeployment(), {})
    again = preflight(ours, make_plan(resolved, "chat-test", TODAY))
    assert (again.ready, [each.warning for each in again.findings]) == (True, [True])


def test_the_default_model_lives_for_another_year_from_the_day_of_the_table() -> None:
    assert load_models()[0].days_left(read_on()) > 365


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
    ("an error of an unknown form", "Unknown"),
]


@pytest.mark.parametrize(("stderr", "code"), REFUSALS, ids=[code for _, code in REFUSALS])
def test_an_error_of_az_has_azures_own_code(stderr: str, code: str) -> None:
    assert azure_error(stderr).code == code


# --- the plan ----------------------------------------------------------------------------------------------------------


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
