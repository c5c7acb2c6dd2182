"""The model endpoint as a server."""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from mockserver.answers.latency import Latency, fitted, parse_latency
from mockserver.cassettes.real_endpoint import RealEndpoint, below
from mockserver.cassettes.recorder import Recorder
from mockserver.clock import Clock, SystemClock
from mockserver.contract.request_check import LENIENT_NAMES
from mockserver.errors import did_you_mean
from mockserver.fronts.model_front import ModelFront
from mockserver.fronts.wsgi import WsgiApplication
from mockserver.harness.environment import TOKEN_VARIABLE, authority_file, collector, credentials_of
from mockserver.harness.options import ModelOptions, OptionsError
from mockserver.journal.entry import Entry
from mockserver.redaction.known import remember
from mockserver.simulation.cassette_index import CassetteIndex, load_index
from mockserver.simulation.group import READY_PATH, Alone, Apart, Group
from mockserver.simulation.limits import parse_limits
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.telemetry.collector import watched
from mockserver.wire.server import EVERYWHERE, LOOPBACK, Servers, bind_for, url_of
from mockserver.wire.tls import LocalTls
from mockserver.wire.token_gate import TokenGate


def model_simulation(options: ModelOptions, clock: Clock, *, token: str = "") -> tuple[Simulation, Recorder | None]:
    """The simulation for the options, and the recorder if they say record.

    While recording, `token` is the only key accepted, so that nobody else on this machine can use the real one.

    Raises:
        OptionsError: recording without an upstream or a folder.
        RecordingError: another recorder has the folder, or this is CI.
        CassetteError, StubError, ConflictError, FileNotFoundError: from the cassettes.
        ScenarioError: no scenario of that name.
        LatencyError, LimitError: a profile or a limit that cannot be read, or nothing to fit one to.
    """
    recorder, api_key = None, options.api_key
    if options.on_miss is OnMiss.RECORD:
        if options.upstream is None or not options.cassettes:
            raise OptionsError("--on-miss record needs --upstream URL to record from and --cassettes DIR to write to")
        if options.lenient:
            raise OptionsError("--lenient has no effect while recording: the upstream refuses, not this endpoint")
        api_key = api_key or (None if options.any_key else token)
        endpoint = RealEndpoint(
            options.upstream,
            options.credentials or credentials_of(os.environ),
            others=options.other_upstreams,
            pass_token=options.pass_token,
        )
        recorder = Recorder(
            endpoint,
            options.recordings or options.cassettes[0],
            keep_errors=options.keep_errors,
            allowed=options.allowed,
        )
    elif given := [
        name
        for name, value in (
            ("--upstream", options.upstream or options.other_upstreams),
            ("--pass-token", options.pass_token),
            ("--allow", options.allowed),
        )
        if value
    ]:
        raise OptionsError(f"{given[0]} is used only while recording: add --on-miss record")
    remember(filter(None, (token, api_key, options.redis)))
    index = load_index(options.cassettes, options.ignores)
    simulation = Simulation(
        index,
        on_miss=options.on_miss,
        api_key=api_key,
        deployments=options.deployments,
        latency=_latency(options.latency, index),
        limits=parse_limits(options.limits),
        scenario=options.scenario,
        clock=clock,
        other_upstreams=tuple(map(below, options.other_upstreams)),
        pass_token=options.pass_token,
        lenient=_lenient(options.lenient),
        tls=options.tls,
    )
    return simulation, recorder


def _group(options: ModelOptions, simulation: Simulation, token: str) -> Group:
    """The processes that answer on the port.

    Raises:
        OptionsError: they would have to share what they do not, this is not Linux, or the extra `redis` is not installed.
        SharingError: not the URL of a Redis.
    """
    if options.workers == 1 and not options.redis:
        return Alone(simulation)
    if options.workers > 1 and not sys.platform.startswith("linux"):
        raise OptionsError("--workers needs Linux, which spreads connections over processes; in a container it works")
    if options.on_miss is OnMiss.RECORD:
        raise OptionsError("--on-miss record writes its cassettes from one process: leave out --workers and --redis")
    if options.redis:
        try:
            from mockserver.workers.redis_group import RedisGroup
        except ModuleNotFoundError as error:
            raise OptionsError('--redis needs the extra redis: pip install "dress-rehearsal[redis]"') from error
        return RedisGroup(simulation, options.redis, token)
    if options.limits:
        raise OptionsError(
            f"--limit with {options.workers} workers would allow {options.workers} times as much: add --redis URL"
        )
    return Apart(simulation, options.workers)


