"""Prints how a change differs from a base revision in the bundled cassettes, as Markdown for a pull request."""

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
    """Print the differences from the revision in the first argument; `origin/main` by default."""
    base = sys.argv[1] if len(sys.argv) > 1 else "origin/main"
    packed = subprocess.run(["git", "archive", base, CASSETTES], cwd=ROOT, capture_output=True, check=False)  # noqa: S607  git
    if packed.returncode != 0:
        sys.exit(f"review: {base} cannot be read, or has no {CASSETTES}: {packed.stderr.decode().strip()}")
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
        diff = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if diff.returncode not in (0, 1):
        sys.exit(f"review: {diff.stderr}")
    print(diff.stdout.strip() or f"No cassette differs from {base}.")


if __name__ == "__main__":
    main()
