"""Rules for security: each says what is wrong with a deployment, and what it exposes.

`learn/…` is the page of https://learn.microsoft.com/azure that has the fact, named from memory. Public issues, and pages with a date, were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.azure_rules import (
    ACCOUNT,
    APP,
    APP_CONFIG,
    BLOB_OWNER,
    CONTAINER,
    OPENAI_USER,
    PUBLISHING,
    ROLE,
    SECRET,
    SECRETS_USER,
    SITE,
    SITE_CONFIG,
    STORAGE,
    VAULT,
)
from infra.template import Deployment, Resource
from infra.template_rules import SECRET_NAME

#: The only roles that are assigned, each with the type of resource it applies to. Source: Microsoft's built-in roles, 2026-11-24.
ROLES = {OPENAI_USER: ACCOUNT, BLOB_OWNER: STORAGE, SECRETS_USER: VAULT}
_UNTAGGED = (  # these cannot have tags
    ROLE,
    CONTAINER,
    PUBLISHING,
    APP_CONFIG,
    SITE_CONFIG,
    "Microsoft.Web/staticSites/linkedBackends",
)
#: Properties with the one value they must have, whatever is deployed, and what another would expose.
_REQUIRED_VALUES: tuple[tuple[str, str, Any, str], ...] = (
    # learn/app-service/overview-tls, learn/app-service/configure-basic-auth-disable
    (APP, "properties.httpsOnly", True, "questions and tickets would cross the network in the clear"),
    (APP, "properties.siteConfig.minTlsVersion", "1.2", "older versions of TLS are broken"),
    (APP, "properties.siteConfig.scmMinTlsVersion", "1.2", "code is uploaded there, and older versions of TLS are broken"),
    # checkov CKV_AZURE_67; hashicorp/terraform-provider-azurerm, function_app_flex_consumption, http2_enabled
    (APP, "properties.siteConfig.http20Enabled", True, "HTTP/1.1 gives a browser six connections, and streams take them all"),
    (PUBLISHING, "properties.allow", False, "whoever learns a password could upload code"),
    # learn/storage/common/storage-configure-connection-string, learn/storage/common/shared-key-authorization-prevent
    (STORAGE, "properties.supportsHttpsTrafficOnly", True, "the package would cross the network in the clear"),
    (STORAGE, "properties.minimumTlsVersion", "TLS1_2", "older versions of TLS are broken"),
    (STORAGE, "properties.allowBlobPublicAccess", False, "everybody could read what is in the containers"),
    (STORAGE, "properties.allowSharedKeyAccess", False, "whoever learns a key could replace the app's code"),
    (STORAGE, "properties.defaultToOAuthAuthentication", True, "the portal would ask for keys, which are refused"),
    (CONTAINER, "properties.publicAccess", "None", "everybody could read the app's code"),
    # learn/key-vault/general/rbac-access-policy
    (VAULT, "properties.enableRbacAuthorization", True, "access policies let each contributor give himself the key"),
    # learn/role-based-access-control/role-assignments-template#new-service-principal (2026-11-30)
    (ROLE, "properties.principalType", "ServicePrincipal", "Azure does not find a new identity, and refuses the role"),
)  # fmt: skip


def security_rules(deployment: Deployment) -> Iterator[str]:
    """What others could read or use."""
    for rule in _RULES:
        yield from rule(deployment)


def _property_errors(deployment: Deployment) -> Iterator[str]:
    for resource in deployment.resources:
        if resource.type not in _UNTAGGED and resource.body.get("tags") != deployment.parameters["tags"]:
            yield f"{resource.type} {resource.name} does not have the tags: nobody can say whose it is"
    for resource_type, path, required, why in _REQUIRED_VALUES:
        for resource in deployment.of(resource_type):
            if resource.at(path) != required:
                yield f"{resource.name}: {path} must be {required!r}, got {resource.at(path)!r}: {why}"


def _access_errors(deployment: Deployment) -> Iterator[str]:
    """Access that is wider than necessary."""
    for account in deployment.of(ACCOUNT):
        if account.properties.get("disableLocalAuth") is not deployment.on_flex:
            wrong = "accepts keys but is" if deployment.on_flex else "accepts no keys but is not"
            yield f"{account.name} {wrong} used by identity"
        # learn/ai-services/cognitive-services-virtual-networks: without a range, or with one that is denied to nobody, all may ask
        wanted = [each.removesuffix("/32") for each in deployment.parameters["modelIpRanges"]]
        rules = [rule.get("value") for rule in account.at("properties.networkAcls.ipRules") or ()]
        if (account.at("properties.networkAcls.defaultAction"), rules) != ("Deny" if wanted else "Allow", wanted):
            yield f"{account.name} is not restricted to the IP ranges: whoever has a token may ask from anywhere, or nobody may"
    for assignment in deployment.of(ROLE):
        role, scope = str(assignment.at("properties.roleDefinitionId")).rpartition("/")[2], assignment.at("scope") or ""
        if role not in ROLES or f"/providers/{ROLES[role]}/" not in scope:
            yield f"the role {role} is assigned for {scope or 'the whole group'}: the app may do more than it needs"


def _publishing_errors(deployment: Deployment) -> Iterator[str]:
    """learn/app-service/configure-basic-auth-disable: without a policy, passwords are accepted."""
    policies = [policy.name for policy in deployment.of(PUBLISHING)]
    for app in deployment.of(APP):
        if f"{app.name}/scm" not in policies:
            yield f"{app.name} accepts passwords for uploads: basicPublishingCredentialsPolicies scm must be there"


def _origin_errors(deployment: Deployment) -> Iterator[str]:
    """Which pages may ask an app. learn/azure-functions/security-concepts#restrict-cors-access"""
    direct = deployment.parameters["topology"] == "direct"
    wanted = [f"https://<{SITE}/{site.name}.defaultHostname>" for site in deployment.of(SITE)] if direct else []
    for app in deployment.of(APP):
        origins = app.at("properties.siteConfig.cors.allowedOrigins")
        if origins != wanted:
            yield f"{app.name}: allowedOrigins must be {wanted}, got {origins}: another page could ask in a person's name, or ours could not"
        if app.at("properties.siteConfig.cors.supportCredentials"):
            yield f"{app.name}: supportCredentials lets browsers send cookies: a ticket is all that a question needs"


