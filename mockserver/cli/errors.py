"""Errors that the user can correct: one message and exit status 1, instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from mockserver.errors import UserError, printable


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn an error that the user can correct into one message and exit status 1."""
    try:
        yield
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise click.ClickException(f"a file is not valid UTF-8 (line {line}): save it as UTF-8") from error
    except (UserError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
            text = f"{error.filename}: {error.strerror}"
        raise click.ClickException(printable(text)) from error
