"""What preflight, deploy, preview and destroy say and do with some rights only, with the real `az`."""

from __future__ import annotations

import pytest

from tests.azure.cloud import OPERATOR, SUBSCRIPTION, Cloud
from tests.azure.machine import Machine
from tests.azure.test_azures_tools import KEY, options

EVERYWHERE = f"/subscriptions/{SUBSCRIPTION}"
GROUP, THEIRS = f"{EVERYWHERE}/resourceGroups/chat-test", f"{EVERYWHERE}/resourceGroups/theirs"


def hold(cloud: Cloud, *roles: tuple[str, str]) -> None:
    """Leave the operator these roles alone: each by its scope and name."""
    cloud.grants = [(OPERATOR, scope, name) for scope, name in roles]


def changed(azure: Machine, before: int) -> list[str]:
    """What was asked since, other than to read; a deployment may be validated and predicted."""
    asked = [call for call in azure.calls[before:] if call.startswith(("PUT", "DELETE", "PATCH"))]
    return [call for call in asked if "uploads." not in call]


def test_a_reader_is_told_whom_to_ask_and_removes_nothing(azure: Machine) -> None:
    azure.cloud.put_group("chat-test", "westeurope")
    hold(azure.cloud, (EVERYWHERE, "Reader"))
    before = len(azure.calls)
    refused = azure.infra("deploy", "--topology", "managed", "--name", "chat-x", "--yes")
    assert (refused.returncode, "may not create resources in chat-test" in refused.stdout) == (1, True), refused.stdout
    assert "ask for the role Contributor there" in refused.stdout
    assert changed(azure, before) == []
    stays = azure.infra("destroy", "--yes")
    assert (stays.returncode, "chat-test" in azure.cloud.groups) == (1, True)
    assert (
        "does not have authorization to perform action 'Microsoft.Resources/subscriptions/resourceGroups/delete'"
        in stays.stderr
    )
    assert "ask for the role Contributor on the group chat-test" in stays.stderr


def test_a_contributor_without_the_right_to_assign_roles_deploys_managed_alone(azure: Machine) -> None:
    hold(azure.cloud, (EVERYWHERE, "Contributor"))
    linked = azure.infra("preflight", "--topology", "linked", "--name", "chat-x")
    assert (linked.returncode, "0 not checked" in linked.stdout) == (1, True), linked.stdout
    assert "may not assign roles, which the topology linked needs for the app's identity" in linked.stdout
    assert "Role Based Access Control Administrator on the group chat-test, or use TOPOLOGY=managed" in linked.stdout
    deployed = azure.infra("deploy", "--topology", "managed", "--name", "chat-x", "--yes", "--wait", "0")
    assert (deployed.returncode, "ok api" in deployed.stdout) == (0, True), deployed.stdout + deployed.stderr
    removed = azure.infra("destroy", "--yes")
    assert (removed.returncode, azure.cloud.resources, azure.cloud.deleted) == (0, {}, {}), removed.stderr


def test_a_contributor_who_may_assign_roles_deploys_and_removes_linked(azure: Machine) -> None:
    hold(azure.cloud, (EVERYWHERE, "Contributor"), (EVERYWHERE, "Role Based Access Control Administrator"))
    words = ("--topology", "linked", "--backend", "openAI", "--name", "chat-x")
    deployed = azure.infra("deploy", *words, "--yes", "--wait", "0", OPENAI_API_KEY=KEY)
    assert (deployed.returncode, "ok api" in deployed.stdout) == (0, True), deployed.stdout + deployed.stderr
    hold(azure.cloud, (EVERYWHERE, "Contributor"))  # the roles in the group go with it
    removed = azure.infra("destroy", "--yes")
    assert (removed.returncode, azure.cloud.resources, azure.cloud.deleted) == (0, {}, {}), removed.stderr


#: What an environment needs of its group alone, and what stays of it.
ALONE = {
    "managed": ("Contributor", ("newAzureOpenAI",), "az cognitiveservices account purge --name chat-x-openai --resource-group chat-test"),
    "linked": ("Owner", ("openAI",), "az keyvault purge --name kv-chat-x"),
}  # fmt: skip


