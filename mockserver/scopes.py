"""Whose request is it? Each scope is answered in its own way, and no request is ever answered in another one's."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mockserver.exchange import Request
from mockserver.limits import Limit, Window
from mockserver.stub import Stub
from mockserver.when import ids

#: Says whose a request is, at the site and at the model; no API is shown it.
HEADER = "x-mockserver-scope"
_REMEMBERED = 10_000


class ScopeError(ValueError):
    """A request that cannot be attributed to one scope; says why, and what would say it."""


@dataclass(slots=True)
class Scope:
    """What a test, or a persona, is answered by besides what everybody is; `name` is empty for everybody's.

    `scenario` None leaves it to everybody's. `used` counts how often stubs have answered here, `windows` what counts
    towards its limits."""

    name: str = ""
    scenario: str | None = None
    said: tuple[Stub, ...] = ()
    limits: dict[str, Limit] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    windows: dict[str, Window] = field(default_factory=dict)


class Scopes:
    """Everybody's scope, those opened beside it, and which request ids and traces belong to which. Not locked: its owner is."""

    def __init__(self, *, scenario: str | None = None, limits: Mapping[str, Limit] | None = None) -> None:
        self._usual = (scenario, dict(limits or {}))
        self.everybody = Scope()
        self.clear()

    def clear(self) -> None:
        """Close all of them, and forget what everybody was told."""
        scenario, limits = self._usual
        everybody = self.everybody  # whoever holds it holds it still
        everybody.scenario, everybody.limits, everybody.said = scenario, dict(limits), ()
        everybody.used.clear()
        everybody.windows.clear()
        self._opened: dict[str, Scope] = {}
        self._owners: OrderedDict[str, str] = OrderedDict()  # by request id or trace

    def open(self, scenario: str | None = None, name: str | None = None) -> Scope:
        """A new scope, or the one of that name where there is one."""
        name = name or secrets.token_urlsafe(9)
        return self._opened.setdefault(name, Scope(name, scenario))

    def named(self, name: str) -> Scope:
        """The open scope of that name.

        Raises:
            ScopeError: there is none.
        """
        if name not in self._opened:
            raise ScopeError(f"{HEADER}: there is no scope {name!r}; it was closed, or forgotten by a reset")
        return self._opened[name]

    def close(self, name: str) -> None:
        """Forget a scope.

        Raises:
            ScopeError: there is none of that name.
        """
        del self._opened[self.named(name).name]
        for mark in [mark for mark, owner in self._owners.items() if owner == name]:
            del self._owners[mark]

    def forget_used(self, prefix: str) -> None:
        """Let the stubs whose names begin so answer afresh, everywhere."""
        for scope in (self.everybody, *self._opened.values()):
            for used in [each for each in scope.used if each.startswith(prefix)]:
                del scope.used[used]

    def attribute(self, marks: Iterable[str], name: str) -> None:
        """Let requests with these ids or traces belong to a scope from now on.

        Raises:
            ScopeError: there is none of that name, or another scope has sent one of them.
        """
        self.named(name)
        for mark in marks:
            if self._owners.setdefault(mark, name) != name:
                raise ScopeError(f"cannot attribute: another scope has sent the request id or trace {mark} too")
            self._owners.move_to_end(mark)
        while len(self._owners) > _REMEMBERED:
            self._owners.popitem(last=False)

    def of(self, request: Request) -> Scope:
        """Whose the request is: by its scope header, its request id or trace, else the only scope that is open, else everybody's.

        Raises:
            ScopeError: several scopes are open and it says nothing of any, or what it says is not one of them.
        """
        if (name := request.header(HEADER)) is not None:
            return self.named(name)
        owners = {self._owners[mark] for mark in ids(request) if mark in self._owners}
        if len(owners) > 1:
            raise ScopeError("cannot attribute: its request id came from one scope, and its trace from another")
        if owners:
            return self._opened[owners.pop()]
        if len(self._opened) > 1:
            raise ScopeError(
                f"cannot attribute: {len(self._opened)} scopes are open, and the request carries neither x-request-id nor "
                f"traceparent of a visit, nor {HEADER}. Let the API pass one of the first two on to the model."
            )
        return next(iter(self._opened.values()), self.everybody)
