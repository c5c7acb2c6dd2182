"""Each way to replace a key that docs/keys.md names, by its own commands and the real `az`: afterwards the app answers, and the
old key is worth nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

from tests.azure.cloud import OPERATOR
from tests.azure.machine import Machine

ROOT = Path(__file__).parents[2]
OLD, NEW = "sk-the-old-key", "sk-the-new-key"
OPENAI, FOREIGN = "api.openai.com", "somebody-elses.openai.azure.com"
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "stream": True}
#: What somebody has in place of what the document leaves open.
HERE = {
    "RESOURCE": "chat-x-openai",
    "kv-NAME": "kv-chat-x",
    "OBJECT_ID": OPERATOR,
    "--assignee-principal-type User": "--assignee-principal-type ServicePrincipal",
    "--name SITE": "--name chat-x",
}
_BLOCK = re.compile(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```console needs-azure\n(.*?)^```", re.MULTILINE | re.DOTALL)


def documented() -> dict[str, list[str]]:
    """The commands of each part of the document."""
    text = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    for name, here in HERE.items():
        text = text.replace(name, here)
    return {title: re.findall(r"^\$ (.+)$", block, re.MULTILINE) for title, block in _BLOCK.findall(text)}


def deploy(azure: Machine, *words: str, **secrets: str) -> None:
    deployed = azure.infra("deploy", *words, "--name", "chat-x", "--yes", "--wait", "0", **secrets)
    assert (deployed.returncode, "ok api" in deployed.stdout) == (0, True), deployed.stdout + deployed.stderr


def walk(azure: Machine, title: str, typed: str = "") -> str:
    """Type the commands of a part of the document, and what they ask for."""
    done = azure.shell("\n".join(documented()[title]), typed)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def asked(azure: Machine) -> str:
    """What the deployed app answers to a question; an error by its code."""
    with azure.browser() as browser:
        browser.get("/.auth/login/aad?persona=alice")
        body, headers, url = json.dumps(QUESTION), {"content-type": "application/json"}, "/api/chat/completions"
        if json.loads(browser.get("/api/config").text)["delivery"] == "direct":
            ticket = browser.post("/api/chat/ticket", json={"sha256": hashlib.sha256(body.encode()).hexdigest()}).json()
            url, headers["x-chat-ticket"] = ticket["url"], ticket["ticket"]
            # Behind its host the site is one on loopback, for which it issues tickets.
            headers["origin"] = json.loads(base64.urlsafe_b64decode(ticket["ticket"].partition(".")[0]))["origin"]
        answer = browser.post(url, content=body, headers=headers)
    codes = re.findall(r'"code": ?"(\w+)"', answer.text)
    return codes[0] if codes else "answered" if "[DONE]" in answer.text else answer.text


def taken(azure: Machine, host: str, key: str) -> int:
    """The status with which a model's host answers to a key."""
    path = "/v1" if host == OPENAI else "/openai/v1"
    with azure.browser() as browser:
        model = {"model": "gpt-5.6-terra", "messages": QUESTION["messages"]}
        headers = {"api-key": key, "authorization": f"Bearer {key}"}
        return browser.post(f"https://{host}{path}/chat/completions", json=model, headers=headers).status_code


def setting(azure: Machine, resource: str, name: str) -> str:
    id_ = f"{azure.cloud.group('chat-test')['id']}/providers/Microsoft.Web/{resource}/config/appsettings"
    return str(azure.cloud.get(id_)["properties"][name])


def test_every_part_of_the_document_is_walked() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [title for title in documented() if source.count(f'"{title}"') != 1] == []
    assert len(documented()) == 6


def test_your_own_azure_openai_managed(azure: Machine) -> None:
    deploy(
        azure,
        "--topology",
        "managed",
        "--set",
        "siteSku=Standard",
        "--set",
        "signInClientId=ours",
        SIGN_IN_CLIENT_SECRET=OLD,
    )
    account = azure.cloud.of("microsoft.cognitiveservices/accounts")[0]
    host, old = "chat-x-openai.openai.azure.com", azure.cloud.keys_of(account)["key1"]
    assert (asked(azure), taken(azure, host, old)) == ("answered", 200)
    commands = documented()["Your Azure OpenAI, `managed`"]
    renewed = azure.shell(commands[0])
    assert (renewed.returncode, renewed.stdout) == (0, ""), renewed.stderr
    assert (asked(azure), taken(azure, host, old)) == ("model_access_refused", 401)
    again = azure.shell("\n".join(commands[1:]), "y\n")
    assert again.returncode == 0, again.stdout + again.stderr
    new = azure.cloud.keys_of(account)["key1"]
    assert (asked(azure), taken(azure, host, new), taken(azure, host, old)) == ("answered", 200, 401)
    assert [key for key in (old, new) if key in again.stdout + again.stderr] == []
    assert setting(azure, "staticSites/chat-x", "AZURE_CLIENT_SECRET") == OLD  # kept, though it was not given

    said = walk(azure, "The secret of your own sign-in", f"{NEW}\ny\n")
    assert (setting(azure, "staticSites/chat-x", "AZURE_CLIENT_SECRET"), NEW in said) == (NEW, False)
    assert asked(azure) == "answered"

    site = azure.cloud.of("microsoft.web/staticsites")[0]
    old = azure.cloud.token_of(site)
    walk(azure, "The deployment token of the site")
    with azure.browser() as browser:
        upload = "https://uploads.azurestaticapps.rehearsal/upload/production"
        assert browser.post(upload, content=b"x", headers={"authorization": old}).status_code == 401
    deploy(azure)
    assert asked(azure) == "answered"


