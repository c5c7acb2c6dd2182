"""The numbers of a run: pure functions from what its tests did to what the page shows, in an order that does not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import CassetteError
from mockserver.contract.addresses import Backend
from mockserver.contract.operations import OPERATIONS, Operation
from mockserver.exchange import Interaction
from mockserver.matching.call import Call
from mockserver.redaction.redaction import clean
from mockserver.run_report.facts import Facts, MissFact, VisitFact
from mockserver.simulation.miss_report import by_reason
from mockserver.simulation.model_faults import MODEL_FAULTS
from mockserver.simulation.site_faults import SITE_FAULTS

_MAX_PROMPT = 100
_MAX_SLOWEST = 10

_ByTest = Mapping[str, Facts]


@dataclass(frozen=True, slots=True)
class FaultUse:
    """A kind of fault, what it does, how many answers had it, and in which tests."""

    kind: str
    text: str
    count: int
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MissGroup:
    """The misses of one reason, the first of them, and the tests that met them."""

    first: MissFact
    count: int
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackendUse:
    """One backend's operations: those that were asked with their counts, and the names of those that never were. `unknown` counts
    requests to addresses that have none."""

    title: str
    touched: tuple[tuple[str, int], ...]
    untouched: tuple[str, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class RecordingUse:
    """One interaction of a cassette: its number, what it answers, and whether it answered anything in this run."""

    number: int
    text: str
    used: bool


@dataclass(frozen=True, slots=True)
class CassetteUse:
    """One file, by its path in the project, with its recordings; `trouble` says why they cannot be told."""

    name: str
    recordings: tuple[RecordingUse, ...] = ()
    trouble: str = ""
    unused: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unused", sum(not each.used for each in self.recordings))


def status_totals(facts: _ByTest) -> list[tuple[str, str, int | None, int]]:
    """Visits by place, rule and status, with their number; the most first."""
    totals: Counter[tuple[str, str, int | None]] = Counter()
    for each in facts.values():
        for place, rule, status, count in each.statuses:
            totals[place, rule, status] += count
    return [(*key, count) for key, count in sorted(totals.items(), key=lambda item: (-item[1], str(item[0])))]


def slowest(facts: _ByTest) -> list[tuple[VisitFact, str]]:
    """The slowest visits, each with its test."""
    visits = [(visit, test) for test, each in facts.items() for visit in each.slowest]
    return sorted(visits, key=lambda pair: (-pair[0].took_s, pair[1], pair[0].request))[:_MAX_SLOWEST]


def fault_uses(facts: _ByTest) -> list[FaultUse]:
    """Every kind of fault there is, in the documentation's order."""
    uses = []
    for kind, function in {**MODEL_FAULTS, **SITE_FAULTS}.items():
        counts = {test: dict(facts[test].faults).get(kind, 0) for test in sorted(facts)}
        tests = tuple(test for test, count in counts.items() if count)
        uses.append(FaultUse(kind, " ".join((function.__doc__ or "").split()), sum(counts.values()), tests))
    return uses


def miss_groups(facts: _ByTest) -> list[MissGroup]:
    """All misses by their reason, as in the reports of single misses; what most requests met comes first."""
    met = [(test, miss) for test in sorted(facts) for miss in facts[test].misses]
    tests_of = {id(miss): test for test, miss in met}
    groups = [
        MissGroup(
            group[0],
            sum(miss.count for miss in group),
            tuple(dict.fromkeys(tests_of[id(miss)] for miss in group)),
        )
        for group in by_reason(miss for _, miss in met)
    ]
    return sorted(groups, key=lambda group: (-group.count, group.first.request, group.first.fingerprint))


def backend_uses(facts: _ByTest) -> list[BackendUse]:
    """Each backend's operations."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in facts.values():
        for backend, name, count in each.operations:
            counts[backend, name] += count
    uses = []
    for backend, title in ((Backend.OPENAI, "OpenAI"), (Backend.AZURE, "Azure OpenAI")):
        asked = [(name, count) for (which, name), count in counts.items() if which == backend and name]
        names = {name for name, _ in asked}
        untouched = tuple(each.name for each in OPERATIONS if _has(backend, each) and each.name not in names)
        touched = tuple(sorted(asked, key=lambda pair: (-pair[1], pair[0])))
        uses.append(BackendUse(title, touched, untouched, counts[str(backend), ""]))
    return uses


def _has(backend: Backend, operation: Operation) -> bool:
    if backend is Backend.OPENAI:
        return operation.on_openai
    return operation.on_azure or operation.on_foundry or operation.since is not None


def cassette_uses(folders: Iterable[Path], own: Iterable[str], used: Iterable[str], root: Path) -> list[CassetteUse]:
    """The files of recordings in the folders, and the tests' own, by name; scenarios are no recordings."""
    names = frozenset(used)
    paths = {path.resolve() for folder in folders if folder.exists() for _, path in cassette.files((folder,))}
    paths |= {path.resolve() for path in map(Path, own) if path.exists()}
    uses = (_cassette_use(path, names, root.resolve()) for path in paths)
    return sorted(filter(None, uses), key=lambda each: each.name)


def _cassette_use(path: Path, used: frozenset[str], root: Path) -> CassetteUse | None:
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    try:
        text = path.read_bytes()
        if cassette.is_scenario(text):
            return None
        interactions = cassette.parse(path, text).interactions
    except (CassetteError, OSError) as error:
        return CassetteUse(name, trouble=str(clean(str(error))))
    return CassetteUse(name, _recording_uses(path, interactions, used))


def _recording_uses(path: Path, interactions: Sequence[Interaction], used: frozenset[str]) -> tuple[RecordingUse, ...]:
    return tuple(
        RecordingUse(number, _asked(each), f"{path}#{number}" in used) for number, each in enumerate(interactions, 1)
    )


def _asked(interaction: Interaction) -> str:
    call = Call(interaction.request)
    what = call.operation.name if call.operation else f"{call.request.method} {call.request.raw_path}"
    prompt = " ".join((call.prompt or "").split())
    prompt = prompt if len(prompt) <= _MAX_PROMPT else f"{prompt[:_MAX_PROMPT]}…"
    return str(clean(" · ".join(filter(None, (what, call.model, prompt)))))
