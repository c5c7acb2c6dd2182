"""What preflight finds, and what its checks read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.azure import Azure
from infra.plan import DeploymentPlan


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that makes the deployment fail, or only a `warning`; what it is, and how to fix it."""

    what: str
    fix: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """The findings, and the number of checks done; `skipped` names the checks that could not be done, each with the reason;
    `subscription` is its name, where `az` says it."""

    findings: tuple[Finding, ...]
    checks: int
    skipped: tuple[str, ...] = ()
    subscription: str = ""

    @property
    def ready(self) -> bool:
        """Whether no check that was done found an error."""
        return all(finding.warning for finding in self.findings)


@dataclass(frozen=True, slots=True)
class PreflightContext:
    """What the checks read: Azure, the plan, the account that is signed in, and the names of the group's resources."""

    azure: Azure
    plan: DeploymentPlan
    account: Mapping[str, Any]
    existing: frozenset[str]
    group_exists: bool
