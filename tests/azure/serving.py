"""The sites of a fake Azure: what was uploaded to one runs behind its host, as `mockserver` serves it, with the settings that
were deployed."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any, Self

import httpx2
from flask import Response, request

from mockserver.functions.process import FunctionsProcess
from tests.azure.cloud import SITE, SITES, Cloud

_EMPTY = "<h1>Congratulations on your new site!</h1>"


class Sites:
    """Answers what is asked of a site; each begins with the first request after an upload."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud, self._folder = cloud, folder
        self._running: dict[str, tuple[bytes, str]] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._functions: list[FunctionsProcess] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.communicate()
        for functions in self._functions:
            functions.stop()

    def answer(self) -> Any:
        """The answer of the site that the request is for."""
        found = self._site_of(request.host)
        if found is None:
            return Response(status=404)
        site, environment = found
        package = self._cloud.packages.get(f"{site['name']} {environment}")
        if package is None:
            return Response(_EMPTY)
        with self._lock:
            known = self._running.get(request.host)
            url = known[1] if known and known[0] is package else self._start(site, environment, package)
            self._running[request.host] = package, url
        with httpx2.Client(trust_env=False, timeout=60) as client:
            asked = client.request(
                request.method, f"{url}{request.full_path}", content=request.get_data(), headers=_passed()
            )
        kept = [(name, value) for name, value in asked.headers.multi_items() if name not in _FRAMING]
        return Response(asked.content, asked.status_code, kept)

    def _site_of(self, host: str) -> tuple[dict[str, Any], str] | None:
        for site in self._cloud.of(SITE):
            prefix, _, rest = SITES.format(site["name"]).partition(".")
            if host == f"{prefix}.{rest}":
                return site, "production"
            if host.startswith(f"{prefix}-") and host.endswith(rest):
                return site, host.partition(".")[0].removeprefix(f"{prefix}-")
        return None

    def _start(self, site: dict[str, Any], environment: str, package: bytes) -> str:
        """Start what was uploaded, and the API that is linked to it."""
        name = site["name"]
        folder = self._folder / f"{name}-{environment}-{len(self._processes)}"
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            members = [each for each in archive.namelist() if ".python_packages" not in each]  # for another Python
            archive.extractall(folder, members)
        api, settings = folder / "api", self._settings(site["id"])
        linked = self._linked(site["id"])
        if linked is not None:
            api, settings = folder / "linked", self._settings(linked["id"])
            with zipfile.ZipFile(io.BytesIO(self._cloud.packages[linked["name"]])) as archive:
                archive.extractall(api)
        options = []
        if api.is_dir():
            quiet = {**settings, "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "false"}
            functions = FunctionsProcess(api, port=0, environment=quiet)
            self._functions.append(functions)
            options = ["--api", functions.wait_until_ready()]
        command = [sys.executable, "-m", "mockserver", "site", "--app", str(folder / "site"), "--port", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        assert process.stdout is not None
        ready = next(line for line in process.stdout if line.startswith("ready "))
        return ready.split()[1]

    def _linked(self, site: str) -> dict[str, Any] | None:
        links = [each for each in self._cloud.of(f"{SITE}/linkedbackends") if each["id"].startswith(f"{site}/")]
        return self._cloud.get(links[0]["properties"]["backendResourceId"]) if links else None

    def _settings(self, id_: str) -> dict[str, str]:
        config = self._cloud.resources.get(f"{id_}/config/appsettings".lower(), {})
        return {name: str(value) for name, value in config.get("properties", {}).items() if name.isupper()}


_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "date", "server"})


def _passed() -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers.items() if name.lower() not in _FRAMING | {"host"}]
