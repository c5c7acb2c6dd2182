"""The gate: what Static Web Apps does with a request, decided on its raw path."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes

from mockserver.exchange import Headers, Request
from mockserver.swa.config import (
    FILE_NAME,
    Config,
    Fallback,
    Override,
    RouteRule,
    TrailingSlash,
    compile_pattern,
    is_ip_range,
)
from mockserver.swa.principal import ClientPrincipal

_PROVIDER_LOGIN = re.compile(r"/\.auth/login/[^/]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: Sent with every answer but the API's. Source: observed from the official emulator; production is alike as far as known.
_DEFAULT_HEADERS: Headers = (
    ("strict-transport-security", "max-age=10886400; includeSubDomains; preload"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "1; mode=block"),
    ("x-dns-prefetch-control", "off"),
    ("cache-control", "public, must-revalidate, max-age=30"),
)

IsFile = Callable[[str], bool]


#: Where a server that has decided leaves a request, who is signed in and the decision for the application: in its environ.
DECIDED = "mockserver.decided"


class Action(StrEnum):
    """What becomes of a request."""

    FILE = "file"
    API = "api"
    AUTH = "auth"
    REDIRECT = "redirect"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a request.

    `target` is a file of the app, a path of the API or of `/.auth`, or where a redirect leads; empty for an error page
    of the platform. `query` is what a rewrite to the API adds to the client's. `headers` are the site's own. `rule` is the
    deciding rule's number from 1, None if no rule decided. `because` is the reason, as the console shows it.
    """

    action: Action
    status: int
    target: str = ""
    headers: Headers = ()
    rule: int | None = None
    because: str = ""
    query: str = ""


def decide(
    config: Config,
    request: Request,
    principal: ClientPrincipal | None,
    is_file: IsFile,
    *,
    client_ip: str = "127.0.0.1",
) -> Decision:
    """The decision for a request: first whether the client is let in at all, then the first rule that fits, then files, then
    the fallback.

    `is_file` says whether the app has a file at a path that begins with a slash. Source for the order: Microsoft's
    configuration reference; what is not documented there (encodings, `..`) is inferred and answered with 400.
    """
    method, raw_path = request.method, request.raw_path
    if because := _block_reason(config, request, client_ip):
        # Overrides do not apply (static-web-apps#1659).
        return Decision(Action.ERROR, 403, because=because)
    path = normalise(raw_path)
    if path is None:
        dotted = {b".", b".."} & set(unquote_to_bytes(raw_path).split(b"/"))
        because = "path has a segment . or .." if dotted else "path cannot be decoded"
        return _Gate(config, method, raw_path, None, is_file).fail(400, because)
    path = path.rstrip("/") if path.startswith("/.auth/") else path
    rule = next((rule for rule in config.rules if _fits(rule, method, path)), None)
    gate = _Gate(config, method, raw_path, rule, is_file, request.query)
    if path.startswith("/.auth/"):
        return gate.serve_auth(path)
    source = config.auth.roles_source
    if source is not None and path.lower().rstrip("/") == source.lower().rstrip("/"):
        return gate.fail(404, "only sign-in may call the roles function")
    if rule is not None and rule.allowed_roles and "anonymous" not in rule.allowed_roles:
        if principal is None:
            return gate.fail(401, "nobody is signed in")
        if not rule.allowed_roles & set(principal.roles):
            return gate.fail(403, f"needs {' or '.join(sorted(rule.allowed_roles))}")
    decision = gate.serve(path)
    return decision if decision.because else replace(decision, because=_reason(rule, principal))


def _block_reason(config: Config, request: Request, client_ip: str) -> str:
    """Why a request is blocked before any rule; empty if it is not."""
    if config.networks is not None:
        address = ipaddress.ip_address(client_ip)
        ranges = filter(is_ip_range, config.networks)
        if not any(address in ipaddress.IPv4Network(text, strict=False) for text in ranges):
            return f"{client_ip} is not in an allowed range"
    for name, value in config.gateway.required_headers:
        if request.header(name) != value:
            return f"{name} does not have the required value"
    return ""


