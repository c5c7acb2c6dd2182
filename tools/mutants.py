"""Changes one thing at a time in the code that guards something, and reports each change that no test notices.

Each mutant runs in a fork of a process that has imported everything but the module under test and what imports it, with the
tests that reach the changed line: in about a second. Why not a library: mutmut 3 changes neither decorated functions (half of
those in our Flask applications) nor what stands outside functions; cosmic-ray starts a process for each mutant, which takes
two to three times as long. Needs `os.fork`: Linux or macOS.

tests/mutants/areas.toml has the modules, their tests and the floors; tests/mutants/known.txt the mutants that no test can kill.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import pickle
import random
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import coverage
import pytest
from architecture import ROOT, imported
from mutations import Mutant, mutants

AREAS, KNOWN = ROOT / "tests" / "mutants" / "areas.toml", ROOT / "tests" / "mutants" / "known.txt"
_OURS = ("mockserver", "chat_api", "function_app", "infra", "tests")
_OK, _TESTS_FAILED, _NO_TESTS = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED


@dataclass(frozen=True, slots=True)
class Area:
    """Modules that guard one thing, each with the tests that are to kill its mutants, and how many of them, in percent."""

    name: str
    floor: float
    modules: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Score:
    """What became of an area's mutants; the known ones did not run."""

    area: Area
    mutants: int
    known: int
    survivors: tuple[Mutant, ...]

    @property
    def percent(self) -> float:
        """The share that the tests killed."""
        return 100 * (1 - len(self.survivors) / self.mutants) if self.mutants else 100.0


def areas(text: str) -> list[Area]:
    """The areas of a file."""
    return [
        Area(
            name,
            area["floor"],
            {path: tuple(f"tests/{test}.py" for test in tests) for path, tests in area["modules"].items()},
        )
        for name, area in tomllib.loads(text).items()
    ]


def known_mutants(text: str) -> set[str]:
    """The names of the mutants that no test can kill."""
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def table(scores: Iterable[Score]) -> str:
    """The scores, a line each."""
    lines = [f"{'area':<11}{'mutants':>8}{'known':>7}{'killed':>8}{'survived':>10}{'percent':>9}{'floor':>7}"]
    for each in scores:
        survived = len(each.survivors)
        counts = f"{each.mutants:>8}{each.known:>7}{each.mutants - survived:>8}{survived:>10}"
        lines.append(f"{each.area.name:<11}{counts}{each.percent:>9.1f}{each.area.floor:>7.0f}")
    return "\n".join(lines)


@dataclass(slots=True)
class _Reach:
    """A pytest plugin that keeps which tests run which lines, and how long each takes."""

    coverage: coverage.Coverage
    seconds: dict[str, float] = field(default_factory=dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        began_s = time.monotonic()
        yield
        self.seconds[item.nodeid] = time.monotonic() - began_s
        self.coverage.switch_context("")


@dataclass(frozen=True, slots=True)
class _Only:
    """A pytest plugin that runs these tests alone."""

    tests: frozenset[str]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.tests]


class Judge:
    """Runs the mutants of one module.

    Raises:
        SystemExit: its tests fail without any change.
    """

    def __init__(self, path: str, files: tuple[str, ...], folder: Path) -> None:
        self._path, self._files, self._folder = path, files, folder
        self._name = path.removeprefix("api/").removesuffix(".py").replace("/", ".")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self._pytest(files, "--collect-only")
        _forget(self._name)
        found = folder / "reach"
        if code := os.waitstatus_to_exitcode(os.waitpid(_fork(lambda: self._measure(found)), 0)[1]):
            raise SystemExit(f"{path}: its tests fail without any change (exit {code}): pytest {' '.join(files)}")
        self._reached_by: dict[int, list[str]]
        self._seconds: dict[str, float]
        self._reached_by, self._seconds = pickle.loads(found.read_bytes())

    def survivors(self, chosen: Iterable[Mutant], tree: ast.Module, jobs: int) -> Iterator[Mutant]:
        """The mutants that no test notices. One with which the tests take far too long is noticed.

        First run the tests that reach the mutant; if they pass, the others: what they use may have been kept from before.
        """
        waiting = [(mutant, self._tests(mutant)) for mutant in chosen][::-1]
        running: dict[int, tuple[Mutant, frozenset[str], float]] = {}
        while waiting or running:
            if waiting and len(running) < jobs:
                mutant, tests = waiting.pop()
                if tests:
                    until_s = time.monotonic() + 20 + 5 * sum(self._seconds[test] for test in tests)
                    running[self._start(mutant, tree, tests)] = mutant, tests, until_s
                else:
                    yield mutant
                continue
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in running:
                mutant, tests, _ = running.pop(pid)
                code = os.waitstatus_to_exitcode(status)
                if code == _NO_TESTS:
                    raise SystemExit(f"{mutant.name}: its tests were not found")
                if code == _OK:
                    others = frozenset(self._seconds) - tests if tests == self._tests(mutant) else frozenset()
                    waiting.append((mutant, others))
            for late in [each for each, (*_, until_s) in running.items() if time.monotonic() > until_s]:
                os.killpg(late, signal.SIGKILL)
            time.sleep(0.005)

    def _tests(self, mutant: Mutant) -> frozenset[str]:
        """The tests that reach a mutant: all of them if an import does."""
        reaching = {test for line in mutant.lines for test in self._reached_by.get(line, ())}
        return frozenset(self._seconds if "" in reaching else reaching)

    def _start(self, mutant: Mutant, tree: ast.Module, tests: frozenset[str]) -> int:
        def work() -> int:
            mutant.apply()
            _load(self._name, ROOT / self._path, tree)
            files = [file for file in self._files if any(test.startswith(f"{file}::") for test in tests)]
            return self._pytest(files, plugins=[_Only(tests)])

        return _fork(work)

    def _measure(self, found: Path) -> int:
        file = str(ROOT / self._path)
        reach = _Reach(coverage.Coverage(data_file=None, config_file=False, include=[file], messages=False))
        reach.coverage.start()
        _load(self._name, ROOT / self._path, ast.parse(Path(file).read_bytes()))
        code = self._pytest(self._files, plugins=[reach])
        lines = reach.coverage.get_data().contexts_by_lineno(file)
        found.write_bytes(pickle.dumps((lines, reach.seconds)))
        return code

    def _pytest(self, files: Iterable[str], *options: str, plugins: Iterable[Any] = ()) -> int:
        own = [
            "-x",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            "--hypothesis-seed=0",
            f"--basetemp={self._folder}/{os.getpid()}",
        ]
        warm = ["-W", "ignore:Module already imported so cannot be rewritten"]
        return int(pytest.main([*own, *warm, *options, *files], plugins=[*plugins]))


