from __future__ import annotations

import inspect

import httpx2


def pytest_configure() -> None:
    """A client's default of five seconds would make every test assert that the machine is fast; pytest-timeout ends what hangs."""
    default = inspect.signature(httpx2.Client).parameters["timeout"].default
    default.connect = default.read = default.write = default.pool = 60
