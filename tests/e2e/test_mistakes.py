"""What people do by mistake, in two tabs, or by keyboard alone: nothing is lost and nothing comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer, PaceKeys
from mockserver.harness.whole_app import WholeApp
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Watch

SLOWLY: PaceKeys = {"each_ms": 60}


def message(page: Page) -> Any:
    return page.get_by_role("textbox", name="Message", exact=True)


@pytest.fixture
def answering(chat_page: ChatPage, mock_server: MockServer) -> ChatPage:
    """A chat in which an answer is under way."""
    mock_server.say("word " * 200, to="Go on", pace=SLOWLY)
    chat_page.ask("Go on")
    expect(chat_page.answer).to_contain_text("word")
    return chat_page


def test_what_is_written_while_an_answer_comes_is_not_lost(answering: ChatPage) -> None:
    message(answering.page).fill("And then?")
    message(answering.page).press("Enter")
    expect(message(answering.page)).to_have_value("And then?")
    expect(answering.answer).to_have_attribute("data-state", "streaming")
    answering.page.get_by_role("button", name="Stop generating").focus()
    answering.page.keyboard.press("Escape")
    expect(answering.answer).to_have_attribute("data-state", "stopped")


def test_a_double_click_on_send_stops_nothing(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("word " * 20, pace={"each_ms": 20})
    message(chat_page.page).fill("Go")
    chat_page.page.get_by_role("button", name="Send", exact=True).dblclick()
    expect(chat_page.answer).to_have_attribute("data-state", "done")


@pytest.mark.slow
def test_the_skip_link_leads_to_the_message_and_stops_nothing(answering: ChatPage) -> None:
    link = answering.page.get_by_role("link", name="Skip to message box")
    link.focus()
    link.press("Enter")
    expect(message(answering.page)).to_be_focused()
    expect(answering.answer).to_have_attribute("data-state", "streaming")


def test_the_page_itself_never_scrolls(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("A long answer.\n\n" * 40)
    for question in ("One?", "Two?"):
        chat_page.ask(question)
        expect(chat_page.answer).to_have_attribute("data-state", "done")
    assert chat_page.page.evaluate("document.documentElement.scrollHeight - innerHeight") == 0


def test_two_tabs_on_one_chat_lose_no_turn(answering: ChatPage, mock_server: MockServer) -> None:
    other = ChatPage(answering.page.context.new_page())
    other.page.goto(answering.page.url)
    expect(other.answer).to_have_attribute("data-state", "streaming")
    other.stop.click()  # there, and it stops here
    expect(answering.answer).to_have_attribute("data-state", "stopped")
    expect(other.answer).to_have_attribute("data-state", "stopped")
    mock_server.say("Hello")
    for chat, question in ((other, "From there?"), (answering, "From here?")):
        chat.ask(question)
        expect(chat.answer).to_have_attribute("data-state", "done")
    expect(other.page.get_by_role("article", name="You said")).to_have_count(3)
    answering.page.reload()
    expect(answering.page.get_by_role("article", name="You said")).to_contain_text(
        ["Go on", "From there?", "From here?"]
    )


@pytest.mark.parametrize("where", ["here", "in another tab"])
def test_a_chat_that_is_deleted_while_its_answer_comes_stays_deleted(answering: ChatPage, where: str) -> None:
    page = answering.page
    if where == "in another tab":
        page = page.context.new_page()
        page.goto("/")
    chats = page.get_by_role("navigation", name="Chats")
    chats.get_by_role("button", name="Delete Go on").click()
    expect(answering.page.get_by_role("article")).to_have_count(0)
    expect(answering.page.get_by_role("navigation").get_by_role("listitem")).to_have_count(0)
    answering.page.reload()
    expect(answering.page.get_by_text("Your chats will be listed here.")).to_be_visible()


@pytest.mark.slow
def test_data_deleted_while_an_answer_comes_stays_deleted(answering: ChatPage) -> None:
    page = answering.page
    page.get_by_role("button", name="alice@example.com").click()
    page.get_by_role("button", name="Delete my data on this device").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete my data").click()
    expect(message(page)).to_be_focused()
    page.reload()
    expect(page.get_by_text("Your chats will be listed here.")).to_be_visible()


def test_who_has_signed_in_again_is_not_told_to(chat_page: ChatPage, site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say("Hello again")
    chat_page.page.context.clear_cookies()
    chat_page.ask("Hi")
    dialog = chat_page.page.get_by_role("dialog", name="You have been signed out")
    dialog.get_by_role("link", name="Sign in").click()
    chat_page.page.get_by_role("button", name="Continue as Alice Invited").click()
    expect(chat_page.page.get_by_text("You have been signed out.")).to_be_visible()
    expect(dialog).to_have_count(0)
    chat_page.alert.get_by_role("button", name="Retry").click()
    expect(chat_page.answer).to_contain_text("Hello again")


@pytest.mark.slow
def test_a_limit_is_waited_for_once(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("There", fault="rate_limited", retry_after="1s")
    chat_page.ask("Go")
    expect(chat_page.page.get_by_text("2 of 2")).to_be_visible()
    expect(chat_page.page.get_by_role("button", name="Retry now")).to_be_enabled()
    expect(chat_page.page.get_by_role("timer")).to_have_text("You can retry now.")
    assert len(mock_server.journal.only(path="/v1/chat/completions")) == 2


@pytest.mark.slow
def test_a_name_given_in_another_tab_while_an_answer_comes_stays(answering: ChatPage) -> None:
    other = answering.page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Rename Go on").click()
    other.keyboard.type("Named")
    other.keyboard.press("Enter")
    expect(answering.page).to_have_title(re.compile("^Named "))
    answering.stop.click()
    expect(answering.answer).to_have_attribute("data-state", "stopped")
    answering.page.reload()
    expect(answering.page.get_by_role("navigation").get_by_role("button", name="Named", exact=True)).to_be_visible()


@pytest.mark.slow
def test_who_signs_in_elsewhere_gets_no_chat_of_a_page_that_was_open(
    chat_page: ChatPage, mock_server: MockServer, site: WholeApp
) -> None:
    page = chat_page.page
    mock_server.say("Hello")
    chat_page.ask("A secret of hers")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    other = page.context.new_page()
    other.goto("/.auth/login/aad?persona=carol")
    with page.expect_response("**/.auth/me"):
        page.context.set_offline(True)
        expect(page.get_by_text("You are offline.")).to_be_visible()
        page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_have_count(0)
    expect(page.get_by_role("button", name="alice@example.com")).to_be_visible()
    other.goto("/")
    expect(other.get_by_role("button", name="carol@example.com")).to_be_visible()
    expect(other.get_by_text("Your chats will be listed here.")).to_be_visible()


def test_a_question_asked_right_after_choosing_a_chat_is_not_lost(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    mock_server.say("Hello")
    chat_page.ask("First chat")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    page.get_by_role("button", name="New chat").click()
    page.evaluate(
        "() => { const query = navigator.locks.query.bind(navigator.locks);"
        " navigator.locks.query = () => new Promise((done) => setTimeout(() => done(query()), 400)) }"
    )
    page.get_by_role("navigation").get_by_role("button", name="First chat", exact=True).click()
    expect(chat_page.answer).to_contain_text("Hello")
    chat_page.ask("At once")
    expect(page.get_by_role("article", name="You said")).to_have_count(2)
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    page.wait_for_function("() => navigator.locks.query().then(() => true)")
    expect(page.get_by_role("article", name="You said")).to_have_count(2)


@pytest.mark.slow
def test_undo_can_be_reached_from_the_drawer(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    page.set_viewport_size({"width": 390, "height": 700})
    mock_server.say("Hello")
    chat_page.ask("Lighthouses")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    page.get_by_role("button", name="Chats").click()
    page.get_by_role("button", name="Delete Lighthouses").click()
    expect(chat_page.status).to_have_text("Chat deleted.")
    page.get_by_role("button", name="Undo").click()
    expect(chat_page.answer).to_contain_text("Hello")


@pytest.mark.slow
def test_escape_leaves_a_name_as_it_was(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("Hello")
    chat_page.ask("Lighthouses")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    chats = chat_page.page.get_by_role("navigation", name="Chats")
    chats.get_by_role("button", name="Rename Lighthouses").click()
    chat_page.page.keyboard.type("Something else")
    chat_page.page.keyboard.press("Escape")
    expect(chats.get_by_role("button", name="Lighthouses", exact=True)).to_be_focused()


def test_the_focus_stays_where_the_work_is(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    mock_server.say("Hello")
    chat_page.ask("Hi")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    edit = page.get_by_role("button", name="Edit message")
    edit.click()
    page.keyboard.press("Escape")
    expect(edit).to_be_focused()
    page.get_by_role("button", name="Regenerate answer").click()
    expect(message(page)).to_be_focused()
    previous = page.get_by_role("button", name="Previous version")
    previous.click()
    expect(page.get_by_text("1 of 2")).to_be_visible()
    expect(previous).to_be_focused()
    page.get_by_role("button", name="Clear chat").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear chat").click()
    expect(message(page)).to_be_focused()
    expect(chat_page.status).to_have_text("Chat deleted.")


def test_the_drawer_takes_the_focus_and_gives_it_back(chat_page: ChatPage) -> None:
    page = chat_page.page
    page.set_viewport_size({"width": 390, "height": 700})
    opener = page.get_by_role("button", name="Chats")
    opener.click()
    expect(page.get_by_role("searchbox", name="Search chats")).to_be_focused()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


@pytest.mark.slow
def test_copying_is_said_and_so_is_that_it_was_not_allowed(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    mock_server.say("Hello")
    chat_page.ask("Hi")
    page.get_by_role("article", name="Assistant said").get_by_role("button", name="Copy message").click()
    expect(chat_page.status).to_have_text("Your browser did not let this page copy.")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("article", name="You said").get_by_role("button", name="Copy message").click()
    expect(chat_page.status).to_have_text("Copied")


def test_a_browser_without_room_says_so_and_goes_on(
    site: WholeApp, page_as: Callable[[str], Page], watch: Watch, mock_server: MockServer
) -> None:
    mock_server.say("Hello")
    page = watch(page_as("alice"))
    page.add_init_script(
        "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError') }"
    )
    page.goto("/")
    chat = ChatPage(page)
    chat.ask("Hi")
    expect(chat.answer).to_contain_text("Hello")
    expect(page.get_by_text("Chats can no longer be saved in this browser")).to_be_visible()


@pytest.mark.slow
def test_what_is_nested_too_deep_to_draw_is_shown_as_it_is(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say(">" * 20_000 + " deep")
    chat_page.ask("Go")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(chat_page.answer).to_contain_text("deep")


def test_an_address_of_a_chat_that_is_not_here_says_so(invited_page: Page) -> None:
    invited_page.goto("/c/00000000-0000-0000-0000-000000000000")
    expect(invited_page.get_by_text("That chat is not on this device.")).to_be_visible()
    expect(invited_page).to_have_url("/")
