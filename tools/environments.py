"""Environments of their own, for what must not share the project's packages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import venv
from pathlib import Path


def environment(folder: Path, requirements: Path, what: str) -> Path:
    """The interpreter of an environment in a folder with locked requirements; installed once, and when they change."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, state = folder / ".done", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != state:
        print(f"{what}: installing the packages of {requirements.name}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "-r", str(requirements)], check=True)
        stamp.write_text(state, encoding="utf-8")
    return python
