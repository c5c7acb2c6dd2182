"""The portal's forms: generated from the template, they set only its parameters and ask only for what applies."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra import expressions
from infra.forms import FORMS, form, form_files, links
from infra.template import BACKENDS, TOPOLOGIES, expand, read

PARAMETERS = read()["parameters"]


def elements(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    parameters = definition["parameters"]
    by_value = {f"basics('{element['name']}')": element for element in parameters["basics"]}
    for step in parameters["steps"]:
        by_value |= {f"steps('{step['name']}').{element['name']}": element for element in step["elements"]}
    return by_value


def test_the_files_are_generated_from_the_template() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FORMS.iterdir()} == form_files()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_form_sets_only_the_templates_parameters_and_uses_every_element(backend: str) -> None:
    definition = form(backend)
    outputs = definition["parameters"]["outputs"]
    assert set(outputs) <= set(PARAMETERS)
    element = r"(?:basics\('\w+'\)|steps\('\w+'\)\.\w+)"
    used = {name for value in outputs.values() for name in re.findall(element, value)}
    assert used == set(elements(definition))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_form_asks_only_for_what_its_backend_needs(backend: str) -> None:
    own: dict[str, Any] = {
        "newAzureOpenAI": {"modelName", "modelVersion", "modelSku", "modelCapacity", "modelLocation", "modelIpRanges", "deploymentName"},
        "existingAzureOpenAI": {"existingResourceName", "existingResourceGroup", "existingEndpoint", "existingKey", "deploymentName"},
        "openAI": {"openAIKey", "openAIModel"},
    }  # fmt: skip
    others = set().union(*own.values()) - own[backend]
    assert set(form(backend)["parameters"]["outputs"]) & others == set()
    assert own[backend] <= set(form(backend)["parameters"]["outputs"])


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_form_hides_what_does_not_apply_to_a_topology(topology: str) -> None:
    hidden = {
        element["name"]
        for element in elements(form("newAzureOpenAI")).values()
        if (rule := re.fullmatch(r"\[not\(equals\(basics\('topology'\), '(\w+)'\)\)\]", element.get("visible", "")))
        and rule[1] == topology
    }
    assert (
        hidden == {"managed": {"modelIpRanges", "maximumInstances"}, "linked": {"siteSku"}, "direct": set()}[topology]
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_default_matches_its_own_pattern(backend: str) -> None:
    for element in elements(form(backend)).values():
        pattern = element.get("constraints", {}).get("regex")
        if pattern and element.get("defaultValue"):
            assert re.search(pattern, element["defaultValue"]), element["name"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["maximumInstances", "modelCapacity"])
def test_a_form_takes_the_numbers_that_the_template_takes(name: str, backend: str) -> None:
    found = [element for element in elements(form(backend)).values() if element["name"] == name]
    for element in found:
        rule, declared = element["constraints"], PARAMETERS[name]
        taken = {number for number in range(2000) if re.search(rule["regex"], str(number))}
        assert taken == set(range(declared["minValue"], declared.get("maxValue", 1999) + 1))
        if "maxValue" in declared:
            assert rule["validationMessage"] == f"{declared['minValue']} to {declared['maxValue']}."
    assert len(found) == (1 if name == "maximumInstances" or backend == "newAzureOpenAI" else 0)


ACCOUNT = "/subscriptions/s/resourceGroups/models/providers/Microsoft.CognitiveServices/accounts/theirs"
#: What a person types; else the defaults. A text box that is left empty gives an empty text.
TYPED: dict[str, Any] = {
    "name": "chat-p",
    "modelIpRanges": "203.0.113.0/24, 198.51.100.7",
    "account": {"id": ACCOUNT, "name": "theirs"},
    "existingEndpoint": "https://theirs.openai.azure.com/",
    "existingKey": "key",
    "openAIKey": "sk-key",
    "model": "gpt-5.6-terra|2026-07-09",
}


def sent_by(monkeypatch: pytest.MonkeyPatch, backend: str, **chosen: str) -> dict[str, Any]:
    """The parameters that a form sends; an element that is hidden has no value, and every argument is evaluated."""
    definition = form(backend)["parameters"]
    every = [*definition["basics"], *(each for step in definition["steps"] for each in step["elements"])]
    values = {each["name"]: {**TYPED, **chosen}.get(each["name"], each.get("defaultValue", "")) for each in every}
    steps = {
        step["name"]: {each["name"]: values[each["name"]] for each in step["elements"]} for step in definition["steps"]
    }
    functions: dict[str, Any] = {
        "basics": lambda _, name: values[name],
        "steps": lambda _, name: steps[name],
        "location": lambda _: "northeurope",
        "coalesce": lambda _, *of: next((each for each in of if each is not None), None),
        "first": lambda _, of: of[0],
        "last": lambda _, of: of[-1],
        "int": lambda _, text: int(text),
        "parse": lambda _, text: json.loads(text),
        "split": lambda _, text, sign: text.split(sign),
    }
    with monkeypatch.context() as patched:
        for name, function in functions.items():
            patched.setitem(expressions.FUNCTIONS, name, function)
        scope = expressions.ExpressionScope({})
        hidden = [each["name"] for each in every if not expressions.evaluate(each.get("visible", "[true()]"), scope)]
        for name in hidden:
            values[name] = {"id": None, "name": None} if name == "account" else None
            for step in steps.values():
                step.update({name: values[name]} if name in step else {})
        never = property(lambda _: 0, lambda *_: None)
        patched.setattr(expressions._Evaluator, "skipping", never)
        return {name: expressions.evaluate(value, scope) for name, value in definition["outputs"].items()}


SOURCES = {"newAzureOpenAI": [""], "existingAzureOpenAI": ["resource", "endpoint"], "openAI": [""]}


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize(("backend", "source"), [(each, source) for each in BACKENDS for source in SOURCES[each]])
def test_a_form_sends_parameters_that_the_template_takes(
    monkeypatch: pytest.MonkeyPatch, backend: str, source: str, topology: str
) -> None:
    sent = sent_by(monkeypatch, backend, topology=topology, source=source)
    assert expand(read(), sent).resources
    assert None not in sent.values()
    own: dict[str, dict[str, Any]] = {
        "newAzureOpenAI": {"modelIpRanges": [] if topology == "managed" else ["203.0.113.0/24", "198.51.100.7"]},
        "openAI": {"openAIKey": "sk-key"},
        "resource": {"existingResourceName": "theirs", "existingResourceGroup": "models", "existingEndpoint": "", "existingKey": ""},
        "endpoint": {"existingResourceName": "", "existingResourceGroup": "rehearsal", "existingKey": "key"},
    }  # fmt: skip
    expected = own[source or backend]
    assert {name: sent[name] for name in expected} == expected
    assert (sent["siteSku"], sent["maximumInstances"]) == ("Standard" if topology == "linked" else "Free", 40)


def test_the_portals_links_contain_the_template_and_the_form() -> None:
    addresses = links("contoso/chat")
    assert set(addresses) == set(BACKENDS)
    assert "contoso%2Fchat%2Fmain%2Finfra%2Fazuredeploy.json/createUIDefinitionUri/" in addresses["openAI"]
    assert addresses["openAI"].endswith("contoso%2Fchat%2Fmain%2Finfra%2Fforms%2FopenAI.json")
