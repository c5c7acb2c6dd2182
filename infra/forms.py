"""The portal's form for the template, one for each source of the model, so that each asks only what applies.

Written to `infra/forms/` by `python -m infra forms`; a test compares. Labels are the parameters' descriptions in the template.
Source: Microsoft's reference of createUiDefinition.json, https://learn.microsoft.com/azure/azure-resource-manager/managed-applications/create-uidefinition-overview (2026-11-25).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.retirement import load_models
from infra.template import BACKENDS, read

FORMS = Path(__file__).with_name("forms")
_TITLES = {
    "newAzureOpenAI": "with a new Azure OpenAI resource",
    "existingAzureOpenAI": "with an Azure OpenAI resource that is there",
    "openAI": "with OpenAI's API",
}
_NOT_MANAGED = "[not(equals(basics('topology'), 'managed'))]"
_NOT_LINKED = "[not(equals(basics('topology'), 'linked'))]"
_ACCOUNT = "Microsoft.CognitiveServices/accounts"

Element = dict[str, Any]


def form(backend: str) -> Element:
    """The createUiDefinition of a form."""
    ask = _Elements()
    basics = [
        ask.text("name", "Name", r"^(?=.{3,21}$)[a-z](-?[a-z0-9])+$", "3 to 21 lower-case letters, digits and single hyphens."),
        ask.choice("topology", "Topology", "OptionsGroup"),
        ask.choice("siteLocation", "Region of the site's functions"),
        ask.choice("siteSku", "Plan of the site", visible=_NOT_LINKED),
    ]  # fmt: skip
    steps = [
        {"name": "model", "label": "Model", "elements": _of_the_model(backend, ask)},
        {"name": "access", "label": "Access and prompts", "elements": _of_access(ask)},
    ]
    description = f"The chat app {_TITLES[backend]}. The code comes after the resources: make deploy, or a pipeline."
    return {
        "$schema": "https://schema.management.azure.com/schemas/0.1.2-preview/CreateUIDefinition.MultiVm.json#",
        "handler": "Microsoft.Azure.CreateUIDef",
        "version": "0.1.2-preview",
        "parameters": {
            "config": {"basics": {"description": description}},
            "basics": basics,
            "steps": steps,
            "outputs": _outputs(backend, basics, steps),
        },
    }


class _Elements:
    """What asks for the template's parameters, with their descriptions, values and defaults."""

    def __init__(self) -> None:
        parameters = read()["parameters"]
        self.said = {name: each["metadata"]["description"] for name, each in parameters.items()}
        self._allowed = {name: each.get("allowedValues", ()) for name, each in parameters.items()}
        self._defaults = {name: each.get("defaultValue", "") for name, each in parameters.items()}

    def text(self, name: str, label: str, pattern: str = "", why: str = "", **more: Any) -> Element:
        """A line to fill in, which has to fit the pattern where there is one."""
        rule = {"required": bool(pattern), **({"regex": pattern, "validationMessage": why} if pattern else {})}
        default = str(self._defaults[name])  # in brackets: an expression or a list
        more = {"defaultValue": "" if default.startswith("[") else default, "constraints": rule, **more}
        return self._element(name, "TextBox", label, **more)

    def choice(self, name: str, label: str, kind: str = "DropDown", **more: Any) -> Element:
        """One of the parameter's allowed values."""
        rule = {"allowedValues": [{"label": each, "value": each} for each in self._allowed[name]], "required": True}
        return self._element(name, kind, label, defaultValue=self._defaults[name], constraints=rule, **more)

    def _element(self, name: str, kind: str, label: str, **more: Any) -> Element:
        shown = {"label": label, "toolTip": self.said[name]}
        return {"name": name, "type": f"Microsoft.Common.{kind}", **shown, **more}


