from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import load_personas
from mockserver.swa.states import load_states
from tests.e2e.chat_page import ChatPage

WEBAPP = Path(__file__).parents[2] / "webapp"


def test_anonymous_is_sent_to_sign_in_and_comes_back_as_the_chosen_persona(anonymous_page: Page) -> None:
    anonymous_page.goto("/")
    expect(anonymous_page).to_have_url(re.compile(r"/\.auth/login/aad"))
    expect(anonymous_page.get_by_text("No password is checked")).to_be_visible()
    anonymous_page.get_by_role("button", name="Continue as Alice Invited").click()
    expect(anonymous_page.get_by_role("button", name="alice@example.com")).to_be_visible()
    expect(anonymous_page).to_have_url(re.compile(r"/$"))


@pytest.mark.slow
def test_the_way_to_somebody_else_and_to_the_states_is_in_sight_with_six_personas(
    new_context: Callable[..., Any], mock_model: ModelEndpoint, mock_functions: FunctionApp
) -> None:
    options = SiteOptions(WEBAPP / "dist", load_personas(), states=load_states(WEBAPP / "states.yaml"))
    with WholeApp(mock_model, mock_functions, options) as app:
        page = new_context(base_url=app.url).new_page()
        page.set_viewport_size({"width": 1280, "height": 720})
        page.goto("/.auth/login/aad")
        assert page.get_by_role("button", name="Continue as").count() == 6
        for part in (page.get_by_text("Another user"), page.get_by_role("link", name="Every state of the page")):
            box = part.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= 720
        for theme, width in (("light", 1280), ("dark", 1280), ("dark", 320)):
            page.set_viewport_size({"width": width, "height": 720})
            page.emulate_media(color_scheme=theme)
            assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size({"width": 1280, "height": 720})
        reached = ["Continue as Alice Invited"]
        while len(reached) < 9:
            page.keyboard.press("Tab")
            focused = "document.activeElement.ariaLabel ?? document.activeElement.textContent"
            reached.append(page.evaluate(focused))
        assert [name for name in reached if not name.startswith("Continue as")] == [
            "Another user",
            "What your API gets, and what the gate decides",
            "Every state of the page",
        ]


def test_another_user_signs_in_with_roles_of_their_own(anonymous_page: Page) -> None:
    anonymous_page.goto("/")
    anonymous_page.get_by_text("Another user").click()
    anonymous_page.get_by_label("User name").fill("Zoë 日本")
    anonymous_page.get_by_role("checkbox", name="invited").check()
    anonymous_page.get_by_role("button", name="Sign in", exact=True).click()
    expect(anonymous_page.get_by_role("button", name="Zoë 日本")).to_be_visible()


def test_uninvited_persona_sees_that_access_is_missing(watched: Callable[[str], Page]) -> None:
    page = watched("bob")
    page.goto("/")
    expect(page.get_by_role("heading", name="Not Authorised")).to_be_visible()
    expect(page.get_by_text("Signed in as bob@example.com")).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy a request for access").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert "I am signed in as bob@example.com" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("link", name="Log out").click()
    expect(page.get_by_role("link", name="Sign in with Microsoft")).to_be_visible()


def test_logging_out_ends_the_session(invited_page: Page) -> None:
    invited_page.get_by_role("button", name="alice@example.com").click()
    invited_page.get_by_role("link", name="Log out").click()
    invited_page.get_by_role("link", name="Sign in with Microsoft").click()
    expect(invited_page.get_by_role("heading", name="Sign in")).to_be_visible()
    invited_page.goto("/")
    expect(invited_page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_mock_page_shows_the_session_and_switches_it(invited_page: Page) -> None:
    invited_page.goto("/__mock/session")
    expect(invited_page.get_by_text("The session ends in 479 min")).to_be_visible()
    invited_page.get_by_label("Path").fill("/api/chat/completions")
    invited_page.get_by_role("button", name="Decide").click()
    expect(invited_page.get_by_role("status")).to_contain_text("200 api")
    invited_page.get_by_role("link", name="Bob No Role").click()
    expect(invited_page.get_by_text('"bob@example.com"').first).to_be_visible()
    invited_page.get_by_role("button", name="Expire now").click()
    expect(invited_page.get_by_text("The session has expired")).to_be_visible()
    invited_page.goto("/")
    expect(invited_page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_deleting_a_users_data_leaves_neither_chats_nor_session(invited_page: Page, mock_server: MockServer) -> None:
    mock_server.say("Hello")
    chat = ChatPage(invited_page)
    chat.ask("Hi")
    expect(chat.answer).to_have_attribute("data-state", "done")
    invited_page.goto("/purge")
    expect(invited_page.get_by_text("Signed in as alice@example.com")).to_be_visible()
    invited_page.get_by_role("button", name="Delete my data and log out").click()
    invited_page.get_by_role("link", name="Sign in with Microsoft").click()
    invited_page.get_by_role("button", name="Continue as Alice Invited").click()
    expect(invited_page.get_by_text("Your chats will be listed here.")).to_be_visible()


def test_missing_page_is_not_found(invited_page: Page) -> None:
    response = invited_page.goto("/nowhere")
    assert response is not None
    assert response.status == 404
    invited_page.get_by_role("link", name="Go to the chat").click()
    expect(invited_page.get_by_role("textbox", name="Message")).to_be_visible()


def test_every_screen_is_accessible(anonymous_page: Page, invited_page: Page, watched: Callable[[str], Page]) -> None:
    uninvited = watched("bob")
    uninvited.goto("/")
    anonymous_page.goto("/")
    anonymous_page.get_by_text("Another user").click()
    mock_page = watched("carol")
    mock_page.goto("/__mock/session?path=/nowhere")
    for page, heading in (
        (anonymous_page, "Sign in"),
        (mock_page, "What the gate decides"),
        (uninvited, "Not Authorised"),
        (invited_page, "How can I help you today?"),
    ):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    for path, heading in (
        ("/register", "ChatGPT on Azure"),
        ("/usage", "Usage notes"),
        ("/purge", "Delete my data"),
        ("/nowhere", "Page not found"),
    ):
        invited_page.goto(path)
        expect(invited_page.get_by_role("heading", name=heading)).to_be_visible()
        assert [violation["id"] for violation in Axe().run(invited_page).response["violations"]] == []
