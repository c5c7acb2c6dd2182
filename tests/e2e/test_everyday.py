"""Everyday use: rating, the palette, the prompt library, voice, drafts, suggestions and follow-ups, with a tired person's mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from mockserver.contract.addresses import Backend
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.journal.entry import Place
from mockserver.journal.journal import Journal
from mockserver.swa.personas import load_personas
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Watch

ROOT = Path(__file__).parents[2]
#: A browser that hears what the test says: `said('…')`, `failed('code')`; `heard` is whether it listens.
_EARS = """
let ears = null;
window.heard = () => ears !== null;
window.webkitSpeechRecognition = class extends EventTarget {
  start() { ears = this; }
  stop() { ears = null; this.dispatchEvent(new Event('end')); }
  abort() { window.failed('aborted'); }
};
window.SpeechRecognition = undefined;
window.said = (...sentences) => {
  const results = sentences.map((transcript) => [{ transcript }]);
  ears.dispatchEvent(Object.assign(new Event('result'), { results, resultIndex: 0 }));
};
window.failed = (error) => {
  ears.dispatchEvent(Object.assign(new Event('error'), { error }));
  ears.stop();
};
"""


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def answered(chat: ChatPage, server: MockServer, question: str) -> None:
    server.say(f"About {question}", to=question)
    chat.ask(question)
    expect(chat.answer).to_contain_text(f"About {question}")
    expect(chat.answer).to_have_attribute("data-state", "done")


# --- rating ---


def test_an_answer_is_rated_by_keyboard_and_once(
    chat_page: ChatPage, mock_server: MockServer, journal: Journal
) -> None:
    page = chat_page.page
    answered(chat_page, mock_server, "One?")
    bad, good = (page.get_by_role("button", name=f"{each} answer", exact=True) for each in ("Bad", "Good"))
    bad.press("Enter")
    expect(bad).to_have_attribute("aria-expanded", "true")
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("group", name="What was wrong?")).to_have_count(0)
    expect(bad).to_be_focused()
    bad.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Not correct")).to_be_focused()
    page.keyboard.press("Enter")
    expect(bad).to_be_focused()
    expect(bad).to_have_attribute("aria-pressed", "true")
    good.dblclick()
    expect(good).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="New chat", exact=True).click()
    page.get_by_role("navigation").get_by_role("button", name="One?", exact=True).click()
    expect(good).to_have_attribute("aria-pressed", "true")  # read from where it is kept, so it is kept
    page.reload()
    expect(good).to_have_attribute("aria-pressed", "true")
    sent = [entry.status for entry in journal if entry.place is Place.SITE and "feedback" in entry.request.raw_path]
    assert sent == [204, 204]


def test_a_rating_that_does_not_arrive_is_said_to_the_eye(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    answered(chat_page, mock_server, "One?")
    page.context.clear_cookies()
    page.get_by_role("button", name="Good answer").click()
    expect(page.get_by_role("alert")).to_have_text("Your feedback could not be sent.")
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "false")


# --- prompts and the palette ---


def keep_prompt(page: Page, name: str, text: str) -> None:
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    page.get_by_role("textbox", name="Prompt", exact=True).fill(text)
    page.get_by_role("button", name="Keep prompt").click()
    expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


@pytest.mark.slow
def test_prompts_are_kept_renamed_and_removed(chat_page: ChatPage) -> None:
    page = chat_page.page
    page.get_by_role("button", name="alice@example.com").click()
    page.get_by_role("button", name="Prompt library").click()
    keep_prompt(page, "Sum up", "Sum up in a sentence.")
    keep_prompt(page, "Translate", "Translate into Norwegian.")
    page.get_by_role("button", name="Edit Sum up").click()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.get_by_role("textbox", name="Name", exact=True).fill("Translate")
    expect(page.get_by_role("alert")).to_have_text("Another prompt has this name.")
    expect(page.get_by_role("button", name="Keep prompt")).to_be_disabled()
    assert Axe().run(page).response["violations"] == []
    keep_prompt(page, "Shorten", "Say it in one sentence.")
    expect(page.get_by_role("button", name="Sum up", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Delete Translate").press("Enter")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.reload()
    page.keyboard.press("Control+k")
    page.keyboard.type("prompt")
    expect(page.get_by_role("option")).to_have_text(["Open Prompt library", "Prompt Shorten"])


def test_a_prompt_is_added_to_what_is_written_and_one_goes_on_writing(chat_page: ChatPage) -> None:
    page = chat_page.page
    page.keyboard.press("Control+k")
    page.keyboard.type("library")
    page.keyboard.press("Enter")
    keep_prompt(page, "Sum up", "Sum up in a sentence.")
    page.keyboard.press("Escape")
    box(page).fill("My long text.\n")
    page.keyboard.press("Control+k")
    page.keyboard.type("sum")
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("My long text.\n\nSum up in a sentence.")
    expect(box(page)).to_be_focused()


def test_the_palette_opens_a_chat_or_a_new_one_to_write_in(chat_page: ChatPage, mock_server: MockServer) -> None:
    page = chat_page.page
    for question in ("One?", "Two?"):
        answered(chat_page, mock_server, question)
        page.get_by_role("button", name="New chat", exact=True).click()
    page.get_by_role("log").focus()
    page.keyboard.press("Control+k")
    options = page.get_by_role("option")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_text("Chat One?")
    assert page.get_by_role("combobox").get_attribute("aria-activedescendant") == options.last.get_attribute("id")
    page.keyboard.press("Enter")
    expect(chat_page.answer).to_contain_text("About One?")
    expect(box(page)).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.type("new chat")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(0)
    expect(box(page)).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.type("nothing like it")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    assert Axe().run(page).response["violations"] == []


# --- voice ---


@pytest.fixture
def hearing(watched: Callable[[str], Page]) -> ChatPage:
    page = watched("alice")
    page.add_init_script(_EARS)
    page.goto("/")
    expect(page.get_by_role("button", name="alice@example.com")).to_be_visible()
    return ChatPage(page)


def test_what_is_said_is_written_and_what_comes_after_sending_is_not(
    hearing: ChatPage, mock_server: MockServer
) -> None:
    page = hearing.page
    mock_server.say("Yes.")
    box(page).fill("First:")
    page.get_by_role("button", name="Write by voice").click()
    expect(page.get_by_role("button", name="Stop listening")).to_have_attribute("aria-pressed", "true")
    page.evaluate("said(' one.', 'Two. ')")
    expect(box(page)).to_have_value("First: one. Two.")
    page.get_by_role("button", name="Stop listening").click()
    assert not page.evaluate("heard()")
    page.get_by_role("button", name="Write by voice").click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(hearing.answer).to_have_attribute("data-state", "done")
    expect(page.get_by_role("button", name="Write by voice")).to_have_attribute("aria-pressed", "false")
    assert not page.evaluate("heard()")
    expect(hearing.alert).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("not-allowed", "This page may not use the microphone."),
        ("network", "Writing by voice needs a connection"),
        ("no-speech", "Nothing was heard."),
        ("of-another-year", "Writing by voice did not work."),
    ],
)
def test_why_nothing_was_heard_is_said(hearing: ChatPage, code: str, says: str) -> None:
    page = hearing.page
    page.get_by_role("button", name="Write by voice").click()
    page.evaluate("failed", code)
    expect(hearing.alert).to_contain_text(says)
    page.get_by_role("button", name="Write by voice").click()
    expect(hearing.alert).to_have_count(0)


# --- drafts ---

_HIDE = """(hidden) => {
  Object.defineProperty(document, 'visibilityState', { value: hidden ? 'hidden' : 'visible', configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_draft_survives_a_page_that_ends_in_the_background_and_is_gone_once_it_is_sent(
    chat_page: ChatPage, mock_server: MockServer
) -> None:
    page = chat_page.page
    kept = "Object.entries(sessionStorage).filter(([key]) => key.startsWith('draft ')).map(([, text]) => text)"
    box(page).fill("One?")
    page.evaluate(_HIDE, True)
    assert page.evaluate(kept) == ["One?"]
    page.evaluate(_HIDE, False)
    answered(chat_page, mock_server, "One?")
    page.reload()
    expect(page.get_by_role("article", name="You said")).to_have_count(1)
    expect(box(page)).to_have_value("")
    box(page).fill("Two?")
    page.reload()
    expect(box(page)).to_have_value("Two?")


# --- what to ask ---


@pytest.mark.slow
def test_what_is_proposed_in_german_is_answered_and_called_authored(
    watched: Callable[[str], Page], journal: Journal
) -> None:
    page = watched("alice")
    page.add_init_script("localStorage.setItem('preferences', JSON.stringify({ language: 'de' }))")
    page.goto("/")
    proposed = page.get_by_role("button", name="Fragen: ")
    expect(proposed).to_have_count(4)
    answer = page.get_by_role("article", name="Der Assistent schrieb")
    for each in range(4):
        proposed.nth(each).click()
        expect(answer).to_have_attribute("data-state", "done")
        page.get_by_role("button", name="Neuer Chat", exact=True).click()
    decided = [entry.decided_by for entry in journal if entry.place is Place.MODEL]
    assert [str(each).partition("#")[0] for each in decided] == ["authored/suggestions-de.yaml"] * 4


@pytest.fixture(scope="module")
def configured(mock_model: ModelEndpoint) -> Iterator[WholeApp]:
    """An app that proposes what to ask, and takes no images."""
    functions = FunctionApp(mock_model, ApiOptions(ROOT / "api", Backend.OPENAI))
    app = WholeApp(mock_model, functions, SiteOptions(ROOT / "webapp" / "dist", load_personas()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGES", "off")
        patch.setenv("SUGGESTIONS", "Travel > Where is Oslo?|Two?")
        patch.setenv("FOLLOW_UPS", "Shorter?|In Norwegian?")
        with functions, app:
            yield app


def test_what_the_api_proposes_is_asked_and_what_is_written_stays(
    configured: WholeApp, mock_server: MockServer, new_context: Callable[..., Any], watch: Watch
) -> None:
    page = watch(new_context(base_url=configured.url).new_page())
    page.context.add_cookies(
        [{"name": n, "value": v, "url": configured.url} for n, v in configured.cookie("alice").items()]
    )
    page.goto("/")
    chat = ChatPage(page)
    mock_server.say("In Norway.")
    expect(page.get_by_role("button", name="Ask: ")).to_have_text(["TravelWhere is Oslo?", "Two?"])
    picture = {"name": "box.png", "mimeType": "image/png", "buffer": b"\x89PNG"}
    page.get_by_label("Attach files", exact=True).set_input_files(picture)  # type: ignore[arg-type]  # a FilePayload
    expect(chat.alert).to_have_text("box.png cannot be attached: the model takes no images.")
    box(page).fill("A draft")
    page.get_by_role("button", name="Ask: Where is Oslo?").click()
    expect(chat.answer).to_have_attribute("data-state", "done")
    follow_ups = page.get_by_role("list", name="Ask next").get_by_role("button")
    expect(follow_ups).to_have_text(["Shorter?", "In Norwegian?"])
    assert Axe().run(page).response["violations"] == []
    follow_ups.first.press("Enter")
    expect(page.get_by_role("article", name="You said")).to_have_count(2)
    expect(chat.answer).to_have_attribute("data-state", "done")
    expect(follow_ups).to_have_count(2)
    expect(box(page)).to_have_value("A draft")
    expect(box(page)).to_be_focused()
