"""The timers of a running Functions host, set off on a clock that tests can stop and advance."""

from __future__ import annotations

import http.client
import json
import logging
import threading
from typing import Any, Self
from urllib.parse import quote, urlsplit

from mockserver.clock import Clock
from mockserver.functions.schedule import next_run_s

log = logging.getLogger("mockserver")

_LOOK_S = 0.1
#: A host that reloads its app may have other timers then.
_ASK_AGAIN_S = 2.0


class Timers:
    """What the timers of the host at a URL do inside `with`; a jump of the clock over several runs is one run, as after a pause."""

    def __init__(self, url: str, clock: Clock, *, key: str | None = None) -> None:
        self._address, self._clock, self._key = urlsplit(url).netloc, clock, key
        self._stopped, self._host = threading.Event(), ""
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch()
            except (OSError, http.client.HTTPException):
                pass  # it starts again, or is about to end
            except Exception as error:  # noqa: BLE001  the outermost frame of a thread
                log.warning("timers are watched again after %s: %s", type(error).__name__, error)
            self._stopped.wait(_ASK_AGAIN_S)

    def _watch(self) -> None:
        """Set off what is due, until the host does not answer: it may have other timers then."""
        due: dict[str, tuple[str, float]] = {}
        looks, before_s, schedules = 0, self._clock.now(), dict[str, dict[str, Any]]()
        while not self._stopped.is_set():
            if looks % round(_ASK_AGAIN_S / _LOOK_S) == 0:
                schedules = self._schedules()
            looks, now_s = looks + 1, self._clock.now()
            if now_s < before_s:  # the machine's clock was put back
                due = {name: (schedule, next_run_s(schedule, now_s)) for name, (schedule, _) in due.items()}
            before_s = now_s
            for name, timer in schedules.items():
                schedule = str(timer["schedule"])
                if due.get(name, ("", 0.0))[0] != schedule:
                    due[name] = schedule, now_s if timer.get("runOnStartup") else next_run_s(schedule, now_s)
                if now_s >= due[name][1]:
                    self._ask("POST", f"/admin/functions/{quote(name)}", "{}")
                    due[name] = schedule, next_run_s(schedule, now_s)
            self._stopped.wait(_LOOK_S)

    def _schedules(self) -> dict[str, dict[str, Any]]:
        """The triggers of the timers that are served, by their names.

        Raises:
            ConnectionResetError: the host is another one than a moment ago.
        """
        started = json.loads(self._ask("GET", "/admin/host/status"))["id"]
        self._host, before = started, self._host
        if before not in ("", started):
            raise ConnectionResetError("the host has restarted")
        return {
            function["name"]: {**binding, "schedule": function["schedule"]}
            for function in json.loads(self._ask("GET", "/admin/functions"))
            for binding in function["config"]["bindings"]
            if binding["type"] == "timerTrigger" and not function["isDisabled"]
        }

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPConnection(self._address, timeout=5)
        try:
            connection.request(method, path, body, {"x-functions-key": self._key} if self._key else {})
            return connection.getresponse().read()
        finally:
            connection.close()
