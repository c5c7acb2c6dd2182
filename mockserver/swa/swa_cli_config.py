"""What `swa start` would start: `swa-cli.config.json`, read for what is served here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockserver.errors import UserError
from mockserver.exchange import server_url

SWA_CLI_CONFIG = "swa-cli.config.json"
#: Source: the CLI's own defaults, for an API of functions.
_FUNCTIONS_PORT = 7071
#: What is read of a configuration.
_KINDS: dict[str, type] = {
    "port": int,
    "apiPort": int,
    **dict.fromkeys(
        (
            "appLocation",
            "outputLocation",
            "appDevserverUrl",
            "apiLocation",
            "apiDevserverUrl",
            "dataApiDevserverUrl",
            "swaConfigLocation",
            "run",
        ),
        str,
    ),
}


class SwaCliConfigError(UserError):
    """A `swa-cli.config.json` that cannot be used; says what and where."""


@dataclass(frozen=True, slots=True)
class SwaCliConfig:
    """What to serve: a folder of built files or a dev server's URL, and what runs it; None for what is not said."""

    app: Path | str
    api_url: str | None = None
    run: str | None = None
    config: Path | None = None
    port: int | None = None


def read_swa_cli_config(path: Path, name: str | None = None) -> SwaCliConfig:
    """What a configuration of the file says; the only one where none is named.

    Raises:
        StartConfigError: no such file or configuration, or it says nothing to serve.
    """
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))["configurations"]
    except FileNotFoundError as error:
        raise SwaCliConfigError(f"There is no {path}: say what to serve with --app DIR or --app URL") from error
    except KeyError as error:
        raise SwaCliConfigError(f"{path}: there is no `configurations`; `swa init` writes them") from error
    except (ValueError, TypeError) as error:
        raise SwaCliConfigError(f"{path}: no JSON object with `configurations`: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise SwaCliConfigError(f"{path}: `configurations` does not map names to objects")
    if not found:
        raise SwaCliConfigError(f"{path}: there is no configuration in `configurations`; `swa init` writes one")
    if name is None and len(found) == 1:
        name = next(iter(found))
    if name not in found:
        asked = f"no configuration {name!r}" if name else "several configurations"
        raise SwaCliConfigError(f"{path}: {asked}; choose with --configuration: {', '.join(found)}")
    given, folder = found[name], path.parent
    for key, kind in _KINDS.items():
        if key in given and (not isinstance(given[key], kind) or isinstance(given[key], bool)):
            wanted = "a number" if kind is int else "a text"
            raise SwaCliConfigError(f"{path}: {name}: {key} is {wanted}; this is {json.dumps(given[key])}")
        if kind is int and not 0 <= given.get(key, 0) <= 65535:
            raise SwaCliConfigError(f"{path}: {name}: {key} is {given[key]}; a port is at most 65535")
    app_folder = folder / given.get("appLocation", ".")
    app: Path | str = given.get("appDevserverUrl") or app_folder / given.get("outputLocation", ".")
    api = given.get("apiDevserverUrl") or given.get("dataApiDevserverUrl")
    if api is None and given.get("apiLocation"):
        api = f"http://127.0.0.1:{given.get('apiPort', _FUNCTIONS_PORT)}"
    if api is not None and server_url(api) is None:
        raise SwaCliConfigError(f"{path}: {name}: {api!r} is no API's URL, as http://localhost:7071")
    config = given.get("swaConfigLocation")
    return SwaCliConfig(
        app, api and api.rstrip("/"), given.get("run"), folder / config if config else None, given.get("port")
    )
