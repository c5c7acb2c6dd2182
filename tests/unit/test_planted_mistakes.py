"""Mistakes planted in the template, of every kind: a rule finds each and says why, without the expected deployments."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.check import template_errors
from infra.template import read

TEMPLATE = read()
Template = dict[str, Any]
Plant = Callable[[Template], Any]

ACCOUNT, MODEL = "Microsoft.CognitiveServices/accounts", "Microsoft.CognitiveServices/accounts/deployments"
APP, APP_CONFIG, PLAN = "Microsoft.Web/sites", "Microsoft.Web/sites/config", "Microsoft.Web/serverfarms"
CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
INSIGHTS, LOGS = "Microsoft.Insights/components", "Microsoft.OperationalInsights/workspaces"
LINK, PUBLISHING = "Microsoft.Web/staticSites/linkedBackends", "Microsoft.Web/sites/basicPublishingCredentialsPolicies"
NESTED = "Microsoft.Resources/deployments"
ROLE, STORAGE = "Microsoft.Authorization/roleAssignments", "Microsoft.Storage/storageAccounts"
SITE, SITE_CONFIG = "Microsoft.Web/staticSites", "Microsoft.Web/staticSites/config"
VAULT, SECRET = "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/secrets"


def resource(template: Template, kind: str, at: int = 0) -> Template:
    found: list[Template] = [each for each in template["resources"] if each["type"] == kind]
    return found[at]


def put(kind: str, path: str, value: Any, at: int = 0) -> Plant:
    """Put a value at a path such as `sku.name` of a resource."""

    def plant(template: Template) -> None:
        *outer, last = path.split(".")
        node = resource(template, kind, at)
        for key in outer:
            node = node[key]
        node[last] = value

    return plant


def drop(kind: str, path: str = "", at: int = 0) -> Plant:
    """Drop what stands at a path of a resource; without a path, the resource."""

    def plant(template: Template) -> None:
        node = resource(template, kind, at)
        if not path:
            template["resources"].remove(node)
            return
        *outer, last = path.split(".")
        for key in outer:
            node = node[key]
        del node[last]

    return plant


def rewrite(kind: str, old: str, new: str, at: int = 0) -> Plant:
    """Another text in a resource, wherever it stands."""

    def plant(template: Template) -> None:
        node = resource(template, kind, at)
        node.update(json.loads(json.dumps(node).replace(old, new)))

    return plant


def unwait(kind: str, part: str, at: int = 0) -> Plant:
    """Without waiting for what has this in its id."""

    def plant(template: Template) -> None:
        node = resource(template, kind, at)
        node["dependsOn"] = [each for each in node["dependsOn"] if part not in each]

    return plant


def parameter(name: str, **values: Any) -> Plant:
    return lambda template: template["parameters"].setdefault(name, {}).update(values)


def variable(name: str, value: Any) -> Plant:
    return lambda template: template["variables"].update({name: value})


def output(value: str) -> Plant:
    return lambda template: template["outputs"].update(more={"type": "string", "value": value})


_REFERENCE = "concat('@Microsoft.KeyVault(SecretUri=', reference(variables('vaultId'), '2024-11-01').vaultUri, 'secrets/', variables('secret'), ')')"
_ROLES = "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{}')]"
_SCALE = "properties.functionAppConfig.scaleAndConcurrency"
_PACKAGE = "properties.functionAppConfig.deployment.storage"


def other_role(name: str, role: str) -> Plant:
    return lambda template: template["variables"]["roles"].update({name: _ROLES.format(role)})


#: By kind: what is planted, how, and words of the rule that finds it.
PLANTED: dict[str, dict[str, tuple[Plant, str]]] = {
    "wrong value": {
        "the endpoint of somebody else's model": (rewrite(APP_CONFIG, "createObject('AZURE_OPENAI_ENDPOINT', parameters('existingEndpoint'))", "createObject('AZURE_OPENAI_ENDPOINT', 'https://x.example')"), "the questions go elsewhere"),
        "the key in the vault": (lambda t: t["variables"].update(key="[parameters('openAIKey')]"), "must be the parameter existingKey"),
        "a parameter of another type": (parameter("maximumInstances", type="string"), "must be string, got 40"),
        "a type that Azure does not know": (parameter("tags", type="map"), "Azure knows no other"),
        "no network rule without ranges": (rewrite(ACCOUNT, "'Allow', 'Deny'", "'Deny', 'Deny'"), "or nobody may"),
        "another worker's telemetry": (variable("settings", TEMPLATE["variables"]["settings"].replace("'fastapi'", "''")), "each event of a stream is a record"),
        "a value that Azure does not know": (put(STORAGE, "properties.minimumTlsVersion", "TLS9"), "TLS9"),
        "a wrong type": (put(APP, "properties.httpsOnly", "yes"), "httpsOnly"),
        "another Python": (put(APP, "properties.functionAppConfig.runtime.version", "3.11"), "its libraries load in no other"),
        "another language": (put(APP, "properties.functionAppConfig.runtime.name", "node"), "the API is written in Python"),
        "an app on Windows": (put(APP, "kind", "functionapp"), "or one on Windows, which Flex has not"),
        "a plan for Windows": (put(PLAN, "properties.reserved", False), "a plan is for Windows"),
        "instances of another size": (put(APP, f"{_SCALE}.instanceMemoryMB", 1024), "Flex has instances of these sizes"),
        "fewer instances than Flex takes": (put(APP, f"{_SCALE}.maximumInstanceCount", 10), "Flex takes no other maximum"),
        "bounds that Flex does not keep to": (parameter("maximumInstances", minValue=1), "must be within 40 and 1000"),
        "the package by a connection string": (put(APP, f"{_PACKAGE}.authentication.type", "StorageAccountConnectionString"), "the storage accepts no keys"),
        "the host's storage by a key": (rewrite(APP_CONFIG, "'managedidentity'", "'key'"), "the host asks for a key"),
        "a property that Flex refuses": (put(APP, "properties.siteConfig.ftpsState", "Disabled"), "ftpsState is refused by Flex Consumption"),
        "a setting that Flex refuses": (rewrite(APP_CONFIG, "'AzureWebJobsStorage__credential'", "'FUNCTIONS_WORKER_RUNTIME', 'python', 'AzureWebJobsStorage__credential'"), "FUNCTIONS_WORKER_RUNTIME is refused"),
        "another kind of account": (put(ACCOUNT, "kind", "CognitiveServices"), "other addresses, roles and models"),
        "a model that never changes": (put(MODEL, "properties.versionUpgradeOption", "NoAutoUpgrade"), "NoAutoUpgrade ends with the model"),
        "an account that nobody can reach": (put(ACCOUNT, "properties.publicNetworkAccess", "Disabled"), "could not reach the model"),
        "the topology of the app on the site": (rewrite(SITE_CONFIG, "'TOPOLOGY', 'managed'", "'TOPOLOGY', 'direct'"), "as its topology needs"),
        "a role for a person": (put(ROLE, "properties.principalType", "User"), "Azure does not find a new identity"),
        "a vault of another tenant": (put(VAULT, "properties.tenantId", "22222222-2222-2222-2222-222222222222"), "the app is refused"),
        "a configuration that is ignored": (put(SITE, "properties.allowConfigFileUpdates", False), "staticwebapp.config.json is locked"),
        "HTTP/1.1 alone": (put(APP, "properties.siteConfig.http20Enabled", False), "streams take them all"),
        "IP ranges without effect": (put(ACCOUNT, "properties.networkAcls.defaultAction", "Allow"), "is not restricted to the IP ranges"),
    },
    "wrong place": {
        "a plan where no app is": (drop(PLAN, "condition"), "nothing uses it"),
        "uploads of an app that is not there": (drop(PUBLISHING, "condition"), "which nothing creates"),
        "a package in no container": (rewrite(APP, "variables('packages'))]\",", "'package')]\",", ), "no code arrives"),
        "a property one level too high": (lambda t: (put(APP, "properties.minTlsVersion", "1.2")(t), drop(APP, "properties.siteConfig.minTlsVersion")(t)), "older versions of TLS are broken"),
        "a role in the wrong group": (drop(NESTED, "resourceGroup"), "Azure assigns it only in a deployment there"),
        "the model's address of another resource": (rewrite(APP_CONFIG, "reference(variables('modelId'), '2025-06-01').endpoint", "concat('https://', variables('modelAccount'), '.openai.azure.com')"), "the questions go elsewhere"),
        "a back end that is the site": (put(LINK, "properties.backendResourceId", "[variables('siteId')]"), "the site asks another API"),
        "a back end of a direct app": (put(LINK, "condition", "[variables('onFlex')]"), "the page cannot ask it directly"),
        "the model's key beside a direct app": (rewrite(SITE_CONFIG, "'DIRECT_URL'", "'OPENAI_API_KEY', parameters('openAIKey'), 'DIRECT_URL'"), "secret in OPENAI_API_KEY"),
        "an app in no plan of ours": (put(APP, "properties.serverFarmId", "[resourceId('theirs', 'Microsoft.Web/serverfarms', 'theirs')]"), "no place to run"),
        "logs of nobody": (put(INSIGHTS, "properties.WorkspaceResourceId", "[resourceId('theirs', 'Microsoft.OperationalInsights/workspaces', 'theirs')]"), "no Application Insights without"),
        "settings of an identity on a managed site": (rewrite(SITE_CONFIG, "createObject(if(variables('openAI'), 'OPENAI_API_KEY', 'AZURE_OPENAI_API_KEY'), ", "createObject('AZURE_OPENAI_AUTH', 'identity', if(variables('openAI'), 'OPENAI_API_KEY', 'AZURE_OPENAI_API_KEY'), "), "managed site's functions do not have"),
        "a name that a site keeps for itself": (rewrite(SITE_CONFIG, "'DIRECT_URL'", "'WEBSITE_TIME_ZONE', 'UTC', 'DIRECT_URL'"), "keeps such names for itself"),
    },
    "dropped": {
        "a type": (drop(APP, "type"), "has no type"),
        "the version of an interface": (drop(APP, "apiVersion"), "has no apiVersion"),
        "the value of the secret": (drop(SECRET, "properties.value"), "the model answers 401"),
        "a nested parameter's value": (drop(NESTED, "properties.parameters.role"), "gives its parameter 'role' no value"),
        "the count of a copy": (lambda t: resource(t, ACCOUNT)["properties"]["networkAcls"]["copy"][0].pop("count"), "a copy has no count"),
        "a required key": (drop(STORAGE, "sku"), "sku"),
        "the region of a back end": (drop(LINK, "properties.region"), "Azure answers 500"),
        "the app's identity": (drop(APP, "identity"), "opens neither storage nor model nor vault"),
        "the credential of the host's storage": (rewrite(APP_CONFIG, ", 'AzureWebJobsStorage__credential', 'managedidentity'", ""), "starts no function"),
        "the account of the host's storage": (rewrite(APP_CONFIG, "'AzureWebJobsStorage__accountName', variables('storage'), ", ""), "does not find its storage"),
        "the account's own address": (drop(ACCOUNT, "properties.customSubDomainName"), "accepts no identity"),
        "the address of the telemetry": (rewrite(APP_CONFIG, "'APPLICATIONINSIGHTS_CONNECTION_STRING', reference(variables('insightsId'), '2020-02-02').ConnectionString, ", ""), "nobody sees what fails"),
        "the workspace": (drop(INSIGHTS, "properties.WorkspaceResourceId"), "no Application Insights without"),
        "the role at the storage": (drop(ROLE, at=0), "the host cannot open its storage"),
        "the role at the model": (drop(ROLE, at=1), "the model answers every question with 401"),
        "the role at their model": (drop(NESTED), "the model answers every question with 401"),
        "the role at the vault": (drop(ROLE, at=2), "the app cannot read OpenAI's key"),
        "the container": (drop(CONTAINER), "there is no place for the package"),
        "the model": (drop(MODEL), "the account has no model"),
        "the secret": (drop(SECRET), "the vault has no key"),
        "passwords for uploads are not off": (drop(PUBLISHING), "accepts passwords for uploads"),
        "the back end": (put(LINK, "condition", False), "no back end is linked"),
        "a direct app's page may not ask": (drop(APP, "properties.siteConfig.cors"), "or ours could not"),
        "the role that people need": (variable("settings", TEMPLATE["variables"]["settings"].replace("'REQUIRED_ROLE', parameters('requiredRole'), ", "")), "others than the invited may ask"),
        "the ticket's key at the app": (rewrite(APP_CONFIG, "createObject('TICKET_KEY', parameters('ticketKey'))", "createObject()"), "no ticket is accepted"),
        "tags": (drop(STORAGE, "tags"), "does not have the tags"),
        "a parameter's description": (lambda t: t["parameters"]["tags"].pop("metadata"), "has no description"),
        "'Full' of an identity": (rewrite(ROLE, ", 'Full')", ")"), "it has properties alone"),
        "a bracket": (variable("app", "[concat(parameters('name'), '-api')"), "does not end with a bracket"),
        "a parenthesis": (variable("app", "[concat(parameters('name'), '-api']"), "expected ',', got"),
    },
    "renamed": {
        "the secret of sign-in": (rewrite(SITE_CONFIG, "AZURE_CLIENT_SECRET", "AZURE_SECRET"), "nobody can sign in"),
        "who is invited": (variable("settings", TEMPLATE["variables"]["settings"].replace("'INVITED'", "'INVITEES'")), "the parameter invited has no effect"),
        "a copy": (rewrite(ACCOUNT, "copyIndex('ipRules')", "copyIndex('rules')"), "unknown copy 'rules'"),
        "a property": (put(APP, "properties.httpOnly", True), "httpOnly"),
        "a nested property": (put(APP, "properties.functionAppConfig.runtime.verison", "3.13"), "verison"),
        "a type": (put(VAULT, "type", "Microsoft.KeyVault/vault"), "unknown resource type"),
        "a parameter": (put(STORAGE, "location", "[parameters('lokation')]"), "lokation"),
        "a parameter that nobody uses": (parameter("colour", type="string", defaultValue="", metadata={"description": "x"}), "'colour' is not used"),
        "a variable that nobody uses": (variable("spare", "x"), "'spare' is not used"),
        "a function": (variable("app", "[join(parameters('name'), '-api')]"), "unknown function 'join'"),
        "an id with too few names": (variable("siteId", "[resourceId('Microsoft.Web/staticSites')]"), "the number of names must be 1, got 0"),
        "the secret in the vault": (put(SECRET, "name", "[concat(variables('vault'), '/openai-key')]"), "the platform finds no secret"),
        "the deployment of the model": (put(MODEL, "name", "[concat(variables('modelAccount'), '/gpt')]"), "404 DeploymentNotFound"),
        "a setting": (rewrite(APP_CONFIG, "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__accountname"), "does not find its storage"),
        "what a resource waits for": (lambda t: resource(t, APP)["dependsOn"].append("[resourceId('Microsoft.Web/serverfarms', 'plan')]"), "nothing creates it"),
        "a storage account as Azure takes none": (variable("storage", "[concat('st-', parameters('name'))]"), "Azure takes no such name"),
        "one resource twice": (lambda t: t["resources"].append(resource(t, PLAN)), "declared twice"),
        "the name of a role, in every deployment": (put(ROLE, "name", "[newGuid()]"), "each deployment would make another name"),
    },
    "outer scope": {
        "a nested deployment in the outer scope": (put(NESTED, "properties.expressionEvaluationOptions.scope", "outer"), "evaluated in the outer scope"),
        "a nested deployment without a scope": (drop(NESTED, "properties.expressionEvaluationOptions"), "which is Azure's default"),
        "a nested deployment that deletes": (put(NESTED, "properties.mode", "Complete"), "Complete deletes whatever else"),
        "a secret for a nested deployment": (put(NESTED, "properties.parameters.role", {"value": "[parameters('openAIKey')]"}), "its history would show it"),
    },
    "missing wait": {
        "settings before their app": (drop(APP_CONFIG, "dependsOn"), "does not wait"),
        "a role before its scope": (put(ROLE, "dependsOn", []), "does not wait"),
        "an app before its plan": (unwait(APP, "serverfarms"), "needs Microsoft.Web/serverfarms/chat-test-1a2b-plan but does not wait"),
        "an app before its container": (unwait(APP, "containers"), "Azure looks for the package's container"),
        "settings before the secret": (unwait(APP_CONFIG, "vaults/secrets"), "is tried again a day later"),
        "settings before the role at the vault": (unwait(APP_CONFIG, "roleAssignments"), "may not read yet"),
        "a link beside the settings": (put(LINK, "dependsOn", ["[variables('siteId')]", "[variables('appId')]"]), "answers 409 to one of two at once"),
        "insights before the workspace": (drop(INSIGHTS, "dependsOn"), "but does not wait for it"),
        "a model before its account": (drop(MODEL, "dependsOn"), "but does not wait for it"),
    },
    "secret as plain text": {
        "the key of somebody else's model": (lambda t: t["parameters"]["existingKey"].update(type="string"), "securestring"),
        "that key beside an app": (rewrite(APP_CONFIG, "createObject('AZURE_OPENAI_ENDPOINT', parameters('existingEndpoint'))", "createObject('AZURE_OPENAI_ENDPOINT', parameters('existingEndpoint'), 'SPARE_KEY', parameters('existingKey'))"), "has a secret in SPARE_KEY"),
        "OpenAI's key as a string": (parameter("openAIKey", type="string"), "in its history of deployments"),
        "the secret of sign-in as a string": (parameter("signInClientSecret", type="string"), "in its history of deployments"),
        "the tickets' key as a string": (parameter("ticketKey", type="String"), "in its history of deployments"),
        "a secret as a default": (parameter("openAIKey", defaultValue="open sesame"), "known to all who read it"),
        "a key in the template": (variable("secret", "sk-proj-0123456789abcdefABCDEF"), "looks like a key in plain text"),
        "the key itself in a setting": (rewrite(APP_CONFIG, _REFERENCE, "parameters('openAIKey')"), "secret in OPENAI_API_KEY"),
        "a key in a tag": (put(STORAGE, "tags", "[createObject('key', parameters('ticketKey'))]"), "secret in key"),
        "a secret in an output": (output("[parameters('ticketKey')]"), "the output 'more' has a secret"),
        "an account's key in an output": (output("[if(variables('newModel'), listKeys(variables('modelId'), '2025-06-01').key1, '')]"), "the output 'more' has a secret"),
    },
    "region": {
        "a back end in the site's region": (put(LINK, "properties.region", "[parameters('siteLocation')]"), "region must be the app's"),
        "a site where there are none": (put(SITE, "location", "[parameters('location')]"), "Static Web Apps are in no other region"),
        "a model beside the app": (put(ACCOUNT, "location", "[parameters('location')]"), "location must be the parameter modelLocation"),
        "an app in a fixed region": (put(APP, "location", "westeurope"), "location must be the parameter location"),
    },
    "SKU": {
        "a plan that does not exist": (put(PLAN, "sku.name", "FC2"), "no other plan runs an app with functionAppConfig"),
        "a plan of another tier": (put(PLAN, "sku", {"name": "Y1", "tier": "Dynamic"}), "it belongs to FC1"),
        "a free site with a back end": (put(SITE, "sku", {"name": "[parameters('siteSku')]", "tier": "[parameters('siteSku')]"}), "Free has no back ends"),
        "a site of two plans": (put(SITE, "sku.tier", "Free"), "the same in both elsewhere"),
        "premium storage": (put(STORAGE, "sku.name", "Premium_LRS"), "does not run on premium storage"),
        "an account of another size": (put(ACCOUNT, "sku.name", "F0"), "Azure OpenAI has no other"),
        "a model by the hour": (put(MODEL, "sku.name", "ProvisionedManaged"), "others cost by the hour"),
    },
    "role": {
        "for the whole group": (drop(ROLE, "scope", at=1), "the whole group"),
        "with more rights": (other_role("openAIUser", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"), "may do more than it needs"),
        "that may only read the storage": (other_role("blobOwner", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"), "the host cannot open its storage"),
        "of another resource": (put(ROLE, "properties.roleDefinitionId", "[variables('roles').openAIUser]"), "the host cannot open its storage"),
        "for somebody else": (put(ROLE, "properties.principalId", "[parameters('signInClientId')]"), "is not the app's identity"),
    },
    "API version": {
        "of a state, misspelled": (rewrite(ROLE, "'2024-11-01', 'Full'", "'2024-11', 'Full'"), "its answer may differ"),
        "of a resource": (put(APP, "apiVersion", "2019-08-01"), "2019-08-01"),
        "of a state": (rewrite(APP_CONFIG, "reference(variables('insightsId'), '2020-02-02')", "reference(variables('insightsId'), '2015-05-01')"), "its answer may differ"),
        "of a nested deployment": (put(NESTED, "apiVersion", "2015-01-01"), "apiVersion must be 2024-03-01"),
    },
    "access": {
        "keys where there is an identity": (put(ACCOUNT, "properties.disableLocalAuth", False), "accepts keys"),
        "no keys where there is no identity": (put(ACCOUNT, "properties.disableLocalAuth", True), "accepts no keys"),
        "plain http": (put(APP, "properties.httpsOnly", False), "in the clear"),
        "an old TLS": (put(APP, "properties.siteConfig.minTlsVersion", "1.0"), "older versions of TLS are broken"),
        "an old TLS for uploads": (drop(APP, "properties.siteConfig.scmMinTlsVersion"), "code is uploaded there"),
        "storage that accepts keys": (put(STORAGE, "properties.allowSharedKeyAccess", True), "replace the app's code"),
        "storage that everybody reads": (put(STORAGE, "properties.allowBlobPublicAccess", True), "everybody could read"),
        "code that everybody reads": (put(CONTAINER, "properties.publicAccess", "Blob"), "everybody could read the app's code"),
        "passwords for uploads": (put(PUBLISHING, "properties.allow", True), "whoever learns a password could upload code"),
        "a vault with access policies": (put(VAULT, "properties.enableRbacAuthorization", False), "give himself the key"),
        "every page may ask": (rewrite(APP, "createArray(concat('https://', reference(variables('siteId'), '2024-11-01').defaultHostname))", "createArray('*')"), "another page could ask"),
        "browsers send cookies": (rewrite(APP, "'supportCredentials', false()", "'supportCredentials', true()"), "a ticket is all that a question needs"),
    },
}  # fmt: skip
CASES = {f"{kind}: {name}": case for kind, cases in PLANTED.items() for name, case in cases.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_finds_a_planted_mistake_and_says_why(name: str) -> None:
    plant, words = CASES[name]
    template = copy.deepcopy(TEMPLATE)
    plant(template)
    assert template != TEMPLATE
    assert any(words in error for error in template_errors(template)), template_errors(template)


def parts(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key of a resource, without those of nested templates and of what only people read."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if key not in ("comments", "dependsOn", "template"):
            yield (*path, key)
            yield from parts(value, (*path, key))


@pytest.mark.slow
@pytest.mark.parametrize("at", range(len(TEMPLATE["resources"])), ids=[each["type"] for each in TEMPLATE["resources"]])
def test_no_part_of_a_resource_can_be_dropped_unseen(at: int) -> None:
    unseen = []
    for *outer, last in parts(TEMPLATE["resources"][at]):
        template = copy.deepcopy(TEMPLATE)
        node = template["resources"][at]
        for key in outer:
            node = node[key]
        del node[last]
        if not template_errors(template):
            unseen.append(".".join((*outer, last)))
    assert unseen == []


def test_the_template_has_no_errors() -> None:
    assert template_errors(TEMPLATE) == ()
