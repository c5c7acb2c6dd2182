"""Says what this machine has and lacks for the make targets, each lack with its fix. Any Python 3 can run it; it changes nothing."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import browser
import setup_environment

ROOT = Path(__file__).resolve().parent.parent
PORTS = {4280: "the site", 4281: "the model", 5173: "Vite", 7071: "the Functions host"}


def main():
    findings = [*pythons(), *tools(), chromium(), *ports(), *proxies(), disk()]
    width = max(len(name) for name, _, _ in findings)
    for name, said, fix in findings:
        print(f"{'x' if fix else 'ok':<3}{name:<{width}}  {said}")
        if fix:
            print(f"{'':<{width + 5}}{fix}")
    sys.exit(1 if any(fix for _, _, fix in findings) else 0)


def pythons():
    found = {}
    for candidate in setup_environment.candidates():
        version = setup_environment.version_of(candidate)
        if version in setup_environment.SUPPORTED:
            found.setdefault(version, candidate)
    if not found:
        yield "Python", "none from 3.11 to 3.14", "install one, with venv: https://www.python.org/downloads"
        return
    newest = max(found)
    note = (
        "Microsoft's own Functions worker"
        if newest >= (3, 13)
        else "the in-process worker; 3.13 brings Microsoft's own"
    )
    yield "Python", f"{newest[0]}.{newest[1]} ({found[newest]}), {note}", ""
    venv = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    yield ".venv", "made" if venv.is_dir() else "not made yet: make setup makes it", ""


def tools():
    for name, fix in (
        ("git", "install git"),
        ("make", "install make, or use python -m mockserver; on Windows: winget install ezwinports.make"),
        ("node", "install Node 20 or newer: https://nodejs.org"),
        ("npm", "install Node 20 or newer: https://nodejs.org"),
    ):
        path = shutil.which(name)
        if path is None:
            yield name, "not on PATH", fix
            continue
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
        old = name == "node" and int(said.strip("v").split(".")[0] or 0) < 20
        yield name, said, fix if old else ""
    yield "az", shutil.which("az") or "not on PATH; only make preflight, deploy and destroy want it", ""


def chromium():
    found = next(filter(None, map(shutil.which, browser.NAMES)), None)
    return "browser", found or "none on PATH; make test-e2e looks further, and installs one where it may", ""


def ports():
    for port, what in PORTS.items():
        with socket.socket() as probe:
            probe.settimeout(0.5)
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        yield (
            f"port {port}",
            f"{'taken' if taken else 'free'}, for {what}",
            (f"end what listens there, or: make mock PORT={port + 1000}" if taken else ""),
        )


def proxies():
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        if os.environ.get(name):
            yield name, "set; loopback is kept out of it by us, recording goes through it", ""


def disk():
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    return "disk", f"{free_gb:.1f} GB free", "" if free_gb > 2 else "make room: the environments take about 1 GB"


if __name__ == "__main__":
    main()
