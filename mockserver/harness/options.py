"""The options of the model endpoint, the function app and the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mockserver.cassettes.real_endpoint import Credentials
from mockserver.contract.addresses import Backend
from mockserver.errors import UserError
from mockserver.fronts.gate import Delivery
from mockserver.simulation.settings import OnMiss
from mockserver.swa.personas import Persona
from mockserver.swa.states import State
from mockserver.wire.server import LOOPBACK


class OptionsError(UserError):
    """Options that cannot be combined; says which, and what to do."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How the model endpoint answers.

    Recording asks `upstream` and writes to `recordings`, else to the first folder of `cassettes`; clients need the run's token,
    or with `any_key` any key, where nobody else knows the port. `latency` is the profile of generated answers:
    `fitted` for one like the recordings, empty for the default. `limits` are `NAME=6rpm,1000tpm`. `scenario` is laid over the
    cassettes. `credentials` are for the upstream, None means those of the environment. `other_upstreams` are recorded
    too, by name; with `pass_token` the app's own token goes to Azure. `allowed` are texts with the form of a secret that are none.
    `lenient` names rules of the contract that refuse nothing. With `tls`, the endpoint is at https. An `address` other than loopback lets other machines in, with
    `token`; an empty `token` means a new one for each run. So many `workers` answer on the port, and share through `redis` what
    has to be shared, also with those of other machines that have the same token; without one they share nothing.
    """

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
    other_upstreams: Mapping[str, str] = field(default_factory=dict)
    pass_token: bool = False
    recordings: Path | None = None
    any_key: bool = False
    allowed: tuple[str, ...] = ()
    lenient: tuple[str, ...] = ()
    tls: bool = False
    address: str = LOOPBACK
    token: str = field(default="", repr=False)
    workers: int = 1
    redis: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """The site: its built page or a dev server's URL, its configuration if that is not among its files, who can sign in, how
    its proxy delivers, and the states of its page. An `address` other than loopback lets other machines in, with the model's
    token."""

    webapp: Path | str
    personas: dict[str, Persona]
    port: int = 0
    delivery: Delivery = Delivery.AS_AZURE
    config: Path | None = None
    states: tuple[State, ...] = ()
    address: str = LOOPBACK


class Topology(StrEnum):
    """How the API is reached: as the site's managed functions, as a back end linked to it, or, for the model's answers,
    directly with tickets."""

    MANAGED = "managed"
    LINKED = "linked"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """The function app: its folder, the backend it is configured for, and how it is reached. `reload` restarts it when one of
    its files changes; `debug` lets a debugger attach, and gives the API no time limit."""

    app: Path
    backend: Backend = Backend.OPENAI
    topology: Topology = Topology.LINKED
    port: int = 0
    direct_port: int = 0
    instances: int = 1
    reload: bool = False
    debug: bool = False
