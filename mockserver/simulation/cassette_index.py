"""Everything a folder of cassettes and scenarios offers to answer with, indexed by what the model would see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mockserver.answers import conformance
from mockserver.cassettes import cassette
from mockserver.contract.addresses import Backend
from mockserver.contract.violation import Violation
from mockserver.errors import UserError
from mockserver.exchange import Answer, Interaction
from mockserver.matching.call import Call
from mockserver.matching.canonical import CanonicalRequest
from mockserver.matching.ignore import Ignore, parse_ignore
from mockserver.simulation.scenarios import Scenarios
from mockserver.simulation.stub import Stub

#: The bundled cassettes.
BUNDLED_CASSETTES = Path(__file__).parents[1] / "data" / "cassettes"

#: The model that an answer names.
_MODEL = re.compile(rb'"model": ?"([\w.-]+)"')


class ConflictError(UserError):
    """Two cassettes answer the same request differently; `names` are the two interactions."""

    def __init__(self, names: tuple[str, str], request: CanonicalRequest) -> None:
        first, second = names
        super().__init__(
            f"{first} and {second} hold the same request ({request}) with different answers. "
            "Keep one of them, or put both into one cassette, which answers them in order."
        )
        self.names = names


@dataclass(slots=True)
class CassetteIndex:
    """Recorded stubs by fingerprint, and scenarios; `ignores` do not count in any comparison.

    `paths` are the files by the name that stubs have before their number. `violations` are those of recorded and imported answers, which play all the same; `files` counts what was loaded.
    """

    ignores: tuple[Ignore, ...] = ()
    scenarios: Scenarios = field(default_factory=Scenarios)
    violations: tuple[tuple[str, Violation], ...] = ()
    files: int = 0
    paths: dict[str, Path] = field(default_factory=dict)
    _recorded: dict[str, tuple[Stub, ...]] = field(default_factory=dict)
    _requests: dict[str, CanonicalRequest] = field(default_factory=dict)
    _exact: dict[str, str] = field(default_factory=dict)  # without anything ignored
    _operations: set[tuple[Backend, str]] = field(default_factory=set)
    _models: dict[str, str] = field(default_factory=dict)  # behind the names that requests have

    def add(self, name: str, interaction: Interaction) -> None:
        """Add an answer to a request, after those that its cassette has for it already.

        Raises:
            ConflictError: another cassette answers the same request differently.
        """
        self.add_call(name, Call(interaction.request, self.ignores), interaction.answer)

    def add_call(self, name: str, call: Call, answer: Answer) -> None:
        """As `add`, for a call that exists already."""
        request, stub = call.canonical, Stub(name, answer=answer)
        before = self._recorded.get(request.fingerprint, ())
        same_file = all(_file(recording.name) == _file(name) for recording in before)
        if before and not same_file:
            if before == (Stub(before[0].name, answer=answer),):
                return
            if self.ignores and Call(call.request).canonical.fingerprint != self._exact.get(request.fingerprint):
                before = ()  # two requests that only what is ignored tells apart, as of two days: the later file answers
            else:
                raise ConflictError((before[0].name, name), request)
        if self.ignores:
            self._exact[request.fingerprint] = Call(call.request).canonical.fingerprint
        self._recorded[request.fingerprint] = (*before, stub)
        self._requests[request.fingerprint] = request
        self._operations.add((request.backend, request.operation))
        if request.model not in self._models:
            found = next((match for event in answer.events if (match := _MODEL.search(event.data))), None)
            self._models |= {request.model: found[1].decode()} if found else {}

    def recorded(self, call: Call) -> tuple[Stub, ...]:
        """The stubs for a request in recorded order. It is compared only where its operation was recorded: that takes long for a
        large body."""
        if call.operation is not None and (call.address.backend, call.operation.name) not in self._operations:
            return ()
        return self._recorded.get(call.canonical.fingerprint, ())

    def has_operation(self, request: CanonicalRequest) -> bool:
        """Whether a request of the same operation was recorded, or one with the same method and path where that is none."""
        return (request.backend, request.operation) in self._operations

    def whole_name(self, name: str) -> str:
        """A stub's name with the whole path of its file; the same name where it came from none."""
        file, _, number = name.rpartition("#")
        return f"{self.paths[file].resolve()}#{number}" if file in self.paths else name

    def requests(self) -> Iterator[tuple[str, CanonicalRequest]]:
        """Every recorded request with the name of the first interaction that answers it."""
        for fingerprint, request in self._requests.items():
            yield self._recorded[fingerprint][0].name, request

    @property
    def ignored(self) -> tuple[str, ...]:
        """What does not count when requests are compared, as it was written."""
        return tuple(ignore.text for ignore in self.ignores)

    def answers(self) -> Iterator[Answer]:
        """Every recorded answer."""
        for stubs in self._recorded.values():
            yield from (each.answer for each in stubs if isinstance(each.answer, Answer))

    def models(self, backend: Backend) -> tuple[str, ...]:
        """The models or deployments in the recordings of a backend, the most frequent first."""
        counts = Counter(request.model for request in self._requests.values() if request.backend == backend)
        return tuple(name for name, _ in counts.most_common())

    def model_behind(self, name: str) -> str | None:
        """The model that a recorded answer for this model or deployment names; None if no recording fits."""
        return self._models.get(name)

    def __len__(self) -> int:
        return sum(map(len, self._recorded.values())) + len(self.scenarios.always)


def load_index(directories: Sequence[Path], ignores: Sequence[str] = (), *, below: Path | None = None) -> CassetteIndex:
    """The cassettes and scenarios in the directories. A YAML list is a scenario, a mapping is a cassette.

    Files are named by their path below their directory, or `below` another. `ignores` do not count when requests are compared: `FIELD` or `FIELD=PATTERN`, as `parse_ignore` reads them.

    Raises:
        CassetteError, StubError, ConflictError, IgnoreError: what is wrong, and in which file.
        FileNotFoundError: a directory is not there.
    """
    index = CassetteIndex(tuple(map(parse_ignore, ignores)))
    for relative, path in cassette.files(directories):
        is_below = below is not None and path.is_relative_to(below)
        short = path.relative_to(below).as_posix() if below is not None and is_below else relative
        name = short if index.paths.setdefault(short, path) == path else str(path)
        index.paths[name] = path
        text = path.read_bytes()
        if cassette.is_scenario(text):
            index.scenarios.add(name, path, text)
        else:
            loaded = cassette.parse(path, text)
            for number, interaction in enumerate(loaded.interactions, 1):
                call = Call(interaction.request, index.ignores)
                broken = conformance.violations(call, interaction.answer)
                if broken and loaded.source is cassette.Source.AUTHORED:
                    raise cassette.CassetteError(
                        path, number, f"an authored answer must keep the contract: {broken[0]}"
                    )
                index.violations += tuple((f"{name}#{number}", violation) for violation in broken)
                index.add_call(f"{name}#{number}", call, interaction.answer)
        index.files += 1
    return index


def _file(name: str) -> str:
    return name.rpartition("#")[0]
