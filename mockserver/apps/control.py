"""The control routes, under /__admin: what happened, what is said, and starting afresh."""

from __future__ import annotations

import hmac
from typing import Any

from flask import Flask, Response, jsonify, request

from mockserver.clock import SystemClock
from mockserver.journal import Entry
from mockserver.redact import clean
from mockserver.scenarios import ScenarioError
from mockserver.simulation import Simulation
from mockserver.stub import StubError, parse_stub

TOKEN_HEADER = "x-mockserver-token"  # noqa: S105  a header's name


def create_app(simulation: Simulation, token: str) -> Flask:
    """The routes over a simulation. Reading is free on this machine; whatever changes something needs the token."""
    app = Flask("mockserver.control", static_folder=None)

    @app.before_request
    def authorise() -> tuple[Response, int] | None:
        given = request.headers.get(TOKEN_HEADER, "")
        if request.method == "GET" or hmac.compare_digest(given.encode(), token.encode()):
            return None
        return jsonify(error=f"{request.method} changes something: send this run's token in {TOKEN_HEADER}"), 403

    @app.get("/__admin/health")
    def health() -> Response:
        return jsonify(
            status="ok", on_miss=simulation.on_miss, files=simulation.library.files, stubs=len(simulation.library)
        )

    @app.get("/__admin/journal")
    def journal() -> Response:
        return jsonify([_shown(entry) for entry in simulation.journal])

    @app.post("/__admin/stubs")
    def say() -> tuple[Response, int]:
        entries = request.get_json(force=True, silent=True)
        if not isinstance(entries, list):
            return jsonify(error="a JSON list of stubs is needed, as in a scenario file"), 400
        said = len(simulation.stubs)
        try:
            stubs = [parse_stub(entry, f"said#{said + number}") for number, entry in enumerate(entries, 1)]
        except StubError as error:
            return jsonify(error=str(error)), 400
        simulation.say(*stubs)
        return jsonify(stubs=[stub.name for stub in stubs]), 201

    @app.get("/__admin/scenarios")
    def scenarios() -> Response:
        return jsonify(chosen=simulation.scenario, names=simulation.library.scenarios.names)

    @app.post("/__admin/scenarios")
    def choose() -> tuple[Response, int] | Response:
        asked = request.get_json(force=True, silent=True)
        if not isinstance(asked, dict) or not isinstance(name := asked.get("chosen", 0), str | None):
            return jsonify(error='say {"chosen": "NAME"}, or null for none'), 400
        try:
            simulation.choose(name)
        except ScenarioError as error:
            return jsonify(error=str(error)), 404
        return jsonify(chosen=name)

    @app.post("/__admin/clock")
    def move() -> tuple[Response, int] | Response:
        asked = request.get_json(force=True, silent=True)
        clock = simulation.clock
        if not isinstance(asked, dict) or not isinstance(clock, SystemClock) or not _moved(clock, asked):
            return jsonify(error='say {"frozen": true}, {"frozen": false} or {"advance_s": 60}'), 400
        return jsonify(now_s=clock.now(), frozen=clock.frozen)

    @app.post("/__admin/reset")
    def reset() -> tuple[str, int]:
        simulation.reset()
        return "", 204

    return app


def _moved(clock: SystemClock, asked: dict[str, Any]) -> bool:
    """Do to the clock what is asked, in that order: stop it or let it go on, move it on; whether that was understood."""
    ahead_s, frozen = asked.get("advance_s", 0), asked.get("frozen")
    if asked.keys() - {"advance_s", "frozen"} or not asked or frozen not in (None, True, False):
        return False
    if isinstance(ahead_s, bool) or not isinstance(ahead_s, int | float) or ahead_s < 0:
        return False
    if frozen is not None:
        clock.freeze() if frozen else clock.resume()
    clock.advance(ahead_s)
    return True


def _shown(entry: Entry) -> dict[str, Any]:
    body = entry.request.body.decode("utf-8", "replace")
    return {
        "number": entry.number,
        "method": entry.request.method,
        "target": clean(entry.request.target),
        "body": clean(entry.request.json_object() or body),
        "status": entry.answer.status if entry.answer else None,
        "decided_by": entry.decided_by,
        "end": entry.end,
        "events_sent": entry.events_sent,
        "took_ms": round(entry.took_s * 1000),
    }
