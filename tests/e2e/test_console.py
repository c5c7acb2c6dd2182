"""The console: what happens is seen while it happens, and the next answer is one's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Watch


@pytest.fixture
def console(chat_page: ChatPage, watch: Watch) -> Page:
    """The console in the browser in which Alice has the page open."""
    console = watch(chat_page.page.context.new_page())
    console.goto("/__mock/")
    expect(console.get_by_text("live", exact=True)).to_be_visible()
    return console


def test_a_visit_is_seen_while_it_happens_and_opened(
    console: Page, chat_page: ChatPage, mock_server: MockServer
) -> None:
    mock_server.say("one two three")
    chat_page.ask("Count!")
    row = console.get_by_role("button", name="Count!")
    expect(row).to_contain_text("alice")
    expect(row).to_contain_text("200")
    row.press("Enter")
    expect(console.locator("b").get_by_text("host", exact=True)).to_be_visible()
    console.locator("details.model summary").press("Enter")
    expect(console.locator("details.model").get_by_role("columnheader", name="due, ms")).to_be_visible()
    expect(console.get_by_role("cell", name=re.compile('" two"'))).to_be_visible()
    console.get_by_label("Filter").fill("nowhere")
    expect(console.get_by_text("Nothing fits the filter.")).to_be_visible()


def test_the_next_answer_is_for_this_browser_alone(
    console: Page, chat_page: ChatPage, mock_server: MockServer, new_context: Callable[..., Any], site: WholeApp
) -> None:
    mock_server.say("What everybody gets.")
    console.get_by_label("What the model says").fill("Only here.")
    console.get_by_role("button", name="Set", exact=True).press("Enter")
    expect(console.get_by_text("Set for this browser. Now ask in the app.")).to_be_visible()
    expect(console.get_by_role("listitem").filter(has_text="“Only here.”")).to_contain_text("once")
    elsewhere = new_context(base_url=site.url)
    elsewhere.add_cookies([{"name": n, "value": v, "url": site.url} for n, v in site.cookie("alice").items()])
    other = ChatPage(elsewhere.new_page())
    other.page.goto("/")
    other.ask("Hi")
    expect(other.answer).to_contain_text("What everybody gets.")
    chat_page.ask("Hi")
    expect(chat_page.answer).to_contain_text("Only here.")
    chat_page.ask("Hi again")
    expect(chat_page.answer).to_contain_text("What everybody gets.")


def test_a_front_end_developer_meets_a_limit_without_a_terminal(console: Page, chat_page: ChatPage) -> None:
    console.get_by_label("fault", exact=True).check()
    console.get_by_label("What goes wrong").select_option("quota_exceeded")
    expect(console.get_by_text("429 that waiting does not end")).to_be_visible()
    console.get_by_role("button", name="Set", exact=True).click()
    expect(console.get_by_text("Set for this browser.")).to_be_visible()
    chat_page.ask("Hi")
    expect(chat_page.answer).to_have_attribute("data-state", "failed")
    expect(console.get_by_role("button", name="Hi alice")).to_contain_text("429")


def test_a_stream_goes_on_piece_by_piece_and_breaks_where_one_wants(console: Page, chat_page: ChatPage) -> None:
    console.get_by_label("What the model says").fill("one two three four five six seven")
    console.get_by_label("hold it, I let it go on piece by piece").check()
    console.get_by_role("button", name="Set", exact=True).click()
    expect(console.get_by_text("Waits for the next question.")).to_be_visible()
    chat_page.ask("Count!")
    console.get_by_role("button", name="One piece").click()
    expect(chat_page.answer.get_by_text("one", exact=True)).to_be_visible()
    console.get_by_label("hold it, I let it go on piece by piece").focus()  # where the keyboard leaves one
    console.keyboard.press("s")
    expect(chat_page.answer.get_by_text("one two", exact=True)).to_be_visible()
    console.get_by_role("button", name="Now").click()
    expect(chat_page.answer).to_have_attribute("data-state", "interrupted")
    expect(console.get_by_text("Waits for the next question.")).to_be_hidden()


def test_what_is_recorded_is_held_too(console: Page, chat_page: ChatPage) -> None:
    console.get_by_label("as it is").check()
    console.get_by_role("button", name="Set", exact=True).click()
    expect(console.get_by_text("Waits for the next question.")).to_be_visible()
    chat_page.ask("What is the capital of France?")
    console.get_by_role("button", name="Five").click()
    expect(chat_page.answer).to_have_attribute("data-state", "streaming")
    console.get_by_role("button", name="Let it go on").click()
    expect(chat_page.answer).to_have_attribute("data-state", "done")


def test_the_session_and_the_clock_are_in_ones_hand(console: Page, chat_page: ChatPage) -> None:
    console.get_by_label("Who to be").select_option("bob")
    console.get_by_role("button", name="Be, for a minute").click()
    expect(console.get_by_role("status").filter(has_text="You are Bob")).to_be_visible()
    console.get_by_role("button", name=re.compile("^Be Alice .* again$")).click()
    expect(console.get_by_text(re.compile("You are Alice .* for 480 minutes"))).to_be_visible()
    console.get_by_role("button", name="Stop it").click()
    expect(console.get_by_text("stands", exact=False).first).to_be_visible()
    console.get_by_role("button", name="+ 1 hour").click()
    console.get_by_role("button", name="Let it run").click()
    console.get_by_role("button", name="Expire my session").click()
    expect(console.get_by_text("The session has expired.", exact=True)).to_be_visible()


@pytest.mark.expects_miss
def test_it_is_accessible_open_and_narrow_light_and_dark(
    console: Page, chat_page: ChatPage, mock_server: MockServer
) -> None:
    chat_page.ask("What nobody has recorded")
    console.get_by_role("button", name="What nobody has recorded").click()
    console.locator("details.model summary").click()
    console.get_by_label("hold it, I let it go on piece by piece").check()
    console.get_by_label("What the model says").fill("x")
    console.get_by_role("button", name="Set", exact=True).click()
    expect(console.get_by_text("Waits for the next question.")).to_be_visible()
    for theme, width in (("light", 1280), ("dark", 390)):
        console.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
        console.set_viewport_size({"width": width, "height": 770})
        assert [(each["id"], theme) for each in Axe().run(console).response["violations"]] == []
        assert console.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_was_set_for_this_browser_is_cleared_and_set_again(
    console: Page, chat_page: ChatPage, mock_server: MockServer
) -> None:
    mock_server.say("What everybody gets.")
    for words in ("Only here.", "And here."):
        console.get_by_label("What the model says").fill(words)
        console.get_by_role("button", name="Set", exact=True).click()
        expect(console.get_by_text("Set for this browser.")).to_be_visible()
        chat_page.ask("Hi")
        expect(chat_page.answer).to_contain_text(words)
        console.get_by_label("What the model says").fill("Never asked for.")
        console.get_by_role("button", name="Set", exact=True).click()
        console.get_by_role("button", name="Clear what is set for this browser").click()
        expect(console.get_by_text("This browser is answered like everybody again.")).to_be_visible()
    chat_page.ask("Hi")
    expect(chat_page.answer).to_contain_text("What everybody gets.")


def test_a_scope_that_a_reset_has_closed_does_not_disturb(
    console: Page, chat_page: ChatPage, mock_server: MockServer
) -> None:
    console.get_by_label("What the model says").fill("Only here.")
    console.get_by_role("button", name="Set", exact=True).click()
    expect(console.get_by_text("Set for this browser.")).to_be_visible()
    console.get_by_role("button", name="Reset").click()
    expect(console.get_by_text("“Only here.”")).to_be_hidden()
    mock_server.say("What everybody gets.")
    chat_page.ask("Hi")
    expect(chat_page.answer).to_contain_text("What everybody gets.")
    console.get_by_label("What the model says").fill("Here again.")
    console.get_by_role("button", name="Set", exact=True).click()
    expect(console.get_by_text("Set for this browser.")).to_be_visible()
    chat_page.ask("Hi")
    expect(chat_page.answer).to_contain_text("Here again.")
