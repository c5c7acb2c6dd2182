"""What one test did with the mock: counted from the journal when the test ends, bounded and without secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from mockserver.journal.entry import Entry, Place
from mockserver.journal.visits import visits
from mockserver.matching.call import Call
from mockserver.matching.differences import Difference
from mockserver.matching.miss import Miss
from mockserver.redaction.exchanges import shown_request
from mockserver.redaction.redaction import clean
from mockserver.simulation.miss_report import by_reason

#: What a test's facts hold at most of each kind; the rest is counted.
_MAX_KINDS = 50
_MAX_SLOWEST = 5
_MAX_MISSES = 20
_MAX_DIFFERENCES = 5
_MAX_LETTERS = 200
_BEFORE = 40
_REST = "and others"


@dataclass(frozen=True, slots=True)
class VisitFact:
    """A slow visit: seconds until its answer had ended, what was asked, and the status; None where there was none."""

    took_s: float
    request: str
    status: int | None


@dataclass(frozen=True, slots=True)
class MissFact:
    """`count` misses of one reason, as text. `nearest` is the file with `#` and the number of the interaction; empty if there is none."""

    fingerprint: str
    request: str
    reason: str = ""
    nearest: str = ""
    differences: tuple[Difference, ...] = ()
    more_differences: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class Facts:
    """One test's. `statuses` counts visits by place, rule and status, `operations` requests by backend and name, which is empty for an unknown address.

    `lost` are exchanges that the journal no longer held; `more_misses` those of further reasons. `timeline` and `cassette` are paths, empty if there is none.
    """

    visits: int = 0
    model_requests: int = 0
    statuses: tuple[tuple[str, str, int | None, int], ...] = ()
    slowest: tuple[VisitFact, ...] = ()
    faults: tuple[tuple[str, int], ...] = ()
    operations: tuple[tuple[str, str, int], ...] = ()
    misses: tuple[MissFact, ...] = ()
    more_misses: int = 0
    lost: int = 0
    timeline: str = ""
    cassette: str = ""

    def as_json(self) -> dict[str, Any]:
        """As a worker of pytest-xdist may pass it on."""
        return asdict(self)


def facts_from_json(value: Mapping[str, Any]) -> Facts:
    """The facts that `as_json` wrote."""
    lists: dict[str, Any] = {name: tuple(map(tuple, value[name])) for name in ("statuses", "faults", "operations")}
    slowest = tuple(VisitFact(**each) for each in value["slowest"])
    misses = tuple(
        MissFact(**{**each, "differences": tuple(Difference(**one) for one in each["differences"])})
        for each in value["misses"]
    )
    return Facts(**{**value, **lists, "slowest": slowest, "misses": misses})


def facts_of(entries: Sequence[Entry], *, lost: int = 0, timeline: str = "", cassette: str = "") -> Facts:
    """The facts of the exchanges of one test. A visit counts as what it was where it was seen first: at the site, else at the
    host, else at the model."""
    outermost = [_outermost(visit) for visit in visits(sorted(entries, key=lambda each: (each.at_s, each.number)))]
    asked = [entry for entry in entries if entry.place is Place.MODEL]
    slowest = sorted(outermost, key=lambda each: (-each.took_s, each.number))[:_MAX_SLOWEST]
    operations = Counter(map(_operation, asked))
    groups = by_reason(entry.miss for entry in entries if entry.miss is not None)
    return Facts(
        visits=len(outermost),
        model_requests=len(asked),
        statuses=_statuses(outermost),
        slowest=tuple(VisitFact(round(each.took_s, 3), _request(each), each.status) for each in slowest),
        faults=tuple(sorted(Counter(kind for each in entries if each.answer for kind in each.answer.faults).items())),
        operations=tuple((*key, count) for key, count in sorted(operations.items())),
        misses=tuple(_miss(group[0], len(group)) for group in groups[:_MAX_MISSES]),
        more_misses=sum(map(len, groups[_MAX_MISSES:])),
        lost=lost,
        timeline=timeline,
        cassette=cassette,
    )


def _outermost(visit: Sequence[Entry]) -> Entry:
    places = list(Place)
    return min(visit, key=lambda each: (places.index(each.place), each.number))


def _statuses(seen: Sequence[Entry]) -> tuple[tuple[str, str, int | None, int], ...]:
    counts = Counter((str(each.place), _short(clean(each.rule)), each.status) for each in seen)
    most = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    rest: Counter[tuple[str, str, int | None]] = Counter()
    for (place, _, status), count in most[_MAX_KINDS:]:
        rest[place, _REST, status] += count
    return tuple((*key, count) for key, count in (*most[:_MAX_KINDS], *sorted(rest.items(), key=str)))


def _operation(entry: Entry) -> tuple[str, str]:
    address = Call(entry.request).address
    return str(address.backend), address.operation.name if address.operation else ""


def _request(entry: Entry) -> str:
    request = shown_request(entry.request)
    return _short(clean(f"{request.method} {request.raw_path}"))


def _miss(miss: Miss, count: int) -> MissFact:
    request = shown_request(miss.call.request)
    return MissFact(
        miss.fingerprint,
        _short(clean(f"{request.method} {request.raw_path} ({miss.call.canonical})")),
        _short(clean(miss.reason), 5 * _MAX_LETTERS),
        _short(clean(miss.nearest or "")),
        tuple(map(_difference, miss.differences[:_MAX_DIFFERENCES])),
        max(0, len(miss.differences) - _MAX_DIFFERENCES),
        count,
    )


def _difference(difference: Difference) -> Difference:
    """The same without secrets, and of long texts the place where they part."""
    expected, got = str(clean(difference.expected)), str(clean(difference.got))
    same = next((at for at, (one, other) in enumerate(zip_longest(expected, got)) if one != other), 0)
    return Difference(_short(clean(difference.field)), _around(expected, same), _around(got, same))


def _around(text: str, at: int) -> str:
    if len(text) <= _MAX_LETTERS:
        return text
    begin = max(0, at - _BEFORE)
    part = text[begin : begin + _MAX_LETTERS]
    after = "…" if begin + _MAX_LETTERS < len(text) else ""
    return f"{'…' if begin else ''}{part}{after} ({len(text)} characters)"


def _short(text: str, most: int = _MAX_LETTERS) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
