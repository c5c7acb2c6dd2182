"""Packs the function app for deployment, and checks that the package loads on its own, with and without settings."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = ROOT / "api"
ZIP = ROOT / "dist" / "api.zip"
ALONE = ROOT / ".cache" / "alone"
#: The Python versions it is deployed on: managed functions support at most 3.11, Flex 3.13.
PYTHONS = ("3.11", "3.13")
#: One of these is set in a pipeline: by GitHub, GitLab and most others; by Azure Pipelines, Jenkins, TeamCity, AWS CodeBuild.
PIPELINES = ("CI", "TF_BUILD", "JENKINS_URL", "TEAMCITY_VERSION", "CODEBUILD_BUILD_ID")
#: Settings like those of a deployment, none of them real.
DEPLOYED = {
    "AZURE_OPENAI_ENDPOINT": "https://example.openai.azure.com",
    "AZURE_OPENAI_AUTH": "identity",
    "AZURE_OPENAI_DEPLOYMENT": "chat",
    "REQUIRED_ROLE": "invited",
}
_LIST = """
import json, function_app
print(json.dumps(sorted(function.get_function_name() for function in function_app.app.get_functions())))
"""


class PackageError(Exception):
    """The package does not run; the message says why."""


def pack(api: Path = API, target: Path = ZIP) -> Path:
    """The zip of a function app, without the files that `.funcignore` lists."""
    ignored = [line.strip() for line in (api / ".funcignore").read_text().splitlines() if line.strip()]
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted(api.rglob("*")):
            parts = path.relative_to(api).parts
            if path.is_file() and not any(fnmatch.fnmatch(part, rule) for part in parts for rule in ignored):
                package.write(path, Path(*parts))
    return target


def functions(package: Path, python: str, settings: dict[str, str]) -> list[str]:
    """The names of the package's functions, with only these settings in the environment.

    Raises:
        PackageError: it does not load; the message has the exception and its place.
    """
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        bare = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
        run = subprocess.run(
            [python, "-c", _LIST], cwd=folder, env={**bare, **settings}, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            frames = [line.strip() for line in run.stderr.splitlines() if line.strip().startswith(f'File "{folder}')]
            place = frames[-1].replace(f"{folder}/", "") if frames else "function_app.py"
            raise PackageError(f"{place}: {run.stderr.strip().splitlines()[-1]}")
        names: list[str] = json.loads(run.stdout)
        return names


def verify(package: Path, python: str) -> list[str]:
    """The names of the package's functions, which must be the same with an empty environment and with a deployment's settings.

    Raises:
        PackageError: it does not load, has no functions, or the names differ.
    """
    empty, deployed = functions(package, python, {}), functions(package, python, DEPLOYED)
    if empty != deployed or not empty:
        raise PackageError(f"the functions differ: {empty} without settings, {deployed} with them")
    return empty


def isolated_python(version: str) -> str | None:
    """An interpreter of that version with only the app's own requirements; None if the version is not installed.

    Raises:
        PackageError: the requirements cannot be installed.
    """
    search = subprocess.run(
        [sys.executable, "tools/setup_environment.py", "--find", version],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if search.returncode != 0:
        return None
    venv = ALONE / version
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, requirements = venv / ".requirements", (API / "requirements.txt").read_text()
    if not (stamp.is_file() and stamp.read_text() == requirements):
        subprocess.run([search.stdout.strip(), "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        install = subprocess.run(
            [*pip, "--requirement", str(API / "requirements.txt")], capture_output=True, text=True, check=False
        )
        if install.returncode != 0:
            raise PackageError(
                f"Python {version}: the requirements cannot be installed: {install.stderr.strip()[-300:]}"
            )
        stamp.write_text(requirements)
    return str(python)


def in_a_pipeline(environment: Mapping[str, str]) -> bool:
    """Whether a pipeline runs this: there, a package is deployed, so that each of its Pythons must have loaded it."""
    return any(environment.get(name, "").lower() not in ("", "0", "false") for name in PIPELINES)


def main() -> None:
    """Pack and verify; with `--pack FILE`, only pack, into that file."""
    if sys.argv[1:2] == ["--pack"]:
        pack(target=Path(sys.argv[2]))
        return
    package = pack()
    print(f"{package.relative_to(ROOT)}  {package.stat().st_size / 1024:.0f} kB")
    try:
        for version in PYTHONS:
            python = isolated_python(version)
            if python is None:
                if in_a_pipeline(os.environ):
                    raise PackageError(
                        f"Python {version}, which the app is deployed on, is not installed on this machine; a pipeline "
                        f"needs Python {' and '.join(PYTHONS)}: actions/setup-python on GitHub, UsePythonVersion in Azure"
                    )
                print(f"Python {version}: not installed on this machine, not checked")
                continue
            print(f"Python {version}: {', '.join(verify(package, python))}")
    except PackageError as error:
        sys.exit(f"package: {error}")


if __name__ == "__main__":
    main()
