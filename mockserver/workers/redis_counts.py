"""Counts that several processes share through Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import cast

import redis
from redis.client import Pipeline

from mockserver.simulation.counts import Decide, SharingError
from mockserver.simulation.limits import Limit, LimitVerdict, LimitWindow

#: What nobody has touched for so long is forgotten.
KEPT_S = 3600
#: A request waits for an answer of Redis no longer than this, and others do not try again meanwhile.
_WAIT_S, _AGAIN_S = 1.0, 2.0
#: Takes one of each, or of none: those that were taken as often as they may be.
_TAKE = """
local gone = {}
for i = 1, #ARGV - 1, 2 do
  if tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') >= tonumber(ARGV[i + 1]) then gone[#gone + 1] = ARGV[i] end
end
if #gone == 0 then
  for i = 1, #ARGV - 1, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], 1) end
  redis.call('EXPIRE', KEYS[1], ARGV[#ARGV])
end
return gone
"""


class RedisCounts:
    """Counts in one Redis, asked only where an answer depends on one: one round trip for stubs, one for a sequence, two for a
    limit, more where others count at the same moment."""

    def __init__(self, url: str, prefix: str) -> None:
        self._client = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S
        )
        self._take = self._client.register_script(_TAKE)
        self._prefix, self._not_before_s = prefix, 0.0
        self._gone: set[tuple[str, str]] = set()  # known to have been taken as often as they may be
        #: Changes with a reset, and all keys with it.
        self.epoch = "0"

    @property
    def key(self) -> str:
        """Where what was taken is counted."""
        return f"{self._prefix}:taken:{self.epoch}"

    def has_left(self, scope: str, name: str, most: int) -> bool:
        """Whether it is not known to have been taken as often as it may be."""
        del most
        return (scope, name) not in self._gone

    def take(self, scope: str, wanted: Mapping[str, int]) -> tuple[str, ...]:
        """Take one of each, in one step for all processes."""
        arguments = [text for name, most in wanted.items() for text in (_field(scope, name), most)]
        with self._reached():
            gone = cast(list[str], self._take(keys=[self.key], args=[*arguments, KEPT_S]))
        names = tuple(field.removeprefix(_field(scope, "")) for field in gone)
        self._gone.update((scope, name) for name in names)
        return names

    def next(self, scope: str, name: str) -> int:
        """Count one more, in one step for all processes."""
        with self._reached():
            return self._client.hincrby(self.key, _field(scope, name), 1) - 1

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

        with self._reached():
            counted = cast(Callable[[Pipeline], None], change)  # its types do not know `value_from_callable`
            return cast(LimitVerdict, self._client.transaction(counted, key, value_from_callable=True))

    def forget(self, scope: str, prefix: str = "") -> None:
        """Forget a scope, or a part of it; its windows expire."""
        self._gone = {each for each in self._gone if each[0] != scope}
        start = _field(scope, prefix)
        with self._reached():
            if fields := [name for name in cast(list[str], self._client.hkeys(self.key)) if name.startswith(start)]:
                self._client.hdel(self.key, *fields)

    def clear(self) -> None:
        """Forget what is known here; a new `epoch` forgets the rest."""
        self._gone.clear()

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    @contextmanager
    def _reached(self) -> Generator[None]:
        """Refuse at once where Redis has not answered a moment ago: requests come one after another, and each would wait."""
        if time.monotonic() < self._not_before_s:
            raise SharingError(f"Redis at {place(self._client)} did not answer a moment ago")
        try:
            with reached(self._client):
                yield
        except SharingError:
            self._not_before_s = time.monotonic() + _AGAIN_S
            raise


def _field(scope: str, name: str) -> str:
    return f"{scope}|{name}"


def place(client: redis.Redis) -> str:
    """Where a Redis is, without its password."""
    at = client.connection_pool.connection_kwargs
    return str(at.get("path") or f"{at.get('host')}:{at.get('port')}")


@contextmanager
def reached(client: redis.Redis) -> Generator[None]:
    """Say where Redis cannot be reached.

    Raises:
        SharingError: it does not answer, or refuses.
    """
    try:
        yield
    except redis.RedisError as error:
        words = f"Redis at {place(client)} does not answer as it should: {type(error).__name__}: {error}"
        raise SharingError(words) from error
