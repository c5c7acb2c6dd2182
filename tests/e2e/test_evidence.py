"""What an answer rests on: sources beside it, reasoning and tool calls folded; and an answer that cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer
from tests.e2e.chat_page import ChatPage

#: Breaks what is kept of a chat's only answer, as another version of the page may have written it.
_BREAK = """async () => {
  const open = indexedDB.open((await indexedDB.databases())[0].name);
  await new Promise((done) => { open.onsuccess = done; });
  const store = open.result.transaction('conversations', 'readwrite').objectStore('conversations');
  const all = store.openCursor();
  await new Promise((done) => {
    all.onsuccess = () => {
      const chat = all.result.value;
      chat.messages.find(({ role, content }) => role === 'assistant' && content.startsWith('Broken')).sources = [null];
      all.result.update(chat).onsuccess = done;
    };
  });
  open.result.close();
}"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_sources_are_opened_and_closed_by_keyboard_alone(
    chat_page: ChatPage, scenario: Callable[[str | None], None], width: int
) -> None:
    page = chat_page.page
    page.set_viewport_size({"width": width, "height": 800})
    scenario("sources")
    chat_page.ask("Tell me about the Lighthouse of Alexandria.")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    citation = page.get_by_role("button", name="Source 2: The tallest buildings of their time")
    citation.press("Enter")
    panel = page.get_by_role("complementary", name="3 sources")
    expect(panel).to_be_visible()
    expect(panel.locator("[aria-current=true]")).to_contain_text("The tallest buildings of their time")
    expect(panel.locator("[aria-current=true]")).to_contain_text("example.com")
    assert [each["id"] for each in Axe().run(page).response["violations"]] == []
    panel.get_by_role("button", name="Close").press("Enter")
    expect(panel).to_be_hidden()
    expect(citation).to_be_focused()
    page.get_by_role("button", name="3 sources").click()
    expect(panel.locator("[aria-current=true]")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.reload()
    expect(page.get_by_role("button", name="3 sources")).to_be_visible()


def test_reasoning_is_open_while_it_comes_and_folded_then(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    mock_server.say("About 20 miles.", reasoning_content="The horizon is **far** away. " * 30, pace={"each_ms": 30})
    chat_page.ask("How far?")
    expect(page.get_by_text("Thinking…")).to_be_visible()
    expect(chat_page.answer).to_contain_text("The horizon is far away.")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    for _ in range(2):  # kept, too
        reasoning = page.get_by_role("group").filter(has_text="Reasoning")
        expect(reasoning.get_by_role("paragraph")).to_be_hidden()
        reasoning.get_by_text("Reasoning").click()
        expect(reasoning.get_by_role("paragraph")).to_be_visible()
        page.reload()
        expect(chat_page.answer).to_contain_text("About 20 miles.")


def test_a_tool_call_is_folded_and_says_that_it_is_not_run(
    chat_page: ChatPage, scenario: Callable[[str | None], None]
) -> None:
    scenario("tool-call")
    chat_page.ask("What is the weather in Oslo?")
    expect(chat_page.status).to_have_text("The model asked for a tool, which this page cannot run.")
    chat_page.answer.get_by_text("Tool call: get_weather").click()
    expect(chat_page.answer.locator("code")).to_have_text('{\n  "city": "Oslo"\n}')
    assert [each["id"] for each in Axe().run(chat_page.page).response["violations"]] == []


def test_an_answer_that_cannot_be_drawn_shows_its_text_and_takes_nothing_else_away(
    page_as: Callable[[str], Page], mock_server: MockServer
) -> None:
    page = page_as("alice")
    page.goto("/")
    chat = ChatPage(page)
    for text in ("First.", "Broken **but** there.", "Last."):
        mock_server.say(text, to=text)
        chat.ask(text)
        expect(chat.answer).to_contain_text(text.replace("**", ""))
        expect(chat.answer).to_have_attribute("data-state", "done")
    address = page.url
    page.goto("/usage")  # the page that has it open would write it as it was
    page.evaluate(_BREAK)
    page.goto(address)
    expect(page.get_by_role("article", name="Assistant said")).to_contain_text(
        ["First.", "Broken **but** there.", "Last."]
    )
    chat.ask("First.")
    expect(page.get_by_role("article", name="Assistant said")).to_have_count(4)
    expect(chat.answer).to_have_attribute("data-state", "done")
