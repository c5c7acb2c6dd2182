"""What is counted in each scope: how often each stub has answered, and what counts towards limits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

from mockserver.errors import UserError
from mockserver.simulation.limits import Limit, LimitVerdict, LimitWindow

Decide = Callable[[LimitWindow], LimitVerdict]


class SharingError(UserError):
    """Something that several processes would have to share, and do not; says what, and how they would."""


class Counts(Protocol):
    """Counts by scope, and in a scope by name. Whoever calls holds the lock of the scopes."""

    def has_left(self, scope: str, name: str, most: int) -> bool:
        """Whether something that is given `most` times may still be given, as far as is known without asking anybody."""
        ...

    def take(self, scope: str, wanted: Mapping[str, int]) -> tuple[str, ...]:
        """Take one of each, of which there are so many; or none, and say which were all taken before.

        Raises:
            SharingError: that cannot be told.
        """
        ...

    def next(self, scope: str, name: str) -> int:
        """Count one more; how many there were before.

        Raises:
            SharingError: the count cannot be told.
        """
        ...

    def admit(self, scope: str, model: str, limit: Limit, decide: Decide) -> LimitVerdict:
        """The verdict on one more request of a model, whose window counts from now on.

        Raises:
            SharingError: the window cannot be told.
        """
        ...

    def forget(self, scope: str, prefix: str = "") -> None:
        """Count again from 0: everything of a scope, or only what has names of that beginning."""
        ...

    def clear(self) -> None:
        """Count everything again from 0."""
        ...


class OwnCounts:
    """The counts of one process, in memory."""

    def __init__(self) -> None:
        self._taken: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._windows: dict[tuple[str, str], LimitWindow] = {}

    def has_left(self, scope: str, name: str, most: int) -> bool:
        """Whether `name` was taken less than `most` times."""
        return self._taken[scope][name] < most

    def take(self, scope: str, wanted: Mapping[str, int]) -> tuple[str, ...]:
        """Take one of each, or none."""
        taken = self._taken[scope]
        gone = tuple(name for name, most in wanted.items() if taken[name] >= most)
        if not gone:
            taken.update(wanted.keys())
        return gone

    def taken(self, scope: str) -> Mapping[str, int]:
        """How often each name of a scope was taken."""
        return dict(self._taken[scope]) if scope in self._taken else {}

    def windows(self, scope: str) -> Mapping[str, LimitWindow]:
        """What counts towards the limit of each model of a scope that was asked."""
        return {model: window for (owner, model), window in self._windows.items() if owner == scope}

    def next(self, scope: str, name: str) -> int:
        """Count one more."""
        self._taken[scope][name] += 1
        return self._taken[scope][name] - 1

    def admit(self, scope: str, model: str, limit: Limit, decide: Decide) -> LimitVerdict:
        """The verdict, with the window kept."""
        verdict = decide(self._windows.get((scope, model), LimitWindow(limit)))
        self._windows[scope, model] = verdict.window
        return verdict

    def forget(self, scope: str, prefix: str = "") -> None:
        """Forget a scope, or a part of it."""
        if prefix:
            for name in [name for name in self._taken[scope] if name.startswith(prefix)]:
                del self._taken[scope][name]
            return
        self._taken.pop(scope, None)
        for key in [key for key in self._windows if key[0] == scope]:
            del self._windows[key]

    def clear(self) -> None:
        """Forget everything."""
        self._taken.clear()
        self._windows.clear()


class ApartCounts:
    """No counts: several processes answer, and share nothing."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def has_left(self, scope: str, name: str, most: int) -> bool:
        """Not known here: `take` raises."""
        del scope, name, most
        return True

    def take(self, scope: str, wanted: Mapping[str, int]) -> tuple[str, ...]:
        """Raises:
        SharingError: always.
        """
        del scope
        raise not_shared(f"how often {' and '.join(wanted)} has answered", self._workers)

    def next(self, scope: str, name: str) -> int:
        """Raises:
        SharingError: always.
        """
        del scope, name
        raise not_shared("which of the answers recorded for this request is next", self._workers)

    def admit(self, scope: str, model: str, limit: Limit, decide: Decide) -> LimitVerdict:
        """Raises:
        SharingError: always.
        """
        del scope, limit, decide
        raise not_shared(f"what counts towards the limit of {model}", self._workers)

    def forget(self, scope: str, prefix: str = "") -> None:
        """Nothing is known."""

    def clear(self) -> None:
        """Nothing is known."""


def not_shared(what: str, workers: int) -> SharingError:
    """The error for something that these workers do not share."""
    return SharingError(
        f"{workers} workers share nothing, so no single worker knows {what}: use --redis URL, or one worker"
    )
