"""Deploys to Azure: the resources, then the page and the API. Every step can be repeated."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.azure import Azure, AzureError
from infra.plan import ROOT, SECRETS, ExistingDeployment, names_of
from infra.refusals import refusal
from infra.template import TEMPLATE

#: Uploads a Static Web App; it downloads its own uploader. Pinned.
SWA_CLI = "@azure/static-web-apps-cli@2.0.10"
#: The newest that managed functions support. Source: Static Web Apps' documentation of languages, 2026-10-05.
_MANAGED_PYTHON = "3.11"
#: Not pip, which evaluates the conditions in requirements for the Python that runs it.
_UV = "uv"

#: What Azure predicts of a resource, in our words.
_PREDICTIONS = {
    "Create": "create",
    "Modify": "modify",
    "Delete": "delete",
    "Deploy": "deploy",
    "Unsupported": "unclear",
}


#: Azure refuses to say of a group that is not there what it refuses of one that is not to be read.
UNREADABLE = "the group {} does not exist, or nothing in it may be read"


class DeployError(Exception):
    """A step failed; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class DeploymentOutputs:
    """The outputs of a deployment."""

    site_name: str
    site_url: str
    app_name: str
    direct_url: str


def deploy_resources(azure: Azure, group: str, parameters: Mapping[str, Any]) -> DeploymentOutputs:
    """Create or change the template's resources in Azure. `az` reads the parameters from standard input: they can contain a key.

    Raises:
        DeployError: Azure refused it.
    """
    command = ("deployment", "group", "create", "--resource-group", group, "--name", "chat")
    template = ("--template-file", str(TEMPLATE), "--parameters", "@-")
    try:
        if not group_exists(azure, group):
            azure.json("group", "create", "--name", group, "--location", parameters["location"])
        deployment = azure.json(*command, *template, stdin=_parameters_json(parameters), timeout_s=None)
    except KeyboardInterrupt:
        stop = f"az deployment group cancel --resource-group {group} --name chat"
        raise DeployError(
            f"interrupted, but Azure goes on with the resources; to stop it: {stop}\n"
            "run make deploy again when it is done: the code is not uploaded"
        ) from None
    except AzureError as error:
        raise DeployError(f"Azure refused the resources.\n{refusal(azure, error, group)}") from error
    outputs = {name: output["value"] for name, output in deployment["properties"]["outputs"].items()}
    return DeploymentOutputs(outputs["siteName"], outputs["siteUrl"], outputs["appName"], outputs["directUrl"])


def group_exists(azure: Azure, group: str) -> bool:
    """Whether a group exists.

    Raises:
        AzureError: Azure does not say; `AuthorizationFailed` where it says so to nobody without rights on it.
    """
    try:
        return bool(azure.json("group", "exists", "--name", group))
    except AzureError as error:
        raise (
            AzureError(error.code, UNREADABLE.format(group)) if error.code == "AuthorizationFailed" else error
        ) from error


def _parameters_json(parameters: Mapping[str, Any]) -> str:
    return json.dumps({name: {"value": value} for name, value in parameters.items()})


def find_existing(azure: Azure, group: str) -> ExistingDeployment:
    """What is deployed already, by `make deploy` or by the portal; an empty one, with the reason, where `az` fails."""
    try:
        subscription = str(azure.json("account", "show")["id"])
        groups = azure.json("group", "list", "--query", "[].[name, location]")
        location = next((place for name, place in groups if name.lower() == group.lower()), None)
        values, settled = _last_deployment(azure, group) if location else ({}, True)
    except AzureError as error:
        return ExistingDeployment(unread=str(error))
    return ExistingDeployment(subscription, location, values, settled=settled)


def _last_deployment(azure: Azure, group: str) -> tuple[dict[str, Any], bool]:
    """The parameters of the newest deployment of our template that succeeded, by us or by the portal; else of the newest that
    left something: without its topology, where it left no site; or none. And whether no later one failed.

    Raises:
        AzureError: Azure does not say.
    """
    listed = azure.json("deployment", "group", "list", "--resource-group", group)
    ours = [each["properties"] for each in listed if _parameters_of(each).keys() >= {"name", "topology", "backend"}]
    ours.sort(key=lambda each: str(each.get("timestamp")), reverse=True)
    if done := [_values(each) for each in ours if each["provisioningState"] == "Succeeded"]:
        return done[0], ours[0]["provisioningState"] == "Succeeded"
    there = {each["name"].lower() for each in resources_of(azure, group)} if ours else set()
    for values in map(_values, ours):
        if there & names_of(values):
            has_site = values["name"].lower() in there
            return {name: value for name, value in values.items() if has_site or name != "topology"}, False
    return {}, True


def _values(properties: Mapping[str, Any]) -> dict[str, Any]:
    parameters = properties["parameters"]
    return {name: each["value"] for name, each in parameters.items() if each.get("value") is not None}


def _parameters_of(deployment: Mapping[str, Any]) -> dict[str, Any]:
    return deployment.get("properties", {}).get("parameters") or {}


