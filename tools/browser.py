"""Finds a browser for the browser tests; as root on Debian, installs one if none is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def install() -> bool:
    """Install Debian's Chromium where apt-get and root allow it; False where they do not."""
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    print("browser: installing Debian's Chromium (about 90 MB, once)", flush=True)
    update = ["apt-get", "update", "-qq"]
    get = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run(update, stdout=subprocess.DEVNULL, check=False)
    for name in NAMES[:2]:  # older releases do not have the headless shell
        if subprocess.run([*get, name], stdout=subprocess.DEVNULL, check=False).returncode == 0:
            break
    return True


if __name__ == "__main__":
    if find() is None and not (install() and find()):
        sys.exit(
            "browser: no Chromium, Chrome or Edge found; install one, or run .venv/bin/playwright install chromium"
        )
