"""Processes that act as one through Redis: an ordered log of actions, which each of them does, and replies to.

An action is appended to the log, a Redis stream; every process follows it, does what it says, and puts its result into the
action's list of replies. Whoever asked returns when all have replied, so the next request finds the change wherever it comes to.
Requests themselves need none of this. A process that comes later does the whole log before it answers anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Self, cast

import redis

from mockserver.clock import SystemClock
from mockserver.errors import UserError, count_of
from mockserver.journal.criteria import JournalError, check
from mockserver.journal.journal import ExpectationError
from mockserver.journal.query import criteria_from, shown
from mockserver.redaction.redaction import clean
from mockserver.simulation.actions import ActionError, perform
from mockserver.simulation.counts import SharingError
from mockserver.simulation.scenarios import ScenarioError
from mockserver.simulation.scopes import ScopeError
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import StubError
from mockserver.workers.redis_counts import KEPT_S, RedisCounts, reached

#: A process that has not been seen for so long is not waited for.
_GONE_S = 5.0
_REPLY_S = 10.0
_BEAT_MS = 500
_SHOWN = 20
_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (ActionError, JournalError, ScenarioError, ScopeError, StubError)
}
_Fields = dict[str, str]


class RedisGroup:
    """One process of a group: those that have the same control token and the same Redis. Inside `with` it is a part of it."""

    def __init__(self, simulation: Simulation, url: str, token: str) -> None:
        """Get ready to join.

        Raises:
            SharingError: not the URL of a Redis.
        """
        try:
            self._client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=2)
        except ValueError as error:
            raise SharingError(
                f"--redis must be as in redis://127.0.0.1:6379/0, or unix:///run/redis.sock: {error}"
            ) from error
        self._simulation, self._name = simulation, ""
        prefix = f"dress-rehearsal:{hashlib.sha256(token.encode()).hexdigest()[:16]}"
        self._log, self._members, self._run_key = f"{prefix}:log", f"{prefix}:members", f"{prefix}:run"
        self._replies = f"{prefix}:replies"
        self._counts = RedisCounts(self._client, prefix)
        self._prefix, self._run, self._last, self._joined = prefix, "", "0-0", False
        self._leaving, self._trouble = threading.Event(), ""

    @property
    def trouble(self) -> str:
        """Why this process cannot act as a part of the group now; empty if it can."""
        return self._trouble

    def __enter__(self) -> Self:
        """Join: what the group was told before has been done here too when this returns.

        Raises:
            SharingError: Redis cannot be reached.
        """
        self._name = f"{socket.gethostname()}/{os.getpid()}"  # the process may have been forked since
        self._simulation.share(self._counts, self._name)
        with reached(self._client):
            self._beat()
            while self._do_next(None):
                pass
        self._joined = True
        self._thread = threading.Thread(target=self._follow, name="mockserver-group", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        try:
            self._client.zrem(self._members, self._name)
            if not self._present():  # the last one leaves nothing behind
                self._client.delete(*self._client.scan_iter(f"{self._prefix}:*"))
        except redis.RedisError:
            pass  # what is left there expires
        self._client.close()

    # --- what the control routes ask for ---

    def perform(self, kind: str, given: Mapping[str, Any]) -> Any:
        """Do an action in every process."""
        results = self._ask(kind, given)
        if (
            len({json.dumps(result, sort_keys=True) for result in results.values()} if kind != "move_clock" else {0})
            > 1
        ):
            told = "; ".join(f"{name}: {json.dumps(result)}" for name, result in results.items())
            raise SharingError(f"not every worker has done the same: {told}. Do all have the same files?")
        if kind in ("move_clock", "reset"):
            self._align_clocks()
        return results[self._name]

    def _align_clocks(self) -> None:
        """Let all clocks be at one moment, those of processes that come later too; a log that begins with a reset says it anew."""
        clocks = self._ask("clock", {})
        now_s, own = max(each["now_s"] for each in clocks.values()), clocks[self._name]
        self._ask("join_clock", {"now_s": now_s, "frozen": own["frozen"], "redis_s": self._now_s()})

    def entries(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """What happened in all processes up to one moment; each entry says in which. The numbers of later ones are higher
        everywhere, so `after` leaves out these and none else."""
        check(criteria_from(asked))
        until = max(self._ask("count", {}).values())
        told = self._ask("entries", {"until": until, "asked": dict(asked)})
        found = [{**entry, "worker": name} for name, entries in told.items() for entry in entries]
        return sorted(found, key=lambda entry: (entry["at_s"], entry["number"]))

    def verify(self, times: int, within_s: float, asked: Mapping[str, str]) -> None:
        """Look until there are enough."""
        until_s = time.monotonic() + within_s
        while len(found := self.entries(asked)) < times and time.monotonic() < until_s:
            time.sleep(0.05)
        if len(found) != times:
            which = f" with {', '.join(f'{name}={value}' for name, value in asked.items())}" if asked else ""
            lines = [
                f"  {each['method']} {each['target']}  {each['status']}  {each['worker']}" for each in found[-_SHOWN:]
            ]
            text = "\n".join((f"Expected exactly {count_of(times, 'request')}{which}, got {len(found)}", *lines))
            raise ExpectationError(str(clean(text)))

    def timeline(self, asked: Mapping[str, str]) -> str:
        """Raises:
        SharingError: always; it needs every byte of every process.
        """
        del asked
        raise SharingError("the timeline shows one process: start one, without --redis; the journal shows all of them")

    # --- one action ---

    def _ask(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What each process made of an action, by its name."""
        with reached(self._client):
            number = cast(str, self._client.xadd(self._log, {"kind": kind, "given": json.dumps(given)}))
            replies = self._wait_for_replies(number)
            if kind in _QUESTIONS:
                self._client.xdel(self._log, number)
            elif kind == "reset":
                self._client.xtrim(self._log, minid=number)
        own = replies[self._name]
        if error := own.get("error"):
            raise _ERRORS.get(own["type"], SharingError)(error)
        return {name: reply.get("result", reply.get("error")) for name, reply in replies.items()}

    def _wait_for_replies(self, number: str) -> dict[str, dict[str, Any]]:
        key, replies = f"{self._replies}:{number}", dict[str, dict[str, Any]]()
        until_s = time.monotonic() + _REPLY_S
        while missing := {self._name, *self._present()} - replies.keys():
            if (left_s := until_s - time.monotonic()) <= 0:
                raise SharingError(f"no reply within {_REPLY_S:g} s from {', '.join(sorted(missing))}")
            if came := self._client.blpop([key], timeout=min(left_s, 1)):
                reply = json.loads(came[1])
                replies[reply["worker"]] = reply
        return replies

    def _present(self) -> list[str]:
        return cast(list[str], self._client.zrange(self._members, str(self._now_s() - _GONE_S), "+inf", byscore=True))

    def _now_s(self) -> float:
        """Redis's own time, the same for all."""
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1e6)

    # --- following the log ---

    def _follow(self) -> None:
        while not self._leaving.is_set():
            try:
                self._beat()
                self._do_next(_BEAT_MS)
                self._trouble = ""
            except redis.RedisError as error:
                self._trouble = f"Redis does not answer: {type(error).__name__}"
                self._leaving.wait(_BEAT_MS / 1000)

    def _beat(self) -> None:
        """Say that this process is here; start afresh where Redis has lost what the group was told."""
        pipeline = self._client.pipeline()
        pipeline.set(self._run_key, secrets.token_hex(8), nx=True)
        pipeline.get(self._run_key)
        pipeline.zadd(self._members, {self._name: self._now_s()})
        for key in (self._run_key, self._log, self._members):
            pipeline.expire(key, KEPT_S)
        run = pipeline.execute()[1]
        if self._run not in ("", run):
            self._simulation.reset()
            self._last, self._counts.epoch = "0-0", "0"
        self._run = run

    def _do_next(self, block_ms: int | None) -> bool:
        """Do what is in the log and was not done yet; whether there was anything."""
        streams = cast(
            list[tuple[str, list[tuple[str, _Fields]]]], self._client.xread({self._log: self._last}, block=block_ms)
        )
        for _, entries in streams or ():
            for number, fields in entries:
                self._last = number
                self._reply(number, self._outcome(number, fields))
        return bool(streams)

    def _outcome(self, number: str, fields: _Fields) -> dict[str, Any]:
        kind, given = fields["kind"], json.loads(fields["given"])
        try:
            if question := _QUESTIONS.get(kind):
                return {"result": question(self._simulation, given)}
            if kind == "join_clock":
                self._join_clock(given)
                return {}
            result = perform(self._simulation, kind, given)
            if kind == "reset":
                self._counts.epoch = number
            return {"result": result}
        except (UserError, JournalError) as error:
            return {"error": str(error), "type": type(error).__name__}

    def _join_clock(self, given: Mapping[str, Any]) -> None:
        clock = self._simulation.clock
        if isinstance(clock, SystemClock):
            since_s = 0 if given["frozen"] else (self._now_s() - given["redis_s"]) * clock.speed
            clock.join(given["now_s"] + since_s, frozen=given["frozen"], back=not self._joined)

    def _reply(self, number: str, outcome: Mapping[str, Any]) -> None:
        key = f"{self._replies}:{number}"
        pipeline = self._client.pipeline(transaction=False)
        pipeline.rpush(key, json.dumps({"worker": self._name, **outcome}))
        pipeline.expire(key, 60)
        pipeline.execute()


def _count(simulation: Simulation, given: Mapping[str, Any]) -> int:
    del given
    return simulation.journal.last_number


def _entries(simulation: Simulation, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries up to a number, from which this process goes on counting where it was not as far."""
    simulation.journal.records.count_from(given["until"])
    entries = simulation.journal.only(**criteria_from(given["asked"]))
    return [{**shown(entry), "at_s": entry.at_s} for entry in entries if entry.number <= given["until"]]


def _clock(simulation: Simulation, given: Mapping[str, Any]) -> dict[str, Any]:
    del given
    clock = simulation.clock
    return {"now_s": clock.now(), "frozen": isinstance(clock, SystemClock) and clock.frozen}


#: What is asked, and changes nothing that a process has to know that comes later.
_QUESTIONS = {"count": _count, "entries": _entries, "clock": _clock}
