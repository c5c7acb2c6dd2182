"""The pipelines run only what a developer can run by hand, with the fewest rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from package import PYTHONS

from infra.plan import SECRETS
from infra.template import BACKENDS, TOPOLOGIES

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
#: The actions that workflows use. Each runs on Node 24, and each hash is its tag's commit in a copy of the action's own
#: repository and in other projects' workflows; looked up on 2026-11-30.
ACTIONS = {
    "actions/attest-build-provenance@a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32 # v4.1.0",
    "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0",
    "actions/setup-node@a0853c24544627f65ddf259abe73b1d18a591444 # v5.0.0",
    "actions/setup-python@a309ff8b426b58ec0e2a45f0f869d46889d02405 # v6.2.0",
    "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
}
#: The only steps that are not make targets: only GitHub's own tool creates a release; and a line says why nothing is done.
RELEASE, NOTICE = "gh release create", 'echo "::notice title='
DEPLOYING = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def commands(node: Any) -> Iterator[str]:
    """Every command line that a pipeline runs."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("run", "script", "inlineScript") and isinstance(value, str):
                yield value.strip()
            else:
                yield from commands(value)
    elif isinstance(node, list):
        for item in node:
            yield from commands(item)


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "azure-pipelines.yml"], ids=lambda path: path.name)
def test_a_pipeline_runs_only_make_targets(path: Path) -> None:
    lines = list(commands(yaml.safe_load(path.read_text())))
    assert lines
    for line in lines:
        words = line.split()
        assert line.startswith((RELEASE, NOTICE)) or (words[0] == "make" and words[1] in TARGETS), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_only_the_rights_that_its_jobs_list_and_only_pinned_actions(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        writes = {name for name, right in job["permissions"].items() if right == "write"}
        assert writes <= ({"contents", "id-token", "attestations"} if path.stem == "release" else {"id-token"})
    assert not re.search(r"secrets\.AZURE_(?!OPENAI_API_KEY)", text)  # nothing that signs in to Azure
    assert set(re.findall(r"uses: (.+)", text)) - ACTIONS == set()


def variables(where: str) -> set[str]:
    """The names that docs/deploy.md has for a place: the rows of its table of variables and secrets."""
    return set(re.findall(rf"^\| `(\w+)` \| [^|]*{where}[^|]* \|", DEPLOYING, re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_variable_and_secret_of_a_workflow_is_in_the_document(path: Path) -> None:
    text = path.read_text()
    assert set(re.findall(r"vars\.(\w+)", text)) <= variables("variable")
    assert set(re.findall(r"secrets\.(\w+)", text)) <= variables("secret")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_that_waits_for_a_variable_says_so_where_it_is_missing(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    for job in jobs:
        for name in re.findall(r"vars\.(\w+) != ''", job.get("if", "")):
            others = [other for other in jobs if f"vars.{name} == ''" in other.get("if", "")]
            assert [line for other in others for line in commands(other) if line.startswith(NOTICE) and name in line]
            # GitHub evaluates a job's condition before it knows the environment: only the repository's variables are there.
            assert name in variables("variable of the repository") - variables("of the environment")
        waiting = {name for step in job["steps"] for name in re.findall(r"vars\.(\w+) != ''", step.get("if", ""))}
        saying = [step for step in job["steps"] if step.get("run", "").startswith(NOTICE)]
        assert waiting == {name for step in saying for name in re.findall(r"vars\.(\w+) == ''", step.get("if", ""))}


def test_the_pipelines_run_make_ci() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^ci: test package wheel ", makefile, re.MULTILINE)
    for path in (ROOT / ".github" / "workflows" / "ci.yml", ROOT / "azure-pipelines.yml"):
        assert any(line.startswith("make ci ") for line in commands(yaml.safe_load(path.read_text())))
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


@pytest.mark.parametrize("path", [".github/workflows/deploy.yml", "azure-pipelines.yml"])
def test_a_pipeline_that_deploys_passes_every_secret_that_a_deployment_takes(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    for name in SECRETS.values():
        assert re.search(rf"^ +{name}: \$(?:\{{\{{ secrets\.{name} \}}\}}|\({name}\))$", text, re.MULTILINE), name


def jobs_with_steps(node: Any) -> Iterator[list[dict[str, Any]]]:
    """The steps of every job, wherever a pipeline has them."""
    if isinstance(node, dict):
        if isinstance(node.get("steps"), list):
            yield node["steps"]
        for value in node.values():
            yield from jobs_with_steps(value)
    elif isinstance(node, list):
        for item in node:
            yield from jobs_with_steps(item)


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "azure-pipelines.yml"], ids=lambda path: path.name)
def test_a_job_that_packs_the_app_has_every_python_that_the_app_is_deployed_on(path: Path) -> None:
    for steps in jobs_with_steps(yaml.safe_load(path.read_text())):
        if re.search(r"^make (?:ci|package|release)\b", "\n".join(commands(steps)), re.MULTILINE):
            inputs = [{**step.get("with", {}), **step.get("inputs", {})} for step in steps]
            text = "\n".join(str(each.get("python-version", each.get("versionSpec", ""))) for each in inputs)
            assert set(PYTHONS) <= set(text.split())


@pytest.mark.parametrize("path", [".github/workflows/deploy.yml", "azure-pipelines.yml"])
def test_a_pipeline_leaves_the_topology_and_the_backend_as_deployed_unless_others_are_chosen(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    pipeline = yaml.safe_load(text)
    # YAML 1.1, which GitHub does not read, takes `on` for true.
    asked = (
        pipeline[True]["workflow_dispatch"]["inputs"]
        if True in pipeline
        else {each["name"]: each for each in pipeline["parameters"]}
    )
    for name, values in (("topology", TOPOLOGIES), ("backend", BACKENDS)):
        offered = asked[name].get("options") or asked[name]["values"]
        assert (asked[name]["default"], offered) == ("as deployed last", ["as deployed last", *values])
        assert re.search(rf"{name.upper()}\W.*\b{name}\b.*'as deployed last'", text)  # make gets nothing


def test_the_document_has_what_azure_pipelines_needs() -> None:
    text = (ROOT / "azure-pipelines.yml").read_text(encoding="utf-8")
    section = DEPLOYING.partition("\n### In Azure Pipelines\n")[2].partition("\n## ")[0]
    (environments,) = re.findall(r"values: \[none, (.+)\]", text)
    connections = re.findall(r"azureSubscription: (\S+)", text)
    for name in {*environments.split(", "), *connections, *re.findall(r": \$\((\w+)\)$", text, re.MULTILINE)}:
        assert f"`{name}`" in section, name
    assert "Build validation" in section
    assert "NodeTool@" not in text  # Microsoft names UseNode as its successor
