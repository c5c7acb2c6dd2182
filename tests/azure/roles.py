"""Azure's roles, and which action a request to Resource Manager is.

Source: Microsoft's list of built-in roles, https://learn.microsoft.com/azure/role-based-access-control/built-in-roles; only what
a chat app needs of each.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_READ_ALL = "*/read"
_DEPLOYS = ("Microsoft.Authorization/*/read", "Microsoft.Resources/deployments/*", "Microsoft.Resources/subscriptions/resourceGroups/read")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Role:
    """A role: the actions that it allows in Resource Manager, without `not_actions`, and those on data."""

    id: str
    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        """Whether it allows an action in Resource Manager."""
        return _fits(action, self.actions) and not _fits(action, self.not_actions)

    def allows_data(self, action: str) -> bool:
        """Whether it allows an action on data."""
        return _fits(action, self.data_actions)

    @property
    def permissions(self) -> dict[str, Any]:
        """As Resource Manager lists them."""
        named = {"actions": self.actions, "notActions": self.not_actions, "dataActions": self.data_actions}
        return {**{name: list(values) for name, values in named.items()}, "notDataActions": []}


ROLES = (
    Role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", ("*",)),
    Role(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        ("*",),
        ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action"),
    ),
    Role("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", (_READ_ALL,)),
    Role("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator", (_READ_ALL, "Microsoft.Authorization/*")),
    Role(
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        (_READ_ALL, "Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete"),
    ),
    Role("25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68", "Cognitive Services Contributor", ("Microsoft.CognitiveServices/*", *_DEPLOYS)),
    Role(
        "5e0bd9bd-7b93-4f28-af87-36fc36ad61bd",
        "Cognitive Services OpenAI User",
        ("Microsoft.CognitiveServices/*/read", "Microsoft.Authorization/roleAssignments/read"),
        data_actions=("Microsoft.CognitiveServices/accounts/OpenAI/*/read",),
    ),
    Role(
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "Key Vault Secrets Officer",
        ("Microsoft.KeyVault/vaults/*/read", *_DEPLOYS),
        data_actions=("Microsoft.KeyVault/vaults/secrets/*",),
    ),
    Role(
        "4633458b-17de-408a-874b-0445c86b69e6",
        "Key Vault Secrets User",
        data_actions=("Microsoft.KeyVault/vaults/secrets/getSecret/action", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"),
    ),
    Role("cccccccc-0000-0000-0000-000000000000", "All but reading deployments", ("*",), ("Microsoft.Resources/deployments/read",)),  # a custom role
    Role("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "Storage Blob Data Owner", data_actions=("Microsoft.Storage/storageAccounts/blobServices/*",)),
)  # fmt: skip
_BY_ID = {role.id: role for role in ROLES}
_BY_NAME = {role.name: role for role in ROLES}
#: Availability of a name is read, though asked with POST; of a subdomain, it is an action of its own.
_READ_BY_POST = ("microsoft.storage", "microsoft.keyvault", "microsoft.web")


def role_of(definition: str) -> Role:
    """The role of a definition's id, or of a name."""
    return _BY_NAME.get(definition) or _BY_ID[definition.rpartition("/")[2]]


def asked_action(method: str, path: str) -> tuple[str, str] | None:
    """The action of a request, and its scope; None where everybody who is signed in may ask, and sees what is theirs.

    Source: the operations that each provider publishes: the type of what is asked for, then `read`, `write`, `delete`, or the
    name of an action with `/action`.
    """
    parts = path.strip("/").split("/")
    if parts[0].lower() != "subscriptions" or len(parts) == 1:
        return None
    verb = {"GET": "read", "HEAD": "read", "DELETE": "delete", "POST": "action"}.get(method, "write")
    before, providers, after = path.rpartition("/providers/")
    if not providers:
        return _action_of_manager(parts, verb, path)
    namespace, *rest = after.split("/")
    if verb != "action" or len(rest) % 2 == 0:
        return f"{namespace}/{'/'.join(rest[::2])}/{verb}", path
    *types, name = rest[::2]
    if not types and namespace.lower() in _READ_BY_POST:
        return f"{namespace}/{name}/read", before
    return "/".join([namespace, *types, name, verb]), path.rpartition("/")[0]


def _action_of_manager(parts: list[str], verb: str, path: str) -> tuple[str, str] | None:
    """A request for a subscription, for a group, or for what is listed in either."""
    if len(parts) == 3 and parts[2].lower() in ("resourcegroups", "resources"):
        return None
    words = {"resourcegroups": "resourceGroups"}
    types = "/".join(words.get(each.lower(), each) for each in parts[::2])
    scope = path if len(parts) % 2 == 0 else path.rpartition("/")[0]
    return f"Microsoft.Resources/{types}/{verb}", scope


def _fits(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(action.lower(), pattern.lower()) for pattern in patterns)