@dataclass(frozen=True, slots=True)
class _Gate:
    """One request with its rule, None if no rule fits, and the ways to answer it."""

    config: Config
    method: str
    raw_path: str
    rule: RouteRule | None
    is_file: IsFile
    query: str = ""

    @property
    def number(self) -> int | None:
        return self.rule.number if self.rule else None

    @property
    def headers(self) -> Headers:
        """Defaults, then the global headers, then the rule's; an empty value removes a header."""
        rule_headers = dict(self.rule.headers if self.rule else ())
        merged = dict(_DEFAULT_HEADERS) | dict(self.config.global_headers) | rule_headers
        return tuple((name, value) for name, value in merged.items() if value)

    def serve_auth(self, path: str) -> Decision:
        """`/.auth/*` is the platform's: no wildcard and no role applies; a provider can be blocked by name."""
        rule = self.rule
        blocks = rule is not None and (rule.pattern, rule.status, rule.allowed_roles) == (path, 404, None)
        if blocks and _PROVIDER_LOGIN.fullmatch(path):
            return self.fail(404, "this sign-in is blocked")
        return Decision(Action.AUTH, 200, path, because="platform")

    def serve(self, path: str) -> Decision:
        """What the gate opens to: a redirect, a page, the API."""
        rule = self.rule
        if rule is not None and rule.redirect is not None:
            return Decision(Action.REDIRECT, rule.status or 302, rule.redirect, self.headers, rule.number)
        if rule is not None and rule.rewrite is None and rule.status in (401, 403, 404):
            return self.fail(rule.status, f"status {rule.status}")
        target, query = path, ""
        if rule is not None and rule.rewrite:
            target, _, query = rule.rewrite.partition("?")
        target = target if target.startswith("/") else f"/{target}"
        if self.method == "CONNECT":  # what would follow is a tunnel, on which nothing decides
            return Decision(Action.ERROR, 405, "", self.headers, self.number, "no tunnels")
        if _is_api(target):
            return Decision(Action.API, 200, target, (), self.number, query=query)
        if target.startswith("/.auth/"):
            return Decision(Action.AUTH, 200, target, (), self.number)
        if self.method not in ("GET", "HEAD", "OPTIONS"):
            return Decision(Action.ERROR, 405, "", self.headers, self.number)
        if target.lower().startswith("/app_data/"):
            return self.fail(404, "app_data is never served (static-web-apps#1469)")
        return self.serve_static(target)

    def serve_static(self, path: str) -> Decision:
        """A file, a redirect to its proper address, or the fallback."""
        rewritten = self.rule is not None and self.rule.rewrite is not None
        status = (self.rule.status if self.rule and rewritten else None) or 200
        file, bare = find_file(path, self.is_file), path.rstrip("/")
        page = file or (f"{bare}.html" if bare and path.endswith("/") and self.is_file(f"{bare}.html") else None)
        if page is not None and not rewritten and (address := self.page_address(page, path)) != path:
            target = f"{quote(address)}?{self.query}" if self.query else quote(address)
            return Decision(Action.REDIRECT, 301, target, self.headers, self.number)
        if page is not None:
            return Decision(Action.FILE, status, page, self.headers, self.number)
        fallback = self.config.fallback
        if fallback is not None and self.method != "OPTIONS" and not _excluded(fallback, path):
            if _is_api(fallback.rewrite):
                return Decision(Action.API, 200, fallback.rewrite, (), self.number)
            if file := find_file(fallback.rewrite, self.is_file):
                return Decision(Action.FILE, status, file, self.headers, self.number)
        return self.fail(404, "no such file")

    def page_address(self, page: str, path: str) -> str:
        """The address at which a page is shown; the requested path where any form will do."""
        if not page.endswith(".html") or page == "/index.html":
            return path
        folder = page.endswith("/index.html")
        bare = page.removesuffix("/index.html") if folder else page.removesuffix(".html")
        match self.config.trailing_slash:
            case TrailingSlash.ALWAYS:
                return f"{bare}/"
            case TrailingSlash.NEVER:
                return bare
            case TrailingSlash.AUTO:
                return f"{bare}/" if folder else bare
        return bare if path == f"{bare}/" and not folder else path

    def fail(self, status: int, because: str) -> Decision:
        """An error page of the platform, or what `responseOverrides` puts in its place."""
        override = self.config.overrides.get(status, Override())
        if override.redirect is not None:
            # The referrer keeps neither query nor fragment (static-web-apps#435).
            target = override.redirect.replace(".referrer", quote(self.raw_path, safe=""))
            code = override.status if override.status in (301, 302) else 302
            return Decision(Action.REDIRECT, code, target, self.headers, self.number, because)
        page = find_file(f"/{override.rewrite.lstrip('/')}", self.is_file) if override.rewrite else None
        action = Action.FILE if page else Action.ERROR
        return Decision(action, override.status or status, page or "", self.headers, self.number, because)


def normalise(raw_path: str) -> str | None:
    """The decoded path with single slashes; None if it cannot be decoded, does not begin with a slash, or has a segment
    `.` or `..`: a file system would resolve those, to a file that another rule guards."""
    if _BAD_ESCAPE.search(raw_path) or not raw_path.startswith("/"):
        return None
    try:
        path = unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        return None
    if "\0" in path or "\\" in path or {".", ".."} & set(path.split("/")):
        return None
    return re.sub("/{2,}", "/", path)


def fallback_target(config: Config, request: Request) -> str | None:
    """Where a path without a file leads; None for nowhere."""
    path, fallback = normalise(request.raw_path), config.fallback
    if path is None or fallback is None or request.method not in ("GET", "HEAD") or _excluded(fallback, path):
        return None
    return fallback.rewrite


def find_file(path: str, is_file: IsFile) -> str | None:
    """The file for a path: itself, a folder's index.html, or itself with .html; the configuration is never served."""
    candidates = [f"{path}index.html"] if path.endswith("/") else [path, f"{path}/index.html", f"{path}.html"]
    return next((file for file in candidates if file != f"/{FILE_NAME}" and is_file(file)), None)


def _fits(rule: RouteRule, method: str, path: str) -> bool:
    if rule.methods is not None and method not in rule.methods:
        return False
    # Static paths are case-sensitive, the API's are not (static-web-apps#624, #521).
    return compile_pattern(rule.pattern, "", ignore_case=_is_api(path)).fullmatch(path) is not None


def _is_api(path: str) -> bool:
    return path.lower().startswith("/api/") or path.lower() == "/api"


def _excluded(fallback: Fallback, path: str) -> bool:
    return any(compile_pattern(pattern, "").fullmatch(path) for pattern in fallback.exclude)


def _reason(rule: RouteRule | None, principal: ClientPrincipal | None) -> str:
    if rule is None:
        return "no rule"
    granted = sorted((rule.allowed_roles or frozenset()) & set(principal.roles if principal else ("anonymous",)))
    return f"rule {rule.number}" + (f" ({granted[0]})" if granted else "")
