"""The control routes, under /__admin: what happened, what is said, and starting afresh."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from flask import Flask, Response, jsonify, request

from mockserver.clock import SystemClock
from mockserver.exchange import parse_json, whole_number
from mockserver.journal.criteria import JournalCriteria, JournalError
from mockserver.journal.entry import Entry
from mockserver.journal.journal import ExpectationError
from mockserver.journal.timeline import timeline
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import shown_request
from mockserver.redaction.redaction import clean
from mockserver.simulation.scenarios import ScenarioError
from mockserver.simulation.scopes import SCOPE_HEADER, Scope, ScopeError, Scopes
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import StubError

_NUMBERS = {"status", "events_sent", "attempt", "number", "after", "turn"}
_LONGEST_WAIT_S = 60
_LATEST_S = 253_402_300_799 - 366 * 86400  # the end of the last year that dates have, but for what ends later than now
TOKEN_HEADER = "x-mockserver-token"  # noqa: S105  a header's name


def create_app(simulation: Simulation, token: str) -> Flask:
    """The routes over a simulation. Reading is free on this machine; whatever changes something needs the token."""
    app = Flask("mockserver.control", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # a fault of ours is not for Flask to answer

    @app.before_request
    def authorise() -> tuple[Response, int] | None:
        given = request.headers.get(TOKEN_HEADER, "")
        if (
            request.method == "GET"
            or not request.path.startswith("/__admin")
            or hmac.compare_digest(given.encode(), token.encode())
        ):
            return None
        return jsonify(error=f"{request.method} changes something: send this run's token in {TOKEN_HEADER}"), 403

    @app.after_request
    def private(response: Response) -> Response:
        response.headers["cache-control"] = "no-store"
        response.headers["x-content-type-options"] = "nosniff"
        return response

    @app.errorhandler(ScopeError)
    @app.errorhandler(ScenarioError)
    def not_found(error: Exception) -> tuple[Response, int]:
        return jsonify(error=str(error)), 404

    @app.errorhandler(JournalError)
    @app.errorhandler(StubError)
    def bad_request(error: Exception) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @app.get("/__admin/health")
    def health() -> Response:
        index = simulation.index
        loaded = {"on_miss": simulation.settings.on_miss, "files": index.files, "stubs": len(index)}
        return jsonify(status="ok", **loaded, crashes=simulation.journal.records.crash_count)

    @app.get("/__admin/crashes")
    def crashes() -> Response:
        return jsonify([asdict(crash) for crash in simulation.journal.records.crashes])

    @app.post("/__admin/reset")
    def reset() -> tuple[str, int]:
        simulation.reset()
        return "", 204

    _add_journal(app, simulation)
    _add_scopes(app, simulation.scopes)
    _add_stubs(app, simulation)
    _add_clock(app, simulation)
    return app


def _add_scopes(app: Flask, scopes: Scopes) -> None:
    @app.post("/__admin/scopes")
    def open_scope() -> tuple[Response, int]:
        body = parse_json(request.get_data()) or {}
        if not isinstance(body, dict) or not isinstance(name := body.get("scenario"), str | None):
            return jsonify(error='send {"scenario": "NAME"}, or {} for none'), 400
        scope = scopes.open(name)
        return jsonify(scope=scope.name, headers={SCOPE_HEADER: scope.name}), 201

    @app.delete("/__admin/scopes/<name>")
    def close_scope(name: str) -> tuple[str, int]:
        scopes.close(name)
        return "", 204


def _add_stubs(app: Flask, simulation: Simulation) -> None:
    scopes = simulation.scopes

    def owner() -> Scope:
        """The scope the request is about."""
        name = request.headers.get(SCOPE_HEADER)
        return scopes.named(name) if name else scopes.everybody

    @app.post("/__admin/stubs")
    def say() -> tuple[Response, int]:
        entries, scope = parse_json(request.get_data()), owner()
        if not isinstance(entries, list):
            return jsonify(error="send a JSON list of stubs, as in a scenario file"), 400
        stubs = scopes.say_entries(*entries, name="said", scope=scope)
        return jsonify(stubs=[stub.name for stub in stubs]), 201

    @app.get("/__admin/scenarios")
    def scenarios() -> Response:
        return jsonify(chosen=scopes.everybody.scenario, names=simulation.index.scenarios.names)

    @app.post("/__admin/scenarios")
    def choose() -> tuple[Response, int] | Response:
        body = parse_json(request.get_data())
        if not isinstance(body, dict) or not isinstance(name := body.get("chosen", 0), str | None):
            return jsonify(error='send {"chosen": "NAME"}, or null for none'), 400
        scopes.choose(name, owner())
        return jsonify(chosen=name)


def _add_clock(app: Flask, simulation: Simulation) -> None:
    @app.post("/__admin/clock")
    def move() -> tuple[Response, int] | Response:
        body = parse_json(request.get_data())
        clock = simulation.clock
        if not isinstance(body, dict) or not isinstance(clock, SystemClock) or not _moved(clock, body):
            return jsonify(error='send {"frozen": true}, {"frozen": false} or {"advance_s": 60}'), 400
        return jsonify(now_s=clock.now(), frozen=clock.frozen)


def _add_journal(app: Flask, simulation: Simulation) -> None:
    """The routes that only read."""

    @app.get("/__admin/journal")
    def journal() -> Response:
        return jsonify([_shown(entry) for entry in simulation.journal.only(**_criteria(request.args))])

    @app.get("/__admin/journal/verify")
    def verify() -> tuple[Response, int] | Response:
        criteria = _criteria(request.args)
        try:
            times, within_s = int(request.args.get("times", "1")), float(request.args.get("within_s", "1"))
            if not 0 <= within_s <= _LONGEST_WAIT_S:
                raise ValueError(f"within_s={within_s:g} is not between 0 and {_LONGEST_WAIT_S}")
            simulation.journal.verify(times, within_s=within_s, **criteria)
        except ExpectationError as error:
            return jsonify(error=str(error)), 409
        except ValueError as error:
            return jsonify(error=f"times and within_s must be numbers: {error}"), 400
        return jsonify([_shown(entry) for entry in simulation.journal.only(**criteria)])

    @app.get("/__admin/timeline")
    def page() -> str:
        return timeline("Since the last reset", list(simulation.journal.only(**_criteria(request.args))))


def _criteria(given: Mapping[str, str]) -> JournalCriteria:
    """What to look up in the journal, from a query: numbers as such, `500-599` as a range.

    Raises:
        JournalError: not a number where one is needed.
    """
    criteria: dict[str, Any] = {name: value for name, value in given.items() if name not in ("times", "within_s")}
    for name in _NUMBERS & criteria.keys():
        low, dash, high = criteria[name].partition("-")
        first, last = whole_number(low), whole_number(high if dash else low)
        if first is None or last is None:
            raise JournalError(f"{name} must be a number or a range as 500-599, got {criteria[name]!r}")
        criteria[name] = range(first, last + 1) if dash else first
    return cast(JournalCriteria, criteria)


def _moved(clock: SystemClock, asked: dict[str, Any]) -> bool:
    """Do to the clock what is asked, in that order: stop it or let it go on, move it on; whether that was understood."""
    ahead_s, frozen = asked.get("advance_s", 0), asked.get("frozen")
    if asked.keys() - {"advance_s", "frozen"} or not asked or frozen not in (None, True, False):
        return False
    if isinstance(ahead_s, bool) or not isinstance(ahead_s, int | float) or not 0 <= ahead_s <= _LATEST_S - clock.now():
        return False
    if frozen is not None:
        clock.freeze() if frozen else clock.resume()
    clock.advance(ahead_s)
    return True


def _shown(entry: Entry) -> dict[str, Any]:
    body = entry.request.body.decode("utf-8", "replace")
    return {
        "number": entry.number,
        "place": entry.place,
        "scope": entry.scope,
        "persona": entry.persona,
        "rule": entry.rule,
        "attempt": entry.attempt,
        "ids": sorted(entry.visit_ids),
        "method": entry.request.method,
        "target": shown_request(entry.request).target,
        "body": clean(Call(entry.request).body or body),
        "status": entry.answer.status if entry.answer else None,
        "decided_by": clean(entry.decided_by),
        "end": entry.end,
        "events_sent": entry.events_sent,
        "took_ms": round(entry.took_s * 1000),
    }
