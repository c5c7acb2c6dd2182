"""A network with nothing on it but a fake Azure: every HTTPS host is this process, through a proxy; all else is refused."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import trustme
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server


@contextmanager
def network(app: Flask, folder: Path, knows: Callable[[str], bool]) -> Generator[dict[str, str]]:
    """The environment of processes on that network; `knows` says which hosts there are, each with a certificate of its own.

    They must trust the authority and use the proxy as these variables say, which Python, Node and Azure's tools do.
    """
    authority = trustme.CA()
    (trusted := folder / "authority.pem").write_bytes(authority.cert_pem.bytes())
    context = _for_every_host(authority)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context, request_handler=_Quiet)
    proxy = _Proxy(("127.0.0.1", 0), _Tunnel)
    proxy.target, proxy.knows = server.server_port, knows
    threads = [threading.Thread(target=each.serve_forever) for each in (server, proxy)]
    for thread in threads:
        thread.start()
    address = f"http://127.0.0.1:{proxy.server_address[1]}"
    try:
        yield {
            **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), address),
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), str(trusted)),
            "NO_PROXY": "",
            "no_proxy": "",
        }
    finally:
        for each in (server, proxy):
            each.shutdown()
            each.server_close()
        for thread in threads:
            thread.join()


def _for_every_host(authority: trustme.CA) -> ssl.SSLContext:
    contexts: dict[str, ssl.SSLContext] = {}

    def chosen(connection: Any, host: str | None, _context: ssl.SSLContext) -> None:
        if host is not None and host not in contexts:
            contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(host).configure_cert(contexts[host])
        if host is not None:
            connection.context = contexts[host]

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.sni_callback = chosen
    return context


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  Werkzeug's own name
        """Say nothing: the calls are collected."""


class _Proxy(ThreadingTCPServer):
    daemon_threads = True
    target: int
    knows: Callable[[str], bool]


class _Tunnel(StreamRequestHandler):
    """`CONNECT host:443`, to the one server that is every host."""

    def handle(self) -> None:
        method, _, rest = self.rfile.readline().decode("latin-1").partition(" ")
        while self.rfile.readline().strip():
            pass
        host = rest.partition(":")[0]
        assert isinstance(self.server, _Proxy)
        if method != "CONNECT" or not self.server.knows(host):
            self.wfile.write(b"HTTP/1.1 502 not on this network\r\ncontent-length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.target)) as upstream:
            self.wfile.write(b"HTTP/1.1 200 connected\r\n\r\n")
            _pump(self.connection, upstream)


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on both ways until one side ends."""
    with contextlib.suppress(OSError):
        while True:
            for ready in select.select([one, other], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (other if ready is one else one).sendall(data)
