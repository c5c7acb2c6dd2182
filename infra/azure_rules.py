"""Rules for what Azure needs: each says what is wrong with a deployment, and what Azure would do.

`learn/…` is the page of https://learn.microsoft.com/azure that has the fact, named from memory. Public issues, and pages with a date, were read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from infra.expressions import GROUP, ExpressionScope, evaluate, resource_id
from infra.template import Deployment, Resource

ACCOUNT, MODEL = "Microsoft.CognitiveServices/accounts", "Microsoft.CognitiveServices/accounts/deployments"
APP, APP_CONFIG, PLAN = "Microsoft.Web/sites", "Microsoft.Web/sites/config", "Microsoft.Web/serverfarms"
CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
INSIGHTS, LOGS = "Microsoft.Insights/components", "Microsoft.OperationalInsights/workspaces"
LINK, PUBLISHING = "Microsoft.Web/staticSites/linkedBackends", "Microsoft.Web/sites/basicPublishingCredentialsPolicies"
ROLE, STORAGE = "Microsoft.Authorization/roleAssignments", "Microsoft.Storage/storageAccounts"
SITE, SITE_CONFIG = "Microsoft.Web/staticSites", "Microsoft.Web/staticSites/config"
VAULT, SECRET = "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/secrets"

OPENAI_USER = "5e0bd9bd-7b93-4f28-af87-36fc36ad61bd"
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
SECRETS_USER = "4633458b-17de-408a-874b-0445c86b69e6"

#: Properties with the values they may have, and why. (Type, path, values, reason.)
_VALUES: tuple[tuple[str, str, tuple[Any, ...], str], ...] = (
    # learn/azure-functions/functions-infrastructure-as-code?pivots=flex-consumption-plan
    (PLAN, "sku.name", ("FC1",), "no other plan runs an app with functionAppConfig, and some cost by the hour"),
    (PLAN, "sku.tier", ("FlexConsumption",), "it belongs to FC1"),
    (PLAN, "kind", ("functionapp",), "it is a plan of functions"),
    (PLAN, "properties.reserved", (True,), "Flex Consumption has Linux alone, and without this a plan is for Windows"),
    (APP, "kind", ("functionapp,linux",), "otherwise Azure makes a web app, or one on Windows, which Flex has not"),
    (APP, "identity.type", ("SystemAssigned",), "without an identity the app opens neither storage nor model nor vault"),
    (APP, "properties.functionAppConfig.runtime.name", ("python",), "the API is written in Python"),
    # tools/package.py packs the app's libraries for this version; a compiled one loads in no other.
    (APP, "properties.functionAppConfig.runtime.version", ("3.13",), "the package is built for 3.13, and its libraries load in no other"),
    (APP, "properties.functionAppConfig.deployment.storage.type", ("blobContainer",), "Flex takes packages from nowhere else"),
    (APP, "properties.functionAppConfig.deployment.storage.authentication.type", ("SystemAssignedIdentity",), "the storage accepts no keys"),
    # learn/azure-functions/flex-consumption-plan#instance-sizes
    (APP, "properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB", (512, 2048, 4096), "Flex has instances of these sizes"),
    # learn/azure-functions/storage-considerations#storage-account-requirements
    (STORAGE, "kind", ("StorageV2",), "the Functions host needs blobs, queues and tables in one account"),
    (STORAGE, "sku.name", ("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"), "the Functions host does not run on premium storage"),
    # learn/ai-services/openai/how-to/create-resource
    (ACCOUNT, "kind", ("OpenAI",), "another kind has other addresses, roles and models"),
    (ACCOUNT, "sku.name", ("S0",), "Azure OpenAI has no other"),
    (ACCOUNT, "properties.publicNetworkAccess", ("Enabled",), "site and app are in no virtual network, and could not reach the model"),
    (MODEL, "properties.model.format", ("OpenAI",), "Azure finds a model by format, name and version"),
    (MODEL, "sku.name", ("GlobalStandard", "DataZoneStandard", "Standard"), "others cost by the hour, or answer in batches"),
    # learn/ai-services/openai/how-to/working-with-models
    (MODEL, "properties.versionUpgradeOption", ("OnceCurrentVersionExpired",), "NoAutoUpgrade ends with the model, and any other changes answers without a pull request"),
    # learn/azure-monitor/app/create-workspace-resource; classic ones ended on 2024-02-29
    (INSIGHTS, "kind", ("web",), "it is the kind for requests of an app"),
    (INSIGHTS, "properties.Application_Type", ("web",), "it belongs to the kind"),
    # learn/azure-monitor/logs/cost-logs
    (LOGS, "properties.sku.name", ("PerGB2018",), "older tiers are closed, and commitments cost by the day"),
    # learn/static-web-apps/plans; learn/templates/microsoft.web/staticsites
    (SITE, "properties.allowConfigFileUpdates", (True,), "otherwise staticwebapp.config.json is locked, and with it who gets in"),
    (SITE, "properties.stagingEnvironmentPolicy", ("Enabled",), "`make preview` needs environments beside production"),
    # Azure/static-web-apps#913: another region is refused
    (SITE, "location", ("centralus", "eastasia", "eastus2", "westeurope", "westus2"), "Static Web Apps are in no other region"),
    # learn/templates/microsoft.keyvault/vaults
    (VAULT, "properties.sku.family", ("A",), "Azure knows no other"),
    (VAULT, "properties.sku.name", ("standard",), "premium is for keys in hardware, and costs more"),
)  # fmt: skip
#: Numbers with their bounds. (Type, path, least, most, reason.)
_BOUNDS = (
    # MicrosoftDocs/azure-docs#128255; learn/azure-functions/functions-concurrency
    (APP, "properties.functionAppConfig.scaleAndConcurrency.maximumInstanceCount", 40, 1000, "Flex takes no other maximum"),
    (APP, "properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency", 1, 1000, "Flex takes no other"),
    (VAULT, "properties.softDeleteRetentionInDays", 7, 90, "learn/key-vault/general/soft-delete-overview allows no other"),
    (LOGS, "properties.retentionInDays", 30, 730, "learn/azure-monitor/logs/data-retention-configure allows no other"),
)  # fmt: skip
#: What a name may be. learn/azure-resource-manager/management/resource-name-rules
_NAMES = {
    STORAGE: r"[a-z0-9]{3,24}",
    VAULT: r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])+",
    APP: r"(?=.{2,60}$)[A-Za-z0-9](-?[A-Za-z0-9])+",
    ACCOUNT: r"[A-Za-z0-9][A-Za-z0-9-]{1,63}",
    ROLE: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
#: What Flex Consumption refuses, with error 51021. learn/azure-functions/functions-app-settings#flex-consumption-plan-deprecations,
#: Azure/terraform-azurerm-avm-res-web-site#345, microsoft/azure-pipelines-tasks#21032.
_REFUSED_PROPERTIES = ("alwaysOn", "ftpsState", "functionAppScaleLimit", "functionsRuntimeScaleMonitoringEnabled", "javaVersion", "linuxFxVersion", "netFrameworkVersion", "nodeVersion", "powerShellVersion", "preWarmedInstanceCount", "pythonVersion", "use32BitWorkerProcess", "windowsFxVersion")  # fmt: skip


def azure_rules(deployment: Deployment) -> Iterator[str]:
    """What Azure would refuse or what would not work."""
    for rule in _RULES:
        yield from rule(deployment)


def _value_errors(deployment: Deployment) -> Iterator[str]:
    for resource_type, path, values, why in _VALUES:
        for resource in deployment.of(resource_type):
            if resource.at(path) not in values:
                wanted = " or ".join(map(repr, values))
                yield f"{resource.name}: {path} must be {wanted}, got {resource.at(path)!r}: {why}"
    for resource_type, path, least, most, why in _BOUNDS:
        for resource in deployment.of(resource_type):
            value = resource.at(path)
            if not isinstance(value, int) or not least <= value <= most:
                yield f"{resource.name}: {path} must be within {least} and {most}, got {value!r}: {why}"
    for resource_type, pattern in _NAMES.items():
        for resource in deployment.of(resource_type):
            if not re.fullmatch(pattern, resource.name):
                yield f"{resource.type} {resource.name}: Azure takes no such name; it must match {pattern}"


#: What is lost without a resource of each type.
_LOSSES = {
    SITE: "there is no page",
    INSIGHTS: "nobody sees what fails",
    LOGS: "Application Insights needs a workspace",
    STORAGE: "the Functions host and the package need storage",
    CONTAINER: "there is no place for the package",
    PLAN: "an app needs a plan",
    APP: "there is no API",
    APP_CONFIG: "the app has no settings",
    ACCOUNT: "there is no model",
    MODEL: "the account has no model",
    VAULT: "OpenAI's key would stand in the settings",
    SECRET: "the vault has no key",
    SITE_CONFIG: "the site's functions have no settings",
}


def _presence_errors(deployment: Deployment) -> Iterator[str]:
    topology, backend = deployment.parameters["topology"], deployment.parameters["backend"]
    needed = {SITE, INSIGHTS, LOGS}
    if deployment.on_flex:
        needed |= {STORAGE, CONTAINER, PLAN, APP, APP_CONFIG}
    if backend == "newAzureOpenAI":
        needed |= {ACCOUNT, MODEL}
    if deployment.key_setting and deployment.on_flex:
        needed |= {VAULT, SECRET}
    if topology != "linked" or deployment.parameters["signInClientId"]:
        needed |= {SITE_CONFIG}
    for resource_type, loss in _LOSSES.items():
        found = len(deployment.of(resource_type))
        if resource_type in needed and found != 1:
            yield f"one {resource_type} is needed, got {found}: {loss}"
        if resource_type not in needed and found:
            yield f"{resource_type} is not for this combination: nothing uses it, and it may cost or be refused"


def _app_errors(deployment: Deployment) -> Iterator[str]:
    """An app on Flex Consumption. learn/azure-functions/functions-infrastructure-as-code?pivots=flex-consumption-plan"""
    for app in deployment.of(APP):
        if app.at("properties.serverFarmId") not in [plan.id for plan in deployment.of(PLAN)]:
            yield f"{app.name}: serverFarmId is no plan of this deployment: the app would have no place to run"
        package = app.at("properties.functionAppConfig.deployment.storage.value")
        addresses = [_address(container) for container in deployment.of(CONTAINER)]
        if package not in addresses:
            yield f"{app.name}: the package is taken from {package}, which is not a container here ({', '.join(addresses)}): no code arrives"
        for name in _REFUSED_PROPERTIES:
            if name in {**app.properties, **app.properties.get("siteConfig", {})}:
                yield f"{app.name}: {name} is refused by Flex Consumption (51021), whatever its value"


def _address(container: Resource) -> str:
    account, _, name = container.name.split("/")
    return f"https://{account}.blob.core.windows.net/{name}"


def _role_errors(deployment: Deployment) -> Iterator[str]:
    """Roles without which the app is refused.

    learn/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity, learn/ai-services/openai/how-to/role-based-access-control,
    learn/key-vault/general/rbac-guide
    """
    needed = [(BLOB_OWNER, each.id, "the host cannot open its storage") for each in deployment.of(STORAGE)]
    needed += [(SECRETS_USER, each.id, "the app cannot read OpenAI's key") for each in deployment.of(VAULT)]
    if model := model_id(deployment):
        needed.append((OPENAI_USER, model, "the model answers every question with 401"))
    given = {
        (str(each.at("properties.roleDefinitionId")).rpartition("/")[2], each.at("scope"))
        for each in deployment.of(ROLE)
    }
    for role, scope, why in needed if deployment.on_flex else ():
        if (role, scope) not in given:
            yield f"the app does not have the role {role} at {scope.rpartition('/providers/')[2]}: {why}"
    apps = [f"<{APP}/{app.name}.identity.principalId>" for app in deployment.of(APP)]
    for assignment in deployment.of(ROLE):
        if assignment.at("properties.principalId") not in apps:
            yield f"a role goes to {assignment.at('properties.principalId')}, which is not the app's identity"
        # Azure refuses it: MicrosoftDocs/azure-docs#62786.
        group = str(assignment.at("scope")).partition("/resourceGroups/")[2].partition("/")[0]
        if group != (assignment.group or GROUP):
            yield f"a role in the group {assignment.group or GROUP} has a scope in {group}: Azure assigns it only in a deployment there"


def model_id(deployment: Deployment) -> str | None:
    """The id of the Azure OpenAI resource that is asked; None where OpenAI is, or an endpoint whose key was given."""
    parameters = deployment.parameters
    if parameters["backend"] == "existingAzureOpenAI" and not deployment.foreign:
        return resource_id(parameters["existingResourceGroup"], ACCOUNT, parameters["existingResourceName"])
    return next((account.id for account in deployment.of(ACCOUNT)), None)


def _model_errors(deployment: Deployment) -> Iterator[str]:
    """learn/ai-services/cognitive-services-custom-subdomains: without one, an account has a region's address, which takes no Entra tokens."""
    for account in deployment.of(ACCOUNT):
        if account.at("properties.customSubDomainName") != account.name:
            yield f"{account.name}: customSubDomainName must be its name, got {account.at('properties.customSubDomainName')!r}: without one, Azure OpenAI accepts no identity"


