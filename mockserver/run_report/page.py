"""The report of a run as one HTML page, which needs no other file and runs no script."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mockserver.errors import UserError, count_of, printable
from mockserver.redaction.redaction import clean
from mockserver.run_report import figures
from mockserver.run_report.facts import Facts
from mockserver.run_report.run import OUTCOMES, Ended, Run, RunSource


class ReportError(UserError):
    """The report cannot be written to its path; says why."""


@dataclass(frozen=True, slots=True)
class TestRow:
    """A test that used the mock: its name without secrets, and the link to its timeline, empty if there is none."""

    __test__ = False

    name: str
    ended: Ended
    facts: Facts
    link: str


def check_path(path: Path) -> None:
    """Check before the run that the report can be written, and remove the one of an earlier run.

    Raises:
        ReportError: it cannot, or the path is no HTML file.
    """
    if path.suffix != ".html":
        raise ReportError(
            f"--rehearsal-report writes a file that ends in .html, got {printable(str(path))}. "
            "With an equals sign: --rehearsal-report=PATH"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.unlink()
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_report(path: Path, run: Run, source: RunSource) -> None:
    """Write a run's report.

    Raises:
        ReportError: the file cannot be written.
    """
    page = report(run, source, folder=path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> ReportError:
    return ReportError(
        f"--rehearsal-report cannot write {printable(str(path))}: {error.strerror or error}. "
        "Give it another path: --rehearsal-report=PATH"
    )


def report(run: Run, source: RunSource, *, folder: Path) -> str:
    """The page; its links are right for a file in `folder`."""
    facts = {str(clean(test)): run.facts[test] for test in sorted(run.facts)}
    own = sorted({each.cassette for each in facts.values() if each.cassette})
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pages.filters["count_of"] = count_of
    page = pages.get_template("page.html").render(
        project=clean(source.root.name),
        partial=clean(source.partial),
        outcomes=[
            (outcome, count)
            for outcome in OUTCOMES
            if (count := sum(each.outcome == outcome for each in run.ended.values()))
        ],
        tests=len(run.ended),
        took_s=sum(each.took_s for each in run.ended.values()),
        rows=_rows(run, source.root, folder),
        facts=facts,
        left_out=run.left_out,
        silent=sorted(run.silent),
        statuses=figures.status_totals(facts),
        slowest=figures.slowest(facts),
        faults=figures.fault_uses(facts),
        misses=figures.miss_groups(facts),
        backends=figures.backend_uses(facts),
        cassettes=figures.cassette_uses(source.cassettes, own, source.used, source.root),
    )
    return page.encode("utf-8", "backslashreplace").decode()


def _rows(run: Run, root: Path, folder: Path) -> list[TestRow]:
    """The worst outcome first, then by name."""
    rows = [
        TestRow(str(clean(test)), run.ended.get(test, Ended("error")), facts, _link(root, facts.timeline, folder))
        for test, facts in run.facts.items()
    ]
    return sorted(rows, key=lambda row: (OUTCOMES.index(row.ended.outcome), row.name))


def _link(root: Path, timeline: str, folder: Path) -> str:
    """From the report to a timeline; empty where no relative path leads there, as on another drive."""
    if not timeline:
        return ""
    try:
        return quote(Path(os.path.relpath(root / timeline, folder)).as_posix())
    except ValueError:
        return ""
