"""A verdict as people and tools read it: HTML with the timeline of each trial, Markdown, JUnit and SARIF."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mockserver.journal.timeline import timeline
from mockserver.redaction.redaction import clean
from mockserver.verdict.checks import CHECKS, Flaw, Trial, findings
from mockserver.verdict.expectations import EXPECTATIONS


@dataclass(frozen=True, slots=True)
class Cell:
    """A trial with what is wrong with it, and the file of its timeline."""

    trial: Trial
    found: tuple[Flaw, ...]
    timeline: str

    @classmethod
    def of(cls, trial: Trial) -> Cell:
        """The cell of a trial; what is said of it holds no secret."""
        found = tuple(Flaw(each.check, clean(each.words)) for each in findings(trial))
        slug = re.sub(r"[^a-z0-9]+", "-", f"{trial.surface} {trial.fault}".lower()).strip("-")
        return cls(trial, found, f"timelines/{slug}.html")


def write(folder: Path, cells: Sequence[Cell]) -> None:
    """Write verdict.html with its timelines, verdict.md, junit.xml and verdict.sarif into a folder."""
    (folder / "timelines").mkdir(parents=True, exist_ok=True)
    for cell in cells:
        title = f"{cell.trial.surface}: {cell.trial.fault}"
        (folder / cell.timeline).write_text(timeline(title, cell.trial.entries), encoding="utf-8")
    (folder / "verdict.html").write_text(_html(cells), encoding="utf-8")
    (folder / "verdict.md").write_text(markdown(cells), encoding="utf-8")
    (folder / "junit.xml").write_text(junit(cells), encoding="utf-8")
    (folder / "verdict.sarif").write_text(json.dumps(sarif(cells), indent=2), encoding="utf-8")


def _table(cells: Sequence[Cell]) -> tuple[list[str], dict[str, dict[str, Cell]]]:
    """The surfaces, and by fault the cell of each that was tried."""
    surfaces = list(dict.fromkeys(cell.trial.surface for cell in cells))
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.trial.fault, {})[cell.trial.surface] = cell
    return surfaces, rows


def _html(cells: Sequence[Cell]) -> str:
    surfaces, rows = _table(cells)
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("report.html").render(
        surfaces=surfaces,
        rows=rows,
        expectations=EXPECTATIONS,
        failed=sum(bool(cell.found) for cell in cells),
        cells=cells,
    )


def markdown(cells: Sequence[Cell]) -> str:
    """A table of faults by surfaces, and below it what is wrong."""
    surfaces, rows = _table(cells)
    lines = [f"| fault | {' | '.join(surfaces)} |", f"|---|{'---|' * len(surfaces)}"]
    for fault, row in rows.items():
        lines.append(f"| {fault} | {' | '.join(_mark(row, surface) for surface in surfaces)} |")
    for cell in cells:
        lines += [f"\n**{cell.trial.surface}, {cell.trial.fault}**\n"] if cell.found else []
        lines += [f"- {each.check}: {each.words}" for each in cell.found]
    return "\n".join(lines) + "\n"


def _mark(row: Mapping[str, Cell], surface: str) -> str:
    if surface not in row:
        return ""
    return ", ".join(each.check for each in row[surface].found) or "ok"


def junit(cells: Sequence[Cell]) -> str:
    """A test case for each trial."""
    suite = ElementTree.Element("testsuite", name="verdict", tests=str(len(cells)))
    suite.set("failures", str(sum(bool(cell.found) for cell in cells)))
    for cell in cells:
        took = f"{cell.trial.seen.took_s:.3f}"
        case = ElementTree.SubElement(suite, "testcase", classname=cell.trial.surface, name=cell.trial.fault, time=took)
        if cell.found:
            words = "\n".join(f"{each.check}: {each.words}" for each in cell.found)
            ElementTree.SubElement(case, "failure", message=cell.found[0].words).text = words
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def sarif(cells: Sequence[Cell]) -> dict[str, object]:
    """A result for each finding. Source: SARIF 2.1.0."""
    rules = [{"id": name, "shortDescription": {"text": _rule(name)}} for name in CHECKS]
    results = [
        {
            "ruleId": finding.check,
            "level": "error",
            "message": {"text": f"{cell.trial.surface}, {cell.trial.fault}: {finding.words}"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": cell.timeline}}}],
        }
        for cell in cells
        for finding in cell.found
    ]
    driver = {"name": "Dress Rehearsal", "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _rule(name: str) -> str:
    """What a check wants."""
    return (CHECKS[name].__doc__ or "").strip()
