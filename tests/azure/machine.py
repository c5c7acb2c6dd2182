"""A machine with Azure's own command line and the SWA CLI, on a network where there is nothing but a fake Azure."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from infra.deploy import SWA_CLI
from tests.azure.arm import create_app
from tests.azure.cloud import OPERATOR, SITES, TENANT, Cloud
from tests.azure.directory import Directory
from tests.azure.network import network
from tests.azure.serving import Sites

ROOT = Path(__file__).parents[2]
_HOSTS = re.compile(
    r"management\.azure\.com|login\.microsoftonline\.com|graph\.microsoft\.com|aka\.ms"
    r"|.+\.vault\.azure\.net|.+\.openai\.azure\.com|api\.openai\.com|.+\.actions\.githubusercontent\.com"
    r"|.+\.azurewebsites\.net|.+\.azurestaticapps\.(?:net|rehearsal)"
)
#: Tools that need the network of this machine: what they install is the project's own.
_OUTSIDE = ("npm", "uv")


#: Runs `az`, and writes down what it was asked and what it said; -2 where it was interrupted.
_RECORDING = """#!{python}
import json, os, signal, subprocess, sys
def keep(status, output="", error=""):
    said = {{"arguments": sys.argv[1:], "status": status, "output": output, "error": error}}
    with open({log!r}, "a", encoding="utf-8") as log:
        log.write(json.dumps(said) + "\\n")
def interrupted(*_):
    keep(-2)
    os._exit(130)
signal.signal(signal.SIGINT, interrupted)
answer = subprocess.run([{az!r}, *sys.argv[1:]], capture_output=True, text=True)
keep(answer.returncode, answer.stdout, answer.stderr)
sys.stdout.write(answer.stdout)
sys.stderr.write(answer.stderr)
sys.exit(answer.returncode)
"""


class Machine:
    """Runs `az` and `python -m infra`; `calls` is what Azure was asked."""

    def __init__(self, directory: Directory, calls: list[str], environment: dict[str, str], log: Path) -> None:
        self.cloud, self.directory = directory.cloud, directory
        self.calls, self.environment, self._log = calls, environment, log
        self._process: subprocess.Popen[str]

    @property
    def exchanges(self) -> list[dict[str, Any]]:
        """What `az` was asked by ours and what it said, without folders of this machine."""
        text = self._log.read_text(encoding="utf-8").replace(str(ROOT), "ROOT")
        return [json.loads(line) for line in re.sub(r"/tmp/tmp\w+", "TEMPORARY", text).splitlines()]

    def az(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run Azure's own command line."""
        return self._run(["az", *words], typed, {})

    def infra(self, *words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ours."""
        return self._run([sys.executable, "-m", "infra", *words], typed, environment)

    def shell(self, commands: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Type commands of a document, and what they ask for."""
        return self._run(["bash", "-c", commands], typed, {})

    def browser(self) -> httpx2.Client:
        """A browser on this network, at the site."""
        trusted = ssl.create_default_context(cafile=self.environment["SSL_CERT_FILE"])
        url = f"https://{SITES.format('chat-x')}"
        proxy = self.environment["HTTPS_PROXY"]
        return httpx2.Client(base_url=url, proxy=proxy, verify=trusted, trust_env=False, timeout=60)

    def _run(self, command: list[str], typed: str, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **more}
        executable = shutil.which(command[0], path=environment["PATH"]) or command[0]
        with subprocess.Popen(
            [executable, *command[1:]],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as self._process:
            output, error = self._process.communicate(typed, timeout=600)
        return subprocess.CompletedProcess(command, self._process.returncode, output, error)

    def interrupt_the_next_deployment(self) -> None:
        """Press Ctrl-C while Azure deploys."""
        self.cloud.interrupt = lambda: os.killpg(self._process.pid, signal.SIGINT)


@contextmanager
def machine(folder: Path, az: Path, swa: Path) -> Generator[Machine]:
    """A machine that is signed in to Azure. `az` and `swa` are the two tools."""
    cloud = Cloud()
    with Sites(cloud, folder) as sites:
        directory = Directory(cloud)
        app = create_app(directory, sites.answer, sites.model)
        with network(app, folder, lambda host: _HOSTS.fullmatch(host) is not None) as connected:
            sites.network = connected
            log = folder / "exchanges"
            tools = _tools(folder, az, swa, log)
            inherited = {
                name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "OPENAI_", "SWA_"))
            }
            environment = {
                **inherited,
                **connected,
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(_impatient(folder)),
                "HOME": str(folder),  # where the SWA CLI keeps its uploader
                "AZURE_CONFIG_DIR": str(folder / "az"),
                "AZURE_CORE_COLLECT_TELEMETRY": "false",
                "AZURE_LOGGING_ENABLE_LOG_FILE": "false",
            }
            found = Machine(directory, app.config["CALLS"], environment, log)
            login = found.az("login", "--service-principal", "-u", OPERATOR, "-p", "secret", "--tenant", TENANT)
            if login.returncode != 0:
                raise RuntimeError(login.stderr)
            log.write_text("", encoding="utf-8")
            yield found


def _tools(folder: Path, az: Path, swa: Path, log: Path) -> Path:
    """A folder with the tools by the names that `infra` calls them."""
    (tools := folder / "tools").mkdir()
    (tools / "az").write_text(_RECORDING.format(python=sys.executable, az=str(az), log=str(log)), encoding="utf-8")
    (tools / "az").chmod(0o755)
    home = os.environ.get("HOME", "/")
    variables = "HTTPS_PROXY HTTP_PROXY https_proxy http_proxy NO_PROXY no_proxy REQUESTS_CA_BUNDLE SSL_CERT_FILE NODE_EXTRA_CA_CERTS"
    scripts = {name: f'unset {variables}\nexport HOME={home}\nexec {_found(name)} "$@"' for name in _OUTSIDE}
    # The project is set up already, and its packages need not be installed again.
    scripts["npm"] = f'case " $* " in *" ci "*) exit 0;; esac\n{scripts["npm"]}'
    scripts["npx"] = f'[ "$1 $2" = "--yes {SWA_CLI}" ] || exit 64\nshift 2\nexec {swa} "$@"'
    scripts["make"] = f'exec {_found("make")} --silent -o setup "$@"'  # the project is set up already
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return tools


def _impatient(folder: Path) -> Path:
    """A folder that makes Python wait for nothing: `az` waits a minute for Flex Consumption after each deployment."""
    (path := folder / "impatient").mkdir()
    (path / "sitecustomize.py").write_text(
        "import time\nreal = time.sleep\ntime.sleep = lambda s: real(min(s, 0.05))\n"
    )
    return path


def _found(name: str) -> str:
    path = os.pathsep.join((os.environ["PATH"], str(Path(sys.executable).parent)))
    found = shutil.which(name, path=path)
    if found is None:
        raise RuntimeError(f"{name} is not on PATH")
    return found