def _forget(target: str) -> None:
    """Unload a module, and whatever imports it, directly or not."""
    files = {
        name: str(module.__file__)
        for name, module in sys.modules.items()
        if name.partition(".")[0] in _OURS and getattr(module, "__file__", None)
    }
    uses = {name: {*imported(Path(file).read_text(encoding="utf-8"))} for name, file in files.items()}
    gone = {target, *(name for name in files if name.startswith("tests"))}
    while more := {name for name in uses if uses[name] & gone} - gone:
        gone |= more
    for name in gone & set(sys.modules):
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(child, None)


def _load(name: str, path: Path, tree: ast.Module) -> None:
    """Import a module from its tree."""
    parent, _, child = name.rpartition(".")
    package, spec = import_module(parent), ModuleSpec(name, SourceFileLoader(name, str(path)), origin=str(path))
    spec.has_location = True
    module = sys.modules[name] = module_from_spec(spec)
    exec(compile(tree, path, "exec", dont_inherit=True), vars(module))
    setattr(package, child, module)


def _fork(work: Callable[[], int]) -> int:
    """The number of a new process, silent and with a group of its own, which ends with what the work returns."""
    if pid := os.fork():
        return pid
    code = int(_TESTS_FAILED)
    try:
        os.setsid()
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        code = work()
    finally:
        os._exit(code)


def judge(area: Area, *, sample: int | None, seed: int, jobs: int) -> Score:
    """What becomes of an area's mutants, or of a sample of them; each survivor is printed."""
    trees = {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in area.modules}
    found = [mutant for path, tree in trees.items() for mutant in mutants(path, tree)]
    known = known_mutants(KNOWN.read_text(encoding="utf-8"))
    chosen = [mutant for mutant in found if mutant.name not in known]
    if sample is not None and sample < len(chosen):
        chosen = random.Random(f"{seed} {area.name}").sample(chosen, sample)
    survivors = []
    for path, tests in area.modules.items():
        if own := [mutant for mutant in chosen if mutant.path == path]:
            with tempfile.TemporaryDirectory() as folder:
                os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
                for mutant in Judge(path, tests, Path(folder)).survivors(own, trees[path], jobs):
                    survivors.append(mutant)
                    print(mutant, flush=True)
    return Score(area, len(chosen), len(found) - len(chosen) if sample is None else 0, tuple(survivors))


def main(argv: list[str]) -> int:
    """1 if the tests of an area kill fewer of its mutants than its floor says."""
    every = {area.name: area for area in areas(AREAS.read_text(encoding="utf-8"))}
    parser = argparse.ArgumentParser(prog="tools/mutants.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("areas", nargs="*", metavar="AREA", help=", ".join(every))
    parser.add_argument("--sample", type=int, help="how many mutants of each area; without it, all")
    parser.add_argument("--seed", type=int, default=1, help="which of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many run at once")
    asked = parser.parse_args(argv)
    if unknown := set(asked.areas) - set(every):
        parser.error(f"no area {', '.join(sorted(unknown))}; there are: {', '.join(every)}")
    os.chdir(ROOT)
    chosen = [every[name] for name in asked.areas or every]
    scores = [judge(area, sample=asked.sample, seed=asked.seed, jobs=asked.jobs) for area in chosen]
    print(table(scores))
    return int(any(each.percent < each.area.floor for each in scores))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
