"""pytest's hooks for `--rehearsal-report`: registered where it is asked for. Workers of pytest-xdist hand over, the main process writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mockserver.journal.journal import Journal
from mockserver.run_report.facts import facts_of
from mockserver.run_report.page import ReportError, check_path, write_report
from mockserver.run_report.run import Run, RunSource

#: Where the report is written, below the project's folder, where no path is given.
DEFAULT_PATH = "test-results/rehearsal.html"
_HANDED_OVER = "mockserver/report"


class ReportPlugin:
    """Collects what tests did, and writes the report when the run ends.

    `used` and `partial` are lists that the main plugin fills meanwhile: which stubs answered, and why it was no run of all tests.
    """

    def __init__(self, config: pytest.Config, used: Sequence[str], partial: Sequence[str]) -> None:
        """Check that the report can be written.

        Raises:
            pytest.UsageError: it cannot.
        """
        given = str(config.getoption("--rehearsal-report"))
        self._path = (config.rootpath if given == DEFAULT_PATH else config.invocation_params.dir) / given
        self._config, self._used, self._partial = config, used, partial
        self._run, self._said = Run(), ""
        if not hasattr(config, "workerinput"):
            try:
                check_path(self._path)
            except ReportError as error:
                raise pytest.UsageError(str(error)) from error

    def note(self, test: str, journal: Journal, since: int, cassette: Path | None, timeline: Path | None) -> None:
        """Note what a test did; the journal has it until it is cleared for the next one. `since` is its last number before the test,
        `cassette` its own one, and `timeline` a path in the project's folder; None if there is none."""
        entries = list(journal)
        lost = max(0, journal.last_number - since - len(entries))
        page = timeline.as_posix() if timeline else ""
        self._run.add(test, facts_of(entries, lost=lost, timeline=page, cassette=str(cassette or "")))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase of a test ended; the main process is told of those of all workers."""
        xfail = hasattr(report, "wasxfail")
        self._run.phase(report.nodeid, str(report.when), report.outcome, report.duration, xfail=xfail)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of pytest-xdist hands over."""
        self._run.take(node.gateway.id, getattr(node, "workeroutput", {}).get(_HANDED_OVER))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report, in a worker hand it over; where it cannot be written, the run fails."""
        if (output := getattr(self._config, "workeroutput", None)) is not None:
            output[_HANDED_OVER] = self._run.as_json()
            return
        folders = tuple(self._config.getini("mockserver_cassettes"))
        source = RunSource(self._config.rootpath, folders, self._used, next(iter(self._partial), ""))
        try:
            write_report(self._path, self._run, source)
            self._said = f"Rehearsal report: {os.path.relpath(self._path)}"
        except ReportError as error:
            self._said = f"ERROR: {error}"
            session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the report is, or why there is none."""
        terminalreporter.write_line(self._said)
