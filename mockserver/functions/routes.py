"""Route templates of Azure Functions, as patterns over a path."""

from __future__ import annotations

import re

#: Source: ASP.NET Core route constraints, which the Functions host uses.
_CONSTRAINTS = {
    "int": r"[-+]?\d+",
    "long": r"[-+]?\d+",
    "guid": r"[0-9a-fA-F-]{36}",
    "alpha": r"[a-zA-Z]+",
    "bool": r"(?:true|false)",
}
_SEGMENT = re.compile(r"\{(?P<star>\*{0,2})(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}")


class RouteError(ValueError):
    """A route template that this host does not support."""


def compile_route(template: str) -> re.Pattern[str]:
    """A pattern for the whole path `/…`, with a group for each parameter; upper and lower case are the same.

    Supports `{name}`, `{name:int}`, `{name?}` and `{*rest}`, each as a whole segment.

    Raises:
        RouteError: another form, or an unknown constraint.
    """
    pattern = ""
    for segment in filter(None, template.strip("/").split("/")):
        if "{" not in segment:
            pattern += "/" + re.escape(segment)
            continue
        parsed = _SEGMENT.fullmatch(segment)
        if parsed is None or (parsed["constraint"] and parsed["constraint"] not in _CONSTRAINTS):
            raise RouteError(
                f"{segment!r} in route {template!r} is not supported; supported: {{x}}, {{x?}}, {{*x}} and {{x:{'|'.join(_CONSTRAINTS)}}}"
            )
        inner = ".*" if parsed["star"] else _CONSTRAINTS.get(parsed["constraint"] or "", "[^/]+")
        group = f"/(?P<{parsed['name']}>{inner})"
        pattern += f"(?:{group})?" if parsed["optional"] or parsed["star"] else group
    return re.compile(f"{pattern}/?", re.IGNORECASE)


def specificity(template: str) -> tuple[int, int]:
    """A sort key: literal segments before parameters, long templates before short ones."""
    return template.count("{"), -len(template)
