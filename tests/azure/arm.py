"""The endpoints of a fake Azure: Entra, Resource Manager, the sites' publishing, and the uploads of Static Web Apps."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

from tests.azure.asking import listed, principal
from tests.azure.cloud import SITE, SITES, SUBSCRIPTION, TENANT, Cloud, RefusalError
from tests.azure.directory import Directory
from tests.azure.keys import key_routes, model_routes, vault_routes
from tests.azure.providers import GROUP, SUBSCRIPTION_PATH, provider_routes
from tests.azure.roles import asked_action

_MANAGEMENT, _ENTRA, _GRAPH = "management.azure.com", "login.microsoftonline.com", "graph.microsoft.com"
_RESOURCE = r"(?P<id>/.+/providers/.+)"

Route = Callable[..., Any]


def create_app(directory: Directory, others: Callable[[], Any], model: Callable[[], str]) -> Flask:
    """All of Azure's hosts. `app.config["CALLS"]` collects what they were asked, as `PUT host/path`; `others` answers what is
    asked of any other host; `model` is the address that answers as a model."""
    app, cloud = Flask("azure", static_folder=None), directory.cloud
    calls = app.config["CALLS"] = list[str]()
    routes = [
        (method, re.compile(host + path, re.IGNORECASE), route)
        for method, host, path, route in _routes(directory, model)
    ]

    @app.before_request
    def answer() -> Any:
        path = f"{request.host}{request.path}"
        calls.append(f"{request.method} {path}")
        for method, pattern, route in routes:
            if request.method in method.split() and (found := pattern.fullmatch(path)):
                try:
                    if request.host == _MANAGEMENT and (
                        asked := asked_action(request.method, request.path.rstrip("/"))
                    ):
                        cloud.authorize(principal(), *asked)
                        if request.method in ("PUT", "PATCH", "DELETE"):
                            cloud.check_locks(request.method, asked[1])
                    return route(**found.groupdict())
                except RefusalError as refusal:
                    return jsonify(refusal.body), refusal.status
        if request.host not in (_MANAGEMENT, _ENTRA, _GRAPH):
            return others()
        body = {"error": {"code": "InvalidRequest", "message": f"this fake does not know {request.method} {path}"}}
        return jsonify(body), 501

    return app


def _routes(directory: Directory, model: Callable[[], str]) -> Iterator[tuple[str, str, str, Route]]:
    """Method, host, path and answer; the first that fits answers."""
    cloud = directory.cloud
    yield from directory.routes()
    yield from _entra()
    yield from _publishing(cloud)
    yield from vault_routes(cloud)
    yield from model_routes(cloud, model)
    for method, path, route in (*key_routes(cloud), *_sites(cloud), *provider_routes(cloud), *_manager(cloud)):
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
    yield "GET POST", re.escape(_GRAPH), r"/v1\.0/.*", lambda: listed([])


# --- Resource Manager ------------------------------------------------------------------------------------------------


def _manager(cloud: Cloud) -> list[tuple[str, str, Route]]:
    def tenants() -> Any:
        return listed([{"id": f"/tenants/{TENANT}", "tenantId": TENANT}])

    def subscriptions() -> Any:
        """Those in which whoever asks has a role."""
        names = {
            "id": SUBSCRIPTION_PATH,
            "subscriptionId": SUBSCRIPTION,
            "displayName": "Rehearsal",
            "tenantId": TENANT,
        }
        return listed([{**names, "state": "Enabled"}] if cloud.given(principal()) else [])

    def group_exists(group: str) -> Any:
        return Response(status=204 if group.lower() in cloud.groups else 404)

    def delete_group(group: str) -> Any:
        cloud.delete_group(group)
        return Response(status=200)

    def groups() -> Any:
        """Those that whoever asks may read."""
        action = "Microsoft.Resources/subscriptions/resourceGroups/read"
        return listed(each for each in cloud.groups.values() if cloud.may(principal(), action, each["id"]))

    def resources() -> Any:
        """Those that whoever asks may read, of a group or of a type."""
        wanted = dict(re.findall(r"(resourceGroup|resourceType) eq '([^']+)'", request.args.get("$filter", "")))
        group, kind = wanted.get("resourceGroup"), wanted.get("resourceType", "").lower()
        found = cloud.in_group(group) if group else cloud.resources.values()
        readable = [each for each in found if cloud.may(principal(), f"{each['type']}/read", each["id"])]
        return listed(each for each in readable if kind in ("", each["type"].lower()))

    def validate(group: str, name: str) -> Any:
        cloud.what_if(group, _template(), principal())
        del name
        return {"properties": {"provisioningState": "Succeeded"}}

    def what_if(group: str, name: str) -> Any:
        del name
        return {"status": "Succeeded", "properties": {"changes": cloud.what_if(group, _template(), principal())}}

    def deploy(group: str, name: str) -> Any:
        record = cloud.deploy(group, name, _template(), principal())
        accepted = {**record, "properties": {**record["properties"], "provisioningState": "Accepted"}}
        status = f"https://{_MANAGEMENT}{record['id']}/operationStatuses/1?api-version=2024-11-01"
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
        return listed(each for id_, each in cloud.deployments.items() if id_.startswith(prefix))

    def get(id: str) -> Any:  # noqa: A002  the name in the pattern
        """A resource, or those of a type where the path ends with one."""
        if len(id.rpartition("/providers/")[2].split("/")) % 2:
            return cloud.get(id)
        prefix = f"{id}/".lower()
        return listed(each for id_, each in cloud.resources.items() if id_.startswith(prefix))

    def put(id: str) -> Any:  # noqa: A002  the name in the pattern
        kind = _type_of(id)
        return cloud.put(id, kind, request.get_json())

    def delete(id: str) -> Any:  # noqa: A002
        if id.lower() not in cloud.resources:
            return Response(status=204)
        gone = cloud.get(id)
        cloud.delete(id)
        return gone

    deployment = rf"{GROUP}/providers/Microsoft\.Resources/deployments/(?P<name>[^/]+)"
    return [
        ("GET", "/tenants", tenants),
        ("GET", "/subscriptions", subscriptions),
        ("HEAD", GROUP, group_exists),
        ("GET", GROUP, lambda group: cloud.group(group)),  # noqa: PLW0108  as below
        ("PUT", GROUP, lambda group: cloud.put_group(group, request.get_json()["location"])),
        ("DELETE", GROUP, delete_group),
        ("GET", rf"{SUBSCRIPTION_PATH}/resourcegroups", groups),
        ("GET", rf"{GROUP}/resources", lambda group: listed(cloud.in_group(group))),
        ("GET", rf"{SUBSCRIPTION_PATH}/resources", resources),
        ("POST", rf"{deployment}/validate", validate),
        ("POST", rf"{deployment}/whatIf", what_if),
        ("PUT", deployment, deploy),
        ("GET", rf"{deployment}/operationStatuses/[^/]+", deployment_status),
        ("GET", rf"{deployment}/operations", lambda **_: listed([])),
        ("GET", deployment, deployed),
        ("GET", rf"{GROUP}/providers/Microsoft\.Resources/deployments/?", all_deployed),
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


# --- sites -----------------------------------------------------------------------------------------------------------


def _sites(cloud: Cloud) -> list[tuple[str, str, Route]]:
    def app_settings(id: str) -> Any:  # noqa: A002
        return cloud.get(f"{id}/config/appsettings")

    def host_keys(id: str) -> Any:  # noqa: A002
        return {"masterKey": f"key-of-{cloud.get(id)['name']}", "functionKeys": {}, "systemKeys": {}}

    def builds(id: str) -> Any:  # noqa: A002
        name = cloud.get(id)["name"]
        uploaded = [key.split(" ")[1] for key in cloud.packages if key.startswith(f"{name} ")]
        hosts = {each: SITES.format(name if each == "production" else f"{name}-{each}") for each in uploaded}
        return listed(
            {"name": "default" if each == "production" else each, "properties": {"hostname": host}}
            for each, host in hosts.items()
        )

    def delete_build(id: str, build: str) -> Any:  # noqa: A002
        if cloud.packages.pop(f"{cloud.get(id)['name']} {build}", None) is None:
            body = {"Code": "NotFound", "Message": f"Cannot find StaticSiteBuild with name {build}.", "Target": None}
            return jsonify(body), 404  # Source: microsoft/vscode-azurestaticwebapps#263
        where = (
            f"https://{_MANAGEMENT}{SUBSCRIPTION_PATH}/providers/Microsoft.Web/locations/westeurope/operationResults/1"
        )
        return Response(status=202, headers={"location": f"{where}?api-version=2024-11-01", "retry-after": "0"})

    site = r"(?P<id>/.+/providers/Microsoft\.Web/staticSites/[^/]+)"
    return [
        (
            "POST",
            r"(?P<id>/.+/providers/Microsoft\.Web/(?:staticSites|sites)/[^/]+)/config/appsettings/list",
            app_settings,
        ),
        ("POST", rf"{site}/listAppSettings", app_settings),
        ("POST", r"(?P<id>/.+/providers/Microsoft\.Web/sites/[^/]+)/host/default/listkeys", host_keys),
        ("GET", rf"{site}/builds", builds),
        ("DELETE", rf"{site}/builds/(?P<build>[^/]+)", delete_build),
        # Source: hashicorp/terraform-provider-azurerm#28451, codemonkey85/PKMDS-Blazor#541: a right in the subscription reads it.
        (
            "GET",
            rf"{SUBSCRIPTION_PATH}/providers/Microsoft\.Web/locations/[^/]+/operationResults/1",
            lambda: Response(status=200),
        ),
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
        site = next((each for each in cloud.of(SITE) if token == cloud.token_of(each)), None)
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
