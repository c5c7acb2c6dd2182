"""What the page costs with nothing kept and with a year of chats, as ratios in one run.

tools/page_figures.py [ROUNDS] [--page DIR]    3 rounds of webapp/dist by default

The same things are done in both stores, in turn, and the middle round counts. Tasks are counted by the CPU that the page's thread
took: how long they lasted tells more of what else this machine does. Frames and the time from a key to its paint are as a person
saw them, so only their ratios say something where the machine is busy. No figure is a pass or a failure; `webapp/test/work.test.tsx`
and `tests/e2e/test_a_year_of_chats.py` hold the work that is done, which no machine changes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import browser
import click
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.stub import parse_stub
from mockserver.swa.personas import load_personas

ROOT = Path(__file__).resolve().parent.parent
CHATS, TURNS_EACH, TURNS_OF_THE_LONG = 1_000, 20, 200
#: What is measured in each store, with its unit, and what issue 28 aims at: a ratio of the two stores (0.9), or a value in a full one (100 ms).
AIMS = {
    "start: longest task, ms": None,
    "start: CPU, ms": None,
    "17 kB answer: frames a second": "0.9 of empty",
    "17 kB answer: longest task, ms": None,
    "17 kB answer: CPU, ms": "1.1 of empty",
    "17 kB answer: CPU of a frame, ms": "1.1 of empty",
    "60 kB of code: frames a second": "0.9 of empty",
    "60 kB of code: longest task, ms": None,
    "60 kB of code: CPU, ms": "1.1 of empty",
    "17 kB answer after 200 turns: CPU of a frame, ms": None,
    "17 kB answer after 200 turns: longest task, ms": None,
    "opening 200 turns: longest task, ms": "100",
    "opening 200 turns: CPU, ms": None,
    "typing while an answer comes: key to paint, ms": "100",
    "typing while an answer comes: slowest key, ms": None,
    "searching: key to paint, ms": "100",
    "searching: slowest key, ms": None,
    "searching: longest task, ms": "100",
    "heap, MB": None,
}
Figures = dict[str, float]

# --- what is said ------------------------------------------------------------------------------------------------------


_WORDS = """the a of and to in is it that for on with as at by from this which when each more work page answer question light water
number open between reading because another together language example remember possible different important understand"""


def _words(seed: str, count: int = 50) -> str:
    words = _WORDS.split()
    return " ".join(words[byte % len(words)] for byte in hashlib.shake_128(seed.encode()).digest(count))


def answer_of(size_bytes: int, seed: str = "") -> str:
    """Markdown of headings, prose, lists, code and a table, no two blocks the same, or a cache of blocks would have nothing to do."""
    blocks: list[str] = []
    while sum(map(len, blocks)) < size_bytes:
        words = _words(f"{seed}{len(blocks)}")
        kind = len(blocks) % 5
        blocks.append(
            {
                0: f"## {words[:30]}\n\n{words} **{words[:7]}** and `{words[8:15]}`.",
                1: "\n".join(f"- {words[at : at + 60]}" for at in range(0, 240, 60)),
                2: f"```python\n# {words[:60]}\nfor each in range({len(blocks)}):\n    print('{words[:40]}')\n```",
                3: f"| a | b |\n|---|---|\n| {words[:40]} | {words[40:80]} |",
                4: words,
            }[kind]
        )
    return "\n\n".join(blocks) + "\n"


def code_of(size_bytes: int) -> str:
    """One block of Python."""
    lines = (
        f'def f_{n}(x: int) -> str:  # {_words(str(n), 3)}\n    return f"{{x + {n}}}"\n\n' for n in range(size_bytes)
    )
    text = ""
    while len(text) < size_bytes:
        text += next(lines)
    return f"```python\n{text}```\n"


SAID = {"At length": answer_of(17_000), "In code": code_of(60_000)}

# --- the page ----------------------------------------------------------------------------------------------------------

_OBSERVE = """
window.seen = {frames: 0, keys: []};
(function frame() { seen.frames++; requestAnimationFrame(frame) })();
new PerformanceObserver((list) => { for (const e of list.getEntries()) if (e.name === 'keydown') seen.keys.push(e.duration) })
  .observe({type: 'event', durationThreshold: 16});
