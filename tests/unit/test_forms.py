"""The portal's forms: written from the template, giving it only what it takes, asking only what applies."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.forms import FORMS, form, links, written
from infra.template import BACKENDS, TOPOLOGIES, read

PARAMETERS = read()["parameters"]


def elements(of: dict[str, Any]) -> dict[str, dict[str, Any]]:
    parameters = of["parameters"]
    found = {f"basics('{each['name']}')": each for each in parameters["basics"]}
    for step in parameters["steps"]:
        found |= {f"steps('{step['name']}').{each['name']}": each for each in step["elements"]}
    return found


def test_the_files_are_what_the_template_makes_of_them() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FORMS.iterdir()} == written()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_form_gives_is_what_the_template_takes(backend: str) -> None:
    made = form(backend)
    outputs, asked = made["parameters"]["outputs"], elements(made)
    assert set(outputs) <= set(PARAMETERS)
    used = {
        each for value in outputs.values() for each in re.findall(r"(?:basics\('\w+'\)|steps\('\w+'\)\.\w+)", value)
    }
    assert used == set(asked)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_form_asks_only_what_its_model_needs(backend: str) -> None:
    own = {
        "newAzureOpenAI": {"modelName", "modelVersion", "modelSku", "modelCapacity", "modelLocation", "modelIpRanges", "deploymentName"},
        "existingAzureOpenAI": {"existingResourceName", "existingResourceGroup", "deploymentName"},
        "openAI": {"openAIKey", "openAIModel"},
    }  # fmt: skip
    others = set().union(*own.values()) - own[backend]
    assert set(form(backend)["parameters"]["outputs"]) & others == set()
    assert own[backend] <= set(form(backend)["parameters"]["outputs"])


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_form_hides_what_does_not_apply_to_a_topology(topology: str) -> None:
    hidden = {
        each["name"]
        for each in elements(form("newAzureOpenAI")).values()
        if (rule := re.fullmatch(r"\[not\(equals\(basics\('topology'\), '(\w+)'\)\)\]", each.get("visible", "")))
        and rule[1] == topology
    }
    assert (
        hidden == {"managed": {"modelIpRanges", "maximumInstances"}, "linked": {"siteSku"}, "direct": set()}[topology]
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_proposed_passes_its_own_rule(backend: str) -> None:
    for each in elements(form(backend)).values():
        rule = each.get("constraints", {}).get("regex")
        if rule and each.get("defaultValue"):
            assert re.search(rule, each["defaultValue"]), each["name"]


def test_the_portals_addresses_name_the_template_and_the_form() -> None:
    made = links("contoso/chat")
    assert set(made) == set(BACKENDS)
    assert "contoso%2Fchat%2Fmain%2Finfra%2Fazuredeploy.json/createUIDefinitionUri/" in made["openAI"]
    assert made["openAI"].endswith("contoso%2Fchat%2Fmain%2Finfra%2Fforms%2FopenAI.json")
