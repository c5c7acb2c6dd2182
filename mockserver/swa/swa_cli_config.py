"""What `swa start` would serve: the part of `swa-cli.config.json` that is used here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from mockserver.documents import convert
from mockserver.errors import UserError, did_you_mean
from mockserver.exchange import server_url

SWA_CLI_CONFIG = "swa-cli.config.json"
#: Source: the CLI's own defaults, for an API of functions.
_FUNCTIONS_PORT = 7071


class SwaCliConfigError(UserError):
    """A `swa-cli.config.json` that cannot be used: where, and what is wrong."""


@dataclass(frozen=True, slots=True)
class SwaCliConfig:
    """What to serve: a folder of built files or a dev server's URL, and the command that runs it; None for what is absent.

    `search` is the folder in which the CLI looks for the site's configuration, `run_in` the one in which it runs the command.
    `notes` say what it does besides that its users may not expect.
    """

    app: Path | str
    api_url: str | None = None
    run: str | None = None
    search: Path | None = None
    run_in: Path | None = None
    port: int | None = None
    notes: tuple[str, ...] = ()


# --- as people write them; other keys are the official CLI's ---------------------------------------------------------

Port = Annotated[int, Meta(ge=0, le=65535)]


class StartEntry(Struct, frozen=True, rename="camel"):
    """One of the `configurations`."""

    app_location: str = "."
    output_location: str = "."
    app_devserver_url: str = ""
    api_location: str = ""
    api_devserver_url: str | UnsetType = UNSET
    data_api_devserver_url: str | UnsetType = UNSET
    api_port: Port = _FUNCTIONS_PORT
    swa_config_location: str = ""
    run: str | UnsetType = UNSET
    port: Port | UnsetType = UNSET


class SwaCliFile(Struct, frozen=True):
    """The file."""

    configurations: dict[str, dict[str, Any]]


def read_swa_cli_config(path: Path, name: str | None = None) -> SwaCliConfig:
    """The configuration of that name, or the first of the file, as `swa start` reads it.

    Source: @azure/static-web-apps-cli 2.0.10: cli-config, options, start and cli (createStartupScriptCommand).

    Raises:
        SwaCliConfigError: no such file or configuration, or a wrong value.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SwaCliConfigError(f"There is no {path}: say what to serve with --app DIR or --app URL") from error
    except (ValueError, RecursionError) as error:
        raise SwaCliConfigError(f"{path}: not valid JSON: {error}") from error
    configurations = convert(document, SwaCliFile, str(path), SwaCliConfigError).configurations
    if not configurations:
        raise SwaCliConfigError(f"{path}: `configurations` is empty; `swa init` writes one")
    notes = []
    if name is None and len(configurations) > 1:
        others = ", ".join(list(configurations)[1:])
        notes.append(f"{path}: {next(iter(configurations))}, the first of several; --configuration chooses: {others}")
    name = next(iter(configurations)) if name is None else name
    if name not in configurations:
        hint = did_you_mean(name, configurations)
        known = ", ".join(configurations)
        raise SwaCliConfigError(f"{path}: no configuration {name!r}{hint}; choose with --configuration: {known}")
    where, values = f"{path}: {name}", configurations[name]
    of_start = values.get("start")
    entry = convert(
        {**values, **(of_start if isinstance(of_start, dict) else {})}, StartEntry, where, SwaCliConfigError
    )
    app_folder = path.parent / entry.app_location
    api_url = entry.api_devserver_url or entry.data_api_devserver_url
    if api_url is UNSET and entry.api_location:
        if _exists(path.parent / entry.api_location):
            api_url = f"http://127.0.0.1:{entry.api_port}"
        else:
            notes.append(f"{where}: there is no folder {entry.api_location}, so there is no API")
    if api_url is not UNSET and server_url(api_url) is None:
        raise SwaCliConfigError(f"{where}: the URL of an API must be as http://localhost:7071, got {api_url!r}")
    output = app_folder / entry.output_location
    return SwaCliConfig(
        entry.app_devserver_url or (output if _exists(output) else path.parent / entry.output_location),
        None if api_url is UNSET else api_url.rstrip("/"),
        None if entry.run is UNSET else startup_command(entry.run, app_folder),
        path.parent / entry.swa_config_location if entry.swa_config_location else app_folder,
        app_folder,
        None if entry.port is UNSET else entry.port,
        tuple(notes),
    )


def startup_command(run: str, folder: Path) -> str | None:
    """The command that `run` stands for: a script as `npm:dev`, `yarn:dev` or `npx:vite`, a file in the folder, or any command
    without a colon; None for what the CLI ignores."""
    if ":" not in run:
        script = folder / run
        return str(script.resolve()) if not Path(run).is_absolute() and _exists(script) else run
    tool, *rest = run.split(":")
    if tool in ("npm", "yarn"):
        return f"{tool} run {':'.join(rest)} --if-present"
    if tool == "npx":
        return f"npx {':'.join(rest)}"
    return f"{run} --if-present" if tool.startswith("npm run") and len(rest) == 1 else None


def _exists(path: Path) -> bool:
    """Whether there is such a file or folder; there is none whose name no file can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
