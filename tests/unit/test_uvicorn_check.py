"""The check of uvicorn, on stand-ins that lack one thing each."""

from __future__ import annotations

from typing import Any

import pytest
import uvicorn

from mockserver.errors import UserError
from mockserver.wire import uvicorn_check
from mockserver.wire.server import _SETTINGS


class Protocol:
    def __init__(self) -> None:
        self.scope = self.transport = self.parser = self.app = self.client = self.cycle = self.loop = None
        self.timeout_keep_alive, self.timeout_keep_alive_task = 5, None

    def on_message_begin(self) -> None: ...
    def on_message_complete(self) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def timeout_keep_alive_handler(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def connection_made(self, transport: Any) -> None: ...
    def _should_upgrade(self) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def _unsupported_upgrade_warning(self) -> None: ...


class BareProtocol:
    def connection_lost(self) -> None: ...


class Server:
    def __init__(self) -> None:
        self.server_state, self.should_exit = None, False

    async def serve(self, sockets: Any = None) -> None: ...
    async def startup(self, sockets: Any = None) -> None: ...
    async def shutdown(self, sockets: Any = None) -> None: ...
    def capture_signals(self) -> None: ...


class OldServer(Server):
    capture_signals = None  # type: ignore[assignment]  # as before uvicorn 0.29

    async def shutdown(self, sockets: Any = None, *, reason: str = "") -> None: ...


class Config:
    def __init__(self, app: Any, http: Any, ws: str) -> None: ...


@pytest.mark.parametrize(
    ("protocol", "server", "settings", "missing"),
    [
        (Protocol, Server, ("http", "ws"), []),
        (
            BareProtocol,
            Server,
            ("http",),
            [
                "BareProtocol.on_message_begin(self)",
                "BareProtocol.on_message_complete(self)",
                "BareProtocol.pause_writing(self)",
                "BareProtocol.resume_writing(self)",
                "BareProtocol.timeout_keep_alive_handler(self)",
                "BareProtocol.connection_lost(self, exc)",
                "BareProtocol.connection_made(self, transport)",
                "BareProtocol._should_upgrade(self)",
                "BareProtocol.data_received(self, data)",
                "BareProtocol._unsupported_upgrade_warning(self)",
                "BareProtocol().scope",
                "BareProtocol().transport",
                "BareProtocol().parser",
                "BareProtocol().app",
                "BareProtocol().client",
                "BareProtocol().cycle",
                "BareProtocol().loop",
                "BareProtocol().timeout_keep_alive",
                "BareProtocol().timeout_keep_alive_task",
            ],
        ),
        (Protocol, OldServer, (), ["OldServer.shutdown(self, sockets)", "OldServer.capture_signals(self)"]),
        (Protocol, Server, ("http", "date_header"), ["Config(date_header=…)"]),
    ],
    ids=["nothing", "protocol", "server", "config"],
)
def test_what_is_missing_is_listed(
    protocol: type[Any], server: type[Any], settings: tuple[str, ...], missing: list[str]
) -> None:
    assert uvicorn_check.missing_parts(protocol, server, Config, settings) == missing


def test_the_installed_uvicorn_has_all_of_it() -> None:
    uvicorn_check.check_uvicorn(_SETTINGS)


def test_a_uvicorn_that_lacks_something_is_named_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_check, "HttpToolsProtocol", BareProtocol)
    monkeypatch.setattr(uvicorn, "__version__", "9.9.9")
    with pytest.raises(
        UserError, match=r"^uvicorn 9\.9\.9 cannot be used, because it lacks BareProtocol\.on_message_b"
    ):
        uvicorn_check.check_uvicorn(_SETTINGS)
