"""The commands as processes: how they start, what they print, how they end."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner
from pytest_httpserver import HTTPServer

from mockserver.cassettes import cassette
from mockserver.cli import dev_server, main
from mockserver.functions.process import StartError
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from tests.integration.running import Running, gone

FREE_PORTS = ["--site-port", "0", "--model-port", "0", "--functions-port", "0"]
COOKIE = "StaticWebAppsAuthCookie"


def test_up_starts_the_whole_app_and_prints_its_address_last(run: Callable[..., Running]) -> None:
    up = run("up", *FREE_PORTS)
    url = up.read_until(r"^http://127\.0\.0\.1:\d+$")[0]
    assert "sign in as alice, bob, carol" in up.lines[-2]
    with httpx2.Client(follow_redirects=True) as browser:
        browser.get(f"{url}/.auth/login/aad?persona=alice")
        answer = browser.post(
            f"{url}/api/chat/completions", json={"messages": [{"role": "user", "content": "Hello!"}], "stream": True}
        )
    assert answer.text.endswith("data: [DONE]\n\n")
    line = up.read_until(r"POST /api/chat/completions")
    assert re.fullmatch(
        r"alice   POST /api/chat/completions  rule \d+ \(invited\)  hello\.yaml#1  200  28 events  \d\.\d s",
        line.string.strip(),
    )


def test_up_starts_with_cassettes_that_have_no_scenario(run: Callable[..., Running], tmp_path: Path) -> None:
    """As docs/recording.md says to record through the page."""
    up = run("up", *FREE_PORTS, "--cassettes", str(tmp_path))
    assert up.read_until(r"^http://127\.0\.0\.1:\d+$")


@pytest.mark.parametrize(
    "number", [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGHUP))]
)
def test_up_ends_cleanly_and_leaves_no_process(run: Callable[..., Running], number: signal.Signals) -> None:
    up = run("up", *FREE_PORTS)
    url = up.read_until(r"^http://127\.0\.0\.1:\d+$")[0]
    os.killpg(up.process.pid, number) if number == signal.SIGINT else up.process.send_signal(number)
    assert up.exit_status() == 0
    assert "Traceback" not in "\n".join(up.lines)
    assert up.group_is_empty()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url)


@pytest.mark.parametrize("command", ["model", "up"])
def test_ctrl_c_ends_the_prompt_for_a_key(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    terminal, child_terminal = pytest.importorskip("pty").openpty()  # not on Windows
    options = ["--on-miss", "record", "--upstream", "https://api.openai.com/v1", "--cassettes", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mockserver", command, *options],
        env={**os.environ, "CI": ""},
        stdin=child_terminal,
        stdout=subprocess.DEVNULL,
        stderr=child_terminal,
        start_new_session=True,
    )
    os.close(child_terminal)
    output = b""
    while b"Key for api.openai.com" not in output:
        output += os.read(terminal, 1000)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(30) == 1
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.mark.slow
def test_the_functions_host_does_not_outlive_a_killed_parent(run: Callable[..., Running]) -> None:
    up = run("up", *FREE_PORTS)
    up.read_until(r"^http://127\.0\.0\.1:\d+$")
    up.process.kill()
    up.process.wait()
    assert up.group_is_empty()


@pytest.mark.slow
def test_up_ends_with_a_sentence_when_its_host_is_killed(run: Callable[..., Running]) -> None:
    up = run("up", *FREE_PORTS)
    up.read_until(r"^http://")
    children = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children")
    if not children.exists():
        pytest.skip("needs /proc")
    for child in children.read_text().split():
        os.kill(int(child), signal.SIGKILL)
    assert up.exit_status() == 1
    assert up.lines[-1] == "Error: The Functions host stopped; its own output says why."


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EMFILE])
def test_what_the_machine_lacks_is_one_plain_message(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("mockserver.functions.process.subprocess.Popen", full)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = CliRunner().invoke(main, ["up", *FREE_PORTS])
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, f"Error: [Errno {number}] {os.strerror(number)}")


@pytest.mark.slow
def test_a_dead_proxy_in_the_environment_changes_nothing(run: Callable[..., Running]) -> None:
    dead = "http://127.0.0.1:9"
    up = run(
        "up",
        *FREE_PORTS,
        HTTP_PROXY=dead,
        HTTPS_PROXY=dead,
        ALL_PROXY=dead,
        http_proxy=dead,
        https_proxy=dead,
        all_proxy=dead,
        NO_PROXY="",
        no_proxy="",
    )
    url = up.read_until(r"^http://127\.0\.0\.1:\d+$")[0]
    with httpx2.Client(trust_env=False, follow_redirects=True) as browser:
        browser.get(f"{url}/.auth/login/aad?persona=alice")
        answer = browser.post(
            f"{url}/api/chat/completions", json={"messages": [{"role": "user", "content": "Hello!"}], "stream": True}
        )
    assert "Hello" in answer.text


def test_settings_for_a_real_endpoint_do_not_reach_the_api(run: Callable[..., Running]) -> None:
    real = {
        "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9",
        "AZURE_OPENAI_API_KEY": "real",
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
        "OPENAI_MODEL": "real",
    }
    up = run("up", *FREE_PORTS, **real)
    url = up.read_until(r"^http://127\.0\.0\.1:\d+$")[0]
    with httpx2.Client(follow_redirects=True) as browser:
        browser.get(f"{url}/.auth/login/aad?persona=alice")
        answer = browser.post(
            f"{url}/api/chat/completions", json={"messages": [{"role": "user", "content": "Hello!"}], "stream": True}
        )
    assert "Hello" in answer.text


@pytest.mark.parametrize("option", ["--site-port", "--model-port", "--functions-port"])
def test_a_taken_port_is_named(run: Callable[..., Running], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        up = run("up", *FREE_PORTS, option, port)
        assert up.exit_status() == 1
    assert re.search(
        rf"Error: Port {port} for .* is taken\. Stop what listens there, or choose another with {option}\.",
        up.lines[-1],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", *FREE_PORTS, "--webapp", "nowhere"], "Error: no index.html in nowhere"),
        (["up", *FREE_PORTS, "--api", "nowhere"], "there is no function_app.py"),
        (["up", *FREE_PORTS, "--personas", "nowhere.yaml"], "Error: there is no personas file nowhere.yaml"),
        (["up", *FREE_PORTS, "--cassettes", "nowhere"], "Error: no folder of cassettes at nowhere"),
        (
            ["up", *FREE_PORTS, "--on-miss", "record"],
            "--on-miss record needs --upstream URL to record from and --cassettes DIR to write to",
        ),
        (
            ["model", "--port", "0", "--upstream", "http://127.0.0.1:9"],
            "--upstream is used only while recording: add --on-miss record",
        ),
        (["model", "--port", "0", "--on-miss", "guess"], "'guess' is not one of 'error', 'generate', 'record'"),
        (
            ["model", "--port", "0", "--deployment", "chat"],
            "Error: --deployment must be NAME=MODEL, as in chat=gpt-4o-2024-11-20, got 'chat'",
        ),
        (["cassette", "fmt", "nowhere"], "Error: no folder of cassettes at nowhere"),
        (["cassette", "edit", "tests", "1", "--answer", "x"], "File 'tests' is a directory"),
        (["model", "--port", "0", "--latency", "soon"], "--latency soon: 'soon' is not understood; write first=600ms"),
        (["model", "--port", "0", "--limit", "much"], "--limit must be NAME=6rpm,1000tpm"),
        (
            ["model", "--port", "0", "--scenario", "over-loaded"],
            "no scenario 'over-loaded' (did you mean 'overloaded'?)",
        ),
        (["record", "--upstream", "localhost:1", "--cassettes", "x", "--yes", "--refresh"], "must be a URL"),
        (["drift", "--upstream", "http://[", "mockserver/data/cassettes"], "must be a URL"),
        (
            ["model", "--port", "0", "--on-miss", "record", "--upstream", "http://127.0.0.1:abc", "--cassettes", "x"],
            "must be a URL",
        ),
        (
            ["record", "--upstream", "http://127.0.0.1:9", "--cassettes", "nowhere", "--refresh", "--yes"],
            "Error: no folder of cassettes at nowhere",
        ),
        (
            ["site", "--port", "0", "--app", "http://localhost:99999"],
            "a dev server's URL must be like http://localhost:PORT",
        ),
        (
            ["record", "--upstream", "http://127.0.0.1:9", "--cassettes", "README.md", "--", "true"],
            "README.md must be a folder for cassettes, but is a file",
        ),
        (["record", "--upstream", "http://127.0.0.1:9", "--cassettes", "x"], "Say what to record"),
        (
            ["site", "--port", "0", "--app", "webapp/dist", "--api", "localhost:7171"],
            "an API's URL must be like http://localhost:PORT",
        ),
        (
            ["site", "--port", "0", "--app", "webapp/dist", "--api", ""],
            "an API's URL must be like http://localhost:PORT",
        ),
        (
            ["model", "--port", "0", "--bind", "everywhere"],
            "Error: --bind must be an IPv4 address of this machine, or 0.0.0.0 for all of them, got 'everywhere'",
        ),
        (["up", *FREE_PORTS, "--bind", "198.51.100.1"], "Error: --bind 198.51.100.1: this machine has no such address"),
        (["drift", "--upstream", "http://127.0.0.1:9", "nowhere"], "Error: no folder of cassettes at nowhere"),
    ],
)
def test_a_mistake_is_one_plain_message(
    arguments: list[str], message: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)  # where nothing may be recorded
    assert_refused(arguments, message, capfd)


def assert_refused(arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In this process, which has what another one would load first; what a process that it starts says counts too."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    said = "".join((result.output, *capfd.readouterr()))
    assert message in said
    assert "Traceback" not in said
    assert isinstance(result.exception, SystemExit)


def test_the_model_prints_when_it_is_ready_and_reports_a_miss(run: Callable[..., Running]) -> None:
    model = run("model", "--port", "0", "--cassettes", str(BUNDLED_CASSETTES))
    url = model.read_until(r"^ready (http://\S+)$")[1]
    body = {"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "Hello!"}]}
    assert (
        httpx2.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": "Bearer k"}).status_code == 404
    )
    model.read_until(r"^No recording fits POST /v1/chat/completions \(smollm2-135m-instruct, 1 message\)\.$")
    model.read_until(r"^Nearest: .*\.yaml, interaction \d\. It differs in$")
    model.read_until(r"^POST /v1/chat/completions  miss  404  1 event")


def test_the_control_token_is_for_this_user_and_this_run(run: Callable[..., Running], tmp_path: Path) -> None:
    model = run("model", "--port", "0", XDG_STATE_HOME=str(tmp_path))
    url = model.read_until(r"^ready (http://\S+)$")[1]
    (token_file,) = (tmp_path / "dress-rehearsal").glob("token-*")
    assert token_file.stat().st_mode & 0o777 == 0o600
    token = {"x-mockserver-token": token_file.read_text()}
    assert httpx2.post(f"{url}/__admin/reset").status_code == 403
    assert httpx2.post(f"{url}/__admin/reset", headers=token).status_code == 204
    model.process.send_signal(signal.SIGTERM)
    assert model.exit_status() == 0
    assert not token_file.exists()


def test_a_verification_that_waits_does_not_hold_the_end_up(run: Callable[..., Running]) -> None:
    model = run("model", "--port", "0")
    port = int(model.read_until(r"^ready http://127\.0\.0\.1:(\d+)$")[1])
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
        client.sendall(b"GET /__admin/journal/verify?within_s=60 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        with pytest.raises(TimeoutError):
            client.recv(1)
        model.process.send_signal(signal.SIGINT)
        assert model.process.wait(20) == 0


def test_bind_warns_of_other_machines_which_need_the_token(run: Callable[..., Running], tmp_path: Path) -> None:
    weak = run("model", "--port", "0", "--bind", "0.0.0.0", DRESS_REHEARSAL_TOKEN="short")
    assert (weak.exit_status(), "DRESS_REHEARSAL_TOKEN must be 16 or more letters" in weak.lines[-1]) == (1, True)
    chosen = {"XDG_STATE_HOME": str(tmp_path), "DRESS_REHEARSAL_TOKEN": "chosen-for-this-test"}
    model = run("model", "--port", "0", "--bind", "0.0.0.0", **chosen)
    url = model.read_until(r"^ready (http://127\.0\.0\.1:\d+)$")[1]
    (token_file,) = (tmp_path / "dress-rehearsal").glob("token-*")
    assert token_file.read_text() == "chosen-for-this-test"
    output = "\n".join(model.lines)
    assert f"listening on 0.0.0.0; other machines need the token in {token_file}" in re.sub(" +", " ", output)
    assert "chosen-for-this-test" not in output
    assert httpx2.get(f"{url}/v1/models", headers={"authorization": "Bearer any"}).status_code == 200
    assert httpx2.get(f"{url}/v1/models", headers={"host": "mock:4281"}).status_code == 421


def test_a_session_survives_a_restart(run: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    cookie = ""
    for _ in range(2):
        site = run("site", "--app", str(tmp_path), "--port", "0", XDG_STATE_HOME=str(tmp_path / "state"))
        url = site.read_until(r"^ready (http://\S+)$")[1]
        cookie = cookie or httpx2.get(f"{url}/.auth/login/github?persona=carol").cookies[COOKIE]
        me = httpx2.get(f"{url}/.auth/me", headers={"cookie": f"{COOKIE}={cookie}"}).json()
        assert me["clientPrincipal"]["userDetails"] == "carol@example.com"
        site.process.send_signal(signal.SIGTERM)
        assert site.exit_status() == 0


def test_fmt_repairs_a_cassette_that_was_edited_by_hand(run: Callable[..., Running], tmp_path: Path) -> None:
    path = tmp_path / "hello.yaml"
    path.write_text(
        (BUNDLED_CASSETTES / "hello.yaml")
        .read_text()
        .replace("        data: [DONE]\n", "        : ping\n\n        data: [DONE]\n")
    )
    with pytest.raises(cassette.CassetteError, match=r"28 waits in timing\.after_ms, but 29 events"):
        cassette.load(path)
    fmt = run("cassette", "fmt", str(tmp_path))
    assert fmt.exit_status() == 0
    assert fmt.lines == ["hello.yaml: rewritten"]
    assert len(cassette.load(path).interactions[0].answer.events) == 29


def test_the_chosen_scenario_is_printed_at_the_start(run: Callable[..., Running]) -> None:
    up = run("up", *FREE_PORTS, "--scenario", "overloaded")
    up.read_until(r"on a miss: error; scenario: overloaded$")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_recording_and_the_command_it_runs_and_what_was_recorded_is_said(
    number: signal.Signals, status: int, run: Callable[..., Running], tmp_path: Path
) -> None:
    waiting = "print('waiting', flush=True); import time; time.sleep(60)"
    command = ["--upstream", "http://127.0.0.1:9/v1", "--cassettes", str(tmp_path), "--", sys.executable, "-c", waiting]
    recording = run("record", *command)
    recording.read_until("waiting")
    if number is signal.SIGINT:
        os.killpg(recording.process.pid, number)  # as a terminal does
    else:
        recording.process.send_signal(number)
    assert recording.exit_status() == status
    assert recording.lines[-1] == "The command sent no requests."
    assert recording.group_is_empty()


def test_a_recording_server_says_what_it_wrote_when_it_ends(
    run: Callable[..., Running], httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": []})
    options = ("--on-miss", "record", "--upstream", httpserver.url_for("/v1"), "--cassettes", str(tmp_path))
    server = run("model", "--port", "0", *options, OPENAI_API_KEY="sk-some-key")
    key = Path(server.read_until(r"cat (\S+)\)")[1]).read_text()
    url = server.read_until(r"^ready (\S+)")[1]
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
    headers = {"authorization": f"Bearer {key}"}
    assert httpx2.post(f"{url}/v1/chat/completions", json=body, headers=headers).status_code == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.exit_status() == 0
    assert server.lines[-2:] == [
        f"recorded      1  {tmp_path}/hello.yaml",
        f"1 answer recorded. Look: dress-rehearsal cassette show {tmp_path}",
    ]


DEV_SERVER = """
import http.server, pathlib, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "3"); self.end_headers(); self.wfile.write(b"dev")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_site_takes_the_place_of_swa_start(run: Callable[..., Running], tmp_path: Path) -> None:
    """`swa-cli.config.json` is read, the dev server started, waited for and ended."""
    (tmp_path / "dev.py").write_text(DEV_SERVER)
    port = free_port()
    start: dict[str, Any] = {
        "appDevserverUrl": f"http://localhost:{port}",
        "run": f"{sys.executable} dev.py {port}",
        "port": 0,
    }
    (tmp_path / "swa-cli.config.json").write_text(json.dumps({"configurations": {"app": start}}))
    (tmp_path / "staticwebapp.config.json").write_text('{"routes": [{"route": "/a/*", "allowedRoles": ["boss"]}]}')
    site = run("site", folder=tmp_path)
    site.read_until(rf"^run        {re.escape(start['run'])}   from swa-cli\.config\.json$")
    url = site.read_until(r"^ready (\S+)$")[1]
    assert httpx2.get(url, trust_env=False, timeout=30).text == "dev"
    assert httpx2.get(f"{url}/a/b", trust_env=False, timeout=30).status_code == 401
    site.process.send_signal(signal.SIGINT)
    assert site.exit_status() == 0
    with pytest.raises(OSError):  # noqa: PT011  refused, however the system words it
        socket.create_connection(("127.0.0.1", port), timeout=1)
    assert "leaves /a itself open" in "\n".join(site.lines)


