"""The model endpoint as a Flask application."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response

from mockserver.exchange import Answer, End, json_answer
from mockserver.flask_apps.control import create_app as create_control_app
from mockserver.flask_apps.flask_request import flask_request
from mockserver.journal.entry import Entry
from mockserver.simulation.simulation import Simulation
from mockserver.wire.play import play_blocking


def create_app(simulation: Simulation, *, control_token: str | None = None) -> Flask:
    """The endpoint over a simulation, with the control routes where a token is given.

    A reset is a body that breaks off here: WSGI cannot reset a connection.
    """
    app = create_control_app(simulation, control_token) if control_token else Flask(__name__, static_folder=None)

    @app.before_request  # before routing: the simulation decides on every path and method
    def answer() -> Response | None:
        request = flask_request()
        if control_token and request.raw_path.startswith(("/__admin", "/__mock/")):
            return None
        if request.header("origin") is not None:
            return Response("A web page may not call the model; it calls the site's API.\n", 403)
        entry = simulation.answer(request)
        answer = entry.answer or json_answer(
            501, {"error": {"message": "Recording needs `dress-rehearsal model`.", "type": "mockserver_error"}}
        )
        simulation.clock.block_until(entry.at_s + answer.head_after_ms / 1000)
        if not answer.status:
            simulation.journal.records.close(entry, end=answer.end, took_s=0)
            raise ConnectionResetError(f"refused by {answer.decided_by}")
        response = Response(_events(simulation, entry, answer), answer.status, list(answer.headers))
        if not answer.streams and answer.end is End.EOF:
            response.content_length = len(answer.body)
        return response

    return app


def _events(simulation: Simulation, entry: Entry, answer: Answer) -> Iterator[bytes]:
    sent_ms: list[float] = []
    closed = False

    def close(end: str) -> None:
        """Close the entry, once. It closes before its last bytes leave, so a client that has them finds it closed."""
        nonlocal closed
        if not closed:
            took_s = simulation.clock.now() - entry.at_s
            simulation.journal.records.close(entry, end=end, sent_ms=sent_ms, took_s=took_s, answer=answer)
        closed = True

    try:
        for data in play_blocking(answer, since_s=entry.at_s, clock=simulation.clock):
            sent_ms.append((simulation.clock.now() - entry.at_s) * 1000)
            if len(sent_ms) == len(answer.events):
                close(str(answer.end))
            yield data
        close(str(answer.end))
        if answer.end is not End.EOF:
            raise ConnectionResetError(f"{answer.end} by {answer.decided_by}")
    finally:
        close("client left")
