"""Everything running and wired together: the model endpoint alone, or the whole app with its site and its API."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from contracts.operations import Backend
from mockserver import faults
from mockserver.admission import Admission
from mockserver.apps import control
from mockserver.apps import site as site_app
from mockserver.clock import Clock, SystemClock
from mockserver.exchange import Answer, Request
from mockserver.front import ModelFront
from mockserver.functions.process import Call, FunctionsProcess
from mockserver.gate import Delivery, SiteFront
from mockserver.journal import Entry, Place
from mockserver.latency import Latency, fitted, parse_latency
from mockserver.library import Library, load_library
from mockserver.limits import parse_limits
from mockserver.mendable import MendableError
from mockserver.recorder import Credentials, Endpoint, Recorder
from mockserver.scopes import HEADER
from mockserver.server import LOOPBACK, Servers, bind, bind_to, url_of
from mockserver.simulation import OnMiss, Simulation
from mockserver.swa.personas import Persona, find_persona
from mockserver.swa.principal import COOKIE, Principal, Sessions, session_key
from mockserver.swa.site import Site, load_site
from mockserver.swa.states import State

#: What the API asks for where no cassette names a model.
_DEFAULT_MODEL = "gpt-4o-mini"
#: Where the key of the real endpoint comes from, beside a prompt; never the command line.
KEY_VARIABLES = {
    "openai_key": "OPENAI_API_KEY",
    "azure_key": "AZURE_OPENAI_API_KEY",
    "azure_token": "AZURE_OPENAI_AD_TOKEN",
}


class SetUpError(MendableError):
    """Options that do not go together; says which, and what to do."""


#: Where containers, whose files nobody reads, get the run's token from.
TOKEN_VARIABLE = "DRESS_REHEARSAL_TOKEN"  # noqa: S105  a variable's name


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


def credentials_of(environment: Mapping[str, str]) -> Credentials:
    """What opens the real endpoint, from the variables that the official SDK reads too."""
    return Credentials(**{name: environment.get(variable, "") for name, variable in KEY_VARIABLES.items()})


def model_simulation(options: ModelOptions, clock: Clock, *, token: str = "") -> tuple[Simulation, Recorder | None]:
    """The simulation for the options, and the recorder where recording was asked for.

    While recording, `token` is the only key accepted: no web page shall spend the real one.

    Raises:
        SetUpError: recording without an upstream or a folder.
        RecordingError: another recorder has the folder, or this is CI.
        CassetteError, StubError, ConflictError, FileNotFoundError: from the cassettes.
        ScenarioError: no scenario of that name.
        LatencyError, LimitError: a profile or a limit that cannot be read, or nothing to fit one to.
    """
    recorder, api_key = None, options.api_key
    if options.on_miss is OnMiss.RECORD:
        if options.upstream is None or not options.cassettes:
            raise SetUpError("--on-miss record needs --upstream URL to ask and --cassettes DIR to write to")
        api_key = api_key or token
        endpoint = Endpoint(options.upstream, options.credentials or credentials_of(os.environ))
        secret = (api_key,) if api_key else ()
        recorder = Recorder(endpoint, options.cassettes[0], keep_errors=options.keep_errors, secrets=secret)
    elif options.upstream is not None:
        raise SetUpError("--upstream is asked only while recording: add --on-miss record")
    library = load_library(options.cassettes, options.ignores)
    simulation = Simulation(
        library,
        on_miss=options.on_miss,
        api_key=api_key,
        deployments=options.deployments,
        latency=_latency(options.latency, library),
        limits=parse_limits(options.limits),
        scenario=options.scenario,
        clock=clock,
    )
    return simulation, recorder


def _latency(text: str, library: Library) -> Latency:
    return fitted(library.answers()) if text == "fitted" else parse_latency(text) if text else Latency()


class Model:
    """A model endpoint: bound when made, answering inside `with`."""

    def __init__(self, options: ModelOptions, *, report: Callable[[Entry], None] = lambda _entry: None) -> None:
        if options.api_key and options.address != LOOPBACK:
            raise SetUpError(
                f"--bind takes this run's token for the API key: choose it in {TOKEN_VARIABLE}, without --api-key"
            )
        self.token = options.token or secrets.token_urlsafe(24)
        self.clock = SystemClock(options.speed)
        self.simulation, recorder = model_simulation(options, self.clock, token=self.token)
        #: What a client sends as its key.
        self.api_key = options.api_key or (self.token if recorder else "mock")
        sockets = bind_to(options.address, options.port, "the model endpoint", options.port_option)
        self.url = url_of(sockets[0])
        front = ModelFront(
            control.create_app(self.simulation, self.token), self.simulation, recorder=recorder, report=report
        )
        app = front if options.address == LOOPBACK else Admission(front, self.token, hidden=False)
        self._servers = Servers(*((app, each) for each in sockets), at_end=recorder.close if recorder else None)

    def __enter__(self) -> Self:
        self._servers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.stop()


class Functions:
    """A function app over a model endpoint: ports found when made, answering inside `with`.

    As many instances as asked for stand behind the gate. With direct delivery they only mint tickets, without a model, and
    one more, `direct_url`, takes them from the pages of `site_url`, which a Rehearsal sets. A start that takes long is
    given up once `stopped` is set.
    """

    def __init__(self, model: Model, options: ApiOptions, *, stopped: threading.Event | None = None) -> None:
        if options.debug and (options.instances > 1 or options.topology is Topology.DIRECT):
            raise SetUpError("--debug is for one process: leave out --instances and --topology direct")
        self._model, self._options, self._stopped = model, options, stopped
        self.site_url: str | None = None
        # Bound once, to find free ports and to say early that one is taken; then left to the hosts' own processes.
        wanted = [(options.port, "the Functions host", "--functions-port")]
        wanted += [(0, "another instance", "--instances")] * (options.instances - 1)
        direct = options.topology is Topology.DIRECT
        wanted += [(options.direct_port, "the direct app", "--direct-port")] if direct else []
        with ExitStack() as probes:
            urls = [url_of(probes.enter_context(bind(*each))) for each in wanted]
        self.direct_url = urls.pop() if direct else None
        self.urls = tuple(urls)
        self._processes: list[FunctionsProcess] = []

    @property
    def url(self) -> str:
        """Where its first instance answers, past the gate."""
        return self.urls[0]

    def __enter__(self) -> Self:
        """Return once they answer.

        Raises:
            StartError: one did not start.
        """
        try:
            for url, environment, options in self._wanted():
                port = int(url.rpartition(":")[2])
                self._processes.append(
                    FunctionsProcess(
                        self._options.app, port=port, environment=environment, report=self._called, options=options
                    )
                )
            for process in self._processes:
                process.wait_until_ready(self._stopped)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.stop()

    @property
    def failed(self) -> bool:
        """Whether one has ended by itself."""
        return any(process.exit_status is not None for process in self._processes)

    @property
    def paused(self) -> bool:
        """Whether a debugger has paused one."""
        return any(process.paused for process in self._processes)

    def _wanted(self) -> Iterator[tuple[str, dict[str, str], tuple[str, ...]]]:
        """Every process to start: its URL, its environment and its options."""
        asks = {"--reload": self._options.reload, "--debug": self._options.debug}
        chosen = tuple(option for option, wanted in asks.items() if wanted)
        patience = {"ANSWER_WITHIN_S": str(24 * 3600)} if self._options.debug else {}
        asking = {**api_environment(self._model, self._options.backend), **patience}
        if self.direct_url is None:
            behind = {**asking, "TOPOLOGY": self._options.topology, "DIRECT_URL": ""}
        else:
            assert self.site_url is not None, "make the Rehearsal before its functions start"  # noqa: S101
            key = {"TICKET_KEY": secrets.token_urlsafe(32)}
            blank = {name: "" for name in asking if "OPENAI" in name}
            # Source: linking a back end shuts it to everybody but the site, so what mints tickets is managed functions.
            behind = {**asking, **blank, **key, "TOPOLOGY": Topology.MANAGED, "DIRECT_URL": self.direct_url}
            direct = {**asking, **key, "TOPOLOGY": Topology.DIRECT, "DIRECT_URL": ""}
            yield self.direct_url, direct, ("--cors", self.site_url, *chosen)
        for url in self.urls:
            yield url, behind, chosen

    def _called(self, call: Call) -> None:
        """Write down what the host says of a call that has ended."""
        clock, records = self._model.clock, self._model.simulation.journal.records
        request = Request(call.method, call.path, headers=tuple(call.ids.items()))
        answer = Answer(call.status, decided_by=call.error or "function")
        at_s = clock.now() - call.took_s
        entry = records.open(at_s, request, answer, place=Place.HOST, rule=call.function)
        records.close(entry, end=call.end, took_s=call.took_s, sent_ms=call.sent_ms)


class Rehearsal:
    """The site before a function app and its model: a port found when made, answering inside `with`."""

    def __init__(
        self,
        model: Model,
        functions: Functions,
        options: SiteOptions,
        *,
        report: Callable[[Entry, Sequence[Entry]], None] = lambda *_: None,
    ) -> None:
        """`report` hears of every visit that has ended, and of what it asked the model."""
        if functions.direct_url and options.address != LOOPBACK:
            raise SetUpError("--bind leaves the direct app to this machine: choose another --topology")
        self.model, self.api_url = model, functions.url
        sockets = bind_to(options.address, options.port, "the site", "--site-port")
        self.url = functions.site_url = url_of(sockets[0])
        simulation = model.simulation
        site = load_site(
            options.webapp,
            personas=options.personas,
            sessions=Sessions(session_key(state_folder()), model.clock),
            clock=model.clock,
            api_urls=functions.urls,
            config=options.config,
        )
        self.site = replace(site, states=options.states)
        if functions.direct_url is not None:
            _require_open(self.site, functions.direct_url)

        def visited(visit: Entry, tries: int = 10) -> None:
            asked = simulation.journal.joined(visit).only(place=Place.MODEL) if visit.decided_by == "api" else ()
            if tries and any(entry.end == "open" for entry in asked):  # the API notices later that its client has left
                asyncio.get_running_loop().call_later(0.1, visited, visit, tries - 1)
            else:
                report(visit, asked)

        self._front = SiteFront(
            site_app.create_app(self.site),
            self.site,
            delivery=options.delivery,
            records=simulation.journal.records,
            report=visited,
            asking=_attribution(simulation, options),
            paused=lambda: functions.paused,
        )
        app = self._front if options.address == LOOPBACK else Admission(self._front, model.token, hidden=True)
        self._servers = Servers(*((app, each) for each in sockets), at_end=self._front.close)

    def __enter__(self) -> Self:
        self._servers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.stop()

    def cookie(self, persona: str) -> dict[str, str]:
        """The session cookie of a persona, its name and value, as signing in would set it.

        Raises:
            PersonaError: nobody has that name.
        """
        chosen = find_persona(self.site.personas, persona)
        return {COOKIE: self.site.sessions.cookie(chosen.principal("aad"), chosen.expires_in_s)}

    def headers(self, persona: str) -> dict[str, str]:
        """The headers with which any HTTP client is signed in as a persona; raises as `cookie`."""
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookie(persona).items())}


def _attribution(
    simulation: Simulation, options: SiteOptions
) -> Callable[[Request, Principal | None], tuple[str, faults.Mishap]]:
    """Whose a visit is, by its header or by who is signed in, and what befalls it at the gate.

    Raises:
        ScenarioError: a persona or a state asks for one there is none of.
    """
    scenarios = {each.email: each.scenario for each in options.personas.values()}
    met = {each.persona.email: each.scenario for each in options.states if each.scenario}
    for name in filter(None, (scenarios | met).values()):
        simulation.library.scenarios.chosen(name)

    def asking(request: Request, principal: Principal | None) -> tuple[str, faults.Mishap]:
        name, who = request.header(HEADER), principal.user_details if principal else ""
        if name is None and who in met:
            name = f"persona {who}"
            simulation.open_scope(met[who], name)
        elif name is None and any(scenarios.values()):  # each persona is somebody else
            name = f"persona {who or 'nobody'}"
            simulation.open_scope(scenarios.get(who), name)
        if name is not None:
            simulation.attribute(request, name)
        return name or "", faults.mishap(simulation.strike(request))

    return asking


def _require_open(site: Site, origin: str) -> None:
    """Raise SetUpError where the page's policy would not let it ask another origin; a dev server's pages have none."""
    policy = next((value for name, value in site.config.global_headers if name == "content-security-policy"), "")
    sources = next((each.split() for each in policy.split(";") if each.split()[:1] == ["connect-src"]), [origin])
    if site.folder is not None and origin not in sources:
        raise SetUpError(
            f"The page in {site.folder} may not ask {origin}: its content-security-policy has {' '.join(sources)}. "
            f"Build it for that: DIRECT_ORIGIN={origin} npm run build; make mock TOPOLOGY=direct does."
        )


def api_environment(model: Model, backend: Backend) -> dict[str, str]:
    """The settings that point the API at the model endpoint and nowhere else, whatever the environment or local.settings.json
    say."""
    azure = backend is Backend.AZURE
    models = model.simulation.library.models(backend)
    if model.simulation.on_miss is OnMiss.RECORD:  # the upstream's own model, not one that was recorded before
        models = (os.environ.get("AZURE_OPENAI_DEPLOYMENT" if azure else "OPENAI_MODEL", ""), *models)
    name = next(filter(None, models), _DEFAULT_MODEL)
    return {
        **without_proxy(),
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "false",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "",
        "AZURE_OPENAI_ENDPOINT": model.url if azure else "",
        "AZURE_OPENAI_API_KEY": model.api_key if azure else "",
        "AZURE_OPENAI_DEPLOYMENT": name if azure else "",
        "AZURE_OPENAI_API_VERSION": "",
        "OPENAI_BASE_URL": "" if azure else f"{model.url}/v1",
        "OPENAI_API_KEY": "" if azure else model.api_key,
        "OPENAI_MODEL": "" if azure else name,
    }


def without_proxy() -> dict[str, str]:
    """NO_PROXY with loopback in it: with a corporate HTTP_PROXY, clients send even loopback calls there (measured)."""
    wanted = ["127.0.0.1", "localhost", "::1"]
    given = [each for each in os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")).split(",") if each]
    value = ",".join([*given, *(each for each in wanted if each not in given)])
    return {"NO_PROXY": value, "no_proxy": value}


def state_folder() -> Path:
    """Where what must survive a restart is kept, for this user alone."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "dress-rehearsal"
