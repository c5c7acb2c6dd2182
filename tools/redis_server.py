"""Finds a Redis or Valkey server for the tests of several workers; as root on Debian, installs one if none is found."""

from __future__ import annotations

import shutil

from debian import install

NAMES = ("redis-server", "valkey-server")


def find() -> str | None:
    """The path of a server on this machine, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


if __name__ == "__main__":
    if find() is None:
        install(*NAMES, words="redis: installing Debian's server for the tests of several workers (about 5 MB, once)")
        if find() is None:
            print("redis: neither redis-server nor valkey-server is on PATH; the tests of several workers are skipped")
