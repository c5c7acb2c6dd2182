"""What can go wrong before the model is asked: at the gate, and at the Functions host as the gate sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mockserver.exchange import Answer, Event
from mockserver.simulation.fault import Fault


@dataclass(frozen=True, slots=True)
class SiteFault:
    """What goes wrong before the model is asked.

    The API is called `wait_ms` milliseconds later, or not at all where there is an answer `instead`; its answer breaks off
    after `cut_after` events, None does not cut it. `signed_out` removes the user from the request. `kind` names it; empty
    where nothing goes wrong.
    """

    instead: Answer | None = None
    wait_ms: int = 0
    cut_after: int | None = None
    signed_out: bool = False
    kind: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What went wrong, as an answer names it."""
        return (self.kind,) if self.kind else ()


#: Nothing goes wrong.
NO_FAULT = SiteFault()


def site_fault(fault: Fault | None) -> SiteFault:
    """What a fault of the gate or the host does; None does nothing."""
    return replace(SITE_FAULTS[fault.kind](fault), kind=fault.kind) if fault else NO_FAULT


def api_timed_out() -> Answer:
    """What Static Web Apps sends when the API has not started to answer within 45 seconds.

    Source: a 500 with these words, as reported (static-web-apps#801, #1607)."""
    return _plain(500, "Backend call failure")


def _session_expired(_fault: Fault) -> SiteFault:
    """At the gate: the session has expired, as after eight hours."""
    return SiteFault(signed_out=True)


def _api_timeout(fault: Fault) -> SiteFault:
    """At the gate: the 45 seconds are over. A 500, or with `after` the answer breaks off after so many events."""
    return SiteFault(api_timed_out()) if fault.after is None else SiteFault(cut_after=fault.after)


def _api_unreachable(_fault: Fault) -> SiteFault:
    """At the gate: a 502, for an API that refuses connections."""
    return SiteFault(_plain(502, "Bad Gateway"))


def _cold_start(fault: Fault) -> SiteFault:
    """At the host: the API is called `wait_ms` later, as in a cold start (default: 10 seconds)."""
    return SiteFault(wait_ms=10_000 if fault.wait_ms is None else fault.wait_ms)


def _host_starting(_fault: Fault) -> SiteFault:
    """At the host: a 503, while it is not up."""
    return SiteFault(_plain(503, "Function host is not running."))


def _function_failed(_fault: Fault) -> SiteFault:
    """At the host: an empty 500, as for an unhandled exception."""
    return SiteFault(Answer(500, (("content-length", "0"),)))


def _function_missing(_fault: Fault) -> SiteFault:
    """At the host: an empty 404, as for a function that the deployment did not find."""
    return SiteFault(Answer(404, (("content-length", "0"),)))


def _plain(status: int, text: str) -> Answer:
    return Answer(status, (("content-type", "text/plain; charset=utf-8"),), (Event(0, text.encode()),))


#: By kind.
SITE_FAULTS: dict[str, Callable[[Fault], SiteFault]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_session_expired, _api_timeout, _api_unreachable),
        *(_cold_start, _host_starting, _function_failed, _function_missing),
    )
}
