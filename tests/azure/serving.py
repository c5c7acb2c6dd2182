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
from tests.azure.cloud import APP, SITE, SITES, Cloud

_EMPTY = "<h1>Congratulations on your new site!</h1>"


class Sites:
    """Answers what is asked of a site; each begins with the first request after an upload."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud, self._folder = cloud, folder
        self._running: dict[str, tuple[bytes, dict[str, str], str]] = {}
        self._model: str | None = None
        self._processes: list[subprocess.Popen[str]] = []
        self._functions: list[FunctionsProcess] = []
        self._lock = threading.Lock()
        #: The environment of what runs here, with the network that it reaches.
        self.network: dict[str, str] = {}

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
        resource, environment = found
        is_app = resource["type"].lower() == APP
        package = self._cloud.packages.get(resource["name"] if is_app else f"{resource['name']} {environment}")
        if package is None:
            return Response(_EMPTY)
        settings = self._settings(resource)
        with self._lock:  # an app starts again with a new package, and with new settings
            known = self._running.get(request.host)
            if known is None or known[:2] != (package, settings):
                url = self._start_app(resource, package) if is_app else self._start(resource, environment, package)
                known = self._running[request.host] = package, settings, url
        with httpx2.Client(trust_env=False, timeout=60) as client:
            asked = client.request(
                request.method, f"{known[2]}{request.full_path}", content=request.get_data(), headers=_passed()
            )
        kept = [(name, value) for name, value in asked.headers.multi_items() if name not in _FRAMING]
        return Response(asked.content, asked.status_code, kept)

    def model(self) -> str:
        """The address that answers as a model."""
        with self._lock:
            if self._model is None:
                self._model = self._run("model", "--port", "0", "--on-miss", "generate")
        return self._model

    def _site_of(self, host: str) -> tuple[dict[str, Any], str] | None:
        for app in self._cloud.of(APP):
            if host == app["properties"]["defaultHostName"]:
                return app, ""
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
        api, settings = folder / "api", self._settings(site)
        options = []
        linked = self._linked(site["id"])
        if linked is not None:
            options = ["--api", self._start_app(linked, self._cloud.packages[linked["name"]])]
        elif api.is_dir():
            options = ["--api", self._functions_of(api, settings)]
        return self._run("site", "--app", str(folder / "site"), "--port", "0", *options)

    def _start_app(self, app: dict[str, Any], package: bytes) -> str:
        folder = self._folder / f"{app['name']}-{len(self._functions)}"
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            archive.extractall(folder)
        return self._functions_of(folder, self._settings(app))

    def _functions_of(self, folder: Path, settings: dict[str, str]) -> str:
        quiet = {**self.network, **settings, "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "false"}
        functions = FunctionsProcess(folder, port=0, environment=quiet)
        self._functions.append(functions)
        return functions.wait_until_ready()

    def _run(self, *words: str) -> str:
        """Start a part of `mockserver`; its address."""
        process = subprocess.Popen([sys.executable, "-m", "mockserver", *words], stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        assert process.stdout is not None
        ready = next(line for line in process.stdout if line.startswith("ready "))
        return ready.split()[1]

    def _linked(self, site: str) -> dict[str, Any] | None:
        links = [each for each in self._cloud.of(f"{SITE}/linkedbackends") if each["id"].startswith(f"{site}/")]
        return self._cloud.get(links[0]["properties"]["backendResourceId"]) if links else None

    def _settings(self, resource: dict[str, Any]) -> dict[str, str]:
        """What an app finds in its environment; of a site, also what the app that is linked to it does."""
        if resource["type"].lower() == SITE and (linked := self._linked(resource["id"])):
            resource = linked
        config = self._cloud.resources.get(f"{resource['id']}/config/appsettings".lower(), {})
        settings = {name: str(value) for name, value in config.get("properties", {}).items() if name.isupper()}
        return {name: self._cloud.setting(value, resource) for name, value in settings.items()}


_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "date", "server"})


def _passed() -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers.items() if name.lower() not in _FRAMING | {"host"}]
