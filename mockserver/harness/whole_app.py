"""The whole app: a site in front of its API, in front of the model endpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from mockserver.exchange import Request
from mockserver.flask_apps import site_app
from mockserver.fronts.gate import Attribution, SiteFront
from mockserver.harness.environment import sessions_of
from mockserver.harness.external_api import ExternalApi
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import OptionsError, SiteOptions
from mockserver.journal.entry import Entry, Place
from mockserver.matching.call import Call
from mockserver.simulation.scopes import SCOPE_COOKIE, SCOPE_HEADER, Scope, Scopes
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.site_faults import SiteFault, site_fault
from mockserver.swa.live_states import LiveStates, scope_of
from mockserver.swa.personas import find_persona
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.session import SESSION_COOKIE, cookies_in
from mockserver.swa.static_web_app import StaticWebApp, load_static_web_app
from mockserver.wire.server import LOOPBACK, Servers, bind_to, url_of
from mockserver.wire.token_gate import TokenGate

log = logging.getLogger("mockserver.site")
_NOT_JOINED = (
    "the scenario of %s has not answered: while it was asked, request #%d came to the model without the visit's x-request-id or "
    "traceparent. Let the API pass one of them on."
)


class WholeApp:
    """The site of a function app and its model: it has its port at once, and answers inside `with`."""

    def __init__(
        self,
        model: ModelEndpoint,
        functions: FunctionApp | ExternalApi,
        options: SiteOptions,
        *,
        report: Callable[[Entry, Sequence[Entry]], None] = lambda *_: None,
    ) -> None:
        """`report` gets every visit that has ended, and its requests to the model."""
        if functions.direct_url and options.address != LOOPBACK:
            raise OptionsError("--bind does not open the direct app to other machines: choose another --topology")
        self.model, self.api_url = model, functions.url
        sockets = bind_to(options.address, options.port, "the site", "--site-port")
        self.url = functions.site_url = url_of(sockets[0])
        simulation = model.simulation
        site = load_static_web_app(
            options.webapp,
            personas=options.personas,
            sessions=sessions_of(options.webapp, model.clock),
            clock=model.clock,
            api_urls=functions.urls,
            config=options.config,
        )
        live = LiveStates(simulation.scopes, model.clock, backend=functions.backend, apart=functions.direct_url is None)
        self.site = replace(site, states=options.states, live=live)
        if functions.direct_url is not None:
            _require_open(self.site, functions.direct_url)

        def report_visit(visit: Entry, tries: int = 10) -> None:
            requests = simulation.journal.joined(visit).only(place=Place.MODEL) if visit.decided_by == "api" else ()
            if tries and any(entry.end == "open" for entry in requests):  # the API notices later that its client left
                asyncio.get_running_loop().call_later(0.1, report_visit, visit, tries - 1)
                return
            if not requests and (stray := _stray(simulation, visit)) is not None:
                log.warning(_NOT_JOINED, visit.persona or "nobody", stray.number)
            report(visit, requests)

        self._front = SiteFront(
            site_app.create_app(self.site, control=model.control, token=model.token),
            self.site,
            delivery=options.delivery,
            records=simulation.journal.records,
            report=report_visit,
            attribute=_attribution(simulation, options),
            paused=lambda: functions.paused,
        )
        app = self._front if options.address == LOOPBACK else TokenGate(self._front, model.token, hidden=True)
        self._servers = Servers(
            *((app, socket) for socket in sockets),
            at_end=self._front.close,
            crashed=simulation.journal.records.crashed,
        )

    def __enter__(self) -> Self:
        self._servers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.stop()

    def cookie(self, persona: str) -> dict[str, str]:
        """The session cookie of a persona, as signing in would set it: its name and value.

        Raises:
            PersonaError: no persona of that name.
        """
        user = find_persona(self.site.personas, persona)
        return {SESSION_COOKIE: self.site.sessions.cookie(user.principal("aad"), user.expires_in_s)}

    def headers(self, persona: str) -> dict[str, str]:
        """The headers that sign any HTTP client in as a persona; raises what `cookie` raises."""
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookie(persona).items())}


def _attribution(simulation: Simulation, options: SiteOptions) -> Attribution:
    """A function for the scope of a visit, from its header or from who is signed in, and for its site fault.

    Raises:
        ScenarioError: a persona or a state names a scenario that does not exist.
    """
    scopes = simulation.scopes
    personas = {persona.email: persona.scenario for persona in options.personas.values()}
    for scenario in filter(None, (*personas.values(), *(state.scenario for state in options.states))):
        simulation.index.scenarios.chosen(scenario)

    def scope_of_visitor(request: Request, principal: ClientPrincipal | None) -> str:
        """The scope of a live state, of a browser or of a persona; empty for everybody's."""
        if (name := scope_of(principal)) is not None and scopes.get(name) is not None:
            return name
        user = principal.user_details if principal else ""
        if (of_browser := _scope_of_browser(scopes, request)) is not None:
            if not of_browser.chosen:  # what is chosen for a browser goes before what its person has
                of_browser.scenario = personas.get(user)
            return of_browser.name
        if not any(personas.values()):
            return ""
        return scopes.open(personas.get(user), f"persona {user or 'nobody'}", personal=True).name

    def attribute(call: Call, principal: ClientPrincipal | None) -> tuple[str, SiteFault]:
        name = call.request.header(SCOPE_HEADER)
        if name is None:
            name = scope_of_visitor(call.request, principal)
        scopes.attribute(call.visit_ids, name)
        return name, site_fault(simulation.site_fault(call))

    return attribute


def _scope_of_browser(scopes: Scopes, request: Request) -> Scope | None:
    """The open scope that a browser's cookie names."""
    header = request.header("cookie") or ""
    if SCOPE_COOKIE not in header:
        return None
    return next(filter(None, map(scopes.get, cookies_in(header).get(SCOPE_COOKIE, []))), None)


def _stray(simulation: Simulation, visit: Entry) -> Entry | None:
    """A request to the model that a visit with a scope has probably caused, but that cannot be joined to it."""
    scope = simulation.scopes.get(visit.scope)
    if scope is None or scope.scenario is None or visit.decided_by != "api":
        return None
    journal = simulation.journal
    asked = journal.only(place=Place.MODEL, scope="", after=visit)
    return next((entry for entry in asked if not journal.joined(entry).only(place=Place.SITE)), None)


def _require_open(site: StaticWebApp, origin: str) -> None:
    """Raise OptionsError if the page's policy does not let it call another origin. A dev server's pages have no policy."""
    policy = next((value for name, value in site.config.global_headers if name == "content-security-policy"), "")
    sources = next((part.split() for part in policy.split(";") if part.split()[:1] == ["connect-src"]), [origin])
    if site.folder is not None and origin not in sources:
        raise OptionsError(
            f"The page in {site.folder} may not call {origin}: its content-security-policy has {' '.join(sources)}. "
            f"Build it with DIRECT_ORIGIN={origin} npm run build, as make mock TOPOLOGY=direct does."
        )
