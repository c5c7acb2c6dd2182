"""Types of command-line parameters."""

from __future__ import annotations

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
        """The folder, or the URL; of this machine, under the name that stands for both of its addresses."""
        if not isinstance(value, str) or "://" not in value:
            return Path(value)
        parts = server_url(value)
        if parts is None or parts.scheme != "http":
            self.fail(f"{value}: a dev server's URL is http://localhost:PORT", param, ctx)
        port = f":{parts.port}" if parts.port else ""
        local = parts.hostname in ("127.0.0.1", "::1")  # Node listens on either, and does not say on which
        return urlunsplit(parts._replace(netloc=f"localhost{port}")) if local else value


def api_url(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """The URL of an API: its origin, because the path is the request's own."""
    if url is None:
        return None
    parts = server_url(url)
    if parts is None or parts.path.rstrip("/") or parts.query:
        raise click.BadParameter(
            f"{url!r}: an API's URL is http://localhost:PORT, without a path; /api comes with the request"
        )
    return url.rstrip("/")
