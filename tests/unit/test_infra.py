"""The template: what it makes of each combination, and that each planted mistake is found."""

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

from infra.check import GIVEN, app_settings, combinations, mistakes
from infra.expressions import ExpressionScope, TemplateError, evaluated
from infra.retirement import find_model, load_models
from infra.template import Deployment, deployment, read

ROOT = Path(__file__).parents[2]
TEMPLATE = read()
MADE: dict[str, Deployment] = dict(combinations(TEMPLATE))


def test_the_template_has_no_mistake() -> None:
    assert mistakes(TEMPLATE) == ()


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


@pytest.mark.parametrize("name", MADE)
def test_a_combination_makes_these_resources(name: str) -> None:
    topology, backend = name.split()
    model = Counter({"accounts": 1, "deployments": 1}) if backend == "newAzureOpenAI" else Counter[str]()
    vault = Counter({"vaults": 1, "secrets": 1}) if backend == "openAI" and topology != "managed" else Counter[str]()
    made = Counter(each.type.rpartition("/")[2] for each in MADE[name].resources)
    assert made == _EVERYWHERE + _HOSTED[topology] + model + vault


#: What the platform reads of an app's settings, beside what the app does.
PLATFORM_SETTINGS = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME",
}


@pytest.mark.parametrize("name", MADE)
def test_the_settings_that_are_written_are_those_that_the_api_reads(name: str) -> None:
    source = (ROOT / "api" / "chat_api" / "settings.py").read_text(encoding="utf-8")
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    read_by_api = {each for each in texts if isinstance(each, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)*", each)}
    for settings in app_settings(MADE[name]).values():
        assert set(settings) - PLATFORM_SETTINGS <= read_by_api


@pytest.mark.parametrize("name", MADE)
def test_the_api_finds_all_it_needs_in_the_settings(name: str) -> None:
    from chat_api.settings import load_settings

    for where, settings in app_settings(MADE[name]).items():
        if name.startswith("linked") and where == "Microsoft.Web/staticSites/config":
            assert set(settings) == {
                "AZURE_CLIENT_ID",
                "AZURE_CLIENT_SECRET",
            }  # the site signs in; the app does the rest
            continue
        found = load_settings({key: str(value) for key, value in settings.items()})
        assert (where, found.missing) == (where, ())


def test_the_site_is_where_it_was_asked_for_and_the_model_elsewhere() -> None:
    given = {**GIVEN, "location": "norwayeast", "siteLocation": "eastasia", "modelLocation": "swedencentral"}
    made = deployment(TEMPLATE, {**given, "topology": "linked", "backend": "newAzureOpenAI"})
    where = {each.type: each.body["location"] for each in made.resources if "location" in each.body}
    assert where.pop("Microsoft.Web/staticSites") == "eastasia"
    assert where.pop("Microsoft.CognitiveServices/accounts") == "swedencentral"
    assert set(where.values()) == {"norwayeast"}


def test_a_linked_site_without_a_sign_in_of_its_own_has_no_settings() -> None:
    made = deployment(TEMPLATE, {**GIVEN, "topology": "linked", "backend": "openAI", "signInClientId": ""})
    assert made.of("Microsoft.Web/staticSites/config") == ()


def test_a_linked_site_has_the_plan_that_takes_a_back_end() -> None:
    for name, made in MADE.items():
        plan = made.of("Microsoft.Web/staticSites")[0].body["sku"]["name"]
        assert (name, plan) == (name, "Standard" if name.startswith("linked") else "Free")


def test_the_model_that_is_deployed_unless_another_is_asked_for_is_in_the_file_of_models() -> None:
    said = {name: TEMPLATE["parameters"][name]["defaultValue"] for name in ("modelName", "modelVersion")}
    assert load_models()[0] == find_model(said["modelName"], said["modelVersion"])
    assert TEMPLATE["parameters"]["openAIModel"]["defaultValue"] == said["modelName"]


# --- planted mistakes ------------------------------------------------------------------------------------------------


def _resource(template: dict[str, Any], kind: str, at: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = [each for each in template["resources"] if each["type"] == kind][at]
    return found


def _properties(template: dict[str, Any], kind: str, at: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = _resource(template, kind, at)["properties"]
    return found


Plant = Callable[[dict[str, Any]], Any]
_ACCOUNT, _SITE, _STORE = (
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.Web/sites",
    "Microsoft.Storage/storageAccounts",
)
_ROLE, _VAULT = "Microsoft.Authorization/roleAssignments", "Microsoft.KeyVault/vaults"
PLANTED: dict[str, tuple[Plant, str]] = {
    "a property spelled wrong": (lambda t: _properties(t, _SITE).update(httpOnly=True), "httpOnly"),
    "a nested property spelled wrong": (
        lambda t: _properties(t, _SITE)["functionAppConfig"]["runtime"].update(verison="3.13"),
        "verison",
    ),
    "a value that is none of the known": (lambda t: _properties(t, _STORE).update(minimumTlsVersion="TLS9"), "TLS9"),
    "a type that is wrong": (lambda t: _properties(t, _SITE).update(httpsOnly="yes"), "httpsOnly"),
    "a required key left out": (lambda t: _resource(t, _STORE).pop("sku"), "sku"),
    "an interface nobody checked": (lambda t: _resource(t, _SITE).update(apiVersion="2019-08-01"), "2019-08-01"),
    "a resource of an unknown type": (
        lambda t: _resource(t, _VAULT).update(type="Microsoft.KeyVault/vault"),
        "no type",
    ),
    "a parameter that is not there": (
        lambda t: _resource(t, _STORE).update(location="[parameters('lokation')]"),
        "lokation",
    ),
    "a parameter that nothing uses": (
        lambda t: t["parameters"].update(
            colour={"type": "string", "defaultValue": "", "metadata": {"description": "x"}}
        ),
        "'colour' is not used",
    ),
    "a parameter without a description": (lambda t: t["parameters"]["tags"].pop("metadata"), "not described"),
    "a variable that nothing uses": (lambda t: t["variables"].update(spare="x"), "'spare' is not used"),
    "a bracket that is missing": (
        lambda t: t["variables"].update(app="[concat(parameters('name'), '-api')"),
        "does not end as one",
    ),
    "a parenthesis that is missing": (
        lambda t: t["variables"].update(app="[concat(parameters('name'), '-api']"),
        ", is missing at",
    ),
    "a function that is not there": (
        lambda t: t["variables"].update(app="[join(parameters('name'), '-api')]"),
        "'join'",
    ),
    "an id with a name too few": (
        lambda t: t["variables"].update(siteId="[resourceId('Microsoft.Web/staticSites')]"),
        "wants 1 names",
    ),
    "a dependency that is missing": (
        lambda t: _resource(t, "Microsoft.Web/sites/config").pop("dependsOn"),
        "does not wait",
    ),
    "a role before its scope is there": (lambda t: _resource(t, _ROLE).update(dependsOn=[]), "does not wait"),
    "a role for the whole group": (lambda t: _resource(t, _ROLE, 1).pop("scope"), "the whole group"),
    "a role that may do more": (
        lambda t: t["variables"]["roles"].update(
            openAIUser="[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')]"
        ),
        "8e3af657",
    ),
    "keys where there is an identity": (
        lambda t: _properties(t, _ACCOUNT).update(disableLocalAuth=False),
        "takes keys",
    ),
    "no keys where there is no identity": (
        lambda t: _properties(t, _ACCOUNT).update(disableLocalAuth=True),
        "takes no key",
    ),
    "plain http": (lambda t: _properties(t, _SITE).update(httpsOnly=False), "httpsOnly is False"),
    "an old TLS": (lambda t: _properties(t, _SITE)["siteConfig"].update(minTlsVersion="1.0"), "minTlsVersion is '1.0'"),
    "a storage account opened by keys": (
        lambda t: _properties(t, _STORE).update(allowSharedKeyAccess=True),
        "SharedKey",
    ),
    "passwords for publishing": (
        lambda t: _properties(t, "Microsoft.Web/sites/basicPublishingCredentialsPolicies").update(allow=True),
        "allow is True",
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
    "tags forgotten": (lambda t: _resource(t, _STORE).pop("tags"), "has not the tags"),
    "IP ranges without effect": (
        lambda t: _properties(t, _ACCOUNT)["networkAcls"].update(defaultAction="Allow"),
        "does not keep to the IP ranges",
    ),
    "one resource twice": (lambda t: t["resources"].append(_resource(t, "Microsoft.Web/serverfarms")), "there twice"),
    "a back end that is not linked": (
        lambda t: _resource(t, "Microsoft.Web/staticSites/linkedBackends").update(condition=False),
        "no back end is linked",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(name: str) -> None:
    plant, word = PLANTED[name]
    template = copy.deepcopy(TEMPLATE)
    plant(template)
    assert template != TEMPLATE
    assert any(word in each for each in mistakes(template)), mistakes(template)


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
    assert evaluated(text, ExpressionScope({})) == value


@pytest.mark.parametrize("text", ["[concat('a']", "[nowhere()]", "[parameters('x')]", "[concat('a') 'b']", "[1 + 2]"])
def test_an_expression_that_azure_refuses_is_named(text: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(text)):
        evaluated(text, ExpressionScope({}))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"topology": "lincked"}, "topology is 'lincked', and must be one of managed, linked, direct"),
        ({"colour": "blue"}, "there is no parameter 'colour'"),
        ({"name": "x"}, "minLength 3"),
    ],
)
def test_a_parameter_that_azure_refuses_is_named(given: Mapping[str, Any], why: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(why)):
        deployment(TEMPLATE, given)


# --- the schemas -----------------------------------------------------------------------------------------------------


def test_the_schemas_say_what_they_are_made_of() -> None:
    made = json.loads((ROOT / "infra" / "schemas.json").read_text())
    assert all(re.fullmatch(r"[0-9a-f]{64}", each["sha256"]) for each in made["sources"])


@pytest.mark.skipif("AZURE_CLIENTS" not in os.environ, reason="fetches seven packages; with AZURE_CLIENTS=1")
def test_the_schemas_are_what_the_script_extracts() -> None:
    command = [sys.executable, "tools/extract_arm_schemas.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


MICROSOFTS = os.environ.get("ARM_SCHEMAS", "")


@pytest.mark.skipif(not MICROSOFTS, reason="wants a folder of Microsoft's own schemas in ARM_SCHEMAS")
@pytest.mark.parametrize("name", MADE)
def test_microsofts_own_schemas_take_every_resource(name: str) -> None:
    base = "https://schema.management.azure.com/schemas/"
    folder = Path(MICROSOFTS)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.json")}
    files.pop("2019-04-01/deploymentTemplate.json", None)  # of templates as a whole; it leads to every provider
    documents = {at: _strict(json.loads(path.read_text(encoding="utf-8-sig")), at) for at, path in files.items()}
    registry = jsonschema_rs.Registry(
        [(base + at, each) for at, each in documents.items()], draft=jsonschema_rs.Draft4, retriever=lambda _: True
    )
    checked = 0
    for each in MADE[name].resources:
        provider, _, rest = each.type.partition("/")
        at, key = f"{each.body['apiVersion']}/{provider}.json", rest.replace("/", "_")
        if key not in documents.get(at, {}).get("resourceDefinitions", {}):
            continue
        checked += 1
        body = {key: value for key, value in each.body.items() if key not in ("dependsOn", "condition", "comments")}
        schema = jsonschema_rs.Draft4Validator({"$ref": f"{base}{at}#/resourceDefinitions/{key}"}, registry=registry)
        assert [(each.name, error.message) for error in schema.iter_errors(json.loads(json.dumps(body)))] == []
    assert checked >= 2


def _strict(document: dict[str, Any], at: str) -> dict[str, Any]:
    """A provider's document with its definitions closed, as Microsoft's are not: a property that is not named is a mistake."""
    return document if at.startswith("common") else {**document, "definitions": _closed(document["definitions"])}


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    is_open = isinstance(node.get("properties"), dict) and "additionalProperties" not in node and "$ref" not in node
    return {key: _closed(each) for key, each in node.items()} | ({"additionalProperties": False} if is_open else {})
