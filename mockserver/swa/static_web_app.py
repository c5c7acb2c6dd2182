"""One site: its files, its rules, who can sign in, and where its API is."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from mockserver.clock import Clock
from mockserver.exchange import Headers, Request
from mockserver.swa.config import FILE_NAME, Config, config_warnings, load_config
from mockserver.swa.personas import Persona
from mockserver.swa.principal import PRINCIPAL_HEADER, ClientPrincipal
from mockserver.swa.routing import Decision, decide, fallback_fits, find_file, normalised
from mockserver.swa.session import Sessions
from mockserver.swa.states import State

#: Headers about the client that only the platform may set.
_PLATFORM = ("authorization", "x-ms-client-principal", "x-ms-original-url", "x-ms-auth-token", "x-mockserver-")
#: What the platform puts in the place of a client's `Authorization`: a token of its own, sent or not.
#: Source: static-web-apps#34, #158, #275; an API cannot learn anything from it.
_PLATFORM_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtb2NrIn0.made-up-by-the-mock"  # noqa: S105  no secret


@dataclass(frozen=True, slots=True)
class StaticWebApp:
    """A Static Web App. `folder` is absolute, None where its files are a dev server's, at `app_url`; `api_urls` are
    the instances of its API, none for one without; `states` are its page's, where they are known."""

    folder: Path | None
    config: Config
    personas: dict[str, Persona]
    sessions: Sessions
    clock: Clock
    api_urls: tuple[str, ...] = ()
    app_url: str | None = None
    states: tuple[State, ...] = ()

    @property
    def api_url(self) -> str | None:
        """Where its API answers; None for one without."""
        return next(iter(self.api_urls), None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the configuration allows and its author hardly wants."""
        known = {role for persona in self.personas.values() for role in persona.roles}
        return tuple(
            config_warnings(self.config, known if self.config.auth.roles_source is None else self.config.roles)
        )

    @property
    def everybody(self) -> dict[str, Persona]:
        """The personas, and whoever always meets one of the page's states."""
        return self.personas | {each.persona.key: each.persona for each in self.states}

    def principal(self, request: Request) -> ClientPrincipal | None:
        """Who is signed in, None for nobody."""
        cookies = [value for name, value in request.headers if name == "cookie"]
        return self.sessions.principal("; ".join(cookies))

    def decide(self, request: Request, principal: ClientPrincipal | None) -> Decision:
        """What becomes of the request."""
        return decide(self.config, request, principal, self.is_file)

    def is_file(self, path: str) -> bool:
        """Whether the app has a file at `path`, which begins with a slash; links that lead out of the app do not count.

        A dev server has whatever it is asked for, but for folders."""
        if self.folder is None:
            return not path.endswith("/")
        try:
            target = (self.folder / path.lstrip("/")).resolve()
            return target.is_file() and target.is_relative_to(self.folder)
        except OSError:  # a name longer than the file system knows
            return False

    @staticmethod
    def with_ids(request: Request) -> Request:
        """The request with an `x-request-id` and a `traceparent`, where it has none of its own: by them the gate's, the
        API's and the model's part of a visit can be joined."""
        made = {"x-request-id": str(uuid.uuid4()), "traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"}
        new = tuple((name, value) for name, value in made.items() if request.header(name) is None)
        return replace(request, headers=(*request.headers, *new))

    def api_headers(self, request: Request, principal: ClientPrincipal | None) -> Headers:
        """The request's headers as the API sees them: the platform's own are dropped and built anew."""
        # Some servers read `x_ms_…` as `x-ms-…`.
        kept = tuple(
            (name, value) for name, value in request.headers if not name.replace("_", "-").startswith(_PLATFORM)
        )
        host = request.header("host") or ""
        built = [
            ("x-ms-original-url", f"http://{host}{request.target}"),
            ("authorization", f"Bearer {_PLATFORM_TOKEN}"),
        ]
        if principal is not None:
            built.append((PRINCIPAL_HEADER, principal.header()))
        return (*kept, *built)

    @staticmethod
    def api_target(request: Request, decision: Decision) -> str:
        """Path and query to ask the API for: the path that was decided on and no other, with the client's query."""
        query = "&".join(filter(None, (decision.query, request.query)))
        path = quote(decision.target, safe="/!$&'()*+,;=:@~")
        return f"{path}?{query}" if query else path

    def app_target(self, request: Request, decision: Decision) -> str:
        """What to ask a dev server for: what was asked, to the byte, unless a rule or an override leads elsewhere."""
        asked = find_file(normalised(request.raw_path) or "", self.is_file)
        return request.target if asked == decision.target else quote(decision.target)

    def fallback(self, request: Request) -> str | None:
        """Where a path that a dev server does not have leads; None for nowhere."""
        return self.config.fallback.rewrite if fallback_fits(self.config, request) and self.config.fallback else None


def load_static_web_app(
    app: Path | str,
    *,
    personas: dict[str, Persona],
    sessions: Sessions,
    clock: Clock,
    api_urls: tuple[str, ...],
    config: Path | None = None,
) -> StaticWebApp:
    """The site in a folder of built files, or before a dev server where `app` is a URL. Its configuration is `config`, or
    lies among its files; before a dev server, in the working folder, its `public` or its `static`.

    Raises:
        ConfigError: the configuration cannot be used.
        FileNotFoundError: there is no such folder, nothing to serve in it, or no such configuration.
    """
    if isinstance(app, Path) and not (app / "index.html").is_file():
        raise FileNotFoundError(f"no index.html in {app}: build the page, or name its folder or its dev server's URL")
    if config is not None:
        config = config / FILE_NAME if config.is_dir() else config
        if not config.is_file():
            raise FileNotFoundError(f"there is no configuration {config}")
    places = [app] if isinstance(app, Path) else [Path(), Path("public"), Path("static")]
    found = config or next(
        (place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), places[0] / FILE_NAME
    )
    folder, app_url = (app.resolve(), None) if isinstance(app, Path) else (None, app.rstrip("/"))
    return StaticWebApp(folder, load_config(found), personas, sessions, clock, api_urls, app_url)
