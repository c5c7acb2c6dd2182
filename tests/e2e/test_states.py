"""Every state of an answer, through the whole chain by scenario: what it says, that it is accessible, and how it looks."""

from __future__ import annotations

import base64
import functools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect

from mockserver.contract.addresses import Backend
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.journal.entry import Place
from mockserver.journal.journal import Journal
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.swa.personas import load_personas
from mockserver.swa.states import PICTURES, THEMES, WIDTHS, State, load_states
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Watch

ROOT = Path(__file__).parents[2]
STATES = load_states(ROOT / "webapp" / "states.yaml")
#: Every state on every backend that leads to it, and the one whose states are looked at.
SHOWN = [(card, backend) for backend in Backend for card in STATES if card.backend in (None, backend)]
PICTURED = Backend.AZURE
LOOKS = [(theme, width) for theme in THEMES for width in WIDTHS]
#: What is said in a test would take the place of what these say.
SAYS = re.compile(r"^[-{ ]*(say|refusal|events|error):", re.MULTILINE)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
#: Between them each theme, whose colours differ, and each width, whose parts do.
CHECKED = list(zip(THEMES, WIDTHS, strict=True))


@contextmanager
def impatient(model: ModelEndpoint, backend: Backend) -> Iterator[WholeApp]:
    """The app on a backend, giving up after five seconds; the SDK, which its first question loads, is there."""
    functions = FunctionApp(model, ApiOptions(ROOT / "api", backend))
    app = WholeApp(model, functions, SiteOptions(ROOT / "webapp" / "dist", load_personas(), states=STATES))
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANSWER_WITHIN_S", "5")
            stack.enter_context(functions)
        stack.enter_context(app)
        question = {"messages": [{"role": "user", "content": "Hi"}]}
        model.simulation.scopes.say_entries({"say": "Hi"}, name="first")
        asked = httpx2.post(
            f"{app.url}/api/chat/completions", json=question, headers=app.headers("alice"), trust_env=False, timeout=60
        )
        assert asked.status_code in (200, 504), asked.text  # that it is late does not matter
        model.simulation.reset()
        yield app


@pytest.fixture(scope="module")
def apps(mock_model: ModelEndpoint) -> Iterator[Callable[[Backend], WholeApp]]:
    """The app on each backend, once it is asked for."""
    with ExitStack() as stack:
        yield functools.cache(lambda backend: stack.enter_context(impatient(mock_model, backend)))


def test_every_state_of_the_page_has_its_card() -> None:
    source = (ROOT / "webapp" / "src" / "conversation.ts").read_text(encoding="utf-8")
    listed = re.search(r"STATES = \[(.*?)\]", source, re.DOTALL)
    assert listed
    assert {each.state for each in STATES} == set(re.findall(r"'(\w+)'", listed[1]))


def test_every_bundled_scenario_has_a_card() -> None:
    files = (BUNDLED_CASSETTES / "scenarios").glob("*.yaml")
    assert {file.stem for file in files} - {each.scenario for each in STATES} == set()


def test_every_bundled_scenario_can_be_met_on_each_backend() -> None:
    met = {backend: {each.scenario for each in STATES if each.backend in (None, backend)} for backend in Backend}
    assert len(set(map(frozenset, met.values()))) == 1


