"""An API in another language behind the gate: it is started by its own command, and asks the mock as its model."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from mockserver.wire.server import bind
from tests.integration.running import Running

NODE_API = """
import { createServer } from 'node:http';

const { OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL, PORT } = process.env;
createServer(async (request, response) => {
  const principal = JSON.parse(Buffer.from(request.headers['x-ms-client-principal'] ?? 'e30=', 'base64'));
  if (request.url === '/api/environment') return response.end(JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([name]) => /openai|insights/i.test(name)))));
  if (request.url === '/api/end') process.exit(7);
  if (request.url !== '/api/ask') return response.writeHead(404).end();
  const answer = await fetch(`${OPENAI_BASE_URL}/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${OPENAI_API_KEY}`, 'content-type': 'application/json', 'x-request-id': request.headers['x-request-id'] ?? '',
    },
    body: JSON.stringify({ model: OPENAI_MODEL, messages: [{ role: 'user', content: 'Hi' }] }),
  });
  const said = (await answer.json()).choices[0].message.content;
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ user: principal.userDetails, said }));
}).listen(Number(PORT), '127.0.0.1');
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_an_api_of_node_is_run_behind_the_gate_with_the_model(run: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "api.mjs").write_text(NODE_API, encoding="utf-8")
    (tmp_path / "index.html").write_text("<p>page", encoding="utf-8")
    (tmp_path / "say.yaml").write_text("- say: Hello from the mock\n", encoding="utf-8")
    rules = {"routes": [{"route": "/api/*", "allowedRoles": ["authenticated"]}]}
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(rules), encoding="utf-8")
    with bind(0, "the test") as sock:
        port = sock.getsockname()[1]
    app = run(
        "up",
        *("--webapp", str(tmp_path), "--cassettes", str(tmp_path), "--site-port", "0", "--model-port", "0"),
        *("--api", f"http://127.0.0.1:{port}", "--run-api", f"node {tmp_path / 'api.mjs'}"),
        PORT=str(port),
        OPENAI_API_KEY="a-real-key-of-the-shell",
        AZURE_OPENAI_AD_TOKEN="a-real-token",
        OPENAI_ORG_ID="org-real",
        APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=real",
        openai_api_base="https://real.example",
    )
    site = app.read_until(r"^(http://127\.0\.0\.1:\d+)$")[1]
    assert re.search(
        rf"^api        http://127\.0\.0\.1:{port}   for it: OPENAI_BASE_URL=\S+ OPENAI_API_KEY=mock",
        "\n".join(app.lines),
        re.M,
    )
    with httpx2.Client(base_url=site, timeout=20) as client:
        assert client.get("/api/ask").status_code == 401
        client.post("/__mock/login", json={"persona": "alice"})
        assert client.get("/api/ask").json() == {"user": "alice@example.com", "said": "Hello from the mock"}
        assert client.get("/api/other").status_code == 404
        known = client.get("/api/environment").json()
        assert {name for name, value in known.items() if value} == {
            "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
        }  # fmt: skip
        # Blank, so that a settings file of its own cannot name a real one.
        assert {name for name, value in known.items() if not value} == {
            "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_API_VERSION",
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
        }  # fmt: skip
        app.read_until(r"alice +GET /api/ask +rule 1.* say.yaml#1 +200")
        assert client.get("/api/end").status_code >= 500
    assert app.exit_status() == 1
    assert "ended with status 7; its own output says why" in "\n".join(app.lines)
    assert app.group_is_empty()


def test_another_server_at_the_apis_address_is_not_taken_for_it(run: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>page", encoding="utf-8")
    with bind(0, "the test") as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        ports = ("--site-port", "0", "--model-port", "0")
        refused = run("up", "--webapp", str(tmp_path), *ports, "--api", url, "--run-api", "node api.mjs")
        assert refused.exit_status() == 1
    assert f"something answers at {url} already" in "\n".join(refused.lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--api", "http://localhost:1", "--topology", "direct"],
            "are for a function app that is started here: --api DIR",
        ),
        (["--api", "http://localhost:1", "--instances", "2"], "are for a function app that is started here"),
        (["--api", "http://localhost:1", "--debug"], "are for a function app that is started here"),
        (["--api", "localhost:7071"], "no such folder: 'localhost:7071'; for a server: http://localhost:7071"),
        (["--api", "api", "--run-api", "node x"], "--run-api needs the URL at which the API will answer"),
        (["--api", "http://localhost:1/api"], "an API's URL must be like http://localhost:PORT, without a path"),
        (["--api", "http://localhost:1", "--run-api", "exit 3"], "--run-api 'exit 3' ended with status 3 before"),
    ],
)
def test_what_does_not_go_with_such_an_api_is_refused(
    run: Callable[..., Running], tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "index.html").write_text("<p>page", encoding="utf-8")
    ports = ("--site-port", "0", "--model-port", "0", "--functions-port", "0")
    refused = run("up", "--webapp", str(tmp_path), *ports, *options)
    assert refused.exit_status() != 0
    assert words in " ".join("\n".join(refused.lines).split())


def test_another_server_at_a_dev_servers_address_is_not_taken_for_it(run: Callable[..., Running]) -> None:
    with bind(0, "the test") as sock:
        url = f"http://localhost:{sock.getsockname()[1]}"
        refused = run("site", "--app", url, "--port", "0", "--run", "npm run dev")
        assert refused.exit_status() == 1
    assert f"--run 'npm run dev': something answers at {url} already; stop it, or leave --run out" in "\n".join(
        refused.lines
    )
