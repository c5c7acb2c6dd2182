"""What a configuration will meet: what a deployment refuses, what works but surprises, and what no source settles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mockserver.swa.config import Config, RouteRule, compile_pattern, is_ip_range
from mockserver.swa.principal import ROLE_NAME

#: Source: Static Web Apps quotas.
MOST_ROLES = 50
_SHOWN_ROLES = 5


class Severity(StrEnum):
    """What becomes of it: the deployment refuses it, or it works and surprises."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """One thing to know about a configuration. `rule` is the number of the route rule, None for the rest of the file;
    `source` says how it is known."""

    severity: Severity
    text: str
    source: str
    rule: int | None = None
    name: str = ""

    def __str__(self) -> str:
        return f"the deployment refuses this: {self.text}" if self.severity is Severity.ERROR else self.text


def findings(config: Config, known_roles: Iterable[str] | None = None) -> list[ConfigFinding]:
    """Everything about a configuration, in its order; with the roles that personas have, those of no persona too."""
    checks: tuple[Callable[[Config], Iterator[ConfigFinding]], ...] = (_rules, _guards, _roles, _rest)
    found = [finding for check in checks for finding in check(config)]
    if known_roles is not None and (unknown := sorted(set(config.roles) - set(known_roles))):
        shown = ", ".join(map(repr, unknown[:_SHOWN_ROLES]))
        more = f" and {len(unknown) - _SHOWN_ROLES} more" if len(unknown) > _SHOWN_ROLES else ""
        found.append(_warning("no-persona", f"no persona has the role {shown}{more}", "the personas"))
    return found


def _rules(config: Config) -> Iterator[ConfigFinding]:
    for index, rule in enumerate(config.rules):
        earlier = config.rules[:index]
        same = next((each for each in earlier if _same_route(each, rule)), None)
        covering = next((each for each in earlier if _covers(each, rule)), None)
        place = f"rule {rule.number} ({rule.pattern})"
        if same is not None:
            text = f"{place} has the route of rule {same.number} ({same.pattern}); a trailing slash makes no other one"
            yield ConfigFinding(
                Severity.ERROR, text, "reports of deployments since 2026-08", rule.number, "duplicate-route"
            )
        elif covering is not None:
            text = f"{place} can never apply: rule {covering.number} ({covering.pattern}) already matches each of its paths"
            source = "static-web-apps#242, #615, #748"
            yield ConfigFinding(Severity.ERROR, text, source, rule.number, "covered-route")
        if not rule.pattern.startswith(("/", "*")):
            text = f"{place} has no leading slash: the official CLI never applies it, and what production does no source says"
            yield _warning("no-leading-slash", text, "its route-processor.js", rule.number)
        if rule.rewrite and re.match(r"\w+:", rule.rewrite):
            text = f"{place} rewrites to {rule.rewrite}, but a rewrite stays on the site; a redirect may leave it"
            yield _warning("rewrite-elsewhere", text, "configuration reference", rule.number)


def _guards(config: Config) -> Iterator[ConfigFinding]:
    """Rules that ask for a role and leave a neighbour of what they guard open."""
    for rule in config.rules:
        if "anonymous" in (rule.allowed_roles or {"anonymous"}) or not rule.pattern.startswith("/"):
            continue
        place = f"rule {rule.number} ({rule.pattern})"
        if rule.pattern.endswith("/*") and (folder := rule.pattern.removesuffix("/*")):
            if not _any_fits(config, folder):
                text = f"{place} leaves {folder} itself open; {folder}* guards both"
                yield _warning("folder-open", text, "configuration reference, wildcards", rule.number)
        elif re.fullmatch(r"/(?!api(?:/|$)|\.auth/)(?:[^*]*/)?[^*./]+", rule.pattern):
            left = [path for path in (f"{rule.pattern}/", f"{rule.pattern}/index.html") if not _any_fits(config, path)]
            if left:
                text = f"{place} leaves {' and '.join(left)} open; {rule.pattern}* guards them too"
                yield _warning("index-open", text, "configuration reference; static-web-apps reports", rule.number)


def _roles(config: Config) -> Iterator[ConfigFinding]:
    for rule in config.rules:
        for role in sorted(rule.allowed_roles or ()):
            if not ROLE_NAME.fullmatch(role):
                text = (
                    f"rule {rule.number} ({rule.pattern}) has the role {role!r}: names have letters, digits and _ alone"
                )
                yield ConfigFinding(Severity.ERROR, text, "static-web-apps#692", rule.number, "role-name")
    if len(config.roles) > MOST_ROLES:
        text = f"{len(config.roles)} roles are named, and an app may have {MOST_ROLES}"
        yield ConfigFinding(Severity.ERROR, text, "Static Web Apps quotas", None, "too-many-roles")


def _rest(config: Config) -> Iterator[ConfigFinding]:
    for problem in config.auth.problems:
        yield ConfigFinding(Severity.ERROR, problem, "the official schema", None, "provider")
    for note in config.notes:
        yield _warning("no-effect", note, "configuration reference")
    tags = [network for network in config.networks or () if not is_ip_range(network)]
    if tags:
        text = f"networking: no client matches {', '.join(tags)}: the addresses of a service tag are not known here"
        yield _warning("service-tag", text, "this program")
    if config.networks == ():
        yield _warning("nobody-let-in", "networking: an empty allowedIpRanges blocks every client", "its own words")


def _warning(name: str, text: str, source: str, rule: int | None = None) -> ConfigFinding:
    return ConfigFinding(Severity.WARNING, text, source, rule, name)


def _any_fits(config: Config, path: str) -> bool:
    return any(compile_pattern(other.pattern, "").fullmatch(path) for other in config.rules)


def _methods_meet(one: RouteRule, other: RouteRule) -> bool:
    return one.methods is None or other.methods is None or bool(one.methods & other.methods)


def _same_route(one: RouteRule, other: RouteRule) -> bool:
    return _methods_meet(one, other) and (one.pattern.rstrip("/") or "/") == (other.pattern.rstrip("/") or "/")


def _covers(earlier: RouteRule, later: RouteRule) -> bool:
    """Whether every request that fits the later rule fits the earlier one too; only for patterns that are plain or end in
    a star."""
    methods = earlier.methods is None or (later.methods is not None and later.methods <= earlier.methods)
    plain = re.fullmatch(r"[^*]*\*?", later.pattern) is not None
    return (
        methods
        and plain
        and compile_pattern(earlier.pattern, "").fullmatch(later.pattern.replace("*", "x")) is not None
        and (earlier.pattern.endswith("*") or "*" not in later.pattern)
    )