def speaks(scenario: str | None) -> bool:
    """Whether a scenario has words of its own."""
    return bool(
        scenario and SAYS.search((BUNDLED_CASSETTES / "scenarios" / f"{scenario}.yaml").read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize(
    ("card", "backend", "look"),
    [
        pytest.param(
            card,
            backend,
            CHECKED[number % len(CHECKED)],
            id=f"{card.name} on {backend}",
            # On another backend it looks the same; what differs are the words of the model, which the API's tests try.
            marks=[] if backend in (PICTURED, card.backend) else pytest.mark.slow,
        )
        for number, (card, backend) in enumerate(SHOWN)
    ],
)
def test_a_state_says_what_it_is_and_is_accessible(
    card: State,
    backend: Backend,
    look: tuple[str, int],
    apps: Callable[[Backend], WholeApp],
    mock_server: MockServer,
    scenario: Callable[[str | None], None],
    new_context: Callable[..., Any],
    watch: Watch,
) -> None:
    app = apps(backend)
    scenario(card.scenario)
    if card.name == "Complete":
        mock_server.say(
            "Use `sorted`:\n\n```python\nprint(sorted([3, 1, 2]))\n```\n\n| call | gives |\n|---|---|\n| `sorted` | a new list |\n"
        )
    elif not speaks(card.scenario):
        text = "Lighthouses are **tall** and bright, and they stand where ships could not see the land. "
        mock_server.say(text * 6, pace={"each_ms": 10})
    page: Page = watch(new_context(base_url=app.url).new_page())
    page.context.add_cookies([{"name": n, "value": v, "url": app.url} for n, v in app.cookie("alice").items()])
    page.goto("/")
    chat = ChatPage(page)
    if card.image:
        image = FilePayload(name="red.png", mimeType="image/png", buffer=PIXEL)
        page.get_by_label("Attach files", exact=True).set_input_files(image)
        expect(page.get_by_role("img", name="Attached: red.png")).to_be_visible()
    chat.ask(card.ask)
    if card.stop:
        expect(chat.answer).to_contain_text("Lighthouses")
        chat.stop.click()
    expect(chat.answer).to_have_attribute("data-state", card.state)
    if card.text:
        expect(page.get_by_text(card.text).first).to_be_visible()
    if backend is not PICTURED and card.backend is None:  # it looks the same
        return
    pictures = "PICTURES" in os.environ
    for theme, width in LOOKS if pictures else [look]:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
        page.set_viewport_size({"width": width, "height": 770})
        if pictures:
            page.screenshot(path=PICTURES / card.picture(theme, width))
        if (theme, width) in CHECKED and card.state not in ("sending", "streaming"):
            violations = Axe().run(page).response["violations"]
            assert [(each["id"], theme, width) for each in violations] == []


def test_a_state_can_be_met_live_from_its_card(
    apps: Callable[[Backend], WholeApp], new_context: Callable[..., Any], mock_server: MockServer, watch: Watch
) -> None:
    """In one browser and in another, while Alice goes on in both."""
    app = apps(Backend.OPENAI)
    mock_server.say("Lighthouses are tall.")
    browsers = [new_context(base_url=app.url) for _ in range(2)]
    alices = [watch(browser.new_page()) for browser in browsers]
    for alice in alices:
        alice.goto("/.auth/login/aad?persona=alice")
    listed, *others = (watch(browsers[number].new_page()) for number in (0, 0, 1))
    listed.goto("/__mock/states")
    assert listed.get_by_role("heading", level=2).count() == len(STATES)
    assert Axe().run(listed).response["violations"] == []
    refused = listed.get_by_role("listitem").filter(has=listed.get_by_role("heading", name="Images refused"))
    expect(refused).to_contain_text("attach any image, then press Enter")
    opened = (("Too long", "This conversation is too long for the model."), ("Key expired", "Reference:"))
    for page, (name, said) in zip(others, opened, strict=True):
        page.goto("/__mock/states")
        page.get_by_role("link", name=f"Open live {name}").click()
        page.get_by_role("textbox", name="Message").press("Enter")
        expect(page.get_by_text(said)).to_be_visible()
    for alice in alices:
        ChatPage(alice).ask("Tell me about lighthouses.")
        expect(ChatPage(alice).answer).to_have_attribute("data-state", "done")
        expect(ChatPage(alice).answer).to_contain_text("Lighthouses are tall.")
    listed.reload()
    for theme in THEMES:
        listed.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of two words
        assert [each["id"] for each in Axe().run(listed).response["violations"]] == []
    listed.get_by_role("button", name="Close Too long").press("Enter")
    expect(listed.get_by_role("button", name="Close Key expired")).to_be_visible()
    expect(listed.get_by_role("button", name="Close Too long")).to_have_count(0)
    ChatPage(others[0]).ask("Still too long?")
    expect(others[0].get_by_role("heading", name="You have been signed out")).to_be_visible()
    listed.goto("/.auth/login/aad")
    expect(listed.get_by_role("button", name="Continue as Alice Invited")).to_be_visible()
    expect(listed.get_by_role("button", name="Continue as Too long")).to_have_count(0)


def test_a_state_of_another_backend_says_which(
    apps: Callable[[Backend], WholeApp], new_context: Callable[..., Any], mock_server: MockServer
) -> None:
    del mock_server
    page = new_context(base_url=apps(Backend.OPENAI).url).new_page()
    page.goto("/__mock/states")
    for elsewhere in (card for card in STATES if card.backend == "azure"):
        heading = page.get_by_role("heading", name=f"{elsewhere.name} {elsewhere.state}", exact=True)
        card = page.get_by_role("listitem").filter(has=heading)
        expect(card).to_contain_text("Only with --backend azure")
        expect(card.get_by_role("link")).to_have_count(0)


def test_a_scope_that_is_not_open_has_a_sentence_on_the_page(
    invited_page: Page, chat_page: ChatPage, journal: Journal
) -> None:
    invited_page.context.set_extra_http_headers({"x-mockserver-scope": "closed long ago"})
    chat_page.ask("Hi")
    expect(
        invited_page.get_by_text("The server cannot tell whose request this is. Its console says what to do.")
    ).to_be_visible()
    (visit,) = journal.wait_for(place=Place.SITE, status=409, rule="no open scope")
    assert "Open one: POST /__admin/scopes" in visit.rule
