"""What the host answers itself: its home page, and /admin."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from mockserver import __version__
from mockserver.exchange import Request, parse_json
from mockserver.functions.function import Function
from mockserver.functions.result import Result
from mockserver.functions.schedule import resolved

PING_PATH = "/admin/host/ping"
_NO_HOME = "AzureWebJobsDisableHomepage"
_HOME = (
    b"<!doctype html><title>Your Functions app is up and running</title><h1>Your Functions app is up and running</h1>"
)


def home() -> Result:
    """The page at `/`, by which tools see that a host is up. Source: HomepageMiddleware."""
    if os.environ.get(_NO_HOME, "").lower() == "true":
        return Result(204)
    return _whole(Result(200, (("content-type", "text/html"),), _HOME))


class Admin:
    """The routes below /admin; `run` starts a function that no request sets off."""

    def __init__(
        self, functions: Sequence[Function], served: Sequence[Function], run: Callable[[Function, str], None]
    ) -> None:
        self._functions, self._served, self._run = functions, served, run
        self._began_s, self._id = time.monotonic(), secrets.token_hex(16)  # of this start

    def answer(self, path: str, request: Request) -> Result:
        """The answer to a request. Source: HostController and FunctionsController of the host."""
        match [part.lower() for part in path.strip("/").split("/")], request.method:
            case ["admin", "host", "ping"], "GET" | "POST":
                return _whole(Result(200))
            case ["admin", "host", "status"], "GET":
                uptime_ms = round((time.monotonic() - self._began_s) * 1000)
                return _json(
                    {
                        "id": self._id,
                        "state": "Running",
                        "version": f"dress-rehearsal {__version__}",
                        "processUptime": uptime_ms,
                    }
                )
            case ["admin", "functions"], "GET":
                return _json([self._described(function, request) for function in self._functions])
            case ["admin", "functions", name], method if function := self._named(name):
                if method == "GET":
                    return _json(self._described(function, request))
                if method == "POST":
                    return self._start(function, request)
        return _whole(Result(404))

    def _start(self, function: Function, request: Request) -> Result:
        """Source: FunctionsController.Invoke: 202 at once, 400 without a JSON object."""
        asked = parse_json(request.body)
        if not isinstance(asked, dict):
            example = "{}" if function.kind == "timer" else '{"input": "the message"}'
            return _refused(f"send JSON: curl -X POST -d '{example}'")
        if function not in self._served:
            return _whole(Result(404))
        if function.route is not None:
            return _refused(f"{function.name} has a route: ask /{function.template}")
        given = asked.get("input")
        self._run(function, given if isinstance(given, str) else "" if given is None else json.dumps(given))
        return _whole(Result(202))

    def _named(self, name: str) -> Function | None:
        return next((function for function in self._functions if function.name.lower() == name), None)

    def _described(self, function: Function, request: Request) -> dict[str, Any]:
        base = f"http://{request.header('host')}"
        config = {
            "name": function.name,
            "entryPoint": function.name,
            "language": "python",
            "bindings": function.bindings,
        }
        return {
            "name": function.name,
            "href": f"{base}/admin/functions/{function.name}",
            "config": config,
            "language": "python",
            "isDisabled": function not in self._served,
            "isDirect": False,
            "isProxy": False,
            # Ours: with the app settings that it names, which are those of this process.
            **({"schedule": resolved(function.source)} if function.kind == "timer" else {}),
            "invoke_url_template": f"{base}/{function.template}".lower() if function.route is not None else None,
        }


def _json(value: object) -> Result:
    return _whole(Result(200, (("content-type", "application/json; charset=utf-8"),), json.dumps(value).encode()))


def _refused(words: str) -> Result:
    return _whole(Result(400, (("content-type", "text/plain; charset=utf-8"),), f"{words}\n".encode()))


def _whole(result: Result) -> Result:
    return Result(result.status, (*result.headers, ("content-length", str(len(result.body)))), result.body)