def _link_errors(deployment: Deployment) -> Iterator[str]:
    """learn/static-web-apps/functions-bring-your-own: Standard alone, and linking lets the site alone use the app."""
    linked, links = deployment.parameters["topology"] == "linked", deployment.of(LINK)
    if linked and not links:
        yield "no back end is linked: the site's /api answers 404"
    if len(links) > 1:  # Azure/static-web-apps#576
        yield "two back ends are linked: a Static Web App has one"
    if links and not linked:
        yield "a back end is linked, which lets the site alone use the app: the page cannot ask it directly"
    for app, link in ((app, link) for app in deployment.of(APP) for link in links):
        if link.at("properties.backendResourceId") != app.id:
            yield f"{link.name}: backendResourceId is not the app: the site asks another API"
        if link.at("properties.region") != app.at("location"):  # Azure/azure-rest-api-specs#31807
            yield f"{link.name}: region must be the app's, {app.at('location')}, got {link.at('properties.region')!r}: Azure answers 500"
    for site in deployment.of(SITE):
        if site.at("sku.name") != site.at("sku.tier") or (linked and site.at("sku.name") != "Standard"):
            yield f"{site.name}: the plan must be Standard in sku.name and sku.tier where a back end is linked, and the same in both elsewhere: Free has no back ends"


