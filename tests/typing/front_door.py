"""What mypy and pyright say about test code that uses the fixtures. Never executed: `make lint` checks it.

Every line with an ignore is a mistake that both must report: an ignore that is not needed is an error too.
"""

from __future__ import annotations

from collections.abc import Callable

from mockserver import FunctionApp, Journal, MockServer, WholeApp, model_app, site_app


def correct(mock_server: MockServer, journal: Journal, site: WholeApp, functions_host: FunctionApp) -> None:
    mock_server.say("Hi")
    mock_server.say("Hi", to="Hello", fault="dropped", after=3, times=2)
    mock_server.say("Hi", when={"prompt": "Hello", "model": "gpt-4o"}, pace={"first_ms": 400, "each_ms": 30.5})
    mock_server.say(call={"get_weather": {"city": "Oslo"}}, filter="asynchronous")
    mock_server.say(call=[{"f": {"x": 1}}, {"f": {"x": 2}}])
    mock_server.say(fault="rate_limited", retry_after="3s as a date")
    mock_server.say(fault="rate_limited", retry_after=0.5, wait_ms=10)
    mock_server.say(
        "Sunny.", when={"contains": "Oslo", "turn": 2, "tool_result": "5"}, usage={"output": 9, "reasoning": 4}
    )
    mock_server.say(error={"message": "Later."}, status=503, headers={"retry-after": "2"})
    mock_server.say(refusal="No.", citations=[{"url": "https://example.com", "quote": "[1]"}], finish="content_filter")
    mock_server.say(body=None, when={"path": "/v1/somewhere"})
    mock_server.limit("gpt-4o", "6rpm")
    with mock_server.scope("rate-limited") as scope:
        scope.headers["x-mockserver-scope"].upper()
        scope.journal.verify(0)
    journal.verify(3, prompt="Hello", status=range(500, 600), within_s=2)
    journal.verify(0, contains="Oslo", operation="createResponse", turn=2)
    journal.expect(1, end="client left", events_sent={1, 2}, persona=None)
    journal.only(place="model", decided_by="hello.yaml")[-1].end.upper()
    for entry in journal.wait_for(2, attempt=2, after=journal[0]):
        entry.request.header("accept")
    site.headers("alice")["cookie"].upper()
    functions_host.url.upper()
    model_app("my-cassettes", on_miss="generate").test_client()
    site_app("dist", api="http://127.0.0.1:7071").test_client()


def mistakes(mock_server: MockServer, journal: Journal, scenario: Callable[[str | None], None]) -> None:
    mock_server.say("Hi", fualt="dropped")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    mock_server.say("Hi", fault="droped")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", times="two")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", filter="harsh")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", when={"promt": "x"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", pace={"first": 400})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", call={"f": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", when={"turn": "2"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", finish="stopped")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.say("Hi", usage={"total": 9})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    mock_server.limit("gpt-4o", 6)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    journal.verify(1, promt="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    journal.verify("1", prompt="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    journal.verify(1, status="200")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    journal.expect(1, end="eoff")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    journal.only(place="modell")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    journal.wait_for(1, within=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    scenario(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    model_app("x", on_miss="record")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    model_app("x", on_mis="error")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
