"""The endpoint at https: clients that trust its authority get everything, others nothing."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import httpx2
import openai
import pytest

from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.simulation.settings import OnMiss
from tests.integration.running import Running


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelEndpoint:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE, speed=1000, tls=True))


def test_a_client_that_trusts_the_authority_gets_streams_and_faults(endpoint: ModelEndpoint) -> None:
    assert endpoint.authority_file is not None
    trusting = ssl.create_default_context(cafile=str(endpoint.authority_file))
    with endpoint, httpx2.Client(verify=trusting) as http:
        assert endpoint.url.startswith("https://127.0.0.1:")
        local = endpoint.url.replace("127.0.0.1", "localhost")
        client = openai.OpenAI(base_url=f"{local}/v1", api_key="k", http_client=http, max_retries=0)
        with client.responses.stream(model="gpt-4o", input="Tell a story.") as events:
            assert events.get_final_response().output_text
        made = client.images.generate(model="dall-e-3", prompt="x", size="1024x1024")
        assert http.get(str((made.data or [])[0].url)).content.startswith(b"\x89PNG")
        endpoint.simulation.scopes.say_entries({"fault": "dropped", "after": 3, "times": 1}, name="test")
        with pytest.raises(openai.APIConnectionError):
            list(
                client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}], stream=True)
            )
    assert "KEY" not in endpoint.authority_file.read_text()
    assert stat.S_IMODE(endpoint.authority_file.parent.stat().st_mode) == 0o700


def test_a_client_that_does_not_trust_it_or_speaks_plainly_gets_nothing(endpoint: ModelEndpoint) -> None:
    with endpoint:
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx2.get(f"{endpoint.url}/v1/models")
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{endpoint.url.replace('https', 'http')}/v1/models")
        assert len(endpoint.simulation.journal) == 0


def test_the_command_names_the_certificate(run: Callable[..., Running]) -> None:
    started = run("model", "--tls", "--port", "0", "--on-miss", "generate")
    authority = started.read_until(r"^SSL_CERT_FILE=(.+)")[1]
    url = started.read_until(r"ready (https://\S+)")[1]
    trusting = ssl.create_default_context(cafile=authority)
    answer = httpx2.get(f"{url}/v1/models", headers={"authorization": "Bearer k"}, verify=trusting)
    assert answer.status_code == 200


def test_a_site_is_at_https_and_so_is_its_dev_server(
    run: Callable[..., Running], endpoint: ModelEndpoint, tmp_path: Path
) -> None:
    """The dev server's certificate is one that nobody knows, as those of Blazor and Angular are."""
    with endpoint:
        started = run("site", "--app", endpoint.url, "--ssl", "--port", "0", folder=tmp_path)
        authority = started.read_until(r"^trust +(.+)")[1]
        url = started.read_until(r"ready (https://\S+)")[1]
        trusting = ssl.create_default_context(cafile=authority)
        answer = httpx2.get(f"{url}/v1/models", headers={"authorization": "Bearer k"}, verify=trusting)
        assert (answer.status_code, answer.json()["object"]) == (200, "list")
