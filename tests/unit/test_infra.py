"""The template: the resources of each combination, and that the check finds each planted error."""

from __future__ import annotations

import ast
import copy
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from infra.check import SAMPLE, app_settings, combinations, template_errors
from infra.expressions import ExpressionScope, TemplateError, evaluate
from infra.retirement import find_model, load_models
from infra.template import Deployment, expand, read

ROOT = Path(__file__).parents[2]
TEMPLATE = read()
DEPLOYMENTS: dict[str, Deployment] = dict(combinations(TEMPLATE))


def test_the_template_has_no_errors() -> None:
    assert template_errors(TEMPLATE) == ()


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
    for settings in app_settings(DEPLOYMENTS[name]).values():
        assert set(settings) - PLATFORM_SETTINGS <= read_by_api


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_api_has_all_the_settings_it_needs(name: str) -> None:
    from chat_api.settings import load_settings

    for target, settings in app_settings(DEPLOYMENTS[name]).items():
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


# --- planted errors --------------------------------------------------------------------------------------------------


def _resource(template: dict[str, Any], kind: str, at: int = 0) -> dict[str, Any]:
    resources: list[dict[str, Any]] = [each for each in template["resources"] if each["type"] == kind]
    return resources[at]


def _properties(template: dict[str, Any], kind: str, at: int = 0) -> dict[str, Any]:
    properties: dict[str, Any] = _resource(template, kind, at)["properties"]
    return properties


Plant = Callable[[dict[str, Any]], Any]
_ACCOUNT, _SITE, _STORE = (
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.Web/sites",
    "Microsoft.Storage/storageAccounts",
)
_ROLE, _VAULT = "Microsoft.Authorization/roleAssignments", "Microsoft.KeyVault/vaults"
PLANTED: dict[str, tuple[Plant, str]] = {
    "a misspelled property": (lambda t: _properties(t, _SITE).update(httpOnly=True), "httpOnly"),
    "a misspelled nested property": (
        lambda t: _properties(t, _SITE)["functionAppConfig"]["runtime"].update(verison="3.13"),
        "verison",
    ),
    "an unknown value": (lambda t: _properties(t, _STORE).update(minimumTlsVersion="TLS9"), "TLS9"),
    "a wrong type": (lambda t: _properties(t, _SITE).update(httpsOnly="yes"), "httpsOnly"),
    "a missing required key": (lambda t: _resource(t, _STORE).pop("sku"), "sku"),
    "an API version that was not checked": (
        lambda t: _resource(t, _SITE).update(apiVersion="2019-08-01"),
        "2019-08-01",
    ),
    "a resource of an unknown type": (
        lambda t: _resource(t, _VAULT).update(type="Microsoft.KeyVault/vault"),
        "unknown resource type",
    ),
    "an unknown parameter": (
        lambda t: _resource(t, _STORE).update(location="[parameters('lokation')]"),
        "lokation",
    ),
    "an unused parameter": (
        lambda t: t["parameters"].update(
            colour={"type": "string", "defaultValue": "", "metadata": {"description": "x"}}
        ),
        "'colour' is not used",
    ),
    "a parameter without a description": (lambda t: t["parameters"]["tags"].pop("metadata"), "has no description"),
    "an unused variable": (lambda t: t["variables"].update(spare="x"), "'spare' is not used"),
    "a missing bracket": (
        lambda t: t["variables"].update(app="[concat(parameters('name'), '-api')"),
        "does not end with a bracket",
    ),
    "a missing parenthesis": (
        lambda t: t["variables"].update(app="[concat(parameters('name'), '-api']"),
        "expected ',', got",
    ),
    "an unknown function": (
        lambda t: t["variables"].update(app="[join(parameters('name'), '-api')]"),
        "unknown function 'join'",
    ),
    "an id with too few names": (
        lambda t: t["variables"].update(siteId="[resourceId('Microsoft.Web/staticSites')]"),
        "the number of names must be 1, got 0",
    ),
    "a missing dependency": (
        lambda t: _resource(t, "Microsoft.Web/sites/config").pop("dependsOn"),
        "does not wait",
    ),
    "a role before its scope exists": (lambda t: _resource(t, _ROLE).update(dependsOn=[]), "does not wait"),
    "a role for the whole group": (lambda t: _resource(t, _ROLE, 1).pop("scope"), "the whole group"),
    "a role with more rights": (
        lambda t: t["variables"]["roles"].update(
            openAIUser="[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')]"
        ),
        "8e3af657",
    ),
    "keys where there is an identity": (
        lambda t: _properties(t, _ACCOUNT).update(disableLocalAuth=False),
        "accepts keys",
    ),
    "no keys where there is no identity": (
        lambda t: _properties(t, _ACCOUNT).update(disableLocalAuth=True),
        "accepts no keys",
    ),
    "plain http": (lambda t: _properties(t, _SITE).update(httpsOnly=False), "httpsOnly must be True, got False"),
    "an old TLS": (
        lambda t: _properties(t, _SITE)["siteConfig"].update(minTlsVersion="1.0"),
        "minTlsVersion must be '1.2', got '1.0'",
    ),
    "a storage account that accepts keys": (
        lambda t: _properties(t, _STORE).update(allowSharedKeyAccess=True),
        "SharedKey",
    ),
    "passwords for publishing": (
        lambda t: _properties(t, "Microsoft.Web/sites/basicPublishingCredentialsPolicies").update(allow=True),
        "allow must be False, got True",
    ),
    "a vault with access policies": (lambda t: _properties(t, _VAULT).update(enableRbacAuthorization=False), "Rbac"),
    "the key itself in a setting": (
        lambda t: _resource(t, "Microsoft.Web/sites/config").update(
            properties=_resource(t, "Microsoft.Web/sites/config")["properties"].replace(
                "concat('@Microsoft.KeyVault(SecretUri=', reference(variables('vaultId'), '2024-11-01').vaultUri, 'secrets/', variables('secret'), ')')",
                "parameters('openAIKey')",
            )
        ),
        "secret in OPENAI_API_KEY",
    ),
    "a key in an output": (
        lambda t: t["outputs"].update(key={"type": "string", "value": "[parameters('ticketKey')]"}),
        "the output 'key'",
    ),
    "missing tags": (lambda t: _resource(t, _STORE).pop("tags"), "does not have the tags"),
    "IP ranges without effect": (
        lambda t: _properties(t, _ACCOUNT)["networkAcls"].update(defaultAction="Allow"),
        "is not restricted to the IP ranges",
    ),
    "one resource twice": (
        lambda t: t["resources"].append(_resource(t, "Microsoft.Web/serverfarms")),
        "declared twice",
    ),
    "a back end that is not linked": (
        lambda t: _resource(t, "Microsoft.Web/staticSites/linkedBackends").update(condition=False),
        "no back end is linked",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_check_finds_a_planted_error(name: str) -> None:
    plant, text = PLANTED[name]
    template = copy.deepcopy(TEMPLATE)
    plant(template)
    assert template != TEMPLATE
    assert any(text in error for error in template_errors(template)), template_errors(template)


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
