"""Types of command-line parameters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlunsplit

import click

from mockserver.exchange import server_url

PATH = click.Path(path_type=Path)
PORT = click.IntRange(0, 65535)


class AppType(click.ParamType[Path | str]):
    """A folder of built files, or the URL of a dev server."""

    name = "DIR|URL"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | str:
        """The folder, or the URL; 127.0.0.1 becomes `localhost`, which stands for IPv4 and IPv6."""
        if not isinstance(value, str) or "://" not in value:
            return _folder(self, value, param, ctx)
        parts = server_url(value)
        if parts is None:
            self.fail(f"a dev server's URL must be like http://localhost:PORT, got {value!r}", param, ctx)
        port = f":{parts.port}" if parts.port else ""
        local = parts.hostname == "127.0.0.1"  # Node listens on one of the two, and does not say on which
        return urlunsplit(parts._replace(netloc=f"localhost{port}")) if local else value


class ApiType(click.ParamType[Path | str]):
    """The folder of a function app, or the URL of an API that is started separately."""

    name = "DIR|URL"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | str:
        """The folder, or the URL without a slash at its end."""
        if not isinstance(value, str) or "://" not in value:
            return _folder(self, value, param, ctx)
        if (why := _not_an_api(value)) is not None:
            self.fail(why, param, ctx)
        return value.rstrip("/")


def _folder(kind: click.ParamType[Any], value: Any, param: Any, ctx: Any) -> Path:
    """The folder; not an address without its scheme."""
    if re.fullmatch(r"[\w.-]+:\d+/?", str(value)) and not Path(value).exists():
        kind.fail(f"no such folder: {str(value)!r}; for a server: http://{value}", param, ctx)
    return Path(value)


def redis_url(_context: click.Context, _option: click.Parameter, url: str | None) -> str:
    """The URL of a Redis; empty for none."""
    if url == "":  # as of a variable that is not set
        raise click.BadParameter("--redis must be as in redis://127.0.0.1:6379, got nothing; leave it out for none")
    return url or ""


def api_url(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """The URL of an API: only its origin, because the path comes from the request."""
    if url is not None and (why := _not_an_api(url)) is not None:
        raise click.BadParameter(why)
    return url and url.rstrip("/")


def _not_an_api(url: str) -> str | None:
    """What is wrong with an API's URL; None where nothing is."""
    parts = server_url(url)
    if parts is not None and not parts.path.rstrip("/") and not parts.query:
        return None
    return f"an API's URL must be like http://localhost:PORT, without a path, got {url!r}; /api comes from the request"
