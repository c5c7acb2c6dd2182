"""People at the chat app, for Locust: they sign in, ask, read at their own pace, stop in the middle, and come back after a limit.

Locust runs it in an environment of its own (`make load`). `LOAD_COOKIE` is the session of a deployed site, where nobody can sign in by
a request; at the local one everybody signs in as a persona.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import gevent
from locust import HttpUser, between, events, task

#: How long a request to the API may take. Source: the proxy's own limit, 45 s.
_TIMEOUT_S = 60
_MOST_TRIES = 3
_CHANCE = random.Random(1)  # noqa: S311  no secret


class Person(HttpUser):
    """Somebody who reads what the page shows, and asks again after a while."""

    wait_time = between(1, 5)

    def on_start(self) -> None:
        """Open the page and sign in."""
        self.client.trust_env = False
        self.client.get("/", name="GET / (the page)")
        if cookie := os.environ.get("LOAD_COOKIE"):
            self.client.headers["cookie"] = cookie
        else:
            self.client.post("/__mock/login", json={"persona": "alice"}, name="sign in")
        self.client.get("/api/me")
        self.client.get("/api/config")

    @task(8)
    def ask(self) -> None:
        """Ask, and read to the end."""
        self._ask()

    @task(2)
    def ask_and_stop(self) -> None:
        """Ask, and stop after some words, as the page's button does."""
        self._ask(stop_after=_CHANCE.randrange(3, 12))

    @task(1)
    def look(self) -> None:
        """Open the page once more."""
        self.client.get("/", name="GET / (the page)")
        self.client.get("/.auth/me")

    def _ask(self, stop_after: int = 0) -> None:
        body = {"messages": [{"role": "user", "content": f"Question {_CHANCE.randrange(10**6)}"}], "stream": True}
        for _ in range(_MOST_TRIES):
            began_s = time.perf_counter()
            with self.client.post(
                "/api/chat/completions", json=body, stream=True, catch_response=True, timeout=_TIMEOUT_S
            ) as answer:
                if answer.status_code != 429:
                    answer.success() if answer.ok else answer.failure(f"status {answer.status_code}")
                    if answer.ok:
                        self._read(answer, began_s, stop_after)
                    return
                answer.success()  # a 429 is not a failure: the user waits and asks again
                self._tell("waited for a limit", began_s)
                wait_s = float(answer.headers.get("retry-after", "1"))
            gevent.sleep(wait_s)

    def _read(self, answer: Any, began_s: float, stop_after: int) -> None:
        count, before_s, rest = 0, began_s, b""
        try:
            for data in answer.iter_content(chunk_size=None):
                now_s = time.perf_counter()
                rest = (rest + data)[-32:]
                for _ in range(data.count(b"data: ")):
                    self._tell("the next event" if count else "the first event", before_s, now_s)
                    count, before_s = count + 1, now_s
                if stop_after and count >= stop_after:
                    self._tell("stopped", began_s)
                    return
        except Exception as error:  # noqa: BLE001  whatever it is, the report shows it
            self._tell("the whole answer", began_s, error=error)
            return
        lost = None if b"[DONE]" in rest else EOFError(f"the stream ended after {count} events without its last one")
        self._tell("the whole answer", began_s, error=lost)

    def _tell(self, name: str, began_s: float, now_s: float | None = None, error: Exception | None = None) -> None:
        took_ms = ((now_s or time.perf_counter()) - began_s) * 1000
        self.environment.events.request.fire(
            request_type="stream", name=name, response_time=took_ms, response_length=0, exception=error, context={}
        )


@events.quitting.add_listener
def _write_figures(environment: Any, **_: object) -> None:
    """Write what was measured, where this process is the one that knows it all."""
    path = os.environ.get("LOAD_FIGURES")
    if path is None or (environment.runner is not None and type(environment.runner).__name__ == "WorkerRunner"):
        return
    figures = {
        name: {
            "count": entry.num_requests,
            "failures": entry.num_failures,
            "p50_ms": entry.get_response_time_percentile(0.5) or 0,
            "p95_ms": entry.get_response_time_percentile(0.95) or 0,
            "p99_ms": entry.get_response_time_percentile(0.99) or 0,
        }
        for (name, _method), entry in environment.stats.entries.items()
    }
    errors = [
        f"{error.method} {error.name}: {error.error} ({error.occurrences})"
        for error in environment.stats.errors.values()
    ]
    Path(path).write_text(json.dumps({"figures": figures, "errors": errors}), encoding="utf-8")
