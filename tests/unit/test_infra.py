"""The template: what each combination creates, and the language it is written in."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from infra.check import SAMPLE, combinations
from infra.expected import EXPECTED, deployment_files
from infra.expressions import ExpressionScope, TemplateError, evaluate
from infra.retirement import find_model, load_models
from infra.template import Deployment, expand, read

ROOT = Path(__file__).parents[2]
TEMPLATE = read()
DEPLOYMENTS: dict[str, Deployment] = dict(combinations(TEMPLATE))


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_combination_creates_what_is_expected(name: str) -> None:
    """After a change that is meant: `make deployments`, and review the diff."""
    file = f"{name.replace(' ', '-')}.yaml"
    assert (EXPECTED / file).read_text(encoding="utf-8") == deployment_files()[file]


def test_there_is_no_expected_deployment_of_a_combination_that_is_no_more() -> None:
    assert {path.name for path in EXPECTED.iterdir()} == set(deployment_files())


_EVERYWHERE = Counter({"workspaces": 1, "components": 1, "staticSites": 1})
_ON_FLEX = Counter(
    {
        "storageAccounts": 1,
        "containers": 1,
        "serverfarms": 1,
        "sites": 1,
        "basicPublishingCredentialsPolicies": 1,
        "roleAssignments": 2,
        "config": 1,
    }
)
_HOSTED = {
    "managed": Counter({"config": 1}),
    "linked": _ON_FLEX + Counter({"linkedBackends": 1, "config": 1}),
    "direct": _ON_FLEX + Counter({"config": 1}),
}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_combination_has_these_resources(name: str) -> None:
    topology, backend = name.split()
    model = Counter({"accounts": 1, "deployments": 1}) if backend == "newAzureOpenAI" else Counter[str]()
    vault = Counter({"vaults": 1, "secrets": 1}) if backend == "openAI" and topology != "managed" else Counter[str]()
    types = Counter(resource.type.rpartition("/")[2] for resource in DEPLOYMENTS[name].resources)
    assert types == _EVERYWHERE + _HOSTED[topology] + model + vault


#: The settings that the platform reads; the app reads the others.
PLATFORM_SETTINGS = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME",
}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_template_writes_only_settings_that_the_api_or_the_platform_reads(name: str) -> None:
    source = (ROOT / "api" / "chat_api" / "settings.py").read_text(encoding="utf-8")
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    read_by_api = {text for text in texts if isinstance(text, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)*", text)}
    for settings in DEPLOYMENTS[name].app_settings().values():
        assert set(settings) - PLATFORM_SETTINGS <= read_by_api


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_api_has_all_the_settings_it_needs(name: str) -> None:
    from chat_api.settings import load_settings

    for target, settings in DEPLOYMENTS[name].app_settings().items():
        if name.startswith("linked") and target == "Microsoft.Web/staticSites/config":
            assert set(settings) == {
                "AZURE_CLIENT_ID",
                "AZURE_CLIENT_SECRET",
            }  # the site signs in; the app does the rest
            continue
        loaded = load_settings({key: str(value) for key, value in settings.items()})
        assert (target, loaded.missing) == (target, ())


def test_the_site_and_the_model_have_their_own_regions() -> None:
    values = {**SAMPLE, "location": "norwayeast", "siteLocation": "eastasia", "modelLocation": "swedencentral"}
    deployment = expand(TEMPLATE, {**values, "topology": "linked", "backend": "newAzureOpenAI"})
    located = [resource for resource in deployment.resources if "location" in resource.body]
    regions = {resource.type: resource.body["location"] for resource in located}
    assert regions.pop("Microsoft.Web/staticSites") == "eastasia"
    assert regions.pop("Microsoft.CognitiveServices/accounts") == "swedencentral"
    assert set(regions.values()) == {"norwayeast"}


def test_a_linked_site_without_its_own_sign_in_has_no_settings() -> None:
    deployment = expand(TEMPLATE, {**SAMPLE, "topology": "linked", "backend": "openAI", "signInClientId": ""})
    assert deployment.of("Microsoft.Web/staticSites/config") == ()


def test_a_linked_site_has_the_plan_that_supports_a_back_end() -> None:
    for name, deployment in DEPLOYMENTS.items():
        plan = deployment.of("Microsoft.Web/staticSites")[0].body["sku"]["name"]
        assert (name, plan) == (name, "Standard" if name.startswith("linked") else "Free")


def test_the_default_model_is_the_first_in_the_file_of_models() -> None:
    default = {name: TEMPLATE["parameters"][name]["defaultValue"] for name in ("modelName", "modelVersion")}
    assert load_models()[0] == find_model(default["modelName"], default["modelVersion"])
    assert TEMPLATE["parameters"]["openAIModel"]["defaultValue"] == default["modelName"]


def test_an_extension_has_its_own_provider_in_its_id() -> None:
    for assignment in DEPLOYMENTS["linked newAzureOpenAI"].of("Microsoft.Authorization/roleAssignments"):
        scope, name = assignment.body["scope"], assignment.name
        assert assignment.id == f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"


# --- the language of expressions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[concat('a', 'b''c', toLower('D'))]", "ab'cd"),
        ("[if(equals(1, 2), variables('nowhere'), 'no')]", "no"),
        ("[createObject('a', createArray(1, true())).a[1]]", True),
        ("[take(replace('a-b-c', '-', ''), 2)]", "ab"),
        ("[union(createObject('a', 1), createObject('b', 2))]", {"a": 1, "b": 2}),
        ("[[not an expression]", "[[not an expression]"),
        ("plain", "plain"),
    ],
)
def test_an_expression_is_evaluated(text: str, value: object) -> None:
    assert evaluate(text, ExpressionScope({})) == value


@pytest.mark.parametrize("text", ["[concat('a']", "[nowhere()]", "[parameters('x')]", "[concat('a') 'b']", "[1 + 2]"])
def test_the_error_names_an_expression_that_azure_refuses(text: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(text)):
        evaluate(text, ExpressionScope({}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"topology": "lincked"}, "topology must be one of managed, linked, direct, got 'lincked'"),
        ({"colour": "blue"}, "unknown parameter 'colour'"),
        ({"name": "x"}, "name must be within minLength 3, maxLength 21, got 'x'"),
    ],
)
def test_the_error_names_a_parameter_that_azure_refuses(values: Mapping[str, Any], message: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(message)):
        expand(TEMPLATE, values)


# --- the schemas -----------------------------------------------------------------------------------------------------


def test_the_schemas_name_their_sources() -> None:
    schemas = json.loads((ROOT / "infra" / "schemas.json").read_text())
    assert all(re.fullmatch(r"[0-9a-f]{64}", source["sha256"]) for source in schemas["sources"])


@pytest.mark.skipif("AZURE_CLIENTS" not in os.environ, reason="downloads seven packages; set AZURE_CLIENTS=1")
def test_the_schemas_are_what_the_script_extracts() -> None:
    command = [sys.executable, "tools/extract_arm_schemas.py", "--check"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


MICROSOFTS = os.environ.get("ARM_SCHEMAS", "")


@pytest.mark.skipif(not MICROSOFTS, reason="needs a folder of Microsoft's own schemas in ARM_SCHEMAS")
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_microsofts_own_schemas_accept_every_resource(name: str) -> None:
    base = "https://schema.management.azure.com/schemas/"
    folder = Path(MICROSOFTS)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.json")}
    files.pop("2019-04-01/deploymentTemplate.json", None)  # for whole templates; it refers to every provider
    documents = {at: _strict(json.loads(path.read_text(encoding="utf-8-sig")), at) for at, path in files.items()}
    registry = jsonschema_rs.Registry(
        [(base + at, document) for at, document in documents.items()],
        draft=jsonschema_rs.Draft4,
        retriever=lambda _: True,
    )
    checked = 0
    for resource in DEPLOYMENTS[name].resources:
        provider, _, rest = resource.type.partition("/")
        at, key = f"{resource.body['apiVersion']}/{provider}.json", rest.replace("/", "_")
        if key not in documents.get(at, {}).get("resourceDefinitions", {}):
            continue
        checked += 1
        body = {key: value for key, value in resource.body.items() if key not in ("dependsOn", "condition", "comments")}
        schema = jsonschema_rs.Draft4Validator({"$ref": f"{base}{at}#/resourceDefinitions/{key}"}, registry=registry)
        assert [(resource.name, error.message) for error in schema.iter_errors(json.loads(json.dumps(body)))] == []
    assert checked >= 2


def _strict(document: dict[str, Any], at: str) -> dict[str, Any]:
    """A provider's document that, unlike Microsoft's own, refuses unknown properties."""
    return document if at.startswith("common") else {**document, "definitions": _closed(document["definitions"])}


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    is_open = isinstance(node.get("properties"), dict) and "additionalProperties" not in node and "$ref" not in node
    return {key: _closed(value) for key, value in node.items()} | ({"additionalProperties": False} if is_open else {})
