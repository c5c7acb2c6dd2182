"""A tab of any browser: what people do in it and see of it, by role and name; each driver brings the few things it does differently."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from tests.polling import wait_until

#: A machine that has other things to do; what is there at once is waited for no longer.
_PATIENCE_S = 60
#: The elements of a role, by CSS: drivers that know roles themselves are one of two.
ROLES = {
    "article": "article",
    "button": "button:not([role]), [role=button], label.button input",
    "combobox": "[role=combobox], select",
    "dialog": "dialog[open]",
    "fold": "summary",
    "link": "a[href]",
    "listitem": "nav li",
    "searchbox": "input[type=search]",
    "textbox": "textarea, input:not([type])",
}
#: The visible elements that match a selector and have the name, in the order of the page.
_FOUND = """(selector, name, exact) => {
  const words = (text) => text.trim().replace(/\\s+/g, ' ');
  const ofLabel = (label) => label && [...label.childNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? node.data : '')).join('');
  const nameOf = (each) => words(each.ariaLabel ?? ofLabel(each.labels?.[0]) ?? each.textContent);
  const fits = (each) => name === null || (exact ? nameOf(each) === name : nameOf(each).includes(name));
  const seen = (each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest('[inert]');
  return [...document.querySelectorAll(selector)].filter((each) => fits(each) && seen(each));
}"""
_ONE = f"(selector, name, exact, at) => ({_FOUND})(selector, name, exact).at(at) ?? null"


class Driver(Protocol):
    """What a browser is told through; elements are the driver's own."""

    #: What the browser says of itself.
    version: str

    def go(self, url: str) -> None: ...
    def run(self, function: str, *values: Any) -> Any:
        """What a function of JavaScript gives for these values; of a promise, its value."""

    def element(self, function: str, *values: Any) -> Any:
        """The element that a function of JavaScript gives, or None."""

    def click(self, element: Any) -> None: ...
    def press(self, keys: str) -> None:
        """Press keys together, as `Control+k`."""

    def type(self, text: str) -> None:
        """Type where the focus is."""

    def choose(self, element: Any, path: Path) -> None:
        """Choose a file in a field for files."""

    def wheel(self, element: Any, down: int) -> None:
        """Turn the wheel over an element, by pixels."""

    def resize(self, width: int, height: int) -> None:
        """Give the page this room, in pixels."""

    def forget(self) -> None:
        """Forget the cookies, as a session that has expired is forgotten."""

    def picture(self, path: Path) -> None: ...
    def paper(self) -> bytes | None:
        """The page as PDF; None where the driver cannot print."""

    def complaints(self) -> list[str]:
        """What the browser's own console says, where a driver hears it."""

    def close(self) -> None: ...


class Tab:
    """A tab at a site."""

    def __init__(self, driver: Driver, url: str) -> None:
        self.driver, self.url = driver, url

    def go(self, path: str = "/") -> None:
        self.driver.go(self.url + path)

    def sign_in(self, persona: str = "alice") -> None:
        """Sign in and have the chat, when it is known who asks."""
        self.go(f"/.auth/login/aad?persona={persona}")
        self.go()
        self.find("button", f"{persona}@example.com")

    def run(self, function: str, *values: Any) -> Any:
        return self.driver.run(function, *values)

    def until(self, function: str, *values: Any) -> Any:
        """The first true value of a function of JavaScript."""
        try:
            return wait_until(lambda: self.run(function, *values), within_s=_PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {function} {values}\n{self.text()}") from None

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.run("() => document.body.innerText"))

    def count(self, role: str, name: str | None = None, *, exact: bool = True) -> int:
        return len(self.run(f"(...of) => ({_FOUND})(...of).map(() => 1)", ROLES[role], name, exact))

    def find(self, role: str, name: str | None = None, *, at: int = -1, exact: bool = True) -> Any:
        """The last element, or another, with this role and name, when there is one."""
        try:
            return wait_until(lambda: self.driver.element(_ONE, ROLES[role], name, exact, at), within_s=_PATIENCE_S)
        except AssertionError:
            raise AssertionError(f"no {role} {name!r} on the page:\n{self.text()}") from None

    def click(self, role: str, name: str | None = None, *, at: int = -1, exact: bool = True) -> None:
        self.driver.click(self.find(role, name, at=at, exact=exact))

    def fill(self, role: str, name: str, text: str) -> None:
        """Write in a field, in place of what is there."""
        field = self.find(role, name)
        self.driver.click(field)
        self.run("(field) => field.select()", field)
        self.driver.press("Delete")
        self.driver.type(text)
        self.until("(field, text) => field.value === text", field, text)

    def select(self, name: str, option: str) -> None:
        """Choose an option as the browser does after its own list, which no driver opens alike."""
        self.run(
            """(field, option) => {
              field.value = [...field.options].find((each) => each.text === option).value;
              field.dispatchEvent(new Event('change', { bubbles: true }));
            }""",
            self.find("combobox", name),
            option,
        )

    def press(self, *keys: str) -> None:
        for each in keys:
            self.driver.press(each)

    def reads(self, text: str) -> None:
        """Wait until this can be read on the page."""
        self.until("(text) => document.body.innerText.includes(text)", text)

    def reads_not(self, text: str) -> None:
        self.until("(text) => !document.body.innerText.includes(text)", text)

    def focused(self, role: str, name: str) -> None:
        """Wait until the focus is there."""
        self.until("(each) => document.activeElement === each", self.find(role, name))

    def complaints(self) -> list[str]:
        """What went wrong since the tab was opened: the page's errors, and what broke its content security policy."""
        return [*self.run("() => window.complaints?.() ?? []"), *self.driver.complaints()]


class Chat(Tab):
    """The chat, as the tests speak of it."""

    _LAST = "document.querySelector('.turn:last-child article.assistant')"

    def ask(self, question: str) -> None:
        self.fill("textbox", "Message", question)
        self.click("button", "Send")

    def answer(self) -> str:
        """The last answer's text."""
        return str(self.run(f"() => {self._LAST}?.innerText ?? ''"))

    def is_(self, state: str) -> None:
        """Wait until the last answer is in a state, or one of several: `failed|interrupted`."""
        self.until(f"(states) => states.includes({self._LAST}?.dataset.state)", state.split("|"))

    def says(self, text: str) -> None:
        """Wait until the last answer has this text."""
        self.until(f"(text) => {self._LAST}?.innerText.includes(text)", text)
