"""From here to Azure: the resources, then the page and the API on them. Every step can be taken again."""

from __future__ import annotations

import json
import os
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
from infra.plan import ROOT, SECRETS, There
from infra.template import TEMPLATE

#: Uploads a Static Web App; its own uploader is fetched by it. Pinned.
SWA_CLI = "@azure/static-web-apps-cli@2.0.10"
#: Managed functions take no newer one. Source: Static Web Apps' documentation of languages, 2026-10-05.
_MANAGED_PYTHON = "3.11"
#: Not pip, which reads the conditions in requirements as the Python that runs it.
_UV = "uv"

#: What can be done about what Azure refuses, by its code.
FIXES = {
    "AuthorizationFailed": "ask for the roles that make preflight names",
    "CustomDomainInUse": "choose another NAME; somebody has this one",
    "FlagMustBeSetForRestore": "a namesake was deleted: purge it, as make preflight says",
    "InsufficientQuota": "take a smaller modelCapacity, another modelLocation, or ask for more quota",
    "LocationNotAvailableForResourceType": "choose one of the regions that Azure lists above",
    "MissingSubscriptionRegistration": "az provider register --namespace THE_ONE_ABOVE, and again in a few minutes",
    "RequestDisallowedByPolicy": "a policy of your organisation forbids it: ask who keeps the policies, naming the one above",
    "RoleAssignmentUpdateNotPermitted": "the app was deleted and made again: delete its old role assignments, which have no principal any more",
    "ServiceModelDeprecated": "choose another model: docs/model-change.md",
    "StorageAccountAlreadyTaken": "choose another NAME; somebody has this one",
    "VaultAlreadyExists": "choose another NAME; somebody has this one, or it was deleted and not purged",
}


class DeployError(Exception):
    """A step that failed; says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deployment gave back."""

    site_name: str
    site_url: str
    app_name: str
    direct_url: str


def deploy_resources(azure: Azure, group: str, parameters: Mapping[str, Any]) -> Deployed:
    """Have Azure make, or change, what the template says. The parameters go to az by its input: there may be a key among them.

    Raises:
        DeployError: it was refused.
    """
    given = json.dumps({name: {"value": value} for name, value in parameters.items()})
    words = ("deployment", "group", "create", "--resource-group", group, "--name", "chat")
    try:
        if not azure.json("group", "exists", "--name", group):
            azure.json("group", "create", "--name", group, "--location", parameters["location"])
        made = azure.json(*words, "--template-file", str(TEMPLATE), "--parameters", "@-", given=given, timeout_s=None)
    except AzureError as error:
        fix = FIXES.get(error.code, "look at the deployment in the portal, or ask again with az … --debug")
        raise DeployError(f"Azure refused the resources. {error}\n{fix}") from error
    outputs = {name: each["value"] for name, each in made["properties"]["outputs"].items()}
    return Deployed(outputs["siteName"], outputs["siteUrl"], outputs["appName"], outputs["directUrl"])


def there(azure: Azure, group: str) -> There:
    """What is there already; nothing of it where `az` cannot say, which preflight tells."""
    try:
        subscription = str(azure.json("account", "show")["id"])
        found = azure.json("group", "list", "--query", f"[?name=='{group}'].location")
        location = found[0] if found else None
        shown = azure.json("deployment", "group", "show", "--resource-group", group, "--name", "chat") if found else {}
    except AzureError as error:
        if error.code != "DeploymentNotFound":
            return There()
        return There(subscription, location)
    listed = shown.get("properties", {}).get("parameters") or {}
    return There(
        subscription, location, {name: each["value"] for name, each in listed.items() if each.get("value") is not None}
    )


def changes(azure: Azure, group: str, parameters: Mapping[str, Any]) -> list[str]:
    """What would change of what is there, a line each, as Azure says; nothing where there is no such group.

    Raises:
        AzureError: it cannot be said.
    """
    if not azure.json("group", "exists", "--name", group):
        return []
    given = json.dumps({name: {"value": value} for name, value in parameters.items()})
    words = ("deployment", "group", "what-if", "--resource-group", group, "--no-pretty-print")
    found = azure.json(*words, "--template-file", str(TEMPLATE), "--parameters", "@-", given=given, timeout_s=600)
    return [
        f"{each['changeType'].lower():<8} {each['resourceId'].partition('/providers/')[2]}"
        for each in found["changes"]
        if each["changeType"] not in ("NoChange", "Ignore")
    ]


