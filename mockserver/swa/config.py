"""`staticwebapp.config.json`, read strictly: what production refuses at deployment is refused here at start."""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPMethod
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from mockserver.documents import Strict, convert
from mockserver.errors import UserError, did_you_mean
from mockserver.exchange import HEADER_FORM, Headers, is_header, whole_number
from mockserver.swa.providers import provider_problems

FILE_NAME = "staticwebapp.config.json"
#: Source: Static Web Apps quotas; the deployment is refused beyond it.
LIMIT_BYTES = 20_000
#: The providers that need no configuration. Source: Microsoft's authentication reference; twitter was dropped.
PRECONFIGURED = ("aad", "github")

#: The statuses that `responseOverrides` overrides. Source: configuration reference.
OVERRIDDEN = ("400", "401", "403", "404")
_LAST_LATIN = 0xFF
#: Keys of the file's predecessor, `routes.json`.
_LEGACY_KEYS = frozenset({"platformErrorOverrides", "serve", "defaultHeaders"})
_PATTERN = re.compile(r"(?P<path>(?:/[^*]*)?)(?P<star>\*(?:\.(?P<extensions>\w+|\{\w+(?:,\w+)*\}))?)?")


class ConfigError(UserError):
    """A configuration that cannot be used: where, and what is wrong."""


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
    """Which form of an address pages have; the other forms redirect to it."""

    ALWAYS = "always"
    NEVER = "never"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Which headers every request must have, and which `X-Forwarded-Host` is trusted."""

    required_headers: Headers = ()
    allowed_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Auth:
    """How users sign in: `providers` by their name in the address, and the API path that returns roles (None: no such path).
    `problems` are what a deployment refuses in their registrations."""

    providers: tuple[str, ...] = PRECONFIGURED
    roles_source: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; an app without a file has an empty one.

    `networks` are the address ranges that are let in, None for all; a service tag among them matches no client here. `notes`
    name what is there and has no effect.
    """

    rules: tuple[RouteRule, ...] = ()
    fallback: Fallback | None = None
    overrides: Mapping[int, Override] = field(default_factory=dict)
    global_headers: Headers = ()
    mime_types: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] | None = None
    gateway: Gateway = Gateway()
    auth: Auth = Auth()
    trailing_slash: TrailingSlash | None = None
    notes: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that the rules mention, sorted, without the two built-in ones."""
        mentioned = {role for rule in self.rules for role in rule.allowed_roles or ()}
        return tuple(sorted(mentioned - {"anonymous", "authenticated"}))


# --- as people write them --------------------------------------------------------------------------------------------


class RouteEntry(Strict, frozen=True, rename="camel"):
    """An item of `routes`."""

    route: str
    methods: tuple[str, ...] | None = None
    allowed_roles: tuple[str, ...] | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    redirect: str | None = None
    rewrite: str | None = None
    status_code: int | str | None = None


class FallbackEntry(Strict, frozen=True):
    """`navigationFallback`."""

    rewrite: str
    exclude: tuple[str, ...] | None = None


class OverrideEntry(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of `responseOverrides`; the official schema leaves other keys open."""

    redirect: str | None = None
    rewrite: str | None = None
    status_code: int | str | None = None


class NetworkingEntry(Strict, frozen=True, rename="camel"):
    """`networking`."""

    allowed_ip_ranges: tuple[str, ...] | None = None


class GatewayEntry(Strict, frozen=True, rename="camel"):
    """`forwardingGateway`."""

    required_headers: dict[str, str] = msgspec.field(default_factory=dict)
    allowed_forwarded_hosts: tuple[str, ...] | None = None


class ProvidersEntry(
    Strict, frozen=True, rename={"aad": "azureActiveDirectory", "custom": "customOpenIdConnectProviders"}
):
    """`auth.identityProviders`; the fields have the providers' names in `/.auth/login/NAME`."""

    aad: Any = UNSET
    apple: Any = UNSET
    facebook: Any = UNSET
    github: Any = UNSET
    google: Any = UNSET
    twitter: Any = UNSET
    custom: dict[str, Any] = msgspec.field(default_factory=dict)


class AuthEntry(Strict, frozen=True, rename="camel"):
    """`auth`; the providers are required because `rolesSource` works only with registrations of one's own."""

    identity_providers: ProvidersEntry
    roles_source: str | None = None


