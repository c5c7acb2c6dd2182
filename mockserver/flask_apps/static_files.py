"""The site's files as Static Web Apps sends them: their types, compressed forms beside them, ranges."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from flask import Response, request, send_file
from werkzeug.exceptions import NotFound

from mockserver.swa.routing import Decision
from mockserver.swa.static_web_app import StaticWebApp

#: Python's own table, so that no machine's makes a difference; what it lacks, and what differs between its versions.
_TYPES = mimetypes.MimeTypes(filenames=())
_MORE_TYPES = {
    ".avif": "image/avif",
    ".js": "text/javascript",
    ".map": "application/json",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".rtf": "text/rtf",
    ".ts": "video/mp2t",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
#: Compressed forms that a build may put beside a file, the smallest first. Source: Static Web Apps FAQ; static-web-apps#720.
_COMPRESSED = {"br": ".br", "gzip": ".gz"}


def static_file(site: StaticWebApp, folder: Path, decision: Decision) -> Response:
    """The answer with a file, which the gate has let through."""
    path = folder / decision.target.lstrip("/")
    plain = decision.status == 200
    encoding, sent = _compressed(site, decision.target, path)
    spans = request.headers.get("range", "")
    if spans and (not spans.startswith("bytes=") or "," in spans):  # a server may ignore it. Source: RFC 9110, 14.2
        request.environ.pop("HTTP_RANGE")
    try:  # its name may have letters that no header has
        response = send_file(sent, mimetype=_type_of(site, path), download_name="file", conditional=plain, max_age=None)
    except OSError as error:
        raise NotFound(f"{decision.target} cannot be read: {error.strerror}.") from error
    if not plain:
        response.status_code = decision.status
    for name in ("cache-control", "content-disposition", "date"):  # the decision and the server set these
        response.headers.pop(name, None)
    if encoding is not None:
        response.headers["content-encoding"] = encoding
        response.headers["vary"] = "Accept-Encoding"
    return response


def _type_of(site: StaticWebApp, path: Path) -> str:
    known = site.config.mime_types.get(path.suffix) or _MORE_TYPES.get(path.suffix.lower())
    return known or _TYPES.guess_type(f"x{path.suffix}", strict=False)[0] or _ARCHIVES.get(path.suffix, _UNKNOWN)


_UNKNOWN = "application/octet-stream"
_ARCHIVES = {".gz": "application/gzip", ".br": _UNKNOWN, ".bz2": "application/x-bzip2", ".xz": "application/x-xz"}


def _compressed(site: StaticWebApp, target: str, path: Path) -> tuple[str | None, Path]:
    """The encoding in which a file is sent, None for as it is, and the file with it."""
    accepted = {name for name, quality in request.accept_encodings if quality > 0}
    for encoding, suffix in _COMPRESSED.items():
        if encoding in accepted and site.is_file(target + suffix):
            return encoding, path.with_name(path.name + suffix)
    return None, path
