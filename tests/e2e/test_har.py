"""A run taken elsewhere: Playwright's own `route_from_har` answers a page from the journal's HAR, and no server is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer
from mockserver.journal.journal import Journal
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Watch


def test_playwright_answers_a_page_from_the_har_of_a_run(
    chat_page: ChatPage,
    mock_server: MockServer,
    journal: Journal,
    page_as: Callable[[str], Page],
    watch: Watch,
    tmp_path: Path,
) -> None:
    mock_server.say("Lighthouses are **tall**, says Zoë.", to="How tall are lighthouses?")
    mock_server.say("x", to="How deep is the sea?", fault="key_expired")
    for question, state in (("How tall are lighthouses?", "done"), ("How deep is the sea?", "failed")):
        chat_page.ask(question)
        expect(chat_page.answer).to_have_attribute("data-state", state)
    journal.wait_for(2, place="model")
    archive = tmp_path / "run.har"
    archive.write_text(json.dumps(journal.har()), encoding="utf-8")
    mock_server.say("From a server")
    before = journal.last_number

    again = ChatPage(watch(page_as("alice")))
    again.page.route_from_har(archive, url="**/api/chat/**", not_found="abort")
    again.page.goto("/")
    again.ask("How tall are lighthouses?")
    expect(again.answer).to_have_attribute("data-state", "done")
    expect(again.answer).to_contain_text("Lighthouses are tall, says Zoë.")
    again.ask("How deep is the sea?")
    expect(again.answer).to_have_attribute("data-state", "failed")
    journal.verify(0, place="model", after=before, within_s=0)
    journal.verify(0, path="/api/chat/completions", after=before, within_s=0)