def test_a_dev_server_at_another_address_is_not_waited_for_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev_server, "_SAY_AFTER_S", 0)
    monkeypatch.setattr(dev_server, "_START_S", 0.5)
    url, advice = f"http://127.0.0.1:{free_port()}", "printed another address, pass that: --app URL"
    with (
        pytest.raises(StartError, match=f"nothing answers at {url}.*{advice}"),
        dev_server.running("sleep 60", url, threading.Event(), "--app URL"),
    ):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"waiting    nothing answers at {url} yet.")
    assert advice in line


@pytest.mark.slow
def test_processes_that_a_dev_server_left_are_ended(run: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    (tmp_path / "stubborn.sh").write_text("trap '' TERM\necho here $$\nwhile :; do sleep 1; done\n")
    site = run("site", "--port", "0", "--app", ".", "--run", "true; bash stubborn.sh; true", folder=tmp_path)
    process = int(site.read_until(r"here (\d+)")[1])
    site.process.send_signal(signal.SIGINT)
    assert site.exit_status() == 0
    assert gone(process)


def test_up_serves_a_dev_server_and_ends_it(run: Callable[..., Running]) -> None:
    """As `make mock` does."""
    port = free_port()
    command = f"npm --prefix webapp run --silent dev -- --port {port}"
    options = ("--webapp", f"http://localhost:{port}", "--config", "webapp/staticwebapp.config.json", "--run", command)
    up = run("up", *FREE_PORTS, *options)
    url = up.read_until(r"^http://127\.0\.0\.1:\d+$")[0]
    with httpx2.Client(base_url=url, trust_env=False, timeout=30) as browser:
        assert browser.get("/").status_code == 302
        browser.get("/.auth/login/aad?persona=alice")
        assert "/@vite/client" in browser.get("/").text
        browser.get("/.auth/login/aad?persona=bob")
        assert browser.get("/src/app.tsx").status_code == 403
    up.process.send_signal(signal.SIGINT)
    assert up.exit_status() == 0
    with pytest.raises(OSError):  # noqa: PT011  refused, however the system words it
        socket.create_connection(("localhost", port), timeout=1)


@pytest.mark.parametrize(
    ("configurations", "arguments", "message"),
    [
        (None, [], "There is no swa-cli.config.json: say what to serve with --app DIR or --app URL"),
        ({"a": {}, "b": {}}, [], "a, the first of several; --configuration chooses: b"),
        ({"a": {}}, ["--configuration", "c"], "no configuration 'c'; choose with --configuration: a"),
        (
            {"a": {"appDevserverUrl": "http://localhost:1", "run": "exit 3"}},
            ["--port", "0"],
            "ended with status 3 before",
        ),
        (
            {"a": {"appDevserverUrl": "ftp://x"}},
            ["--port", "0"],
            "a dev server's URL must be like http://localhost:PORT",
        ),
    ],
)
def test_a_mistake_in_swa_cli_config_is_one_plain_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    configurations: dict[str, object] | None,
    arguments: list[str],
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if configurations is not None:
        (tmp_path / "swa-cli.config.json").write_text(json.dumps({"configurations": configurations}))
    assert_refused(["site", *arguments], message, capfd)
