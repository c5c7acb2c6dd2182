"""host.json and local.settings.json as the Functions host reads them, with what the environment changes in them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import json5

from mockserver.errors import UserError
from mockserver.exchange import HEADER_FORM, Headers, is_header

#: Headers by which the host frames an answer, whatever a function or a setting says.
FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_OVERRIDE = re.compile(r"AzureFunctionsJobHost(?:__|:)(.+)", re.IGNORECASE)


class LoadError(UserError):
    """A function app that cannot be loaded; says which file, line or function, and why."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What the two files say of HTTP. None is no limit; `only` None leaves out no function, else it has their names in lower
    case. `origins` may call the app from a browser, with cookies where `credentials` is set. `log_level` is the lowest of the
    app's own log lines that are shown: trace, debug, information, warning, error, critical or none. `plain_messages` sends a
    queue's messages as they are, not in base64."""

    prefix: str = "api"
    headers: Headers = ()
    only: frozenset[str] | None = None
    most_at_once: int | None = None
    most_waiting: int | None = None
    origins: frozenset[str] = frozenset()
    credentials: bool = False
    log_level: str = "information"
    plain_messages: bool = False

    def serves(self, name: str) -> bool:
        """Whether the host serves a function of that name. Source: host.json `functions`, and AzureWebJobs.NAME.Disabled."""
        off = os.environ.get(f"AzureWebJobs.{name}.Disabled", "").strip().lower()
        return off not in ("1", "true") and (self.only is None or name.lower() in self.only)


def read_settings(folder: Path) -> HostSettings:
    """The settings of an app. Sets the `Values` of local.settings.json in the environment where they are not set yet.

    Raises:
        LoadError: no host.json, or one of the files is not what the host reads.
    """
    local = _json_object(folder / "local.settings.json") if (folder / "local.settings.json").is_file() else {}
    path = folder / "host.json"
    if not path.is_file():
        raise LoadError(f'{path}: there is no host.json; the smallest is {{"version": "2.0"}}')
    host = _json_object(path)
    if host and (version := host.get("version")) != "2.0":  # the host completes an empty object
        raise LoadError(
            f'{path}: must have "version": "2.0", has {json.dumps(version)}; it is the version of this file, not of Functions'
        )
    _set_environment(local, folder / "local.settings.json")
    try:
        return _settings(_flat(host), local.get("Host") or {})
    except (AttributeError, TypeError, ValueError) as error:  # an object where none is expected, or none where one is
        raise LoadError(f"{folder}: host.json or local.settings.json: {error}") from error


def _settings(flat: Mapping[str, str], local: Mapping[str, Any]) -> HostSettings:
    def limit(name: str) -> int | None:
        text = flat.get(f"extensions:http:{name}", "-1")
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            raise ValueError(f"{name} must be a whole number, got {text!r}")
        return int(text) if int(text) > 0 else None

    custom = "extensions:http:customheaders:"
    headers = tuple((name.removeprefix(custom), value) for name, value in flat.items() if name.startswith(custom))
    if wrong := next((header for header in headers if not is_header(*header)), None):
        raise ValueError(f"customHeaders: {wrong[0]!r}: {wrong[1]!r} cannot be sent: {HEADER_FORM}")
    if framing := next((name for name, _ in headers if name in FRAMING), None):
        raise ValueError(f"customHeaders: {framing} is the host's own")
    if not isinstance(local, dict):
        raise ValueError("Host must be a JSON object")
    if (port := local.get("LocalHttpPort")) is not None and not _is_port(port):
        raise ValueError(f"LocalHttpPort must be a port from 1 to 65535, got {port!r}")
    only = frozenset(value.lower() for name, value in flat.items() if re.fullmatch(r"functions:\d+", name))
    origins = (origin.strip().rstrip("/") for origin in str(local.get("CORS") or "").split(","))
    return HostSettings(
        flat.get("extensions:http:routeprefix", "api").strip("/"),
        headers,
        only or None,
        limit("maxconcurrentrequests"),
        limit("maxoutstandingrequests"),
        frozenset(filter(None, origins)),
        str(local.get("CORSCredentials") or "").lower() == "true",
        flat.get("logging:loglevel:function", flat.get("logging:loglevel:default", "information")).lower(),
        flat.get("extensions:queues:messageencoding", "base64").lower() == "none",
    )


def local_port(folder: Path) -> int | None:
    """The port that local.settings.json names; None where it names none that can be read: the start says what is wrong."""
    try:
        port = (_json_object(folder / "local.settings.json").get("Host") or {})["LocalHttpPort"]
    except (OSError, LoadError, AttributeError, KeyError, TypeError):
        return None
    return int(port) if _is_port(port) else None


def _is_port(value: object) -> bool:
    return (
        not isinstance(value, bool)
        and re.fullmatch(r"[1-9][0-9]{0,4}", str(value)) is not None
        and int(str(value)) < 65536
    )


def _set_environment(local: Mapping[str, Any], path: Path) -> None:
    if local.get("IsEncrypted") in (True, "true", "True"):
        raise LoadError(
            f"{path}: IsEncrypted is true, and only the machine that encrypted it can read it: func settings decrypt"
        )
    values = {} if local.get("Values") is None else local["Values"]
    if not isinstance(values, dict):
        raise LoadError(f"{path}: Values must be a JSON object")
    for name, value in values.items():
        if not name or "=" in name or "\0" in f"{name}{value}":
            raise LoadError(
                f"{path}: Values: no environment variable can be named {name!r}, or have a value with a null"
            )
        text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
        try:
            os.environ.setdefault(name, text)
        except ValueError as error:  # half of a surrogate pair
            raise LoadError(f"{path}: Values: {name!a} cannot be an environment variable: {error}") from error


def _flat(host: Mapping[str, Any]) -> dict[str, str]:
    """Every setting of host.json by its path, in lower case, with the environment's in their place.

    Source: HostJsonFileConfigurationSource of the host; AzureFunctionsJobHost__extensions__http__routePrefix and the like.
    """
    flat = {path.lower(): value for path, value in _leaves(host, "")}
    for name, value in os.environ.items():
        if found := _OVERRIDE.fullmatch(name):
            flat[found[1].replace("__", ":").lower()] = value
    return flat


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, f"{path}:{name}" if path else str(name))
    elif value is not None:
        yield path, str(value)


def _json_object(path: Path) -> dict[str, Any]:
    """A file's object; with comments, commas at the end and a byte order mark, as the host's parser takes them.

    Source: Newtonsoft.Json's JObject.Parse, which the host and Core Tools use; azure-functions-core-tools#3868.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            content = json.loads(text)
        except json.JSONDecodeError:
            content = json5.loads(text)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path}: must be a JSON object")
    return content
