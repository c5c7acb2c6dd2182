"""The control routes, under /__admin: what happened, what is said, and starting afresh."""

from __future__ import annotations

import hmac
import inspect
import secrets
from dataclasses import asdict
from typing import Any

from flask import Flask, Response, jsonify, request

from mockserver.exchange import json_bytes, parse_json
from mockserver.flask_apps.console import add_console
from mockserver.flask_apps.live import ListenersError, Live
from mockserver.journal.contents import as_json
from mockserver.journal.criteria import JournalError
from mockserver.journal.journal import ExpectationError
from mockserver.simulation.actions import ActionError
from mockserver.simulation.counts import SharingError
from mockserver.simulation.group import READY_PATH, Alone, Group
from mockserver.simulation.holds import HoldError
from mockserver.simulation.model_faults import MODEL_FAULTS
from mockserver.simulation.scenarios import ScenarioError
from mockserver.simulation.scopes import SCOPE_HEADER, Scope, ScopeError
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.site_faults import SITE_FAULTS
from mockserver.simulation.state import state
from mockserver.simulation.stub import StubError, parse_criteria

_LONGEST_WAIT_S = 60
TOKEN_HEADER = "x-mockserver-token"  # noqa: S105  a header's name


def create_app(simulation: Simulation, token: str, group: Group | None = None) -> Flask:
    """The routes over a simulation, and over the group of processes it is one of. Reading is free on this machine; whatever
    changes something needs the token."""
    group = group or Alone(simulation)
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

    @app.get("/__admin/health")
    def health() -> Response:
        index = simulation.index
        loaded = {"on_miss": simulation.settings.on_miss, "files": index.files, "stubs": len(index)}
        return jsonify(status="ok", **loaded, crashes=simulation.journal.records.crash_count)

    @app.get(READY_PATH)
    def ready() -> tuple[Response, int]:
        return (jsonify(error=group.trouble), 503) if group.trouble else (jsonify(status="ready"), 200)

    @app.get("/__admin/crashes")
    def crashes() -> Response:
        return jsonify([asdict(crash) for crash in simulation.journal.records.crashes])

    @app.get("/__admin/scenarios")
    def scenarios() -> Response:
        return jsonify(chosen=simulation.scopes.everybody.scenario, names=simulation.index.scenarios.names)

    _add_errors(app)
    _add_actions(app, group)
    _add_holds(app, simulation, group)
    _add_journal(app, group)
    _add_console(app, simulation, group)
    add_console(app, app.wsgi_app, token)
    return app


def _add_errors(app: Flask) -> None:
    @app.errorhandler(ScopeError)
    @app.errorhandler(ScenarioError)
    def not_found(error: Exception) -> tuple[Response, int]:
        return jsonify(error=str(error)), 404

    @app.errorhandler(JournalError)
    @app.errorhandler(StubError)
    @app.errorhandler(ActionError)
    def bad_request(error: Exception) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @app.errorhandler(ExpectationError)
    @app.errorhandler(SharingError)
    @app.errorhandler(HoldError)
    @app.errorhandler(ListenersError)
    def conflict(error: Exception) -> tuple[Response, int]:
        return jsonify(error=str(error)), 409


def _add_actions(app: Flask, group: Group) -> None:
    """The routes that change something."""

    def do(kind: str, **given: object) -> Any:
        """Do what the request asks, for its scope."""
        return group.perform(
            kind, {"asked": parse_json(request.get_data()), "scope": request.headers.get(SCOPE_HEADER), **given}
        )

    @app.post("/__admin/reset")
    def reset() -> tuple[str, int]:
        do("reset")
        return "", 204

    @app.post("/__admin/scopes")
    def open_scope() -> tuple[Response, int]:
        name = do("open_scope", name=secrets.token_urlsafe(9))
        return jsonify(scope=name, headers={SCOPE_HEADER: name}), 201

    @app.delete("/__admin/scopes/<name>")
    def close_scope(name: str) -> tuple[str, int]:
        do("close_scope", name=name)
        return "", 204

    @app.post("/__admin/stubs")
    def say() -> tuple[Response, int]:
        return jsonify(stubs=do("say")), 201

    @app.post("/__admin/scenarios")
    def choose() -> Response:
        return jsonify(chosen=do("choose"))

    @app.post("/__admin/clock")
    def move_clock() -> Response:
        return jsonify(do("move_clock"))


