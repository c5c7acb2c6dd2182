"""The page in front of each topology, built as it is deployed for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.options import ApiOptions, SiteOptions, Topology
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import load_personas
from mockserver.wire.server import bind
from tests.e2e.chat_page import ChatPage

ROOT = Path(__file__).parents[2]


def built_for(origin: str, folder: Path) -> Path:
    """The page, its policy opened for one more origin."""
    npx = shutil.which("npx") or "npx"
    command = [npx, "vite", "build", "--outDir", str(folder), "--logLevel", "error"]
    subprocess.run(command, cwd=ROOT / "webapp", env={**os.environ, "DIRECT_ORIGIN": origin}, check=True)
    return folder


#: The others but differ in who answers the page, and their own tests try that.
FIRST = Topology.DIRECT


@pytest.mark.parametrize(
    "topology", [pytest.param(each, marks=[] if each is FIRST else pytest.mark.slow) for each in Topology]
)
def test_the_page_works_in_every_topology(
    topology: Topology, mock_server: MockServer, new_context: Callable[..., Any], tmp_path: Path
) -> None:
    with bind(0, "the direct app") as probe:
        port: int = probe.getsockname()[1]
    dist = ROOT / "webapp" / "dist"
    if topology is Topology.DIRECT:
        dist = built_for(f"http://127.0.0.1:{port}", tmp_path / "dist")
    functions = FunctionApp(mock_server.model, ApiOptions(ROOT / "api", topology=topology, direct_port=port))
    app = WholeApp(mock_server.model, functions, SiteOptions(dist, load_personas()))
    mock_server.say("Lighthouses are **tall**.")
    with functions, app:
        context = new_context(base_url=app.url)
        context.add_cookies([{"name": n, "value": v, "url": app.url} for n, v in app.cookie("alice").items()])
        page: Page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto("/")
        chat = ChatPage(page)
        with page.expect_request("**/api/chat/completions") as asked:
            chat.ask("Tell me about lighthouses")
        expect(chat.answer).to_have_attribute("data-state", "done")
        expect(chat.answer).to_contain_text("Lighthouses are tall.")
        assert asked.value.url.startswith(functions.direct_url or app.url)
        assert complaints == []
    assert [entry.end for entry in mock_server.journal] == ["eof"]