def _region_errors(deployment: Deployment) -> Iterator[str]:
    """Each resource is where the parameters say: what is elsewhere is slower, and may be outside the law that was chosen."""
    parameters = {SITE: "siteLocation", ACCOUNT: "modelLocation"}
    for resource in deployment.resources:
        parameter = parameters.get(resource.type, "location")
        got = resource.at("location")
        if got is not None and got != deployment.parameters[parameter]:
            yield f"{resource.type} {resource.name}: location must be the parameter {parameter}, got {got!r}: a resource cannot move later"


def _reference_errors(deployment: Deployment) -> Iterator[str]:
    for secret in deployment.of(SECRET):
        key = "existingKey" if deployment.foreign else "openAIKey"
        if secret.at("properties.value") != deployment.parameters[key]:
            yield f"{secret.name}: its value must be the parameter {key}: the model answers 401"
    for insights in deployment.of(INSIGHTS):
        if insights.at("properties.WorkspaceResourceId") not in [each.id for each in deployment.of(LOGS)]:
            yield f"{insights.name}: WorkspaceResourceId is no workspace here: Azure makes no Application Insights without"
    tenant = evaluate("[subscription().tenantId]", ExpressionScope({}))
    for vault in deployment.of(VAULT):
        if vault.at("properties.tenantId") != tenant:
            yield f"{vault.name}: tenantId must be the subscription's: another tenant's people are asked for, and the app is refused"


