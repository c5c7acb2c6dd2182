"""Whether a deployed app works, from outside: the gate, the page, the API, and one streamed answer; what is wrong is told apart.

The same checks pass against `make mock`, which is how they are known to find what they look for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

#: Static Web Apps' session. Source: its documentation; a browser that is signed in has it.
COOKIE = "StaticWebAppsAuthCookie"
QUESTION = "What is the capital of France?"
#: Roles that were just given take up to ten minutes to count. Source: Azure's troubleshooting of role assignments.
PROPAGATION_S = 600
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found: `ok`, or what to do. `passing` may mend itself, as a role that does not count yet."""

    name: str
    ok: bool
    said: str
    fix: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A deployed site and somebody's session on it; empty is nobody's."""

    url: str
    session: str = ""

    def ask(
        self, method: str, path: str, *, session: bool = False, body: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """What the site answers; redirects are answers, never followed.

        Raises:
            httpx2.HTTPError: nothing, or not in time.
        """
        cookies = {COOKIE: self.session} if session and self.session else None
        here = urlsplit(self.url).hostname in ("127.0.0.1", "localhost")  # which no proxy knows
        with httpx2.Client(base_url=self.url, timeout=_TIMEOUT_S, cookies=cookies, trust_env=not here) as client:
            return client.request(method, path, json=body)


def verify(
    target: Target,
    *,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Result]:
    """Each check's result as it is known. What may mend itself is tried again for `wait_s` seconds in all."""
    until = clock() + wait_s
    for check in (gate, page, api, *((answer,) if target.session else ())):
        result = _tried(check, target)
        while not result.ok and result.passing and clock() < until:
            sleep(15)
            result = _tried(check, target)
        yield result
        if not result.ok:
            return


def _tried(check: Callable[[Target], Result], target: Target) -> Result:
    """What a check found; a site that does not answer, or breaks off, is a finding too."""
    try:
        return check(target)
    except (httpx2.TimeoutException, httpx2.RemoteProtocolError, httpx2.ReadError) as error:
        said = f"the answer broke off, or did not come ({type(error).__name__})"
        return Result(check.__name__, False, said, "again; was it cut at 45 seconds?", passing=True)
    except httpx2.HTTPError as error:
        said = f"{target.url} does not answer: {type(error).__name__}"
        return Result(check.__name__, False, said, "is the address right, and the site deployed?", passing=True)


def gate(target: Target) -> Result:
    """Nobody gets in without signing in."""
    response = target.ask("GET", "/")
    leads = urlsplit(response.headers.get("location", "")).path
    if response.status_code == 200:
        if "Congratulations on your new site" in response.text:
            return Result("gate", False, "the site is empty: Azure's own page is on it", "make deploy uploads the page")
        return Result(
            "gate", False, "the page is open to everybody", "is staticwebapp.config.json among the deployed files?"
        )
    if response.status_code == 403 and "location" not in response.headers:
        return Result(
            "gate",
            False,
            "the site refuses this address (403)",
            "its IP ranges leave this machine out: networking.allowedIpRanges",
        )
    if response.status_code in (302, 401) and (leads.startswith("/.auth/login") or response.status_code == 401):
        return Result("gate", True, f"nobody gets in without signing in ({response.status_code} {leads})")
    return Result("gate", False, f"GET / answers {response.status_code} {leads}", "what is deployed there?")


def page(target: Target) -> Result:
    """The page is there, under its policy."""
    response = target.ask("GET", "/register")
    if response.status_code != 200:
        return Result("page", False, f"/register answers {response.status_code}", "make deploy uploads the page")
    if "default-src 'none'" not in response.headers.get("content-security-policy", ""):
        return Result(
            "page",
            False,
            "the page has no content security policy",
            "is staticwebapp.config.json the one of this project?",
        )
    return Result("page", True, "it is there, under its policy")


def api(target: Target) -> Result:
    """The functions are registered and set up."""
    response = target.ask("GET", "/api/health")
    status = response.status_code
    found = _json(response)
    if status == 404:
        return Result(
            "api",
            False,
            "0 functions are registered",
            "make package proves that they load; the app's log stream says why they did not",
            passing=True,
        )
    if status == 503 and "missing" in found:
        return Result(
            "api",
            False,
            f"a setting is missing: {', '.join(found['missing'])}",
            "make deploy sets them; an app restarts after that",
        )
    if status in (301, 302, 401, 403):
        return Result(
            "api",
            False,
            f"the gate keeps /api/health shut ({status})",
            "is staticwebapp.config.json the one of this project?",
        )
    if status != 200 or found.get("status") != "ok":
        return Result(
            "api", False, f"/api/health answers {status}", "the app's log stream says why", passing=status >= 500
        )
    return Result("api", True, "the functions are registered and set up")


#: What the API says where whoever deploys has something to mend; the last of each is whether it may mend itself.
_MODEL: dict[str, tuple[str, str, bool]] = {
    "model_role_missing": ("the model refuses: the app's identity has no role yet", "roles take up to ten minutes to count: WAIT=600", True),
    "model_access_refused": ("the model refuses: the key is wrong, or the role does not count yet", "docs/keys.md; roles take up to ten minutes to count: WAIT=600. Or its IP ranges leave the app out", True),
    "model_not_found": ("the model refuses: there is no such deployment", "does AZURE_OPENAI_DEPLOYMENT name one of the resource's?", False),
    "upstream_unavailable": ("the model does not answer", "do its IP ranges leave the app out? Is its endpoint right?", True),
    "upstream_timeout": ("the model took too long", "again, or a smaller model", True),
    "rate_limit_exceeded": ("the model is at its limit", "again in a minute, or more modelCapacity", True),
    "insufficient_quota": ("the model's quota is used up", "its owner has to raise it", False),
    "forbidden": ("no role yet: you are signed in and not invited", "docs/access.md: invite yourself", False),
    "ticket_refused": ("the direct app refuses the ticket", "both apps want the same TICKET_KEY: make deploy", False),
}  # fmt: skip


def answer(target: Target) -> Result:
    """One answer, event by event, as the page would ask for it."""
    body = {"messages": [{"role": "user", "content": QUESTION}], "stream": True}
    response = target.ask("POST", "/api/chat/completions", session=True, body=body)
    status = response.status_code
    if status in (301, 302, 401):
        return Result(
            "answer", False, "the session has ended, or is none", f"sign in again, and take the cookie {COOKIE} anew"
        )
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    codes = [_code(each) for each in (response.text, *events)]
    code = next(filter(None, codes), "forbidden" if status == 403 else "")
    if code or status != 200:
        said, fix, passing = _MODEL.get(
            code, (f"the API answers {status} {code}".rstrip(), "the app's log stream says why", False)
        )
        return Result("answer", False, said, fix, passing)
    finished = any('"finish_reason":"' in event.replace(" ", "") for event in events)
    if not (finished and events[-1:] == ["[DONE]"]):
        return Result(
            "answer", False, f"the answer broke off after {len(events)} events", "was it cut at 45 seconds? Again"
        )
    return Result("answer", True, f"{len(events)} events, whole")


def _json(response: httpx2.Response) -> dict[str, Any]:
    return _object(response.text)


def _code(text: str) -> str:
    """The code of an error in OpenAI's shape; empty where there is none."""
    error = _object(text).get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
