"""What a change did to the cassettes that come along, as Markdown for a pull request; `BASE` is what it is compared with."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASSETTES = "mockserver/data/cassettes"


def main() -> None:
    """Print it."""
    base = sys.argv[1] if len(sys.argv) > 1 else "origin/main"
    packed = subprocess.run(["git", "archive", base, CASSETTES], cwd=ROOT, capture_output=True, check=False)  # noqa: S607  git
    if packed.returncode != 0:
        sys.exit(f"review: there is no {base} with {CASSETTES}: {packed.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as before:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(before, filter="data")
        command = [
            sys.executable,
            "-m",
            "mockserver",
            "cassette",
            "diff",
            f"{before}/{CASSETTES}",
            CASSETTES,
            "--markdown",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"review: {done.stderr}")
    print(done.stdout.strip() or f"No cassette differs from {base}.")


if __name__ == "__main__":
    main()
