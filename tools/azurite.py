"""Finds Azurite, Microsoft's emulator of Azure Storage, for the tests of bindings; installs it in .cache/ if none is found and npm is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "azurite"
PACKAGE = "azurite@3.35.0"


def find() -> str | None:
    """The path of an Azurite on this machine, or None."""
    return shutil.which("azurite") or shutil.which("azurite", path=FOLDER / "node_modules" / ".bin")


def install() -> None:
    """Install it in the cache folder; nothing without npm."""
    if (npm := shutil.which("npm")) is None:
        return
    print("azurite: installing it in .cache for the tests of bindings (about 160 MB, once)", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    quiet = ["--silent", "--no-audit", "--no-fund"]
    subprocess.run([npm, "install", *quiet, "--prefix", str(FOLDER), PACKAGE], check=False)


if __name__ == "__main__":
    if find() is None:
        install()
    if find() is None:
        print("azurite: it is neither on PATH nor in .cache; the tests of storage bindings are skipped")
