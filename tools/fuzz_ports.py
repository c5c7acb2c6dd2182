"""Attacks everything that takes bytes with odd inputs: nothing may stop, hang or crash the mock.

tools/fuzz_ports.py [INPUTS] [SEED] [BORDER…]    20,000 inputs at all borders by default

Each input is made from the seed, the border's name and its own number, most of them from a valid one that was changed. A process of
its own tries them, so that nothing which it does ends the run: a segmentation fault is found too. What is found is grouped by the
kind of the error and the last place in our code, with the smallest input. `--only NUMBER` tries one input of one border again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import queue
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fuzz_documents import (
    attack_document,
    attack_option,
    attack_recording,
    attack_stream,
    document,
    option,
    recording,
    stream,
)
from fuzz_model import (
    attack_batch,
    attack_control,
    attack_model,
    attack_realtime,
    attack_strict_model,
    model_batch,
    model_body,
    model_control,
    model_form,
    model_head,
    model_realtime,
)
from fuzz_rig import DEAD_S, HANG_S, Rig, Wrong
from fuzz_said import attack_said, attack_schema, said, schema
from fuzz_site import (
    api_request,
    attack_functions,
    attack_functions_head,
    attack_site,
    attack_upstream,
    functions_head,
    site_form,
    site_request,
    upstream_answer,
)
from odd_inputs import OddInputs

from mockserver.errors import UserError

INPUTS = 20_000
LIMIT_BYTES = 256 << 20
_MOST_DEATHS = 12


@dataclass(frozen=True, slots=True)
class Border:
    """One place that takes bytes: its share of all inputs, how one is made, and how it is tried."""

    name: str
    share: int
    make: Callable[[OddInputs], Any]
    attack: Callable[[Rig, Any], None]


BORDERS = (
    Border("model: heads", 10, model_head, attack_model),
    Border("model: bodies", 30, model_body, attack_model),
    Border("model: misses", 20, model_body, attack_strict_model),
    Border("model: forms", 10, model_form, attack_model),
    Border("model: batches", 3, model_batch, attack_batch),
    Border("model: realtime", 5, model_realtime, attack_realtime),
    Border("model: control routes", 5, model_control, attack_control),
    Border("site: heads", 10, site_request, attack_site),
    Border("site: sign-in", 8, site_form, attack_site),
    Border("servers behind", 12, upstream_answer, attack_upstream),
    Border("Functions host", 10, api_request, attack_functions),
    Border("Functions host: heads", 3, functions_head, attack_functions_head),
    Border("documents", 25, document, attack_document),
    Border("imports", 15, recording, attack_recording),
    Border("streams", 10, stream, attack_stream),
    Border("options", 10, option, attack_option),
    Border("schemas", 10, schema, attack_schema),
    Border("said", 10, said, attack_said),
)


# --- trying ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Discovery:
    """One input that should have done nothing, and what it did."""

    border: str
    number: int
    kind: str
    place: str
    detail: str
    size: int
    shown: str


_OURS = re.compile(r'File "[^"]*/((?:mockserver|api|infra)/[^"]+)", line (\d+)(?:,)? in (\S+)')


def place_in(text: str) -> str:
    """The last place in our code that a traceback names."""
    places = _OURS.findall(text) or re.findall(r'File "[^"]*/([^"/]+)", line (\d+), in (\S+)', text)
    return "{}:{} {}".format(*places[-1]) if places else "nowhere"


def place_of_hang(dump: str) -> str:
    """Where the threads of a dump work: the innermost place in our code of the first that does not wait."""
    waiting = ("selectors.py", "threading.py", "queue.py", "fuzz_ports.py", "socket.py", "ssl.py")
    for thread in dump.split("\n\n"):
        frames = re.findall(r'File "([^"]+)", line (\d+) in (\S+)', thread)
        if frames and Path(frames[0][0]).name not in waiting:
            ours = _OURS.findall(thread)
            if ours:
                return "{}:{} {}".format(*ours[0])
    return "nowhere in our code"


def peak_bytes() -> int:
    """The most memory that this process has had since the last reset; 0 where it cannot be told."""
    with contextlib.suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) << 10
    return 0


def reset_peak() -> None:
    """Start measuring again."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def shown(made: Any) -> tuple[int, str]:
    """The size of an input, and its beginning."""
    try:
        text = repr(made)
    except (ValueError, RecursionError):  # an integer of so many digits, or something nested so deep
        text = f"{type(made).__name__} that cannot be shown"
    return len(text), text if len(text) <= 700 else f"{text[:500]} … {text[-180:]}"


