"""What a collector is told of a question: the trace from the gate to the model, by both the app and the mock."""

from __future__ import annotations

import gzip
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import opentelemetry.semconv
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from infra.check import SAMPLE
from infra.template import expand, read
from mockserver.contract.addresses import Backend
from mockserver.functions.process import FunctionsProcess
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.settings import OnMiss
from mockserver.swa.personas import load_personas
from tests.integration.function_apps import CLASSIC, HEAD

ROOT = Path(__file__).parents[2]
QUESTION = "A question that nobody else may read"
KEY = "a-key-in-the-address"


class Collector:
    """Takes spans and metrics over HTTP, and reads them with OpenTelemetry's own messages."""

    def __init__(self, server: HTTPServer) -> None:
        self.bytes, self.spans, self.metrics = b"", list[dict[str, Any]](), dict[str, list[dict[str, Any]]]()
        self.secrets: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self.url = server.url_for("").rstrip("/")
        server.expect_request("/v1/traces").respond_with_handler(self._take_spans)
        server.expect_request("/v1/metrics").respond_with_handler(self._take_metrics)

    def asked(self, request_id: str) -> list[dict[str, Any]]:
        """What the model was asked with a request id."""
        ids = "http.request.header.x-request-id"
        return [span for span in self.spans if span["service"] == "model" and span.get(ids) == [request_id]]

    def trace(self, trace_id: str) -> dict[str, dict[str, Any]]:
        """The spans of a trace, by service and name."""
        return {f"{span['service']}: {span['name']}": span for span in self.spans if span["trace"] == trace_id}

    def _take_spans(self, request: Request) -> Response:
        message = ExportTraceServiceRequest.FromString(self._read(request))
        for group in message.resource_spans:
            service = _values(group.resource.attributes)["service.name"]
            for scope in group.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        {
                            "service": service,
                            "name": span.name,
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "status": span.status.code,
                            "s": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                            **_values(span.attributes),
                        }
                    )
        return Response(b"", content_type="application/x-protobuf")

    def _take_metrics(self, request: Request) -> Response:
        message = ExportMetricsServiceRequest.FromString(self._read(request))
        for group in message.resource_metrics:
            for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
                points = metric.histogram.data_points or metric.sum.data_points
                self.metrics[metric.name] = [
                    {"count": getattr(point, "count", 0) or point.as_int, **_values(point.attributes)}
                    for point in points
                ]
        return Response(b"", content_type="application/x-protobuf")

    def _read(self, request: Request) -> bytes:
        data = request.get_data()
        with self._lock:
            self.bytes += data
        return data


def _values(attributes: Any) -> dict[str, Any]:
    def value(any_value: Any) -> Any:
        kind = any_value.WhichOneof("value")
        return (
            [value(each) for each in any_value.array_value.values]
            if kind == "array_value"
            else getattr(any_value, kind)
        )

    return {pair.key: value(pair.value) for pair in attributes}


