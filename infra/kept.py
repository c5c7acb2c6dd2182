"""Secrets that are deployed already: they stay, where a deployment that needs them is given none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.azure import Azure, AzureError
from infra.plan import ExistingDeployment, needed_secrets
from infra.template import expand, read

#: Where the site keeps each, where it does.
_SETTINGS = {
    "openAIKey": "OPENAI_API_KEY",
    "existingKey": "AZURE_OPENAI_API_KEY",
    "signInClientSecret": "AZURE_CLIENT_SECRET",
}
_KIND = "Microsoft.KeyVault/vaults/secrets"


def kept_secrets(
    azure: Azure, group: str, parameters: Mapping[str, Any], existing: ExistingDeployment
) -> dict[str, str]:
    """The secrets that a deployment needs, was not given, and finds as they are deployed: with its value where the site's
    settings must be written whole, empty where the one in the vault stays as it is, unread."""
    if not existing.settled:  # a deployment that failed may have written the key of another model
        return {}
    missing = [name for name in needed_secrets(parameters) if name not in parameters]
    same = [name for name in missing if _is_for_the_same(name, parameters, existing.parameters)]
    return dict(_found(azure, group, same, parameters, existing.subscription)) if same else {}


def _is_for_the_same(name: str, parameters: Mapping[str, Any], last: Mapping[str, Any]) -> bool:
    """Whether a secret goes to whom it went before: one endpoint's key is never sent to another."""
    same = ["name", "topology", *(["signInClientId"] if name == "signInClientSecret" else ["backend"])]
    if name == "existingKey":
        same.append("existingEndpoint")
    return all(last.get(each) and parameters.get(each) == last[each] for each in same)


def _found(
    azure: Azure, group: str, names: list[str], parameters: Mapping[str, Any], subscription: str
) -> Iterator[tuple[str, str]]:
    in_site = [name for name in names if name == "signInClientSecret" or parameters["topology"] == "managed"]
    site = ("--name", parameters["name"], "--resource-group", group)
    try:
        if in_site:
            settings = azure.json("staticwebapp", "appsettings", "list", *site)["properties"]
            yield from ((name, settings[_SETTINGS[name]]) for name in in_site if settings.get(_SETTINGS[name]))
        for name in set(names) - set(in_site):
            given = expand(read(), {**parameters, name: "a key"})
            secret = given.of(_KIND)[0].id.partition("/providers/")[2]
            url = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{secret}?api-version=2024-11-01"
            azure.json(
                "rest", "--method", "get", "--url", url
            )  # Resource Manager says of a secret only that it is there
            yield name, ""
    except AzureError:  # it is asked for instead
        return
