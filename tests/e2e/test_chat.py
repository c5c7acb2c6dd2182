from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, expect

from mockserver.harness.mock_server import MockServer, PaceKeys
from mockserver.matching.conversation import Conversation
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES, load_index
from tests.chat_api_contract import problems
from tests.e2e.chat_page import ChatPage

SLOW: PaceKeys = {"first_ms": 0, "each_ms": 80}


def test_a_recorded_answer_grows_before_it_ends(chat_page: ChatPage, mock_server: MockServer) -> None:
    chat_page.ask("Name five kinds of fruit and a fact about each.")
    expect(chat_page.answer).to_have_attribute("data-state", "streaming")
    expect(chat_page.answer).to_contain_text("Grapes")
    assert "Strawberries" not in chat_page.answer.inner_text()
    expect(chat_page.status).to_have_text("Generating answer")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(chat_page.answer).to_contain_text("Strawberries")
    expect(chat_page.status).to_have_text("Answer complete")
    assert [(entry.decided_by, entry.end) for entry in mock_server.journal] == [("fruits.yaml#1", "eof")]


def test_stopping_keeps_the_partial_answer_and_reaches_the_model(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("word " * 200, to="Count", pace=SLOW)
    chat_page.ask("Count")
    expect(chat_page.answer).to_contain_text("word word word")
    chat_page.stop.click()
    expect(chat_page.answer).to_have_attribute("data-state", "stopped")
    expect(chat_page.status).to_have_text("Answer stopped")
    kept = chat_page.answer.inner_text()
    expect(chat_page.page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    chat_page.page.wait_for_function("() => true")
    assert chat_page.answer.inner_text() == kept
    wait_for_end(chat_page.page, mock_server, "client left")


def test_keeps_the_partial_answer__stream_dropped(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("Lighthouses are **tall**.", to="Tell me about lighthouses", fault="dropped", after=3)
    chat_page.ask("Tell me about lighthouses")
    expect(chat_page.answer).to_have_attribute("data-state", "interrupted")
    expect(chat_page.answer).to_contain_text("Lighthouses are")
    expect(chat_page.alert).to_contain_text("The connection was lost before the answer was complete.")
    assert mock_server.journal[-1].end == "reset"


def test_regenerates_after_a_dropped_stream(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("One two three", fault="dropped", after=3, times=1)
    mock_server.say("One two three")
    chat_page.ask("Count")
    chat_page.alert.get_by_role("button", name="Regenerate answer").click()
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(chat_page.answer).to_contain_text("One two three")
    expect(chat_page.alert).to_have_count(0)


@pytest.mark.slow
def test_the_suggestions_are_answered_by_recordings(chat_page: ChatPage, mock_server: MockServer) -> None:
    buttons = chat_page.page.get_by_role("button", name="Ask: ")
    asked = [(each.get_attribute("aria-label") or "").removeprefix("Ask: ") for each in buttons.all()]
    recorded = {
        "\n".join(Conversation(question.body).last_prompt or ())
        for _, question in load_index([BUNDLED_CASSETTES]).requests()
    }
    assert len(asked) >= 3
    assert set(asked) <= recorded
    chat_page.page.get_by_role("button", name="Ask: What is the capital of France?").click()
    expect(chat_page.answer).to_contain_text("Paris")


def test_a_conversation_of_three_turns_plays_from_its_recording(chat_page: ChatPage, mock_server: MockServer) -> None:
    for question in ("What is the capital of France?", "And of Italy?", "Which river flows through Rome?"):
        chat_page.ask(question)
        expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(chat_page.answer).to_contain_text("Tiber")
    assert [entry.decided_by for entry in mock_server.journal] == [
        "capitals.yaml#1",
        "capitals.yaml#2",
        "capitals.yaml#3",
    ]


def test_what_the_page_asks_keeps_the_apis_contract(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("Hi")
    asked: list[Request] = []
    chat_page.page.on("request", lambda request: asked.append(request) if "/api/" in request.url else None)
    for question in ("One?", "Two?"):
        chat_page.ask(question)
        expect(chat_page.answer).to_have_attribute("data-state", "done")
    assert [problems("Request", request.post_data_json) for request in asked] == [[], []]
    assert re.fullmatch(r"[\w.-]{1,64}", asked[0].headers["x-request-id"])


def test_markdown_is_drawn_and_nothing_in_it_runs(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say(
        "# Title\r\n\r\nSaid once, with `&lt;`.\r\n\r\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint('x')\n```\n\n"
        "<img src=x onerror=\"document.title='run'\"> [bad](javascript:document.title='run') ![pic](https://example.com/p.png)\n"
    )
    chat_page.ask("Show me")
    answer = chat_page.answer
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.get_by_role("table")).to_be_visible()
    expect(answer.get_by_text("Said once, with &lt;.")).to_have_count(1)
    expect(answer.get_by_role("heading", name="Title", level=3)).to_be_visible()
    expect(answer.get_by_role("button", name="Copy code")).to_be_visible()
    expect(answer.get_by_role("link", name="pic")).to_have_attribute("href", "https://example.com/p.png")
    expect(answer.locator("img")).to_have_count(0)
    expect(answer.get_by_role("link", name="bad")).to_have_count(0)
    assert chat_page.page.title().startswith("Show me")
    assert [violation["id"] for violation in Axe().run(chat_page.page).response["violations"]] == []


def test_formulas_are_drawn_as_mathml(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("The area is \\(A = \\pi r^2\\), for $5:\n\n$$\n\\frac{a}{b} \\bad\n$$\n\n$$\\sqrt{2}$$\n")
    chat_page.ask("Show me")
    expect(chat_page.answer.locator("math")).to_have_count(2)
    expect(chat_page.answer).to_contain_text("for $5")
    expect(chat_page.answer.get_by_role("group", name="Formula").first).to_contain_text("\\frac{a}{b} \\bad")
    assert Axe().run(chat_page.page).response["violations"] == []


def test_an_expired_session_is_noticed_and_the_question_kept(chat_page: ChatPage) -> None:
    chat_page.page.context.clear_cookies()
    chat_page.ask("Hello!")
    expect(chat_page.answer).to_have_attribute("data-state", "failed")
    dialog = chat_page.page.get_by_role("dialog", name="You have been signed out")
    dialog.get_by_role("link", name="Sign in").click()
    chat_page.page.get_by_role("button", name="Continue as Alice Invited").click()
    expect(chat_page.page.get_by_role("textbox", name="Message")).to_have_value("Hello!")


def test_enter_sends_but_not_while_an_input_method_composes(chat_page: ChatPage, mock_server: MockServer) -> None:
    mock_server.say("hai")
    box = chat_page.page.get_by_role("textbox", name="Message")
    box.focus()
    session = chat_page.page.context.new_cdp_session(chat_page.page)
    session.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    box.press("Enter")
    expect(chat_page.page.get_by_role("article")).to_have_count(0)
    session.send("Input.insertText", {"text": "日本"})
    box.press("Enter")
    expect(chat_page.answer).to_have_attribute("data-state", "done")


def test_fits_a_phone(chat_page: ChatPage, mock_server: MockServer) -> None:
    chat_page.page.set_viewport_size({"width": 320, "height": 640})
    mock_server.say("```python\n" + "x = 1  # " + "long " * 60 + "\n```")
    chat_page.ask("Show me something wide")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    assert chat_page.page.evaluate("document.documentElement.scrollWidth") == 320


def test_at_four_times_its_size_there_is_room_to_read(chat_page: ChatPage, mock_server: MockServer) -> None:
    """As WCAG's reflow wants it: 1280 by 1024 pixels at 400 %."""
    mock_server.say("One sentence after the other. " * 60)
    page = chat_page.page
    page.set_viewport_size({"width": 320, "height": 256})
    chat_page.ask("Tell me much")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    page.locator(".log").evaluate("log => log.scrollTo(0, 0)")
    jump = page.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_visible()
    room, covered = page.locator(".log").bounding_box(), jump.bounding_box()
    assert room is not None
    assert covered is not None
    assert room["height"] > 0.55 * 256
    assert covered["width"] < 0.1 * room["width"]


def test_a_page_whose_script_is_still_on_its_way_says_so(invited_page: Page) -> None:
    page = invited_page
    page.route("**/assets/*.js", lambda _: None)  # which never come
    page.goto("/", wait_until="commit")
    expect(page.get_by_text("Loading…")).to_be_visible()


def wait_for_end(page: Page, mock_server: MockServer, end: str) -> None:
    """Let the browser run until the journal's last exchange has ended."""
    for _ in range(100):
        if mock_server.journal[-1].end != "open":
            break
        page.evaluate("new Promise(done => requestAnimationFrame(done))")
    assert mock_server.journal[-1].end == end
