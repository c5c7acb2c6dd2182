"""An API that is started separately: `func start`, Node, .NET, anything that answers at a URL."""

from __future__ import annotations

from typing import Self

from mockserver.contract.addresses import Backend


class ExternalApi:
    """What a whole app needs to know of an API that it does not start: where it is. The model's answers go through the gate."""

    direct_url = None
    paused = failed = False

    def __init__(self, url: str, backend: Backend = Backend.OPENAI) -> None:
        """`backend` is the one that it was told to use."""
        self.urls, self.backend = (url,), backend
        self.site_url: str | None = None

    @property
    def url(self) -> str:
        """Its URL, not through the gate."""
        return self.urls[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
