"""What each combination of topology and backend creates, as YAML to review as a diff.

`python -m infra expected` writes `tests/unit/expected/deployments`; a test compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from infra.check import combinations
from infra.expressions import SUBSCRIPTION
from infra.template import Deployment, Resource, read

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = ROOT / "tests" / "unit" / "expected" / "deployments"
_GROUPS = f"{SUBSCRIPTION}/resourceGroups/"


def deployment_files() -> dict[str, str]:
    """The text of each combination's file, by file name."""
    return {f"{name.replace(' ', '-')}.yaml": _text(deployment) for name, deployment in combinations(read())}


def _text(deployment: Deployment) -> str:
    """Every resource whole, by type and name; `<…>` is what only a deployment knows, or a secret."""
    ids = {each.id for each in deployment.resources}
    by_name = {f"{each.type} {each.name}": _whole(each, ids) for each in deployment.resources}
    document = {"resources": by_name, "outputs": dict(deployment.outputs)}
    return yaml.safe_dump(_plain(document), sort_keys=True, allow_unicode=True, width=200)


def _whole(resource: Resource, ids: set[str]) -> dict[str, Any]:
    body = {key: value for key, value in resource.body.items() if key not in ("type", "name")}
    waits_for = sorted(resource.dependencies & ids)  # of what this combination does not create, Azure waits for nothing
    waits = {"waits for": waits_for} if waits_for else {}
    nested = {"nested in": dict(resource.nested_in)} if resource.nested_in else {}
    return {**body, **waits, **nested}


def _plain(node: Any) -> Any:
    """JSON's own types, with ids as short as `<group theirs>/Microsoft.Web/sites/chat-api`."""
    if isinstance(node, dict):
        return {_plain(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(item) for item in node]
    if not isinstance(node, str):
        return node
    text = str(node)
    if text.startswith(_GROUPS):
        group, _, rest = text.removeprefix(_GROUPS).partition("/providers/")
        text = f"<group {group}>/{rest}" if rest else f"<group {group}>"
    return text.replace(SUBSCRIPTION, "<subscription>")
