"""Drives a browser with Playwright: its own builds, and the system's Firefox by BiDi."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from browsers import Browser
from playwright.sync_api import Error, Page, Playwright

#: Nothing moves, as the tests would have to wait for it.
_STILL = {"ui.prefersReducedMotion": 1}
#: What an older Firefox knows no command for is not asked for.
_AS_IT_IS: dict[str, Any] = {
    "color_scheme": "null",
    "reduced_motion": "null",
    "forced_colors": "null",
    "contrast": "null",
}


class PlaywrightDriver:
    def __init__(self, playwright: Playwright, browser: Browser) -> None:
        kind = getattr(playwright, browser.engine)
        options: dict[str, Any] = {"firefox_user_prefs": _STILL} if browser.engine == "firefox" else {}
        if not browser.own:
            options |= {"channel": "moz-firefox", "executable_path": browser.path}
        self._browser = kind.launch(**options)
        self.version = f"{browser.engine} {self._browser.version}"
        self._page: Page = self._browser.new_context(viewport={"width": 1000, "height": 700}, **_AS_IT_IS).new_page()
        self._complaints: list[str] = []
        self._page.on("pageerror", lambda error: self._hear(str(error)))
        self._page.on("console", lambda message: self._hear(message.text) if message.type == "error" else None)

    def _hear(self, complaint: str) -> None:
        """Firefox looks for an icon by itself, even where the sign-in page's policy lets it load none."""
        if not re.match(r"Failed to load resource|.*/favicon\.ico", complaint):
            self._complaints.append(complaint)

    def go(self, url: str) -> None:
        self._page.goto(url)

    def run(self, function: str, *values: Any) -> Any:
        return self._again(lambda: self._page.evaluate(f"(values) => ({function})(...values)", list(values)))

    def element(self, function: str, *values: Any) -> Any:
        code = f"(values) => ({function})(...values)"
        return self._again(lambda: self._page.evaluate_handle(code, list(values)).as_element())

    def _again(self, ask: Callable[[], Any]) -> Any:
        """Ask the next page where the one that was asked goes away."""
        try:
            return ask()
        except Error as error:
            if "Execution context was destroyed" not in error.message:
                raise
            self._page.wait_for_load_state()
            return ask()

    def click(self, element: Any) -> None:
        element.click()

    def press(self, keys: str) -> None:
        self._page.keyboard.press(keys)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def choose(self, element: Any, path: Path) -> None:
        element.set_input_files(path)

    def wheel(self, element: Any, down: int) -> None:
        element.hover()
        self._page.mouse.wheel(0, down)

    def resize(self, width: int, height: int) -> None:
        self._page.set_viewport_size({"width": width, "height": height})

    def forget(self) -> None:
        self._page.context.clear_cookies()

    def picture(self, path: Path) -> None:
        self._page.screenshot(path=path)

    def paper(self) -> bytes | None:
        try:
            return self._page.pdf()
        except Error:  # Playwright's own builds cannot
            return None

    def complaints(self) -> list[str]:
        return [*self._complaints]

    def close(self) -> None:
        self._browser.close()
