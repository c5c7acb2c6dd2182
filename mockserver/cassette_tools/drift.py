"""Whether recordings are still true of their upstream: asked again, and compared by shape, not by prose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mockserver.cassette_tools.structure import StructureChange, changes
from mockserver.cassettes.real_endpoint import RealEndpoint
from mockserver.clock import Clock
from mockserver.exchange import Interaction
from mockserver.wire.upstream import UpstreamError


class Verdict(StrEnum):
    """What is known of a recording; what was not checked is never ok."""

    OK = "ok"
    DRIFTED = "drifted"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class DriftResult:
    """One recording, asked again: `changes` where it drifted, `reason` where it could not be checked."""

    name: str
    verdict: Verdict
    changes: tuple[StructureChange, ...] = ()
    reason: str = ""


async def drift_results(
    recordings: Iterable[tuple[str, Interaction]], endpoint: RealEndpoint, clock: Clock
) -> tuple[DriftResult, ...]:
    """Every recording asked again, one after the other, in order."""
    return tuple([await _one(name, interaction, endpoint, clock) for name, interaction in recordings])


async def _one(name: str, interaction: Interaction, endpoint: RealEndpoint, clock: Clock) -> DriftResult:
    try:
        now = await endpoint.asked(interaction.request, clock)
    except UpstreamError as error:
        return DriftResult(name, Verdict.NOT_CHECKED, reason=str(error))
    if now.status != interaction.answer.status and (now.status in (401, 403, 429) or now.status >= 500):
        return DriftResult(name, Verdict.NOT_CHECKED, reason=f"the upstream answered {now.status}")
    found = changes(interaction.answer, now)
    return DriftResult(name, Verdict.DRIFTED if found else Verdict.OK, found)


def markdown(results: Sequence[DriftResult]) -> str:
    """The results as a report: the summary first, what drifted, what was not checked."""
    counts = ", ".join(f"{sum(each.verdict is verdict for each in results)} {verdict}" for verdict in Verdict)
    lines = [f"# Drift: {counts}", ""]
    for each in results:
        if each.verdict is Verdict.DRIFTED:
            lines += [f"## {each.name}", "", "| change | field | recorded | now |", "|---|---|---|---|"]
            lines += [f"| {one.kind} | `{one.field}` | {one.before} | {one.after} |" for one in each.changes]
            lines.append("")
    unchecked = [each for each in results if each.verdict is Verdict.NOT_CHECKED]
    if unchecked:
        lines += ["## Not checked", "", *(f"- {each.name}: {each.reason}" for each in unchecked), ""]
    return "\n".join(lines)
