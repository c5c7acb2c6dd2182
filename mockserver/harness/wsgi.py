"""The model endpoint and the site as complete Flask applications, for Flask's test client and any WSGI server.

WSGI cannot see a client leave, cannot reset a connection, and holds a thread for each stream: there a reset is a body that breaks
off, and an API call has no 45 seconds' limit. `dress-rehearsal model` and `dress-rehearsal site` can do all of it.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Literal

from flask import Flask

from mockserver.clock import SystemClock
from mockserver.flask_apps import model_app as model_routes
from mockserver.flask_apps import site_app as site_routes
from mockserver.harness.environment import sessions_of
from mockserver.harness.model_endpoint import model_simulation
from mockserver.harness.options import ModelOptions, OptionsError
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.settings import OnMiss
from mockserver.swa.personas import BUNDLED_PERSONAS, load_personas
from mockserver.swa.static_web_app import load_static_web_app

_TRUSTED_HOSTS = ("127.0.0.1", "localhost")
#: The key of `app.extensions` under which an application has its `Simulation`.
EXTENSION = "mockserver"


def model_app(
    *cassettes: str | PathLike[str],
    on_miss: Literal["error", "generate"] = "error",
    scenario: str | None = None,
    limits: tuple[str, ...] = (),
    latency: str = "",
    api_key: str | None = None,
    control_token: str | None = None,
) -> Flask:
    """The model endpoint over folders of cassettes, the bundled ones where none is given.

    With a `control_token` it has the control routes too. Its `Simulation` is `app.extensions["mockserver"]`. It answers to the
    names of this machine alone; change `app.config["TRUSTED_HOSTS"]` for others.

    Raises:
        OptionsError: another `on_miss`.
        UserError: a cassette, scenario, limit or latency profile that cannot be read.
    """
    if on_miss not in (OnMiss.ERROR, OnMiss.GENERATE):
        raise OptionsError(f"on_miss must be error or generate, got {on_miss!r}; dress-rehearsal model can record")
    options = ModelOptions(
        tuple(map(Path, cassettes)) or (BUNDLED_CASSETTES,),
        OnMiss(on_miss),
        scenario=scenario,
        limits=limits,
        latency=latency,
        api_key=api_key,
    )
    simulation, _ = model_simulation(options, SystemClock())
    app = model_routes.create_app(simulation, control_token=control_token)
    app.config["TRUSTED_HOSTS"] = [*_TRUSTED_HOSTS]
    app.extensions[EXTENSION] = simulation
    return app


def site_app(
    folder: str | PathLike[str],
    *,
    api: str | None = None,
    config: str | PathLike[str] | None = None,
    personas: str | PathLike[str] = BUNDLED_PERSONAS,
) -> Flask:
    """A Static Web App's built files behind its gate, with sign-in, and the proxy to its API at the URL `api`.

    Raises:
        ConfigError, PersonaError: a configuration or a personas file that cannot be used.
        FileNotFoundError: no built page in the folder, or no such configuration.
    """
    clock = SystemClock()
    site = load_static_web_app(
        Path(folder),
        personas=load_personas(Path(personas)),
        sessions=sessions_of(Path(folder), clock),
        clock=clock,
        api_urls=(api.rstrip("/"),) if api else (),
        config=Path(config) if config else None,
    )
    app = site_routes.create_app(site)
    app.config["TRUSTED_HOSTS"] = [*_TRUSTED_HOSTS]
    return app
