"""Where spans go, and that they do: on from here, for as long as a mock runs."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from mockserver.exchange import server_url, shown_url
from mockserver.journal.records import Records

log = logging.getLogger("mockserver")

_GRPC_PORT = 4317


@contextmanager
def watched(records: Records, collector: str) -> Generator[None]:
    """Send a span of each exchange to a collector until the end of `with`; nothing where `collector` is empty.

    What hinders that is a warning: a mock does its work without being watched.
    """
    if not collector:
        yield
        return
    address = server_url(collector)
    if address is None:
        log.warning("spans are not sent: OTEL_EXPORTER_OTLP_ENDPOINT must be a URL, such as http://127.0.0.1:4318")
        yield
        return
    try:
        from mockserver.telemetry.spans import Spans
    except ImportError:
        log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but spans need: pip install 'dress-rehearsal[otel]'")
        yield
        return
    if address.port == _GRPC_PORT:
        log.warning("%s is gRPC's port of a collector; spans go over HTTP, mostly to port 4318", shown_url(collector))
    spans = Spans()
    records.watcher = spans.ended
    try:
        yield
    finally:
        records.watcher = None
        spans.close()
