"""How an answer's text is drawn, where only a browser shows it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from mockserver.harness.mock_server import MockServer, PaceKeys
from tests.e2e.chat_page import ChatPage

SLOW: PaceKeys = {"first_ms": 0, "each_ms": 80}
WORDS = " ".join(f"word{n}" for n in range(60))
CODE = "".join(f"def f{n}():\n    return '{n}'\n" for n in range(60))
#: An A4 page in CSS pixels, less Chromium's own margins.
PAPER: ViewportSize = {"width": 718, "height": 1000}

#: What stands beyond the paper's edges, and what would have to be scrolled.
CUT = """() => {
  const log = document.querySelector('.log');
  const cut = [...log.querySelectorAll('*')]
    .filter((box) => !box.closest('.sr') && getComputedStyle(box).overflowX !== 'visible' && box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.outerHTML.slice(0, 80));
  const texts = document.createTreeWalker(log, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    if (texts.currentNode.parentElement.closest('.sr')) continue;
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    if ([...range.getClientRects()].some((box) => box.width && (box.left < 0 || box.right > innerWidth))) cut.push(range.toString());
  }
  return cut;
}"""


def answered(chat: ChatPage, server: MockServer, answer: str, question: str = "Show me") -> None:
    server.say(answer)
    chat.ask(question)
    expect(chat.answer).to_have_attribute("data-state", "done")


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        f"```python\nx = '{WORDS}'\n```\n",
        "|" + f" {WORDS[:200]} |" * 8 + "\n|" + "---|" * 8 + "\n|" + " Donaudampfschifffahrtsgesellschaft |" * 8 + "\n",
        f"$$\n{' + '.join(f'x_{{{n}}}^2' for n in range(60))}\n$$\n",
        f"So ${' + '.join(f'x_{{{n}}}^2' for n in range(60))}$ holds.\n",
        f"<details>\n<summary>More</summary>\n\n```\n{WORDS}\n```\n\n</details>\n",
    ],
    ids=["code", "table", "formula", "formula among text", "folded"],
)
def test_paper_gets_every_word(chat_page: ChatPage, mock_server: MockServer, answer: str) -> None:
    answered(chat_page, mock_server, answer)
    expect(chat_page.answer.locator("math")).to_have_count(int("$" in answer))
    page = chat_page.page
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(CUT) == []


def test_what_is_folded_is_unfolded_while_it_is_printed(chat_page: ChatPage, mock_server: MockServer) -> None:
    answered(chat_page, mock_server, "<details>\n<summary>More</summary>\n\nwithin\n\n</details>\n")
    within = chat_page.answer.get_by_text("within")
    expect(within).to_be_hidden()
    chat_page.page.evaluate(
        "addEventListener('beforeprint', () => { window.unfolded = document.querySelectorAll('details[open]').length })"
    )
    chat_page.page.pdf()
    assert chat_page.page.evaluate("unfolded") == 1
    expect(within).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("fence", ["", "```\n"], ids=["paragraph", "code"])
def test_what_is_selected_stays_selected_while_the_answer_grows(
    chat_page: ChatPage, mock_server: MockServer, fence: str
) -> None:
    mock_server.say(f"{fence}{WORDS}\n{fence}", pace=SLOW)
    chat_page.ask("Go")
    chat_page.page.wait_for_function(
        """() => {
          const box = document.querySelector('.markdown :is(code, p)');
          const node = box && document.createTreeWalker(box, NodeFilter.SHOW_TEXT).nextNode();
          const at = node ? node.data.indexOf('word1 word2 ') : -1;
          if (at < 0) return false;
          getSelection().setBaseAndExtent(node, at, node, at + 'word1 word2'.length);
          return node.length < 200;
        }"""
    )
    box = chat_page.answer.locator(".markdown code, .markdown p")
    expect(box).to_contain_text("word59")
    assert chat_page.page.evaluate("getSelection().toString()") == "word1 word2"


def test_every_item_of_a_list_stands_beside_its_mark(chat_page: ChatPage, mock_server: MockServer) -> None:
    answered(
        chat_page, mock_server, "Lists:\n\n- \u05e9\u05dc\u05d5\u05dd\n- hello\n\n1. one\n2. \u05e9\u05dc\u05d5\u05dd\n"
    )
    edges = chat_page.answer.locator("li").evaluate_all(
        """(items) => items.map((item) => {
          const range = document.createRange();
          range.selectNodeContents(item);
          const [text, box] = [range.getBoundingClientRect(), item.getBoundingClientRect()];
          return [Math.round(text.left - box.left) === 0, Math.round(box.right - text.right) === 0];
        })"""
    )
    assert edges == [[False, True], [False, True], [True, False], [True, False]]


def test_code_is_coloured_when_it_is_seen__and_is_text_before(chat_page: ChatPage, mock_server: MockServer) -> None:
    rest = "\n\n".join(["```csharp\nvar x = 1;\n```", *(f"Paragraph {n}" for n in range(200)), f"```python\n{CODE}```"])
    answered(chat_page, mock_server, rest)
    first, last = chat_page.answer.locator("code").all()
    expect(first.locator(".hljs-keyword")).to_have_text("var")
    assert last.inner_text() == CODE.rstrip("\n")
    assert last.locator("[class^=hljs]").count() == 0
    last.scroll_into_view_if_needed()
    expect(last.locator(".hljs-keyword").first).to_have_text("def")
    assert last.inner_text() == CODE.rstrip("\n")


def test_a_footnote_is_reached_and_the_address_stays(chat_page: ChatPage, mock_server: MockServer) -> None:
    answered(
        chat_page,
        mock_server,
        "So[^1] it is.\n\n<details>\n<summary>Notes</summary>\n\n[^1]: The reason.\n\n</details>\n",
    )
    address = chat_page.page.url
    chat_page.answer.get_by_role("link", name="1").click()
    expect(chat_page.answer.get_by_role("note")).to_be_focused()
    expect(chat_page.answer.get_by_text("The reason.")).to_be_visible()
    assert chat_page.page.url == address


def test_rare_names_of_characters_are_known(chat_page: ChatPage, mock_server: MockServer) -> None:
    answered(chat_page, mock_server, "Caf&eacute; &rightarrow; &constructor;")
    expect(chat_page.answer.locator("p").first).to_have_text("Café → &constructor;")


def test_a_block_that_cannot_be_drawn_takes_no_other_away(chat_page: ChatPage, mock_server: MockServer) -> None:
    answered(
        chat_page,
        mock_server,
        f"**Before**\n\n{'<sub>' * 20_000}deep{'</sub>' * 20_000}\n\n**After**\n\n{'>' * 20_000} quoted\n\n**End**",
    )
    expect(chat_page.answer.locator("strong")).to_have_text(["Before", "After", "End"])
    expect(chat_page.answer).to_contain_text("deep")
    expect(chat_page.answer).to_contain_text("quoted")


FLOW = "```mermaid\nflowchart LR\n  A[Ask] --> B[Answer]\n```\n"


def test_a_diagram_is_drawn_apart_from_the_page__and_its_code_can_be_seen(
    chat_page: ChatPage, mock_server: MockServer
) -> None:
    answered(chat_page, mock_server, FLOW)
    answer, page = chat_page.answer, chat_page.page
    frame = answer.get_by_title("Diagram")
    drawn = answer.frame_locator("iframe").locator("div.light svg")
    expect(drawn).to_contain_text("Answer")
    expect(answer.locator("code")).to_have_count(0)
    assert frame.evaluate("(frame) => [frame.sandbox.value, frame.contentDocument]") == ["allow-scripts", None]
    assert frame.evaluate("(frame) => frame.offsetHeight") > 20  # it is visible
    answer.get_by_role("button", name="Show code").click()
    expect(answer.locator("code")).to_contain_text("A[Ask] --> B[Answer]")
    page.emulate_media(color_scheme="dark")
    expect(answer.frame_locator("iframe").locator("div.dark svg")).to_be_visible()
    expect(drawn).to_be_hidden()
    page.emulate_media(media="print")
    expect(drawn).to_be_visible()
    assert Axe().run(page).response["violations"] == []


@pytest.mark.slow
def test_a_diagram_that_is_none_stays_code(chat_page: ChatPage, mock_server: MockServer) -> None:
    answered(chat_page, mock_server, f"{FLOW}\n```mermaid\nflowchart LR\n  A[Ask -->\n```\n")
    expect(chat_page.answer.frame_locator("iframe").first.locator("svg")).to_contain_text("Answer")
    expect(chat_page.answer.locator("iframe")).to_have_count(1)
    expect(chat_page.answer.locator("code")).to_contain_text("A[Ask -->")


def test_nothing_in_a_diagram_runs(page_as: Callable[[str], Page], mock_server: MockServer) -> None:
    page = page_as("alice")  # not watched: that the frame's policy stops something is an error on the console
    page.goto("/")
    code = (
        'flowchart LR\n  A["<img src=x onerror=\'document.title = 1\'>"] --> B\n  click B "javascript:document.title=2"'
    )
    answered(ChatPage(page), mock_server, f"```mermaid\n{code}\n```\n")
    frame = ChatPage(page).answer.frame_locator("iframe")
    frame.get_by_text("B", exact=True).click()
    assert frame.locator("html").evaluate("() => [document.title, self.origin]") == ["Diagram", "null"]
    assert page.title().startswith("Show me")
