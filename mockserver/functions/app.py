"""A function app's folder as the Functions host reads it, before any of its Python runs."""

from __future__ import annotations

import os
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from mockserver.functions.settings import HostSettings, LoadError, read_settings

#: Where a deployed app has its packages. Source: the worker's start script; `func pack`, remote builds.
_PACKAGES = Path(".python_packages", "lib", "site-packages")
_SCRIPT_VARIABLE, _SCRIPT = "PYTHON_SCRIPT_FILE_NAME", "function_app.py"


@dataclass(frozen=True, slots=True)
class AppFolder:
    """A folder with a function app, its settings, and the file that is loaded first."""

    path: Path
    settings: HostSettings
    module: Path


def open_app(folder: Path) -> AppFolder:
    """The app in a folder. Makes the folder the working directory and importable, as the packages in it, and sets the
    `Values` of local.settings.json in the environment where they are not set yet.

    Raises:
        LoadError: no app, no host.json, or one of the files is not what the host reads.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise LoadError(f"{folder}: no such folder, so there is no {_SCRIPT}")
    settings = read_settings(folder) if (folder / "host.json").is_file() or (folder / _SCRIPT).is_file() else None
    script = os.environ.get(_SCRIPT_VARIABLE) or _SCRIPT
    if not re.fullmatch(r"[A-Za-z_]\w*\.py", script):
        raise LoadError(f"{_SCRIPT_VARIABLE} must be as in main.py, got {script!r}")
    if settings is None or not (folder / script).is_file():
        raise LoadError(f"{folder}: there is no {script}")
    packages = folder / _PACKAGES
    sys.path[:0] = [str(folder), *([str(packages)] if packages.is_dir() else [])]
    os.chdir(folder)
    return AppFolder(folder, settings, folder / script)


def load_failure(error: BaseException, app: AppFolder) -> str:
    """The line of the app that raised an error, and the error."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    app_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(app.path)]
    place = f"{app_frames[-1].filename}, line {app_frames[-1].lineno}: " if app_frames else f"{app.module}: "
    return f"{place}{type(error).__name__}: {error}"
