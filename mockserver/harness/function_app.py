"""A function app over a model endpoint, running in processes of its own."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

from mockserver.contract.addresses import Backend
from mockserver.exchange import Answer, Request
from mockserver.functions.process import FunctionsProcess, InvocationRecord
from mockserver.functions.timers import Timers
from mockserver.harness.environment import telemetry_settings, trusting, without_proxy, without_real_settings
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, OptionsError, Topology
from mockserver.journal.entry import Place
from mockserver.matching.call import Call
from mockserver.simulation.settings import OnMiss
from mockserver.wire.server import bind, url_of

#: The API's model if no cassette names one.
_DEFAULT_MODEL = "gpt-4o-mini"


class FunctionApp:
    """A function app over a model endpoint: it has its ports at once, and answers inside `with`.

    All its instances are behind the gate. In the direct topology they only issue tickets, without a model, and one more
    process, at `direct_url`, accepts them from the pages of `site_url`, which WholeApp sets. Once `stopped` is set, a start
    that is not complete is abandoned.
    """

    def __init__(self, model: ModelEndpoint, options: ApiOptions, *, stopped: threading.Event | None = None) -> None:
        if options.debug and (options.instances > 1 or options.topology is Topology.DIRECT):
            raise OptionsError("--debug needs a single process: leave out --instances and --topology direct")
        self._model, self._options, self._stopped = model, options, stopped
        self.site_url: str | None = None
        # Bound once, to find free ports and to report early that one is taken; then the hosts' processes bind them.
        ports = [(options.port, "the Functions host", "--functions-port")]
        ports += [(0, "another instance", "--instances")] * (options.instances - 1)
        direct = options.topology is Topology.DIRECT
        ports += [(options.direct_port, "the direct app", "--direct-port")] if direct else []
        with ExitStack() as probes:
            urls = [url_of(probes.enter_context(bind(*port))) for port in ports]
        self.direct_url = urls.pop() if direct else None
        self.urls = tuple(urls)
        self._processes: list[FunctionsProcess] = []
        self._timers: Timers | None = None

    @property
    def url(self) -> str:
        """The URL of its first instance, not through the gate."""
        return self.urls[0]

    def __enter__(self) -> Self:
        """Return once all processes answer.

        Raises:
            StartError: one did not start.
        """
        try:
            for url, environment, options in self._commands():
                port, app = int(url.rpartition(":")[2]), self._options.app
                crashed = self._model.simulation.journal.records.crashed
                process = FunctionsProcess(
                    app,
                    port=port,
                    environment=environment,
                    report=self._record,
                    crashed=crashed,
                    options=options,
                    inherited=without_real_settings(),
                )
                self._processes.append(process)
            for process in self._processes:
                process.wait_until_ready(self._stopped)
            self._timers = Timers(self.url, self._model.clock)
            self._timers.__enter__()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._timers is not None:
            self._timers.__exit__()
        for process in self._processes:
            process.stop()

    @property
    def backend(self) -> Backend:
        """The backend that it is configured for."""
        return self._options.backend

    @property
    def failed(self) -> bool:
        """Whether a process has ended by itself."""
        return any(process.exit_status is not None for process in self._processes)

    @property
    def paused(self) -> bool:
        """Whether a debugger has paused a process."""
        return any(process.paused for process in self._processes)

    def _commands(self) -> Iterator[tuple[str, dict[str, str], tuple[str, ...]]]:
        """Every process to start: its URL, its environment and its options."""
        traced = self._model.simulation.journal.records.watcher is not None
        flags = {"--reload": self._options.reload, "--debug": self._options.debug, "--traced": traced}
        options = tuple(flag for flag, is_set in flags.items() if is_set)
        patience = {"ANSWER_WITHIN_S": str(24 * 3600)} if self._options.debug else {}
        environment = {**api_environment(self._model, self._options.backend), **patience}
        if self.direct_url is None:
            behind_gate = {**environment, "TOPOLOGY": self._options.topology, "DIRECT_URL": ""}
        else:
            assert self.site_url is not None, "create the WholeApp before its functions start"  # noqa: S101
            key = {"TICKET_KEY": secrets.token_urlsafe(32)}
            blank = {name: "" for name in environment if "OPENAI" in name}
            # Source: a linked back end accepts the site alone, so managed functions issue the tickets.
            behind_gate = {**environment, **blank, **key, "TOPOLOGY": Topology.MANAGED, "DIRECT_URL": self.direct_url}
            direct = {**environment, **key, "TOPOLOGY": Topology.DIRECT, "DIRECT_URL": ""}
            yield self.direct_url, direct, ("--cors", self.site_url, *options)
        for url in self.urls:
            yield url, behind_gate, options

    def _record(self, call: InvocationRecord) -> None:
        """Enter a call of a function, which has ended, in the journal."""
        clock, records = self._model.clock, self._model.simulation.journal.records
        request = Request(call.method, call.path, headers=tuple(call.ids.items()))
        answer = Answer(call.status, decided_by=call.error or "function")
        at_s = clock.now() - call.took_s
        entry = records.open(at_s, Call(request), answer, place=Place.HOST, rule=call.function, span_id=call.span_id)
        records.close(entry, end=call.end, took_s=call.took_s, sent_ms=call.sent_ms)


def api_environment(model: ModelEndpoint, backend: Backend) -> dict[str, str]:
    """The settings that point the API at the model endpoint alone. They override the environment and local.settings.json."""
    azure = backend is Backend.AZURE
    models = model.simulation.index.models(backend)
    if model.simulation.settings.on_miss is OnMiss.RECORD:  # the upstream's model, not one of the recordings
        models = (os.environ.get("AZURE_OPENAI_DEPLOYMENT" if azure else "OPENAI_MODEL", ""), *models)
    name = next(filter(None, models), _DEFAULT_MODEL)
    return {
        **without_proxy(),
        **trusting(model.authority_file),
        **telemetry_settings(),
        "AZURE_OPENAI_ENDPOINT": model.url if azure else "",
        "AZURE_OPENAI_API_KEY": model.api_key if azure else "",
        "AZURE_OPENAI_DEPLOYMENT": name if azure else "",
        "AZURE_OPENAI_API_VERSION": "",
        "OPENAI_BASE_URL": "" if azure else f"{model.url}/v1",
        "OPENAI_API_KEY": "" if azure else model.api_key,
        "OPENAI_MODEL": "" if azure else name,
    }
