"""Files that go with a question: picked, pasted, dropped, taken out, refused; kept with the chat, exported, and sent again."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Locator, Page, Request, expect

from mockserver.harness.mock_server import MockServer
from mockserver.swa.states import THEMES, WIDTHS
from tests.e2e.chat_page import ChatPage

#: A PNG of so many pixels; `noise` makes it large.
_DRAW = """async ([width, height, noise]) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  let seed = 1;
  for (let at = 0; at < image.data.length; at++) {
    seed = (seed * 48271) % 2147483647;
    image.data[at] = at % 4 === 3 ? 255 : noise ? seed % 256 : 90;
  }
  context.putImageData(image, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
  return btoa(Array.from(bytes, (each) => String.fromCharCode(each)).join(''));
}"""
#: Files arrive at an element as from elsewhere; whether the page took them.
_ARRIVE = """async (element, [kind, files, text, times]) => {
  const data = new DataTransfer();
  for (const [name, type, encoded] of files) {
    data.items.add(new File([Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0))], name, { type }));
  }
  if (text) data.setData('text/plain', text);
  const how = { bubbles: true, cancelable: true };
  const event = () =>
    kind === 'paste' ? new ClipboardEvent(kind, { ...how, clipboardData: data }) : new DragEvent(kind, { ...how, dataTransfer: data });
  if (!times) return !element.dispatchEvent(event());
  while (times--) element.dispatchEvent(event());
  for (let drawn = 0; drawn < 5; drawn++) await null;
  return !element.dispatchEvent(new KeyboardEvent('keydown', { ...how, key: 'Enter' })); // sooner than they are read
}"""


def png(page: Page, name: str = "box.png", size: tuple[int, int] = (40, 20), *, noise: bool = False) -> FilePayload:
    drawn = page.evaluate(_DRAW, [*size, noise])
    return FilePayload(name=name, mimeType="image/png", buffer=base64.b64decode(drawn))


def text(name: str, content: str = "x") -> FilePayload:
    return FilePayload(name=name, mimeType="text/plain", buffer=content.encode())


def arrives(at: Locator, kind: str, *files: FilePayload, words: str = "", times_and_enter: int = 0) -> bool:
    encoded = [[each["name"], each["mimeType"], base64.b64encode(each["buffer"]).decode()] for each in files]
    return bool(at.evaluate(_ARRIVE, [kind, encoded, words, times_and_enter]))


def pick(page: Page, *files: FilePayload) -> None:
    page.get_by_label("Attach files", exact=True).set_input_files(files)


def image(page: Page, name: str = "box.png") -> Locator:
    return page.get_by_role("img", name=f"Attached: {name}")


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def done(chat: ChatPage, says: str) -> None:
    expect(chat.answer).to_contain_text(says)
    expect(chat.answer).to_have_attribute("data-state", "done")


def accessible(page: Page) -> None:
    for theme, width in zip(THEMES, WIDTHS, strict=True):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
        page.set_viewport_size({"width": width, "height": 770})
        assert [each["id"] for each in Axe().run(page).response["violations"]] == []


@pytest.fixture
def sees(mock_server: MockServer) -> MockServer:
    """A model that says whether it sees an image."""
    mock_server.say("I see nothing.")
    mock_server.say("I see a box.", when={"images": True})
    return mock_server


def test_what_cannot_be_attached_says_why_and_the_focus_stays_where_one_writes(chat_page: ChatPage) -> None:
    page = chat_page.page
    zipped = FilePayload(name="all.zip", mimeType="application/zip", buffer=bytes(range(256)))
    broken = FilePayload(name="cut.png", mimeType="image/png", buffer=b"\x89PNG")
    pick(page, png(page), text("A long name of a file with all the notes of a whole year.txt"), zipped, broken)
    expect(page.get_by_role("alert")).to_have_text(
        [
            "all.zip cannot be attached: it is neither an image nor plain text.",
            "cut.png cannot be attached: this browser cannot read it.",
        ]
    )
    expect(image(page)).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Attached: box.png, A long name")
    accessible(page)
    page.get_by_role("button", name="Remove box.png").press("Enter")
    expect(image(page)).to_have_count(0)
    expect(box(page)).to_be_focused()
    pick(page, *(text(f"{number}.txt") for number in range(10)))
    expect(page.get_by_role("alert")).to_have_text(["9.txt cannot be attached: a message has at most 10 files."])


@pytest.mark.slow
def test_two_pastes_at_once_count_each_other_and_a_question_waits_for_its_files(
    chat_page: ChatPage, sees: MockServer
) -> None:
    page = chat_page.page
    large = [png(page, f"{number}.png", (700, 700), noise=True) for number in range(2)]
    box(page).fill("What is this?")
    assert arrives(box(page), "paste", *large, *(text(f"{number}.txt") for number in range(2)), times_and_enter=3)
    expect(page.get_by_role("alert")).to_have_count(2)  # 12, of which 10 are taken
    expect(page.get_by_role("list", name="Attached files").get_by_role("listitem")).to_have_count(10)
    expect(page.get_by_role("article")).to_have_count(0)
    box(page).press("Enter")
    done(chat_page, "I see a box.")
    expect(page.get_by_role("article", name="You said").get_by_role("listitem")).to_have_count(10)
    assert sees.journal[-1].status == 200


def test_a_cell_of_a_table_is_pasted_as_its_text(chat_page: ChatPage) -> None:
    page = chat_page.page
    assert not arrives(box(page), "paste", png(page), words="42")
    expect(image(page)).to_have_count(0)


def test_files_are_attached_wherever_they_are_dropped(chat_page: ChatPage) -> None:
    page = chat_page.page
    for at in (page.get_by_role("banner"), page.get_by_role("navigation"), page.get_by_role("log")):
        assert arrives(at, "dragover", png(page))
        expect(page.locator(".box")).to_have_css("outline-style", "dashed")
        expect(page.locator(".column")).to_have_css("outline-style", "none")
        assert arrives(at, "drop", png(page))
        expect(page.locator(".box")).to_have_css("outline-style", "none")
    expect(image(page)).to_have_count(3)
    assert not arrives(box(page), "drop", words="Some words")  # the browser puts them in
    page.keyboard.press("Control+k")
    assert arrives(page.get_by_role("dialog"), "drop", png(page))  # and nothing happens
    page.keyboard.press("Escape")
    expect(image(page)).to_have_count(3)


def test_an_image_goes_with_its_question_each_time_it_is_asked(chat_page: ChatPage, sees: MockServer) -> None:
    del sees
    page = chat_page.page
    pick(page, png(page))
    expect(image(page)).to_be_visible()
    box(page).press("Enter")  # without a word
    done(chat_page, "I see a box.")
    expect(page).to_have_title(re.compile(r"^box\.png "))
    page.reload()
    expect(image(page)).to_be_visible()
    page.get_by_role("button", name="Regenerate answer").click()
    expect(page.get_by_text("2 of 2")).to_be_visible()
    done(chat_page, "I see a box.")
    chat_page.ask("And now?")
    expect(page.get_by_role("article", name="You said")).to_have_count(2)
    done(chat_page, "I see a box.")
    page.get_by_role("button", name="Edit message").first.click()
    page.get_by_role("textbox", name="Your message").fill("What is this?")
    accessible(page)
    page.get_by_role("button", name="Send again").click()
    done(chat_page, "I see a box.")
    page.get_by_role("button", name="Edit message").click()
    page.get_by_role("button", name="Remove box.png").click()
    expect(page.get_by_role("textbox", name="Your message")).to_be_focused()
    page.keyboard.press("Control+Enter")
    done(chat_page, "I see nothing.")
    expect(image(page)).to_have_count(0)


def test_a_refused_image_is_taken_out_of_its_question(
    chat_page: ChatPage, scenario: Callable[[str | None], None], mock_server: MockServer
) -> None:
    page = chat_page.page
    scenario("image-refused")
    mock_server.say("Then describe it.", when={"images": False})
    pick(page, png(page))
    expect(image(page)).to_be_visible()
    chat_page.ask("What is this?")
    expect(chat_page.alert).to_contain_text("This model takes no images.")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    chat_page.alert.get_by_role("button", name="Edit message").press("Enter")
    page.get_by_role("button", name="Remove box.png").press("Enter")
    page.keyboard.press("Control+Enter")
    done(chat_page, "Then describe it.")


def exported(page: Page, name: str, folder: Path) -> Path:
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def test_files_of_a_chat_are_exported_imported_and_found(chat_page: ChatPage, sees: MockServer, tmp_path: Path) -> None:
    page = chat_page.page
    pick(page, png(page), text("notes.txt", "Buy milk."))
    expect(image(page)).to_be_visible()
    chat_page.ask("What is this?")
    done(chat_page, "I see a box.")
    assert "Attached: box.png\nnotes.txt:\n\nBuy milk.\n" in exported(page, "Text file", tmp_path).read_text("utf-8")
    markdown = exported(page, "Markdown file", tmp_path).read_text("utf-8")
    assert re.search(
        r"!\[box\.png\]\(data:image/png;base64,[\w+/=]+\)\n\nnotes\.txt:\n\n```\nBuy milk\.\n```", markdown
    )
    file = exported(page, "JSON file", tmp_path)
    page.get_by_role("button", name="Clear chat").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear chat").click()
    expect(page.get_by_role("article")).to_have_count(0)
    page.get_by_label("Import a chat").set_input_files(file)
    expect(image(page)).to_be_visible()
    page.get_by_role("button", name="Regenerate answer").click()
    done(chat_page, "I see a box.")
    chats = page.get_by_role("navigation")
    page.get_by_role("searchbox").fill("notes.txt")
    expect(chats.get_by_role("button", name="What is this?", exact=True)).to_be_visible()
    page.get_by_role("searchbox").fill("other.txt")
    expect(page.get_by_text("No chat has “other.txt”.")).to_be_visible()
    assert sees.journal[-1].status == 200


@pytest.mark.slow
def test_what_is_too_large_is_not_sent_and_says_what_to_do(
    chat_page: ChatPage, sees: MockServer, tmp_path: Path
) -> None:
    page = chat_page.page
    pick(page, text("notes.txt"))
    chat_page.ask("What is this?")
    done(chat_page, "I see nothing.")
    chat = json.loads(exported(page, "JSON file", tmp_path).read_text("utf-8"))
    chat["messages"][0]["attachments"][0]["data"] = "x" * 30_000_000
    (tmp_path / "large.json").write_text(json.dumps(chat))
    page.get_by_label("Import a chat").set_input_files(tmp_path / "large.json")
    expect(page.get_by_role("navigation").get_by_role("listitem")).to_have_count(2)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "completions" in request.url else None)
    chat_page.ask("And now?")
    expect(chat_page.alert).to_contain_text("This conversation and its files are too large to send.")
    assert asked == []
    chat_page.alert.get_by_role("button", name="Start new chat").click()
    chat_page.ask("Hi")
    done(chat_page, "I see nothing.")
    assert len(asked) == 1
    assert sees.journal[-1].status == 200
