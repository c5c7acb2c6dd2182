"""What Azure refuses and predicts, in words; the texts are those of public reports."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from infra.azure import Azure, azure_error
from infra.deploy import DeployError, changes
from infra.refusals import refusal, refused_resources

GROUP = "/subscriptions/s/resourceGroups/chat-test"
LINK = f"{GROUP}/providers/Microsoft.Web/staticSites/chat-x/linkedBackends/api"


def fake(**answers: Any) -> Azure:
    """An `az` that answers by the first words of a command; a text is an error."""

    def run(arguments: Sequence[str], stdin: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        del stdin, timeout_s
        answer = answers.get("_".join(arguments[:3]).replace("-", ""))
        if isinstance(answer, str):
            return subprocess.CompletedProcess(arguments, 1, "", answer)
        return subprocess.CompletedProcess(arguments, 0, json.dumps(answer), "")

    return Azure(run)


def failed(code: str, message: str, target: str | None = None) -> str:
    """As `az` prints a deployment in which one resource failed."""
    outer = "At least one resource deployment operation failed. Please list deployment operations for details."
    details = [{"code": code, "message": message, "target": target}]
    return json.dumps({"status": "Failed", "error": {"code": "DeploymentFailed", "message": outer, "details": details}})


def linked(message: str) -> str:
    """As Static Web Apps writes an error: JSON in the message."""
    return failed(
        "BadRequest", json.dumps({"Code": "BadRequest", "Message": message, "Details": [{"Message": "x"}]}), LINK
    )


REPORTED = {
    "a subscription without Azure OpenAI": (
        "ERROR: InvalidTemplateDeployment: The template deployment 'openai' is not valid according to the validation procedure. "
        "See inner errors for details.\nSpecialFeatureOrQuotaIdRequired: The subscription does not have QuotaId/Feature "
        "required by SKU 'S0' from kind 'OpenAI' or contains blocked QuotaId/Feature.",
        "does not have QuotaId/Feature required by SKU 'S0' from kind 'OpenAI'",
        "may not create Azure OpenAI resources",
    ),
    "a link by hand": (
        linked("One Static Web App can not have more than one linked backend."),
        "  Microsoft.Web/staticSites/chat-x/linkedBackends/api: One Static Web App can not have more than one linked backend. (BadRequest)\n",
        "az staticwebapp backends unlink --name SITE --resource-group chat-test",
    ),
    "an app in a region that sites do not know": (
        linked("Cannot find RegionalGeomaster with name southcentralus"),
        "linkedBackends/api: Cannot find RegionalGeomaster with name southcentralus (BadRequest)\n",
        "--set location=ANOTHER",
    ),
    "a link that fails": (
        failed("InternalServerError", '{"Message":"An error has occurred."}', LINK),
        "linkedBackends/api: An error has occurred. (InternalServerError)\n",
        "TOPOLOGY=direct, which is not linked",
    ),
    "a subscription of a student": (
        failed("RequestDisallowedByAzure", "Resource 'chat-x' was disallowed by Azure: This policy maintains a set of best available regions"),
        "Resource 'chat-x' was disallowed by Azure",
        "some regions only",
    ),
    "a text of another form": ("ERROR: (Strange) What", "Strange: (Strange) What", "az deployment operation group list"),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTED)
def test_a_refusal_has_azures_reason_and_a_fix_and_no_json(name: str) -> None:
    stderr, reason, fix = REPORTED[name]
    text = refusal(fake(), azure_error(stderr), "chat-test")
    assert reason in text
    assert fix in text.splitlines()[-1] or fix in text.splitlines()[-2]
    assert "{" not in text


def test_every_resource_that_failed_has_its_line_once() -> None:
    details = [
        {"code": "InsufficientQuota", "message": "This operation require 120 new capacity", "target": f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/x"},
        {"code": "Conflict", "message": json.dumps({"error": {"code": "VaultAlreadyExists", "message": "The name is in use"}})},
        {"code": "Conflict", "message": json.dumps({"error": {"code": "VaultAlreadyExists", "message": "The name is in use"}})},
    ]  # fmt: skip
    text = refusal(fake(), azure_error(json.dumps({"error": {"code": "DeploymentFailed", "details": details}})), "g")
    assert text.splitlines() == [
        "  Microsoft.CognitiveServices/accounts/x: This operation require 120 new capacity (InsufficientQuota)",
        "  The name is in use (VaultAlreadyExists)",
        "use a smaller modelCapacity, another modelLocation, or ask for more quota",
        "choose another NAME; this one is already in use, or was deleted but not purged",
    ]


def test_an_error_that_says_only_that_something_failed_is_looked_up() -> None:
    stderr = "ERROR: (DeploymentFailed) At least one resource deployment operation failed. Please list deployment operations for details."
    status = {"status": "Failed", "error": {"code": "StorageAccountAlreadyTaken", "message": "The name is taken."}}
    operations = [
        {"properties": {"provisioningState": "Succeeded", "statusMessage": None}},
        {
            "properties": {
                "provisioningState": "Failed",
                "statusMessage": status,
                "targetResource": {"id": f"{GROUP}/providers/Microsoft.Storage/storageAccounts/chatx"},
            }
        },
    ]
    assert refusal(fake(deployment_operation_group=operations), azure_error(stderr), "g").splitlines() == [
        "  Microsoft.Storage/storageAccounts/chatx: The name is taken. (StorageAccountAlreadyTaken)",
        "choose another NAME; this one is already in use",
    ]
    text = refusal(fake(deployment_operation_group="ERROR: (AuthorizationFailed) no"), azure_error(stderr), "g")
    assert text.endswith("az deployment operation group list --resource-group g --name chat")


# --- what Azure predicts ---------------------------------------------------------------------------------------------


def test_predictions_are_in_words() -> None:
    site = f"{GROUP}/providers/Microsoft.Web/staticSites/chat-x"
    role = f"[extensionResourceId('{site}', 'Microsoft.Authorization/roleAssignments', guid(reference('{site}').id))]"
    prediction = {
        "changes": [
            {"changeType": "Modify", "resourceId": site},
            {"changeType": "NoChange", "resourceId": f"{site}/config/appsettings"},
            {"changeType": "Ignore", "resourceId": f"{GROUP}/providers/Microsoft.Other/x/y"},
            {"changeType": "Unsupported", "resourceId": role, "unsupportedReason": "cannot be analyzed"},
            {"changeType": "Unsupported", "unsupportedReason": "cannot be analyzed"},
        ],
        "potentialChanges": [{"changeType": "Delete", "resourceId": f"{GROUP}/providers/Microsoft.Web/sites/old"}],
    }
    assert changes(fake(group_exists_name=True, deployment_group_whatif=prediction), "chat-test", {}) == [
        "modify   Microsoft.Web/staticSites/chat-x",
        "unclear  Microsoft.Authorization/roleAssignments: Azure knows only while it deploys",
        "unclear  a resource without a name yet: Azure knows only while it deploys",
        "delete   Microsoft.Web/sites/old, perhaps",
    ]


def test_a_prediction_that_azure_refuses_has_its_fix() -> None:
    azure = fake(group_exists_name=True, deployment_group_whatif=failed("InsufficientQuota", "no capacity"))
    with pytest.raises(
        DeployError,
        match=r"^Azure does not say what would change\.\n  no capacity \(InsufficientQuota\)\nuse a smaller",
    ):
        changes(azure, "chat-test", {})


def test_errors_that_stand_by_themselves_are_read_and_the_outer_one_is_left_out() -> None:
    outer = '{"code": "DeploymentFailed", "message": "At least one resource deployment operation failed."}'
    inner = '{"code": "InsufficientQuota", "message": "This operation requires 50 new capacity in quota."}'
    text = f"{outer} Inner Errors: {inner} {inner}"
    assert list(map(str, refused_resources(text))) == [
        "This operation requires 50 new capacity in quota. (InsufficientQuota)"
    ]
    assert [each.code for each in refused_resources(outer)] == ["DeploymentFailed"]


# --- the errors of `az` ------------------------------------------------------------------------------------------------

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
    # `az` itself fails with this refusal, and prints where.
    (
        "ERROR: The command failed with an unexpected error. Here is the traceback:\nERROR: The content for this response was already consumed\n"
        "azure.core.exceptions.ResourceExistsError: (DeploymentActive) Unable to edit or replace deployment 'chat'.\nCode: DeploymentActive\n"
        "Message: Unable to edit or replace deployment 'chat'.\nRuntimeError: The content for this response was already consumed",
        "DeploymentActive",
    ),
    ("ERROR: Operation returned an invalid status 'Forbidden'", "AuthorizationFailed"),
    # As `az rest` prints what Static Web Apps writes.
    (
        'ERROR: Not Found({"Code":"NotFound","Message":"Cannot find StaticSiteBuild with name pr12.","Target":null})',
        "NotFound",
    ),
    ("an error of an unknown form", "Unknown"),
]


@pytest.mark.parametrize(("stderr", "code"), REFUSALS, ids=[code for _, code in REFUSALS])
def test_an_error_of_az_has_azures_own_code(stderr: str, code: str) -> None:
    assert azure_error(stderr).code == code
