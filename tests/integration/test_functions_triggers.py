"""Functions with other triggers than HTTP, and timers, with both workers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx2

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions
from tests.integration.function_apps import HEAD, write_app
from tests.integration.running import Running
from tests.polling import wait_until

TRIGGERS = (
    HEAD
    + """
@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def tick(timer: func.TimerRequest) -> None:
    print("ticked", timer.past_due)


@app.queue_trigger(arg_name="msg", queue_name="orders", connection="Storage")
def order(msg: func.QueueMessage) -> None:
    print("ordered", msg.get_body().decode(), msg.dequeue_count)


@app.blob_trigger(arg_name="blob", path="in/{name}", connection="Storage")
def stored(blob: func.InputStream) -> None:
    print("stored", blob.read().decode(), blob.name)


@app.service_bus_queue_trigger(arg_name="msg", queue_name="bus", connection="Bus")
def bus(msg: func.ServiceBusMessage) -> None:
    print("bus", msg.get_body().decode())


@app.event_hub_message_trigger(arg_name="event", event_hub_name="hub", connection="Hub")
def hub(event: func.EventHubEvent) -> None:
    print("hub", event.get_body().decode())


@app.event_grid_trigger(arg_name="event")
def grid(event: func.EventGridEvent) -> None:
    print("grid", event.get_json()["a"])


@app.cosmos_db_trigger(arg_name="docs", connection="Db", database_name="d", container_name="c")
def changed(docs: func.DocumentList) -> None:
    print("changed", len(docs))


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
def fails(timer: func.TimerRequest) -> None:
    raise RuntimeError("out of order")


@app.timer_trigger(arg_name="timer", schedule="0 0 4 * * *")
@app.service_bus_queue_output(arg_name="msg", queue_name="orders", connection="Bus")
def writes(timer: func.TimerRequest, msg: func.Out[str]) -> None:
    msg.set("one")


@app.route(route="reads", auth_level="anonymous")
@app.cosmos_db_input(arg_name="docs", connection="Db", database_name="d", container_name="c")
def reads(req: func.HttpRequest, docs: func.DocumentList) -> str:
    return "read"


@app.route(route="sends", auth_level="anonymous")
@app.queue_output(arg_name="msg", queue_name="orders", connection="Storage")
def sends(req: func.HttpRequest, msg: func.Out[str]) -> str:
    if req.params.get("yes"):
        msg.set("one")
    return "sent"
"""
)


EVENT = (
    '{"id": "1", "subject": "s", "data": {"a": 7}, "eventType": "e", "topic": "t", '
    '"eventTime": "2026-11-30T10:00:00Z", "dataVersion": "1"}'
)


def test_other_triggers_are_listed_and_run_by_hand(worker: str, run: Callable[..., Running], tmp_path: Path) -> None:
    host = run("functions", "--app", str(write_app(tmp_path, TRIGGERS)), "--port", "0", "--worker", worker)
    url = host.read_until(r"^ready (.*)")[1]
    started = "\n".join(host.lines)
    assert f"timer      tick  0 */5 * * * *  run it: POST {url}/admin/functions/tick" in started
    assert f"queue      order  orders  run it: POST {url}/admin/functions/order" in started
    assert "refused    http reads: it reads the cosmos db 'c' (docs), and no such service is imitated" in started
    assert "functions  2 routes on" in started
    for name, given, printed in (
        ("tick", None, "ticked False"),
        ("order", "ten", "ordered ten 1"),
        ("stored", "bytes", "stored bytes in/{name}"),
        ("bus", "hop on", "bus hop on"),
        ("hub", "event", "hub event"),
        ("grid", EVENT, "grid 7"),
        ("changed", '[{"id": "a"}, {"id": "b"}]', "changed 2"),
        ("fails", None, "RuntimeError: out of order"),
        (
            "writes",
            None,
            "timer writes has failed: it has written to the service bus 'orders' (msg), and no such service is",
        ),
    ):
        started_it = httpx2.post(f"{url}/admin/functions/{name}", json={"input": given} if given else {})
        assert (name, started_it.status_code, started_it.content) == (name, 202, b"")
        host.read_until(re.escape(printed))
    assert httpx2.get(f"{url}/api/reads").status_code == 500
    host.read_until("reads: not called, as it reads the cosmos db 'c'")
    assert httpx2.get(f"{url}/api/sends").text == "sent"
    assert httpx2.get(f"{url}/api/sends?yes=1").status_code == 500
    host.read_until(
        "sends: it has written to the queue 'orders' .msg., and the app setting AzureWebJobsStorage is not set"
    )
    for path, content, status in (("nothing", "{}", 404), ("tick", "no JSON", 400), ("sends", "{}", 400)):
        answer = httpx2.post(f"{url}/admin/functions/{path}", content=content)
        assert (path, answer.status_code) == (path, status)
    foreign = httpx2.post(f"{url}/admin/functions/tick", content="{}", headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_an_app_without_routes_is_served(start: Callable[..., str]) -> None:
    url = start(TRIGGERS[: TRIGGERS.index("@app.queue_trigger")])
    assert httpx2.get(url).status_code == 200


TIMERS = (
    HEAD
    + """