class ConfigEntry(Strict, frozen=True, rename="camel"):
    """The file. The routes are converted one by one, so that an error has the rule's number."""

    schema: Any = msgspec.field(default=None, name="$schema")
    routes: tuple[Any, ...] = ()
    navigation_fallback: FallbackEntry | UnsetType = UNSET
    response_overrides: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    global_headers: dict[str, str] = msgspec.field(default_factory=dict)
    mime_types: dict[str, str] = msgspec.field(default_factory=dict)
    platform: Any = None
    auth: AuthEntry | UnsetType = UNSET
    forwarding_gateway: GatewayEntry = GatewayEntry()
    networking: NetworkingEntry | UnsetType = UNSET
    trailing_slash: TrailingSlash | None = None


def load_config(path: Path) -> Config:
    """The configuration in a file, or an empty one where there is no file.

    Raises:
        ConfigError: too large, not JSON, an unknown key, or a wrong value; says which rule.
    """
    if not path.exists():
        return Config()
    text = path.read_bytes()
    if len(text) > LIMIT_BYTES:
        raise ConfigError(f"{path}: must be at most {LIMIT_BYTES} bytes for Static Web Apps, got {len(text)}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    return parse_config(document, str(path))


def parse_config(document: object, where: str = FILE_NAME) -> Config:
    """The configuration that a JSON document describes; errors begin with `where`.

    Raises:
        ConfigError: an unknown key or a wrong value; says where.
    """
    if isinstance(document, dict) and (legacy := sorted(_LEGACY_KEYS & document.keys())):
        raise ConfigError(
            f"{where}: {', '.join(legacy)} belongs to the old routes.json; {FILE_NAME} has responseOverrides"
        )
    entry = convert(document, ConfigEntry, where, ConfigError)
    return Config(
        rules=tuple(_rule(route, number, where) for number, route in enumerate(entry.routes, 1)),
        fallback=None if entry.navigation_fallback is UNSET else _fallback(entry.navigation_fallback, where),
        overrides=dict(_overrides(entry.response_overrides, where)),
        global_headers=_headers(entry.global_headers, f"{where}: globalHeaders"),
        mime_types=dict(_headers(entry.mime_types, f"{where}: mimeTypes")),
        networks=None if entry.networking is UNSET else _networks(entry.networking, where),
        gateway=Gateway(
            _headers(entry.forwarding_gateway.required_headers, f"{where}: forwardingGateway.requiredHeaders"),
            frozenset(host.lower() for host in entry.forwarding_gateway.allowed_forwarded_hosts or ()),
        ),
        auth=Auth() if entry.auth is UNSET else _auth(entry.auth, where),
        trailing_slash=entry.trailing_slash,
        notes=tuple(_override_notes(entry.response_overrides)),
    )


def _rule(document: object, number: int, where: str) -> RouteRule:
    where = f"{where}: routes, rule {number}"
    if isinstance(document, dict) and "serve" in document:
        raise ConfigError(f"{where}: serve belongs to the old routes.json; it is rewrite here")
    entry = convert(document, RouteEntry, where, ConfigError)
    compile_pattern(entry.route, where)
    status = _status(entry.status_code, where)
    if entry.redirect and entry.rewrite:
        raise ConfigError(f"{where}: a rule must have redirect or rewrite, not both")
    if entry.redirect and status not in (None, 301, 302):
        raise ConfigError(f"{where}: statusCode must be 301 or 302 with redirect, got {status}")
    methods = [method.upper() for method in entry.methods or ()]
    for method in methods:
        if method not in HTTPMethod.__members__:
            raise ConfigError(f"{where}: unknown HTTP method {method!r}{did_you_mean(method, HTTPMethod.__members__)}")
    return RouteRule(
        number,
        entry.route,
        frozenset(methods) or None,
        frozenset(entry.allowed_roles or ()) or None,
        entry.redirect,
        entry.rewrite,
        status,
        _headers(entry.headers, f"{where}: headers"),
    )


def _fallback(entry: FallbackEntry, where: str) -> Fallback:
    exclude = tuple(pattern if pattern.startswith("/") else f"/{pattern}" for pattern in entry.exclude or ())
    for pattern in exclude:
        compile_pattern(pattern, f"{where}: navigationFallback.exclude")
    return Fallback(entry.rewrite if entry.rewrite.startswith("/") else f"/{entry.rewrite}", exclude)


def _overrides(entries: dict[str, dict[str, Any]], where: str) -> Iterator[tuple[int, Override]]:
    for code, document in entries.items():
        place = f"{where}: responseOverrides.{code}"
        if (status := whole_number(code)) is None:
            raise ConfigError(f"{place}: the keys of responseOverrides are statuses, as 404")
        entry = convert(document, OverrideEntry, place, ConfigError)
        yield status, Override(entry.redirect, entry.rewrite, _status(entry.status_code, place))


def _override_notes(entries: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What has no effect among the overrides. Source: the official schema takes it, the reference names four statuses."""
    known = [field.encode_name for field in msgspec.structs.fields(OverrideEntry)]
    for code, document in entries.items():
        if code not in OVERRIDDEN:
            yield f"responseOverrides.{code} has no effect: {', '.join(OVERRIDDEN)} can be overridden"
        for key in sorted(set(document) - set(known)):
            yield f"responseOverrides.{code}.{key} has no effect{did_you_mean(key, known)}"


def _networks(entry: NetworkingEntry, where: str) -> tuple[str, ...] | None:
    if entry.allowed_ip_ranges is None:
        return None
    ranges = tuple(entry.allowed_ip_ranges)
    for address_range in filter(is_ip_range, ranges):
        try:
            ipaddress.IPv4Network(address_range, strict=False)
        except ValueError as error:
            raise ConfigError(
                f"{where}: networking.allowedIpRanges: {address_range!r} is not a valid IPv4 range: {error}"
            ) from error
    return ranges


def is_ip_range(network: str) -> bool:
    """Whether an entry of `allowedIpRanges` is a range of addresses; the others are service tags."""
    return network[:1].isdigit()


def _auth(entry: AuthEntry, where: str) -> Auth:
    source, providers = entry.roles_source, entry.identity_providers
    if source is not None and not source.lower().startswith("/api/"):
        raise ConfigError(f"{where}: auth.rolesSource must be a path of the API, as /api/roles, got {source!r}")
    given = {name: value for name, value in msgspec.structs.asdict(providers).items() if value is not UNSET}
    custom = given.pop("custom")
    problems = [problem for name, value in given.items() for problem in provider_problems(name, value)]
    problems += [problem for name, value in custom.items() for problem in provider_problems(name, value, custom=True)]
    enabled = [
        name
        for name, value in (given | custom).items()
        if not (isinstance(value, dict) and value.get("enabled") is False)
    ]
    return Auth(tuple(enabled), source, tuple(problems))


def _status(value: int | str | None, where: str) -> int | None:
    """A `statusCode`, which may be a number or its digits."""
    if value is None:
        return None
    status = whole_number(str(value))
    if status is None or not 100 <= status <= 599:
        raise ConfigError(f"{where}: statusCode must be a status from 100 to 599, got {value!r}")
    return status


def _headers(entry: dict[str, str], where: str) -> Headers:
    """The headers, with names in lower case.

    Raises:
        ConfigError: a value that no header can carry: every page would be an error.
    """
    for name, value in entry.items():
        wrong = next((letter for letter in name + value if not letter.isprintable() or ord(letter) > _LAST_LATIN), None)
        if wrong is not None:
            raise ConfigError(f"{where}.{name}: no header can carry {wrong!r} (U+{ord(wrong):04X}), got {value!r}")
        if not is_header(name, value):
            raise ConfigError(f"{where}: {name!r} cannot be sent: {HEADER_FORM}")
    return tuple((name.lower(), value) for name, value in entry.items())


# --- patterns --------------------------------------------------------------------------------------------------------


#: Fits no path.
_NOTHING = re.compile(r"(?!)")


@functools.cache
def compile_pattern(pattern: str, where: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """What a route pattern fits: exactly itself, everything that begins as it does (`/x*`), or that with an extension
    (`/x/*.{png,jpg}`). A pattern for `/x/index.html` fits `/x` and `/x/` too.

    Raises:
        ConfigError: a wildcard that is not at the end.
    """
    rooted = pattern.startswith(("/", "*"))
    parsed = _PATTERN.fullmatch(pattern if rooted else f"/{pattern}")
    if parsed is None:
        raise ConfigError(
            f"{where}: a route must have at most one *, at its end or before an extension, got {pattern!r}"
        )
    if not rooted:
        return _NOTHING  # as in the official CLI; what production does is not known
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