def test_a_key_in_a_vault(azure: Machine) -> None:
    azure.cloud.foreign[OPENAI] = {OLD}
    deploy(azure, "--topology", "linked", "--backend", "openAI", OPENAI_API_KEY=OLD)
    assert asked(azure) == "answered"
    azure.cloud.foreign[OPENAI] = {OLD, NEW}
    assign, write = documented()["A key in the vault"]
    refused = azure.shell(write, NEW)
    assert (refused.returncode, "ForbiddenByRbac" in refused.stderr) == (1, True), refused.stderr
    assigned, written = azure.shell(assign), azure.shell(write, NEW)
    assert (assigned.returncode, written.returncode, written.stdout) == (0, 0, ""), assigned.stderr + written.stderr
    azure.cloud.foreign[OPENAI] = {NEW}  # revoked where it was made
    assert (asked(azure), taken(azure, OPENAI, OLD)) == ("answered", 401)
    shown = azure.az("keyvault", "secret", "show", "--vault-name", "kv-chat-x", "--name", "openai-api-key")
    assert json.loads(shown.stdout)["value"] == NEW
    deploy(azure)  # without a key: the one in the vault stays
    assert asked(azure) == "answered"


def test_openais_key_by_a_deployment(azure: Machine) -> None:
    azure.cloud.foreign[OPENAI] = {OLD}
    deploy(azure, "--topology", "managed", "--backend", "openAI", OPENAI_API_KEY=OLD)
    deploy(azure)  # without a key: the one of the site stays
    assert asked(azure) == "answered"
    azure.cloud.foreign[OPENAI] = {NEW}
    assert asked(azure) == "model_access_refused"
    said = walk(azure, "OpenAI's key", f"{NEW}\ny\n")
    assert (asked(azure), taken(azure, OPENAI, OLD), NEW in said) == ("answered", 401, False)


def test_the_key_of_an_endpoint_of_somebody_else_and_that_of_tickets(azure: Machine) -> None:
    azure.cloud.foreign[FOREIGN] = {OLD}
    endpoint = ("--set", f"existingEndpoint=https://{FOREIGN}/", "--set", "deploymentName=chat")
    deploy(azure, "--topology", "direct", "--backend", "existingAzureOpenAI", *endpoint, AZURE_OPENAI_API_KEY=OLD)
    assert asked(azure) == "answered"
    tickets = setting(azure, "sites/chat-x-api", "TICKET_KEY")
    azure.cloud.foreign[FOREIGN] = {NEW}
    said = walk(azure, "The key of an Azure OpenAI endpoint in another subscription", f"{NEW}\ny\n")
    assert (asked(azure), taken(azure, FOREIGN, OLD), NEW in said) == ("answered", 401, False)
    assert setting(azure, "sites/chat-x-api", "TICKET_KEY") != tickets
    # The key of one endpoint is not sent to another.
    azure.cloud.foreign["another.openai.azure.com"] = {NEW}
    other = azure.infra("preflight", "--set", "existingEndpoint=https://another.openai.azure.com/")
    assert (other.returncode, "the key of https://another.openai.azure.com/ is missing" in other.stdout) == (1, True)


def test_who_is_invited_is_listed_and_loses_a_role(azure: Machine) -> None:
    """docs/access.md: an invitation, and how a role is withdrawn."""
    deploy(azure, "--topology", "managed")
    text = (ROOT / "docs" / "access.md").read_text(encoding="utf-8").replace("SITE", "chat-x")
    (invite,) = re.findall(r"^\$ (az staticwebapp users invite .+)$", text, re.MULTILINE)
    (withdraw,) = re.findall(r"`(az staticwebapp users update .+?)`", text)
    for command in (invite, withdraw):
        done = azure.shell(command)
        assert done.returncode == 0, done.stderr
    (user,) = json.loads(
        azure.az("staticwebapp", "users", "list", "--name", "chat-x", "--resource-group", "chat-test").stdout
    )
    assert (user["displayName"], user["roles"]) == ("ada@contoso.com", "")


def test_a_vault_that_may_not_be_purged_keeps_its_name_and_the_day_is_said(azure: Machine) -> None:
    words = ("--topology", "linked", "--backend", "openAI", "--name", "chat-x")
    group = azure.cloud.put_group("chat-test", "westeurope")["id"]
    id_ = f"{group}/providers/Microsoft.KeyVault/vaults/kv-chat-x"
    protected = {"location": "westeurope", "properties": {"enablePurgeProtection": True}}
    azure.cloud.put(id_, "Microsoft.KeyVault/vaults", protected)
    removed = azure.infra("destroy", typed="chat-test\n")
    assert (removed.returncode, "Operation 'DeletedVaultPurge' is not allowed" in removed.stderr) == (1, True)
    assert "it is protected until then: choose another NAME" in removed.stderr
    checked = azure.infra("preflight", *words, OPENAI_API_KEY=OLD)
    assert "a deleted Key Vault still holds the name kv-chat-x" in checked.stdout
    assert "it may not be purged before 2026-12-07: choose another NAME=…" in checked.stdout