@pytest.mark.parametrize("topology", ALONE)
def test_with_rights_on_its_group_alone_an_environment_is_deployed_and_removed_but_not_purged(
    azure: Machine, topology: str
) -> None:
    role, (backend,), purge = ALONE[topology]
    azure.cloud.put_group("chat-test", "westeurope")
    hold(azure.cloud, (GROUP, role))
    words = ("--topology", topology, "--backend", backend, "--name", "chat-x")
    secret = {"OPENAI_API_KEY": KEY} if backend == "openAI" else {}
    checked = azure.infra("preflight", *words, **secret)
    assert (checked.returncode, "0 errors" in checked.stdout) == (3, True), checked.stdout
    assert "not checked: The names that must be unique in all of Azure: AuthorizationFailed" in checked.stdout
    deployed = azure.infra("deploy", *words, "--yes", "--wait", "0", **secret)
    assert (deployed.returncode, "ok api" in deployed.stdout) == (0, True), deployed.stdout + deployed.stderr
    removed = azure.infra("destroy", "--yes")
    assert (removed.returncode, azure.cloud.resources) == (1, {}), removed.stdout
    assert "chat-test is deleted, but\n  the name " in removed.stderr
    assert purge in removed.stderr
    again = azure.infra("destroy", "--yes")
    assert again.returncode == 1
    assert "the group chat-test does not exist, or nothing in it may be read" in again.stderr
    fresh = azure.infra("preflight", *words, **secret)
    assert (fresh.returncode, "the group chat-test does not exist, or nothing in it may be read" in fresh.stdout) == (
        1,
        True,
    )
    assert "az group create --name chat-test" in fresh.stdout


def test_without_rights_in_the_group_of_the_model_nothing_begins(azure: Machine) -> None:
    words = options(azure, "linked", "existingAzureOpenAI")
    azure.cloud.put_group("chat-test", "westeurope")
    hold(azure.cloud, (GROUP, "Owner"), (THEIRS, "Reader"))
    before = len(azure.calls)
    refused = azure.infra("deploy", *words, "--yes")
    assert refused.returncode == 1
    assert "may not deploy to the group theirs, where the app gets its role for their-openai" in refused.stdout
    assert "may not assign roles in the group theirs" in refused.stdout
    assert changed(azure, before) == []
    # Who goes on nevertheless meets Azure's own refusal, before anything is created.
    given = '{"name": {"value": "chat-x"}, "topology": {"value": "linked"}, "backend": {"value": "existingAzureOpenAI"}, "existingResourceName": {"value": "their-openai"}, "existingResourceGroup": {"value": "theirs"}}'
    direct = azure.az("deployment", "group", "create", "--resource-group", "chat-test", "--name", "chat", "--template-file", "infra/azuredeploy.json", "--parameters", "@-", typed=given)  # fmt: skip
    assert "Authorization failed for template resource" in direct.stderr
    assert list(azure.cloud.of("microsoft.web/sites")) == []


def test_roles_that_may_not_be_removed_elsewhere_are_named_and_the_rest_is_removed(azure: Machine) -> None:
    words = options(azure, "linked", "existingAzureOpenAI")
    azure.cloud.put_group("chat-test", "westeurope")
    hold(azure.cloud, (GROUP, "Owner"), (THEIRS, "Owner"))
    deployed = azure.infra("deploy", *words, "--yes", "--wait", "0")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    hold(azure.cloud, (GROUP, "Owner"), (THEIRS, "Reader"))
    removed = azure.infra("destroy", "--yes")
    assert (removed.returncode, "chat-test" in azure.cloud.groups) == (1, False), removed.stdout
    (left,) = azure.cloud.of("microsoft.authorization/roleassignments")
    assert "chat-test is deleted, but\n  roles of its app are left elsewhere" in removed.stderr
    command = f"az role assignment delete --ids {left['id']}"
    assert command in removed.stderr
    hold(azure.cloud, (THEIRS, "Role Based Access Control Administrator"))
    assert azure.az(*command.split()[1:]).returncode == 0
    assert azure.cloud.of("microsoft.authorization/roleassignments") == []


@pytest.mark.parametrize("rights", ["as the document says", "without the group"])
def test_a_preview_needs_the_site_and_what_is_remembered_in_its_group(azure: Machine, rights: str) -> None:
    """docs/deploy.md: Contributor on the site alone, and Reader on the group."""
    deployed = azure.infra("deploy", "--topology", "managed", "--name", "chat-x", "--yes", "--wait", "0")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    site = f"{GROUP}/providers/Microsoft.Web/staticSites/chat-x"
    group = [(GROUP, "Reader")] if rights == "as the document says" else []
    hold(azure.cloud, (site, "Contributor"), *group)
    preview = azure.infra("preview", "--as", "pr12")
    if group:
        assert preview.stdout.splitlines()[-1:] == ["https://chat-x-pr12.westeurope.azurestaticapps.net"], (
            preview.stderr
        )
        assert azure.infra("preview", "--as", "pr12", "--remove").returncode == 0
    else:
        assert (preview.returncode, "Reader on the group chat-test" in preview.stderr) == (1, True), preview.stderr
    assert [name for name in azure.cloud.packages if "pr12" in name] == []
