"""A function app's folder as the Functions host reads it, before any of its Python runs."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockserver.errors import UserError


class LoadError(UserError):
    """A function app that cannot be loaded; says which file, line or function, and why."""


@dataclass(frozen=True, slots=True)
class AppFolder:
    """A folder with a `function_app.py`: the prefix of its routes, and the origins that its local settings allow (CORS)."""

    path: Path
    prefix: str
    origins: frozenset[str]

    @property
    def module(self) -> Path:
        """The file that is loaded first."""
        return self.path / "function_app.py"


def open_app(folder: Path) -> AppFolder:
    """The app in a folder. Makes the folder the working directory and importable, and sets the `Values` of
    local.settings.json in the environment where they are not set yet.

    Raises:
        LoadError: no app, no host.json, or one of the files is not valid JSON.
    """
    folder = folder.resolve()
    if not (folder / "function_app.py").is_file():
        raise LoadError(f"{folder}: there is no function_app.py")
    settings = _json_object(folder / "local.settings.json") if (folder / "local.settings.json").is_file() else {}
    if not (folder / "host.json").is_file():
        raise LoadError(f'{folder / "host.json"}: there is no host.json; the smallest is {{"version": "2.0"}}')
    host = _json_object(folder / "host.json")
    try:
        for name, value in settings.get("Values", {}).items():
            os.environ.setdefault(name, str(value))
        prefix = str(host.get("extensions", {}).get("http", {}).get("routePrefix", "api")).strip("/")
        origins = str(settings.get("Host", {}).get("CORS", "")).split(",")
    except (AttributeError, ValueError) as error:  # not an object where one is required; an invalid variable name
        raise LoadError(f"{folder}: host.json or local.settings.json: {error}") from error
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    return AppFolder(folder, prefix, frozenset(origin.strip().rstrip("/") for origin in origins if origin.strip()))


def load_failure(error: BaseException, app: AppFolder) -> str:
    """The line of the app that raised an error, and the error."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    app_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(app.path)]
    place = f"{app_frames[-1].filename}, line {app_frames[-1].lineno}: " if app_frames else f"{app.module}: "
    return f"{place}{type(error).__name__}: {error}"


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LoadError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path}: must be a JSON object")
    return content
