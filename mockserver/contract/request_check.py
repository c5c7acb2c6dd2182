"""Whether the service would refuse a request, and how: every check of a request alone, in the service's order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from mockserver.contract import refusals
from mockserver.contract.api_versions import version_refusal
from mockserver.contract.models import known_model
from mockserver.contract.refusals import Refusal
from mockserver.contract.request_rules import REQUEST_RULES
from mockserver.contract.rule import Asked
from mockserver.contract.violations import SCHEMA_RULE_NAMES, request_violations

#: Rules that refuse in bodies of their own.
_WHOLE = ("api-version", "no-model", "operation", "previous-response", "item-not-found")
#: Every rule by its name.
RULE_NAMES = (*_WHOLE, *SCHEMA_RULE_NAMES, *(rule.name for rule in REQUEST_RULES))
#: Those that `--lenient` can turn off. What breaks the others has no shape that anything could answer.
LENIENT_NAMES = tuple(name for name in RULE_NAMES if name not in ("required", "type", "no-schema"))


def refusal_of(asked: Asked, *, is_json: bool, lenient: Collection[str] = ()) -> Refusal | None:
    """The refusal of a request; None if the service would take it.

    `is_json` says whether its body is a JSON object at all. `lenient` names rules that do not count.
    """
    if "api-version" not in lenient and (refused := version_refusal(asked)):
        return replace(refused, rule="api-version")
    operation = asked.address.operation
    if operation is None or asked.schema is None:
        return None
    if not is_json:
        return refusals.no_json() if operation.request else refusals.no_form()
    named = asked.model_name or asked.body.get("prompt")  # a stored prompt has its own model
    if operation.needs_model and not named and "no-model" not in lenient:
        return replace(refusals.missing_model(asked.address), rule="no-model")
    known = known_model(asked.model_name) if "operation" not in lenient else None  # what is not known can do everything
    if known and (refused := refusals.wrong_operation(asked.address, known, asked.model_name)):
        return replace(refused, rule="operation")
    counting = (each for each in request_violations(asked) if each.rule not in lenient)
    violation = next(counting, None)
    return refusals.invalid(violation) if violation is not None else None