def changes(azure: Azure, group: str, parameters: Mapping[str, Any]) -> list[str]:
    """What a deployment would change, one line each, as Azure predicts it.

    Raises:
        DeployError: Azure refuses the deployment already here, or cannot predict it.
    """
    command = ("deployment", "group", "what-if", "--resource-group", group, "--no-pretty-print")
    template = ("--template-file", str(TEMPLATE), "--parameters", "@-")
    try:
        if not group_exists(azure, group):
            return ["all resources are new"]
        prediction = azure.json(*command, *template, stdin=_parameters_json(parameters), timeout_s=600)
    except AzureError as error:
        raise DeployError(f"Azure does not say what would change.\n{refusal(azure, error, group)}") from error
    lines = [_prediction(change) for change in prediction["changes"]]
    lines += [f"{line}, perhaps" for line in map(_prediction, prediction.get("potentialChanges") or ()) if line]
    return list(filter(None, lines)) or ["no resource changes"]


def _prediction(change: Mapping[str, Any]) -> str:
    """One predicted change in words; empty for none.

    Source: `az deployment group what-if` and https://aka.ms/WhatIfUnidentifiableResource: a resource whose ID is known only
    while it is deployed is `Unsupported`, and its ID an expression, or missing.
    """
    kind, resource_id = change["changeType"], change.get("resourceId") or ""
    if kind in ("NoChange", "Ignore"):
        return ""
    name = resource_id.partition("/providers/")[2]
    if resource_id.startswith("[") or not name:
        types = re.findall(r"'(Microsoft\.\w+/[\w/]+)'", resource_id)
        name = types[-1] if types else "a resource without a name yet"
    unclear = ": Azure knows only while it deploys" if kind == "Unsupported" else ""
    return f"{_PREDICTIONS.get(kind, kind.lower()):<8} {name}{unclear}"


# --- the code --------------------------------------------------------------------------------------------------------

Run = Callable[[Sequence[str], Mapping[str, str]], None]


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command in the project's folder, without our secrets in its environment; its output goes to standard error.

    Raises:
        DeployError: the command failed, or is not installed.
    """
    executable = shutil.which(command[0], path=_path())
    if executable is None:
        raise DeployError(f"{command[0]} is not on PATH")
    inherited = {name: value for name, value in os.environ.items() if name not in SECRETS.values()}
    process = subprocess.run(
        [executable, *command[1:]], cwd=ROOT, env={**inherited, **environment}, stdout=sys.stderr, check=False
    )
    if process.returncode != 0:
        raise DeployError(
            f"{' '.join(command[:4])} … failed with exit status {process.returncode}; see the output above"
        )


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """A folder with what is uploaded: the page, the API for Flex as a zip, and the API as managed functions with its packages."""

    folder: Path

    @property
    def site(self) -> Path:
        """The page."""
        return self.folder / "site"

    @property
    def package(self) -> Path:
        """The API for Flex, which installs the packages itself."""
        return self.folder / "api.zip"

    @property
    def managed_api(self) -> Path:
        """The API as managed functions."""
        return self.folder / "api"


def _path() -> str:
    """Where commands are searched: on PATH, then beside the Python that runs this."""
    return os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))


def build(run: Run, output: BuildOutput, topology: str, direct_url: str, ranges: Sequence[str]) -> None:
    """Build the page, with the one other origin that its policy allows and the addresses that may open it, and the API as it
    is uploaded."""
    run(["npm", "--prefix", "webapp", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], {})
    out_dir = ["--outDir", str(output.site), "--emptyOutDir"]
    run(
        ["npm", "--prefix", "webapp", "run", "--silent", "build", "--", *out_dir],
        {"DIRECT_ORIGIN": direct_url, "SITE_IP_RANGES": ",".join(ranges)},
    )
    if topology != "managed":
        run([sys.executable, "tools/package.py", "--pack", str(output.package)], {})
    if topology != "linked":
        ignored = (ROOT / "api" / ".funcignore").read_text(encoding="utf-8").split()
        shutil.copytree(ROOT / "api", output.managed_api, ignore=shutil.ignore_patterns(*ignored))
        target = ["--target", str(output.managed_api / ".python_packages" / "lib" / "site-packages")]
        platform = ["--python-version", _MANAGED_PYTHON, "--python-platform", "x86_64-manylinux2014"]
        packages = ["--only-binary", ":all:", "--requirement", "api/requirements.txt"]
        run([_UV, "pip", "install", "--quiet", *target, *platform, *packages], {})


def upload(azure: Azure, run: Run, group: str, output: BuildOutput, deployed: DeploymentOutputs) -> None:
    """Upload the API to its app, and the page, with managed functions where they are built, to the site.

    Raises:
        DeployError: a step failed.
    """
    try:
        if output.package.exists():
            app = ("--resource-group", group, "--name", deployed.app_name)
            _upload_package(azure, *app, "--src", str(output.package), "--build-remote", "true")
        secrets = azure.json("staticwebapp", "secrets", "list", "--resource-group", group, "--name", deployed.site_name)
    except AzureError as error:
        raise DeployError(
            f"the code could not be uploaded. {error}\nthe resources are deployed: run make deploy again"
        ) from error
    upload_site(run, output, secrets["properties"]["apiKey"], "production")


def _upload_package(azure: Azure, *arguments: str) -> None:
    """Try three times: the app's role on its storage was assigned a moment ago and may not be in effect yet."""
    for pause_s in (60, 120, None):
        try:
            azure.json("functionapp", "deployment", "source", "config-zip", *arguments, timeout_s=900)
            return
        except AzureError as error:
            if "appears to be unhealthy" in error.message:  # a linked app answers only the site, not `az`
                return
            if pause_s is None:
                raise
            time.sleep(pause_s)


