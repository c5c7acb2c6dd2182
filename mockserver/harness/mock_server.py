"""The model endpoint as a test sees it: what it answers, what was asked, its clock and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

from mockserver.clock import SystemClock
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.journal.entry import Place
from mockserver.journal.journal import Journal
from mockserver.matching.criteria import When
from mockserver.simulation.fault import FaultKind
from mockserver.simulation.holds import Hold
from mockserver.simulation.limits import parse_limits
from mockserver.simulation.scopes import SCOPE_HEADER, Scope
from mockserver.simulation.stub import parse_criteria
from mockserver.simulation.stub_entry import NO_BODY, FilterName, FinishName

#: Tool calls by function name, each with its arguments.
ToolCalls = Mapping[str, Mapping[str, Any]]


class PaceKeys(TypedDict, total=False):
    """Milliseconds before the head of the answer, and before each later event with text."""

    first_ms: float
    each_ms: float


class UsageKeys(TypedDict, total=False):
    """Counts of tokens that are not to be counted; `output` includes `reasoning`."""

    input: int
    cached: int
    output: int
    reasoning: int


class CitationKeys(TypedDict, total=False):
    """A source: a page with its `url`, or a file with its `file_id`; `quote` is the part of the answer that cites it."""

    url: str
    file_id: str
    title: str
    quote: str


@dataclass(frozen=True, slots=True)
class MockServer:
    """A model endpoint for one test: what it is told is forgotten when the test ends. `owner` is the scope it speaks for."""

    model: ModelEndpoint
    owner: Scope

    @property
    def base_url(self) -> str:
        """For `OpenAI(base_url=…)`."""
        return f"{self.model.url}/v1"

    @property
    def azure_endpoint(self) -> str:
        """For `AzureOpenAI(azure_endpoint=…)`."""
        return self.model.url

    @property
    def headers(self) -> dict[str, str]:
        """What to send so that a request belongs to this scope; empty for everybody's."""
        return {SCOPE_HEADER: self.owner.name} if self.owner.name else {}

    @property
    def journal(self) -> Journal:
        """The test's exchanges with the model, oldest first; in a scope, those of the scope."""
        journal = self.model.simulation.journal.only(place=Place.MODEL)
        return journal.only(scope=self.owner.name) if self.owner.name else journal

    @property
    def clock(self) -> SystemClock:
        """The clock everything goes by: `freeze()`, `advance(seconds)`, `resume()`."""
        return self.model.clock

    @contextmanager
    def scope(self, scenario: str | None = None) -> Iterator[MockServer]:
        """The same endpoint for clients that send this one's `headers`, with stubs, counts and limits of their own.

        Raises:
            ScenarioError: no scenario of that name.
        """
        scopes = self.model.simulation.scopes
        scope = scopes.open(scenario)
        try:
            yield MockServer(self.model, scope)
        finally:
            self.model.simulation.close_scope(scope.name)

    def hold(self, to: str | None = None, *, when: When | None = None) -> Hold:
        """Hold the next answer, to the last user message `to`, or to what `when` says: it goes on by `step`, `fault` and `release`.

        Raises:
            StubError: a wrong criterion.
        """
        criteria = parse_criteria(when or {"prompt": to}, "hold")
        return self.model.simulation.holds.open(criteria, self.owner.name)

    def limit(self, name: str, limit: str) -> None:
        """Limit a model or deployment to what `6rpm,1000tpm` says; `*` is every name.

        Raises:
            LimitError: a limit that cannot be read.
        """
        self.owner.limits |= parse_limits((f"{name}={limit}",))

    def say(
        self,
        text: str | None = None,
        *,
        to: str | None = None,
        when: When | None = None,
        call: ToolCalls | Sequence[ToolCalls] | None = None,
        refusal: str | None = None,
        reasoning: str | None = None,
        reasoning_content: str | None = None,
        citations: Sequence[CitationKeys] | None = None,
        context: Mapping[str, Any] | None = None,
        finish: FinishName | None = None,
        usage: UsageKeys | None = None,
        pace: PaceKeys | None = None,
        filter: FilterName | None = None,  # noqa: A002  the key of a scenario
        status: int | None = None,
        error: str | Mapping[str, Any] | None = None,
        body: Any = NO_BODY,
        events: Sequence[str | Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        fault: FaultKind | None = None,
        after: int | None = None,
        wait_ms: int | None = None,
        retry_after: str | float | None = None,
        times: int | None = None,
    ) -> None:
        """Answer with a text when the last user message is `to`, or any request where it is None.

        The other parameters are the keys of a scenario's entry; `when` takes the place of `to`.

        Raises:
            StubError: a wrong value, or nothing to do.
        """
        keys: dict[str, Any] = {"call": call, "refusal": refusal, "reasoning": reasoning, "citations": citations}
        keys |= {
            "reasoning_content": reasoning_content,
            "context": context,
            "finish": finish,
            "usage": usage,
            "pace": pace,
            "filter": filter,
        }
        keys |= {"status": status, "error": error, "events": events, "headers": headers, "fault": fault}
        keys |= {"after": after, "wait_ms": wait_ms, "retry_after": retry_after, "times": times}
        entry = {"say": text, "when": when or {"prompt": to}, **{k: v for k, v in keys.items() if v is not None}}
        if body is not NO_BODY:
            entry["body"] = body
        self.model.simulation.scopes.say_entries(entry, name="said in the test", scope=self.owner)
