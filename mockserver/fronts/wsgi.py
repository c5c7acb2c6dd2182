"""Runs a WSGI application behind an async front: it has a thread while it works, and none while its client reads, or where it
waits for nothing."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from a2wsgi.wsgi import build_environ
from werkzeug.wsgi import FileWrapper

from mockserver.exchange import End, Headers, first, whole_number
from mockserver.wire.connection import AsgiScope, Connection
from mockserver.wire.writer import BODILESS

#: How many requests are worked on at once; more wait. A request that waits for something, such as `verify`, has a thread too.
_THREADS, _READERS = 64, 4
_PORTION_BYTES = 64 << 10
_NOTHING: Mapping[str, Any] = {}

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Wsgi:
    """A WSGI application for requests whose body has been read."""

    def __init__(self, application: WsgiApplication) -> None:
        self._application = application
        self._waiting = ThreadPoolExecutor(_THREADS, thread_name_prefix="mockserver-wsgi")
        self._reading = ThreadPoolExecutor(_READERS, thread_name_prefix="mockserver-files")

    async def answer(
        self,
        scope: AsgiScope,
        body: bytes,
        connection: Connection,
        *,
        waits: bool = True,
        known: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """Answer one request. `RAW_URI` has its path and query as they came, as from Werkzeug and Gunicorn; `known` joins them.

        What `waits` for nothing begins without a thread, whose start and changes cost more than such an answer; the rest of a
        long file is read in threads that no waiting request has.
        """
        environ: dict[str, Any] = {**build_environ(scope, io.BytesIO(body))}  # type: ignore[arg-type]  # it wants a2wsgi's own reader
        environ["RAW_URI"] = b"?".join(part for part in (scope["raw_path"], scope["query_string"]) if part).decode(
            "latin-1"
        )
        environ |= {"wsgi.file_wrapper": _in_portions, **known}
        output, loop = _Output(self._application, environ), asyncio.get_running_loop()
        threads = self._waiting if waits else self._reading
        try:
            while not output.ended:
                here = not (waits or connection.started)
                data = output.portion() if here else await loop.run_in_executor(threads, output.portion)
                if not connection.started:
                    await connection.start(output.status, output.headers)
                await connection.write(data)
                if connection.is_closing:  # else a stream without an end goes on for ever
                    return
            if output.is_short and scope["method"] != "HEAD":
                await connection.end(End.RESET)
            else:
                await connection.finish()
        finally:
            if not output.ended:
                threads.submit(output.close)


def _in_portions(file: IO[bytes], _block_bytes: int = 0) -> FileWrapper:
    """A file, read as it is written. Source: PEP 3333, "Optional Platform-Specific File Handling"."""
    return FileWrapper(file, _PORTION_BYTES)


class _Output:
    """What the application answers; `status` and `headers` are known after the first portion."""

    status: int
    headers: Headers

    def __init__(self, application: WsgiApplication, environ: dict[str, Any]) -> None:
        self._application, self._environ = application, environ
        self._iterable: Iterable[bytes] | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._lock = threading.Lock()
        self._left: int | None = None  # of a length that is announced
        self.ended = False

    @property
    def is_short(self) -> bool:
        """Whether it has fewer bytes than it announced, as a file that is truncated while it is sent."""
        return bool(self._left) and self.status not in BODILESS

    def portion(self) -> bytes:
        """The next bytes: a chunk of a stream, or as much as one write takes of what has a length."""
        with self._lock:
            if self._iterable is None:
                self._iterable = self._application(self._environ, self._start)
                self._chunks = iter(self._iterable)
            portion = bytearray()
            for chunk in self._chunks:
                portion += chunk
                if self._left is not None and len(portion) >= self._left:  # a file may have grown
                    break
                if len(portion) >= _PORTION_BYTES or (portion and self._left is None):
                    return self._sent(portion)
            self._close()
            return self._sent(portion)

    def close(self) -> None:
        """Close the application's answer before its end."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self.ended = True
        getattr(self._iterable, "close", lambda: None)()

    def _sent(self, portion: bytearray) -> bytes:
        if self._left is None:
            return bytes(portion)
        data = bytes(portion[: self._left])
        self._left -= len(data)
        return data

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        del exc_info  # Flask answers its own exceptions
        self.status = int(status.partition(" ")[0])
        self.headers = tuple((name.lower(), value) for name, value in headers)
        self._left = whole_number(first(self.headers, "content-length") or "")
