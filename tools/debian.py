"""Installs Debian packages that tests need, where apt-get and root allow it."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(*names: str, words: str) -> None:
    """Print `words`, and install the first of these packages that this release has; nothing where nothing may be installed."""
    apt = shutil.which("apt-get")
    if apt is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    print(words, flush=True)
    get = [apt, "install", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run([apt, "update", "-qq"], stdout=subprocess.DEVNULL, check=False)
    for name in names:
        if subprocess.run([*get, name], stdout=subprocess.DEVNULL, check=False).returncode == 0:
            return
