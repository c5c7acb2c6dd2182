"""One site: its files, its rules, who can sign in, and where its API is."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from mockserver.clock import Clock
from mockserver.exchange import Headers, Request
from mockserver.swa.config import FILE_NAME, Config, load_config
from mockserver.swa.personas import Persona
from mockserver.swa.principal import HEADER, Principal, Sessions
from mockserver.swa.rules import Decision, decide

#: Headers about the client that only the platform may set.
_PLATFORM = ("x-ms-client-principal", "x-ms-original-url", "x-ms-auth-token", "x-mockserver-")


@dataclass(frozen=True, slots=True)
class Site:
    """A Static Web App. `folder` is absolute; `api_url` is None for one without an API."""

    folder: Path
    config: Config
    personas: dict[str, Persona]
    sessions: Sessions
    clock: Clock
    api_url: str | None = None

    def principal(self, request: Request) -> Principal | None:
        """Who is signed in, None for nobody."""
        cookies = [value for name, value in request.headers if name == "cookie"]
        return self.sessions.principal("; ".join(cookies))

    def decide(self, request: Request, principal: Principal | None) -> Decision:
        """What becomes of the request."""
        return decide(self.config, request.method, request.raw_path, principal, self.is_file)

    def is_file(self, path: str) -> bool:
        """Whether the app has a file at `path`, which begins with a slash; links that lead out of the app do not count."""
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

    def api_headers(self, request: Request, principal: Principal | None) -> Headers:
        """The request's headers as the API sees them: the platform's own are dropped and built anew."""
        # Some servers read `x_ms_…` as `x-ms-…`.
        kept = tuple(
            (name, value) for name, value in request.headers if not name.replace("_", "-").startswith(_PLATFORM)
        )
        host = request.header("host") or ""
        built = [("x-ms-original-url", f"http://{host}{request.target}")]
        if principal is not None:
            built.append((HEADER, principal.header()))
        return (*kept, *built)

    @staticmethod
    def api_target(request: Request, decision: Decision) -> str:
        """Path and query to ask the API for: the path that was decided on and no other, with the client's query."""
        path = quote(decision.target, safe="/!$&'()*+,;=:@~")
        return f"{path}?{request.query}" if request.query else path


def load_site(
    folder: Path, *, personas: dict[str, Persona], sessions: Sessions, clock: Clock, api_url: str | None
) -> Site:
    """The site in a folder of built files, with the configuration that lies among them.

    Raises:
        ConfigError: the configuration cannot be used.
        FileNotFoundError: there is no such folder, or nothing to serve in it.
    """
    if not (folder / "index.html").is_file():
        raise FileNotFoundError(f"no index.html in {folder}")
    return Site(folder.resolve(), load_config(folder / FILE_NAME), personas, sessions, clock, api_url)