def _secret_errors(deployment: Deployment) -> Iterator[str]:
    """Secrets that are not necessary, or that others can read."""
    given = [str(value) for name, value in deployment.parameters.items() if SECRET_NAME.search(name) and value]
    secrets = [*given, "<keys of "]
    for resource in deployment.resources:
        for path, value in _leaves(resource.body):
            name = path.rpartition(".")[2]
            if any(secret in value for secret in secrets) and not _may_hold(resource, name, deployment):
                yield f"{resource.type} has a secret in {name}: everybody who may read the resource has it"
    for name, value in deployment.outputs.items():
        if any(secret in leaf for _, leaf in _leaves({"value": value}) for secret in secrets):
            yield f"the output {name!r} has a secret: everybody who may read the group has it, from its history"


def _setting_errors(deployment: Deployment) -> Iterator[str]:
    """Settings that let others in, or that rely on an identity where there is none."""
    required = deployment.parameters["requiredRole"]
    for target, settings in deployment.app_settings().items():
        if deployment.on_flex and not _uses_identity(deployment, target, settings):
            yield f"{target} does not use the app's identity for the model: a key can be stolen"
        # learn/static-web-apps/apis-functions (2026-11-30): managed functions have neither an identity nor references
        if not deployment.on_flex and ("AZURE_OPENAI_AUTH" in settings or "@Microsoft.KeyVault" in str(settings)):
            yield f"{target} relies on an identity, which a managed site's functions do not have: the model is never asked"
        has_api = target == APP_CONFIG or deployment.parameters["topology"] != "linked"
        if has_api and settings.get("REQUIRED_ROLE") != required:
            yield f"{target}: REQUIRED_ROLE must be {required!r}, got {settings.get('REQUIRED_ROLE')!r}: others than the invited may ask"


def _may_hold(resource: Resource, name: str, deployment: Deployment) -> bool:
    """Whether this is a place for a secret."""
    if resource.type == SECRET:
        return name == "value"
    if resource.type == SITE_CONFIG and name == "AZURE_CLIENT_SECRET":
        return True
    if resource.type not in (APP_CONFIG, SITE_CONFIG):
        return False
    if name == "TICKET_KEY":
        return bool(deployment.parameters["topology"] == "direct")
    return name.endswith("_API_KEY") and not deployment.on_flex


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text, with its path."""
    if isinstance(node, Mapping | list | tuple):
        pairs = node.items() if isinstance(node, Mapping) else enumerate(node)
        for key, value in pairs:
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(node, str):
        yield path, node


def _uses_identity(deployment: Deployment, target: str, settings: Mapping[str, str]) -> bool:
    if target == SITE_CONFIG:  # beside a direct app, the site's functions do not use the model
        return not any(name.endswith("_API_KEY") for name in settings)
    if deployment.key_setting:
        return settings.get(deployment.key_setting, "").startswith("@Microsoft.KeyVault(SecretUri=")
    return settings.get("AZURE_OPENAI_AUTH") == "identity"


_RULES: tuple[Callable[[Deployment], Iterator[str]], ...] = (
    _property_errors,
    _access_errors,
    _publishing_errors,
    _origin_errors,
    _secret_errors,
    _setting_errors,
)
