"""Every command of ours, with the real Azure CLI and SWA CLI, against a fake of Azure's endpoints."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.template import BACKENDS, TEMPLATE, TOPOLOGIES
from tests.azure.cloud import SUBSCRIPTION, Cloud, RefusalError
from tests.azure.machine import Machine
from tests.azure.walks import RECORDINGS, exchanges_of, text_of

KEY = "sk-a-very-secret-key"
COMBINATIONS = list(itertools.product(TOPOLOGIES, BACKENDS))
THEIRS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/theirs/providers/Microsoft.CognitiveServices/accounts/their-openai"
)


#: What `az` says in these is kept, for those who have no `az`: tests/integration/test_recorded_azure.py.
RECORDED = {("managed", "newAzureOpenAI"), ("linked", "openAI")}


def compare(path: Path, exchanges: list[dict[str, Any]]) -> None:
    """Compare what `az` was asked and said with what is kept, or keep it: AZURE_WRITE=1 make azure."""
    if os.environ.get("AZURE_WRITE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text_of(exchanges), encoding="utf-8")
    assert exchanges == exchanges_of(path)


def options(azure: Machine, topology: str, backend: str) -> list[str]:
    """The options of a deployment; an existing model is in a group of its own, which stays."""
    words = ["--topology", topology, "--backend", backend, "--name", "chat-x"]
    if backend == "existingAzureOpenAI":
        azure.cloud.put_group("theirs", "swedencentral")
        properties = {"customSubDomainName": "their-openai", "endpoint": "https://their-openai.openai.azure.com/"}
        account = {"location": "swedencentral", "sku": {"name": "S0"}, "properties": properties}
        azure.cloud.put(THEIRS, "Microsoft.CognitiveServices/accounts", account)
        chat = {"sku": {"name": "GlobalStandard", "capacity": 10}, "properties": {"model": {"name": "gpt-5.1"}}}
        azure.cloud.put(f"{THEIRS}/deployments/chat", "Microsoft.CognitiveServices/accounts/deployments", chat)
        words += ["--set", "existingResourceName=their-openai", "--set", "existingResourceGroup=theirs"]
    return words


@pytest.mark.parametrize(("topology", "backend"), COMBINATIONS, ids=map("-".join, COMBINATIONS))
def test_every_combination_is_deployed_verified_previewed_and_removed(
    azure: Machine, topology: str, backend: str
) -> None:
    words = options(azure, topology, backend)
    secret = {"OPENAI_API_KEY": KEY} if backend == "openAI" else {}
    before = set(azure.cloud.resources)

    checked = azure.infra("preflight", *words, **secret)
    assert (checked.returncode, "0 errors" in checked.stdout, "0 not checked" in checked.stdout) == (0, True, True), (
        checked
    )

    deployed = azure.infra("deploy", *words, "--yes", "--wait", "0", **secret)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "all resources are new" in deployed.stdout
    for result in ("ok gate", "ok page", "ok api"):
        assert result in deployed.stdout
    invite = next(line for line in deployed.stdout.splitlines() if line.startswith("invite ")).split()[2:]
    invited = azure.az(*(word.replace("YOU@EXAMPLE.COM", "ada@contoso.example") for word in invite))
    assert "/.auth/invite" in json.loads(invited.stdout)["invitationUrl"], invited.stderr

    again = azure.infra("deploy", *words, "--yes", "--wait", "0", **secret)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "create  " not in again.stdout

    preview = azure.infra("preview", "--as", "pr12")
    if topology == "managed":
        assert preview.stdout.splitlines()[-1:] == ["https://chat-x-pr12.westeurope.azurestaticapps.net"], (
            preview.stderr
        )
        shown = azure.infra("verify", "https://chat-x-pr12.westeurope.azurestaticapps.net", "--without-session")
        assert shown.returncode == 0, shown.stdout
        assert azure.infra("preview", "--as", "pr12", "--remove").returncode == 0
    else:
        assert (preview.returncode, "preview a managed site" in preview.stderr) == (1, True)
    assert [name for name in azure.cloud.packages if "pr12" in name] == []

    removed = azure.infra("destroy", typed="chat-test\n")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert set(azure.cloud.resources) == before | (
        {THEIRS.lower(), f"{THEIRS.lower()}/deployments/chat"} if "existing" in backend else set()
    )
    assert (azure.cloud.deleted, "chat-test" in azure.cloud.groups) == ({}, False)
    if (topology, backend) in RECORDED:
        compare(RECORDINGS / f"{topology}-{backend}.json", azure.exchanges)
    nothing = azure.infra("destroy", typed="chat-test\n")
    assert "there is no resource group chat-test" in nothing.stderr

    said = [each.stdout + each.stderr for each in (checked, deployed, again, preview, removed)]
    assert [text for text in said if KEY in text or "token-of-" in text or "key-of-" in text] == []


@pytest.mark.parametrize(("topology", "target"), [("managed", "staticSites/chat-x"), ("linked", "sites/chat-x-api")])
def test_a_model_of_somebody_else_is_used_by_its_endpoint_and_key(azure: Machine, topology: str, target: str) -> None:
    endpoint = "https://somebody-elses.openai.azure.com/"
    words = ["--topology", topology, "--backend", "existingAzureOpenAI", "--name", "chat-x"]
    words += ["--set", f"existingEndpoint={endpoint}", "--set", "deploymentName=chat"]
    without = azure.infra("preflight", *words)
    assert (without.returncode, f"the key of {endpoint} is missing" in without.stdout) == (1, True)
    deployed = azure.infra("deploy", *words, "--yes", "--wait", "0", AZURE_OPENAI_API_KEY=KEY)
    assert (deployed.returncode, "ok api" in deployed.stdout) == (0, True), deployed.stdout + deployed.stderr
    group = azure.cloud.group("chat-test")["id"]
    settings = azure.cloud.get(f"{group}/providers/Microsoft.Web/{target}/config/appsettings")["properties"]
    kept = "@Microsoft.KeyVault(SecretUri=https://kv-chat-x.vault.azure.net/secrets/openai-api-key)"
    assert (settings["AZURE_OPENAI_ENDPOINT"], settings["AZURE_OPENAI_API_KEY"]) == (
        endpoint, KEY if topology == "managed" else kept,
    )  # fmt: skip
    assert KEY not in deployed.stdout + deployed.stderr
    known = azure.cloud.deployments[f"{group}/providers/Microsoft.Resources/deployments/chat".lower()]
    assert KEY not in json.dumps(known)


def test_what_the_portal_deployed_is_kept_by_a_deployment_of_ours(azure: Machine) -> None:
    chosen = {"name": "chat-p", "topology": "direct", "requiredRole": "staff", "modelIpRanges": ["203.0.113.0/24"]}
    given = json.dumps({name: {"value": value} for name, value in chosen.items()})
    azure.cloud.put_group("chat-test", "westeurope")
    words = ("--resource-group", "chat-test", "--name", "Microsoft.Template-20261130120000")
    template = ("--template-file", str(TEMPLATE), "--parameters", "@-")
    assert azure.az("deployment", "group", "create", *words, *template, typed=given).returncode == 0
    dry = azure.infra("deploy", "--dry-run")
    assert "deploy     test: direct, newAzureOpenAI" in dry.stdout, dry.stdout + dry.stderr
    assert "the model from 203.0.113.0/24" in dry.stdout
    assert "the role staff" in dry.stdout
    assert "create  " not in dry.stdout
    preview = azure.infra("preview", "--as", "pr1")
    assert "uses a direct app, which does not support previews" in preview.stderr


def _deleted_vault(cloud: Cloud) -> None:
    group = cloud.put_group("old", "westeurope")["id"]
    id_ = f"{group}/providers/Microsoft.KeyVault/vaults/kv-chat-x"
    cloud.put(id_, "Microsoft.KeyVault/vaults", {"location": "westeurope"})
    cloud.delete(id_)


#: What is wrong in Azure, and what preflight says of it and does about it, with the real `az` between them.
OBSTACLES: dict[str, tuple[Callable[[Cloud], object], str, str]] = {
    "no quota": (lambda cloud: cloud.quota.update({"gpt-5.6-terra": 0}), "has 0 left", "another modelLocation"),
    "a name of somebody else": (
        lambda cloud: cloud.taken.add("chat-x-api"),
        "already in use (AlreadyExists)",
        "NAME=…",
    ),
    "a provider": (
        lambda cloud: cloud.unregistered.add("microsoft.web"),
        "has not registered Microsoft.Web",
        "az provider register --namespace Microsoft.Web",
    ),
    "a deprecated model": (
        lambda cloud: setattr(cloud, "lifecycle", "Deprecated"),
        "is deprecated: a subscription that never used it may not deploy it",
        "docs/model-change.md",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_an_obstacle_is_named_with_its_fix_and_nothing_is_changed(azure: Machine, obstacle: str) -> None:
    prepare, what, fix = OBSTACLES[obstacle]
    prepare(azure.cloud)
    before = len(azure.calls)
    deployed = azure.infra("deploy", "--topology", "linked", "--name", "chat-x", "--yes")
    assert (deployed.returncode, what in deployed.stdout, fix in deployed.stdout) == (1, True, True), deployed.stdout
    assert [call for call in azure.calls[before:] if call.startswith(("PUT", "DELETE", "PATCH"))] == []


def test_a_deleted_vault_that_holds_the_name_is_named_and_purged_as_said(azure: Machine) -> None:
    _deleted_vault(azure.cloud)
    words = ["--topology", "linked", "--backend", "openAI", "--name", "chat-x"]
    refused = azure.infra("preflight", *words, OPENAI_API_KEY=KEY)
    fix = "az keyvault purge --name kv-chat-x"
    assert (refused.returncode, fix in refused.stdout) == (1, True), refused.stdout
    assert azure.az(*fix.split()[1:]).returncode == 0
    assert azure.infra("preflight", *words, OPENAI_API_KEY=KEY).returncode == 0


POLICY = RefusalError(
    400, "RequestDisallowedByPolicy", "Resource 'chat-x' was disallowed by policy. Policy identifiers: 'only-europe'."
)


@pytest.mark.parametrize(
    ("refused", "refusal", "words"),
    [
        ("microsoft.web/staticsites", POLICY, "ask the administrator of the policy named above"),
        (
            "microsoft.storage/storageaccounts",
            RefusalError(409, "StorageAccountAlreadyTaken", "The storage account named stchatx is already taken."),
            "choose another NAME",
        ),
        (
            "microsoft.cognitiveservices/accounts/deployments",
            RefusalError(400, "InsufficientQuota", "This operation requires 50 new capacity in quota."),
            "InsufficientQuota",
        ),
    ],
)
def test_what_azure_refuses_while_it_deploys_comes_with_its_fix(
    azure: Machine, refused: str, refusal: RefusalError, words: str
) -> None:
    azure.cloud.failing[refused] = refusal
    deployed = azure.infra("deploy", "--topology", "linked", "--name", "chat-x", "--yes")
    assert (deployed.returncode, words in deployed.stderr) == (1, True), deployed.stderr
    removed = azure.infra("destroy", typed="chat-test\n")
    assert (removed.returncode, azure.cloud.resources, azure.cloud.deleted) == (0, {}, {}), removed.stderr
