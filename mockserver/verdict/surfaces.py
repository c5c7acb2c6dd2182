"""Where an app can be asked: a command, its API, its page; as a file describes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import httpx2
from msgspec import Meta

from mockserver.documents import Strict, convert, parse_yaml
from mockserver.errors import UserError
from mockserver.harness.whole_app import WholeApp
from mockserver.sse import split_events, text_of
from mockserver.verdict.checks import Shown

#: Stands for the question in a description.
QUESTION = "{question}"
#: What says that something went wrong where a description does not say it better.
_FAILED = r'"error"\s*:'
#: From the model's first word until somebody leaves: what has come is being read by then.
_LEAVES_AFTER_S = 0.5
#: In a command, `python` is the one that runs this.
_PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


class SurfaceError(UserError):
    """A description of surfaces that cannot be used; says which and why."""


class RequestDescription(Strict, frozen=True):
    """A request to the site that asks the question."""

    path: str
    method: str = "POST"
    json: Annotated[Any, Meta(description="The body; {question} in any text is the question.")] = None


class PageDescription(Strict, frozen=True):
    """A page of the site, by selectors of Playwright."""

    ask: Annotated[str, Meta(description="Where the question is written, and Enter pressed.")]
    done: Annotated[str, Meta(description="What is there once an answer has come to its end.")]
    failed: Annotated[str, Meta(description="What is there once it has failed.")]
    path: str = "/"


class SurfaceDescription(Strict, frozen=True):
    """One surface: a command, a request or a page."""

    name: str
    command: Annotated[
        list[str] | None,
        Meta(
            description="Asks once and ends, with the model's address and key in its environment; {question} is the question."
        ),
    ] = None
    request: RequestDescription | None = None
    page: PageDescription | None = None
    persona: Annotated[str, Meta(description="Who asks.")] = "alice"
    failed: Annotated[str, Meta(description="A regular expression of what says that it failed.")] = _FAILED
    piece: Annotated[
        str, Meta(description="A regular expression whose group is a piece of the answer, as a JSON string's inside.")
    ] = ""


class Answering(Protocol):
    """What the model does meanwhile, for those who leave in the middle of its answer."""

    def begins(self, within_s: float) -> bool:
        """Wait until it answers; whether it does."""
        ...

    def goes_on(self) -> bool:
        """Whether it answers at this moment."""
        ...


class Surface(Protocol):
    """Something that can be asked."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def passes_site(self) -> bool:
        """Whether it asks through the site."""
        ...

    def ask(self, question: str, limit_s: float, *, leaves: Answering | None = None) -> Shown:
        """Ask, and wait for the end for at most so many real seconds; or leave in the middle of an answer."""
        ...

    def close(self) -> None:
        """Let go of what was started for it."""
        ...


def load_surfaces(path: Path, app: WholeApp, environment: Mapping[str, str]) -> tuple[Surface, ...]:
    """The surfaces that a file describes, of an app; commands get these variables.

    Raises:
        SurfaceError: the file is not there, or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SurfaceError(f"no description of surfaces at {path}; docs/verdict.md has an example") from error
    entries = convert(parse_yaml(text, str(path), SurfaceError), list[SurfaceDescription], str(path), SurfaceError)
    return tuple(_surface(entry, str(path), app, environment) for entry in entries)


def _surface(entry: SurfaceDescription, where: str, app: WholeApp, environment: Mapping[str, str]) -> Surface:
    for name in ("failed", "piece"):
        try:
            re.compile(getattr(entry, name))
        except re.error as error:
            raise SurfaceError(f"{where}: {entry.name}: {name} is no regular expression: {error}") from error
    match (entry.command, entry.request, entry.page):
        case (list(command), None, None) if command:
            return CommandSurface(entry, tuple(command), dict(environment))
        case (None, RequestDescription() as request, None):
            return RequestSurface(entry, request, app)
        case (None, None, PageDescription() as page):
            return PageSurface(entry, page, app)
    raise SurfaceError(f"{where}: {entry.name}: give it one of command, request or page")


@dataclass(frozen=True, slots=True)
class CommandSurface:
    """A process that asks once and ends."""

    entry: SurfaceDescription
    command: tuple[str, ...]
    environment: dict[str, str]
    passes_site = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self.entry.name

    def ask(self, question: str, limit_s: float, *, leaves: Answering | None = None) -> Shown:
        """Start it, and read all that it prints."""
        began_s = time.monotonic()
        arguments = [part.replace(QUESTION, question) for part in self.command]
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": _PATH, **self.environment},
            )
        except OSError as error:
            raise SurfaceError(f"{self.name}: {arguments[0]} cannot be started: {error.strerror}") from error
        ended, left = True, False
        if leaves is not None and leaves.begins(limit_s):
            time.sleep(_LEAVES_AFTER_S)
            left = leaves.goes_on()
            process.terminate()
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            ended = False
        text = output.decode("utf-8", "replace")
        said_failed = process.returncode != 0 or re.search(self.entry.failed, text) is not None
        return Shown(text, said_failed, ended, time.monotonic() - began_s, left)

    def close(self) -> None:
        """Nothing is left running."""


@dataclass(frozen=True, slots=True)
class RequestSurface:
    """An API, asked through the site by somebody who is signed in."""

    entry: SurfaceDescription
    request: RequestDescription
    app: WholeApp
    passes_site = True

    @property
    def name(self) -> str:
        """What it is called."""
        return self.entry.name

    def ask(self, question: str, limit_s: float, *, leaves: Answering | None = None) -> Shown:
        """Send the request, and read its answer as it comes."""
        began_s = time.monotonic()
        body, status, ended = b"", 0, True
        broke = left = False
        headers = self.app.headers(self.entry.persona)
        filled = _filled(self.request.json, question)
        try:
            with (
                httpx2.Client(base_url=self.app.url, trust_env=False, timeout=limit_s) as client,
                client.stream(self.request.method, self.request.path, json=filled, headers=headers) as answer,
            ):
                status = answer.status_code
                for chunk in answer.iter_raw():
                    body += chunk
                    if leaves is not None:
                        left = leaves.goes_on()  # an answer in one piece cannot be left
                        break
                    if time.monotonic() - began_s > limit_s:
                        ended = False
                        break
        except httpx2.TimeoutException:
            ended = False
        except httpx2.HTTPError:
            broke = True
        took_s = time.monotonic() - began_s
        raw = body.decode("utf-8", "replace")
        text = f"{raw}\n{self._pieces(body, raw)}"
        said_failed = broke or status >= 300 or re.search(self.entry.failed, raw) is not None
        return Shown(text, said_failed, ended and took_s <= limit_s, took_s, left)

    def close(self) -> None:
        """Nothing is left open."""

    def _pieces(self, body: bytes, raw: str) -> str:
        """The answer's text, where it comes in pieces."""
        if self.entry.piece:
            return "".join(_unescaped(match[1]) for match in re.finditer(self.entry.piece, raw))
        return "".join(text_of(event) for event in split_events(body))


