"""The portal's forms for the template: one for each backend, so that each asks only for what applies.

`python -m infra forms` generates `infra/forms/`; a test compares. The tooltips are the parameters' descriptions in the template.
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
    "existingAzureOpenAI": "with an existing Azure OpenAI resource",
    "openAI": "with OpenAI's API",
}
_NOT_MANAGED = "[not(equals(basics('topology'), 'managed'))]"
_NOT_LINKED = "[not(equals(basics('topology'), 'linked'))]"
_RESOURCE = "equals(steps('model').source, 'resource')"
_IS_RESOURCE, _IS_ENDPOINT = f"[{_RESOURCE}]", f"[not({_RESOURCE})]"
_ACCOUNT = "Microsoft.CognitiveServices/accounts"

Element = dict[str, Any]


def form(backend: str) -> Element:
    """The createUiDefinition of a backend's form."""
    fields = _Fields()
    basics = [
        fields.text("name", "Name", r"^(?=.{3,21}$)[a-z](-?[a-z0-9])+$", "3 to 21 lower-case letters, digits and single hyphens."),
        fields.choice("topology", "Topology", "OptionsGroup"),
        fields.choice("siteLocation", "Region of the site's functions"),
        fields.choice("siteSku", "Plan of the site", visible=_NOT_LINKED),
    ]  # fmt: skip
    steps = [
        {"name": "model", "label": "Model", "elements": _model_elements(backend, fields)},
        {"name": "access", "label": "Access and prompts", "elements": _access_elements(fields)},
    ]
    description = (
        f"The chat app {_TITLES[backend]}. The code is deployed after the resources: make deploy, or a pipeline."
    )
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


class _Fields:
    """Form elements for the template's parameters, with their descriptions, allowed values and defaults."""

    def __init__(self) -> None:
        parameters = read()["parameters"]
        self.descriptions = {name: parameter["metadata"]["description"] for name, parameter in parameters.items()}
        self._allowed = {name: parameter.get("allowedValues", ()) for name, parameter in parameters.items()}
        self._defaults = {name: parameter.get("defaultValue", "") for name, parameter in parameters.items()}

    def text(self, name: str, label: str, pattern: str = "", hint: str = "", **more: Any) -> Element:
        """A text box; where there is a pattern, the value is required and must match it."""
        rule = {"required": bool(pattern), **({"regex": pattern, "validationMessage": hint} if pattern else {})}
        default = str(self._defaults[name])
        # A default in brackets is an expression or a list.
        more = {"defaultValue": "" if default.startswith("[") else default, "constraints": rule, **more}
        return self._element(name, "TextBox", label, **more)

    def choice(self, name: str, label: str, kind: str = "DropDown", **more: Any) -> Element:
        """One of the parameter's allowed values."""
        rule = {"allowedValues": [{"label": value, "value": value} for value in self._allowed[name]], "required": True}
        return self._element(name, kind, label, defaultValue=self._defaults[name], constraints=rule, **more)

    def _element(self, name: str, kind: str, label: str, **more: Any) -> Element:
        texts = {"label": label, "toolTip": self.descriptions[name]}
        return {"name": name, "type": f"Microsoft.Common.{kind}", **texts, **more}


