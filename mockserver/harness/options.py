"""The options of the model endpoint, the function app and the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mockserver.cassettes.real_endpoint import Credentials
from mockserver.contract.operations import Backend
from mockserver.errors import UserError
from mockserver.fronts.gate import Delivery
from mockserver.simulation.settings import OnMiss
from mockserver.swa.personas import Persona
from mockserver.swa.states import State
from mockserver.wire.server import LOOPBACK


class OptionsError(UserError):
    """Options that do not go together; says which, and what to do."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How the model endpoint answers. `upstream` and the first folder of `cassettes` are where recording asks and writes;
    `latency` is a profile for what is made up, `fitted` for one like the recordings, empty for the default;
    `limits` are `NAME=6rpm,1000tpm`; `scenario` is laid over the cassettes; `credentials` open the upstream, None for what the environment has.
    `address` other than loopback lets other machines in, with `token`; without one, each run has its own."""

    cassettes: tuple[Path, ...] = ()
    on_miss: OnMiss = OnMiss.ERROR
    upstream: str | None = None
    port: int = 0
    api_key: str | None = None
    speed: float = 1.0
    port_option: str = "--port"
    deployments: Mapping[str, str] = field(default_factory=dict)
    ignores: tuple[str, ...] = ()
    latency: str = ""
    limits: tuple[str, ...] = ()
    scenario: str | None = None
    credentials: Credentials | None = None
    keep_errors: bool = False
    address: str = LOOPBACK
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """The site: its built page or a dev server's URL, its configuration where that does not lie among its files, who can sign
    in, how its proxy delivers, the states of its page, and its address: the model's `token` lets in from elsewhere."""

    webapp: Path | str
    personas: dict[str, Persona]
    port: int = 0
    delivery: Delivery = Delivery.AS_AZURE
    config: Path | None = None
    states: tuple[State, ...] = ()
    address: str = LOOPBACK


class Topology(StrEnum):
    """How the API is reached: as the site's managed functions, as a back end linked to it, or, for the model's answers, past
    it with tickets."""

    MANAGED = "managed"
    LINKED = "linked"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """The function app: its folder, which endpoint it is set up for, and how it is reached. `reload` starts it anew whenever
    one of its files changes; `debug` lets a debugger attach, and the API wait for whoever thinks."""

    app: Path
    backend: Backend = Backend.OPENAI
    topology: Topology = Topology.LINKED
    port: int = 0
    direct_port: int = 0
    instances: int = 1
    reload: bool = False
    debug: bool = False