def _of_the_model(backend: str, ask: _Elements) -> list[Element]:
    if backend == "newAzureOpenAI":
        return [
            ask.text("modelLocation", "Region of the model", r"^[a-z0-9]+$", "As swedencentral.", defaultValue="swedencentral"),
            _model(ask.said["modelName"]),
            ask.choice("modelSku", "Deployment type"),
            ask.text("modelCapacity", "Thousand tokens a minute", r"^[1-9][0-9]{0,5}$", "A whole number."),
            ask.text("deploymentName", "Name of the deployment", r"^[A-Za-z0-9._-]{2,64}$", "2 to 64 letters, digits, dots, hyphens."),
            ask.text("modelIpRanges", "IPv4 ranges that may ask the model", visible=_NOT_MANAGED),
        ]  # fmt: skip
    if backend == "existingAzureOpenAI":
        return [
            {"name": "account", "type": "Microsoft.Solutions.ResourceSelector", "label": "Azure OpenAI resource", "toolTip": ask.said["existingResourceName"], "resourceType": _ACCOUNT, "options": {"filter": {"subscription": "onBasics", "location": "all"}}},
            ask.text("deploymentName", "Its deployments", r"^[A-Za-z0-9._,\s-]{2,}$", "Names, with commas between."),
        ]  # fmt: skip
    return [
        {"name": "openAIKey", "type": "Microsoft.Common.PasswordBox", "label": {"password": "Key of OpenAI", "confirmPassword": "Again"}, "toolTip": ask.said["openAIKey"], "constraints": {"required": True, "regex": "^sk-.{20,}$", "validationMessage": "A key begins with sk-."}, "options": {"hideConfirmation": True}},
        ask.text("openAIModel", "Models", r"^[A-Za-z0-9._:,\s-]{2,}$", "Names, with commas between."),
    ]  # fmt: skip


def _of_access(ask: _Elements) -> list[Element]:
    return [
        ask.text("requiredRole", "Role needed to ask"),
        ask.text("invited", "Who gets it at sign-in"),
        ask.text("systemPrompt", "System prompt"),
        ask.text("systemPromptRole", "Role that may set its own"),
        ask.text("suggestions", "Suggestions"),
        ask.text("maximumInstances", "At most so many instances", r"^[1-9][0-9]{0,3}$", "1 to 1000.", visible=_NOT_MANAGED),
    ]  # fmt: skip


def _model(description: str) -> Element:
    values = [
        {"label": f"{each.name}, until {each.retires}", "value": f"{each.name}|{each.version}"}
        for each in load_models()
    ]
    return {
        "name": "model",
        "type": "Microsoft.Common.DropDown",
        "label": "Model",
        "toolTip": description,
        "defaultValue": values[0]["label"],
        "constraints": {"allowedValues": values, "required": True},
    }


def _outputs(backend: str, basics: list[Element], steps: list[Element]) -> dict[str, str]:
    """What the form gives the template; what is hidden gives the template's own default."""
    numbers, lists = ("modelCapacity", "maximumInstances"), ("modelIpRanges",)
    found = {"backend": backend, "location": "[location()]"}
    for place, elements in (
        ("basics('{}')", basics),
        *((f"steps('{each['name']}').{{}}", each["elements"]) for each in steps),
    ):
        for each in elements:
            value = place.format(each["name"])
            if each["name"] == "model":
                found |= {"modelName": f"[first(split({value}, '|'))]", "modelVersion": f"[last(split({value}, '|'))]"}
            elif each["name"] == "account":
                found |= {
                    "existingResourceName": f"[{value}.name]",
                    "existingResourceGroup": f"[last(take(split({value}.id, '/'), 5))]",
                }
            elif each["name"] in lists:
                found[each["name"]] = f"[if(empty({value}), parse('[]'), split(replace({value}, ' ', ''), ','))]"
            elif each["name"] in numbers:
                found[each["name"]] = f"[int(coalesce({value}, '40'))]" if "visible" in each else f"[int({value})]"
            elif each["name"] == "siteSku":
                found["siteSku"] = f"[coalesce({value}, 'Standard')]"
            else:
                found[each["name"]] = f"[{value}]"
    return found


def written() -> dict[str, str]:
    """The text of each form by its file's name."""
    return {f"{backend}.json": json.dumps(form(backend), indent=2, ensure_ascii=False) + "\n" for backend in BACKENDS}


def links(repository: str, branch: str = "main") -> Mapping[str, str]:
    """The address of the portal with the template and a form of a public GitHub repository, by the source of the model."""
    raw = f"https://raw.githubusercontent.com/{repository}/{branch}/infra"
    template = quote(f"{raw}/azuredeploy.json", safe="")
    return {
        backend: f"https://portal.azure.com/#create/Microsoft.Template/uri/{template}/createUIDefinitionUri/{quote(f'{raw}/forms/{backend}.json', safe='')}"
        for backend in BACKENDS
    }