def tried(border: Border, seed: int, number: int, rig: Rig) -> Discovery | None:
    """What one input did; None where that was nothing."""
    made = border.make(OddInputs(random.Random(f"{seed} {border.name} {number}")))  # noqa: S311  to be repeated, not secret
    counts, start_bytes = rig.counts(), peak_bytes()
    size, text = shown(made)

    def finding(kind: str, place: str, detail: str = "") -> Discovery:
        return Discovery(border.name, number, kind, place, detail[-3000:], size, text)

    found, took_s, dump = None, 0.0, ""
    for _ in range(2):  # what takes long is tried twice: the machine may have had other things to do
        with tempfile.TemporaryFile("w+", encoding="utf-8") as dumped_to:
            faulthandler.dump_traceback_later(HANG_S, file=dumped_to)
            began_s = time.monotonic()
            try:
                border.attack(rig, made)
            except Wrong as problem:
                found = finding(problem.kind, problem.place, problem.detail)
            except UserError as problem:
                found = finding("an unexpected UserError", type(problem).__name__, str(problem))
            except Exception as problem:  # noqa: BLE001  whatever it is, it is what is looked for
                whole = "".join(traceback.format_exception(problem))
                found = finding(type(problem).__name__, place_in(whole), whole)
            finally:
                faulthandler.cancel_dump_traceback_later()
            took_s = time.monotonic() - began_s
            dumped_to.seek(0)
            dump = dumped_to.read()
        if took_s <= HANG_S:
            break
    if crash := rig.crash_since(counts):
        kind = crash.traceback.strip().splitlines()[-1].partition(":")[0]
        return finding(kind, place_in(crash.traceback), f"{crash.traceback}\nduring {crash.during}")
    if took_s > HANG_S:
        return finding("hang", place_of_hang(dump), f"{took_s:.1f} s\n{dump}")
    if found is None and start_bytes and (more := peak_bytes() - start_bytes) > LIMIT_BYTES:
        reset_peak()
        return finding("memory", border.name, f"{more >> 20} MB more")
    return found


def plan(inputs: int, names: Sequence[str]) -> list[tuple[Border, int]]:
    """How many inputs each border gets."""
    chosen = [border for border in BORDERS if not names or border.name in names]
    total = sum(border.share for border in chosen)
    return [(border, max(1, round(inputs * border.share / total))) for border in chosen]


