"""What of a machine gets in the way of a rehearsal, and the one line that mends it. It looks, and changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # Python has it, typeshed does not

_LOOPBACK = "127.0.0.1,localhost"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
#: Files of certificates, as Python, OpenSSL, Requests and Node read them.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
#: What leads a client to a real endpoint, of OpenAI's and Azure's SDKs and of older apps.
_ENDPOINTS = re.compile(
    r"(OPENAI_(BASE_URL|API_BASE|ENDPOINT)|AZURE_OPENAI_(ENDPOINT|API_BASE|SERVICE)|AZURE_AI_\w*ENDPOINT)"
)
_OLDEST_NODE = 20


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that was looked at: its `name`, how it is, and, where it gets in the way, what to type or to do."""

    name: str
    state: str
    cure: str = ""
    stops: bool = False


def examine(environment: Mapping[str, str], *, state: Path, here: Path, ports: Mapping[str, int]) -> Iterator[Symptom]:
    """Everything that is looked at: `state` is where a run's token is written, `here` where reports are, `ports` are those that are taken unasked."""
    yield from _packages()
    yield from _proxies(environment)
    yield from _certificates(environment)
    yield from _endpoints(environment)
    yield from _folders({"the token of a run": state, "reports": here, "temporary files": Path(tempfile.gettempdir())})
    yield from _ports(ports)
    yield from _node()
    if environment.get("CI"):
        yield Symptom("CI", "is set: nothing is recorded, and no question is asked")


def _packages() -> Iterator[Symptom]:
    for name, cure in (
        ("pytest", "pip install pytest   for the fixtures"),
        ("openai", "pip install openai   for tests that ask with the official client"),
        ("azure-functions", "pip install -r api/requirements.txt   of your function app, for the whole app"),
    ):
        try:
            yield Symptom(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Symptom(name, "not installed here", cure)


def _proxies(environment: Mapping[str, str]) -> Iterator[Symptom]:
    found = {name: url for name in _PROXIES if (url := environment.get(name) or environment.get(name.lower()))}
    kept_off = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    outside = proxy_bypass_environment("127.0.0.1", {"no": kept_off})
    for name, url in found.items():
        shown = f"{urlsplit(url).scheme}://{urlsplit(url).hostname or '?'}"
        if outside:
            yield Symptom(name, f"{shown}; not for 127.0.0.1")
        else:
            value = f"{kept_off},{_LOOPBACK}" if kept_off else _LOOPBACK
            words = f"{shown} gets what your tests send to 127.0.0.1; what the mock starts is kept off it"
            yield Symptom(name, words, f"export NO_PROXY={value}", stops=True)
        if url.startswith("socks") and not _is_installed("socksio"):
            yield Symptom(
                name,
                f"{shown}: HTTPX fails at once, and the OpenAI client with it",
                "pip install socksio, or unset it",
                stops=True,
            )
    for name in ("auto_proxy", "AUTO_PROXY", "PAC_URL"):
        if environment.get(name):
            yield Symptom(
                name, "a PAC file is not read: not here, and by no Python client", "export HTTPS_PROXY=… and NO_PROXY=…"
            )


def _certificates(environment: Mapping[str, str]) -> Iterator[Symptom]:
    for name in _CERTIFICATES:
        if path := environment.get(name):
            there = Path(path).exists()
            yield Symptom(
                name,
                path if there else f"{path} is not there: every https client fails",
                "" if there else f"unset {name}, or name a file that is there",
                not there,
            )


def _endpoints(environment: Mapping[str, str]) -> Iterator[Symptom]:
    for name in sorted(environment):
        host = urlsplit(environment[name]).hostname or ""
        if _ENDPOINTS.fullmatch(name) and host not in ("127.0.0.1", "localhost", ""):
            words = f"leads to {host}: an app that the mock starts does not see it, a test of yours does"
            yield Symptom(name, words, f"unset {name}   or pass base_url=mock_server.base_url")


def _folders(folders: Mapping[str, Path]) -> Iterator[Symptom]:
    for what, folder in folders.items():
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK):
            yield Symptom(what, str(folder))
        else:
            cure = (
                "export XDG_STATE_HOME=…   a folder that you may write to"
                if "token" in what
                else "work in a folder that you may write to"
            )
            yield Symptom(what, f"{nearest} cannot be written to", cure, stops=True)


def _ports(ports: Mapping[str, int]) -> Iterator[Symptom]:
    for option, port in ports.items():
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError as error:
                words = f"taken, perhaps by another run ({error.strerror})"
                yield Symptom(f"port {port}", words, f"stop what has it, or {option} another")
            else:
                yield Symptom(f"port {port}", "free")


def _node() -> Iterator[Symptom]:
    path = shutil.which("node")
    if path is None:
        yield Symptom(
            "Node",
            "not on PATH; only a page that is built here needs it",
            f"install Node {_OLDEST_NODE} or newer: https://nodejs.org",
        )
        return
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    number = re.match(r"v(\d+)", version)
    old = number is None or int(number[1]) < _OLDEST_NODE
    yield Symptom(
        "Node", version or "does not start", f"install Node {_OLDEST_NODE} or newer: https://nodejs.org" if old else ""
    )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def table(symptoms: Iterable[Symptom]) -> str:
    """A line for each, and below it its cure."""
    rows = list(symptoms)
    width = max((len(each.name) for each in rows), default=0)
    lines = []
    for each in rows:
        mark = "x" if each.stops else "!" if each.cure else "ok"
        lines.append(f"{mark:<3}{each.name:<{width}}  {each.state}")
        if each.cure:
            lines.append(f"{'':<{width + 5}}{each.cure}")
    return "\n".join(lines)
