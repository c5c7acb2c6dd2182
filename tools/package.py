"""Packs the function app as it is deployed, and proves that the package loads: alone, with and without its settings."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = ROOT / "api"
ZIP = ROOT / "dist" / "api.zip"
ALONE = ROOT / ".cache" / "alone"
#: Where the app is deployed: managed functions take 3.11 at most, Flex 3.13.
PYTHONS = ("3.11", "3.13")
#: Settings as a deployment has them, none of them real.
DEPLOYED = {
    "AZURE_OPENAI_ENDPOINT": "https://example.openai.azure.com",
    "AZURE_OPENAI_AUTH": "identity",
    "AZURE_OPENAI_DEPLOYMENT": "chat",
    "REQUIRED_ROLE": "invited",
}
_LIST = """
import json, function_app
print(json.dumps(sorted(each.get_function_name() for each in function_app.app.get_functions())))
"""


class PackageError(Exception):
    """A package that would not run; says why."""


def pack(api: Path = API, target: Path = ZIP) -> Path:
    """The zip of a function app, without what `.funcignore` leaves out."""
    ignored = [line.strip() for line in (api / ".funcignore").read_text().splitlines() if line.strip()]
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted(api.rglob("*")):
            parts = path.relative_to(api).parts
            if path.is_file() and not any(fnmatch.fnmatch(part, rule) for part in parts for rule in ignored):
                package.write(path, Path(*parts))
    return target


def functions(package: Path, python: str, settings: dict[str, str]) -> list[str]:
    """The names of the package's functions, in an environment that has nothing but these settings.

    Raises:
        PackageError: it does not load; says what was raised, and where.
    """
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(package) as whole:
            whole.extractall(folder)
        bare = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
        run = subprocess.run(
            [python, "-c", _LIST], cwd=folder, env={**bare, **settings}, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            frames = [line.strip() for line in run.stderr.splitlines() if line.strip().startswith(f'File "{folder}')]
            place = frames[-1].replace(f"{folder}/", "") if frames else "function_app.py"
            raise PackageError(f"{place}: {run.stderr.strip().splitlines()[-1]}")
        found: list[str] = json.loads(run.stdout)
        return found


def verified(package: Path, python: str) -> list[str]:
    """The names of the package's functions, the same with an empty environment and with a deployment's settings.

    Raises:
        PackageError: it does not load, has none, or they differ.
    """
    empty, deployed = functions(package, python, {}), functions(package, python, DEPLOYED)
    if empty != deployed or not empty:
        raise PackageError(f"the functions differ: {empty} without settings, {deployed} with them")
    return empty


def alone(version: str) -> str | None:
    """An interpreter of that version with nothing but the app's own requirements; None where there is none to make it of.

    Raises:
        PackageError: they do not install.
    """
    found = subprocess.run(
        [sys.executable, "tools/setup_environment.py", "--find", version],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        return None
    venv = ALONE / version
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, wanted = venv / ".requirements", (API / "requirements.txt").read_text()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        subprocess.run([found.stdout.strip(), "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        done = subprocess.run(
            [*pip, "--requirement", str(API / "requirements.txt")], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise PackageError(f"Python {version}: the requirements do not install: {done.stderr.strip()[-300:]}")
        stamp.write_text(wanted)
    return str(python)


def main() -> None:
    """Pack, and verify; with `--pack FILE`, pack into that file alone."""
    if sys.argv[1:2] == ["--pack"]:
        pack(target=Path(sys.argv[2]))
        return
    package = pack()
    print(f"{package.relative_to(ROOT)}  {package.stat().st_size / 1024:.0f} kB")
    try:
        for version in PYTHONS:
            python = alone(version)
            if python is None:
                if os.environ.get("CI"):
                    raise PackageError(f"Python {version}, which it is deployed on, is not on this machine")
                print(f"Python {version}: not on this machine, not tried")
                continue
            print(f"Python {version}: {', '.join(verified(package, python))}")
    except PackageError as error:
        sys.exit(f"package: {error}")


if __name__ == "__main__":
    main()
