"""The request that Flask is answering, as the raw wire had it."""

from __future__ import annotations

from urllib.parse import quote

from flask import current_app, request
from werkzeug.wsgi import get_host

from mockserver.exchange import Request


def flask_request() -> Request:
    """The request Flask is answering, on the raw path where the server hands it over (Werkzeug, Gunicorn, our front).

    Raises:
        SecurityError: a Host that TRUSTED_HOSTS does not name; Flask answers it with 400.
    """
    get_host(request.environ, current_app.config["TRUSTED_HOSTS"])  # before any route: Flask would check it only there
    raw = request.environ.get("RAW_URI") or quote(request.path)
    return Request(
        request.method,
        raw.partition("?")[0],
        request.query_string.decode("latin-1"),
        tuple((name.lower(), value.strip(" \t")) for name, value in request.headers),
        request.get_data(),
    )
