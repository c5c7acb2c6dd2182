"""The core flows, in each browser; what only one of them does differently is named where it stands."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mockserver.harness.mock_server import MockServer, PaceKeys
from mockserver.matching.call import Call
from tests.browsers.tab import Chat
from tests.polling import wait_until

SLOW: PaceKeys = {"first_ms": 0, "each_ms": 40}
LOG = "document.querySelector('[role=log]')"


def asked(chat: Chat, server: MockServer, question: str, answer: str, **more: Any) -> None:
    server.say(answer, to=question, **more)
    chat.ask(question)
    chat.is_("done")


def sent(server: MockServer) -> list[dict[str, Any]]:
    """The messages that the model was last asked with, without the system prompt."""
    body = Call(server.journal[-1].request).body or {}
    return [message for message in body["messages"] if message["role"] != "system"]


def test_signs_in_and_out(chat: Chat) -> None:
    chat.click("button", "alice@example.com")
    chat.click("link", "Log out")
    chat.find("link", "Sign in with Microsoft")
    chat.go()
    chat.reads("No password is checked")
    chat.click("button", "Alice Invited", exact=False)
    chat.find("button", "alice@example.com")


def test_an_answer_streams_and_stops(chat: Chat, mock_server: MockServer) -> None:
    mock_server.say("word " * 300, to="Count", pace=SLOW)
    chat.ask("Count")
    chat.is_("streaming")
    chat.says("word word word")
    chat.click("button", "Stop generating")
    chat.is_("stopped")
    chat.reads("You stopped this answer.")
    wait_until(lambda: mock_server.journal[-1].end == "client left", within_s=60)
    chat.find("button", "Send")


def test_an_answer_is_continued_in_place(chat: Chat, mock_server: MockServer) -> None:
    mock_server.say("The first half.", to="Tell", finish="length")
    mock_server.say(" The second half.", to="Continue")
    chat.ask("Tell")
    chat.click("button", "Continue")
    chat.says("The first half. The second half.")
    chat.is_("done")
    assert chat.count("article") == 2


def test_questions_and_answers_have_versions(chat: Chat, mock_server: MockServer) -> None:
    mock_server.say("First", to="Eins?", times=1)
    chat.ask("Eins?")
    chat.says("First")
    mock_server.say("Second", to="Eins?")
    chat.click("button", "Regenerate answer")
    chat.says("Second")
    chat.click("button", "Previous version")
    chat.says("First")
    mock_server.say("Third", to="Zwei?")
    chat.click("button", "Edit message")
    chat.fill("textbox", "Your message", "Zwei?")
    chat.click("button", "Send again")
    chat.says("Third")
    assert [message["content"] for message in sent(mock_server)] == ["Zwei?"]
    chat.reads("2 of 2")


def test_a_chat_that_is_left_goes_on_answering_and_has_a_mark(chat: Chat, mock_server: MockServer) -> None:
    mock_server.say("word " * 200 + "end", to="Go on", pace=SLOW)
    chat.ask("Go on")
    chat.says("word")
    chat.click("button", "New chat")
    chat.until("() => document.querySelector('nav .mark.answering')?.ariaLabel === 'Answering'")
    chat.until("() => document.querySelector('nav .mark.unread')?.ariaLabel === 'New answer'")
    chat.click("button", "Go on")
    chat.says("end")
    chat.until("() => !document.querySelector('nav .mark')")


def test_a_reload_in_the_middle_keeps_what_came(chat: Chat, mock_server: MockServer) -> None:
    mock_server.say("word " * 600, to="Go on", pace=SLOW)
    chat.ask("Go on")
    chat.says("word " * 20)
    before = chat.answer()
    chat.go(chat.run("() => location.pathname"))
    chat.is_("interrupted")
    chat.reads("Go on")
    assert chat.answer().startswith(before.strip()[:60])


def test_one_can_scroll_up_while_an_answer_streams(chat: Chat, mock_server: MockServer) -> None:
    asked(chat, mock_server, "First?", "A paragraph of an answer.\n\n" * 40)
    mock_server.say(
        "Paragraph of an answer that goes on. " * 8 + "\n\n" + "More of it.\n\n" * 200, to="Second?", pace=SLOW
    )
    chat.ask("Second?")
    chat.is_("streaming")
    chat.click("button", "Jump to latest")
    log = chat.driver.element(f"() => {LOG}")
    chat.driver.wheel(log, -600)
    chat.find("button", "Jump to latest")
    top = chat.run(f"() => {LOG}.scrollTop")
    length = len(chat.answer())
    wait_until(lambda: len(chat.answer()) > length + 50, within_s=60)
    assert chat.run(f"() => {LOG}.scrollTop") == pytest.approx(top, abs=2)
    chat.click("button", "Stop generating")


def test_the_composer_grows_with_its_text(chat: Chat) -> None:
    field = chat.find("textbox", "Message")
    one = chat.run("(field) => field.clientHeight", field)
    chat.driver.click(field)
    chat.driver.type("One")
    for _ in range(4):
        chat.press("Shift+Enter")
        chat.driver.type("more")
    grown = chat.run("(field) => [field.clientHeight, field.scrollHeight]", field)
    assert grown[0] > 3 * one
    assert grown[1] <= grown[0] + 1
    chat.fill("textbox", "Message", "x")
    chat.until("(field, one) => field.clientHeight === one", field, one)


def test_an_image_goes_with_a_question(chat: Chat, mock_server: MockServer, tmp_path: Path) -> None:
    Image.new("RGB", (3000, 20), "teal").save(tmp_path / "picture.png")
    mock_server.say("Teal", to="Which colour?")
    chat.driver.choose(
        chat.driver.element("() => document.querySelector('.composer input[type=file]')"), tmp_path / "picture.png"
    )
    chat.until("() => document.querySelector('.composer .attachments img')?.naturalWidth === 2048")
    chat.ask("Which colour?")
    chat.says("Teal")
    chat.until("() => document.querySelector('article.user img')?.naturalWidth === 2048")
    [question] = sent(mock_server)
    assert [part["type"] for part in question["content"]] == ["image_url", "text"]


def test_sources_open_beside_the_answer(chat: Chat, mock_server: MockServer) -> None:
    mock_server.say(
        "Lighthouses are tall.",
        to="Why?",
        citations=[{"title": "On towers", "url": "https://example.com/towers"}],
    )
    chat.ask("Why?")
    chat.is_("done")
    chat.click("button", "1 source")
    chat.find("link", "On towers")
    place = chat.run(
        "() => { const { right, bottom } = document.querySelector('.sources').getBoundingClientRect(); return [right, bottom] }"
    )
    assert place[0] <= chat.run("() => innerWidth")
    assert place[1] <= chat.run("() => innerHeight")
    chat.press("Escape")
    chat.until("() => !document.querySelector('.sources:popover-open')")


def test_reasoning_is_folded(chat: Chat, mock_server: MockServer) -> None:
    asked(chat, mock_server, "Think", "It is so.", reasoning_content="Because of **that**.")
    assert chat.count("fold", "Reasoning") == 1
    assert "Because" not in chat.answer()
    chat.click("fold", "Reasoning")
    chat.says("Because of that.")


def test_the_keyboard_is_enough(chat: Chat, mock_server: MockServer) -> None:
    asked(chat, mock_server, "One?", "Eins")
    chat.press("ArrowUp")
    chat.focused("textbox", "Your message")
    chat.press("Escape")
    chat.until("() => !document.querySelector('.editor')")
    chat.press("?")
    chat.find("dialog")
    chat.press("Escape")
    chat.until("() => !document.querySelector('dialog')")
    chat.press("/")
    chat.focused("textbox", "Message")
    chat.press("Control+Shift+O")
    chat.until("() => !document.querySelector('article')")
    chat.press("Control+k")
    chat.focused("combobox", "Find a command, a prompt or a chat")
    chat.driver.type("one")
    chat.press("ArrowDown", "Enter")
    chat.says("Eins")


def test_markdown_is_drawn(chat: Chat, mock_server: MockServer) -> None:
    asked(
        chat,
        mock_server,
        "Show",
        "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\ndef f():\n    return 'x'\n```\n\nThe area is $A = \\pi r^2$.\n\n"
        "```mermaid\ngraph LR; Alpha --> Beta\n```\n\n<img src=x onerror=\"document.title='run'\">\n",
    )
    chat.until("() => document.querySelector('.markdown table') && document.querySelector('.markdown h3')")
    chat.until("() => document.querySelectorAll('.markdown pre code span').length > 2")
    chat.until("() => document.querySelector('.markdown math')?.getBoundingClientRect().height > 8")
    chat.until("() => document.querySelector('.diagram iframe')?.height > 20")
    assert "run" not in chat.run("() => document.title")


def test_chats_are_found(chat: Chat, mock_server: MockServer) -> None:
    asked(chat, mock_server, "About lighthouses", "Tall")
    chat.click("button", "New chat")
    asked(chat, mock_server, "About rivers", "Long")
    chat.fill("searchbox", "Search chats", "tall")
    chat.until("() => document.querySelectorAll('nav li').length === 1")
    chat.click("button", "About lighthouses")
    chat.says("Tall")


def test_a_draft_waits_for_a_new_sign_in_and_for_nobody_else(chat: Chat) -> None:
    chat.driver.forget()
    chat.ask("Hello!")
    chat.reads("You have been signed out")
    chat.click("link", "Sign in")
    chat.click("button", "Carol", exact=False)
    chat.find("button", "carol@example.com")
    assert chat.run("() => document.querySelector('#message').value") == ""
    chat.sign_in("alice")
    chat.until("() => document.querySelector('#message').value === 'Hello!'")


def test_a_browser_that_keeps_nothing_is_enough(chat: Chat, mock_server: MockServer) -> None:
    chat.run("() => sessionStorage.setItem('blocked', 'yes')")
    chat.go()
    chat.reads("History is off in this browser mode.")
    asked(chat, mock_server, "Still there?", "Yes")


def test_the_page_is_german_and_dark(chat: Chat, mock_server: MockServer) -> None:
    asked(chat, mock_server, "Hallo?", "Guten Tag")
    chat.click("button", "alice@example.com")
    chat.click("button", "Settings")
    chat.select("Theme", "Dark")
    chat.until("() => getComputedStyle(document.documentElement).colorScheme === 'dark'")
    chat.until("() => getComputedStyle(document.documentElement).backgroundColor === 'rgb(31, 31, 31)'")
    chat.select("Language", "Deutsch")
    chat.find("textbox", "Nachricht")
    chat.says("Guten Tag")
    assert chat.run("() => document.documentElement.lang") == "de"
    assert chat.run("() => getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_a_phone_has_room_for_it(chat: Chat, mock_server: MockServer) -> None:
    chat.driver.resize(390, 660)
    asked(chat, mock_server, "Wide?", "```python\n" + "x = 1  # " + "long " * 60 + "\n```")
    assert chat.run("() => document.documentElement.scrollWidth <= innerWidth")
    chat.click("button", "Chats")
    chat.focused("searchbox", "Search chats")
    chat.press("Escape")
    chat.focused("button", "Chats")


def test_paper_gets_every_word(chat: Chat, mock_server: MockServer) -> None:
    words = [f"word{n}" for n in range(60)]
    folded = "<details>\n<summary>More</summary>\n\nunfolded\n\n</details>"
    asked(chat, mock_server, "Show", f"```text\n{' '.join(words)}\n```\n\n{folded}\n")
    if (paper := chat.driver.paper()) is None:
        pytest.skip(f"{chat.driver.version}: its driver cannot print")
    from pypdf import PdfReader

    printed = "".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    assert [word for word in [*words, "unfolded"] if word not in printed] == []
