"""`staticwebapp.config.json`, read strictly: what production would refuse at deployment is refused here at start."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPMethod
from pathlib import Path
from typing import Any

from mockserver.exchange import Headers

FILE_NAME = "staticwebapp.config.json"
#: Source: Static Web Apps quotas; the deployment is refused beyond it.
LIMIT_BYTES = 20_000

_NOT_YET = ("auth", "forwardingGateway", "networking", "trailingSlash")
_PATTERN = re.compile(r"(?P<path>(?:/[^*]*)?)(?P<star>\*(?:\.(?P<extensions>\w+|\{\w+(?:,\w+)*\}))?)?")


class ConfigError(ValueError):
    """A configuration that cannot be used; says what and where."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A route rule. `number` counts from 1. None means the key is absent; `methods` None fits every method."""

    number: int
    pattern: str
    methods: frozenset[str] | None = None
    allowed_roles: frozenset[str] | None = None
    redirect: str | None = None
    rewrite: str | None = None
    status: int | None = None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """Where a path without a file leads, unless it is excluded."""

    rewrite: str
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Override:
    """What to send instead of one of the platform's own error pages. None means the key is absent."""

    redirect: str | None = None
    rewrite: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; an app without a file has an empty one."""

    rules: tuple[Rule, ...] = ()
    fallback: Fallback | None = None
    overrides: Mapping[int, Override] = field(default_factory=dict)
    global_headers: Headers = ()
    mime_types: Mapping[str, str] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles the rules mention, sorted, without the two everybody has."""
        mentioned = {role for rule in self.rules for role in rule.allowed_roles or ()}
        return tuple(sorted(mentioned - {"anonymous", "authenticated"}))


def load_config(path: Path) -> Config:
    """The configuration in a file, or an empty one where there is no file.

    Raises:
        ConfigError: too large, no JSON, an unknown key, or a wrong value; says which rule.
    """
    if not path.exists():
        return Config()
    text = path.read_bytes()
    if len(text) > LIMIT_BYTES:
        raise ConfigError(f"{path}: {len(text)} bytes; Static Web Apps takes at most {LIMIT_BYTES}")
    try:
        return parse_config(json.loads(text))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from error


def parse_config(document: object) -> Config:
    """The configuration a JSON document describes.

    Raises:
        ConfigError: an unknown key or a wrong value; says where.
    """
    known = ("$schema", "routes", "navigationFallback", "responseOverrides", "globalHeaders", "mimeTypes", "platform")
    fields = _object(document, "the file", (*known, *_NOT_YET))
    for key in _NOT_YET:
        if key in fields:
            raise ConfigError(f"{key}: this version does not imitate it, and will not pretend to")
    routes = fields.get("routes", [])
    if not isinstance(routes, list):
        raise ConfigError("routes: a list is needed")
    return Config(
        rules=tuple(_rule(route, number) for number, route in enumerate(routes, 1)),
        fallback=_fallback(fields["navigationFallback"]) if "navigationFallback" in fields else None,
        overrides=_overrides(fields.get("responseOverrides", {})),
        global_headers=_headers(fields.get("globalHeaders", {}), "globalHeaders"),
        mime_types=dict(_headers(fields.get("mimeTypes", {}), "mimeTypes")),
    )


@functools.cache
def compile_pattern(pattern: str, where: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """What a route pattern fits: exactly itself, everything that begins as it does (`/x*`), or that with an extension
    (`/x/*.{png,jpg}`). A pattern for `/x/index.html` fits `/x` and `/x/` too.

    Raises:
        ConfigError: a wildcard that is not at the end.
    """
    parsed = _PATTERN.fullmatch(pattern)
    if parsed is None:
        raise ConfigError(
            f"{where}: {pattern!r} is no route; it begins with / and has at most one *, at its end or before an extension"
        )
    path, extensions = parsed["path"], parsed["extensions"]
    if extensions:
        suffix = "|".join(extensions.strip("{}").split(","))
        text = re.escape(path) + rf".*\.(?:{suffix})"
    elif parsed["star"]:
        text = re.escape(path) + ".*"
    elif path.endswith("/index.html"):
        folder = path.removesuffix("/index.html")
        text = re.escape(folder) + "(?:/(?:index\\.html)?)?"
    else:
        text = re.escape(path)
    return re.compile(text, re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL)


def _rule(value: object, number: int) -> Rule:
    where = f"routes, rule {number}"
    fields = _object(value, where, ("route", "methods", "allowedRoles", "headers", "redirect", "rewrite", "statusCode"))
    pattern = _text(fields, "route", where)
    if pattern is None:
        raise ConfigError(f"{where}: route is missing")
    compile_pattern(pattern, where)
    redirect, rewrite, status = (
        _text(fields, "redirect", where),
        _text(fields, "rewrite", where),
        _status(fields, where),
    )
    if redirect and rewrite:
        raise ConfigError(f"{where}: redirect and rewrite exclude each other")
    if redirect and status not in (None, 301, 302):
        raise ConfigError(f"{where}: statusCode {status} with a redirect; 301 or 302 is possible")
    methods, roles = _texts(fields, "methods", where), _texts(fields, "allowedRoles", where)
    unknown = [each for each in methods or () if each.upper() not in HTTPMethod.__members__]
    if unknown:
        raise ConfigError(f"{where}: {unknown[0]!r} is no HTTP method")
    return Rule(
        number,
        pattern,
        frozenset(each.upper() for each in methods) if methods else None,
        frozenset(roles) if roles else None,
        redirect,
        rewrite,
        status,
        _headers(fields.get("headers", {}), f"{where}, headers"),
    )


def _fallback(value: object) -> Fallback:
    fields = _object(value, "navigationFallback", ("rewrite", "exclude"))
    rewrite = _text(fields, "rewrite", "navigationFallback")
    if rewrite is None:
        raise ConfigError("navigationFallback: rewrite is missing")
    exclude = tuple(_texts(fields, "exclude", "navigationFallback") or ())
    exclude = tuple(each if each.startswith("/") else f"/{each}" for each in exclude)
    for pattern in exclude:
        compile_pattern(pattern, "navigationFallback, exclude")
    return Fallback(rewrite if rewrite.startswith("/") else f"/{rewrite}", exclude)


def _overrides(value: object) -> dict[int, Override]:
    overrides = {}
    for code, entry in _object(value, "responseOverrides", ("400", "401", "403", "404")).items():
        where = f"responseOverrides, {code}"
        fields = _object(entry, where, ("redirect", "rewrite", "statusCode"))
        overrides[int(code)] = Override(
            _text(fields, "redirect", where), _text(fields, "rewrite", where), _status(fields, where)
        )
    return overrides


def _object(value: object, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: an object is needed")
    unknown = [key for key in value if key not in known]
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(known)}")
    return value


def _text(fields: Mapping[str, Any], key: str, where: str) -> str | None:
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{where}: {key} is no text")
    return value


def _texts(fields: Mapping[str, Any], key: str, where: str) -> list[str] | None:
    value = fields.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise ConfigError(f"{where}: {key} is no list of texts")
    return value


def _status(fields: Mapping[str, Any], where: str) -> int | None:
    value = fields.get("statusCode")
    if value is not None and (
        not isinstance(value, int | str) or not str(value).isdigit() or not 100 <= int(value) <= 599
    ):
        raise ConfigError(f"{where}: statusCode {value!r} is no status")
    return None if value is None else int(value)


def _headers(value: object, where: str) -> Headers:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ConfigError(f"{where}: an object of texts is needed")
    return tuple((name.lower(), text) for name, text in value.items())
