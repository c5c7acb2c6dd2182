"""What is done with an environment step by step, and what ours says: in `make azure` with the real `az`, which is recorded, and in
`make test` with what it said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from infra.template import read
from tests.azure.cloud import OPERATOR, SUBSCRIPTION, RefusalError
from tests.azure.machine import Machine

RECORDINGS = Path(__file__).parent / "recorded"
SUBSCRIPTION_PATH = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{SUBSCRIPTION_PATH}/resourceGroups/chat-test"
THE_KEY = "sk-a-very-secret-key"


class Runs(Protocol):
    """What runs ours."""

    def infra(self, *words: str, typed: str = "", **environment: str) -> Any:
        """Run a command of ours."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command with its status, and what it must say and must not; `before` is what happens in Azure, where there is one."""

    words: str
    status: int
    says: tuple[str, ...]
    silent: tuple[str, ...] = ()
    typed: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[Machine], object] = lambda _azure: None

    def take(self, machine: Runs) -> None:
        """Run the command, and compare."""
        done = machine.infra(*self.words.split(), typed=self.typed, **self.environment)
        said = done.stdout + done.stderr
        missing = [each for each in self.says if each not in said]
        wrong = [each for each in (*self.silent, THE_KEY) if each in said]
        assert (done.returncode, missing, wrong) == (self.status, [], []), f"{self.words}\n{said}"


def exchanges_of(path: Path) -> list[dict[str, Any]]:
    """What `az` was asked and said in a recording."""
    exchanges: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return exchanges


def text_of(exchanges: list[dict[str, Any]]) -> str:
    """A recording, with one exchange a line."""
    return "[\n" + ",\n".join(map(json.dumps, exchanges)) + "\n]\n"


def _deployed(azure: Machine, called: str, /, **parameters: Any) -> None:
    """Deploy our template by another way than ours, such as the portal."""
    azure.cloud.put_group("chat-test", "westeurope")
    given = {key: {"value": value} for key, value in parameters.items()}
    azure.cloud.deploy("chat-test", called, {"properties": {"template": read(), "parameters": given}}, OPERATOR)


def _policy(azure: Machine) -> None:
    words = "Resource 'chat-x' was disallowed by policy. Policy identifiers: 'only-europe'."
    azure.cloud.failing["microsoft.web/staticsites"] = RefusalError(400, "RequestDisallowedByPolicy", words)


def _portal(azure: Machine) -> None:
    """First ours, then the portal's; and a vault of somebody else."""
    ours = {"name": "chat-p", "topology": "linked", "backend": "newAzureOpenAI"}
    _deployed(azure, "chat", **ours, requiredRole="old")
    chosen = {"requiredRole": "staff", "siteIpRanges": ["203.0.113.0/24"], "modelIpRanges": ["198.51.100.0/24"]}
    _deployed(azure, "Microsoft.Template-20261130120000", **ours, **chosen)
    azure.cloud.failing["microsoft.web/staticsites"] = RefusalError(
        500, "InternalServerError", "An error has occurred."
    )
    _deployed(azure, "Microsoft.Template-20261130130000", **ours, requiredRole="never")
    azure.cloud.failing.clear()
    azure.cloud.put(
        f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv-of-bob",
        "Microsoft.KeyVault/vaults",
        {"location": "westeurope"},
    )


def _lock(level: str) -> Callable[[Machine], object]:
    body = {"properties": {"level": level}}
    return lambda azure: azure.cloud.put(
        f"{GROUP}/providers/Microsoft.Authorization/locks/keep", "Microsoft.Authorization/locks", body
    )


def _unlock(azure: Machine) -> None:
    """The lock is removed, by somebody who gives the operator the group, and nothing around it."""
    azure.cloud.delete(f"{GROUP}/providers/Microsoft.Authorization/locks/keep")
    azure.cloud.grants = [(OPERATOR, GROUP, "Owner")]


def _hold(scope: str, role: str) -> Callable[[Machine], object]:
    return lambda azure: setattr(azure.cloud, "grants", [(OPERATOR, scope, role)])


LINKED = "--topology linked --name chat-x"
MANAGED = "--topology managed --name chat-x"
NOTHING = "nothing was changed: fix the errors above and try again"

