"""`staticwebapp.config.json`, read strictly: what production would refuse at deployment is refused here at start."""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPMethod
from pathlib import Path
from typing import Any

from mockserver.errors import UserError
from mockserver.exchange import Headers

FILE_NAME = "staticwebapp.config.json"
#: Source: Static Web Apps quotas; the deployment is refused beyond it.
LIMIT_BYTES = 20_000

_KNOWN = (
    *("$schema", "routes", "navigationFallback", "responseOverrides", "globalHeaders", "mimeTypes", "platform"),
    *("auth", "forwardingGateway", "networking", "trailingSlash"),
)
#: The providers of `auth.identityProviders`, by the name each has in `/.auth/login/NAME`.
_PROVIDERS = {
    "azureActiveDirectory": "aad",
    **{name: name for name in ("apple", "facebook", "github", "google", "twitter")},
}
#: Those that need no configuration. Source: Microsoft's authentication reference; twitter was dropped.
PRECONFIGURED = ("aad", "github")
_PATTERN = re.compile(r"(?P<path>(?:/[^*]*)?)(?P<star>\*(?:\.(?P<extensions>\w+|\{\w+(?:,\w+)*\}))?)?")


class ConfigError(UserError):
    """A configuration that cannot be used; says what and where."""


@dataclass(frozen=True, slots=True)
class RouteRule:
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


class TrailingSlash(StrEnum):
    """Which form of an address pages have; the others redirect there."""

    ALWAYS = "always"
    NEVER = "never"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Gateway:
    """What a request must bring along to be let in, and which `X-Forwarded-Host` is believed."""

    required_headers: Headers = ()
    allowed_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Auth:
    """Who signs people in: `providers` by the name in the address, and the API path that says their roles, None for no such."""

    providers: tuple[str, ...] = PRECONFIGURED
    roles_source: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; an app without a file has an empty one.

    `networks` are those who may ask at all, None for everybody; service tags among them are nobody here."""

    rules: tuple[RouteRule, ...] = ()
    fallback: Fallback | None = None
    overrides: Mapping[int, Override] = field(default_factory=dict)
    global_headers: Headers = ()
    mime_types: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] | None = None
    gateway: Gateway = Gateway()
    auth: Auth = Auth()
    trailing_slash: TrailingSlash | None = None

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
    fields = _object(document, "the file", _KNOWN)
    routes = fields.get("routes", [])
    if not isinstance(routes, list):
        raise ConfigError("routes: a list is needed")
    return Config(
        rules=tuple(_rule(route, number) for number, route in enumerate(routes, 1)),
        fallback=_fallback(fields["navigationFallback"]) if "navigationFallback" in fields else None,
        overrides=_overrides(fields.get("responseOverrides", {})),
        global_headers=_headers(fields.get("globalHeaders", {}), "globalHeaders"),
        mime_types=dict(_headers(fields.get("mimeTypes", {}), "mimeTypes")),
        networks=_networks(fields["networking"]) if "networking" in fields else None,
        gateway=_gateway(fields.get("forwardingGateway", {})),
        auth=_auth(fields["auth"]) if "auth" in fields else Auth(),
        trailing_slash=_trailing_slash(fields),
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


def _rule(value: object, number: int) -> RouteRule:
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
    return RouteRule(
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


def _networks(value: object) -> tuple[str, ...]:
    ranges = _texts(_object(value, "networking", ("allowedIpRanges",)), "allowedIpRanges", "networking")
    for each in ranges or ():
        if each[:1].isdigit():
            try:
                ipaddress.IPv4Network(each, strict=False)
            except ValueError as error:
                raise ConfigError(f"networking: {each!r} is no IPv4 range: {error}") from error
    return tuple(ranges or ())


def _gateway(value: object) -> Gateway:
    fields = _object(value, "forwardingGateway", ("requiredHeaders", "allowedForwardedHosts"))
    hosts = _texts(fields, "allowedForwardedHosts", "forwardingGateway") or ()
    required = _headers(fields.get("requiredHeaders", {}), "forwardingGateway, requiredHeaders")
    return Gateway(required, frozenset(each.lower() for each in hosts))


def _auth(value: object) -> Auth:
    fields = _object(value, "auth", ("rolesSource", "identityProviders"))
    given = fields.get("identityProviders")
    if given is None:
        raise ConfigError("auth: identityProviders is missing; rolesSource works with registrations of your own only")
    named = dict(_object(given, "auth, identityProviders", (*_PROVIDERS, "customOpenIdConnectProviders")))
    custom = named.pop("customOpenIdConnectProviders", {})
    if not isinstance(custom, dict):
        raise ConfigError("auth, identityProviders, customOpenIdConnectProviders: an object is needed")
    source = _text(fields, "rolesSource", "auth")
    if source is not None and not source.lower().startswith("/api/"):
        raise ConfigError(f"auth: rolesSource: {source!r} is no path of the API; it begins with /api/")
    return Auth((*(_PROVIDERS[name] for name in named), *custom), source)


def _trailing_slash(fields: Mapping[str, Any]) -> TrailingSlash | None:
    value = _text(fields, "trailingSlash", "the file")
    if value is not None and value not in list(TrailingSlash):
        raise ConfigError(f"trailingSlash: {value!r}; there are: {', '.join(TrailingSlash)}")
    return TrailingSlash(value) if value else None


def config_warnings(config: Config, known_roles: Iterable[str]) -> Iterator[str]:
    """What a configuration allows and its author hardly wants, each in words: rules that can never fit, a wildcard that
    leaves its own folder open, roles that none of the `known_roles` is."""
    for index, rule in enumerate(config.rules):
        covering = next((each for each in config.rules[:index] if _covers(each, rule)), None)
        if covering is not None:
            yield f"rule {rule.number} ({rule.pattern}) can never apply: rule {covering.number} ({covering.pattern}) fits first"
        folder = rule.pattern.removesuffix("/*")
        guards = rule.pattern.endswith("/*") and folder and "anonymous" not in (rule.allowed_roles or {"anonymous"})
        if guards and not any(compile_pattern(each.pattern, "").fullmatch(folder) for each in config.rules):
            yield f"rule {rule.number} ({rule.pattern}) leaves {folder} itself open; {folder}* would not"
    for role in sorted(set(config.roles) - set(known_roles)):
        yield f"nobody has the role {role!r}: no persona does"
    tags = [each for each in config.networks or () if not each[:1].isdigit()]
    if tags:
        yield f"networking: who belongs to {', '.join(tags)} is not known here; it counts as nobody"
    if config.networks == ():
        yield "networking: an empty allowedIpRanges locks everybody out"


def _covers(earlier: RouteRule, later: RouteRule) -> bool:
    """Whether whatever fits a later rule fits an earlier one too; told where the patterns are plain or end in a star."""
    methods = earlier.methods is None or (later.methods is not None and later.methods <= earlier.methods)
    plain = re.fullmatch(r"[^*]*\*?", later.pattern) is not None
    return (
        methods
        and plain
        and compile_pattern(earlier.pattern, "").fullmatch(later.pattern.replace("*", "x")) is not None
        and (earlier.pattern.endswith("*") or "*" not in later.pattern)
    )


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
