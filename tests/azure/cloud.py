"""What a fake Azure knows and does: one subscription, its groups, resources, roles, deployments, uploads and what was deleted.

What Azure answers stands in Microsoft's published shapes; where a rule is from elsewhere, its source stands beside it.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from infra import expressions
from infra.template import Resource, expand

SUBSCRIPTION = "0f0f0f0f-0000-0000-0000-00000000000a"
TENANT = "0f0f0f0f-0000-0000-0000-00000000000b"
OPERATOR = "0f0f0f0f-0000-0000-0000-00000000000c"
PROVIDERS = ("Web", "Storage", "Insights", "OperationalInsights", "CognitiveServices", "KeyVault", "Authorization")
_ACCOUNT, _DEPLOYMENT = "microsoft.cognitiveservices/accounts", "microsoft.cognitiveservices/accounts/deployments"
_VAULT, SITE, _APP = "microsoft.keyvault/vaults", "microsoft.web/staticsites", "microsoft.web/sites"
_ROLE = "microsoft.authorization/roleassignments"
#: The host of a site, or of one of its previews.
SITES = "{}.westeurope.azurestaticapps.net"
#: `<Microsoft.Web/sites/chat-api.identity.principalId>`, as the offline evaluation leaves what only a deployment knows.
_UNKNOWN = re.compile(r"<(?P<keys>keys of )?(?P<path>[\w.]+(?:/[^<>/.]+)+)(?P<members>(?:\.\w+)*)>")


class RefusalError(Exception):
    """Azure refuses: a status, with an error of a code, a message and inner ones."""

    def __init__(self, status: int, code: str, message: str, *details: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.body = {"error": {"code": code, "message": message, **({"details": [*details]} if details else {})}}


@dataclass
class Cloud:
    """The state of a fake Azure.

    What a test sets: `failing` refuses to create
    resources of a type, `quota` is what is left of each model, `taken` are names of others, `unregistered` providers, `rights`
    the operator's actions.
    """

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The packages of function apps by name, and of sites by token and environment.
    packages: dict[str, bytes] = field(default_factory=dict)
    failing: dict[str, RefusalError] = field(default_factory=dict)
    quota: dict[str, float] = field(default_factory=lambda: {"gpt-5.6-terra": 1000, "gpt-5.1": 1000})
    lifecycle: str = "GenerallyAvailable"
    taken: set[str] = field(default_factory=set)
    unregistered: set[str] = field(default_factory=set)
    rights: list[str] = field(default_factory=lambda: ["*"])
    #: Of the directory's applications: each app id by the object id that roles are assigned to.
    principals: dict[str, str] = field(default_factory=dict)

    # --- groups ------------------------------------------------------------------------------------------------------

    def put_group(self, name: str, location: str) -> dict[str, Any]:
        """Create a group, or give the one that exists."""
        id_ = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"
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
        self.deployments = {id_: each for id_, each in self.deployments.items() if not id_.startswith(prefix)}

    def in_group(self, name: str) -> list[dict[str, Any]]:
        """The resources of a group that stand alone: not parts of others, and not extensions."""
        prefix = f"{self.group(name)['id']}/providers/".lower()
        inside = [each for id_, each in self.resources.items() if id_.startswith(prefix)]
        return [each for each in inside if each["type"].count("/") == 1 and each["type"].lower() != _ROLE]

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
        if resource["type"].lower() in (_ACCOUNT, _VAULT):
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
        del self.deleted[found]

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
            self._check_link(parent or "", body)

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
            _APP: {
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
            _VAULT: {"vaultUri": f"https://{name}.vault.azure.net/"},
        }
        return {"provisioningState": "Succeeded", **made.get(type_, {})}

    # --- deployments -------------------------------------------------------------------------------------------------

    def deploy(self, group: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Deploy a template: each resource when those that it waits for are there. The deployment, succeeded or failed."""
        id_ = f"{self.group(group)['id']}/providers/Microsoft.Resources/deployments/{name}"
        template, parameters = given["properties"]["template"], given["properties"].get("parameters") or {}
        values = {key: each["value"] for key, each in parameters.items()}
        declared = template["parameters"]
        try:
            deployment = expand(template, values)
        except expressions.TemplateError as error:
            raise RefusalError(400, "InvalidTemplate", f"Deployment template validation failed: '{error}'.") from error
        shown = {
            key: {"type": declared[key]["type"], **({} if declared[key]["type"].lower().startswith("secure") else {"value": value})}
            for key, value in deployment.parameters.items()
        }  # fmt: skip
        properties: dict[str, Any] = {"provisioningState": "Succeeded", "mode": "Incremental", "parameters": shown}
        properties["timestamp"] = datetime.now(UTC).isoformat()
        record = {"id": id_, "name": name, "type": "Microsoft.Resources/deployments", "properties": properties}
        self.deployments[id_.lower()] = record
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
        text = value.replace(expressions.SUBSCRIPTION, f"/subscriptions/{SUBSCRIPTION}")
        text = text.replace(f"/resourceGroups/{expressions.GROUP}", f"/resourceGroups/{group}")
        text = text.replace(expressions.TENANT, TENANT)
        whole = _UNKNOWN.fullmatch(text)
        if whole:
            return self._state(whole, group)
        return _UNKNOWN.sub(lambda found: str(self._state(found, group)), text)

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
            value = {"key1": f"key-of-{resource['name']}", "keys": [{"value": f"key-of-{resource['name']}"}]}
        for member in filter(None, found["members"].split(".")):
            value = next((each for key, each in value.items() if key.lower() == member.lower()), None)
            if value is None:
                raise RefusalError(
                    400, "InvalidTemplate", f"The language expression property '{member}' doesn't exist."
                )
        return value

    def what_if(self, group: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What a deployment would change: a rehearsal of it on a copy of all that is known."""
        states = {
            name: copy.deepcopy(getattr(self, name)) for name in ("groups", "resources", "deployments", "deleted")
        }
        rehearsed = replace(self, **states)
        record = rehearsed.deploy(group, "what-if", given)
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


def _parent(id_: str, type_: str) -> str | None:
    """The id of the resource that another is a part of."""
    if type_.count("/") < 2 or type_ == "microsoft.storage/storageaccounts/blobservices/containers":
        return None  # a storage account has its blob service without being asked
    return id_.rsplit("/", 2)[0]
