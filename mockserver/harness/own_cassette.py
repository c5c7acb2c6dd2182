"""A test's own cassette: where it is, and how it is recorded while the test runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from mockserver.cassettes.cassette import TEMPORARY
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.simulation.cassette_index import CassetteIndex, load_index
from mockserver.simulation.settings import OnMiss

_LONGEST_NAME = 120


class RecordMode(StrEnum):
    """When a test's requests go to the real endpoint: never; if it has no cassette; where its cassette has no answer; always."""

    NONE = "none"
    ONCE = "once"
    MISSING = "missing"
    REFRESH = "refresh"


def own_cassette(module: Path, test: str) -> Path:
    """The file of a test: `recordings/MODULE/TEST.yaml` beside its module. `test` is its name with class and parameters, as
    `TestA::test_x[a b]`; each name has a file of its own."""
    plain = test.replace("::", ".")
    name = re.sub(r"[^\w.,=+@\[\]-]", lambda match: quote(match[0], safe=""), plain)
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
    return module.parent / "recordings" / module.stem / f"{name}.yaml"


def recording_options(options: ModelOptions, upstream: str, folder: Path, allowed: tuple[str, ...]) -> ModelOptions:
    """The options of an endpoint that records while tests run; nobody else knows its port."""
    return replace(options, on_miss=OnMiss.RECORD, upstream=upstream, recordings=folder, any_key=True, allowed=allowed)


@contextmanager
def answering_from_own(
    model: ModelEndpoint,
    path: Path,
    mode: RecordMode,
    *,
    root: Path,
    passed: Callable[[], bool],
    not_kept: Callable[[Path], None],
) -> Iterator[None]:
    """Answer from a test's own cassette, and record into it as the mode says.

    What is recorded as a whole is kept if the test passed in the end. `not_kept` is told of those that were not.
    Files are named by their path below `root`.
    """
    shared, recorder = model.simulation.index, model.recorder
    own = load_index((path,), shared.ignored, below=root) if path.exists() else CassetteIndex(shared.ignores)
    if mode is RecordMode.REFRESH:
        own = CassetteIndex(shared.ignores)
    own.scenarios = shared.scenarios
    shared.paths.update(own.paths)
    recording = recorder is not None and mode is not RecordMode.NONE and not (mode is RecordMode.ONCE and path.exists())
    into = path if mode is RecordMode.MISSING else path.with_name(f".{path.name}{TEMPORARY}")
    with model.simulation.answering_from(own, on_miss=OnMiss.RECORD if recording else OnMiss.ERROR):
        if not recording or recorder is None:
            yield
            return
        if into != path:
            into.unlink(missing_ok=True)  # of a run that was killed
        recorder.into = into
        try:
            yield
        finally:
            recorder.into = None
            if into != path and into.exists():
                numbers = recorder.written.pop(into, [])
                if passed():
                    into.replace(path)
                    recorder.written[path] = numbers
                else:
                    into.unlink()
                    not_kept(path)