def _add_holds(app: Flask, simulation: Simulation, group: Group) -> None:
    """The routes that hold a stream and let it go on."""

    @app.get("/__admin/holds")
    def holds() -> Response:
        return jsonify([hold.state for hold in simulation.holds.all()])

    @app.post("/__admin/holds")
    def hold() -> tuple[Response, int]:
        if not isinstance(group, Alone):
            raise SharingError(
                "a stream is held by the process that answers it: start one, without --workers and --redis"
            )
        asked = parse_json(request.get_data() or b"{}")
        if not isinstance(asked, dict) or asked.keys() - {"to", "when"} or {"to", "when"} <= asked.keys():
            raise ActionError('send {"to": "the last user message"}, {"when": {"contains": "…"}} or {} for any request')
        when = {"prompt": asked["to"]} if "to" in asked else asked.get("when", {})
        scope = request.headers.get(SCOPE_HEADER, "")
        if scope:
            simulation.scopes.named(scope)
        return jsonify(simulation.holds.open(parse_criteria(when, "hold"), scope).state), 201

    @app.post("/__admin/holds/<hold_id>")
    def tell(hold_id: str) -> Response:
        hold, asked = simulation.holds.named(hold_id), parse_json(request.get_data())
        match asked:
            case {"step": int(pieces), **rest} if not rest and not isinstance(pieces, bool) and pieces >= 0:
                stepped = hold.step(pieces)
                return jsonify({**hold.state, "stepped": stepped})
            case {"fault": str(kind), **rest} if not rest:
                hold.fault(kind)
            case {"release": True, **rest} if not rest:
                hold.release()
            case _:
                raise ActionError('send {"step": 3}, {"fault": "dropped"} or {"release": true}')
        return jsonify(hold.state)


def _add_console(app: Flask, simulation: Simulation, group: Group) -> None:
    """The routes that the console reads from, in a process that answers alone."""
    live = Live(simulation)

    def scope() -> Scope:
        """The scope that is asked about."""
        if not isinstance(group, Alone):
            raise SharingError("the console sees one process: start one, without --workers and --redis")
        name = request.headers.get(SCOPE_HEADER) or request.args.get("scope", "")
        return simulation.scopes.named(name) if name else simulation.scopes.everybody

    @app.get("/__admin/state")
    def state_now() -> Response:
        return jsonify(state(simulation, scope()))

    @app.get("/__admin/faults")
    def faults() -> Response:
        functions = {**MODEL_FAULTS, **SITE_FAULTS}
        return jsonify([{"kind": kind, "does": inspect.getdoc(function)} for kind, function in functions.items()])

    @app.get("/__admin/journal/<int:number>")
    def exchange(number: int) -> tuple[Response, int] | Response:
        found = simulation.journal.records.numbered({number})
        if not found:
            return jsonify(error=f"exchange {number} is not kept: it is too old, or the journal was emptied"), 404
        return jsonify(as_json(found[0]))

    @app.get("/__admin/live")
    def listen() -> Response:
        return Response(live.events(scope()), content_type="text/event-stream")


def _add_journal(app: Flask, group: Group) -> None:
    """The routes that only read."""

    def asked() -> dict[str, str]:
        """The criteria of a query."""
        return {name: value for name, value in request.args.items() if name not in ("times", "within_s")}

    @app.get("/__admin/journal")
    def journal() -> Response:
        return jsonify(group.entries(asked()))

    @app.get("/__admin/journal/verify")
    def verify() -> tuple[Response, int] | Response:
        try:
            times, within_s = int(request.args.get("times", "1")), float(request.args.get("within_s", "1"))
            if not 0 <= within_s <= _LONGEST_WAIT_S:
                raise ValueError(f"within_s={within_s:g} is not between 0 and {_LONGEST_WAIT_S}")
        except ValueError as error:
            return jsonify(error=f"times and within_s must be numbers: {error}"), 400
        group.verify(times, within_s, asked())
        return jsonify(group.entries(asked()))

    @app.get("/__admin/journal.har")
    def archive() -> Response:
        return Response(json_bytes(group.har(asked())), content_type="application/json")

    @app.get("/__admin/timeline")
    def page() -> str:
        return group.timeline(asked())
