"""The endpoints of a fake Azure: Entra, Resource Manager, the sites' publishing, and the uploads of Static Web Apps."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

from tests.azure.cloud import PROVIDERS, SITE, SITES, SUBSCRIPTION, TENANT, Cloud, RefusalError
from tests.azure.directory import Directory

_MANAGEMENT, _ENTRA, _GRAPH = "management.azure.com", "login.microsoftonline.com", "graph.microsoft.com"
_SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION}"
_GROUP = rf"{_SUBSCRIPTION}/resourcegroups/(?P<group>[^/]+)"
_RESOURCE = r"(?P<id>/.+/providers/.+)"
_REGIONS = ("West Europe", "Sweden Central", "North Europe", "East US 2")

Route = Callable[..., Any]


def create_app(cloud: Cloud, directory: Directory, others: Callable[[], Any]) -> Flask:
    """All of Azure's hosts. `app.config["CALLS"]` collects what they were asked, as `PUT host/path`; `others` answers what is
    asked of any other host."""
    app = Flask("azure", static_folder=None)
    calls = app.config["CALLS"] = list[str]()
    routes = [
        (method, re.compile(host + path, re.IGNORECASE), route)
        for method, host, path, route in _routes(cloud, directory)
    ]

    @app.before_request
    def answer() -> Any:
        path = f"{request.host}{request.path}"
        calls.append(f"{request.method} {path}")
        for method, pattern, route in routes:
            if request.method in method.split() and (found := pattern.fullmatch(path)):
                try:
                    return route(**found.groupdict())
                except RefusalError as refusal:
                    return jsonify(refusal.body), refusal.status
        if request.host not in (_MANAGEMENT, _ENTRA, _GRAPH):
            return others()
        body = {"error": {"code": "InvalidRequest", "message": f"this fake does not know {request.method} {path}"}}
        return jsonify(body), 501

    return app


def _listed(values: Any) -> dict[str, Any]:
    return {"value": list(values)}


def _routes(cloud: Cloud, directory: Directory) -> Iterator[tuple[str, str, str, Route]]:
    """Method, host, path and answer; the first that fits answers."""
    yield from directory.routes()
    yield from _entra()
    yield from _publishing(cloud)
    for method, path, route in (*_sites(cloud), *_providers(cloud), *_manager(cloud)):
        yield method, re.escape(_MANAGEMENT), path, route


# --- Entra -----------------------------------------------------------------------------------------------------------


def _entra() -> Iterator[tuple[str, str, str, Route]]:
    def instance() -> Any:
        """Source: the client library asks for the names of an authority before it trusts it."""
        names = {"preferred_network": _ENTRA, "preferred_cache": _ENTRA, "aliases": [_ENTRA]}
        endpoint = f"https://{_ENTRA}/{TENANT}/v2.0/.well-known/openid-configuration"
        return {"api-version": "1.1", "metadata": [names], "tenant_discovery_endpoint": endpoint}

    def discovery(tenant: str) -> Any:
        base = f"https://{_ENTRA}/{tenant}"
        names = ("authorize", "token", "devicecode")
        authorize, token, device = (f"{base}/oauth2/v2.0/{name}" for name in names)
        endpoints = {"authorization_endpoint": authorize, "token_endpoint": token}
        return {**endpoints, "device_authorization_endpoint": device, "issuer": f"{base}/v2.0"}

    entra = re.escape(_ENTRA)
    yield "GET", entra, "/common/discovery/instance", instance
    yield "GET", entra, r"/(?P<tenant>[^/]+)/v2.0/\.well-known/openid-configuration", discovery
    # `az role assignment list` asks for the names of principals; it has none of these.
    yield "GET POST", re.escape(_GRAPH), r"/v1\.0/.*", lambda: _listed([])


# --- Resource Manager ------------------------------------------------------------------------------------------------


def _manager(cloud: Cloud) -> list[tuple[str, str, Route]]:
    def tenants() -> Any:
        return _listed([{"id": f"/tenants/{TENANT}", "tenantId": TENANT}])

    def group_exists(group: str) -> Any:
        return Response(status=204 if group.lower() in cloud.groups else 404)

    def delete_group(group: str) -> Any:
        cloud.delete_group(group)
        return Response(status=200)

    def resources() -> Any:
        found = re.search(r"resourceGroup eq '([^']+)'", request.args.get("$filter", ""))
        return _listed(cloud.in_group(found[1]) if found else cloud.resources.values())

    def validate(group: str, name: str) -> Any:
        cloud.what_if(group, _template())
        del name
        return {"properties": {"provisioningState": "Succeeded"}}

    def what_if(group: str, name: str) -> Any:
        del name
        return {"status": "Succeeded", "properties": {"changes": cloud.what_if(group, _template())}}

    def deploy(group: str, name: str) -> Any:
        record = cloud.deploy(group, name, _template())
        accepted = {**record, "properties": {**record["properties"], "provisioningState": "Accepted"}}
        status = f"https://{_MANAGEMENT}{record['id']}/operationStatuses/{uuid.uuid4()}?api-version=2024-11-01"
        return jsonify(accepted), 201, {"azure-asyncoperation": status, "retry-after": "0"}

    def deployment_status(group: str, name: str) -> Any:
        properties = deployed(group, name)["properties"]
        failed = {"error": properties["error"]} if "error" in properties else {}
        return {"status": properties["provisioningState"], **failed}

    def deployed(group: str, name: str) -> Any:
        id_ = f"{cloud.group(group)['id']}/providers/Microsoft.Resources/deployments/{name}"
        if id_.lower() not in cloud.deployments:
            raise RefusalError(404, "DeploymentNotFound", f"Deployment '{name}' could not be found.")
        return cloud.deployments[id_.lower()]

    def all_deployed(group: str) -> Any:
        prefix = f"{cloud.group(group)['id']}/".lower()
        return _listed(each for id_, each in cloud.deployments.items() if id_.startswith(prefix))

    def get(id: str) -> Any:  # noqa: A002  the name in the pattern
        """A resource, or those of a type where the path ends with one."""
        if len(id.rpartition("/providers/")[2].split("/")) % 2:
            return cloud.get(id)
        prefix = f"{id}/".lower()
        return _listed(each for id_, each in cloud.resources.items() if id_.startswith(prefix))

    def put(id: str) -> Any:  # noqa: A002  the name in the pattern
        kind = _type_of(id)
        return cloud.put(id, kind, request.get_json())

    def delete(id: str) -> Any:  # noqa: A002
        if id.lower() not in cloud.resources:
            return Response(status=204)
        gone = cloud.get(id)
        cloud.delete(id)
        return gone

    deployment = rf"{_GROUP}/providers/Microsoft\.Resources/deployments/(?P<name>[^/]+)"
    return [
        ("GET", "/tenants", tenants),
        ("HEAD", _GROUP, group_exists),
        ("GET", _GROUP, lambda group: cloud.group(group)),  # noqa: PLW0108  as below
        ("PUT", _GROUP, lambda group: cloud.put_group(group, request.get_json()["location"])),
        ("DELETE", _GROUP, delete_group),
        ("GET", rf"{_SUBSCRIPTION}/resourcegroups", lambda: _listed(cloud.groups.values())),
        ("GET", rf"{_GROUP}/resources", lambda group: _listed(cloud.in_group(group))),
        ("GET", rf"{_SUBSCRIPTION}/resources", resources),
        ("POST", rf"{deployment}/validate", validate),
        ("POST", rf"{deployment}/whatIf", what_if),
        ("PUT", deployment, deploy),
        ("GET", rf"{deployment}/operationStatuses/[^/]+", deployment_status),
        ("GET", rf"{deployment}/operations", lambda **_: _listed([])),
        ("GET", deployment, deployed),
        ("GET", rf"{_GROUP}/providers/Microsoft\.Resources/deployments/?", all_deployed),
        ("GET", _RESOURCE, get),
        ("PUT PATCH", _RESOURCE, put),
        ("DELETE", _RESOURCE, delete),
    ]


def _template() -> Any:
    """A deployment in the request's body. `az` writes `template:` without quotes, which Resource Manager's reader takes."""
    return json.loads(re.sub(rb", template:", b', "template":', request.get_data(), count=1))


def _type_of(id_: str) -> str:
    provider, *rest = id_.rpartition("/providers/")[2].split("/")
    return "/".join([provider, *rest[::2]])


# --- providers -------------------------------------------------------------------------------------------------------


def _providers(cloud: Cloud) -> list[tuple[str, str, Route]]:
    def providers() -> Any:
        names = [f"Microsoft.{name}" for name in PROVIDERS]
        states = {name: "NotRegistered" if name.lower() in cloud.unregistered else "Registered" for name in names}
        sites = [{"resourceType": "staticSites", "locations": list(_REGIONS)}]
        kinds = {"Microsoft.Web": sites}
        return _listed(
            {"namespace": name, "registrationState": state, "resourceTypes": kinds.get(name, [])}
            for name, state in states.items()
        )

    def permissions(**_: str) -> Any:
        return _listed([{"actions": cloud.rights, "notActions": []}])

    def available(kind: str) -> Any:
        given = request.get_json()
        name = given.get("name") or given.get("subdomainName")
        free = cloud.is_free(name)
        answer = {"nameAvailable": free, **({} if free else {"reason": "AlreadyExists", "message": f"{name} is taken"})}
        return answer if kind.lower() == "checknameavailability" else {**answer, "isSubdomainAvailable": free}

    def role_assignments() -> Any:
        found = re.search(r"(?:principalId|assignedTo)[( ]+(?:eq )?'([^']+)'", request.args.get("$filter", ""))
        return _listed(cloud.assigned(found[1]) if found else ())

    def regions() -> Any:
        names = [{"name": name, "properties": {"name": name, "displayName": name}} for name in _REGIONS]
        return _listed(names)

    def locations() -> Any:
        return _listed({"name": name.lower().replace(" ", ""), "displayName": name} for name in _REGIONS)

    def stacks(location: str) -> Any:
        """The versions of Python that Flex Consumption runs. Source: `az` reads this shape before it publishes."""
        del location
        versions = [_stack(version) for version in ("3.10", "3.11", "3.12", "3.13")]
        return _listed([{"name": "python", "properties": {"majorVersions": [{"minorVersions": versions}]}}])

    def models(location: str) -> Any:
        del location
        listed = []
        for name, (version, retires) in _MODELS.items():
            sku = {"name": "GlobalStandard", "usageName": f"OpenAI.GlobalStandard.{name}"}
            model: dict[str, Any] = {"name": name, "version": version, "format": "OpenAI", "skus": [sku]}
            model["deprecation"] = {"inference": f"{retires}T00:00:00Z"}
            listed.append({"kind": "OpenAI", "skuName": "S0", "model": {**model, "lifecycleStatus": cloud.lifecycle}})
        return _listed(listed)

    def usages(location: str) -> Any:
        del location
        return _listed(
            {"name": {"value": f"OpenAI.GlobalStandard.{name}"}, "currentValue": 0, "limit": left, "unit": "Count"}
            for name, left in cloud.quota.items()
        )

    def deleted_accounts() -> Any:
        accounts = cloud.deleted_of("microsoft.cognitiveservices/accounts")
        return _listed({**each, "id": _deleted_id(each["id"], each["location"])} for each in accounts)

    def deleted_vaults(name: str = "") -> Any:
        listed = [
            {"name": each["name"], "properties": {"vaultId": each["id"], "location": each["location"]}}
            for each in cloud.deleted_of("microsoft.keyvault/vaults")
            if name.lower() in ("", each["name"].lower())
        ]
        if name and not listed:
            raise RefusalError(404, "DeletedVaultNotFound", f"The deleted vault '{name}' could not be found.")
        return listed[0] if name else _listed(listed)

    def purge_account(name: str, **_: str) -> Any:
        cloud.purge("microsoft.cognitiveservices/accounts", name)
        return Response(status=200)

    def purge_vault(name: str, **_: str) -> Any:
        cloud.purge("microsoft.keyvault/vaults", name)
        return Response(status=200)

    models_of = rf"{_SUBSCRIPTION}/providers/Microsoft\.CognitiveServices/locations/(?P<location>[^/]+)"
    vaults = rf"{_SUBSCRIPTION}/providers/Microsoft\.KeyVault"
    check = r"(?P<kind>check(?:Name|Domain)Availability)"
    authorization = r"/providers/Microsoft\.Authorization"
    return [
        ("GET", rf"{_SUBSCRIPTION}/providers", providers),
        ("GET", rf"{_SUBSCRIPTION}{authorization}/permissions", permissions),
        ("GET", rf"{_GROUP}(?:/providers/.+)?{authorization}/permissions", permissions),
        ("GET", rf"{_SUBSCRIPTION}{authorization}/roleAssignments", role_assignments),
        ("POST", rf"{_SUBSCRIPTION}/providers/[^/]+/{check}", available),
        ("GET", rf"{_SUBSCRIPTION}/providers/Microsoft\.Web/geoRegions", regions),
        ("GET", r"/providers/Microsoft\.Web/locations/(?P<location>[^/]+)/functionAppStacks", stacks),
        ("GET", rf"{_SUBSCRIPTION}/locations", locations),
        ("GET", rf"{models_of}/models", models),
        ("GET", rf"{models_of}/usages", usages),
        ("GET", rf"{_SUBSCRIPTION}/providers/Microsoft\.CognitiveServices/deletedAccounts", deleted_accounts),
        ("DELETE", rf"{models_of}/resourceGroups/[^/]+/deletedAccounts/(?P<name>[^/]+)", purge_account),
        ("GET", rf"{vaults}/deletedVaults", deleted_vaults),
        ("GET", rf"{vaults}/locations/[^/]+/deletedVaults/(?P<name>[^/]+)", deleted_vaults),
        ("POST", rf"{vaults}/locations/[^/]+/deletedVaults/(?P<name>[^/]+)/purge", purge_vault),
    ]


def _stack(version: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"appSettingsDictionary": {"FUNCTIONS_WORKER_RUNTIME": "python"}}
    sku = {"skuCode": "FC1", "functionAppConfigProperties": {"runtime": {"name": "python", "version": version}}}
    settings |= {
        "Sku": [sku],
        "gitHubActionSettings": {"isSupported": True},
        "appInsightsSettings": {"isSupported": True},
    }
    return {"value": version, "stackSettings": {"linuxRuntimeSettings": settings}}


def _deleted_id(id_: str, location: str) -> str:
    group, name = id_.split("/")[4], id_.rpartition("/")[2]
    place = f"{_SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/{location}"
    return f"{place}/resourceGroups/{group}/deletedAccounts/{name}"


#: With the day on which each retires.
_MODELS = {"gpt-5.6-terra": ("2026-07-09", "2028-01-11"), "gpt-5.1": ("2025-11-13", "2027-05-15")}


# --- sites -----------------------------------------------------------------------------------------------------------


def _sites(cloud: Cloud) -> list[tuple[str, str, Route]]:
    def site_secrets(id: str) -> Any:  # noqa: A002
        cloud.get(id)
        return {"properties": {"apiKey": f"token-of-{id.rpartition('/')[2]}"}}

    def app_settings(id: str) -> Any:  # noqa: A002
        return cloud.get(f"{id}/config/appsettings")

    def host_keys(id: str) -> Any:  # noqa: A002
        return {"masterKey": f"key-of-{cloud.get(id)['name']}", "functionKeys": {}, "systemKeys": {}}

    def builds(id: str) -> Any:  # noqa: A002
        name = cloud.get(id)["name"]
        uploaded = [key.split(" ")[1] for key in cloud.packages if key.startswith(f"{name} ")]
        hosts = {each: SITES.format(name if each == "production" else f"{name}-{each}") for each in uploaded}
        return _listed(
            {"name": "default" if each == "production" else each, "properties": {"hostname": host}}
            for each, host in hosts.items()
        )

    def delete_build(id: str, build: str) -> Any:  # noqa: A002
        if cloud.packages.pop(f"{cloud.get(id)['name']} {build}", None) is None:
            raise RefusalError(404, "NotFound", f"There is no environment {build}.")
        return Response(status=200)

    def invitation(id: str) -> Any:  # noqa: A002
        given = request.get_json()["properties"]
        address = f"https://{given['domain']}/.auth/invite?code=1"
        return {"properties": {"invitationUrl": address, "expiresOn": "2026-12-01T00:00:00Z"}}

    site = r"(?P<id>/.+/providers/Microsoft\.Web/staticSites/[^/]+)"
    return [
        ("POST", rf"{site}/listSecrets", site_secrets),
        (
            "POST",
            r"(?P<id>/.+/providers/Microsoft\.Web/(?:staticSites|sites)/[^/]+)/config/appsettings/list",
            app_settings,
        ),
        ("POST", r"(?P<id>/.+/providers/Microsoft\.Web/sites/[^/]+)/host/default/listkeys", host_keys),
        ("POST", rf"{site}/createUserInvitation", invitation),
        ("GET", rf"{site}/builds", builds),
        ("DELETE", rf"{site}/builds/(?P<build>[^/]+)", delete_build),
    ]


# --- code ------------------------------------------------------------------------------------------------------------

#: Where the stand-in for the uploader of Static Web Apps is, and where it sends to.
UPLOADS = "uploads.azurestaticapps.rehearsal"


def _publishing(cloud: Cloud) -> Iterator[tuple[str, str, str, Route]]:
    def publish(name: str) -> Any:
        cloud.packages[name] = request.get_data()
        return Response("1", status=202)

    def latest(name: str) -> Any:
        return {"id": "1", "status": 4, "complete": True, "active": True, "site_name": name}

    def status(name: str) -> Any:
        """Source: a linked app answers the site alone; `az` then calls the app unhealthy."""
        links = cloud.of(f"{SITE}/linkedbackends")
        is_linked = any(each["properties"]["backendResourceId"].endswith(f"/{name}") for each in links)
        return Response(status=401) if is_linked else {"state": "Running"}

    def versions() -> Any:
        """Source: the SWA CLI downloads its uploader from where this says, and checks its sum."""
        data = uploader()
        file = {"url": f"https://{UPLOADS}/StaticSitesClient", "sha": hashlib.sha256(data).hexdigest()}
        return jsonify([{"version": "stable", "buildId": "1", "files": {"linux-x64": file}}])

    def upload(environment: str) -> Any:
        token = request.headers.get("authorization", "")
        site = next((each for each in cloud.of(SITE) if token == f"token-of-{each['name']}"), None)
        if site is None:
            raise RefusalError(401, "Unauthorized", "The deployment token is no site's.")
        cloud.packages[f"{site['name']} {environment}"] = request.get_data()
        return Response(status=200)

    scm = r"(?P<name>[^/.]+)\.scm\.azurewebsites\.net"
    yield "POST", scm, "/api/publish", publish
    yield "GET", scm, "/api/deployments/latest", latest
    yield "GET", r"(?P<name>[^/.]+)\.azurewebsites\.net", "/admin/host/status", status
    yield "GET", re.escape("aka.ms"), "/swalocaldeploy", versions
    yield "GET", re.escape(UPLOADS), "/StaticSitesClient", uploader
    yield "POST", re.escape(UPLOADS), "/upload/(?P<environment>[^/]+)", upload


def uploader() -> bytes:
    """A stand-in for Microsoft's uploader, which is no part of the SWA CLI: it sends the folders that its environment names."""
    script = Path(__file__).with_name("uploader.py").read_text(encoding="utf-8")
    return f"#!{sys.executable}\n{script}".encode()
