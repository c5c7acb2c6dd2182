"""Spans and metrics of the questions, by OpenTelemetry's conventions for generative AI. Where telemetry is off, nothing is loaded.

It is on where the worker sends it to Application Insights (PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY), and where
OTEL_EXPORTER_OTLP_ENDPOINT names a collector.
"""

from __future__ import annotations

import os
import threading
from typing import Any

#: The app's own metrics: the end of their names, their units and meanings.
_METRICS = (
    ("answers", "{answer}", "How questions ended"),
    ("retries", "{request}", "Requests to the model that repeat one"),
    ("feedback", "{answer}", "What people think of answers"),
)
#: Their counters by name; none where telemetry is off.
_counters: dict[str, Any] = {}
_starting = threading.Lock()


def watch(http_client: Any) -> None:
    """Watch the SDK, and the requests of its HTTP client, from now on."""
    if not start():
        return
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    if not _to_azure():  # Azure's distribution does it
        from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor

        HTTPX2ClientInstrumentor.instrument_client(http_client)
    _leave_out_queries()
    OpenAIInstrumentor().instrument()


def start() -> bool:
    """Make the app's own metrics, once; whether telemetry is on."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _to_azure()):
        return False
    with _starting:
        if not _counters:
            _make_counters()
    return True


def _make_counters() -> None:
    from opentelemetry import metrics

    if not _to_azure():  # Azure's distribution does it
        _send_to_collector()
    meter = metrics.get_meter("chat_api")
    for name, unit, meaning in _METRICS:
        _counters[name] = meter.create_counter(f"chat_api.{name}", unit, meaning)


def _to_azure() -> bool:
    return os.environ.get("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "").lower() in ("true", "1")


def count_answer(outcome: str, reason: str) -> None:
    """Count how a question ended: "answered", with its finish reason, "refused" or "broke off", with an error's code."""
    if _counters:
        _counters["answers"].add(1, {"outcome": outcome, "reason": reason})


def count_feedback(rating: str, reason: str) -> None:
    """Count what somebody thinks of an answer: "up" or "down", and why. The app that is told may never ask a model itself."""
    if start():
        _counters["feedback"].add(1, {"rating": rating, "reason": reason})


def count_retry(request: Any) -> None:
    """Count a request to the model if it repeats one. Source: `x-stainless-retry-count`, which the SDK sends."""
    if _counters and request.headers.get("x-stainless-retry-count", "0") != "0":
        _counters["retries"].add(1)


def _leave_out_queries() -> None:
    """Keep the queries of addresses out of spans: FastAPI records them, and clients put keys there (`?code=`)."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider

    class WithoutQuery(SpanProcessor):
        def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002  the SDK names it
            if "url.query" in (span.attributes or {}):
                span.set_attribute("url.query", "REDACTED")

    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.add_span_processor(WithoutQuery())


def _send_to_collector() -> None:
    """Send to the collector; the exporters read its address, headers and intervals from OpenTelemetry's own variables."""
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or "chat_api"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    if os.environ.get("OTEL_METRICS_EXPORTER") != "none":  # a viewer of traces takes no metrics
        metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource))