def work(inputs: int, seed: int, names: Sequence[str], first: tuple[str, int]) -> None:
    """Try everything from one input on, and say so on standard output, one JSON object a line."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)

    def say(**what: Any) -> None:
        out.write(json.dumps(what) + "\n")
        out.flush()

    with ExitStack() as exits:
        rig, started = Rig(exits), not first[0]
        for border, count in plan(inputs, names):
            start = first[1] if border.name == first[0] else 0
            started = started or border.name == first[0]
            if not started:
                continue
            for number in range(start, count):
                if number == start:
                    say(at=[border.name, number], starting=True)
                    with contextlib.suppress(Wrong):
                        border.attack(rig, border.make(OddInputs(random.Random(1))))  # noqa: S311  the servers start
                    reset_peak()
                say(at=[border.name, number])
                if found := tried(border, seed, number, rig):
                    say(found=asdict(found))
                if number % 20 == 0 or found:
                    rig.forget()
        say(end=True)


@dataclass
class Watched:
    """What the process that tries has said: every finding, and how many inputs it has tried at each border."""

    findings: list[Discovery]
    counts: Counter[str]

    def add(self, found: Discovery) -> None:
        """Note a finding, and say so at once where it is the first of its kind."""
        if (found.kind, found.place) not in {(other.kind, other.place) for other in self.findings}:
            print(f"{found.border}, input {found.number}: {found.kind} at {found.place}", flush=True)
        self.findings.append(found)


def watch(inputs: int, seed: int, names: Sequence[str]) -> Watched:
    """Have a process try everything, and another one the rest when one dies or hangs."""
    seen, first, deaths = Watched([], Counter()), ("", 0), Counter[str]()
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONFAULTHANDLER": "1"}
    while True:
        command = [sys.executable, __file__, "--work", str(inputs), str(seed), *first[:1], str(first[1]), *names]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True) as process,
        ):
            lines: queue.SimpleQueue[str] = queue.SimpleQueue()
            threading.Thread(target=_read, args=(process, lines), daemon=True).start()
            at, ended, wait_s = first, False, 60.0
            while True:
                try:
                    line = lines.get(timeout=wait_s)
                except queue.Empty:
                    process.kill()
                    break
                if not line:
                    break
                said_now = json.loads(line)
                if "at" in said_now:
                    at = (said_now["at"][0], said_now["at"][1])
                    wait_s = 60.0 if said_now.get("starting") else 2 * DEAD_S
                    if not said_now.get("starting"):
                        seen.counts[at[0]] += 1
                elif "found" in said_now:
                    seen.add(Discovery(**said_now["found"]))
                ended = ended or "end" in said_now
            status = process.wait()
            if ended:
                return seen
            errors.seek(0)
            told = errors.read().decode(errors="replace")[-6000:]
        border = next((border for border in BORDERS if border.name == at[0]), None)
        if border is None:
            raise SystemExit(f"the process that tries did not start: {told}")
        size, text = shown(border.make(OddInputs(random.Random(f"{seed} {border.name} {at[1]}"))))  # noqa: S311
        kind = "hang for good" if status == -9 else f"the process ended with {status}"
        seen.add(Discovery(border.name, at[1], kind, place_of_hang(told), told, size, text))
        deaths[border.name] += 1
        first = (border.name, at[1] + 1)
        if deaths[border.name] > _MOST_DEATHS:  # enough is known: the next border
            later = [other.name for other, _ in plan(inputs, names)]
            rest = later[later.index(border.name) + 1 :]
            if not rest:
                return seen
            first = (rest[0], 0)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put("")


def report(seen: Watched, seed: int) -> Iterator[str]:
    """The table, and each distinct crash with its smallest input."""
    yield f"{'border':24}{'inputs':>8}{'crashes':>9}{'hangs':>7}"
    for border in BORDERS:
        if seen.counts[border.name]:
            mine = [found for found in seen.findings if found.border == border.name]
            hangs = sum(found.kind.startswith(("hang", "no answer")) for found in mine)
            yield f"{border.name:24}{seen.counts[border.name]:8,}{len(mine) - hangs:9,}{hangs:7,}"
    groups: dict[tuple[str, str], list[Discovery]] = {}
    for found in seen.findings:
        groups.setdefault((found.kind, found.place), []).append(found)
    for (kind, place), found_here in groups.items():
        least = min(found_here, key=lambda found: found.size)
        yield f"\n{kind} at {place}: {len(found_here)} times, the smallest is input {least.number} of {least.border!r}, seed {seed}"
        yield f"    {least.shown}"
        yield from (f"    | {line[:300]}" for line in least.detail.strip().splitlines()[-5:])


def main() -> None:
    """Run, and end with 1 if anything was found."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--work"]:
        work(int(arguments[1]), int(arguments[2]), arguments[5:], (arguments[3], int(arguments[4])))
        return
    only = int(arguments.pop(arguments.index("--only") + 1)) if "--only" in arguments else None
    numbers = [int(argument) for argument in arguments if argument.isdecimal()]
    names = [argument for argument in arguments if not argument.isdecimal() and argument != "--only"]
    if unknown := set(names) - {border.name for border in BORDERS}:
        raise SystemExit(f"no border {', '.join(unknown)}; there are: {', '.join(border.name for border in BORDERS)}")
    inputs = numbers[0] if numbers else INPUTS
    seed = numbers[1] if len(numbers) > 1 else random.randrange(1 << 32)  # noqa: S311
    if only is not None:
        (border,) = (border for border in BORDERS if border.name in names)
        with ExitStack() as exits:
            print(tried(border, seed, only, Rig(exits)))
        return
    print(f"seed {seed}", flush=True)
    began_s = time.monotonic()
    seen = watch(inputs, seed, names)
    print("\n".join(report(seen, seed)))
    print(
        f"\n{sum(seen.counts.values()):,} inputs in {time.monotonic() - began_s:.0f} s, {len(seen.findings)} findings"
    )
    sys.exit(1 if seen.findings else 0)


if __name__ == "__main__":
    main()
