"""What a fake Azure knows and does: one subscription, its groups, resources, roles, deployments, uploads and what was deleted.

What Azure answers stands in Microsoft's published shapes; where a rule is from elsewhere, its source stands beside it.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from infra import expressions
from infra.template import Resource, expand
from tests.azure.roles import Role, role_of

SUBSCRIPTION = "0f0f0f0f-0000-0000-0000-00000000000a"
TENANT = "0f0f0f0f-0000-0000-0000-00000000000b"
OPERATOR = "0f0f0f0f-0000-0000-0000-00000000000c"
PROVIDERS = ("Web", "Storage", "Insights", "OperationalInsights", "CognitiveServices", "KeyVault", "Authorization")
_ACCOUNT, _DEPLOYMENT = "microsoft.cognitiveservices/accounts", "microsoft.cognitiveservices/accounts/deployments"
VAULT, SITE, APP = "microsoft.keyvault/vaults", "microsoft.web/staticsites", "microsoft.web/sites"
_ROLE = "microsoft.authorization/roleassignments"
_LOCK = "microsoft.authorization/locks"
_SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION}"
#: The host of a site, or of one of its previews.
SITES = "{}.westeurope.azurestaticapps.net"
#: `<Microsoft.Web/sites/chat-api.identity.principalId>`, as the offline evaluation leaves what only a deployment knows.
_UNKNOWN = re.compile(r"<(?P<keys>keys of )?(?P<path>[\w.]+(?:/[^<>/.]+)+)(?P<members>(?:\.\w+)*)>")


#: A setting that is a secret in a vault, of its newest version.
_REFERENCE = re.compile(r"@Microsoft\.KeyVault\(SecretUri=https://([^.]+)\.vault\.azure\.net/secrets/([^/)]+)\)")


#: The first deployment; each further one is a minute later.
_BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)


class RefusalError(Exception):
    """Azure refuses: a status, with an error of a code, a message and inner ones."""

    def __init__(
        self, status: int, code: str, message: str, *details: Mapping[str, Any], inner: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        more = {"details": [*details]} if details else {"innererror": inner} if inner else {}
        self.body: dict[str, Any] = {"error": {"code": code, "message": message, **more}}


@dataclass
class Cloud:
    """The state of a fake Azure.

    What a test sets: `failing` refuses to create resources of a type, `quota` is what is left of each model, `taken` are names
    of others, `unregistered` providers, `grants` the roles that were given by hand: of whom, where, and the role's name.
    """

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The versions of each secret, by vault and name; those who were invited to each site, by number.
    secrets: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    users: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    #: How often each key of a resource was made anew; the keys of models of others, by host.
    renewed: dict[tuple[str, str], int] = field(default_factory=dict)
    foreign: dict[str, set[str]] = field(default_factory=dict)
    #: The packages of function apps by name, and of sites by token and environment.
    packages: dict[str, bytes] = field(default_factory=dict)
    failing: dict[str, RefusalError] = field(default_factory=dict)
    #: What happens while the next deployment goes on, which then stays so.
    interrupt: Callable[[], object] | None = None
    quota: dict[str, float] = field(default_factory=lambda: {"gpt-5.6-terra": 1000, "gpt-5.1": 1000})
    lifecycle: str = "GenerallyAvailable"
    taken: set[str] = field(default_factory=set)
    unregistered: set[str] = field(default_factory=set)
    #: Of the directory: each app id by the object id that roles are assigned to. The operator's are the same.
    principals: dict[str, str] = field(default_factory=lambda: {OPERATOR: OPERATOR})
    grants: list[tuple[str, str, str]] = field(default_factory=lambda: [(OPERATOR, _SUBSCRIPTION, "Owner")])

    # --- rights ------------------------------------------------------------------------------------------------------

    def given(self, principal: str) -> list[tuple[str, Role]]:
        """The roles of a principal, wherever they are, each with its scope."""
        given = [(at, role_of(name)) for who, at, name in self.grants if who == principal]
        for each in self.assigned(principal):
            at = each["id"][: each["id"].lower().rindex("/providers/microsoft.authorization/")]
            given.append((at, role_of(each["properties"]["roleDefinitionId"])))
        return given

    def roles(self, principal: str, scope: str) -> list[Role]:
        """The roles of a principal at a scope, given there or above it."""
        return [role for at, role in self.given(principal) if f"{scope}/".lower().startswith(f"{at}/".lower())]

    def may(self, principal: str, action: str, scope: str) -> bool:
        """Whether a principal may do something in Resource Manager."""
        return any(role.allows(action) for role in self.roles(principal, scope))

    def authorize(self, principal: str, action: str, scope: str) -> None:
        """Raises:
        RefusalError: the principal may not do it, in Azure's own words.
        """
        if not self.may(principal, action, scope):
            words = f"{self._named(principal)} does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
            raise RefusalError(403, "AuthorizationFailed", words)

    def _named(self, principal: str) -> str:
        return f"The client '{self.principals.get(principal, principal)}' with object id '{principal}'"

    def check_locks(self, method: str, scope: str) -> None:
        """Raises:
        RefusalError: a lock at the scope or above it, or in what would be deleted, forbids it.
        """
        if "/providers/microsoft.authorization/locks/" in scope.lower():
            return
        levels, verb = (("ReadOnly", "CanNotDelete"), "delete") if method == "DELETE" else (("ReadOnly",), "write")
        for lock in self.of(_LOCK):
            at = lock["id"][: lock["id"].lower().rindex("/providers/microsoft.authorization/")]
            inside = verb == "delete" and f"{at}/".lower().startswith(f"{scope}/".lower())
            if lock["properties"]["level"] in levels and (inside or f"{scope}/".lower().startswith(f"{at}/".lower())):
                words = f"The scope '{scope}' cannot perform {verb} operation because following scope(s) are locked: '{at}'. Please remove the lock and try again."
                raise RefusalError(409, "ScopeLocked", words)

    # --- keys --------------------------------------------------------------------------------------------------------

    def renew(self, resource: Mapping[str, Any], name: str) -> None:
        """Make a key of a resource anew: the old one is worth nothing."""
        key = resource["id"].lower(), name
        self.renewed[key] = self.renewed.get(key, 0) + 1

    def _key(self, resource: Mapping[str, Any], name: str, prefix: str) -> str:
        number = self.renewed.get((resource["id"].lower(), name), 0)
        return f"{prefix}-of-{resource['name']}-{name}-{number}"

    def keys_of(self, account: Mapping[str, Any]) -> dict[str, str]:
        """The two keys of a model's resource.

        Raises:
            RefusalError: it has none.
        """
        if account["properties"].get("disableLocalAuth"):
            words = "Failed to list key. disableLocalAuth is set to be true"
            raise RefusalError(400, "BadRequest", words)
        return {name: self._key(account, name, "key") for name in ("key1", "key2")}

    def token_of(self, site: Mapping[str, Any]) -> str:
        """The token that uploads to a site."""
        return self._key(site, "upload", "token")

    def keys_at(self, host: str) -> set[str]:
        """The keys that a model's host takes."""
        account = next((each for each in self.of(_ACCOUNT) if f"{each['name']}.openai.azure.com" == host), None)
        return set(self.keys_of(account).values()) if account else self.foreign.get(host, set())

    def setting(self, value: str, app: Mapping[str, Any]) -> str:
        """A setting as an app sees it: a reference to a vault is the secret, where the app's identity may read it."""
        found = _REFERENCE.fullmatch(value)
        if found is None:
            return value
        vault = next(each for each in self.of(VAULT) if each["name"] == found[1])
        roles = self.roles(app["identity"]["principalId"], vault["id"])
        may = any(role.allows_data("Microsoft.KeyVault/vaults/secrets/getSecret/action") for role in roles)
        return self.secrets[vault["id"].lower()][found[2]][-1] if may else value

    # --- groups ------------------------------------------------------------------------------------------------------

    def put_group(self, name: str, location: str) -> dict[str, Any]:
        """Create a group, or give the one that exists."""
        id_ = f"{_SUBSCRIPTION}/resourceGroups/{name}"
        properties = {"provisioningState": "Succeeded"}
        return self.groups.setdefault(
            name.lower(), {"id": id_, "name": name, "location": location, "properties": properties}
        )

    def group(self, name: str) -> dict[str, Any]:
        """A group."""
        if name.lower() not in self.groups:
            raise RefusalError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        return self.groups[name.lower()]

    def delete_group(self, name: str) -> None:
        """Delete a group with all that is in it; what has a name that stays is only hidden."""
        prefix = f"{self.group(name)['id']}/".lower()
        while inside := next((id_ for id_ in self.resources if id_.startswith(prefix)), None):
            self.delete(inside)
        del self.groups[name.lower()]
        self.grants = [each for each in self.grants if not f"{each[1]}/".lower().startswith(prefix)]
        self.deployments = {id_: each for id_, each in self.deployments.items() if not id_.startswith(prefix)}

    def in_group(self, name: str) -> list[dict[str, Any]]:
        """The resources of a group that stand alone: not parts of others, and not extensions."""
        prefix = f"{self.group(name)['id']}/providers/".lower()
        inside = [each for id_, each in self.resources.items() if id_.startswith(prefix)]
        return [each for each in inside if each["type"].count("/") == 1 and each["type"].lower() not in (_ROLE, _LOCK)]

    # --- resources ---------------------------------------------------------------------------------------------------

    def get(self, id_: str) -> dict[str, Any]:
        """A resource."""
        if id_.lower() not in self.resources:
            what = id_.partition("/providers/")[2]
            raise RefusalError(404, "ResourceNotFound", f"The Resource '{what}' was not found.")
        return self.resources[id_.lower()]

    def put(self, id_: str, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace a resource, as its provider would.

        Raises:
            RefusalError: the provider refuses it.
        """
        type_, name = kind.lower(), id_.rpartition("/")[2]
        if type_ in self.failing:
            raise self.failing[type_]
        self._check(id_, type_, name, body)
        resource = {**copy.deepcopy(dict(body)), "id": id_, "name": name, "type": kind}
        resource.pop("scope", None)
        if type_ == f"{VAULT}/secrets":  # nobody reads its value here
            versions = self.secrets.setdefault(_parent(id_, type_).lower(), {}).setdefault(name, [])
            versions.append(resource["properties"].pop("value"))
        resource["properties"] = {**resource.get("properties", {}), **self._made(type_, name)}
        if "identity" in body:
            known = self.resources.get(id_.lower(), {}).get("identity", {})
            principal = known.get("principalId") or str(uuid.uuid5(uuid.NAMESPACE_URL, id_))
            resource["identity"] = {**body["identity"], "principalId": principal, "tenantId": TENANT}
        self.resources[id_.lower()] = resource
        return resource

    def of(self, type_: str) -> list[dict[str, Any]]:
        """The resources of a type."""
        return [each for each in self.resources.values() if each["type"].lower() == type_]

    def delete(self, id_: str) -> None:
        """Delete a resource with its parts. Role assignments elsewhere stay, as in Azure."""
        resource = self.get(id_)
        if resource["type"].lower() in (_ACCOUNT, VAULT):
            self.deleted[id_.lower()] = resource
        for other in [other for other in self.resources if other == id_.lower() or other.startswith(f"{id_.lower()}/")]:
            del self.resources[other]

    def assigned(self, principal: str) -> list[dict[str, Any]]:
        """The role assignments of a principal, wherever they are."""
        return [each for each in self.of(_ROLE) if each["properties"]["principalId"] == principal]

    def deleted_of(self, type_: str) -> list[dict[str, Any]]:
        """What was deleted of a type and still holds its name."""
        return [each for each in self.deleted.values() if each["type"].lower() == type_]

    def purge(self, type_: str, name: str) -> None:
        """Let go of a deleted resource's name."""
        found = next((id_ for id_, each in self.deleted.items() if each["name"].lower() == name.lower()), None)
        if found is None or self.deleted[found]["type"].lower() != type_:
            raise RefusalError(404, "DeletedResourceNotFound", f"There is no deleted resource '{name}'.")
        if self.deleted[found]["properties"].get("enablePurgeProtection"):
            raise RefusalError(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
        del self.deleted[found]
        self.secrets.pop(found, None)

    def is_free(self, name: str) -> bool:
        """Whether a name is nobody's, in all of Azure."""
        own = {each["name"].lower() for each in (*self.resources.values(), *self.deleted.values())}
        return name.lower() not in own | {each.lower() for each in self.taken}

    def _check(self, id_: str, type_: str, name: str, body: Mapping[str, Any]) -> None:
        parent = _parent(id_, type_)
        if parent and parent.lower() not in self.resources:
            raise RefusalError(
                404, "ParentResourceNotFound", f"The parent resource of '{name}' was not found: {parent}."
            )
        namespace = type_.partition("/")[0]
        if namespace in self.unregistered:
            words = f"The subscription is not registered to use namespace '{namespace}'."
            raise RefusalError(409, "MissingSubscriptionRegistration", words)
        if id_.lower() in self.deleted:
            code = "FlagMustBeSetForRestore" if type_ == _ACCOUNT else "ConflictError"
            raise RefusalError(409, code, f"An existing resource with the name '{name}' has been deleted: purge it.")
        if type_ == _DEPLOYMENT:
            self._check_model(body)
        if type_ == _ROLE:
            self._check_role(id_, body)
        if type_ == "microsoft.web/staticsites/linkedbackends":
            self._check_link(parent, body)

    def _check_model(self, body: Mapping[str, Any]) -> None:
        model, capacity = body["properties"]["model"]["name"], int(body["sku"]["capacity"])  # `az` sends text
        if self.lifecycle == "Deprecated":
            raise RefusalError(400, "ServiceModelDeprecated", f"The model '{model}' has been deprecated.")
        if capacity > self.quota.get(model, 0):
            raise RefusalError(400, "InsufficientQuota", f"This operation requires {capacity} new capacity in quota.")

    def _check_role(self, id_: str, body: Mapping[str, Any]) -> None:
        """Source: the role's scope must exist, and a principal whose type is not named must be known already."""
        scope = id_[: id_.lower().rindex("/providers/microsoft.authorization/")]
        if scope.lower() not in self.resources and "/providers/" in scope:
            raise RefusalError(404, "ResourceNotFound", f"The scope '{scope}' was not found.")
        known = {each.get("identity", {}).get("principalId") for each in self.resources.values()}
        if body["properties"]["principalId"] not in known | self.principals.keys():
            raise RefusalError(400, "PrincipalNotFound", "Principal does not exist in the directory.")

    def _check_link(self, site: str, body: Mapping[str, Any]) -> None:
        """Source: Static Web Apps' documentation of linked APIs; azure-rest-api-specs#31807 for the region."""
        backend = self.get(body["properties"]["backendResourceId"])
        if body["properties"].get("region", "").lower() != backend["location"].lower():
            raise RefusalError(500, "InternalServerError", "An unexpected error has occurred.")
        if self.get(site)["sku"]["name"] != "Standard":
            raise RefusalError(400, "BadRequest", "Linked backends need the Standard plan.")

    def _made(self, type_: str, name: str) -> dict[str, Any]:
        """What the provider adds to a resource's properties."""
        number = uuid.uuid5(uuid.NAMESPACE_URL, f"{type_}/{name}")
        host, scm = f"{name}.azurewebsites.net", f"{name}.scm.azurewebsites.net"
        kinds = {host: "Standard", scm: "Repository"}
        states = [{"name": each, "hostType": kind, "sslState": "Disabled"} for each, kind in kinds.items()]
        made: dict[str, dict[str, Any]] = {
            SITE: {"defaultHostname": SITES.format(name), "provider": "SwaCli"},
            APP: {
                "defaultHostName": host,
                "hostNames": [host],
                "enabledHostNames": [host, scm],
                "hostNameSslStates": states,
                "state": "Running",
                "sku": "FlexConsumption",
            },
            "microsoft.insights/components": {
                "ConnectionString": f"InstrumentationKey={number};IngestionEndpoint=https://westeurope.in.applicationinsights.azure.com/",
                "InstrumentationKey": str(number),
            },
            _ACCOUNT: {"endpoint": f"https://{name}.openai.azure.com/"},
            VAULT: {"vaultUri": f"https://{name}.vault.azure.net/"},
        }
        return {"provisioningState": "Succeeded", **made.get(type_, {})}

    # --- deployments -------------------------------------------------------------------------------------------------

    def deploy(self, group: str, name: str, given: Mapping[str, Any], principal: str) -> dict[str, Any]:
        """Deploy a template: each resource when those that it waits for are there. The deployment, succeeded or failed.

        Raises:
            RefusalError: nothing was begun.
        """
        id_ = f"{self.group(group)['id']}/providers/Microsoft.Resources/deployments/{name}"
        template, parameters = given["properties"]["template"], given["properties"].get("parameters") or {}
        values = {key: each["value"] for key, each in parameters.items()}
        declared = template["parameters"]
        try:
            deployment = expand(template, values)
        except expressions.TemplateError as error:
            raise RefusalError(400, "InvalidTemplate", f"Deployment template validation failed: '{error}'.") from error
        self._authorize_resources(group, deployment.resources, principal)
        shown = {
            key: {"type": declared[key]["type"], **({} if declared[key]["type"].lower().startswith("secure") else {"value": value})}
            for key, value in deployment.parameters.items()
        }  # fmt: skip
        properties: dict[str, Any] = {"provisioningState": "Succeeded", "mode": "Incremental", "parameters": shown}
        properties["timestamp"] = (_BEGAN + timedelta(minutes=len(self.deployments))).isoformat()
        record = {"id": id_, "name": name, "type": "Microsoft.Resources/deployments", "properties": properties}
        self._check_active(id_, name)
        self.deployments[id_.lower()] = record
        if self.interrupt is not None and name != "what-if":
            properties["provisioningState"] = "Running"
            interrupt, self.interrupt = self.interrupt, None
            interrupt()
            return record
        try:
            for resource in _in_order(deployment.resources):
                self._deploy_one(group, resource)
            outputs = {key: template["outputs"][key]["type"] for key in deployment.outputs}
            known = self._known(deployment.outputs, group)
            properties["outputs"] = {key: {"type": kind, "value": known[key]} for key, kind in outputs.items()}
        except RefusalError as refusal:
            inner = refusal.body["error"]
            words = "At least one resource deployment operation failed."
            properties |= {"provisioningState": "Failed", "error": {"code": "DeploymentFailed", "message": words, "details": [inner]}}  # fmt: skip
        return record

    def _check_active(self, id_: str, name: str) -> None:
        known = self.deployments.get(id_.lower(), {}).get("properties", {})
        if known.get("provisioningState") == "Running":
            words = f"Unable to edit or replace deployment '{name}': previous deployment from '{known['timestamp']}' is still active (expiration time is '12/7/2026 12:00:00 PM'). Please see https://aka.ms/arm-deploy for usage details."
            raise RefusalError(409, "DeploymentActive", words)

    def _authorize_resources(self, group: str, resources: tuple[Resource, ...], principal: str) -> None:
        """Source: Azure-Samples/azure-search-openai-demo#1483: rights are looked at before anything is created, resource by resource."""
        for resource in resources:
            id_, action = self._placed(resource.id, group), f"{resource.type}/write"
            if not self.may(principal, action, id_):
                words = f"Authorization failed for template resource '{resource.name}' of type '{resource.type}'. {self._named(principal)} does not have permission to perform action '{action}' at scope '{id_}'."
                raise RefusalError(
                    403, "InvalidTemplateDeployment", f"The template deployment failed with error: '{words}'."
                )

    def _deploy_one(self, group: str, resource: Resource) -> None:
        body = {key: each for key, each in resource.body.items() if key not in ("type", "name", "apiVersion")}
        known, id_ = self._known(body, group), self._known(resource.id, group)
        self.put(id_, resource.type, known)

    def _known(self, value: Any, group: str) -> Any:
        """A value with this subscription and group, and with the state of resources in it."""
        if isinstance(value, Mapping):
            return {key: self._known(each, group) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._known(each, group) for each in value]
        if not isinstance(value, str):
            return value
        text = self._placed(value, group)
        whole = _UNKNOWN.fullmatch(text)
        if whole:
            return self._state(whole, group)
        return _UNKNOWN.sub(lambda found: str(self._state(found, group)), text)

    def _placed(self, text: str, group: str) -> str:
        """A text with this subscription, tenant and group in it."""
        text = text.replace(expressions.SUBSCRIPTION, _SUBSCRIPTION).replace(expressions.TENANT, TENANT)
        return text.replace(f"/resourceGroups/{expressions.GROUP}", f"/resourceGroups/{group}")

    def _state(self, found: re.Match[str], group: str) -> Any:
        """What a template's `reference` or `listKeys` gives."""
        suffix = f"/providers/{found['path']}".lower()
        resource = next((each for id_, each in self.resources.items() if id_.endswith(suffix)), None)
        if resource is None:
            raise RefusalError(
                404, "ResourceNotFound", f"The Resource '{found['path']}' under '{group}' was not found."
            )
        value: Any = {**resource, **resource["properties"]}
        if found["keys"]:
            value = self.keys_of(resource)
        for member in filter(None, found["members"].split(".")):
            value = next((each for key, each in value.items() if key.lower() == member.lower()), None)
            if value is None:
                raise RefusalError(
                    400, "InvalidTemplate", f"The language expression property '{member}' doesn't exist."
                )
        return value

    def what_if(self, group: str, given: Mapping[str, Any], principal: str) -> list[dict[str, Any]]:
        """What a deployment would change: a rehearsal of it on a copy of all that is known."""
        states = {
            name: copy.deepcopy(getattr(self, name))
            for name in ("groups", "resources", "deployments", "deleted", "secrets")
        }
        rehearsed = replace(self, **states)
        record = rehearsed.deploy(group, "what-if", given, principal)
        if error := record["properties"].get("error"):
            raise RefusalError(400, error["code"], error["message"], *error["details"])
        changes = []
        for id_, after in rehearsed.resources.items():
            before = self.resources.get(id_)
            same = before is not None and json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
            changes.append(
                {"resourceId": after["id"], "changeType": "NoChange" if same else "Modify" if before else "Create"}
            )
        return changes


def _in_order(resources: tuple[Resource, ...]) -> list[Resource]:
    """In an order that Azure may take: each after those that it waits for, and else from the last to the first, so that a
    missing wait shows."""
    waiting, done, ordered = list(reversed(resources)), set[str](), list[Resource]()
    ids = {resource.id for resource in resources}
    while waiting:
        ready = next((each for each in waiting if each.dependencies & ids <= done), None)
        if ready is None:
            raise RefusalError(400, "InvalidTemplate", "Circular dependency detected.")
        waiting.remove(ready)
        done.add(ready.id)
        ordered.append(ready)
    return ordered


def _parent(id_: str, type_: str) -> str:
    """The id of the resource that another is a part of; empty for none."""
    if type_.count("/") < 2 or type_ == "microsoft.storage/storageaccounts/blobservices/containers":
        return ""  # a storage account has its blob service without being asked
    return id_.rsplit("/", 2)[0]
