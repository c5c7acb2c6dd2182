"""Checks cassettes and scenarios: what is broken, secret, contradictory, unused or old."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mockserver.answers.conformance import violations
from mockserver.cassette_tools.second_opinion import second_opinion
from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
from mockserver.errors import count_of
from mockserver.matching.call import Call
from mockserver.matching.ignore import parse_ignore
from mockserver.redaction.exchanges import personal_headers, redacted
from mockserver.redaction.redaction import Redaction
from mockserver.simulation.cassette_index import CassetteIndex, ConflictError
from mockserver.simulation.stub import StubError, load_stubs


@dataclass(frozen=True, slots=True)
class CassetteFinding:
    """An error or a warning about a file, or about one of its interactions: `where` is its name, as in the journal.

    A `problem` is an error; anything else is a warning.
    """

    where: str
    kind: str
    text: str
    problem: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.text}"


def check(
    paths: Sequence[Path],
    *,
    ignores: Sequence[str] = (),
    used: Collection[str] | None = None,
    max_age_days: int | None = None,
    today: date | None = None,
) -> Iterator[CassetteFinding]:
    """Errors and warnings about the cassettes and scenarios in the paths, file by file.

    `ignores` are the fields to ignore in a comparison, as for `load_index`. `used` are the stubs that have answered,
    each as the whole path of its file, # and its number; None does not check use. Cassettes older than `max_age_days`, counted from `today`, are named; None names none.

    Raises:
        FileNotFoundError: a path does not exist.
        IgnoreError: a field to ignore that cannot be read.
    """
    index = CassetteIndex(tuple(map(parse_ignore, ignores)))
    for name, path in cassette.files(paths):
        text = path.read_bytes()
        try:
            if cassette.is_scenario(text):
                names = [stub.name for stub in load_stubs(path, text.decode(), name)]
                yield from _unused(path, names, used)
                continue
            loaded = cassette.parse(path, text)
        except (CassetteError, StubError, UnicodeDecodeError) as error:
            yield CassetteFinding(name, "form", str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, "))
            continue
        # The cassette of a single test answers that test alone.
        own = CassetteIndex(index.ignores) if path.resolve().parent.parent.name == "recordings" else index
        yield from _interaction_findings(loaded, name, own)
        yield from _unused(path, [f"{name}#{number}" for number in range(1, len(loaded.interactions) + 1)], used)
        if max_age_days is not None:
            yield from _age(loaded, name, max_age_days, today or date.today())


def _interaction_findings(loaded: Cassette, name: str, index: CassetteIndex) -> Iterator[CassetteFinding]:
    for number, interaction in enumerate(loaded.interactions, 1):
        where = f"{name}#{number}"
        call = Call(interaction.request)
        if call.operation is not None and call.operation.request is not None and call.body is None:
            yield CassetteFinding(where, "form", "the request's body is no JSON object, as this operation needs")
        for kind, count in redacted(interaction, Redaction(loaded.allowed, with_known=False)).secrets.items():
            yield CassetteFinding(where, "secret", f"{kind}, {count_of(count, 'time')}")
        for kind, count in second_opinion(interaction).items():
            text = f"{kind}, {count_of(count, 'time')}, says detect-secrets"
            yield CassetteFinding(where, "secret", text, problem=False)
        for header in personal_headers((*interaction.request.headers, *interaction.answer.headers)):
            yield CassetteFinding(where, "secret", f"header {header}")
        for violation in violations(Call(interaction.request), interaction.answer):
            yield CassetteFinding(where, "contract", str(violation), problem=loaded.source is Source.AUTHORED)
        try:
            index.add(where, interaction)
        except ConflictError as error:
            yield CassetteFinding(where, "conflict", str(error))


def _unused(path: Path, names: Sequence[str], used: Collection[str] | None) -> Iterator[CassetteFinding]:
    for number, name in enumerate(names, 1):
        if used is not None and f"{path.resolve()}#{number}" not in used:
            yield CassetteFinding(name, "unused", "answered no request in the last run")


def _age(loaded: Cassette, name: str, max_age_days: int, today: date) -> Iterator[CassetteFinding]:
    try:
        days = (today - date.fromisoformat(loaded.date)).days
    except ValueError:
        yield CassetteFinding(name, "age", f"unknown: the date must be like 2026-11-28, got {loaded.date!r}")
        return
    if days > max_age_days:
        yield CassetteFinding(name, "age", f"{loaded.source} {days} days ago, on {loaded.date}")
