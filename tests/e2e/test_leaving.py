"""What a person does while an answer comes: scroll, leave the chat, load the page anew, let the session end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from tests.e2e.chat_page import ChatPage

LINES = "A line of an answer that is longer than the screen.\n\n" * 400
_LOG = "document.querySelector('[role=log]')"
_TOP = f"() => {_LOG}.scrollTop"
_HEIGHT = f"() => {_LOG}.scrollHeight"
_LEFT = f"{_LOG}.scrollHeight - {_LOG}.scrollTop - {_LOG}.clientHeight"


@pytest.fixture
def growing(chat_page: ChatPage, mock_server: MockServer) -> ChatPage:
    """A long answer that comes, and whose end is followed."""
    mock_server.say(LINES, pace={"first_ms": 0, "each_ms": 5})
    chat_page.ask("Go on")
    jump = chat_page.page.get_by_role("button", name="Jump to latest")
    jump.click()
    has_grown(chat_page.page)
    chat_page.page.wait_for_function(f"() => {_LEFT} < 48")
    return chat_page


def has_grown(page: Page) -> None:
    """Wait until more of the answer is there than now."""
    page.wait_for_function(f"before => {_LOG}.scrollHeight > before + 400", arg=page.evaluate(_HEIGHT))


def by_wheel(page: Page) -> None:
    page.get_by_role("log").hover()
    page.mouse.wheel(0, -300)


def by_key(page: Page) -> None:
    page.get_by_role("log").focus()
    page.keyboard.press("PageUp")


def by_arrow(page: Page) -> None:
    page.get_by_role("log").focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")


def by_touch(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 500, "y": 200}]})
    for y in range(220, 520, 20):
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": 500, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def by_scrollbar(page: Page) -> None:
    """As a scrollbar does: the log is moved, and no other event tells."""
    page.evaluate(f"() => {{ {_LOG}.scrollTop -= 300 }}")


@pytest.mark.parametrize(
    "scroll",
    [by_wheel, by_key, *(pytest.param(way, marks=pytest.mark.slow) for way in (by_arrow, by_touch, by_scrollbar))],
)
def test_who_scrolls_up_while_an_answer_comes_is_left_there(growing: ChatPage, scroll: Callable[[Page], None]) -> None:
    page = growing.page
    scroll(page)
    page.wait_for_function(f"() => {_LEFT} > 48")
    has_grown(page)
    top = page.evaluate(_TOP)
    has_grown(page)
    assert page.evaluate(_TOP) == pytest.approx(top, abs=1)
    page.get_by_role("button", name="Jump to latest").click()
    has_grown(page)
    page.wait_for_function(f"() => {_LEFT} < 48")


@pytest.mark.slow
def test_who_scrolls_down_to_the_end_by_hand_is_kept_there(growing: ChatPage) -> None:
    page = growing.page
    by_wheel(page)
    page.wait_for_function(f"() => {_LEFT} > 48")
    page.get_by_role("log").hover()
    page.mouse.wheel(0, 100_000)
    page.wait_for_function(f"() => {_LEFT} < 48")
    has_grown(page)
    page.wait_for_function(f"() => {_LEFT} < 48")


def test_an_answer_goes_on_when_one_leaves_its_chat(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    chats = page.get_by_role("navigation", name="Chats")
    mock_server.say("word " * 60, to="Long?", pace={"first_ms": 0, "each_ms": 30})
    mock_server.say("Short.", to="Short?")
    chat_page.ask("Long?")
    expect(chat_page.answer).to_contain_text("word")
    page.get_by_role("button", name="New chat").click()
    expect(chats.get_by_role("img", name="Answering")).to_be_visible()
    chat_page.ask("Short?")
    expect(chat_page.answer).to_contain_text("Short.")
    expect(chats.get_by_role("img", name="New answer")).to_be_visible()
    chats.get_by_role("button", name="Long?", exact=True).click()
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(chat_page.answer).to_contain_text("word " * 60)
    expect(chats.get_by_role("img", name="New answer")).to_have_count(0)
    page.go_back()
    expect(chat_page.answer).to_contain_text("Short.")


def test_what_was_on_the_screen_is_there_after_a_reload(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("word " * 200, pace={"first_ms": 0, "each_ms": 10})
    chat_page.ask("Count for me")
    expect(chat_page.answer).to_contain_text("word word word word word")
    shown = chat_page.answer.locator(".markdown").inner_text()
    chat_page.page.reload()
    expect(chat_page.answer).to_have_attribute("data-state", "interrupted")
    assert chat_page.answer.locator(".markdown").inner_text().startswith(shown.strip())


def test_a_question_that_was_asked_too_late_is_for_whoever_asked_it_alone(
    chat_page: ChatPage, site: WholeApp, page_as: Callable[[str], Page]
) -> None:
    page = chat_page.page
    page.context.clear_cookies()
    chat_page.ask("What is my salary?")
    expect(page.get_by_role("dialog", name="You have been signed out")).to_be_visible()
    page.goto("/.auth/login/aad?persona=carol")
    page.goto("/")
    expect(page.get_by_role("button", name="carol@example.com")).to_be_visible()
    box = page.get_by_role("textbox", name="Message")
    expect(box).to_have_value("")
    page.goto("/.auth/login/aad?persona=alice")
    page.goto("/")
    expect(box).to_have_value("What is my salary?")


def test_an_answer_that_stopped_early_goes_on_in_its_place(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("One, two, ", to="Count", finish="length")
    mock_server.say("three.", to="Continue")
    chat_page.ask("Count")
    expect(chat_page.answer).to_contain_text("The answer reached the length limit.")
    chat_page.answer.get_by_role("button", name="Continue").click()
    expect(chat_page.answer).to_contain_text("One, two, three.")
    expect(chat_page.page.get_by_role("article")).to_have_count(2)
