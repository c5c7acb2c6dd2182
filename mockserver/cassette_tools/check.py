"""Goes over cassettes and scenarios: what is broken, secret, contradictory, unused or old."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mockserver.answers.conformance import violations
from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
from mockserver.matching.call import Call
from mockserver.matching.ignore import parse_ignore
from mockserver.redact import Redaction, personal_headers
from mockserver.simulation.cassette_index import CassetteIndex, ConflictError
from mockserver.simulation.stub import StubError, load_stubs


@dataclass(frozen=True, slots=True)
class CassetteFinding:
    """One thing to know about a file, or about one of its interactions: `where` names it as everywhere else.

    A `problem` is to be mended; anything else is to be known.
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
    """Everything there is to say about the cassettes and scenarios in the paths, file by file.

    `ignores` is what does not count in a comparison, as for `load_library`. `used` names the stubs that have answered;
    None says nothing about use. Cassettes older than `max_age_days`, counted from `today`, are named; None names none.

    Raises:
        FileNotFoundError: a path is not there.
        IgnoreError: something to ignore that cannot be understood.
    """
    library = CassetteIndex(tuple(map(parse_ignore, ignores)))
    for name, path in cassette.files(paths):
        text = path.read_bytes()
        try:
            if cassette.is_scenario(text):
                names = [each.name for each in load_stubs(path, text.decode(), name)]
                yield from _unused(names, used)
                continue
            loaded = cassette.parse(path, text)
        except (CassetteError, StubError, UnicodeDecodeError) as error:
            yield CassetteFinding(name, "form", str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, "))
            continue
        yield from _about(loaded, name, library)
        yield from _unused([f"{name}#{number}" for number in range(1, len(loaded.interactions) + 1)], used)
        if max_age_days is not None:
            yield from _age(loaded, name, max_age_days, today or date.today())


def _about(loaded: Cassette, name: str, library: CassetteIndex) -> Iterator[CassetteFinding]:
    for number, interaction in enumerate(loaded.interactions, 1):
        where = f"{name}#{number}"
        for kind, count in Redaction().kinds(interaction).items():
            yield CassetteFinding(where, "secret", f"{kind}, {count} time{'s' * (count != 1)}")
        for header in personal_headers((*interaction.request.headers, *interaction.answer.headers)):
            yield CassetteFinding(where, "secret", f"header {header}")
        for violation in violations(Call(interaction.request), interaction.answer):
            yield CassetteFinding(where, "contract", str(violation), problem=loaded.source is Source.AUTHORED)
        try:
            library.add(where, interaction)
        except ConflictError as error:
            yield CassetteFinding(where, "conflict", str(error))


def _unused(names: Sequence[str], used: Collection[str] | None) -> Iterator[CassetteFinding]:
    if used is not None:
        yield from (
            CassetteFinding(name, "unused", "answered nothing in the last run") for name in names if name not in used
        )


def _age(loaded: Cassette, name: str, max_age_days: int, today: date) -> Iterator[CassetteFinding]:
    try:
        days = (today - date.fromisoformat(loaded.date)).days
    except ValueError:
        yield CassetteFinding(name, "age", f"{loaded.date or 'no date'!r}, so nobody knows how old it is")
        return
    if days > max_age_days:
        yield CassetteFinding(name, "age", f"{loaded.source} {days} days ago, on {loaded.date}")
