"""The pipelines do what anybody can do by hand, and may no more than they need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
#: The one step that is no make target: only GitHub's own tool makes a release.
RELEASING = "gh release create"


def commands(node: Any) -> Iterator[str]:
    """Every command line that a pipeline runs."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("run", "script", "inlineScript") and isinstance(value, str):
                yield value.strip()
            else:
                yield from commands(value)
    elif isinstance(node, list):
        for each in node:
            yield from commands(each)


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "azure-pipelines.yml"], ids=lambda path: path.name)
def test_a_pipeline_runs_make_targets_only(path: Path) -> None:
    found = list(commands(yaml.safe_load(path.read_text())))
    assert found
    for each in found:
        words = each.split()
        assert each.startswith(RELEASING) or (words[0] == "make" and words[1] in TARGETS), each


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_rights_but_those_its_jobs_name_and_no_action_that_can_change(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        writes = {name for name, right in job["permissions"].items() if right == "write"}
        assert writes <= ({"contents", "id-token", "attestations"} if path.stem == "release" else {"id-token"})
    assert not re.search(r"secrets\.AZURE_(?!OPENAI_API_KEY)", text)  # nothing that signs in to Azure
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\S+", each) for each in re.findall(r"uses: (.+)", text))


def test_what_the_pipelines_run_is_what_ci_runs_here() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^ci: test package wheel ", makefile, re.MULTILINE)
    for path in (ROOT / ".github" / "workflows" / "ci.yml", ROOT / "azure-pipelines.yml"):
        assert any(each.startswith("make ci ") for each in commands(yaml.safe_load(path.read_text())))
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