# --- the code --------------------------------------------------------------------------------------------------------

Run = Callable[[Sequence[str], Mapping[str, str]], None]


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command of this project, without the secrets that are not its business; its output is for people, and goes to the error output.

    Raises:
        DeployError: it failed, or is not there.
    """
    found = shutil.which(command[0], path=_path())
    if found is None:
        raise DeployError(f"there is no {command[0]} on PATH")
    own = {name: value for name, value in os.environ.items() if name not in SECRETS.values()}
    done = subprocess.run([found, *command[1:]], cwd=ROOT, env={**own, **environment}, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise DeployError(f"{' '.join(command[:4])} … ended with {done.returncode}; the reason stands above")


@dataclass(frozen=True, slots=True)
class Built:
    """What is uploaded, in a folder: the page, the API for Flex as a zip, and as managed functions with their packages inside."""

    folder: Path

    @property
    def site(self) -> Path:
        """The page."""
        return self.folder / "site"

    @property
    def package(self) -> Path:
        """The API for Flex, which installs its packages itself."""
        return self.folder / "api.zip"

    @property
    def managed_api(self) -> Path:
        """The API as managed functions."""
        return self.folder / "api"


def _path() -> str:
    """Where commands are found: on PATH, then beside the Python that runs this."""
    return os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))


def build(run: Run, into: Built, topology: str, direct_url: str) -> None:
    """The page, for the one other origin that it may ask, and the API as it is uploaded."""
    run(["npm", "--prefix", "webapp", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], {})
    where = ["--outDir", str(into.site), "--emptyOutDir"]
    run(["npm", "--prefix", "webapp", "run", "--silent", "build", "--", *where], {"DIRECT_ORIGIN": direct_url})
    if topology != "managed":
        run([sys.executable, "tools/package.py", "--pack", str(into.package)], {})
    if topology != "linked":
        ignored = (ROOT / "api" / ".funcignore").read_text(encoding="utf-8").split()
        shutil.copytree(ROOT / "api", into.managed_api, ignore=shutil.ignore_patterns(*ignored))
        target = ["--target", str(into.managed_api / ".python_packages" / "lib" / "site-packages")]
        there = [
            "--python-version",
            _MANAGED_PYTHON,
            "--python-platform",
            "x86_64-manylinux2014",
            "--only-binary",
            ":all:",
        ]
        run([_UV, "pip", "install", "--quiet", *target, *there, "--requirement", "api/requirements.txt"], {})


def upload(azure: Azure, run: Run, group: str, built: Built, deployed: Deployed) -> None:
    """The API to its app, the page, and managed functions with it, to the site.

    Raises:
        DeployError: a step failed.
    """
    try:
        if built.package.exists():
            where = ("--resource-group", group, "--name", deployed.app_name)
            zipped = ("--src", str(built.package), "--build-remote", "true")
            _upload_package(azure, *where, *zipped)
        secrets = azure.json("staticwebapp", "secrets", "list", "--resource-group", group, "--name", deployed.site_name)
    except AzureError as error:
        raise DeployError(
            f"the code could not be uploaded. {error}\nmake deploy again; the resources are there"
        ) from error
    upload_site(run, built, secrets["properties"]["apiKey"], "production")


def _upload_package(azure: Azure, *words: str) -> None:
    """Again where the app may not open its storage yet: its role was given a moment ago."""
    for pause_s in (60, 120, None):
        try:
            azure.json("functionapp", "deployment", "source", "config-zip", *words, timeout_s=900)
            return
        except AzureError as error:
            if "appears to be unhealthy" in error.message:  # once linked, the app answers the site alone, and not `az`
                return
            if pause_s is None:
                raise
            time.sleep(pause_s)


def upload_site(run: Run, built: Built, token: str, environment: str) -> None:
    """The page, and managed functions where they are built, to an environment of a site. The token goes by the environment."""
    api = ["--api-location", str(built.managed_api), "--api-language", "python", "--api-version", _MANAGED_PYTHON]
    # Named, or the first configuration that lies anywhere in this folder would be taken, which is not the built one.
    config = ["--app-location", str(built.site), "--swa-config-location", str(built.site)]
    words = ["npx", "--yes", SWA_CLI, "deploy", str(built.site), *config, "--env", environment]
    run([*words, *(api if built.managed_api.exists() else [])], {"SWA_CLI_DEPLOYMENT_TOKEN": token})


def preview(azure: Azure, run: Run, group: str, name: str) -> str:
    """The address of this checkout's page and managed functions, beside the site of a group.

    Raises:
        DeployError: the group has no site, or one whose API is linked: such a preview has no API.
    """
    site = _site_of(azure, group)
    where = ("--resource-group", group, "--name", site)
    if there(azure, group).parameters.get("topology") == "direct":
        raise DeployError(f"{site} sends its page to an app that knows no previews: preview a managed site")
    try:
        if azure.json("staticwebapp", "backends", "show", *where):
            raise DeployError(f"{site} has a linked API, which previews have not: preview a managed site")
        token = azure.json("staticwebapp", "secrets", "list", *where)["properties"]["apiKey"]
        with tempfile.TemporaryDirectory() as folder:
            build(run, Built(Path(folder)), "managed", "")
            upload_site(run, Built(Path(folder)), token, name)
        listed = azure.json("staticwebapp", "environment", "list", *where)
    except AzureError as error:
        raise DeployError(f"no preview: {error}") from error
    hosts = [each["hostname"] for each in listed if each["name"] == name]
    if not hosts:
        raise DeployError(f"{site} has no environment {name} after the upload; the upload's own words stand above")
    return f"https://{hosts[0]}"


def remove_preview(azure: Azure, group: str, name: str) -> None:
    """Take a preview away.

    Raises:
        DeployError: it cannot be.
    """
    where = ("--resource-group", group, "--name", _site_of(azure, group))
    try:
        azure.json("staticwebapp", "environment", "delete", *where, "--environment-name", name, "--yes")
    except AzureError as error:
        raise DeployError(f"the preview {name} stays: {error}") from error


def _site_of(azure: Azure, group: str) -> str:
    try:
        names = [each["name"] for each in in_group(azure, group) if each["type"] == "Microsoft.Web/staticSites"]
    except AzureError as error:
        raise DeployError(f"there is no site to preview beside: {error}\nmake deploy first") from error
    if not names:
        raise DeployError(f"the group {group} has no site to preview beside; make deploy first")
    return str(names[0])


def remove(azure: Azure, group: str, resources: Sequence[Mapping[str, Any]]) -> None:
    """Delete a group and what it had, and purge what would hold its name.

    Raises:
        AzureError: it was refused.
    """
    for each in resources:
        if each["type"] == "Microsoft.Web/sites":  # its roles elsewhere would stay, without anybody who has them
            identity = azure.json("functionapp", "identity", "show", "--name", each["name"], "--resource-group", group)
            azure.json("role", "assignment", "delete", "--assignee", identity["principalId"])
    azure.json("group", "delete", "--name", group, "--yes", timeout_s=None)
    for each in resources:
        name, location = each["name"], each["location"]
        if each["type"] == "Microsoft.CognitiveServices/accounts":
            where = ("--name", name, "--resource-group", group, "--location", location)
            azure.json("cognitiveservices", "account", "purge", *where)
        elif each["type"] == "Microsoft.KeyVault/vaults":
            azure.json("keyvault", "purge", "--name", name, "--location", location)


def purged(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names that a removal purges."""
    kinds = ("Microsoft.CognitiveServices/accounts", "Microsoft.KeyVault/vaults")
    return [each["name"] for each in resources if each["type"] in kinds]


def in_group(azure: Azure, group: str) -> list[dict[str, Any]]:
    """What a group has.

    Raises:
        AzureError: it cannot be said, as where there is no such group.
    """
    found: list[dict[str, Any]] = azure.json("resource", "list", "--resource-group", group)
    return found
