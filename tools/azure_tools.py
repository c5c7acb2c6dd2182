"""Azure's own command line, the SWA CLI and GitHub's parser of workflows, in a folder of their own: `make azure` runs them
against a fake of Azure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from environments import environment
from package import PYTHONS, isolated_python

ROOT = Path(__file__).resolve().parent.parent
#: The version that is deployed with.
SWA_CLI = re.findall(r'^SWA_CLI = "(.+)"', (ROOT / "infra" / "deploy.py").read_text(encoding="utf-8"), re.MULTILINE)[0]
_FOLDER = ROOT / ".cache" / "azure"
AZ = _FOLDER / "az" / "bin" / "az"
SWA = _FOLDER / "swa" / "node_modules" / ".bin" / "swa"


#: What reads a workflow and evaluates its expressions.
ACTIONS = _FOLDER / "actions"
_PARSER = ("@actions/workflow-parser@0.3.61", "@actions/expressions@0.3.61")


def install() -> None:
    """Install all, once and when a version changes: 900 MB, two minutes."""
    environment(_FOLDER / "az", ROOT / "requirements" / "azure.txt", "azure")
    _packages(_FOLDER / "swa", SWA_CLI)
    _packages(ACTIONS, *_PARSER)
    for version in PYTHONS:  # what a pipeline packs the app with
        isolated_python(version)


def _packages(folder: Path, *packages: str) -> None:
    stamp, versions = folder / ".versions", " ".join(packages)
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == versions):
        print(f"azure: installing {versions}", flush=True)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        npm = shutil.which("npm") or "npm"  # on Windows it is npm.cmd
        subprocess.run([npm, "install", "--prefix", str(folder), *quiet, *packages], check=True)
        stamp.write_text(versions, encoding="utf-8")


if __name__ == "__main__":
    install()
