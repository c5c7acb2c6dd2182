"""The whole app in front of each browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers import ENGINES, Browser, find
from playwright.sync_api import Playwright

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import BUNDLED_PERSONAS, load_personas
from tests.browsers.tab import Chat, Driver

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "test-results" / "browsers"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", action="append", choices=ENGINES, help="only this browser; can be given again")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", metafunc.config.getoption("engine", None) or ENGINES, scope="session")


@pytest.fixture(scope="session")
def mock_site(
    mock_model: ModelEndpoint, mock_functions: FunctionApp, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WholeApp]:
    """The built page with one script before its own: WebDrivers have no way of their own to run one that early."""
    page = tmp_path_factory.mktemp("page") / "dist"
    shutil.copytree(ROOT / "webapp" / "dist", page)
    shutil.copy(Path(__file__).with_name("before.js"), page)
    index = page / "index.html"
    html = index.read_text(encoding="utf-8")
    index.write_text(html.replace("<script ", '<script src="/before.js"></script><script ', 1), encoding="utf-8")
    with WholeApp(mock_model, mock_functions, SiteOptions(page, load_personas(BUNDLED_PERSONAS))) as app:
        yield app


@pytest.fixture(scope="session")
def browser_of(engine: str, playwright: Playwright) -> Browser:
    if (browser := find(engine, playwright)) is None:
        pytest.skip(f"{engine} is not installed: make browsers installs it")
    return browser


@pytest.fixture(scope="session")
def screen() -> Iterator[None]:
    """A screen, for browsers that do not run without one."""
    if os.environ.get("DISPLAY"):
        yield
        return
    reads, writes = os.pipe()
    command = ["Xvfb", "-displayfd", str(writes), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    xvfb = subprocess.Popen(command, pass_fds=[writes], stderr=subprocess.DEVNULL)
    os.close(writes)
    with os.fdopen(reads) as told:
        os.environ["DISPLAY"] = f":{told.readline().strip()}"
    yield
    del os.environ["DISPLAY"]
    xvfb.terminate()
    xvfb.wait()


@pytest.fixture
def driver(browser_of: Browser, playwright: Playwright, request: pytest.FixtureRequest) -> Iterator[Driver]:
    found: Driver
    if browser_of.driver is None:
        from tests.browsers.playwright_driver import PlaywrightDriver

        found = PlaywrightDriver(playwright, browser_of)
    else:
        from tests.browsers.webdriver import WebKitDriver

        request.getfixturevalue("screen")
        found = WebKitDriver(browser_of)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def chat(driver: Driver, site: WholeApp, request: pytest.FixtureRequest) -> Iterator[Chat]:
    """Alice at the chat, in each browser. What the page says that it did wrong fails the test; the end is kept as a picture."""
    found = Chat(driver, site.url)
    found.sign_in()
    yield found
    complaints = found.complaints()  # first: Playwright's pictures break the policy themselves
    PICTURES.mkdir(parents=True, exist_ok=True)
    driver.picture(PICTURES / f"{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower()).strip('-')}.png")
    assert complaints == []
