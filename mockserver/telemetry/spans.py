"""A span of each exchange, and the model's metrics, sent to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mockserver.exchange import shown_url
from mockserver.journal.entry import Entry, Place
from mockserver.swa.routing import Action
from mockserver.telemetry.attributes import Described, described
from mockserver.wire.trace import TRACEPARENT

log = logging.getLogger("mockserver")

_SERVICES = {Place.SITE: "site", Place.HOST: "functions", Place.MODEL: "model"}
_MOST_WAITING = 10_000
_NANOSECONDS = 1_000_000_000
#: What the metrics are counted by. Source: the conventions of generative AI.
_COUNTED_BY = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "error.type",
)
#: Bounds in seconds. Source: the same.
_DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


class Spans:
    """Sends a span of every exchange that has ended, but for files of a site. A thread of its own describes them: no answer waits.

    Where exchanges end faster than they are described, those beyond ten thousand are left out.
    """

    def __init__(self) -> None:
        logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL)
        self._ids = _Ids()
        sender = BatchSpanProcessor(_SpanExporter(timeout=_export_s()))
        self._providers = {
            place: TracerProvider(resource=_resource(name), id_generator=self._ids, shutdown_on_exit=False)
            for place, name in _SERVICES.items()
        }
        for provider in self._providers.values():
            provider.add_span_processor(sender)
        self._tracers = {place: each.get_tracer("dress-rehearsal") for place, each in self._providers.items()}
        self._metrics = ModelMetrics()
        self._ended = queue.Queue[tuple[int, Entry] | None](_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="mockserver-telemetry", daemon=True)
        self._thread.start()

    def ended(self, entry: Entry) -> None:
        """Send the span of an exchange that ends now."""
        if entry.place is Place.SITE and entry.decided_by == Action.FILE:
            return
        with contextlib.suppress(queue.Full):
            self._ended.put_nowait((time.time_ns(), entry))

    def close(self) -> None:
        """Send what is left."""
        self._ended.put(None)
        self._thread.join()
        self._providers[Place.MODEL].shutdown()  # ends the one sender of all
        self._metrics.close()

    def _run(self) -> None:
        while (item := self._ended.get()) is not None:
            try:
                self._tell(*item)
            except Exception:  # the outermost frame of the thread: without it the queue fills, and its end never comes
                log.exception("a span is not sent")

    def _tell(self, ended_ns: int, entry: Entry) -> None:
        words = described(entry)
        self._send(entry, words, ended_ns)
        if words.is_model:
            self._metrics.count(entry, words)

    def _send(self, entry: Entry, words: Described, ended_ns: int) -> None:
        carrier = {name: value for name in (TRACEPARENT, "tracestate") if (value := entry.request.header(name))}
        parent = TraceContextTextMapPropagator().extract(carrier, Context())
        trace_context = trace.get_current_span(parent).get_span_context()
        if entry.span_id and trace_context.span_id == int(entry.span_id, 16):  # the first of a trace that began here
            parent = Context()
        span = self._tracers[entry.place].start_span(
            words.name,
            self._ids.next_as(trace_context.trace_id, entry.span_id, parent),
            trace.SpanKind.SERVER,
            dict(words.attributes),
            start_time=ended_ns - round(entry.took_s * _NANOSECONDS),
        )
        if words.error and (words.is_model or not 400 <= (entry.status or 0) < 500):
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended_ns)


class ModelMetrics:
    """How long answers of a model take, until they end, until their first token, and for each one after it."""

    def __init__(self) -> None:
        none = os.environ.get("OTEL_METRICS_EXPORTER") == "none"  # a viewer of traces takes no metrics
        readers = [] if none else [PeriodicExportingMetricReader(_MetricExporter(timeout=_export_s()))]
        self._provider = MeterProvider(readers, _resource(_SERVICES[Place.MODEL]), shutdown_on_exit=False)
        meter = self._provider.get_meter("dress-rehearsal")

        def histogram(name: str, bounds: tuple[float, ...]) -> Histogram:
            return meter.create_histogram(f"gen_ai.server.{name}", "s", explicit_bucket_boundaries_advisory=bounds)

        self._duration = histogram("request.duration", _DURATION_S)
        self._first_token = histogram("time_to_first_token", _FIRST_TOKEN_S)
        self._per_token = histogram("time_per_output_token", _TOKEN_S)

    def count(self, entry: Entry, words: Described) -> None:
        """Count an answer."""
        counted_by = {name: words.attributes[name] for name in _COUNTED_BY if name in words.attributes}
        self._duration.record(entry.took_s, counted_by)
        if words.error or not (entry.answer and entry.answer.streams and entry.sent_ms):
            return
        first_s, tokens = entry.sent_ms[0] / 1000, _output_tokens(words.attributes)
        self._first_token.record(first_s, counted_by)
        if tokens > 1:
            self._per_token.record((entry.took_s - first_s) / (tokens - 1), counted_by)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _SpanExporter(OTLPSpanExporter):
    """Says once, in our words, that a collector takes no spans; the exporter would repeat a page of its own."""

    _said = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS and not self._said:
            self._said = True
            log.warning("spans are not sent: no collector takes them at %s", shown_url(self._endpoint))
        return result


class _MetricExporter(OTLPMetricExporter):
    """Says once that a collector takes no metrics."""

    _said = False

    def export(self, metrics_data: MetricsData, timeout_millis: float | None = None, **more: Any) -> MetricExportResult:
        """Send metrics."""
        result = super().export(metrics_data, timeout_millis, **more)
        if result is not MetricExportResult.SUCCESS and not self._said:
            self._said = True
            hint = "OTEL_METRICS_EXPORTER=none leaves them out"
            log.warning("metrics are not sent: no collector takes them at %s; %s", shown_url(self._endpoint), hint)
        return result


def _export_s() -> float | None:
    """How long to try to send, in seconds; None leaves it to OpenTelemetry's own variable."""
    return None if "OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ else 2


class _Ids(RandomIdGenerator):
    """Ids for new spans; the next may be set. For one thread."""

    def __init__(self) -> None:
        self._trace_id = self._span_id = 0

    def next_as(self, trace_id: int, span_id: str, parent: Context) -> Context:
        """The parent, after which the next span has these ids."""
        self._trace_id, self._span_id = trace_id, int(span_id or "0", 16)
        return parent

    def generate_trace_id(self) -> int:
        """A trace's id."""
        return self._trace_id or super().generate_trace_id()

    def generate_span_id(self) -> int:
        """A span's id."""
        return self._span_id or super().generate_span_id()


def _resource(service: str) -> Resource:
    return Resource.create({"service.name": service, "service.namespace": "dress-rehearsal"})


def _output_tokens(attributes: Mapping[str, object]) -> int:
    tokens = attributes.get("gen_ai.usage.output_tokens")
    return tokens if isinstance(tokens, int) else 0