window.until = (done) => new Promise((resolve) => {
  const timer = setInterval(() => { if (done()) { clearInterval(timer); resolve() } }, 50);
});
"""
#: A key that was painted sooner than the browser reports.
_SOON_MS = 8
_SEED = """async ({chats, each, long, texts}) => {
  const user = (await (await fetch('/.auth/me')).json()).clientPrincipal.userId;
  const opened = indexedDB.open('chat-v1');
  await new Promise((resolve) => { opened.onsuccess = resolve });
  const message = (id, parent, role, at, content) =>
    ({id, parent, role, at, content, state: 'done', finish: role === 'user' ? null : 'stop', usage: null, failure: null});
  const chat = (n, id, title, turns, now = Date.now() - n * 8.76 * 3600 * 1000) => {
    const messages = [];
    for (let turn = 0; turn < turns; turn++) {
      const [question, answer] = [`${id}-q${turn}`, `${id}-a${turn}`];
      messages.push(message(question, messages.at(-1)?.id ?? null, 'user', now + turn, `What of ${n} and ${turn}?`));
      messages.push(message(answer, question, 'assistant', now + turn, `${n}, ${turn}: ${texts[(n * 7 + turn) % texts.length]}`));
    }
    return {id, title, at: now, messages, leaf: messages.at(-1).id, user};
  };
  const put = (all) => new Promise((resolve, reject) => {
    const transaction = opened.result.transaction(['conversations', 'summaries'], 'readwrite');
    for (const {messages, leaf, ...summary} of all) {
      transaction.objectStore('conversations').put({...summary, messages, leaf});
      transaction.objectStore('summaries').put(summary);
    }
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  for (let n = 1; n < chats; n += 50)
    await put(Array.from({length: Math.min(50, chats - n)}, (_, at) => chat(n + at, `kept-${n + at}`, `Chat ${n + at}`, each)));
  await put([chat(0, 'long', 'The long chat', long)]);
  opened.result.close();
}"""


@dataclass(slots=True)
class _Watched:
    """A page with what its thread does."""

    page: Page
    chromium: Browser

    # Found by CSS: a look-up by role is work of the page's thread, and grows with the page.

    def work(self, do: Callable[[], None]) -> Figures:
        """What `do` made the page's thread do: CPU in all and of the longest task, in ms; frames, and how many a second."""
        self.chromium.start_tracing(page=self.page, categories=["toplevel"])
        self.page.evaluate("window.seen && (seen.frames = 0)")
        begun = time.monotonic()
        do()
        took_s = time.monotonic() - begun
        frames = self.page.evaluate("seen.frames")
        events = json.loads(self.chromium.stop_tracing())["traceEvents"]
        threads = {
            (event["pid"], event["tid"])
            for event in events
            if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
        }
        tasks_ms = [
            event["tdur"] / 1000
            for event in events
            if event["name"] == "ThreadControllerImpl::RunTask"
            and "tdur" in event
            and (event["pid"], event["tid"]) in threads
        ]
        cpu_ms = sum(tasks_ms)
        return {
            "longest task, ms": max(tasks_ms),
            "CPU, ms": cpu_ms,
            "CPU of a frame, ms": cpu_ms / max(1, frames),
            "frames a second": frames / took_s,
        }

    def until(self, condition: str) -> None:
        self.page.evaluate(f"until(() => {condition})")

    def begin(self) -> None:
        self.page.locator(".new").click()
        self.until("!document.querySelector('.turn')")

    def ask(self, question: str) -> None:
        self.page.locator("#message").fill(question)
        self.page.locator(".send").click()
        self.until("document.querySelector('.turn:last-child article[aria-busy=true]')")

    def answered(self) -> None:
        self.until("!document.querySelector('article[aria-busy=true]')")
        state = self.page.locator("article.assistant").last.get_attribute("data-state")
        if state != "done":
            raise RuntimeError(f"the answer ended as {state}")

    def typed(self, text: str) -> Figures:
        """How long after each key its character was on the screen, in ms: the middle one and the slowest."""
        self.page.evaluate("seen.keys = []")
        self.page.keyboard.type(text, delay=40)
        self.page.wait_for_timeout(200)
        keys = self.page.evaluate("seen.keys")
        keys += [_SOON_MS] * (len(text) - len(keys))
        return {"key to paint, ms": statistics.median(keys), "slowest key, ms": max(keys)}

    def heap_mb(self) -> float:
        devtools = self.page.context.new_cdp_session(self.page)
        devtools.send("HeapProfiler.collectGarbage")
        used = float(self.page.evaluate("performance.memory.usedJSHeapSize")) / 1e6
        devtools.detach()
        return used


def round_of(watched: _Watched) -> Figures:
    """Every figure of one store, once."""
    page = watched.page
    figures: Figures = {}

    def note(name: str, found: Figures) -> None:
        figures.update({f"{name}: {what}": value for what, value in found.items() if f"{name}: {what}" in AIMS})

    def answer(question: str) -> None:
        watched.ask(question)
        watched.answered()

    def start() -> None:
        page.goto("/")
        watched.until("document.querySelector('.chats li')")
        page.wait_for_load_state("networkidle")

    def open_long() -> None:
        page.locator(".chats .open").first.click()  # the last changed
        watched.until(f"document.querySelectorAll('.turn').length === {TURNS_OF_THE_LONG}")

    page.goto("/")
    page.evaluate(_SEED, seed(chats=1))  # as it was before the round
    note("start", watched.work(start))
    figures["heap, MB"] = watched.heap_mb()
    note("opening 200 turns", watched.work(open_long))
    note("17 kB answer after 200 turns", watched.work(partial(answer, "At length")))
    for name, question in (("17 kB answer", "At length"), ("60 kB of code", "In code")):
        watched.begin()
        note(name, watched.work(partial(answer, question)))
    watched.begin()
    watched.ask("At length")
    page.locator("#message").focus()
    note("typing while an answer comes", watched.typed("what I shall ask next, when it is done"))
    watched.answered()
    page.locator("#message").fill("")
    page.locator("input[type=search]").focus()
    typed: Figures = {}
    work = watched.work(lambda: typed.update(watched.typed("what of 500 and 7")))
    note("searching", typed | work)
    return figures


# --- the run -----------------------------------------------------------------------------------------------------------


def first_load(page: Page) -> str:
    """The first load in words."""
    loaded: list[Response] = []

    def remember(response: Response) -> None:  # Playwright does not accept a list's own method
        loaded.append(response)

    page.on("response", remember)
    page.goto("/", wait_until="networkidle")
    sizes: dict[str, list[int]] = defaultdict(list)
    for response in loaded:
        kind = Path(urlsplit(response.url).path).suffix
        if kind in {".js", ".css"}:
            sizes[kind].append(len(gzip.compress(response.body())))
    return ", ".join(f"{sum(all_) / 1000:.1f} kB of {kind[1:]} in {len(all_)} files" for kind, all_ in sizes.items())


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Each figure of both stores by its middle round, and their ratio."""
    lines = [f"{'':52}{'empty':>9}{f'{CHATS:,} chats':>14}{'ratio':>8}   aim"]
    for name, aim in AIMS.items():
        empty, full = (statistics.median(each[name]) for each in found.values())
        lines.append(f"{name:52}{empty:9.1f}{full:14.1f}{full / empty:8.2f}   {aim or ''}".rstrip())
    return "\n".join(lines)


def seed(chats: int) -> dict[str, object]:
    """So many chats, of which one is long."""
    texts = [answer_of(400 + 150 * n, f"kept {n}") for n in range(12)]
    return {"chats": chats, "each": TURNS_EACH, "long": TURNS_OF_THE_LONG, "texts": texts}


def _store(chromium: Browser, site: WholeApp, chats: int) -> BrowserContext:
    context = chromium.new_context(base_url=site.url, viewport={"width": 1000, "height": 700}, locale="en-GB")
    context.add_cookies([{"name": n, "value": v, "url": site.url} for n, v in site.cookie("alice").items()])
    page = context.new_page()
    if chats == 1:
        print(f"first load: {first_load(page)}, after gzip", flush=True)
    page.goto("/", wait_until="networkidle")
    page.evaluate(_SEED, seed(chats))
    page.close()
    return context


@click.command()
@click.argument("rounds", type=click.IntRange(min=1), default=3)
@click.option(
    "--page",
    "built",
    type=click.Path(exists=True, path_type=Path),
    default=ROOT / "webapp" / "dist",
    help="another built page",
)
def main(rounds: int, built: Path) -> None:
    """Measure, and print the table."""
    executable = browser.find()  # before this Playwright starts: `find` runs its own
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        if hasattr(os, "getloadavg")
        else platform.machine()
    )
    with ModelEndpoint(ModelOptions()) as model:
        functions = FunctionApp(model, ApiOptions(ROOT / "api"))
        site = WholeApp(model, functions, SiteOptions(built, load_personas()))
        with functions, site, sync_playwright() as playwright:
            for question, said in SAID.items():
                stub = {
                    "when": {"prompt": question},
                    "say": said,
                    "pace": {"first_ms": 50, "each_ms": 0.4 if said.startswith("```") else 2},
                }
                model.simulation.scopes.say(parse_stub(stub, question))
            chromium = playwright.chromium.launch(executable_path=executable)
            stores = {name: _store(chromium, site, chats) for name, chats in (("empty", 1), ("full", CHATS))}
            found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in stores}
            for at in range(rounds):
                for name, context in stores.items():
                    page = context.new_page()
                    page.set_default_timeout(120_000)
                    page.add_init_script(_OBSERVE)
                    for figure, value in round_of(_Watched(page, chromium)).items():
                        found[name][figure].append(value)
                    page.close()
                    print(f"round {at + 1} of {rounds}, {name}", file=sys.stderr, flush=True)
            chromium.close()
    print(table(found))


if __name__ == "__main__":
    main()