def _lenient(names: tuple[str, ...]) -> frozenset[str]:
    for name in names:
        if name not in LENIENT_NAMES:
            hint = did_you_mean(name, LENIENT_NAMES)
            raise OptionsError(
                f"unknown rule {name!r} in --lenient{hint}; known rules: {', '.join(sorted(LENIENT_NAMES))}"
            )
    return frozenset(names)


def _latency(text: str, index: CassetteIndex) -> Latency:
    if text == "fitted":
        return fitted(index.answers())
    return parse_latency(text) if text else Latency()


class ModelEndpoint:
    """A model endpoint: it has its port at once, and answers inside `with`."""

    def __init__(
        self, options: ModelOptions, *, report: Callable[[Sequence[Entry]], None] = lambda _entries: None
    ) -> None:
        if options.api_key and options.address != LOOPBACK:
            raise OptionsError(
                f"--bind uses this run's token as the API key: set it in {TOKEN_VARIABLE}, without --api-key"
            )
        self.token = options.token or secrets.token_urlsafe(24)
        self.clock = SystemClock(options.speed)
        self.simulation, recorder = model_simulation(options, self.clock, token=self.token)
        self.recorder = recorder
        #: The key that clients send.
        self.api_key = options.api_key or (self.token if recorder else "mock")
        self._group = _group(options, self.simulation, self.token)
        self._copies = bind_for(
            options.workers, options.address, options.port, "the model endpoint", options.port_option
        )
        tls = LocalTls(*({options.address} - {LOOPBACK, EVERYWHERE})) if options.tls else None
        first = self._copies[0][0]
        self.url = url_of(first, "https" if tls else "http")
        #: The file with the certificate that clients have to trust; None without TLS.
        self.authority_file = authority_file(tls.authority, first.getsockname()[1]) if tls else None
        front = ModelFront(self.control, self.simulation, recorder=recorder, report=report)
        self._app = (
            front if options.address == LOOPBACK else TokenGate(front, self.token, hidden=False, open_path=READY_PATH)
        )
        self._tls = tls.context if tls else None

    def control(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The control routes; Flask, which is a fifth of a start, is loaded with the first of their requests."""
        return self._control_app(environ, start_response)

    @functools.cached_property
    def _control_app(self) -> WsgiApplication:
        from mockserver.flask_apps import control

        return control.create_app(self.simulation, self.token, self._group)

    @property
    def unwritten(self) -> int:
        """How many recorded answers are not on disk yet; the end of `with` waits for them."""
        return self.recorder.unwritten if self.recorder else 0

    def __enter__(self) -> Self:
        self._running = ExitStack()
        self._running.enter_context(self.worker(0))
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @contextmanager
    def worker(self, number: int) -> Generator[None]:
        """Answer, in a process of its own, as one of the `workers`; they count from 0.

        Raises:
            SharingError: Redis cannot be reached.
        """
        for sock in itertools.chain(*(copy for other, copy in enumerate(self._copies) if other != number)):
            sock.close()  # its connections are another's
        recorder, records = self.recorder, self.simulation.journal.records
        servers = Servers(
            *((self._app, sock) for sock in self._copies[number]),
            at_end=recorder.close if recorder else None,
            patience_s=None if recorder else 2,
            tls=self._tls,
            websockets=True,
            crashed=records.crashed,
        )
        with self._group, watched(records, collector()):
            servers.start()
            try:
                yield
            finally:
                records.stop_waiting()
                servers.stop()
