"""Both pipelines from nothing: set up with the commands that docs/deploy.md prints, then run, to a site that answers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure_tools import ACTIONS

from tests.azure.cloud import SUBSCRIPTION, TENANT
from tests.azure.machine import ROOT, Machine
from tests.azure.pipelines import AzurePipelines, Expressions, GitHub, InvalidError, Run

KEY = "sk-a-very-secret-key"
SITE = "https://{}.westeurope.azurestaticapps.net"
DEPLOYING = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8").partition("\n## From a pipeline\n")[2]
#: The set-up of deployments from GitHub, and of previews.
DEPLOYMENTS, PREVIEWS = re.findall(r"^```console needs-azure\n(.+?)```", DEPLOYING, re.MULTILINE | re.DOTALL)[:2]


@pytest.fixture
def expressions() -> Iterator[Expressions]:
    with Expressions(ACTIONS) as found:
        yield found


@pytest.fixture
def github(azure: Machine, expressions: Expressions, tmp_path: Path) -> GitHub:
    """A fresh fork: it has no variables and no environments."""
    (folder := tmp_path / "runs").mkdir()
    return GitHub(azure, expressions, folder)


@pytest.fixture
def project(azure: Machine, expressions: Expressions, tmp_path: Path) -> AzurePipelines:
    """A fresh project of Azure DevOps with this repository."""
    (folder := tmp_path / "runs").mkdir()
    return AzurePipelines(azure, expressions, folder)


class Operator:
    """Types a block of commands, with what the commands before it printed in place of its names; `names` are those."""

    def __init__(self, azure: Machine, **names: str) -> None:
        self._azure = azure
        self.names = {"OWNER/NAME": GitHub.NAME, "/subscriptions/ID": f"/subscriptions/{SUBSCRIPTION}", **names}

    def types(self, block: str, *only: str) -> None:
        """Type the commands of a block; `only` those with one of these words."""
        for line in block.splitlines():
            command, _, note = line.removeprefix("$ ").partition("#")
            if only and not any(word in command for word in only):
                continue
            printed = json.loads(self._run(command))
            self.names |= {name: printed[member] for member, name in re.findall(r"(\w+): ([A-Z_]+) below", note)}

    def _run(self, command: str) -> str:
        if command.startswith("gh api "):  # no registry has GitHub's own tool
            assert command.split() == ["gh", "api", "repos/OWNER/NAME/actions/oidc/customization/sub"]
            return json.dumps({"use_default": True, "sub_claim_prefix": GitHub.SUBJECT})
        for name in sorted(self.names, key=len, reverse=True):
            command = command.replace(name, self.names[name])
        done = subprocess.run(
            ["bash", "-ec", command], env=self._azure.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, command + done.stderr
        return done.stdout


def set_up(github: GitHub) -> Operator:
    """What the document asks for: the commands, then the variables of the repository."""
    operator = Operator(github.machine)
    operator.types(DEPLOYMENTS)
    github.environments["test"] = {}
    identity = {"AZURE_TENANT_ID": TENANT, "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION}
    github.variables = {**identity, "AZURE_CLIENT_ID": operator.names["APP_ID"]}
    return operator


def dispatch(**inputs: str) -> dict[str, Any]:
    return {"inputs": inputs, "refs": {"ref": "refs/heads/main"}}


def pull_request(action: str, head: str = GitHub.NAME) -> dict[str, Any]:
    refs = {"ref": "refs/pull/12/merge", "base_ref": "main"}
    return {"action": action, "number": 12, "pull_request": {"head": {"repo": {"full_name": head}}}, "refs": refs}


def verified(azure: Machine, name: str) -> bool:
    shown = azure.infra("verify", SITE.format(name), "--without-session")
    return shown.returncode == 0 and "ok api" in shown.stdout


def test_a_fresh_fork_deploys_shows_a_preview_and_removes_it(github: GitHub) -> None:
    operator = set_up(github)
    deployed = github.run("deploy", "workflow_dispatch", dispatch(environment="test", topology="managed"))
    assert (deployed.failed, deployed.group) == (False, "deploy-test"), deployed.output
    assert deployed.commands[:2] == ["deploy: make sign-in", "deploy: make package"]
    (site,) = github.machine.cloud.of("microsoft.web/staticsites")
    operator.names["staticSites/SITE"] = f"staticSites/{site['name']}"
    operator.types(PREVIEWS)
    assert operator.names["PREVIEW_APP_ID"] != operator.names["APP_ID"]
    github.environments["preview"] = {"AZURE_CLIENT_ID": operator.names["PREVIEW_APP_ID"]}
    shown = github.run("deploy", "pull_request", pull_request("opened"))
    assert (shown.failed, shown.notices, shown.group) == (False, [], "deploy-12"), shown.output
    assert shown.summary == f"{SITE.format(site['name'] + '-pr12')}\n"
    assert verified(github.machine, f"{site['name']}-pr12")
    for _ in range(2):  # the second as where the preview had failed
        closed = github.run("deploy", "pull_request", pull_request("closed"))
        assert (closed.failed, closed.commands[-1]) == (False, 'preview: make preview AS="pr$NUMBER" ARGS=--remove'), (
            closed.output
        )
    assert [name for name in github.machine.cloud.packages if "pr12" in name] == []
    assert verified(github.machine, site["name"])


def test_a_pull_request_of_a_fork_gets_no_preview_and_is_told_why(github: GitHub) -> None:
    set_up(github)
    run = github.run("deploy", "pull_request", pull_request("opened", head="mallory/chat"))
    assert (run.failed, len(run.steps)) == (False, 1)
    assert run.notices == ["a pull request from a fork gets none, because a preview runs the branch's code"]
    assert github.run("deploy", "pull_request", pull_request("closed", head="mallory/chat")).steps == []


def test_what_is_not_set_is_named_with_where_to_set_it(github: GitHub) -> None:
    run = github.run("deploy", "workflow_dispatch", dispatch())
    assert (run.failed, run.commands) == (True, ["deploy: make sign-in"])
    assert (
        "AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_SUBSCRIPTION_ID missing: docs/deploy.md, From a pipeline" in run.output
    )
    (notice,) = github.run("deploy", "pull_request", pull_request("opened")).notices
    assert "the repository variable AZURE_SUBSCRIPTION_ID is not set. docs/deploy.md" in notice
    github.variables = {"AZURE_SUBSCRIPTION_ID": SUBSCRIPTION}
    (notice,) = github.run("deploy", "pull_request", pull_request("opened")).notices
    assert "AZURE_CLIENT_ID is set neither in the environment preview nor in the repository" in notice


def test_a_run_that_azure_does_not_trust_is_told_what_to_add(github: GitHub) -> None:
    operator = set_up(github)
    run = github.run("deploy", "workflow_dispatch", dispatch(environment="production"))
    assert (run.failed, run.commands) == (True, ["deploy: make sign-in"])
    for words in (
        "AADSTS700213",
        f"'{GitHub.SUBJECT}:environment:production'",
        "az ad app federated-credential create",
        operator.names["APP_ID"],
    ):
        assert words in run.output
    github.variables["AZURE_CLIENT_ID"] = TENANT
    run = github.run("deploy", "workflow_dispatch", dispatch())
    assert ("AADSTS700016" in run.output, "AZURE_CLIENT_ID" in run.output) == (True, True), run.output


def test_an_app_is_uploaded_long_after_the_run_has_signed_in(github: GitHub) -> None:
    set_up(github)
    run = github.run("deploy", "workflow_dispatch", dispatch(topology="linked"), not_run="make (?:package|deploy)")
    assert not run.failed, run.output
    github.machine.directory.expire()
    (signed_in,) = github.folder.glob("*/az")
    github.machine.environment["AZURE_CONFIG_DIR"] = str(signed_in)
    uploading = github.machine.az("account", "get-access-token", "--resource", "https://appservice.azure.com")
    assert uploading.returncode == 0, uploading.stderr


def test_an_identity_without_a_principal_or_without_roles_is_told_so(github: GitHub) -> None:
    operator = Operator(github.machine)
    operator.types(DEPLOYMENTS, "az ad app", "gh api")
    identity = {"AZURE_TENANT_ID": TENANT, "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION}
    github.variables = {**identity, "AZURE_CLIENT_ID": operator.names["APP_ID"]}
    run = github.run("deploy", "workflow_dispatch", dispatch())
    for words in ("AADSTS7000229", f"az ad sp create --id {operator.names['APP_ID']}"):
        assert words in run.output
    operator.types(DEPLOYMENTS, "az ad sp")
    run = github.run("deploy", "workflow_dispatch", dispatch())
    assert (run.failed, run.commands) == (True, ["deploy: make sign-in"])
    assert ("has no role" in run.output, "az role assignment create" in run.output) == (True, True), run.output


@pytest.mark.parametrize(
    ("event", "payload", "jobs"),
    [
        ("push", {"refs": {"ref": "refs/heads/main"}}, {"test": 2, "systems": 3}),
        ("push", {"refs": {"ref": "refs/heads/other"}}, {}),
        ("pull_request", pull_request("opened", head="mallory/chat"), {"test": 2, "systems": 3, "review": 3}),
        ("pull_request", pull_request("closed"), {}),
    ],
    ids=["push to main", "push to a branch", "pull request", "closed pull request"],
)
def test_what_ci_runs(github: GitHub, event: str, payload: dict[str, Any], jobs: dict[str, int]) -> None:
    run = github.run("ci", event, payload, not_run=".*")
    ran = [command.partition(":")[0] for command in run.commands]
    assert ({job: ran.count(job) for job in ran}, run.failed) == (jobs, False)
    if event == "push":
        assert github.run("deploy", event, payload).steps == []


def connect(project: AzurePipelines) -> None:
    """The service connection and the environments; its identity gets the roles as that of GitHub does."""
    subject = "/eid1/c/pub/t/tenant/a/application/sc/organization/connection"
    operator = Operator(project.machine, SUBJECT=subject)
    operator.types(DEPLOYMENTS, "az ad app create", "az ad sp create")
    operator.types(DEPLOYMENTS, "az role")
    trust = {
        "name": "connection",
        "issuer": project.ISSUER,
        "subject": subject,
        "audiences": ["api://AzureADTokenExchange"],
    }
    words = ("ad", "app", "federated-credential", "create", "--id", operator.names["APP_ID"])
    assert project.machine.az(*words, "--parameters", json.dumps(trust)).returncode == 0
    project.connections["azure"] = operator.names["APP_ID"], subject
    project.environments |= {"test", "production"}


TESTS = ["test: make ci PYTHON=3.11", "test: make ci PYTHON=3.13"]


def test_a_fresh_project_tests_every_change_and_deploys_nothing(project: AzurePipelines) -> None:
    """Of a push, a pull request, and a run by hand without an environment; nothing is set up yet."""
    assert project.run("make ci").commands == TESTS
    with pytest.raises(InvalidError, match="environment test"):
        project.run("make ci", environment="test")


def test_a_project_deploys_after_its_tests(project: AzurePipelines) -> None:
    connect(project)
    chosen = {"environment": "test", "topology": "linked", "backend": "openAI"}
    refused = project.run("make ci", **chosen)
    assert (refused.failed, "OPENAI_API_KEY" in refused.output) == (True, True), refused.output
    assert project.machine.cloud.of("microsoft.web/staticsites") == []

    project.variables["OPENAI_API_KEY"] = KEY
    run: Run = project.run("make ci", **chosen)
    assert not run.failed, run.output
    assert run.commands == [
        *TESTS, "deploy: make package", "deploy: make deploy ENV=test TOPOLOGY=linked BACKEND=openAI ARGS=--yes"
    ]  # fmt: skip
    assert KEY not in run.output
    (site,) = project.machine.cloud.of("microsoft.web/staticsites")
    assert verified(project.machine, site["name"])
