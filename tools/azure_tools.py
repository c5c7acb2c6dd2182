"""Azure's own command line and the SWA CLI, in a folder of their own: `make azure` runs them against a fake of Azure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from environments import environment

ROOT = Path(__file__).resolve().parent.parent
#: The version that is deployed with.
SWA_CLI = re.findall(r'^SWA_CLI = "(.+)"', (ROOT / "infra" / "deploy.py").read_text(encoding="utf-8"), re.MULTILINE)[0]
_FOLDER = ROOT / ".cache" / "azure"
AZ = _FOLDER / "az" / "bin" / "az"
SWA = _FOLDER / "swa" / "node_modules" / ".bin" / "swa"


def install() -> None:
    """Install both, once and when a version changes: 900 MB, two minutes."""
    environment(_FOLDER / "az", ROOT / "requirements" / "azure.txt", "azure")
    version = SWA_CLI.rpartition("@")[2]
    stamp = SWA.parent / ".version"
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == version):
        print(f"azure: installing {SWA_CLI}", flush=True)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        npm = shutil.which("npm") or "npm"  # on Windows it is npm.cmd
        subprocess.run([npm, "install", "--prefix", str(_FOLDER / "swa"), *quiet, SWA_CLI], check=True)
        stamp.write_text(version, encoding="utf-8")


if __name__ == "__main__":
    install()
