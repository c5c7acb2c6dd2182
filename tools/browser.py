"""Finds a browser for the browser tests; as root on Debian, installs one if none is found."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from debian import install

#: The first is Chromium without a window: the same pages, in half the time.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
)
_MAC = ("Google Chrome", "Chromium", "Microsoft Edge")


def find() -> str | None:
    """The path of a browser: Playwright's own, else another on this machine, or None."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if Path(own).exists():
        return own
    on_mac = (Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in _MAC)
    paths = [*filter(None, map(shutil.which, NAMES)), *(str(path) for path in on_mac if path.exists())]
    return paths[0] if paths else None


if __name__ == "__main__":
    if find() is None:
        # Older releases do not have the headless shell.
        install(*NAMES[:2], words="browser: installing Debian's Chromium (about 90 MB, once)")
    if find() is None:
        sys.exit(
            "browser: no Chromium, Chrome or Edge found; install one, or run .venv/bin/playwright install chromium"
        )
    if sys.argv[1:] == ["--print"]:
        print(find())
