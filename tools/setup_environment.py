"""Creates .venv and builds the page, once; later calls return immediately if nothing has changed.

Any Python 3 can run this file, so that an old one can still report what is missing. Standard library only.
"""

import argparse
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
WEBAPP = ROOT / "webapp"
DIST = WEBAPP / "dist"
CONSOLE = ROOT / "mockserver" / "flask_apps" / "console_page"
EXAMPLES = [ROOT / "examples" / "playwright", ROOT / "examples" / "node"]
SUPPORTED = [(3, 14), (3, 13), (3, 12), (3, 11)]  # newest first; 3.13+ runs Microsoft's own Functions worker
LOGS = ROOT / ".cache"


class SetUpError(Exception):
    """The message is one sentence for the user: what is missing and what to do."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--python",
        default=os.environ.get("PYTHON", ""),
        help="the interpreter to use; default: the newest suitable one",
    )
    parser.add_argument(
        "--requirements",
        choices=["mock", "dev"],
        default="dev",
        help="mock: the packages for `make mock`; dev: all packages",
    )
    parser.add_argument("--without-page", action="store_true", help="do not build the page; Node is not needed")
    parser.add_argument("--find", metavar="VERSION", help="only print the path of a Python of that version")
    options = parser.parse_args()
    if options.find:
        sys.exit(print_interpreter(options.find))
    install, examples = None, []
    try:
        if options.requirements == "dev" and not options.without_page:
            find_npm()  # `make lint` checks the page's types
        build = not options.without_page and not page_is_built()
        install = start_install(WEBAPP) if build else None
        if options.requirements == "dev" and not options.without_page:
            examples = [(start_install(folder), folder) for folder in EXAMPLES]
        set_up_venv(options.python, options.requirements)
        if build:
            build_page(install)
        for process, folder in examples:
            finish_install(process, folder)
    except SetUpError as error:
        sys.exit("setup: %s" % error)
    except KeyboardInterrupt:
        sys.exit("setup: stopped; run it again to continue")
    finally:
        for process in (install, *(process for process, _ in examples)):
            if process is not None and process.poll() is None:
                process.terminate()


# --- Python ----------------------------------------------------------------------------------------------------------


def set_up_venv(requested, requirements):
    """Create or update .venv with the pinned packages of requirements/<name>.txt, on the requested interpreter or the newest."""
    lock = ROOT / "requirements" / (requirements + ".txt")
    python, requested = venv_python(), resolve(requested)
    chosen = (
        None if VENV.exists() and fits(python, requested) else find_interpreter(requested)
    )  # before anything is deleted
    if VENV.exists() and chosen is not None:
        say(".venv has another Python, or is incomplete: creating it again")
        shutil.rmtree(str(VENV))
    stamp = VENV / (".setup-%s" % requirements)
    state = digest([lock, ROOT / "pyproject.toml"])
    done = [VENV / ".setup-dev", stamp]  # dev is a superset of mock
    if any(path.is_file() and path.read_text() == (state if path == stamp else dev_state()) for path in done):
        return
    if not VENV.exists():
        interpreter, version = chosen
        say("Python %d.%d (%s)" % (version[0], version[1], interpreter))
        run(
            [interpreter, "-m", "venv", str(VENV)],
            "could not create .venv; on Debian and Ubuntu: apt-get install python3-venv",
        )
    say("installing the packages of requirements/%s.txt" % requirements)
    pip = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    pip += ["--no-compile"]  # Python compiles a module at its first import, and only half of them are used
    run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock)], "could not install the packages")
    if requirements == "dev":
        run(
            [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
            "could not install this project into .venv",
        )
    stamp.write_text(state)


def dev_state():
    return digest([ROOT / "requirements" / "dev.txt", ROOT / "pyproject.toml"])


def venv_python():
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def resolve(requested):
    """The path of the interpreter: a path is returned unchanged, a version such as 3.11 is searched on this machine."""
    if not re.match(r"3\.\d+$", requested):
        return requested
    path = interpreter_of(requested)
    if path is None:
        raise SetUpError("Python %s is not installed on this machine; install it, or leave out PYTHON" % requested)
    return path


def fits(python, requested):
    """Whether .venv is complete and works and, where an interpreter is requested, has the same version."""
    version = version_of(str(python), "pip")
    if version not in SUPPORTED:
        return False
    return not requested or version == version_of(requested)


def find_interpreter(requested):
    """The path and (major, minor) of the requested interpreter, or of the newest suitable one on this machine."""
    if requested:
        version = version_of(requested)
        if version not in SUPPORTED:
            raise SetUpError(
                "PYTHON=%s must be Python 3.11 to 3.14, got %s"
                % (requested, "no working Python" if version is None else "Python %d.%d" % version)
            )
        return requested, version
    interpreters = {}
    for candidate in candidates():
        version = version_of(candidate)
        if version in SUPPORTED:
            interpreters.setdefault(version, candidate)
    for version in SUPPORTED:
        if version in interpreters:
            return interpreters[version], version
    raise SetUpError(
        "no Python 3.11 to 3.14 found on PATH or in the folders of pyenv and uv; install one, or give its path: make setup PYTHON=/path/to/python3"
    )


def candidates():
    """Interpreters on PATH, then in the folders of pyenv, uv and pipelines, then the one that runs this."""
    for major, minor in SUPPORTED:
        yield shutil.which("python%d.%d" % (major, minor))
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT", os.path.join(home, ".pyenv"))
    uv = os.environ.get(
        "UV_PYTHON_INSTALL_DIR",
        os.path.join(os.environ.get("XDG_DATA_HOME", os.path.join(home, ".local", "share")), "uv", "python"),
    )
    runner = os.environ.get(
        "RUNNER_TOOL_CACHE", os.environ.get("AGENT_TOOLSDIRECTORY", "/opt/hostedtoolcache")
    )  # of pipelines
    for pattern in (
        os.path.join(pyenv, "versions", "3.*", "bin", "python3"),
        os.path.join(uv, "*", "bin", "python3"),
        os.path.join(runner, "Python", "3.*", "*", "bin", "python3"),
    ):
        yield from sorted(
            glob.glob(pattern), key=lambda path: [int(part) for part in re.findall(r"\d+", path)], reverse=True
        )
    yield shutil.which("python3")
    yield sys.executable


def print_interpreter(version):
    """Print the path of an interpreter of that version; return 0, or 1 if there is none."""
    path = interpreter_of(version)
    print(path or "")
    return 0 if path else 1


def interpreter_of(version):
    """The path of an interpreter of a version such as 3.11, or None."""
    numbers = tuple(int(part) for part in version.split("."))
    return next((path for path in candidates() if version_of(path) == numbers), None)


def version_of(python, module="ensurepip"):
    """(major, minor) of an interpreter that works and has the module, so that it can create environments; else None."""
    if not python:
        return None
    try:
        out = subprocess.run(
            [python, "-c", "import sys, venv, %s; print(*sys.version_info[:2])" % module],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(int(part) for part in out.stdout.split()) if out.returncode == 0 else None


# --- the page --------------------------------------------------------------------------------------------------------


def find_npm():
    npm = shutil.which("npm")
    if npm is None:
        raise SetUpError("the page needs Node 20 or newer, with npm; install it, then run this again")
    return npm


def page_is_built():
    there = (DIST / ".built-from").is_file() and (CONSOLE / "index.html").is_file()
    return there and (DIST / ".built-from").read_text() == page_state()


def packages_of(folder):
    """What an installation is made from: the lock file, and our own packages, which are copied."""
    return [folder / "package-lock.json", *sorted(path for path in (ROOT / "packages").rglob("*") if path.is_file())]


def start_install(folder):
    """The running `npm ci`; None if node_modules is up to date."""
    npm = find_npm()
    stamp = folder / "node_modules" / ".installed-from"
    if stamp.is_file() and stamp.read_text() == digest(packages_of(folder)):
        return None
    say("installing the packages of %s" % folder.relative_to(ROOT))
    return spawn([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm-ci-%s.log" % folder.name, folder)


def finish_install(install, folder):
    if install is not None:
        finish(
            install, "npm-ci-%s.log" % folder.name, "could not install the packages of %s" % folder.relative_to(ROOT)
        )
        (folder / "node_modules" / ".installed-from").write_text(digest(packages_of(folder)))


def build_page(install):
    finish_install(install, WEBAPP)
    say("building the page")
    state = page_state()
    finish(
        spawn([find_npm(), "run", "--silent", "build"], "vite-build.log", WEBAPP),
        "vite-build.log",
        "could not build the page",
    )
    (DIST / ".built-from").write_text(state)


def page_state():
    inputs = [
        path
        for path in sorted(WEBAPP.rglob("*"))
        if path.is_file() and not {"node_modules", "dist", "test"} & set(path.relative_to(WEBAPP).parts)
    ]
    return digest(inputs) + os.environ.get("DIRECT_ORIGIN", "") + os.environ.get("SITE_IP_RANGES", "")


# --- helpers ---------------------------------------------------------------------------------------------------------


def digest(paths):
    """SHA-256 of the files' names and contents, as hex."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def spawn(command, log, cwd):
    LOGS.mkdir(exist_ok=True)
    with open(str(LOGS / log), "wb") as output:
        return subprocess.Popen(command, cwd=str(cwd), stdout=output, stderr=subprocess.STDOUT)


def finish(process, log, failure):
    if process.wait() != 0:
        text = (LOGS / log).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-15:]
        raise SetUpError("%s:\n  %s" % (failure, "\n  ".join(text)))


def run(command, failure):
    process = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if process.returncode != 0:
        text = process.stdout.decode("utf-8", "replace").strip().splitlines()[-15:]
        raise SetUpError("%s:\n  %s" % (failure, "\n  ".join(text)))


def say(text, started=time.time()):  # noqa: B008  evaluated once, when this program starts
    print("setup: %4.0f s  %s" % (time.time() - started, text), flush=True)


if __name__ == "__main__":
    main()
