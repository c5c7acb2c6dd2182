"""Makes .venv and builds the page, once; later calls notice that nothing changed and return at once.

Any Python 3 can read this file, so that an old one can still say what is missing. Standard library only.
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
EXAMPLES = [ROOT / "examples" / "playwright", ROOT / "examples" / "node"]
SUPPORTED = [(3, 14), (3, 13), (3, 12), (3, 11)]  # newest first; 3.13+ runs Microsoft's own Functions worker
LOGS = ROOT / ".cache"


class SetUpError(Exception):
    """One sentence for the person at the keyboard: what is missing and what to do."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--python",
        default=os.environ.get("PYTHON", ""),
        help="the interpreter to use; default: the newest suitable one",
    )
    parser.add_argument(
        "--requirements", choices=["mock", "dev"], default="dev", help="mock: what `make mock` runs on; dev: everything"
    )
    parser.add_argument("--without-page", action="store_true", help="leave webapp/ alone: no Node needed")
    parser.add_argument(
        "--find", metavar="VERSION", help="print where a Python of that version is, and do nothing else"
    )
    options = parser.parse_args()
    if options.find:
        sys.exit(find_version(options.find))
    install, examples = None, []
    try:
        if options.requirements == "dev" and not options.without_page:
            find_npm()  # `make lint` checks the page's types
        wants_page = not options.without_page and not page_is_built()
        install = start_install(WEBAPP) if wants_page else None
        if options.requirements == "dev" and not options.without_page:
            examples = [(start_install(each), each) for each in EXAMPLES]
        set_up_venv(options.python, options.requirements)
        if wants_page:
            build_page(install)
        for example, folder in examples:
            finish_install(example, folder)
    except SetUpError as error:
        sys.exit("setup: %s" % error)
    except KeyboardInterrupt:
        sys.exit("setup: stopped; run it again to go on")
    finally:
        for each in (install, *(example for example, _ in examples)):
            if each is not None and each.poll() is None:
                each.terminate()


# --- Python ----------------------------------------------------------------------------------------------------------


def set_up_venv(wanted, requirements):
    """Leave .venv with the pinned packages of requirements/<name>.txt, on the interpreter asked for or the newest."""
    lock = ROOT / "requirements" / (requirements + ".txt")
    python, wanted = venv_python(), named(wanted)
    chosen = None if VENV.exists() and fits(python, wanted) else find_interpreter(wanted)  # before anything goes
    if VENV.exists() and chosen is not None:
        say(".venv is of another Python, or was never finished: making it anew")
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
            "could not make .venv; on Debian and Ubuntu: apt-get install python3-venv",
        )
    say("installing the packages of requirements/%s.txt" % requirements)
    pip = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    pip += ["--no-compile"]  # the half that is used is compiled as it is first imported
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


def named(wanted):
    """The interpreter that is meant: a path as it is, a version such as 3.11 as the one of that version on this machine."""
    if not re.match(r"3\.\d+$", wanted):
        return wanted
    found = interpreter_of(wanted)
    if found is None:
        raise SetUpError("there is no Python %s on this machine; install it, or leave PYTHON away" % wanted)
    return found


def fits(python, wanted):
    """Whether .venv is whole and still runs and, where an interpreter was asked for, has its version."""
    version = version_of(str(python), "pip")
    if version not in SUPPORTED:
        return False
    return not wanted or version == version_of(wanted)


def find_interpreter(wanted):
    """The path and (major, minor) of the interpreter asked for, or of the newest suitable one on this machine."""
    if wanted:
        version = version_of(wanted)
        if version not in SUPPORTED:
            raise SetUpError(
                "PYTHON=%s is %s; 3.11 to 3.14 is needed"
                % (wanted, "not a working Python" if version is None else "Python %d.%d" % version)
            )
        return wanted, version
    found = {}
    for candidate in candidates():
        version = version_of(candidate)
        if version in SUPPORTED:
            found.setdefault(version, candidate)
    for version in SUPPORTED:
        if version in found:
            return found[version], version
    raise SetUpError(
        "no Python 3.11 to 3.14 found (looked on PATH and where pyenv and uv keep theirs); install one, or name it: make setup PYTHON=/path/to/python3"
    )


def candidates():
    """Interpreters on PATH, then where pyenv and uv keep theirs, then the one running this."""
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


def find_version(wanted):
    """0 where there is an interpreter of that version, printed; else 1."""
    found = interpreter_of(wanted)
    print(found or "")
    return 0 if found else 1


def interpreter_of(version):
    """The path of an interpreter of a version such as 3.11; None where there is none."""
    meant = tuple(int(part) for part in version.split("."))
    return next((each for each in candidates() if version_of(each) == meant), None)


def version_of(python, module="ensurepip"):
    """(major, minor) of an interpreter that runs and has the module, so that it can make environments; else None."""
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
        raise SetUpError("Node is needed for the page (version 20 or newer, with npm); install it, then run this again")
    return npm


def page_is_built():
    return (DIST / ".built-from").is_file() and (DIST / ".built-from").read_text() == page_state()


def start_install(folder):
    """A running `npm ci`, or None where node_modules is up to date."""
    npm = find_npm()
    stamp = folder / "node_modules" / ".installed-from"
    if stamp.is_file() and stamp.read_text() == digest([folder / "package-lock.json"]):
        return None
    say("installing the packages of %s" % folder.relative_to(ROOT))
    return spawn([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm-ci-%s.log" % folder.name, folder)


def finish_install(install, folder):
    if install is not None:
        finish(
            install, "npm-ci-%s.log" % folder.name, "could not install the packages of %s" % folder.relative_to(ROOT)
        )
        (folder / "node_modules" / ".installed-from").write_text(digest([folder / "package-lock.json"]))


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


# --- small change ----------------------------------------------------------------------------------------------------


def digest(paths):
    """SHA-256 over the files' names and contents, as hex."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def spawn(command, log, cwd):
    LOGS.mkdir(exist_ok=True)
    with open(str(LOGS / log), "wb") as output:
        return subprocess.Popen(command, cwd=str(cwd), stdout=output, stderr=subprocess.STDOUT)


def finish(process, log, complaint):
    if process.wait() != 0:
        text = (LOGS / log).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-15:]
        raise SetUpError("%s:\n  %s" % (complaint, "\n  ".join(text)))


def run(command, complaint):
    process = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if process.returncode != 0:
        text = process.stdout.decode("utf-8", "replace").strip().splitlines()[-15:]
        raise SetUpError("%s:\n  %s" % (complaint, "\n  ".join(text)))


def say(text, started=time.time()):  # noqa: B008  the moment this program started is what is wanted
    print("setup: %4.0f s  %s" % (time.time() - started, text), flush=True)


if __name__ == "__main__":
    main()
