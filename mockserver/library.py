"""Everything a folder of cassettes and scenarios offers to answer with, indexed by what the model would see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contracts.operations import Backend
from contracts.violations import Violation
from mockserver import cassette
from mockserver.exchange import Answer, Interaction
from mockserver.judge import violations
from mockserver.mendable import MendableError
from mockserver.question import Ignore, Question, parse_ignore, question_of
from mockserver.scenarios import Scenarios
from mockserver.stub import Stub

#: The cassettes that come with this package.
SHIPPED = Path(__file__).parent / "cassettes"


class ConflictError(MendableError):
    """Two cassettes answer the same request differently; `names` are the two interactions."""

    def __init__(self, names: tuple[str, str], question: Question) -> None:
        first, second = names
        super().__init__(
            f"{first} and {second} hold the same request ({question}) with different answers. "
            "Keep one of them, or put both into one cassette, where they are answered in order."
        )
        self.names = names


@dataclass(slots=True)
class Library:
    """Recorded stubs by fingerprint, and scenarios; `ignores` does not count in any comparison.

    `findings` are the contract's violations by recorded and imported answers, which play all the same."""

    ignores: tuple[Ignore, ...] = ()
    scenarios: Scenarios = field(default_factory=Scenarios)
    findings: tuple[tuple[str, Violation], ...] = ()
    files: int = 0
    _recorded: dict[str, tuple[Stub, ...]] = field(default_factory=dict)
    _questions: dict[str, Question] = field(default_factory=dict)

    def add(self, name: str, interaction: Interaction) -> None:
        """Answer this request with this answer too, after those of the same cassette that are there already.

        Raises:
            ConflictError: another cassette answers the same request differently.
        """
        question = question_of(interaction.request, self.ignores)
        stub = Stub(name, answer=interaction.answer)
        before = self._recorded.get(question.fingerprint, ())
        same_file = all(_file(each.name) == _file(name) for each in before)
        if before and not same_file:
            if [each.answer for each in before] == [interaction.answer]:
                return
            raise ConflictError((before[0].name, name), question)
        self._recorded[question.fingerprint] = (*before, stub)
        self._questions[question.fingerprint] = question

    def recorded(self, question: Question) -> tuple[Stub, ...]:
        """The stubs for a question in recorded order; empty where there is none."""
        return self._recorded.get(question.fingerprint, ())

    def questions(self) -> Iterator[tuple[str, Question]]:
        """Every question with the name of the first interaction that answers it."""
        for fingerprint, question in self._questions.items():
            yield self._recorded[fingerprint][0].name, question

    def answers(self) -> Iterator[Answer]:
        """Every recorded answer."""
        for stubs in self._recorded.values():
            yield from (each.answer for each in stubs if isinstance(each.answer, Answer))

    def models(self, backend: Backend) -> tuple[str, ...]:
        """The models or deployments the recordings of a backend ask, the most asked first."""
        asked = Counter(
            each.content["model"] for each in self._questions.values() if each.content["backend"] == backend
        )
        return tuple(name for name, _ in asked.most_common())

    def __len__(self) -> int:
        return sum(map(len, self._recorded.values())) + len(self.scenarios.always)


def load_library(directories: Sequence[Path], ignores: Sequence[str] = ()) -> Library:
    """The cassettes and scenarios in the directories. A YAML list is a scenario, a mapping is a cassette.

    `ignores` is what does not count when requests are compared: `FIELD` or `FIELD=PATTERN`, as `parse_ignore` reads it.

    Raises:
        CassetteError, StubError, ConflictError, IgnoreError: what is wrong, and in which file.
        FileNotFoundError: a directory is not there.
    """
    library = Library(tuple(map(parse_ignore, ignores)))
    names: dict[str, Path] = {}
    for short, path in cassette.files(directories):
        name = short if names.setdefault(short, path) == path else str(path)
        text = path.read_bytes()
        if cassette.is_scenario(text):
            library.scenarios.add(name, path, text.decode())
        else:
            loaded = cassette.parse(path, text)
            for number, interaction in enumerate(loaded.interactions, 1):
                broken = violations(interaction.request, interaction.answer)
                if broken and loaded.source is cassette.Source.AUTHORED:
                    raise cassette.CassetteError(
                        path, number, f"an authored answer keeps the contract; this one does not: {broken[0]}"
                    )
                library.findings += tuple((f"{name}#{number}", each) for each in broken)
                library.add(f"{name}#{number}", interaction)
        library.files += 1
    return library


def _file(name: str) -> str:
    return name.rpartition("#")[0]
