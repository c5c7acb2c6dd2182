"""The timeline, as a developer looks for what happened to a chat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Watch


@pytest.fixture
def timeline(
    chat_page: ChatPage, mock_server: MockServer, site: WholeApp, new_context: Callable[..., Any], watch: Watch
) -> Page:
    """The timeline of a page that was loaded, two questions, one of which failed, and a path that does not exist."""
    mock_server.say("Tall.", to="How tall are lighthouses?")
    mock_server.say("x", to="How deep is the sea?", fault="key_expired")
    for question, state in (("How tall are lighthouses?", "done"), ("How deep is the sea?", "failed")):
        chat_page.ask(question)
        expect(chat_page.answer).to_have_attribute("data-state", state)
    httpx2.get(f"{site.url}/api/nowhere", headers=site.headers("bob"), trust_env=False)
    page = watch(new_context(base_url=mock_server.model.url).new_page())
    page.goto("/__admin/timeline")
    return page


def test_chats_come_first_and_files_are_folded(timeline: Page) -> None:
    visits = timeline.locator(".visit:visible")
    expect(visits.nth(0)).to_contain_text("How tall are lighthouses?")
    expect(visits.nth(1)).to_contain_text("How deep is the sea?")
    expect(visits.nth(0).locator("summary").first).to_contain_text(
        "siteAlice POST /api/chat/completions", ignore_case=True
    )
    expect(timeline.get_by_text("/api/nowhere")).to_be_visible()
    expect(timeline.get_by_text("GET /assets/").first).to_be_hidden()
    timeline.get_by_text("Files and sign-ins").focus()
    timeline.keyboard.press("Enter")
    expect(timeline.get_by_text("GET /assets/").first).to_be_visible()


@pytest.mark.slow
def test_what_one_looks_for_is_found(timeline: Page) -> None:
    everything = timeline.locator(".visit").count()
    words = timeline.get_by_role("searchbox", name="Filter")
    words.fill("Alice SEA")
    expect(timeline.get_by_role("status")).to_have_text(f"1 of {everything} shown")
    expect(timeline.get_by_text("How tall are lighthouses?", exact=True).first).to_be_hidden()
    words.fill("/assets/")
    expect(timeline.get_by_text("GET /assets/").first).to_be_visible()
    words.fill("")
    timeline.get_by_role("checkbox", name="only what went wrong").press("Space")
    expect(timeline.get_by_text("How deep is the sea?").first).to_be_visible()
    expect(timeline.get_by_text("How tall are lighthouses?", exact=True).first).to_be_hidden()
    expect(timeline.locator(".visit:visible")).to_have_count(2)


def test_the_timeline_is_accessible_open_and_folded_light_and_dark(timeline: Page) -> None:
    for width, theme in ((1280, "light"), (390, "dark")):
        timeline.set_viewport_size({"width": width, "height": 720})
        timeline.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of two words
        assert [each["id"] for each in Axe().run(timeline).response["violations"]] == []
        timeline.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
