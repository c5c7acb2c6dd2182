"""Measures the built page: the size of its first load, and the browser's work while a long answer streams in."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import browser
from playwright.sync_api import Page, Response, sync_playwright

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.stub import parse_stub
from mockserver.swa.personas import load_personas

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3
#: The blocks must all differ, or a renderer that caches blocks has nothing to do.
LONG_ANSWER_BYTES = 17_000
_OBSERVE = """
window.figures = {longTasks: 0, shift: 0};
new PerformanceObserver((list) => { for (const e of list.getEntries()) figures.longTasks += e.duration }).observe({type: 'longtask'});
new PerformanceObserver((list) => { for (const e of list.getEntries()) figures.shift += e.value }).observe({type: 'layout-shift'});
"""


def long_answer() -> str:
    """Markdown of headings, prose, lists, code and a table, no two blocks the same."""
    blocks: list[str] = []
    while sum(map(len, blocks)) < LONG_ANSWER_BYTES:
        words = " ".join(hashlib.sha256(f"{len(blocks)}-{n}".encode()).hexdigest()[:7] for n in range(40))
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


def main() -> None:
    """Print the figures."""
    executable = browser.find()  # before this Playwright starts: `find` runs its own
    with ModelEndpoint(ModelOptions()) as model:
        functions = FunctionApp(model, ApiOptions(ROOT / "api"))
        site = WholeApp(model, functions, SiteOptions(ROOT / "webapp" / "dist", load_personas()))
        with functions, site, sync_playwright() as playwright:
            answer = {"say": long_answer(), "pace": {"first_ms": 50, "each_ms": 2}}
            model.simulation.scopes.say(parse_stub(answer, "the long answer"))
            chromium = playwright.chromium.launch(executable_path=executable)
            for run in range(RUNS):
                context = chromium.new_context(base_url=site.url, viewport={"width": 1000, "height": 700})
                context.add_cookies([{"name": n, "value": v, "url": site.url} for n, v in site.cookie("alice").items()])
                _figures(context.new_page(), first=run == 0)
                context.close()
            chromium.close()


def _figures(page: Page, *, first: bool) -> None:
    loaded: list[Response] = []

    def remember(response: Response) -> None:  # Playwright does not accept a list's own method
        loaded.append(response)

    page.on("response", remember)
    page.add_init_script(_OBSERVE)
    page.goto("/", wait_until="networkidle")
    if first:
        for kind in (".js", ".css"):
            sizes = [
                len(gzip.compress(response.body())) for response in loaded if urlsplit(response.url).path.endswith(kind)
            ]
            print(f"first load  {sum(sizes) / 1000:.1f} kB of {kind[1:]} after gzip, in {len(sizes)} files")
    page.evaluate("figures.longTasks = figures.shift = 0")
    page.get_by_role("textbox", name="Message").fill("Go on at length")
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator("article[data-state=done]").wait_for()
    figures = page.evaluate("figures")
    print(f"17 kB answer  {figures['longTasks']:.0f} ms of long tasks, layout shift {figures['shift']:.4f}")


if __name__ == "__main__":
    main()