class PageSurface:
    """A page in a browser, in which somebody is signed in."""

    passes_site = True

    def __init__(self, entry: SurfaceDescription, page: PageDescription, app: WholeApp) -> None:
        self._entry, self._page, self._app = entry, page, app
        self._browser: Any = None
        self._playwright: Any = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self._entry.name

    def ask(self, question: str, limit_s: float, *, leaves: Answering | None = None) -> Shown:
        """Open the page, write the question, and wait for the end."""
        context = self._opened().new_context(base_url=self._app.url)
        context.set_default_timeout(limit_s * 1000)
        context.add_cookies(
            [{"name": n, "value": v, "url": self._app.url} for n, v in self._app.cookie(self._entry.persona).items()]
        )
        page = context.new_page()
        try:
            page.goto(self._page.path)
            page.locator(self._page.ask).fill(question)
            began_s = time.monotonic()
            page.keyboard.press("Enter")
            if leaves is not None and leaves.begins(limit_s):
                page.wait_for_timeout(_LEAVES_AFTER_S * 1000)
                text = page.locator("body").inner_text()
                return Shown(text, False, True, time.monotonic() - began_s, left=leaves.goes_on())
            failed = page.locator(self._page.failed).first
            ended = self._ends(page)
            text = page.locator("body").inner_text()
            return Shown(text, failed.is_visible(), ended, time.monotonic() - began_s)
        finally:
            context.close()

    def close(self) -> None:
        """Close the browser."""
        if self._browser is not None:
            self._browser.close()
            self._playwright.stop()

    def _ends(self, page: Any) -> bool:
        """Whether the answer comes to an end or fails in time."""
        from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

        with suppress(PlaywrightTimeoutError):
            page.locator(f"{self._page.done}, {self._page.failed}").first.wait_for()
            return True
        return False

    def _opened(self) -> Any:
        """The browser, which is started with the first question.

        Raises:
            SurfaceError: Playwright or a browser is missing.
        """
        if self._browser is None:
            try:
                from playwright.sync_api import Error, sync_playwright
            except ImportError as error:
                raise SurfaceError(f"{self.name}: a page needs Playwright: pip install playwright") from error
            self._playwright = sync_playwright().start()
            try:
                self._browser = self._playwright.chromium.launch(executable_path=os.environ.get("BROWSER_PATH") or None)
            except Error as error:
                self._playwright.stop()
                raise SurfaceError(
                    f"{self.name}: no browser starts: playwright install chromium, or name one in BROWSER_PATH"
                ) from error
        return self._browser


def _filled(value: Any, question: str) -> Any:
    """A JSON value with the question in it."""
    match value:
        case str():
            return value.replace(QUESTION, question)
        case list():
            return [_filled(each, question) for each in value]
        case dict():
            return {name: _filled(each, question) for name, each in value.items()}
    return value


def _unescaped(inside: str) -> str:
    """What the inside of a JSON string stands for; as it is where it is none."""
    try:
        return str(json.loads(f'"{inside}"'))
    except ValueError:
        return inside
