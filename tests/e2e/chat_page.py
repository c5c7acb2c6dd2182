"""The chat as the tests speak of it: by role and accessible name."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, Page


@dataclass(frozen=True, slots=True)
class ChatPage:
    """The chat, by role and accessible name."""

    page: Page

    def ask(self, question: str) -> None:
        self.page.get_by_role("textbox", name="Message").fill(question)
        self.page.get_by_role("button", name="Send", exact=True).click()

    @property
    def answer(self) -> Locator:
        """The last answer; its data-state tells how far it is."""
        return self.page.get_by_role("article", name="Assistant said").last

    @property
    def stop(self) -> Locator:
        return self.page.get_by_role("button", name="Stop generating")

    @property
    def status(self) -> Locator:
        return self.page.get_by_role("status")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")