def _model_elements(backend: str, fields: _Fields) -> list[Element]:
    if backend == "newAzureOpenAI":
        return [
            fields.text("modelLocation", "Region of the model", r"^[a-z0-9]+$", "A region such as swedencentral.", defaultValue="swedencentral"),
            _model_choice(fields.descriptions["modelName"]),
            fields.choice("modelSku", "Deployment type"),
            fields.text("modelCapacity", "Thousand tokens per minute", r"^[1-9][0-9]{0,5}$", "A whole number."),
            fields.text("deploymentName", "Name of the deployment", r"^[A-Za-z0-9._-]{2,64}$", "2 to 64 letters, digits, dots, underscores and hyphens."),
            fields.text("modelIpRanges", "IPv4 ranges that may use the model", visible=_NOT_MANAGED),
        ]  # fmt: skip
    if backend == "existingAzureOpenAI":
        return [
            {"name": "source", "type": "Microsoft.Common.OptionsGroup", "label": "The model is", "toolTip": "With an endpoint and its key, the resource may be in another subscription or tenant.", "defaultValue": "a resource of this subscription", "constraints": {"allowedValues": [{"label": "a resource of this subscription", "value": "resource"}, {"label": "an endpoint whose key I have", "value": "endpoint"}], "required": True}},
            {"name": "account", "type": "Microsoft.Solutions.ResourceSelector", "label": "Azure OpenAI resource", "toolTip": fields.descriptions["existingResourceName"], "resourceType": _ACCOUNT, "options": {"filter": {"subscription": "onBasics", "location": "all"}}, "visible": _IS_RESOURCE},
            fields.text("existingEndpoint", "Endpoint", r"^https://[A-Za-z0-9.-]+/?$", "As https://NAME.openai.azure.com/", visible=_IS_ENDPOINT),
            {"name": "existingKey", "type": "Microsoft.Common.PasswordBox", "label": {"password": "Its key", "confirmPassword": "Confirm the key"}, "toolTip": fields.descriptions["existingKey"], "constraints": {"required": True}, "options": {"hideConfirmation": True}, "visible": _IS_ENDPOINT},
            fields.text("deploymentName", "Deployments", r"^[A-Za-z0-9._,\s-]{2,}$", "Names, with commas between them."),
        ]  # fmt: skip
    return [
        {"name": "openAIKey", "type": "Microsoft.Common.PasswordBox", "label": {"password": "OpenAI's key", "confirmPassword": "Confirm the key"}, "toolTip": fields.descriptions["openAIKey"], "constraints": {"required": True, "regex": "^sk-.{20,}$", "validationMessage": "A key begins with sk-."}, "options": {"hideConfirmation": True}},
        fields.text("openAIModel", "Models", r"^[A-Za-z0-9._:,\s-]{2,}$", "Names, with commas between them."),
    ]  # fmt: skip


def _access_elements(fields: _Fields) -> list[Element]:
    return [
        fields.text("requiredRole", "Required role"),
        fields.text("invited", "Who gets it at sign-in"),
        fields.text("systemPrompt", "System prompt"),
        fields.text("systemPromptRole", "Role that may set its own prompt"),
        fields.text("suggestions", "Suggestions"),
        fields.text("maximumInstances", "Maximum number of instances", r"^([4-9][0-9]|[1-9][0-9]{2}|1000)$", "40 to 1000.", visible=_NOT_MANAGED),
    ]  # fmt: skip


def _model_choice(description: str) -> Element:
    values = [
        {"label": f"{model.name}, until {model.retires}", "value": f"{model.name}|{model.version}"}
        for model in load_models()
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
    """The form's values for the template's parameters; a hidden element gives the template's default."""
    outputs = {"backend": backend, "location": "[location()]"}
    for element in basics:
        outputs |= _output(element, f"basics('{element['name']}')")
    for step in steps:
        for element in step["elements"]:
            outputs |= _output(element, f"steps('{step['name']}').{element['name']}")
    return outputs


def _output(element: Element, value: str) -> dict[str, str]:
    name = element["name"]
    if name == "model":
        return {"modelName": f"[first(split({value}, '|'))]", "modelVersion": f"[last(split({value}, '|'))]"}
    if name == "account":
        # The portal may evaluate what it does not choose, and a hidden element has no value.
        group = f"last(take(split(coalesce({value}.id, ''), '/'), 5))"
        return {
            "existingResourceName": f"[if({_RESOURCE}, coalesce({value}.name, ''), '')]",
            "existingResourceGroup": f"[if({_RESOURCE}, {group}, resourceGroup().name)]",
        }
    if name in ("existingEndpoint", "existingKey"):
        return {name: f"[if({_RESOURCE}, '', coalesce({value}, ''))]"}
    if name == "source":
        return {}
    if name == "modelIpRanges":
        return {name: f"[if(empty({value}), parse('[]'), split(replace(coalesce({value}, ''), ' ', ''), ','))]"}
    if name in ("modelCapacity", "maximumInstances"):
        return {name: f"[int(coalesce({value}, '40'))]" if "visible" in element else f"[int({value})]"}
    if name == "siteSku":
        return {name: f"[coalesce({value}, 'Standard')]"}
    return {name: f"[{value}]"}


def form_files() -> dict[str, str]:
    """The text of each form, by file name."""
    return {f"{backend}.json": json.dumps(form(backend), indent=2, ensure_ascii=False) + "\n" for backend in BACKENDS}


def links(repository: str, branch: str = "main") -> Mapping[str, str]:
    """The portal's address with the template and a form from a public GitHub repository, by backend."""
    raw = f"https://raw.githubusercontent.com/{repository}/{branch}/infra"
    template = quote(f"{raw}/azuredeploy.json", safe="")
    return {
        backend: f"https://portal.azure.com/#create/Microsoft.Template/uri/{template}/createUIDefinitionUri/{quote(f'{raw}/forms/{backend}.json', safe='')}"
        for backend in BACKENDS
    }