@pytest.fixture
def collector(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Collector:
    told = Collector(httpserver)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", told.url)
    return told


@contextmanager
def whole_app() -> Iterator[tuple[MockServer, WholeApp]]:
    site = SiteOptions(ROOT / "webapp" / "dist", load_personas())
    with (
        ModelEndpoint(ModelOptions()) as model,
        FunctionApp(model, ApiOptions(ROOT / "api", Backend.AZURE)) as functions,
        WholeApp(model, functions, site) as app,
    ):
        yield MockServer(model, model.simulation.scopes.everybody), app


def ask(app: WholeApp, headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
    body = {"messages": [{"role": "user", "content": QUESTION}], **more}
    signed_in = {**app.headers("alice"), **(headers or {})}
    return httpx2.post(f"{app.url}/api/chat/completions", json=body, headers=signed_in, timeout=30)


TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def told(make_httpserver: HTTPServer) -> Iterator[Collector]:
    """What a collector has been told when an app has ended that was asked a few questions."""
    with pytest.MonkeyPatch.context() as environment:
        collector = Collector(make_httpserver)
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with whole_app() as (mock, app):
            mock.say("Because of the light.", to=QUESTION, pace={"first_ms": 30, "each_ms": 5})
            mock.say("Never sent.", to="Forbidden", filter="prompt")
            httpx2.get(app.url, headers=app.headers("alice"))
            rated = {"request_id": "first", "rating": "down", "reason": "slow"}  # before this process has asked a model
            httpx2.post(f"{app.url}/api/chat/feedback", json=rated, headers=app.headers("alice"), timeout=30)
            assert ask(app, {"x-request-id": "first"}, stream=True).status_code == 200
            mock.say(fault="server_error", times=1)
            assert ask(app, {"x-request-id": "repeated"}).status_code == 200
            refused = ask(app, {"x-request-id": "filtered"}, messages=[{"role": "user", "content": "Forbidden"}])
            assert refused.json()["error"]["code"] == "content_filter"
            ask(app, {"traceparent": f"00-{TRACE}-{CLIENT}-01"})
            ask(app, {"traceparent": f"00-{'1' * 32}-{CLIENT}-00"})  # its client keeps none of it
            ask(app, {"traceparent": "rubbish"})
            httpx2.get(f"{app.url}/api/models?code={KEY}", headers=app.headers("alice"))
            collector.secrets = (QUESTION, KEY, "Because of", app.model.token, app.headers("alice")["cookie"])
        yield collector


def test_a_question_is_one_trace_from_the_gate_to_the_models_last_event(told: Collector) -> None:
    spans = told.trace(told.asked("first")[0]["trace"])
    gate, host = spans["site: POST /api/chat/completions"], spans["functions: chat_completions"]
    model = next(span for name, span in spans.items() if name.startswith("model: chat "))
    question = next(span for name, span in spans.items() if name.startswith("chat_api: chat "))
    chain = [gate, host, question, spans["chat_api: POST"], model]
    assert [span["parent"] for span in chain] == ["", *(span["id"] for span in chain[:-1])]
    assert question["gen_ai.usage.output_tokens"] == model["gen_ai.usage.output_tokens"] > 0
    assert question["gen_ai.response.id"] == model["gen_ai.response.id"]
    assert model["gen_ai.provider.name"] == "azure.ai.openai"
    assert model["gen_ai.response.finish_reasons"] == ["stop"]
    assert 0 < model["gen_ai.response.time_to_first_chunk"] <= model["s"]
    assert {span["http.request.header.x-request-id"][0] for span in (gate, host, model)} == {"first"}


def test_retries_filters_and_times_are_counted(told: Collector) -> None:
    models = [span for name in ("repeated", "filtered") for span in told.asked(name)]
    assert [span.get("http.request.resend_count", 0) for span in models] == [0, 1, 0]
    assert [span.get("error.type") for span in models] == ["server_error", None, "content_filter"]
    assert [span["status"] for span in models] == [2, 0, 2]
    assert told.metrics["chat_api.retries"] == [{"count": 1}]
    assert told.metrics["chat_api.feedback"] == [{"count": 1, "rating": "down", "reason": "slow"}]
    outcomes = {(point["outcome"], point["reason"]): point["count"] for point in told.metrics["chat_api.answers"]}
    assert outcomes == {("answered", "stop"): 5, ("refused", "content_filter"): 1}
    duration = {point.get("error.type") for point in told.metrics["gen_ai.server.request.duration"]}
    assert duration == {"server_error", None, "content_filter"}
    assert {"gen_ai.server.time_to_first_token", "gen_ai.client.token.usage"} <= told.metrics.keys()


def test_a_clients_own_trace_goes_on(told: Collector) -> None:
    assert told.trace(TRACE)["site: POST /api/chat/completions"]["parent"] == CLIENT
    assert "1" * 32 not in {span["trace"] for span in told.spans}


def test_no_content_no_secret_and_no_file_is_told(told: Collector) -> None:
    assert [secret for secret in told.secrets if secret.encode() in told.bytes] == []
    assert not [span for span in told.spans if span["name"] == "GET /"]


def test_the_words_are_opentelemetrys(told: Collector) -> None:
    folder = Path(opentelemetry.semconv.__path__[0])
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    known = {name for text in texts for name in re.findall(r'Final = "([\w.]+)"', text)}
    assert "gen_ai.request.model" in known
    ours = [span for span in told.spans if span["service"] != "chat_api"]
    used = {name for span in ours for name in span if "." in name} | {
        name for name in told.metrics if name.startswith("gen_ai.server")
    }
    templates = {"http.request.header.x-request-id"}  # `http.request.header.<key>`
    assert {name for name in used - known - templates if not name.startswith("dress_rehearsal.")} == set()


def test_without_a_collector_nothing_is_sent_and_a_trace_is_passed_on_as_it_came(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with whole_app() as (mock, app):
        mock.say("Yes.")
        ask(app, {"traceparent": traceparent})
    seen = [entry.request.header("traceparent") for entry in app.model.simulation.journal if entry.place != "model"]
    assert (seen, collector.bytes) == ([traceparent] * 2, b"")


def test_a_collector_that_is_not_there_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE)) as model:
        asked = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
        headers = {"authorization": "Bearer any"}
        assert httpx2.post(f"{model.url}/v1/chat/completions", json=asked, headers=headers).status_code == 200
    told = [record.getMessage() for record in caplog.records if record.name == "mockserver"]
    ours = [line.partition(":")[0] for line in told if "not sent" in line]
    assert ours == ["spans are not sent", "metrics are not sent"]
    assert "secret" not in caplog.text


def deployed_settings() -> dict[str, str]:
    """The settings of telemetry that the template writes."""
    deployment = expand(read(), {**SAMPLE, "topology": "linked", "backend": "openAI"})
    (settings,) = (each for each in deployment.app_settings().values() if "TOPOLOGY" in each)
    return {name: value for name, value in settings.items() if name.startswith(("OTEL_", "PYTHON_"))}


@pytest.mark.slow
def test_application_insights_gets_the_question_in_the_invocations_trace_and_no_words(httpserver: HTTPServer) -> None:
    """Microsoft's own exporter sends to loopback here; through a proxy that does not answer, it reaches nothing else."""
    told = list[dict[str, Any]]()

    def take(request: Request) -> Response:
        told.extend(json.loads(gzip.decompress(request.data) if request.content_encoding else request.data))
        return Response('{"itemsReceived": 1, "itemsAccepted": 1, "errors": []}', content_type="application/json")

    httpserver.expect_request("/v2.1/track").respond_with_handler(take)
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE)) as model:
        environment = {
            **deployed_settings(),
            "OPENAI_BASE_URL": f"{model.url}/v1",
            "OPENAI_API_KEY": "mock",
            "OPENAI_MODEL": "gpt-4.1",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={UUID(int=1)};IngestionEndpoint={httpserver.url_for('')}",
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        process = FunctionsProcess(ROOT / "api", port=0, environment=environment)
        try:
            headers = {
                "x-ms-client-principal": load_personas()["alice"].principal("aad").header(),
                "traceparent": f"00-{TRACE}-{CLIENT}-01",
            }
            asked = {"messages": [{"role": "user", "content": QUESTION}], "stream": True}
            url = f"{process.wait_until_ready()}/api/chat/completions"
            assert httpx2.post(url, json=asked, headers=headers, timeout=30).status_code == 200
            assert httpx2.post(f"{url}?code={KEY}", json=asked | {"model": "?"}, timeout=30).status_code >= 400
        finally:
            process.stop()
    items = [(item["tags"], item["data"]["baseData"]) for item in told]
    ((tags, question),) = [item for item in items if item[1].get("name") == "chat gpt-4.1"]
    assert (tags["ai.operation.id"], tags["ai.operation.parentId"]) == (TRACE, CLIENT)
    assert int(question["properties"]["gen_ai.usage.output_tokens"]) > 0
    metrics = {metric["name"] for _, item in items for metric in item.get("metrics", ())}
    assert {"chat_api.answers", "gen_ai.client.token.usage"} <= metrics
    assert [item for _, item in items if "http send" in item.get("name", "")] == []  # one for each event
    assert not any(text in json.dumps(told) for text in (QUESTION, KEY))


TRACED = (
    HEAD.replace("import azure", "from opentelemetry import trace\nimport azure")
    + """
@app.route(route="sync", auth_level="anonymous")
def sync(req: func.HttpRequest) -> str:
    return f"{trace.get_current_span().get_span_context().span_id:016x}"


@app.route(route="async", auth_level="anonymous")
async def async_(req: func.HttpRequest) -> str:
    return f"{trace.get_current_span().get_span_context().span_id:016x}"
"""
)


@pytest.mark.parametrize("on", [True, False])
def test_a_functions_own_spans_join_the_requests_trace(start: Callable[..., str], *, on: bool) -> None:
    url = start(TRACED, PYTHON_ENABLE_OPENTELEMETRY=str(on).lower())
    headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    for route in ("sync", "async"):
        parent = httpx2.get(f"{url}/api/{route}", headers=headers, timeout=20).text
        joins = on and route == "async"  # the worker's threads have no trace
        assert parent == ("00f067aa0ba902b7" if joins else "0" * 16)


def test_an_app_without_opentelemetry_is_called_where_it_is_on(start: Callable[..., str], tmp_path: Path) -> None:
    absent = tmp_path / "absent" / "opentelemetry"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ImportError('not installed')")
    paths = os.pathsep.join([str(absent.parent), os.environ.get("PYTHONPATH", "")])
    url = start(CLASSIC, PYTHON_ENABLE_OPENTELEMETRY="true", PYTHONPATH=paths)
    assert httpx2.get(f"{url}/api/plain", timeout=20).text == "grüße"
