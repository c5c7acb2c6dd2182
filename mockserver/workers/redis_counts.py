"""Counts that several processes share through Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import cast

import redis
from redis.client import Pipeline

from mockserver.simulation.counts import Decide, SharingError
from mockserver.simulation.limits import Limit, LimitVerdict, LimitWindow

#: What nobody has touched for so long is forgotten.
KEPT_S = 3600


class RedisCounts:
    """Counts in one Redis. A request asks it only where an answer depends on a count: one round trip for each count, two for a
    limit, more where others count at the same moment."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client, self._prefix = client, prefix
        self._given: set[tuple[str, str]] = set()  # known to have been given their last time
        #: Changes with a reset, and all keys with it.
        self.epoch = "0"

    def has_left(self, scope: str, name: str, most: int) -> bool:
        """Whether it is not known to have been given its last time."""
        del most
        return (scope, name) not in self._given

    def take(self, scope: str, name: str, most: int | None = None) -> int | None:
        """Count one more, in one step for all processes."""
        with reached(self._client):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.hincrby(key := self._taken(scope), name, 1)
            pipeline.expire(key, KEPT_S)
            count = int(pipeline.execute()[0])
        if most is not None and count > most:
            self._given.add((scope, name))
            return None
        return count - 1

    def give_back(self, scope: str, name: str) -> None:
        """Count one less; others may already have found nothing left."""
        with reached(self._client):
            self._client.hincrby(self._taken(scope), name, -1)

    def admit(self, scope: str, model: str, limit: Limit, decide: Decide) -> LimitVerdict:
        """The verdict, on a window that nobody else has changed meanwhile."""
        key = f"{self._prefix}:window:{self.epoch}:{scope}:{model}"

        def change(pipeline: Pipeline) -> LimitVerdict:
            stored = pipeline.get(key)
            admitted = tuple((at_s, tokens) for at_s, tokens in json.loads(stored)) if stored else ()
            verdict = decide(LimitWindow(limit, admitted))
            pipeline.multi()
            pipeline.set(key, json.dumps(verdict.window.admitted), ex=KEPT_S)
            return verdict

        with reached(self._client):
            counted = cast(Callable[[Pipeline], None], change)  # its types do not know `value_from_callable`
            return cast(LimitVerdict, self._client.transaction(counted, key, value_from_callable=True))

    def forget(self, scope: str, prefix: str | None = None) -> None:
        """Forget a scope, or a part of it."""
        with reached(self._client):
            taken = self._taken(scope)
            if prefix is None:
                windows = self._client.scan_iter(f"{self._prefix}:window:{self.epoch}:{scope}:*")
                self._client.delete(taken, *windows)
            elif names := [name for name in cast(list[str], self._client.hkeys(taken)) if name.startswith(prefix)]:
                self._client.hdel(taken, *names)

    def clear(self) -> None:
        """Forget what is known here; a new `epoch` forgets the rest."""
        self._given.clear()

    def _taken(self, scope: str) -> str:
        return f"{self._prefix}:taken:{self.epoch}:{scope}"


@contextmanager
def reached(client: redis.Redis) -> Generator[None]:
    """Say where Redis cannot be reached, without its password.

    Raises:
        SharingError: it does not answer, or refuses.
    """
    try:
        yield
    except redis.RedisError as error:
        at = client.connection_pool.connection_kwargs
        where = at.get("path") or f"{at.get('host')}:{at.get('port')}"
        raise SharingError(f"Redis at {where} does not answer as it should: {type(error).__name__}: {error}") from error
