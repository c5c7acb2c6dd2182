"""One site: its files, its rules, who can sign in, and where its API is."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from mockserver.clock import Clock
from mockserver.exchange import Headers, Request
from mockserver.swa.config import FILE_NAME, Config, load_config
from mockserver.swa.config_file import config_notes, find_configs
from mockserver.swa.findings import ConfigFinding, findings
from mockserver.swa.live_states import LiveStates, scope_of
from mockserver.swa.personas import Persona
from mockserver.swa.principal import PRINCIPAL_HEADER, ClientPrincipal
from mockserver.swa.routing import Decision, decide, fallback_target, find_file, normalise
from mockserver.swa.session import Sessions
from mockserver.swa.states import State

#: Headers about the client that only the platform may set.
_PLATFORM = ("authorization", "x-ms-client-principal", "x-ms-original-url", "x-ms-auth-token", "x-mockserver-")
#: The platform's own token, which replaces a client's `Authorization` and is sent even without one.
#: Source: static-web-apps#34, #158, #275; an API cannot learn anything from it.
_PLATFORM_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtb2NrIn0.made-up-by-the-mock"  # noqa: S105  no secret


@dataclass(frozen=True, slots=True)
class StaticWebApp:
    """A Static Web App. `folder` is absolute, None if its files are a dev server's, at `app_url`; `api_urls` are
    the instances of its API, empty without an API; `states` are its page's, where they are known, and `live` those that are open.
    `config_notes` say where its configuration is."""

    folder: Path | None
    config: Config
    personas: dict[str, Persona]
    sessions: Sessions
    clock: Clock
    api_urls: tuple[str, ...] = ()
    app_url: str | None = None
    states: tuple[State, ...] = ()
    live: LiveStates | None = None
    config_notes: tuple[str, ...] = ()

    @property
    def api_url(self) -> str | None:
        """Where its API answers; None without an API."""
        return next(iter(self.api_urls), None)

    @property
    def findings(self) -> list[ConfigFinding]:
        """What a deployment will refuse in the configuration, and what its author probably does not want."""
        known_roles = {role for persona in self.personas.values() for role in persona.roles}
        if self.config.auth.roles_source is not None:
            known_roles = set(self.config.roles)
        return findings(self.config, known_roles)

    @property
    def all_personas(self) -> dict[str, Persona]:
        """The personas, with the one of each state of the page."""
        return self.personas | {state.persona.key: state.persona for state in self.states}

    def state_of(self, key: str) -> State | None:
        """The state of the page that is opened as the persona with that key; None for any other persona."""
        return next((state for state in self.states if state.persona.key == key), None)

    def principal(self, request: Request) -> ClientPrincipal | None:
        """Who is signed in; None if no one is."""
        cookies = [value for name, value in request.headers if name == "cookie"]
        return self.user("; ".join(cookies))

    def user(self, cookie_header: str | None) -> ClientPrincipal | None:
        """Who is signed in, by the request's Cookie header; None if no one is, or if what the session was opened for has ended."""
        principal = self.sessions.principal(cookie_header)
        ended = principal is not None and self.live is not None and self.live.has_ended(principal)
        return None if ended else principal

    def leave(self, cookie_header: str | None) -> None:
        """End the live state that a session was opened for, as the session ends."""
        if self.live is not None and (scope := scope_of(self.sessions.principal(cookie_header))) is not None:
            self.live.close(scope)

    def decide(self, request: Request, principal: ClientPrincipal | None) -> Decision:
        """What becomes of the request."""
        return decide(self.config, request, principal, self.is_file)

    def is_file(self, path: str) -> bool:
        """Whether the app has a file at `path`, which begins with a slash; links that lead out of the app do not count.

        A dev server counts as having every path but folders."""
        if self.folder is None:
            return not path.endswith("/")
        if "\0" in path:  # from a configuration
            return False
        inside = os.path.join(self.folder, "")  # noqa: PTH118  a `Path` costs four times as much
        target = os.path.realpath(inside + path.lstrip("/"))
        return target.startswith(inside) and os.path.isfile(target)  # noqa: PTH113

    @staticmethod
    def with_id(request: Request) -> Request:
        """The request with an `x-request-id`, a new one where it has none: it joins the gate's, the API's and the model's part
        of a visit."""
        if request.header("x-request-id") is not None:
            return request
        return replace(request, headers=(*request.headers, ("x-request-id", str(uuid.uuid4()))))

    def api_headers(self, request: Request, principal: ClientPrincipal | None) -> Headers:
        """The request's headers as the API sees them: those of the platform are dropped and set again."""
        # Some servers read `x_ms_…` as `x-ms-…`.
        client_headers = tuple(
            (name, value) for name, value in request.headers if not name.replace("_", "-").startswith(_PLATFORM)
        )
        host = request.header("host") or ""
        platform_headers = [
            ("x-ms-original-url", f"http://{host}{request.target}"),
            ("authorization", f"Bearer {_PLATFORM_TOKEN}"),
        ]
        if principal is not None:
            platform_headers.append((PRINCIPAL_HEADER, principal.header()))
        return (*client_headers, *platform_headers)

    @staticmethod
    def api_target(request: Request, decision: Decision) -> str:
        """The path and query for the API: exactly the path of the decision, with the client's query."""
        query = "&".join(filter(None, (decision.query, request.query)))
        path = quote(decision.target, safe="/!$&'()*+,;=:@~")
        return f"{path}?{query}" if query else path

    def app_target(self, request: Request, decision: Decision) -> str:
        """The path and query for a dev server: the client's, byte for byte, unless a rule or an override leads elsewhere."""
        file = find_file(normalise(request.raw_path) or "", self.is_file)
        return request.target if file == decision.target else quote(decision.target)

    def fallback(self, request: Request) -> str | None:
        """Where a path that a dev server does not have leads; None for nowhere."""
        return fallback_target(self.config, request)


def load_static_web_app(
    app: Path | str,
    *,
    personas: dict[str, Persona],
    sessions: Sessions,
    clock: Clock,
    api_urls: tuple[str, ...],
    config: Path | None = None,
    search: Path | None = None,
) -> StaticWebApp:
    """The site in a folder of built files, or in front of a dev server where `app` is a URL.

    Its configuration is `config`, a file or a folder to search. Else it is looked for in `search` and below it, as the official
    CLI does; without `search`, in a folder of built files, or for a dev server in the working folder.

    Raises:
        ConfigError: the configuration cannot be used.
        FileNotFoundError: no such folder, no index.html in it, or no such configuration.
    """
    if isinstance(app, Path) and not (app / "index.html").is_file():
        raise FileNotFoundError(f"no index.html in {app}: build the page, or name its folder or its dev server's URL")
    if config is not None and not config.exists():
        raise FileNotFoundError(f"no such configuration: {config}")
    searched = search or (app if isinstance(app, Path) else Path())
    if config is not None:
        searched = config if config.is_dir() else config.parent
    found = find_configs(searched) if config is None or config.is_dir() else [config]
    if config is not None and not found:
        raise FileNotFoundError(f"no such configuration: {config / FILE_NAME}")
    at_root = searched / FILE_NAME
    # Built files are deployed as they are: what is at their root counts. The CLI takes the last that it finds.
    file = at_root if isinstance(app, Path) and at_root in found else found[-1] if found else None
    read = load_config(file) if file is not None else Config()
    folder, app_url = (app.resolve(), None) if isinstance(app, Path) else (None, app.rstrip("/"))
    notes = tuple(config_notes(file, read, searched))
    return StaticWebApp(folder, read, personas, sessions, clock, api_urls, app_url, config_notes=notes)
