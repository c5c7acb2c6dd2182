"""Checks a deployed app from outside: the gate, the page, the API, and one streamed answer; each problem is named with its fix.

The same checks pass against `make mock`; its faults prove that they detect the problems.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

#: The session of Static Web Apps, in every browser that is signed in. Source: its documentation.
COOKIE = "StaticWebAppsAuthCookie"
QUESTION = "What is the capital of France?"
#: New role assignments take up to ten minutes to take effect. Source: Azure's troubleshooting of role assignments.
PROPAGATION_S = 600
_TIMEOUT_S = 60
_POLL_S = 15
#: What a site answers to an address outside its ranges.
REFUSES = "the site refuses this address (403)"
_NOT_OURS = "is the deployed staticwebapp.config.json the one of this project?"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check, with a fix where it failed. A `transient` problem may disappear after some time."""

    name: str
    ok: bool
    message: str
    fix: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A deployed site, and the cookie of a session on it; empty for no session."""

    url: str
    session: str = ""

    def ask(
        self, method: str, path: str, *, session: bool = False, body: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """The site's response; redirects are not followed.

        Raises:
            httpx2.HTTPError: no response, or not in time.
        """
        cookies = {COOKIE: self.session} if session and self.session else None
        loopback = urlsplit(self.url).hostname in ("127.0.0.1", "localhost")  # a proxy cannot reach it
        with httpx2.Client(base_url=self.url, timeout=_TIMEOUT_S, cookies=cookies, trust_env=not loopback) as client:
            return client.request(method, path, json=body)


def verify(
    target: Target,
    *,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[CheckResult]:
    """Each result as soon as it is known, up to the first failure. Transient problems are retried for `wait_s` seconds in all."""
    deadline = clock() + wait_s
    for name, check in _CHECKS.items():
        if name == "answer" and not target.session:
            return
        result = _run(name, check, target)
        while not result.ok and result.transient and clock() < deadline:
            sleep(_POLL_S)
            result = _run(name, check, target)
        yield result
        if not result.ok:
            return


def _run(name: str, check: Callable[[Target], CheckResult], target: Target) -> CheckResult:
    """The check's result; a site that does not respond, or breaks the connection, fails it."""
    try:
        return check(target)
    except (httpx2.TimeoutException, httpx2.RemoteProtocolError, httpx2.ReadError) as error:
        message = f"the answer was interrupted or did not arrive ({type(error).__name__})"
        return CheckResult(name, False, message, "try again; was it cut off at 45 seconds?", transient=True)
    except httpx2.HTTPError as error:
        message = f"{target.url} does not answer: {type(error).__name__}"
        return CheckResult(name, False, message, "is the address right, and the site deployed?", transient=True)


def _check_gate(target: Target) -> CheckResult:
    """The site requires a sign-in."""
    response = target.ask("GET", "/")
    status, location = response.status_code, urlsplit(response.headers.get("location", "")).path
    if status == 200 and "Congratulations on your new site" in response.text:
        return CheckResult(
            "gate", False, "the site is empty: it shows Azure's own page", "make deploy uploads the page"
        )
    if status == 200:
        fix = "is staticwebapp.config.json among the deployed files?"
        return CheckResult("gate", False, "the page is open to everyone without signing in", fix)
    if status == 403 and "location" not in response.headers:
        fix = "its IP ranges exclude this machine: networking.allowedIpRanges"
        return CheckResult("gate", False, REFUSES, fix)
    if status == 401 or (status == 302 and location.startswith("/.auth/login")):
        return CheckResult("gate", True, f"the site requires a sign-in ({status} {location})")
    return CheckResult("gate", False, f"GET / answers {status} {location}", "what is deployed there?")


def _check_page(target: Target) -> CheckResult:
    """The page is deployed, with its content security policy."""
    response = target.ask("GET", "/register")
    if response.status_code != 200:
        message = f"/register answers {response.status_code}"
        return CheckResult("page", False, message, "make deploy uploads the page")
    if "default-src 'none'" not in response.headers.get("content-security-policy", ""):
        return CheckResult("page", False, "the page has no content security policy", _NOT_OURS)
    return CheckResult("page", True, "the page is deployed, with its content security policy")


