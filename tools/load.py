"""Load from people: they sign in, ask, read streams, stop, wait for limits. Locust's report, and a verdict against thresholds.

tools/load.py [USERS] [--workers N] [--seconds S] [--url URL] [--instances N] [--first-event-ms MS] [--between-events-ms MS]

Without `--url` it starts the whole app on ports of its own, with a model whose first event is due after 100 ms and the next ones 50 a
second. With it, the people use what runs there: `make mock`, or a deployed site whose model is a mock's endpoint; the session of
a deployed site comes in LOAD_COOKIE. Writes report.html, and verdict.json, into test-results/load. It ends with 1 where a threshold is
exceeded, or a stream was lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx2
from environments import environment

from mockserver.exchange import server_url

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "test-results" / "load"
FIRST_MS, PER_SECOND = 100, 50


@dataclass(frozen=True, slots=True)
class Options:
    """What to run, and what is enough: the most milliseconds to half of the first events, and between 99 of 100 events."""

    users: int
    workers: int
    seconds: int
    url: str
    instances: int
    first_event_ms: float
    between_events_ms: float


def _reachable(_context: click.Context, _parameter: click.Parameter, url: str) -> str:
    """The address, if a site answers there."""
    if url and server_url(url) is None:
        raise click.BadParameter(f"{url!r} is not an address; write http://127.0.0.1:4280")
    if url:
        try:
            httpx2.get(url, timeout=10, trust_env=False)
        except httpx2.HTTPError as problem:
            raise click.BadParameter(f"nothing answers at {url}: {problem}. Start it with: make mock") from problem
    return url.rstrip("/")


@contextlib.contextmanager
def site(url: str, instances: int) -> Iterator[str]:
    """The address of the site: the one given, or one that is started and stopped again."""
    if url:
        yield url
        return
    ports = [f"--{name}-port=0" for name in ("site", "model", "functions", "direct")]
    latency = f"first={FIRST_MS}ms,rate={PER_SECOND}tok/s"
    options = ["--on-miss", "generate", "--latency", latency, "--instances", str(instances), *ports]
    log = RESULTS / "app.log"
    with log.open("w", encoding="utf-8") as output:
        app = subprocess.Popen(
            [sys.executable, "-m", "mockserver", "up", *options], cwd=ROOT, stdout=output, stderr=output
        )
    try:
        yield ready(app, log)
    finally:
        app.terminate()
        app.wait(30)


def ready(app: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the app says once it answers."""
    for _ in range(1200):
        lines = log.read_text(encoding="utf-8").splitlines()
        address = next((line for line in lines if line.startswith("http")), None)
        if address is not None:
            return address
        if app.poll() is not None:
            sys.exit(f"the app has not started; {log} says why")
        time.sleep(0.1)
    sys.exit(f"the app was not ready after two minutes; {log} says why")


def run(python: Path, url: str, options: Options) -> dict[str, Any]:
    """Let the people in; what they met."""
    figures = RESULTS / "figures.json"
    figures.unlink(missing_ok=True)
    people = [str(python), "-m", "locust", "-f", str(ROOT / "tools" / "load_people.py"), "--loglevel", "WARNING"]
    whole = [*people, "--headless", "--host", url, "-u", str(options.users), "-r", str(max(1, options.users // 10))]
    whole += [
        "-t",
        f"{options.seconds}s",
        "--stop-timeout",
        "30",
        "--html",
        str(RESULTS / "report.html"),
        "--only-summary",
    ]
    whole += ["--exit-code-on-error", "0"]
    variables = {**os.environ, "LOAD_FIGURES": str(figures), "NO_PROXY": "127.0.0.1,localhost", "PYTHONPATH": ""}
    if options.workers:
        whole += ["--processes", str(options.workers)]
    with (RESULTS / "locust.log").open("w", encoding="utf-8") as log:
        status = subprocess.run(whole, env=variables, cwd=RESULTS, stdout=log, stderr=log, check=False).returncode
    if not figures.is_file():
        sys.exit(f"Locust ended with {status} and no figures; {RESULTS / 'locust.log'} says why")
    found: dict[str, Any] = json.loads(figures.read_text(encoding="utf-8"))
    return found


def verdict(found: dict[str, Any], options: Options) -> dict[str, Any]:
    """What was asked of the app, what it did, and whether that is enough."""
    figures = found["figures"]
    nobody = {"count": 0, "failures": 0, "p50_ms": 0.0, "p99_ms": 0.0}
    first, following, whole = (
        figures.get(name, nobody) for name in ("the first event", "the next event", "the whole answer")
    )
    checks = {
        "half of the first events, ms": (first["p50_ms"], options.first_event_ms),
        "99 of 100 gaps between events, ms": (following["p99_ms"], options.between_events_ms),
        "streams lost": (whole["failures"], 0),
        "requests that failed": (sum(entry["failures"] for entry in figures.values()) - whole["failures"], 0),
        "nobody was answered": (int(whole["count"] == 0), 0),
    }
    shown = {name: {"found": got, "most": most, "ok": got <= most} for name, (got, most) in checks.items()}
    return {
        "ok": all(check["ok"] for check in shown.values()),
        "users": options.users,
        "seconds": options.seconds,
        "checks": shown,
        **found,
    }


@click.command(help="Load from people: a report, and a verdict.")
@click.argument("users", type=click.IntRange(1), default=200)
@click.option(
    "--workers", type=click.IntRange(0), default=0, help="Processes that the people are spread over; 0: one for all."
)
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True)
@click.option("--url", default="", callback=_reachable, help="A site that runs; by default one is started.")
@click.option(
    "--instances", type=click.IntRange(1), default=1, show_default=True, help="Functions hosts behind the gate."
)
@click.option(
    "--first-event-ms", type=click.FloatRange(0), default=500, show_default=True, help="For half of the questions."
)
@click.option(
    "--between-events-ms", type=click.FloatRange(0), default=250, show_default=True, help="For 99 of 100 events."
)
def main(**given: Any) -> None:
    """Run it; the exit status is 0 where every threshold was kept."""
    options = Options(**given)
    RESULTS.mkdir(parents=True, exist_ok=True)
    python = environment(ROOT / ".cache" / "load", ROOT / "requirements" / "load.txt", "load")
    with site(options.url, options.instances) as url:
        print(f"{options.users} people at {url} for {options.seconds} s", flush=True)
        found = run(python, url, options)
    judged = verdict(found, options)
    (RESULTS / "verdict.json").write_text(json.dumps(judged, indent=2), encoding="utf-8")
    print(f"\n{'':24}{'count':>8}{'failed':>8}{'p50':>8}{'p95':>8}{'p99 ms':>8}")
    for name, entry in found["figures"].items():
        print(
            f"{name:24}{entry['count']:8}{entry['failures']:8}{entry['p50_ms']:8.0f}{entry['p95_ms']:8.0f}{entry['p99_ms']:8.0f}"
        )
    for error in found["errors"]:
        print(error)
    for name, check in judged["checks"].items():
        print(f"{'ok ' if check['ok'] else 'NOT'}  {name}: {check['found']:g}, at most {check['most']:g}")
    print(f"report: {RESULTS / 'report.html'}")
    sys.exit(0 if judged["ok"] else 1)


if __name__ == "__main__":
    main()
