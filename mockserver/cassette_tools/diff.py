"""What changed between two versions of cassettes, for a person to review: prose, shapes, and what to look at twice."""

from __future__ import annotations

import datetime
import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mockserver.cassette_tools.structure import StructureChange, changes
from mockserver.cassette_tools.transcript import Transcript, transcript
from mockserver.cassettes import cassette
from mockserver.errors import count_of
from mockserver.exchange import Interaction
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import redacted
from mockserver.redaction.redaction import Redaction

#: What a reviewer should see even if it is one word in a long answer.
_TO_REVIEW = {
    "e-mail": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w"),
    "host": re.compile(r"https?://([\w.-]+)"),
    "number": re.compile(r"(?<![\w.])\d[\d.,:/]*\d|(?<![\w.])\d(?![\w])"),
    "name": re.compile(r"(?<=[^.!?:\n*#\s-] )[A-Z][a-z]+(?: [A-Z][a-z]+)*"),
}


@dataclass(frozen=True, slots=True)
class InteractionDiff:
    """One interaction that changed: `before` is None if it is new, `after` if it is gone."""

    name: str
    before: Transcript | None
    after: Transcript | None
    shapes: tuple[StructureChange, ...] = ()

    def prose(self) -> tuple[str, ...]:
        """The lines that changed, as a unified diff without its head."""
        old, new = ([] if side is None else list(side.lines(timed=False)) for side in (self.before, self.after))
        return tuple(
            line for line in difflib.unified_diff(old, new, lineterm="", n=1) if line[:3] not in ("---", "+++")
        )

    def notes(self) -> Iterator[str]:
        """E-mail addresses, hosts, numbers and names that are on one side only."""
        for kind, pattern in _TO_REVIEW.items():
            old, new = (set(pattern.findall(_text(side))) for side in (self.before, self.after))
            for change, words in (("gone", old - new), ("new", new - old)):
                if words:
                    yield f"{kind} {change}: {', '.join(sorted(words))}"


def interaction_diffs(
    before: Mapping[str, Sequence[Interaction]], after: Mapping[str, Sequence[Interaction]]
) -> tuple[InteractionDiff, ...]:
    """What changed from one set of files to another, by file name. Interactions with the same request belong together;
    where a request changed, the ones with the same number do."""
    diffs: list[InteractionDiff] = []
    for name in dict.fromkeys((*before, *after)):
        diffs += _in_file(name, before.get(name, ()), after.get(name, ()))
    return tuple(diffs)


def _in_file(name: str, before: Sequence[Interaction], after: Sequence[Interaction]) -> Iterator[InteractionDiff]:
    left = dict(enumerate(before, 1))
    pairs: list[tuple[int, Interaction | None, Interaction]] = []
    for number, new in enumerate(after, 1):
        fingerprint = Call(new.request).canonical.fingerprint
        same = next((key for key, old in left.items() if Call(old.request).canonical.fingerprint == fingerprint), None)
        pairs.append((number, left.pop(same) if same else None, new))
    for number, old, new in pairs:
        old = old or left.pop(number, None)  # noqa: PLW2901  the same number, where no request is the same
        if old is None or (old.request.body, old.answer) != (new.request.body, new.answer):
            shapes = changes(old.answer, new.answer) if old else ()
            yield InteractionDiff(f"{name}#{number}", transcript(old) if old else None, transcript(new), shapes)
    for number, gone in left.items():
        yield InteractionDiff(f"{name}#{number}", transcript(gone), None)


def _text(side: Transcript | None) -> str:
    return "\n".join(side.lines(timed=False)) if side else ""


def as_text(diffs: Sequence[InteractionDiff]) -> str:
    """The changes for a terminal."""
    lines = []
    for diff in diffs:
        lines += [_headline(diff), *(f"  {line}" for line in diff.prose())]
        lines += [f"  shape: {change}" for change in diff.shapes]
        lines += [f"  review: {note}" for note in diff.notes()]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a reviewer should know of a changed file besides its conversations."""

    name: str
    size_bytes: int
    source: str
    date: str
    secrets: Mapping[str, int]
    allowed: tuple[str, ...]

    def row(self, before_bytes: int | None, today: datetime.date) -> str:
        """A row of the table: size, source, age, secrets."""
        size = f"{_size(self.size_bytes)}{'' if before_bytes is None else f', was {_size(before_bytes)}'}"
        try:
            age = count_of((today - datetime.date.fromisoformat(self.date)).days, "day")
        except ValueError:
            age = "unknown"
        found = [f"**{count} {kind}**" for kind, count in self.secrets.items()]
        found += [f"allowed: `{text}`" for text in self.allowed]
        return f"| {self.name} | {self.source} | {age} | {size} | {', '.join(found) or 'none'} |"


def _size(size_bytes: int) -> str:
    return f"{size_bytes} B" if size_bytes < 1000 else f"{size_bytes / 1000:.0f} kB"


def file_facts(name: str, path: Path) -> FileFacts:
    """The facts of a cassette's file.

    Raises:
        CassetteError, OSError: it cannot be read.
    """
    loaded = cassette.load(path)
    redaction = Redaction(loaded.allowed, with_known=False)
    secrets = sum((redacted(each, redaction).secrets for each in loaded.interactions), Counter[str]())
    return FileFacts(name, path.stat().st_size, str(loaded.source), loaded.date, secrets, loaded.allowed)


def as_markdown(
    diffs: Sequence[InteractionDiff],
    before: Mapping[str, FileFacts] | None = None,
    after: Mapping[str, FileFacts] | None = None,
    *,
    today: datetime.date | None = None,
) -> str:
    """The changes as a comment on a pull request, with a table of the files that changed."""
    lines = [f"# {count_of(len(diffs), 'recording')} changed", ""]
    changed = dict.fromkeys(diff.name.rpartition("#")[0] for diff in diffs)
    if facts := [each for name in changed if (each := (after or {}).get(name))]:
        lines += ["| file | source | age | size | secrets |", "|---|---|---|---|---|"]
        for each in facts:
            old = (before or {}).get(each.name)
            lines.append(each.row(old.size_bytes if old else None, today or datetime.date.today()))
        lines.append("")
    for diff in diffs:
        lines += [f"## {_headline(diff)}", ""]
        if notes := list(diff.notes()):
            lines += ["**Review:**", "", *(f"- {note}" for note in notes), ""]
        if diff.shapes:
            lines += ["**Shape:**", ""]
            lines += [f"- {change.kind} `{change.field}`: {change.before} → {change.after}" for change in diff.shapes]
            lines.append("")
        lines += ["````diff", *diff.prose(), "````", ""]
    return "\n".join(lines)


def _headline(diff: InteractionDiff) -> str:
    if diff.after is None:
        return f"{diff.name} gone: {diff.before.title if diff.before else ''}"
    if diff.before is None:
        change = "new"
    elif diff.prose() or diff.shapes:
        change = "changed"
    else:
        change = f"takes {diff.after.seconds:.1f} s instead of {diff.before.seconds:.1f} s"
    return f"{diff.name} {change}: {diff.after.title}"
