"""What changed between two versions of cassettes, for a person to review: prose, shapes, and what wants a second look."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mockserver.cassette_tools.structure import StructureChange, changes
from mockserver.cassette_tools.transcript import Transcript, transcript
from mockserver.exchange import Interaction
from mockserver.matching.call import Call

#: What a reviewer should see even if it is one word in a long answer.
_LOOK_AT = {
    "e-mail": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w"),
    "host": re.compile(r"https?://([\w.-]+)"),
    "number": re.compile(r"(?<![\w.])\d[\d.,:/]*\d|(?<![\w.])\d(?![\w])"),
    "name": re.compile(r"(?<=[^.!?:\n*#\s-] )[A-Z][a-z]+(?: [A-Z][a-z]+)*"),
}


@dataclass(frozen=True, slots=True)
class InteractionDiff:
    """One interaction that is not as it was: before or after is None where it is new or gone."""

    name: str
    before: Transcript | None
    after: Transcript | None
    shapes: tuple[StructureChange, ...] = ()

    def prose(self) -> tuple[str, ...]:
        """The lines that changed, as a unified diff without its head."""
        old, new = ([] if each is None else list(each.lines(timed=False)) for each in (self.before, self.after))
        return tuple(
            line for line in difflib.unified_diff(old, new, lineterm="", n=1) if line[:3] not in ("---", "+++")
        )

    def to_look_at(self) -> Iterator[str]:
        """E-mail addresses, hosts, numbers and names that are on one side only."""
        for kind, pattern in _LOOK_AT.items():
            one, other = (set(pattern.findall(_text(each))) for each in (self.before, self.after))
            for sign, found in (("gone", one - other), ("new", other - one)):
                if found:
                    yield f"{kind} {sign}: {', '.join(sorted(found))}"


def differing(
    before: Mapping[str, Sequence[Interaction]], after: Mapping[str, Sequence[Interaction]]
) -> tuple[InteractionDiff, ...]:
    """What changed from one set of files to another, by file name. An interaction is the same one where it asks the same;
    one whose prompt changed is the one in its place."""
    found: list[InteractionDiff] = []
    for name in dict.fromkeys((*before, *after)):
        found += _in_file(name, before.get(name, ()), after.get(name, ()))
    return tuple(found)


def _in_file(name: str, before: Sequence[Interaction], after: Sequence[Interaction]) -> Iterator[InteractionDiff]:
    left = dict(enumerate(before, 1))
    pairs: list[tuple[int, Interaction | None, Interaction]] = []
    for number, new in enumerate(after, 1):
        asked = Call(new.request).canonical.fingerprint
        same = next((each for each, old in left.items() if Call(old.request).canonical.fingerprint == asked), None)
        pairs.append((number, left.pop(same) if same else None, new))
    for number, old, new in pairs:
        old = old or left.pop(number, None)  # noqa: PLW2901  what is in its place, where nothing asks the same
        if old is None or (old.request.body, old.answer) != (new.request.body, new.answer):
            shapes = changes(old.answer, new.answer) if old else ()
            yield InteractionDiff(f"{name}#{number}", transcript(old) if old else None, transcript(new), shapes)
    for number, gone in left.items():
        yield InteractionDiff(f"{name}#{number}", transcript(gone), None)


def _text(side: Transcript | None) -> str:
    return "\n".join(side.lines(timed=False)) if side else ""


def as_text(found: Sequence[InteractionDiff]) -> str:
    """The changes for a terminal."""
    lines = []
    for each in found:
        lines += [_headline(each), *(f"  {line}" for line in each.prose())]
        lines += [f"  shape: {change}" for change in each.shapes]
        lines += [f"  for your eyes: {note}" for note in each.to_look_at()]
    return "\n".join(lines)


def as_markdown(found: Sequence[InteractionDiff]) -> str:
    """The changes as a comment on a pull request."""
    lines = [f"# {len(found)} recording{'s' * (len(found) != 1)} changed", ""]
    for each in found:
        lines += [f"## {_headline(each)}", ""]
        if notes := list(each.to_look_at()):
            lines += ["**For your eyes:**", "", *(f"- {note}" for note in notes), ""]
        if each.shapes:
            lines += [
                "**Shape:**",
                "",
                *(f"- {change.kind} `{change.field}`: {change.before} → {change.after}" for change in each.shapes),
                "",
            ]
        lines += ["````diff", *each.prose(), "````", ""]
    return "\n".join(lines)


def _headline(each: InteractionDiff) -> str:
    side = each.after or each.before
    kind = "new" if each.before is None else "gone" if each.after is None else "changed"
    if each.before and each.after and not each.prose() and not each.shapes:
        kind = f"takes {each.after.seconds:.1f} s instead of {each.before.seconds:.1f} s"
    return f"{each.name} {kind}: {side.title if side else ''}"