def _check_api(target: Target) -> CheckResult:
    """The functions are registered and configured."""
    response = target.ask("GET", "/api/health")
    status, health = response.status_code, _object(response.text)
    if status == 404:
        fix = "make package checks that they load; the app's log stream shows why they did not"
        return CheckResult("api", False, "0 functions are registered", fix, transient=True)
    if status == 503 and "missing" in health:
        message = f"missing settings: {', '.join(health['missing'])}"
        return CheckResult("api", False, message, "make deploy sets them; the app restarts after that")
    if status in (301, 302, 401, 403):
        return CheckResult("api", False, f"the gate blocks /api/health ({status})", _NOT_OURS)
    if status != 200 or health.get("status") != "ok":
        message = f"/api/health answers {status}"
        return CheckResult("api", False, message, "the app's log stream shows why", transient=status >= 500)
    return CheckResult("api", True, "the functions are registered and configured")


#: What the API's error codes mean to the person who deploys: message, fix, and whether the problem is transient.
_API_ERRORS: dict[str, tuple[str, str, bool]] = {
    "model_role_missing": ("the model refuses: the app's identity has no role yet", "role assignments take up to ten minutes: WAIT=600", True),
    "model_access_refused": ("the model refuses: the key is wrong, or the role is not in effect yet", "docs/keys.md; role assignments take up to ten minutes: WAIT=600. Or its IP ranges exclude the app", True),
    "model_not_found": ("the model refuses: the deployment does not exist", "is AZURE_OPENAI_DEPLOYMENT a deployment of the resource?", False),
    "upstream_unavailable": ("the model does not answer", "do its IP ranges exclude the app? Is its endpoint right?", True),
    "upstream_timeout": ("the model took too long", "try again, or use a smaller model", True),
    "rate_limit_exceeded": ("the model's rate limit is reached", "try again in a minute, or use a larger modelCapacity", True),
    "insufficient_quota": ("the model's quota is used up", "its owner must raise it", False),
    "forbidden": ("you are signed in but have no role yet", "invite yourself: docs/access.md", False),
    "ticket_refused": ("the direct app refuses the ticket", "both apps need the same TICKET_KEY: make deploy", False),
}  # fmt: skip


def _check_answer(target: Target) -> CheckResult:
    """One streamed answer arrives completely, as the page would request it."""
    body = {"messages": [{"role": "user", "content": QUESTION}], "stream": True}
    response = target.ask("POST", "/api/chat/completions", session=True, body=body)
    status = response.status_code
    if status in (301, 302, 401):
        fix = f"sign in again, and copy the new value of the cookie {COOKIE}"
        return CheckResult("answer", False, "the session is not valid, or has ended", fix)
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    codes = filter(None, (_error_code(text) for text in (response.text, *events)))
    code = next(codes, "forbidden" if status == 403 else "")
    if code or status != 200:
        unknown = (f"the API answers {status} {code}".rstrip(), "the app's log stream shows why", False)
        message, fix, transient = _API_ERRORS.get(code, unknown)
        return CheckResult("answer", False, message, fix, transient)
    finished = any('"finish_reason":"' in event.replace(" ", "") for event in events)
    if not (finished and events[-1:] == ["[DONE]"]):
        message = f"the answer was interrupted; events received: {len(events)}"
        return CheckResult("answer", False, message, "try again; was it cut off at 45 seconds?")
    return CheckResult("answer", True, f"the answer is complete; events received: {len(events)}")


_CHECKS: dict[str, Callable[[Target], CheckResult]] = {
    "gate": _check_gate,
    "page": _check_page,
    "api": _check_api,
    "answer": _check_answer,
}


def _error_code(text: str) -> str:
    """The code of an error in OpenAI's format; empty if there is none."""
    error = _object(text).get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