WALKS: dict[str, tuple[Step, ...]] = {
    "nothing-is-there": (
        Step(
            f"deploy {LINKED} --dry-run",
            0,
            (
                "deploy     test: linked, newAzureOpenAI, to the resource group chat-test of the subscription Rehearsal",
                "chat-x-api          function app, Flex Consumption, Python 3.13, westeurope",
                "Static Web App, Standard, westeurope",
                "all resources are new",
                "nothing was changed (--dry-run)",
            ),
        ),
        Step("deploy", 1, ("chat-test-", "Deploy? [y/N]"), ("Error: Azure",), typed="n\n"),
        Step(
            f"preflight {MANAGED} --set siteIpRanges=203.0.113.0/24 --set signInClientId=ours",
            1,
            (
                "x your own sign-in registration needs the Standard plan\n    --set siteSku=Standard",
                "x ranges of addresses for the site need the Standard plan\n    --set siteSku=Standard",
                "the secret of your own sign-in registration is missing",
            ),
        ),
        Step("destroy", 1, ("there is no resource group chat-test, and nothing deleted that holds its name, in the subscription Rehearsal",)),
        Step("preview --as pr12", 1, ("what is deployed in chat-test cannot be read: az group list does not have it", "run make deploy first")),
        Step(
            f"deploy {LINKED} --yes",
            1,
            ("gpt-5.6-terra needs 50 thousand tokens a minute, and westeurope has 0 left", "another modelLocation", NOTHING),
            before=lambda azure: azure.cloud.quota.update({"gpt-5.6-terra": 0}),
        ),
    ),
    "a-deployment-fails": (
        Step(
            f"deploy {LINKED} --yes",
            1,
            ("disallowed by policy", "RequestDisallowedByPolicy", "ask the administrator of the policy named above"),
            before=_policy,
        ),
        # The topology of a deployment that left no site is nobody's.
        Step(f"deploy {MANAGED} --dry-run", 0, ("test: managed",), ("is deployed as",), before=lambda azure: azure.cloud.failing.clear()),
        Step("destroy --yes", 0, ("chat-test is deleted",), ("NOT DEPLOYED BY THIS APP",)),
    ),
    "a-deployment-goes-on": (
        Step(
            f"deploy {MANAGED} --yes",
            1,
            ("interrupted, but Azure goes on with the resources", "az deployment group cancel --resource-group chat-test --name chat"),
            before=Machine.interrupt_the_next_deployment,
        ),
        Step(
            f"deploy {MANAGED} --yes",
            1,
            ("Unable to edit or replace deployment 'chat'", "an earlier run is still deploying", "az deployment group cancel"),
        ),
        Step(f"deploy {MANAGED} --yes", 1, ("following scope(s) are locked", "az lock list --resource-group chat-test"), before=_lock("ReadOnly")),
    ),
    "what-others-deployed": (
        Step(
            "deploy --dry-run",
            0,
            (
                "deploy     test: linked, newAzureOpenAI",
                "the site from 203.0.113.0/24; questions need a sign-in and the role staff",
                "the model from 198.51.100.0/24",
                "modify   Microsoft.CognitiveServices/accounts/chat-p-openai",  # back from what the failed one changed
            ),
            before=_portal,
        ),
        Step(
            "preflight --set siteIpRanges=",
            0,
            ("the site, which only 203.0.113.0/24 may open, will be open to every address",),
        ),
        Step("preflight --topology managed", 1, ("chat-test is deployed as linked; a site cannot change its topology to managed",)),
        Step("preview --as pr12", 1, ("chat-p has a linked API, which previews do not support: preview a managed site",)),
        Step(
            "destroy --yes",
            1,
            ("kv-of-bob   NOT DEPLOYED BY THIS APP", "nothing was deleted: --yes is for what this app deployed, not for kv-of-bob"),
        ),
        Step("destroy", 1, ("to be purged: chat-p-openai, kv-of-bob", "nothing was deleted"), typed="yes\n"),
        Step(
            "destroy",
            1,
            ("chat-test is not deleted", "following scope(s) are locked", "az lock list --resource-group chat-test"),
            typed="chat-test\n",
            before=_lock("CanNotDelete"),
        ),
        Step(
            "deploy --yes",
            1,
            ("what is deployed in chat-test cannot be read: AuthorizationFailed", "Contributor on the group chat-test, or try again", NOTHING),
            before=_hold(GROUP, "All but reading deployments"),
        ),
        Step(
            "destroy",
            1,
            ("chat-test is deleted, but", "the name chat-p-openai is still held", "the name kv-of-bob is still held", "az keyvault purge --name kv-of-bob"),
            typed="chat-test\n",
            before=_unlock,
        ),
        Step(
            "destroy --yes",
            0,
            ("chat-test was deleted before; purged: chat-p-openai, kv-of-bob",),
            before=_hold(SUBSCRIPTION_PATH, "Owner"),
        ),
    ),
}  # fmt: skip
