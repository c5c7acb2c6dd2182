"""Whether recordings are still true of their upstream: sends their requests again and compares the shapes of the answers."""

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
    """The result for one recording; one that was not checked is never ok."""

    OK = "ok"
    DRIFTED = "drifted"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class DriftResult:
    """One recording, compared with today's answer: `changes` where it drifted, `reason` where it could not be checked."""

    name: str
    verdict: Verdict
    changes: tuple[StructureChange, ...] = ()
    reason: str = ""


async def drift_results(
    recordings: Iterable[tuple[str, Interaction]], endpoint: RealEndpoint, clock: Clock
) -> tuple[DriftResult, ...]:
    """A result for every recording, in order; their requests are sent one after the other."""
    return tuple([await _result(name, interaction, endpoint, clock) for name, interaction in recordings])


async def _result(name: str, interaction: Interaction, endpoint: RealEndpoint, clock: Clock) -> DriftResult:
    try:
        now = await endpoint.answer(interaction.request, clock)
    except UpstreamError as error:
        return DriftResult(name, Verdict.NOT_CHECKED, reason=str(error))
    if now.status != interaction.answer.status and (now.status in (401, 403, 429) or now.status >= 500):
        return DriftResult(name, Verdict.NOT_CHECKED, reason=f"the upstream answered {now.status}")
    drifted = changes(interaction.answer, now)
    return DriftResult(name, Verdict.DRIFTED if drifted else Verdict.OK, drifted)


def markdown(results: Sequence[DriftResult]) -> str:
    """The results as a report: the summary, what drifted, what was not checked."""
    counts = ", ".join(f"{sum(result.verdict is verdict for result in results)} {verdict}" for verdict in Verdict)
    lines = [f"# Drift: {counts}", ""]
    for result in results:
        if result.verdict is Verdict.DRIFTED:
            lines += [f"## {result.name}", "", "| change | field | recorded | now |", "|---|---|---|---|"]
            lines += [
                f"| {change.kind} | `{change.field}` | {change.before} | {change.after} |" for change in result.changes
            ]
            lines.append("")
    unchecked = [result for result in results if result.verdict is Verdict.NOT_CHECKED]
    if unchecked:
        lines += ["## Not checked", "", *(f"- {result.name}: {result.reason}" for result in unchecked), ""]
    return "\n".join(lines)
