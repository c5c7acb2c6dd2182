"""Several processes that answer as one model endpoint, with a real Redis, and without one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import yaml
from redis_server import find

from mockserver.simulation.group import READY_PATH
from mockserver.wire.server import bind
from tests.integration.running import STATE, Running
from tests.polling import wait_until

WITH_REDIS = pytest.mark.skipif(find() is None, reason="neither redis-server nor valkey-server is on PATH")
HEADERS = {"authorization": "Bearer any"}
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": "q"}]}


EXAMPLES = Path(__file__).parents[2] / "examples" / "scale"


def free_port() -> int:
    with bind(0, "the test") as sock:
        return int(sock.getsockname()[1])


@contextmanager
def redis_at(port: int) -> Iterator[subprocess.Popen[bytes]]:
    server = find()
    assert server is not None
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen([server, *options], stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: _pings(port))
        yield process
        process.terminate()


def _pings(port: int) -> bool:
    import redis

    with redis.Redis(port=port) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture
def redis_port() -> Iterator[int]:
    port = free_port()
    with redis_at(port):
        yield port


class Workers:
    """A running `model` command; each request has a connection of its own, so that it may come to any worker."""

    def __init__(self, command: Running) -> None:
        self.command = command
        self.url = self.command.read_until(r"^ready (http://[\d.:]+)")[1]
        self.token = (STATE / "dress-rehearsal" / f"token-{self.url.rpartition(':')[2]}").read_text(encoding="ascii")

    def admin(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        given = {"x-mockserver-token": self.token, **headers}
        return httpx2.request(method, f"{self.url}/__admin/{path}", json=body, headers=given, timeout=30)

    def ask(self, body: Any = QUESTION, path: str = "/v1/chat/completions", **headers: str) -> httpx2.Response:
        return httpx2.post(f"{self.url}{path}", json=body, headers={**HEADERS, **headers}, timeout=30)

    def says(self, **headers: str) -> str:
        answer = self.ask(**headers).json()
        return str(answer["choices"][0]["message"]["content"] if "choices" in answer else answer["error"]["message"])

    def journal(self, query: str = "") -> list[dict[str, Any]]:
        return list(self.admin("GET", f"journal{query}").json())

    def pids(self) -> list[int]:
        path = f"/proc/{self.command.process.pid}/task/{self.command.process.pid}/children"
        return [int(pid) for pid in Path(path).read_text(encoding="ascii").split()]

    def stop(self) -> int:
        self.command.process.terminate()
        return self.command.exit_status()


Start = Callable[..., Workers]


@pytest.fixture
def start(run: Callable[..., Running]) -> Iterator[Start]:
    started: list[Workers] = []

    def start(*options: str, **environment: str) -> Workers:
        started.append(Workers(run("model", "--port", "0", *options, **environment)))
        return started[-1]

    yield start
    for workers in started:
        if workers.command.process.poll() is None:
            assert workers.stop() == 0, workers.command.lines
        assert workers.command.group_is_empty()


@pytest.fixture
def shared(start: Start, redis_port: int) -> Workers:
    return start("--workers", "2", "--redis", f"redis://127.0.0.1:{redis_port}")


# --- with Redis ------------------------------------------------------------------------------------------------------


@WITH_REDIS
def test_what_is_said_is_answered_by_every_worker_as_often_as_it_was_said_in_all(shared: Workers) -> None:
    assert shared.admin("POST", "stubs", [{"say": "Hi", "times": 20}]).json() == {"stubs": ["said#1"]}
    with ThreadPoolExecutor(8) as pool:
        said = Counter(pool.map(lambda _: shared.says() == "Hi", range(40)))
    assert said == {True: 20, False: 20}
    entries = shared.journal("?decided_by=said")
    assert len(entries) == 20
    assert len({entry["worker"] for entry in entries}) > 1


@pytest.mark.slow
@WITH_REDIS
def test_an_answer_whose_fault_has_been_given_elsewhere_is_not_used_up(shared: Workers) -> None:
    shared.admin("POST", "stubs", [{"fault": "empty", "times": 7}, {"say": "Hi", "times": 30}])
    with ThreadPoolExecutor(8) as pool:
        decided = Counter(pool.map(lambda _: shared.ask().content == b"", range(30)))
    assert decided == {True: 7, False: 23}
    assert len(shared.journal("?decided_by=said%232")) == 30


@pytest.mark.slow
@WITH_REDIS
def test_of_several_stubs_for_one_request_all_are_taken_or_none(shared: Workers) -> None:
    faults = [{"fault": "empty", "times": 6}, {"fault": "overloaded", "times": 5}]
    for _ in range(5):
        shared.admin("POST", "stubs", [*faults, {"say": "Hi"}])
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: shared.ask(), range(20)))
        decided = Counter(entry["decided_by"] for entry in shared.journal())
        assert sum(count for words, count in decided.items() if "empty" in words) == 6
        assert sum(count for words, count in decided.items() if "overloaded" in words) == 5
        shared.admin("POST", "reset")


@pytest.mark.slow
@WITH_REDIS
def test_a_question_that_makes_no_sense_stops_nobody(shared: Workers) -> None:
    assert shared.admin("GET", "journal?after=1-5").status_code == 400
    assert shared.admin("POST", "stubs", [{"say": "Hi"}]).status_code == 201
    assert {shared.says() for _ in range(9)} == {"Hi"}


@WITH_REDIS
def test_a_limit_holds_for_all_workers_together(start: Start, redis_port: int) -> None:
    url = f"redis://127.0.0.1:{redis_port}"
    limited = start("--workers", "2", "--redis", url, "--limit", "gpt-4o=60rpm")
    limited.admin("POST", "stubs", [{"say": "Hi"}])
    assert limited.admin("POST", "clock", {"frozen": True}).json()["frozen"] is True
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: limited.ask().status_code, range(30)))
    assert statuses == {200: 10, 429: 20}  # a sixth of a minute's requests in ten seconds
    limited.admin("POST", "clock", {"advance_s": 10})
    assert [limited.ask().status_code for _ in range(11)] == [200] * 10 + [429]


@WITH_REDIS
def test_a_recorded_sequence_goes_on_from_worker_to_worker(start: Start, redis_port: int, tmp_path: Path) -> None:
    def recorded(text: str) -> dict[str, Any]:
        answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": []}
        headers = {"content-type": ["application/json"]}
        return {
            "request": {
                "method": "POST",
                "uri": "https://api.openai.com/v1/chat/completions",
                "body": json.dumps(QUESTION),
                "headers": headers,
            },
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": headers,
                "body": {"string": json.dumps({**answer, "system_fingerprint": text})},
            },
        }

    cassette = {"interactions": [recorded(text) for text in ("one", "two", "three")], "version": 1}
    (tmp_path / "seq.yaml").write_text(json.dumps(cassette), encoding="utf-8")
    url = f"redis://127.0.0.1:{redis_port}"
    workers = start("--workers", "2", "--redis", url, "--cassettes", str(tmp_path))
    said = [workers.ask().json()["system_fingerprint"] for _ in range(6)]
    assert said == ["one", "two", "three", "three", "three", "three"]


@WITH_REDIS
def test_scopes_scenarios_and_a_reset_reach_every_worker(shared: Workers) -> None:
    one, two = (shared.admin("POST", "scopes", {}).json()["headers"] for _ in range(2))
    shared.admin("POST", "stubs", [{"say": "one"}], **one)
    shared.admin("POST", "stubs", [{"say": "two"}], **two)
    assert {shared.says(**one) for _ in range(9)} == {"one"}
    assert {shared.says(**two) for _ in range(9)} == {"two"}
    assert {("cannot attribute" in shared.says()) for _ in range(9)} == {True}
    assert shared.admin("DELETE", f"scopes/{one['x-mockserver-scope']}").status_code == 204
    assert {("no open scope" in shared.says(**one)) for _ in range(9)} == {True}
    assert shared.admin("POST", "reset").status_code == 204
    assert shared.journal() == []
    shared.admin("POST", "stubs", [{"say": "Hi"}])
    shared.admin("POST", "scenarios", {"chosen": "rate-limited"})
    assert Counter(shared.ask().status_code for _ in range(9)) == {429: 1, 200: 8}


@pytest.mark.slow
@WITH_REDIS
def test_an_action_that_is_refused_is_refused_everywhere(shared: Workers) -> None:
    refused = shared.admin("POST", "stubs", [{"say": "x"}, {"sai": "x"}])
    assert refused.status_code == 400
    assert "sai" in refused.json()["error"]
    assert shared.admin("POST", "scenarios", {"chosen": "nope"}).status_code == 404
    assert shared.admin("DELETE", "scopes/nope").status_code == 404
    assert shared.admin("POST", "clock", {"frozen": 3}).status_code == 400
    assert shared.admin("GET", "journal?promt=x").status_code == 400
    assert shared.admin("POST", "stubs", [{"say": "Hi"}]).json() == {"stubs": ["said#1"]}
    assert {shared.says() for _ in range(9)} == {"Hi"}


@pytest.mark.slow
@WITH_REDIS
def test_a_mark_in_the_journal_parts_what_came_before_from_what_comes_after_in_every_worker(shared: Workers) -> None:
    shared.admin("POST", "stubs", [{"say": "Hi"}])
    for size in (1, 5, 12):
        mark = max((entry["number"] for entry in shared.journal()), default=0)
        for _ in range(size):
            shared.ask()
        assert len(shared.journal(f"?after={mark}")) == size
    assert shared.admin("GET", "journal/verify?times=18").status_code == 200
    wrong = shared.admin("GET", "journal/verify?times=17&within_s=0")
    assert wrong.status_code == 409
    assert wrong.json()["error"].startswith("Expected exactly 17 requests, got 18\n")


@pytest.mark.slow
@WITH_REDIS
def test_a_worker_that_is_killed_is_started_again_and_has_what_was_said(shared: Workers) -> None:
    shared.admin("POST", "stubs", [{"say": "Hi"}])
    for _ in range(20):
        shared.ask()
    mark = max(entry["number"] for entry in shared.journal())
    before = shared.pids()
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(shared.pids()) == 2 and shared.pids() != before, within_s=30)
    shared.command.read_until(r"worker 1 ended with status -9 and is restarted")
    assert {shared.says() for _ in range(20)} == {"Hi"}
    assert shared.admin("POST", "stubs", [{"say": "Hi"}]).status_code == 201  # the one that is gone is not waited for
    lost = shared.admin("GET", "journal")
    assert lost.status_code == 409
    assert "are lost: the process crashed or was killed" in lost.json()["error"]
    shared.admin("POST", "reset")
    shared.admin("POST", "stubs", [{"say": "Hi"}])
    for _ in range(20):
        shared.ask()
    assert len(shared.journal(f"?after={mark}")) == 20


@WITH_REDIS
def test_a_worker_that_is_told_to_stop_leaves_in_good_order(shared: Workers) -> None:
    before = shared.pids()
    os.kill(before[0], signal.SIGTERM)
    shared.command.read_until(r"worker 1 ended with status 0 and is restarted")
    wait_until(lambda: len(shared.pids()) == 2 and shared.pids() != before, within_s=30)
    assert shared.journal() == []


@pytest.mark.slow
@WITH_REDIS
def test_a_process_of_another_machine_joins_with_the_same_token(start: Start, redis_port: int) -> None:
    url, same = f"redis://127.0.0.1:{redis_port}", {"DRESS_REHEARSAL_TOKEN": "the-same-token-everywhere"}
    first = start("--workers", "2", "--redis", url, **same)
    first.admin("POST", "stubs", [{"say": "Hi", "times": 4}])
    frozen = first.admin("POST", "clock", {"frozen": True}).json()["now_s"]
    second = start("--redis", url, **same)
    assert second.admin("POST", "clock", {"advance_s": 5}).json()["now_s"] == pytest.approx(frozen + 5, abs=0.5)
    other = start("--redis", url, DRESS_REHEARSAL_TOKEN="another-token-entirely")
    assert [each.says() == "Hi" for each in (first, second, second, other, first, second)] == [
        True, True, True, False, True, False,
    ]  # fmt: skip
    assert [entry["decided_by"] for entry in second.journal()].count("said#1") == 4
    mark = max(entry["number"] for entry in first.journal())
    third = start("--redis", url, **same)
    for _ in range(3):
        third.ask()
    assert len(first.journal(f"?after={mark}")) == 3
    assert second.stop() == 0
    assert first.admin("POST", "reset").status_code == 204


@WITH_REDIS
def test_processes_with_other_files_say_so(start: Start, redis_port: int, tmp_path: Path) -> None:
    url, same = f"redis://127.0.0.1:{redis_port}", {"DRESS_REHEARSAL_TOKEN": "the-same-token-everywhere"}
    first = start("--redis", url, **same)
    other = start("--redis", url, "--cassettes", str(tmp_path), **same)
    assert "this process has other cassettes" in "\n".join(other.command.lines)
    chosen = first.admin("POST", "scenarios", {"chosen": "rate-limited"})
    assert chosen.status_code == 409
    assert "not every worker has done the same" in chosen.json()["error"]


@WITH_REDIS
def test_without_redis_for_a_while_what_needs_it_is_refused_and_the_rest_is_answered(start: Start) -> None:
    port = free_port()
    with redis_at(port):
        workers = start("--workers", "2", "--redis", f"redis://:pass-word-1@127.0.0.1:{port}")
        workers.admin("POST", "stubs", [{"say": "Hi"}])
        assert workers.admin("GET", "ready").status_code == 200
    wait_until(lambda: workers.admin("GET", "ready").status_code == 503)
    assert {workers.says() for _ in range(5)} == {"Hi"}
    refused = workers.admin("POST", "stubs", [{"say": "Ho"}])
    assert refused.status_code == 409
    assert f"Redis at 127.0.0.1:{port} does not answer" in refused.json()["error"]
    assert workers.admin("GET", "ready").json()["error"].startswith(f"Redis at 127.0.0.1:{port} does not answer")
    os.kill(workers.pids()[0], signal.SIGKILL)
    workers.command.read_until("is restarted")
    workers.command.read_until("Error: Redis at")  # it cannot join, and is restarted until it can
    wait_until(lambda: _says(workers) == "Hi")
    with redis_at(port):  # empty: what was said is gone, in every worker alike
        wait_until(lambda: len(workers.pids()) == 2 and {_status(workers) for _ in range(9)} == {200}, within_s=30)
        wait_until(lambda: {workers.says() == "Hi" for _ in range(6)} == {False})
        assert workers.admin("POST", "stubs", [{"say": "Ho"}]).status_code == 201
        assert {workers.says() for _ in range(6)} == {"Ho"}
        workers.stop()
    assert "pass-word-1" not in "\n".join(workers.command.lines)


def _says(workers: Workers) -> str:
    """What is said, by a worker that lives: the connections of one that has ended wait for the next."""
    try:
        return str(
            httpx2.post(f"{workers.url}/v1/chat/completions", json=QUESTION, headers=HEADERS, timeout=0.5).json()[
                "choices"
            ][0]["message"]["content"]
        )
    except httpx2.TimeoutException:
        return ""


def _status(workers: Workers) -> int:
    try:
        return httpx2.get(f"{workers.url}/__admin/ready", timeout=0.5).status_code
    except httpx2.TimeoutException:
        return 0


@pytest.mark.slow
@WITH_REDIS
def test_while_redis_hangs_what_needs_it_is_refused_and_the_rest_is_answered(start: Start) -> None:
    port = free_port()
    with redis_at(port) as server:
        workers = start("--workers", "2", "--redis", f"redis://127.0.0.1:{port}")
        workers.admin("POST", "stubs", [{"say": "once", "times": 50, "when": {"prompt": "once"}}, {"say": "Hi"}])
        once = {**QUESTION, "messages": [{"role": "user", "content": "once"}]}
        server.send_signal(signal.SIGSTOP)
        with ThreadPoolExecutor(8) as pool:
            counted = pool.map(lambda _: workers.ask(once).json()["error"]["message"], range(8))
            assert all("does not answer as it should" in words or "a moment ago" in words for words in counted)
        assert {workers.says() for _ in range(9)} == {"Hi"}
        wait_until(lambda: workers.admin("GET", "ready").status_code == 503, within_s=20)
        server.send_signal(signal.SIGCONT)
        wait_until(lambda: workers.ask(once).status_code == 200, within_s=20)
        wait_until(lambda: {_status(workers) for _ in range(9)} == {200}, within_s=20)
        assert workers.stop() == 0


@WITH_REDIS
def test_what_was_recorded_goes_before_what_a_worker_does_not_keep(
    start: Start, redis_port: int, tmp_path: Path
) -> None:
    asked = {"model": "gpt-4o", "input": "q", "previous_response_id": "resp_1"}
    headers = {"content-type": ["application/json"]}
    recorded = {
        "request": {
            "method": "POST",
            "uri": "https://api.openai.com/v1/responses",
            "body": json.dumps(asked),
            "headers": headers,
        },
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": headers,
            "body": {"string": '{"id": "resp_2"}'},
        },
    }
    (tmp_path / "r.yaml").write_text(json.dumps({"interactions": [recorded], "version": 1}), encoding="utf-8")
    for options in ([], ["--redis", f"redis://127.0.0.1:{redis_port}"]):
        workers = start("--workers", "2", "--cassettes", str(tmp_path), *options)
        assert workers.ask(asked, "/v1/responses").json() == {"id": "resp_2"}


@WITH_REDIS
def test_the_last_process_leaves_nothing_in_redis(shared: Workers, redis_port: int) -> None:
    import redis

    shared.admin("POST", "stubs", [{"say": "Hi", "times": 2}])
    shared.ask()
    with redis.Redis(port=redis_port) as client:
        assert client.dbsize() > 0
        assert shared.stop() == 0
        assert client.dbsize() == 0


@pytest.mark.slow
@WITH_REDIS
def test_ids_differ_between_workers_and_what_clients_make_is_refused(shared: Workers) -> None:
    shared.admin("POST", "stubs", [{"say": "Hi"}])
    ids = [shared.ask().json()["id"] for _ in range(20)]
    assert len(set(ids)) == 20
    made = openai.OpenAI(base_url=f"{shared.url}/v1", api_key="any", max_retries=0)
    response = made.responses.create(model="gpt-4o", input="q")  # is answered, and not kept
    with pytest.raises(openai.NotFoundError, match="is not kept by workers: start the model without --workers"):
        made.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError, match="is not kept by workers"):
        made.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    with pytest.raises(openai.NotFoundError, match="a response in the background would be known to one worker alone"):
        made.responses.create(model="gpt-4o", input="q", background=True)
    continued: dict[str, Any] = {"model": "gpt-4o", "input": "q", "previous_response_id": response.id}
    assert made.responses.create(**continued).output_text == "Hi"  # said to whatever is asked
    shared.admin("POST", "reset")
    with pytest.raises(openai.NotFoundError, match="and workers keep nothing"):
        made.responses.create(**continued)


@pytest.mark.slow
@WITH_REDIS
def test_the_number_of_the_last_entry_is_a_mark_whichever_worker_answered_it(shared: Workers) -> None:
    shared.admin("POST", "stubs", [{"say": "Hi"}])
    for _ in range(8):  # the last is seldom of the worker with the most
        for _ in range(3):
            shared.ask()
        mark = shared.journal()[-1]["number"]
        assert shared.admin("GET", f"journal?after={mark}").json() == []
        shared.ask()
        assert len(shared.admin("GET", f"journal?after={mark}").json()) == 1


# --- without -----------------------------------------------------------------------------------------------------------


def test_without_redis_workers_answer_and_refuse_what_they_would_have_to_share(start: Start, tmp_path: Path) -> None:
    (tmp_path / "say.yaml").write_text("- say: once\n  when: {prompt: once}\n  times: 1\n- say: Hi\n", encoding="utf-8")
    workers = start("--workers", "2", "--cassettes", str(tmp_path))
    assert {workers.says() for _ in range(6)} == {"Hi"}
    once = workers.ask({**QUESTION, "messages": [{"role": "user", "content": "once"}]})
    words = "2 workers share nothing, so no single worker knows"
    assert once.json()["error"]["message"].startswith(f"{words} how often say.yaml#1 has answered")
    change = "2 workers share nothing, so this would change only one of them: use --redis URL, or one worker"
    for method, path, begin in (
        ("POST", "stubs", change),
        ("POST", "reset", change),
        ("GET", "journal", words),
        ("GET", "timeline", words),
        ("GET", "journal.har", words),
    ):
        refused = workers.admin(method, path, [])
        assert (refused.status_code, refused.json()["error"].startswith(begin)) == (409, True)
    assert workers.admin("GET", "ready").json() == {"status": "ready"}
    assert workers.admin("GET", "health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--workers", "2", "--limit", "m=6rpm"],
            "--limit with 2 workers would allow 2 times as much: add --redis URL",
        ),
        (
            ["--workers", "2", "--on-miss", "record", "--upstream", "http://127.0.0.1:9/v1", "--cassettes", "x"],
            "--on-miss record writes its cassettes from one process",
        ),
        (["--redis", "http://127.0.0.1"], "--redis must be as in redis://127.0.0.1:6379"),
        (["--redis", "redis://:pass-word-1/x@127.0.0.1:9"], "in a password, / # ? and @ are %2F"),
        (["--redis", "redis://:pass-word-1@pass-word-1#x@127.0.0.1:9"], "in a password, / # ? and @ are %2F"),
        (["--redis", "redis://:p@pass-word-1@127.0.0.1:9"], "in a password, / # ? and @ are %2F"),
        (["--redis", ""], "--redis must be as in"),
        (["--redis", "redis://127.0.0.1:9?nonsense=1"], "--redis must be as in"),
        (["--redis", "redis://:pass-word-1@127.0.0.1:9"], "Redis at 127.0.0.1:9 does not answer"),
        (["--workers", "2", "--redis", "redis://:pass-word-1@127.0.0.1:9"], "Redis at 127.0.0.1:9 does not answer"),
        (["--workers", "0"], "0 is not in the range"),
    ],
)
def test_what_does_not_go_together_is_refused_at_the_start(
    run: Callable[..., Running], options: list[str], words: str
) -> None:
    refused = run("model", "--port", "0", *options, OPENAI_API_KEY="any-key-at-all")
    assert refused.exit_status() != 0
    printed = "\n".join(refused.lines)
    assert words in printed
    assert "pass-word-1" not in printed
    assert "Traceback" not in printed


def test_a_port_that_others_share_is_taken(run: Callable[..., Running]) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        refused = run("model", "--workers", "2", "--port", str(port))
        assert refused.exit_status() != 0
        assert f"Port {port} for the model endpoint is taken" in "\n".join(refused.lines)


def test_workers_end_with_the_process_that_started_them(start: Start) -> None:
    workers = start("--workers", "2")
    workers.command.process.kill()
    workers.command.exit_status()
    assert workers.command.group_is_empty()


@pytest.mark.parametrize("name", ["kubernetes.yaml", "container-app.yaml"])
def test_the_examples_that_scale_start_what_exists(run: Callable[..., Running], name: str) -> None:
    documents = list(yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8")))
    template = documents[0]["spec" if "kind" in documents[0] else "properties"]["template"]
    (container,) = template.get("spec", template)["containers"]
    assert {each["name"] for each in container["env"]} == {"DRESS_REHEARSAL_TOKEN", "DRESS_REHEARSAL_REDIS"}
    assert READY_PATH in json.dumps(container)
    command, *options = container["args"]
    refused = run(
        command, "--port", "0", *options, DRESS_REHEARSAL_REDIS="redis://127.0.0.1:9", DRESS_REHEARSAL_TOKEN="x" * 16
    )
    assert refused.exit_status() != 0
    assert "Redis at 127.0.0.1:9 does not answer" in "\n".join(refused.lines)
