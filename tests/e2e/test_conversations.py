"""What can be done with a conversation: versions, the chats that are kept, files, settings and keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from mockserver.matching.call import Call
from tests.chat_api_contract import problems
from tests.e2e.chat_page import ChatPage


def asked(chat: ChatPage, server: MockServer, question: str, answer: str) -> None:
    server.say(answer, to=question)
    chat.ask(question)
    expect(chat.answer).to_have_attribute("data-state", "done")
    expect(chat.answer).to_contain_text(answer.replace("**", ""))


def sent(server: MockServer) -> list[str]:
    """What the model was last asked, without the system prompt."""
    body = Call(server.journal[-1].request).body or {}
    return [message["content"] for message in body["messages"] if message["role"] != "system"]


def test_an_edited_question_is_another_version(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    asked(chat_page, mock_server, "Eins?", "One")
    asked(chat_page, mock_server, "Zwei?", "Two")
    mock_server.say("Three", to="Drei?")
    page.get_by_role("button", name="Edit message").last.click()
    page.get_by_role("textbox", name="Your message").fill("Drei?")
    page.get_by_role("button", name="Send again").click()
    expect(chat_page.answer).to_contain_text("Three")
    assert sent(mock_server) == ["Eins?", "One", "Drei?"]
    expect(page.get_by_text("2 of 2")).to_be_visible()
    page.get_by_role("button", name="Previous version").click()
    expect(chat_page.answer).to_contain_text("Two")
    assert Axe().run(page).response["violations"] == []


def test_an_answer_made_again_is_another_version(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("First", times=1)
    mock_server.say("Second")
    chat_page.ask("Say")
    expect(chat_page.answer).to_contain_text("First")
    chat_page.page.get_by_role("button", name="Regenerate answer").click()
    expect(chat_page.answer).to_contain_text("Second")
    assert sent(mock_server) == ["Say"]
    chat_page.page.get_by_role("button", name="Previous version").click()
    expect(chat_page.answer).to_contain_text("First")


def test_chats_are_kept_found_renamed_deleted_and_brought_back(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    chats = page.get_by_role("navigation", name="Chats")
    asked(chat_page, mock_server, "About lighthouses", "Tall")
    page.get_by_role("button", name="New chat").click()
    asked(chat_page, mock_server, "About rivers", "Long")
    page.reload()
    expect(chat_page.answer).to_contain_text("Long")
    chats.get_by_role("searchbox", name="Search chats").fill("tall")
    expect(chats.get_by_role("listitem")).to_have_count(1)
    chats.get_by_role("button", name="About lighthouses", exact=True).click()
    expect(chat_page.answer).to_contain_text("Tall")
    chats.get_by_role("searchbox", name="Search chats").fill("")
    chats.get_by_role("button", name="Rename About lighthouses").click()
    chats.get_by_role("textbox", name="Name of this chat").fill("Türme")
    chats.get_by_role("textbox", name="Name of this chat").press("Enter")
    chats.get_by_role("button", name="Delete Türme").click()
    expect(chats.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(chats.get_by_role("button", name="Türme", exact=True)).to_be_visible()
    expect(chat_page.answer).to_contain_text("Tall")


def test_a_reload_in_the_middle_of_an_answer_loses_no_question(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("word " * 100, pace={"each_ms": 50})
    chat_page.ask("Count for me")
    expect(chat_page.answer).to_contain_text("word")
    chat_page.page.reload()
    expect(chat_page.page.get_by_role("article", name="You said")).to_contain_text("Count for me")
    expect(chat_page.answer).to_have_attribute("data-state", re.compile("interrupted|failed"))


def test_another_tab_shows_what_this_one_keeps(chat_page: ChatPage, mock_server: MockServer) -> None:
    other = chat_page.page.context.new_page()
    other.goto("/")
    asked(chat_page, mock_server, "From one tab", "Heard")
    expect(other.get_by_role("navigation").get_by_role("button", name="From one tab", exact=True)).to_be_visible()


def test_a_browser_that_keeps_nothing_says_so_and_works(invited_page: Page, mock_server: MockServer) -> None:
    invited_page.add_init_script(
        "Object.defineProperty(window, 'indexedDB', {value: {open() { throw new DOMException('no') }}})"
    )
    invited_page.reload()
    expect(invited_page.get_by_text("History is off in this browser mode.")).to_be_visible()
    asked(ChatPage(invited_page), mock_server, "Still there?", "Yes")


def test_a_chat_as_a_file(chat_page: ChatPage, mock_server: MockServer, tmp_path: Path) -> None:
    asked(chat_page, mock_server, "Grüße?", "Hello **you**")
    said: dict[str, str] = {}
    for name in ("Text file", "Markdown file", "JSON file"):
        chat_page.page.get_by_role("button", name="Export").click()
        with chat_page.page.expect_download() as download:
            chat_page.page.get_by_role("button", name=name).click()
        download.value.save_as(tmp_path / "file")
        said[download.value.suggested_filename] = (tmp_path / "file").read_text(encoding="utf-8")
    assert said["Chat.txt"] == "[user]:\nGrüße?\n\n[assistant]:\nHello **you**\n\n"
    assert said["Chat.md"] == "# Grüße?\n\n## You\n\nGrüße?\n\n## Assistant\n\nHello **you**\n"
    kept = json.loads(said["Chat.json"])
    assert [each["content"] for each in kept["messages"]] == ["Grüße?", "Hello **you**"]
    assert problems("Chat", kept) == []


def test_a_chat_comes_back_from_its_file__and_a_file_that_is_none_says_so(
    chat_page: ChatPage, mock_server: MockServer, tmp_path: Path
) -> None:
    page = chat_page.page
    asked(chat_page, mock_server, "Grüße?", "Hello **you**")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON file").click()
    download.value.save_as(tmp_path / "Chat.json")
    page.get_by_role("button", name="New chat").click()
    page.get_by_label("Import a chat").set_input_files(tmp_path / "Chat.json")
    expect(chat_page.answer).to_contain_text("Hello you")
    expect(page.get_by_role("navigation").get_by_role("listitem")).to_have_count(2)
    (tmp_path / "Notes.txt").write_text("Grüße")
    page.get_by_label("Import a chat").set_input_files(tmp_path / "Notes.txt")
    expect(page.get_by_role("alert")).to_have_text("Notes.txt was not imported: it is not JSON.")
    assert Axe().run(page).response["violations"] == []


def test_the_page_speaks_another_language(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    asked(chat_page, mock_server, "Hallo?", "Hello")
    page.get_by_role("textbox", name="Message", exact=True).fill("An unsent draft")
    page.get_by_role("button", name="alice@example.com").click()
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Language").select_option("Deutsch")
    expect(page.get_by_role("textbox", name="Nachricht", exact=True)).to_have_value("An unsent draft")
    expect(page.get_by_role("article", name="Der Assistent schrieb")).to_contain_text("Hello")
    assert page.evaluate("document.documentElement.lang") == "de"
    assert Axe().run(page).response["violations"] == []


@pytest.mark.browser_context_args(locale="de-AT")
def test_a_browsers_language_is_the_pages(site: WholeApp, new_context: Callable[..., Any]) -> None:
    page: Page = new_context(base_url=site.url).new_page()
    page.goto("/register")
    expect(page.get_by_role("link", name="Mit Microsoft anmelden")).to_be_visible()


def test_deleting_ones_data_leaves_none(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    asked(chat_page, mock_server, "Forget me", "Yes")
    page.get_by_role("button", name="alice@example.com").click()
    page.get_by_role("button", name="Delete my data on this device").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete my data").click()
    expect(page.get_by_role("navigation").get_by_role("listitem")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("Your chats will be listed here.")).to_be_visible()


def test_deleting_ones_data_forgets_the_language_too__and_the_chats_all_the_same(
    chat_page: ChatPage, mock_server: MockServer
) -> None:
    page = chat_page.page
    asked(chat_page, mock_server, "Forget me", "Yes")
    page.get_by_role("button", name="alice@example.com").click()
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Language").select_option("Deutsch")
    page.get_by_role("button", name="alice@example.com").click()
    page.get_by_role("button", name="Meine Daten auf diesem Gerät löschen").click()
    page.get_by_role("dialog").get_by_role("button", name="Meine Daten löschen").click()
    expect(page.get_by_text("Your chats will be listed here.")).to_be_visible()


@pytest.mark.slow
def test_settings_last_and_every_dialog_is_accessible(chat_page: ChatPage) -> None:
    page = chat_page.page
    for name in ("Settings", "Usage notes", "Keyboard shortcuts"):
        page.get_by_role("button", name="alice@example.com").click()
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        if name == "Settings":
            page.get_by_label("Theme").select_option("Dark")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    page.wait_for_function("getComputedStyle(document.documentElement).colorScheme === 'dark'")


CLOSED_AND_A_KEY_AT_ONCE = """dialog => {
  dialog.close();
  document.querySelector('[role=log]').dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }));
}"""


def test_the_keyboard_is_enough(chat_page: ChatPage, mock_server: MockServer) -> None:
    page, box = chat_page.page, chat_page.page.get_by_role("textbox", name="Message", exact=True)
    asked(chat_page, mock_server, "One?", "Eins")
    box.press("ArrowUp")
    expect(page.get_by_role("textbox", name="Your message")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("textbox", name="Your message")).to_have_count(0)
    page.get_by_role("log").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("log").focus()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.get_by_role("log").focus()
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    dialog.evaluate(CLOSED_AND_A_KEY_AT_ONCE)
    expect(box).to_be_focused()
    expect(box).to_have_value("")
    page.keyboard.press("Control+k")
    find = page.get_by_role("combobox", name="Find a command, a prompt or a chat")
    expect(find).to_be_focused()
    find.fill("one")
    find.press("ArrowDown")
    find.press("ArrowUp")
    find.press("Enter")
    expect(find).to_have_count(0)
    expect(page.get_by_role("article", name="You said")).to_contain_text("One?")
    page.get_by_role("log").focus()
    page.keyboard.press("Control+Shift+O")
    expect(page.get_by_role("article")).to_have_count(0)
    expect(box).to_be_focused()


def test_offline_is_said_and_what_is_written_is_kept(chat_page: ChatPage, mock_server: MockServer) -> None:
    page, box = chat_page.page, chat_page.page.get_by_role("textbox", name="Message", exact=True)
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    box.fill("Later")
    box.press("Enter")
    expect(page.get_by_role("article")).to_have_count(0)
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_have_count(0)
    mock_server.say("Now")
    box.press("Enter")
    expect(chat_page.answer).to_contain_text("Now")


def test_a_short_limit_ends_by_itself(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("There")
    mock_server.say(fault="rate_limited", retry_after="2s", times=1)
    chat_page.ask("Go")
    expect(chat_page.answer).to_have_attribute("data-state", "limited")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(chat_page.answer).to_contain_text("There")


def test_a_new_question_stands_at_the_top_and_nothing_is_shifted_while_its_answer_grows(
    chat_page: ChatPage, mock_server: MockServer
) -> None:
    page = chat_page.page
    asked(chat_page, mock_server, "First?", "Yes. " * 300)
    page.evaluate(
        "() => { window.shift = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) shift += e.value })"
        ".observe({type: 'layout-shift'}) }"
    )
    mock_server.say("Paragraph of an answer that goes on. " * 8 + "\n\n", to="Second?", pace={"each_ms": 5})
    chat_page.ask("Second?")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(page.get_by_role("article", name="You said").last).to_be_in_viewport()
    top = page.get_by_role("article", name="You said").last.bounding_box()
    assert top is not None
    assert top["y"] < 120
    assert page.evaluate("shift") < 0.01