@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def tick(timer: func.TimerRequest) -> None:
    print("ticked")


@app.timer_trigger(arg_name="timer", schedule="%NIGHTLY%")
def nightly(timer: func.TimerRequest) -> None:
    print("nightly")


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", run_on_startup=True)
def first(timer: func.TimerRequest) -> None:
    print("first")
"""
)


def test_timers_run_on_the_mocks_clock_which_tests_stop_and_advance(tmp_path: Path, worker: str) -> None:
    del worker
    (tmp_path / "local.settings.json").write_text('{"Values": {"NIGHTLY": "0 0 3 * * *"}}')
    with ModelEndpoint(ModelOptions()) as model:
        model.clock.freeze()
        model.clock.advance(-model.clock.now() % 86400)  # midnight

        def runs() -> list[str]:
            return [entry.rule for entry in model.simulation.journal.only(place="host")]

        with FunctionApp(model, ApiOptions(write_app(tmp_path, TIMERS))):
            wait_until(lambda: runs() == ["first"])
            model.clock.advance(299)
            model.clock.advance(1)
            wait_until(lambda: runs() == ["first", "tick"])
            model.clock.advance(2 * 3600)  # 24 runs of tick are due, which are one after a pause
            wait_until(lambda: runs() == ["first", "tick", "tick"])
            model.clock.advance(3600)
            wait_until(lambda: sorted(runs()[3:]) == ["first", "nightly", "tick"])
            assert {entry.status for entry in model.simulation.journal.only(place="host")} == {202}


def test_timers_of_a_host_alone_run_in_real_time(run: Callable[..., Running], tmp_path: Path, worker: str) -> None:
    app = write_app(tmp_path, TIMERS.replace("0 */5 * * * *", "* * * * * *"))
    host = run("functions", "--app", str(app), "--port", "0", "--worker", worker, NIGHTLY="1.00:00:00")
    host.read_until("^ready")
    host.read_until("^ticked")
    host.read_until("^ticked")
    assert "nightly" not in host.lines


def test_a_schedule_that_cannot_be_read_ends_the_start(
    run: Callable[..., Running], tmp_path: Path, worker: str
) -> None:
    app = write_app(tmp_path, TIMERS)  # NIGHTLY is not set
    host = run("functions", "--app", str(app), "--port", "0", "--worker", worker)
    assert host.exit_status() == 1
    assert "function 'nightly': the app setting NIGHTLY is not set" in "\n".join(host.lines)


def test_runs_of_a_timer_do_not_overlap(run: Callable[..., Running], tmp_path: Path, worker: str) -> None:
    slow = (
        HEAD
        + """
from pathlib import Path

from tests.polling import wait_until


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def slow(timer: func.TimerRequest) -> None:
    print("begins")
    wait_until(Path(__file__).with_name("go").exists)
    print("ends")
"""
    )
    host = run("functions", "--app", str(write_app(tmp_path, slow)), "--port", "0", "--worker", worker)
    host.read_until("^begins")
    host.read_until("timer slow is still running: this run is skipped")
    (tmp_path / "go").touch()
    host.read_until("^begins")
    steps = [line for line in host.lines if line in ("begins", "ends")]
    assert steps == ["begins", "ends", "begins"]


def test_no_page_starts_a_function_whatever_origins_are_allowed(start: Callable[..., str]) -> None:
    url = start(TIMERS, options=("--cors", "*"), NIGHTLY="1.00:00:00")
    asked = httpx2.post(f"{url}/admin/functions/tick", content="{}", headers={"origin": "http://evil.example"})
    assert asked.status_code == 403