def upload_site(run: Run, output: BuildOutput, token: str, environment: str) -> None:
    """Upload the page, and managed functions where they are built, to an environment of a site; the token is a variable."""
    # Without this option the uploader takes the first configuration in this folder, which is not the built one.
    config = ["--app-location", str(output.site), "--swa-config-location", str(output.site)]
    command = ["npx", "--yes", SWA_CLI, "deploy", str(output.site), *config, "--env", environment]
    if output.managed_api.exists():
        command += ["--api-location", str(output.managed_api), "--api-language", "python", "--api-version", _MANAGED_PYTHON]  # fmt: skip
    run(command, {"SWA_CLI_DEPLOYMENT_TOKEN": token})


def preview(azure: Azure, run: Run, group: str, name: str) -> str:
    """Upload this checkout's page and managed functions as a preview beside a group's site; its address.

    Raises:
        DeployError: the group has no site, or one whose API is linked: a preview of it would have no API.
    """
    found = find_existing(azure, group)
    if found.unread or found.location is None:  # the ranges that may open the site would be lost
        raise DeployError(
            f"what is deployed in {group} cannot be read: {found.unread or 'az group list does not have it'}\n"
            f"run make deploy first; or ask for the role Reader on the group {group}, or try again"
        )
    site_name, site_id = _site_of(azure, group)
    site = ("--resource-group", group, "--name", site_name)
    existing = found.parameters
    if existing.get("topology") == "direct":
        raise DeployError(f"{site_name} uses a direct app, which does not support previews: preview a managed site")
    try:
        # `az staticwebapp backends show` refuses to look at a site of the Free plan.
        if azure.json("rest", "--method", "get", "--url", f"{site_id}/linkedBackends?api-version=2024-11-01")["value"]:
            raise DeployError(f"{site_name} has a linked API, which previews do not support: preview a managed site")
        token = azure.json("staticwebapp", "secrets", "list", *site)["properties"]["apiKey"]
        with tempfile.TemporaryDirectory() as folder:
            output = BuildOutput(Path(folder))
            build(run, output, "managed", "", existing.get("siteIpRanges", []))
            upload_site(run, output, token, name)
        environments = azure.json("staticwebapp", "environment", "list", *site)
    except AzureError as error:
        raise DeployError(f"the preview failed: {error}") from error
    hosts = [environment["hostname"] for environment in environments if environment["name"] == name]
    if not hosts:
        raise DeployError(f"{site_name} has no environment {name} after the upload; see the upload's output above")
    return f"https://{hosts[0]}"


def remove_preview(azure: Azure, group: str, name: str) -> bool:
    """Let Azure remove a preview, without waiting for it; whether there was one.

    Raises:
        DeployError: Azure refused it.
    """
    _, site_id = _site_of(azure, group)
    try:
        # `az staticwebapp environment delete` waits, and who may change the site alone may not read how it goes.
        # Source: hashicorp/terraform-provider-azurerm#28451.
        azure.json("rest", "--method", "delete", "--url", f"{site_id}/builds/{name}?api-version=2024-11-01")
    except AzureError as error:
        if error.code == "NotFound":
            return False
        raise DeployError(f"the preview {name} could not be removed: {error}") from error
    return True


def _site_of(azure: Azure, group: str) -> tuple[str, str]:
    """The name and the id of a group's site.

    Raises:
        DeployError: it has none.
    """
    try:
        resources = resources_of(azure, group)
    except AzureError as error:
        raise DeployError(f"a preview needs a site beside it: {error}\nrun make deploy first") from error
    sites = [
        (resource["name"], resource["id"]) for resource in resources if resource["type"] == "Microsoft.Web/staticSites"
    ]
    if not sites:
        raise DeployError(f"a preview needs a site beside it, but the group {group} has none: run make deploy first")
    return sites[0]


def resources_of(azure: Azure, group: str) -> list[dict[str, Any]]:
    """A group's resources.

    Raises:
        AzureError: the group does not exist, or its resources cannot be listed.
    """
    resources: list[dict[str, Any]] = azure.json("resource", "list", "--resource-group", group)
    return resources