#: Waits that no reference shows. (Who waits, for what, why.)
_WAITS = (
    (APP, CONTAINER, "Azure looks for the package's container when it makes the app"),
    # learn/app-service/app-service-key-vault-references: a reference is read at once, and again within 24 hours
    (APP_CONFIG, SECRET, "a reference to a secret that is not there yet is tried again a day later"),
    (APP_CONFIG, ROLE, "a reference that the app may not read yet is tried again a day later"),
    # Inferred from "Cannot modify this site because another operation is in progress", Azure/azure-functions-on-container-apps#34
    (LINK, APP_CONFIG, "linking writes the app's configuration too, and Azure answers 409 to one of two at once"),
)


def _wait_errors(deployment: Deployment) -> Iterator[str]:
    for resource_type, other_type, why in _WAITS:
        for resource in deployment.of(resource_type):
            for other in deployment.of(other_type):
                concerns = other_type != ROLE or (other.at("properties.roleDefinitionId") or "").endswith(SECRETS_USER)
                if concerns and other.id not in deployment.earlier(resource.id):
                    yield f"{resource.type} {resource.name} does not wait for {other.type} {other.name}: {why}"


_RULES: tuple[Callable[[Deployment], Iterator[str]], ...] = (
    _presence_errors,
    _value_errors,
    _app_errors,
    _role_errors,
    _model_errors,
    _link_errors,
    _region_errors,
    _reference_errors,
    _wait_errors,
)
