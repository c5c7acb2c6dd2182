"""Reports what this machine has for the make targets, and how to install what is missing. Any Python 3 can run it; it changes nothing."""

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
    for name, state, fix in findings:
        print(f"{'x' if fix else 'ok':<3}{name:<{width}}  {state}")
        if fix:
            print(f"{'':<{width + 5}}{fix}")
    sys.exit(1 if any(fix for _, _, fix in findings) else 0)


def pythons():
    interpreters = {}
    for candidate in setup_environment.candidates():
        version = setup_environment.version_of(candidate)
        if version in setup_environment.SUPPORTED:
            interpreters.setdefault(version, candidate)
    if not interpreters:
        yield "Python", "no version from 3.11 to 3.14 found", "install one, with venv: https://www.python.org/downloads"
        return
    newest = max(interpreters)
    note = (
        "Microsoft's own Functions worker"
        if newest >= (3, 13)
        else "the in-process worker; with 3.13 or newer, Microsoft's own"
    )
    yield "Python", f"{newest[0]}.{newest[1]} ({interpreters[newest]}), {note}", ""
    venv = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    yield ".venv", "exists" if venv.is_dir() else "does not exist yet: make setup creates it", ""


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
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
        old = name == "node" and int(version.strip("v").split(".")[0] or 0) < 20
        yield name, version, fix if old else ""
    yield "az", shutil.which("az") or "not on PATH; only make preflight, deploy, preview and destroy need it", ""


def chromium():
    path = next(filter(None, map(shutil.which, browser.NAMES)), None)
    return "browser", path or "none on PATH; make test-e2e searches further, and installs one if it has the rights", ""


def ports():
    for port, what in PORTS.items():
        with socket.socket() as probe:
            probe.settimeout(0.5)
            in_use = probe.connect_ex(("127.0.0.1", port)) == 0
        yield (
            f"port {port}",
            f"{'in use' if in_use else 'free'}, for {what}",
            (f"stop the program that listens there, or: make mock PORT={port + 1000}" if in_use else ""),
        )


def proxies():
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        if os.environ.get(name):
            yield name, "set; used for recording, but not for loopback addresses", ""


def disk():
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    return "disk", f"{free_gb:.1f} GB free", "" if free_gb > 2 else "free some space: the environments need about 1 GB"


if __name__ == "__main__":
    main()
