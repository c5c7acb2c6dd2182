"""Processes that act as one through Redis: an ordered log of actions, which each of them does, and replies to.

An action is appended to the log, a Redis stream; every process follows it, does what it says, and puts its result into the
action's list of replies. Whoever asked returns when all have replied, so the next request finds the change wherever it comes to.
Requests themselves need none of this. A process that comes later does the whole log before it answers anything.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self, cast
from urllib.parse import urlsplit

import redis

from mockserver.clock import SystemClock
from mockserver.crash import Crash
from mockserver.errors import UserError, count_of
from mockserver.journal.criteria import JournalError, check
from mockserver.journal.journal import ExpectationError
from mockserver.journal.query import criteria_from, shown
from mockserver.redaction.known import remember
from mockserver.redaction.redaction import clean
from mockserver.simulation.actions import ActionError, perform
from mockserver.simulation.counts import SharingError
from mockserver.simulation.scenarios import ScenarioError
from mockserver.simulation.scopes import ScopeError
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import StubError
from mockserver.workers.redis_counts import KEPT_S, RedisCounts, place, reached

log = logging.getLogger("mockserver")

#: A process that has not been seen for so long is not waited for.
_GONE_S = 5.0
_REPLY_S = 10.0
_BEAT_MS = 500
_SHOWN = 20
_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (ActionError, JournalError, ScenarioError, ScopeError, StubError)
}
#: What is only asked: a process that comes later need not know of it.
_QUESTIONS = frozenset({"count", "entries", "clock", "join_clock"})


class RedisGroup:
    """One process of a group: those that have the same control token and the same Redis. Inside `with` it is a part of it."""

    def __init__(self, simulation: Simulation, url: str, token: str) -> None:
        """Get ready to join.

        Raises:
            SharingError: not the URL of a Redis.
        """
        prefix = f"dress-rehearsal:{hashlib.sha256(token.encode()).hexdigest()[:16]}"
        try:
            if (
                "#" in url or urlsplit(url).netloc.count("@") > 1
            ):  # the client would take a part of the password for the host
                raise ValueError
            self._client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=2)
            self._counts = RedisCounts(url, prefix)
            self._client.connection_pool.make_connection()  # an unknown option shows now; nothing is connected yet
        except (ValueError, TypeError):  # their words have a part of the password where it has a / or a #
            raise SharingError(
                "--redis must be as in redis://127.0.0.1:6379/0, rediss://:PASSWORD@HOST:6380 or unix:///run/redis.sock; in a "
                "password, / # ? and @ are %2F %23 %3F and %40"
            ) from None
        remember(filter(None, [str(self._client.connection_pool.connection_kwargs.get("password") or "")]))
        self._simulation, self._host, self._name = simulation, place(self._client), ""
        self._log, self._members, self._lost = f"{prefix}:log", f"{prefix}:members", f"{prefix}:lost"
        self._run_key, self._mark, self._clock = f"{prefix}:run", f"{prefix}:mark", f"{prefix}:clock"
        self._files, self._replies = f"{prefix}:files", f"{prefix}:replies"
        self._run, self._last, self._since_ms = "", "0-0", 0.0
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
        # The process may have been forked since, and containers may have one host name and one number.
        self._name = f"{socket.gethostname()}/{os.getpid()}-{secrets.token_hex(2)}"
        self._simulation.share(self._counts, self._name)
        with reached(self._client):
            self._beat()
            self._since_ms = self._now_s() * 1000  # what was said before waits for nobody's reply
            while self._do_next(None):
                pass
            self._simulation.journal.records.count_from(int(cast(str, self._client.get(self._mark)) or 0))
            self._join_clock(json.loads(cast(str, self._client.get(self._clock))), back=True)
            self._compare_files()
        self._thread = threading.Thread(target=self._follow, name="mockserver-group", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        try:
            self._client.zrem(self._members, self._name)
            if not self._present():  # the last one leaves nothing behind but what expires by itself
                own = (self._log, self._members, self._lost, self._run_key, self._mark, self._clock, self._files)
                self._client.delete(*own, self._counts.key)
        except (redis.RedisError, SharingError):
            pass  # what is left there expires
        self._client.close()
        self._counts.close()

    # --- what the control routes ask for ---

    def perform(self, kind: str, given: Mapping[str, Any]) -> Any:
        """Do an action in every process."""
        results = self._ask(kind, given)
        if kind in ("move_clock", "reset"):
            self._align_clocks()
        if kind != "move_clock" and not _same(results.values()):
            told = "; ".join(f"{name}: {json.dumps(result)}" for name, result in results.items())
            raise SharingError(f"not every worker has done the same: {told}. Do all have the same files?")
        return results[self._name]

    def entries(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """What happened in all processes up to one moment; each entry says in which. The numbers of later ones are higher
        everywhere, so `after` leaves out these and none else."""
        check(criteria_from(asked))
        until = max(self._ask("count", {}).values())
        with reached(self._client):
            self._client.set(self._mark, until, ex=KEPT_S)  # for a process that comes later
            if lost := sorted(cast(set[str], self._client.smembers(self._lost))):
                raise SharingError(
                    f"the exchanges of {', '.join(lost)} are lost: the process crashed or was killed. A reset starts a new journal"
                )
        told = self._ask("entries", {"until": until, "asked": dict(asked)})
        found = [{**entry, "worker": name} for name, entries in told.items() for entry in entries]
        found.sort(key=lambda entry: (entry["at_s"], entry["number"]))
        if found:  # processes count apart: only the highest number parts what was before from what comes later
            found[-1]["number"] = until
        return found

    def verify(self, times: int, within_s: float, asked: Mapping[str, str]) -> None:
        """Look until there are enough."""
        until_s = time.monotonic() + within_s
        while len(found := self.entries(asked)) < times and time.monotonic() < until_s:
            if self._leaving.wait(0.05):
                break
        if len(found) != times:
            which = f" with {', '.join(f'{name}={value}' for name, value in asked.items())}" if asked else ""
            lines = [f"  {each['method']} {each['target']}  {each['status']}  {each['worker']}" for each in found]
            text = "\n".join(
                (f"Expected exactly {count_of(times, 'request')}{which}, got {len(found)}", *lines[-_SHOWN:])
            )
            raise ExpectationError(str(clean(text)))

    def timeline(self, asked: Mapping[str, str]) -> str:
        """Raises:
        SharingError: always; it needs every byte of every process.
        """
        del asked
        raise SharingError("the timeline shows one process: start one, without --redis; the journal shows all of them")

    def har(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Raises:
        SharingError: always; it needs every byte of every process.
        """
        del asked
        raise SharingError("a HAR holds one process: start one, without --redis; the journal shows all of them")

    # --- one action ---

    def _ask(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What each process made of an action, by its name."""
        if self._leaving.is_set():
            raise SharingError("this worker is about to end")
        with reached(self._client):
            number = cast(str, self._client.xadd(self._log, {"kind": kind, "given": json.dumps(given)}))
            replies = self._wait_for_replies(number)
            self._client.delete(f"{self._replies}:{number}")
            if kind in _QUESTIONS:
                self._client.xdel(self._log, number)
            elif kind == "reset":
                self._client.xtrim(self._log, minid=number, approximate=False)
                self._client.delete(self._lost)
            self._client.expire(self._log, KEPT_S)
        own = replies[self._name]
        if error := own.get("error"):
            raise _ERRORS.get(own["type"], SharingError)(error)
        return {name: reply.get("result", reply.get("error")) for name, reply in replies.items()}

    def _wait_for_replies(self, number: str) -> dict[str, dict[str, Any]]:
        key, replies = f"{self._replies}:{number}", dict[str, dict[str, Any]]()
        until_s = time.monotonic() + _REPLY_S
        while missing := {self._name, *self._present()} - replies.keys():
            if (left_s := until_s - time.monotonic()) <= 0:
                who = ", ".join(sorted(missing))
                raise SharingError(f"no reply within {_REPLY_S:g} s from {who}, which may do it later")
            if came := self._client.blpop([key], timeout=min(left_s, 1)):
                reply = json.loads(came[1])
                replies[reply["worker"]] = reply
        return replies

    def _present(self) -> list[str]:
        """The processes that are here. Those that crashed or were killed are lost, with what they knew."""
        oldest = self._now_s() - _GONE_S
        if gone := cast(list[str], self._client.zrange(self._members, "-inf", f"({oldest}", byscore=True)):
            pipeline = self._client.pipeline()
            pipeline.sadd(self._lost, *gone)
            pipeline.expire(self._lost, KEPT_S)
            pipeline.zrem(self._members, *gone)
            pipeline.execute()
        return cast(list[str], self._client.zrange(self._members, 0, -1))

    def _now_s(self) -> float:
        """Redis's own time, the same for all."""
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1e6)

    # --- one clock ---

    def _align_clocks(self) -> None:
        """Let all clocks be at one moment, those of processes that come later too."""
        clocks = self._ask("clock", {})
        moment = {**clocks[self._name], "now_s": max(each["now_s"] for each in clocks.values())}
        with reached(self._client):
            self._client.set(self._clock, json.dumps(moment), ex=KEPT_S)
        self._ask("join_clock", moment)

    def _moment(self) -> dict[str, Any]:
        """What this clock says, and when."""
        clock = self._simulation.clock
        frozen = isinstance(clock, SystemClock) and clock.frozen
        return {"now_s": clock.now(), "frozen": frozen, "redis_s": self._now_s()}

    def _join_clock(self, moment: Mapping[str, Any], *, back: bool = False) -> None:
        clock = self._simulation.clock
        if isinstance(clock, SystemClock):
            since_s = 0 if moment["frozen"] else (self._now_s() - moment["redis_s"]) * clock.speed
            clock.join(moment["now_s"] + since_s, frozen=moment["frozen"], back=back)

    # --- following the log ---

    def _follow(self) -> None:
        while not self._leaving.is_set():
            try:
                self._beat()
                self._do_next(_BEAT_MS)
                self._trouble = ""
            except redis.RedisError as error:
                self._trouble = f"Redis at {self._host} does not answer: {type(error).__name__}"
                self._leaving.wait(_BEAT_MS / 1000)
            except Exception as error:  # noqa: BLE001  the outermost frame: who follows no more stands in everybody's way
                self._trouble = f"a fault of the mock's own: {type(error).__name__}"
                self._simulation.journal.records.crashed(Crash.of("following the group's log", error))
                self._leaving.wait(_BEAT_MS / 1000)

    def _beat(self) -> None:
        """Say that this process is here; start afresh where Redis has lost what the group was told."""
        pipeline = self._client.pipeline()
        pipeline.set(self._run_key, secrets.token_hex(8), nx=True)
        pipeline.get(self._run_key)
        pipeline.set(self._clock, json.dumps(self._moment()), nx=True)
        pipeline.set(self._files, self._fingerprint(), nx=True)
        pipeline.zadd(self._members, {self._name: self._now_s()})
        pipeline.srem(self._lost, self._name)  # it was only slow
        for key in (self._run_key, self._log, self._members, self._mark, self._clock, self._files, self._counts.key):
            pipeline.expire(key, KEPT_S)
        run = pipeline.execute()[1]
        if run != self._run:
            self._counts.epoch = f"{run}:0"
            if self._run:
                self._simulation.reset()
                self._last = "0-0"
            self._run = run

    def _do_next(self, block_ms: int | None) -> bool:
        """Do what is in the log and was not done yet; whether there was anything."""
        streams = cast(
            list[tuple[str, list[tuple[str, dict[str, str]]]]],
            self._client.xread({self._log: self._last}, block=block_ms),
        )
        for _, entries in streams or ():
            for number, fields in entries:
                self._last = number
                outcome = self._outcome(number, fields)
                if int(number.partition("-")[0]) >= self._since_ms - 1:
                    self._reply(number, outcome)
        return bool(streams)

    def _outcome(self, number: str, fields: Mapping[str, str]) -> dict[str, Any]:
        try:
            return {"result": self._done(fields["kind"], json.loads(fields["given"]), number)}
        except (UserError, JournalError) as error:
            return {"error": str(error), "type": type(error).__name__}
        except Exception as error:  # noqa: BLE001  as in `_follow`; it stays in the log for those that come later
            self._simulation.journal.records.crashed(Crash.of(f"the action {fields['kind']}", error))
            return {"error": f"the mock failed: {type(error).__name__}; its console says why", "type": ""}

    def _done(self, kind: str, given: Mapping[str, Any], number: str) -> Any:
        simulation = self._simulation
        match kind:
            case "count":
                return simulation.journal.last_number
            case "entries":
                simulation.journal.records.count_from(given["until"])
                entries = simulation.journal.only(**criteria_from(given["asked"]))
                return [{**shown(each), "at_s": each.at_s} for each in entries if each.number <= given["until"]]
            case "clock":
                return self._moment()
            case "join_clock":
                return self._join_clock(given)
            case "reset":
                with simulation.scopes.lock:  # no request counts between the two
                    simulation.reset()
                    self._counts.epoch = f"{self._run}:{number}"
                return None
        return perform(simulation, kind, given)

    def _reply(self, number: str, outcome: Mapping[str, Any]) -> None:
        key = f"{self._replies}:{number}"
        pipeline = self._client.pipeline(transaction=False)
        pipeline.rpush(key, json.dumps({"worker": self._name, **outcome}))
        pipeline.expire(key, 60)
        pipeline.execute()

    # --- the same files ---

    def _fingerprint(self) -> str:
        """What this process answers from, and how."""
        simulation = self._simulation
        names = [f"{name} {request.fingerprint}" for name, request in simulation.index.requests()]
        facts = [simulation.settings.on_miss, sorted(simulation.index.scenarios.names), sorted(names)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _compare_files(self) -> None:
        if self._client.get(self._files) != self._fingerprint():
            log.warning("this process has other cassettes, or another --on-miss, than those that share %s", self._host)


def _same(results: Iterable[Any]) -> bool:
    return len({json.dumps(result, sort_keys=True) for result in results}) == 1
