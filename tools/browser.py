"""Finds a browser for the browser tests; as root on Debian, installs one where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
)
_MAC = ("Google Chrome", "Chromium", "Microsoft Edge")


def find() -> str | None:
    """The path of a browser: Playwright's own, else one on this machine; None where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if Path(own).exists():
        return own
    on_mac = (Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in _MAC)
    found = [*filter(None, map(shutil.which, _NAMES)), *(str(path) for path in on_mac if path.exists())]
    return found[0] if found else None


def install() -> bool:
    """Install Debian's Chromium where that is ours to do; whether it was tried."""
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    print("browser: installing Debian's chromium (about 90 MB, once)", flush=True)
    options = ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", *options, "chromium"]):
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return True


if __name__ == "__main__":
    if find() is None and not (install() and find()):
        sys.exit(
            "browser: no Chromium, Chrome or Edge on this machine; install one, or: .venv/bin/playwright install chromium"
        )
