"""Every state of an answer, through the whole chain by scenario: what it says, that it is accessible, and how it looks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mockserver.contract.addresses import Backend
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import load_personas
from mockserver.swa.states import PICTURES, THEMES, WIDTHS, State, load_states
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Watch

ROOT = Path(__file__).parents[2]
STATES = load_states(ROOT / "webapp" / "states.yaml")
LOOKS = [(theme, width) for theme in THEMES for width in WIDTHS]
#: Between them each theme, whose colours differ, and each width, whose parts do.
CHECKED = list(zip(THEMES, WIDTHS, strict=True))


@pytest.fixture(scope="module")
def azure(mock_model: ModelEndpoint) -> Iterator[WholeApp]:
    """The app on Azure OpenAI, which alone has a filter, giving up after two seconds."""
    os.environ["ANSWER_WITHIN_S"] = "5"
    functions = FunctionApp(mock_model, ApiOptions(ROOT / "api", Backend.AZURE))
    app = WholeApp(mock_model, functions, SiteOptions(ROOT / "webapp" / "dist", load_personas()))
    try:
        with functions, app:
            yield app
    finally:
        del os.environ["ANSWER_WITHIN_S"]


def test_every_state_of_the_page_has_its_card() -> None:
    source = (ROOT / "webapp" / "src" / "conversation.ts").read_text(encoding="utf-8")
    listed = re.search(r"STATES = \[(.*?)\]", source, re.DOTALL)
    assert listed
    assert {each.state for each in STATES} == set(re.findall(r"'(\w+)'", listed[1]))


@pytest.mark.parametrize("card", STATES, ids=[each.name for each in STATES])
def test_a_state_says_what_it_is_and_is_accessible(
    card: State,
    azure: WholeApp,
    mock_server: MockServer,
    scenario: Callable[[str | None], None],
    new_context: Callable[..., Any],
    watch: Watch,
) -> None:
    scenario(card.scenario)
    if card.name == "Complete":
        mock_server.say(
            "Use `sorted`:\n\n```python\nprint(sorted([3, 1, 2]))\n```\n\n| call | gives |\n|---|---|\n| `sorted` | a new list |\n"
        )
    elif not (card.scenario or "").startswith("filtered"):  # those say something themselves
        text = "Lighthouses are **tall** and bright, and they stand where ships could not see the land. "
        mock_server.say(text * 6, pace={"each_ms": 10})
    page: Page = watch(new_context(base_url=azure.url).new_page())
    page.context.add_cookies([{"name": n, "value": v, "url": azure.url} for n, v in azure.cookie("alice").items()])
    page.goto("/")
    chat = ChatPage(page)
    chat.ask(card.ask)
    if card.stop:
        expect(chat.answer).to_contain_text("Lighthouses")
        chat.stop.click()
    expect(chat.answer).to_have_attribute("data-state", card.state)
    if card.text:
        expect(page.get_by_text(card.text).first).to_be_visible()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
        page.set_viewport_size({"width": width, "height": 770})
        page.screenshot(path=PICTURES / card.picture(theme, width))
        if (theme, width) in CHECKED and card.state not in ("sending", "streaming"):
            violations = Axe().run(page).response["violations"]
            assert [(each["id"], theme, width) for each in violations] == []


def test_a_state_can_be_met_live_from_its_card(
    mock_model: ModelEndpoint, new_context: Callable[..., Any], mock_server: MockServer, watch: Watch
) -> None:
    del mock_server
    functions = FunctionApp(mock_model, ApiOptions(ROOT / "api"))
    options = SiteOptions(ROOT / "webapp" / "dist", load_personas(), states=STATES)
    with functions, WholeApp(mock_model, functions, options) as app:
        page = watch(new_context(base_url=app.url).new_page())
        page.goto("/")
        page.get_by_role("link", name="Every state of the page").click()
        assert page.get_by_role("heading", level=2).count() == len(STATES)
        assert Axe().run(page).response["violations"] == []
        page.get_by_role("link", name="Open live Too long").click()
        page.get_by_role("textbox", name="Message").press("Enter")
        expect(page.get_by_text("This conversation is too long for the model.")).to_be_visible()
        page.goto("/.auth/login/aad")
        expect(page.get_by_role("button", name="Continue as Alice Invited")).to_be_visible()
        expect(page.get_by_role("button", name="Continue as Too long")).to_have_count(0)
