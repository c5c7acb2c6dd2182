"""The browser, and the pages the tests speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import browser
import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from mockserver.harness.whole_app import WholeApp
from tests.e2e.chat_page import ChatPage

expect.set_options(
    timeout=20_000
)  # a machine that has other things to do; what is there at once is waited for no longer

#: Nothing but the site is to be asked for; without these Chromium looks for Google at every start.
_QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
_WATCH = (
    "window.violations = []; addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective))"
)
#: Frames and short timers come late, as on a machine that is busy just then: whatever the page does a moment later, a person
#: or a test can be faster than.
_LATE = """{
  const after = setTimeout.bind(window);
  window.setTimeout = (run, ms = 0, ...more) => after(run, ms < 50 ? ms + LATE : ms, ...more);
  window.requestAnimationFrame = (run) => after(() => run(performance.now()), 16 + LATE);
  window.cancelAnimationFrame = clearTimeout.bind(window);
}"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--late", type=int, default=0, metavar="MS", help="let frames and short timers of the page come late"
    )


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": browser.find(), "args": _QUIET}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "viewport": {"width": 1000, "height": 700},
        "locale": "en-GB",
        "reduced_motion": "reduce",
    }


Watch = Callable[[Page], Page]


@pytest.fixture
def watch(pytestconfig: pytest.Config) -> Iterator[Watch]:
    """Fails a test in which a page, once given to this, broke its content security policy or wrote an error to the console.

    That a request was refused is no error of the page's; the browser writes it by itself.
    """
    pages: list[Page] = []
    complaints: list[str] = []

    def wrote(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def watched(page: Page) -> Page:
        page.add_init_script(_WATCH)
        if late := pytestconfig.getoption("late", 0):
            page.add_init_script(_LATE.replace("LATE", str(late)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", wrote)
        pages.append(page)
        return page

    yield watched
    for page in pages:
        complaints += page.evaluate("window.violations ?? []") if not page.is_closed() else []
    assert complaints == []


@pytest.fixture
def watched(page_as: Callable[[str], Page], watch: Watch) -> Callable[[str], Page]:
    """`page_as`, watched."""
    return lambda persona: watch(page_as(persona))


@pytest.fixture
def invited_page(watched: Callable[[str], Page]) -> Page:
    page = watched("alice")
    page.goto("/")
    return page


@pytest.fixture
def chat_page(invited_page: Page) -> ChatPage:
    expect(invited_page.get_by_role("button", name="alice@example.com")).to_be_visible()  # it is known who asks
    return ChatPage(invited_page)


@pytest.fixture
def anonymous_page(new_context: Callable[..., Any], site: WholeApp) -> Page:
    page: Page = new_context(base_url=site.url).new_page()
    return page
