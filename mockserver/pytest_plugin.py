"""pytest fixtures: `mock_server` answers as the model, `site` is the whole app before it, `page_as` signs a browser in.

A request that no stub fits fails its test, even where the app swallowed the error; mark a test that wants one with
`@pytest.mark.expects_miss`. Options in the ini file: `mockserver_cassettes`, `mockserver_ignore`, `mockserver_webapp`, `mockserver_api`,
`mockserver_personas`, `mockserver_backend`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mockserver.last_run import MISSED, USED

if TYPE_CHECKING:  # the product is imported when a fixture is asked for, not with every pytest run
    from playwright.sync_api import BrowserContext, Page

    from mockserver.clock import SystemClock
    from mockserver.journal import Entry, Journal
    from mockserver.rehearsal import Model, Rehearsal

_MODEL: pytest.StashKey[Model] = pytest.StashKey()
_SINCE: pytest.StashKey[int] = pytest.StashKey()
#: What this run leaves behind, by its key in pytest's cache.
_LEFT = pytest.StashKey[dict[str, list[Any]]]()
_RAN = pytest.StashKey[bool]()
_MARK = "expects_miss"


@dataclass(frozen=True, slots=True)
class MockServer:
    """A model endpoint for one test: what it is told is forgotten when the test ends."""

    model: Model

    @property
    def base_url(self) -> str:
        """For `OpenAI(base_url=…)`."""
        return f"{self.model.url}/v1"

    @property
    def azure_endpoint(self) -> str:
        """For `AzureOpenAI(azure_endpoint=…)`."""
        return self.model.url

    @property
    def journal(self) -> Journal:
        """The test's exchanges, oldest first."""
        return self.model.simulation.journal

    @property
    def clock(self) -> SystemClock:
        """The clock everything goes by: `freeze()`, `advance(seconds)`, `resume()`."""
        return self.model.clock

    def scenario(self, name: str | None) -> None:
        """Lay a scenario over the cassettes for this test, as `@pytest.mark.scenario(name)` does; None lays none.

        Raises:
            ScenarioError: there is none of that name.
        """
        self.model.simulation.choose(name)

    def limit(self, name: str, limit: str) -> None:
        """Let a model or deployment do no more in a minute than `6rpm,1000tpm` says; `*` is every name.

        Raises:
            LimitError: a limit that cannot be read.
        """
        from mockserver.limits import parse_limits

        self.model.simulation.limits |= parse_limits((f"{name}={limit}",))

    def say(self, text: str | None = None, *, to: str | None = None, **more: Any) -> None:
        """Answer with a text when the last user message is `to`, or whatever is asked where that is None.

        `more` are the keys of a scenario: `call`, `fault`, `after`, `times`, `pace`.

        Raises:
            StubError: an unknown key or a wrong value.
        """
        from mockserver.stub import parse_stub

        entry = {"say": text, "when": {"prompt": to}, **more}
        simulation = self.model.simulation
        simulation.say(parse_stub(entry, f"said in the test#{len(simulation.stubs) + 1}"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("mockserver_cassettes", "folders of cassettes and scenarios; default: those that come along", "paths")
    parser.addini("mockserver_ignore", "what does not count when requests are compared", "linelist")
    parser.addini("mockserver_webapp", "the built page of the `site` fixture", "string", "webapp/dist")
    parser.addini("mockserver_api", "the function app of the `site` fixture", "string", "api")
    parser.addini("mockserver_personas", "a personas file; default: alice, bob and carol", "string", "")
    parser.addini("mockserver_backend", "which endpoint the API is set up for: openai or azure", "string", "openai")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "scenario(name): the scenario that is laid over the cassettes for this test")
    config.addinivalue_line("markers", f"{_MARK}: the test wants a request that no stub fits")
    config.stash[_LEFT] = {USED: [], MISSED: []}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep which stubs answered in this run, and what none answered, for the commands that work on cassettes; a worker
    of pytest-xdist hands it to the one who started it."""
    left = session.config.stash[_LEFT]
    if (handed_over := getattr(session.config, "workeroutput", None)) is not None:
        handed_over |= left
    elif session.config.stash.get(_RAN, False) and (cache := getattr(session.config, "cache", None)) is not None:
        for key, value in left.items():
            cache.set(key, value)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of pytest-xdist hands over."""
    node.config.stash[_RAN] = True
    for key, value in node.config.stash[_LEFT].items():
        value.extend(each for each in getattr(node, "workeroutput", {}).get(key, ()) if each not in value)


@pytest.fixture(scope="session")
def mock_model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """The session's running model endpoint; tests ask for `mock_server`."""
    from mockserver.library import SHIPPED
    from mockserver.rehearsal import Model, ModelOptions

    folders = tuple(request.config.getini("mockserver_cassettes")) or (SHIPPED,)
    ignores = tuple(request.config.getini("mockserver_ignore"))
    with Model(ModelOptions(folders, ignores=ignores)) as model:
        request.config.stash[_MODEL] = model
        yield model
        del request.config.stash[_MODEL]
        request.config.stash[_LEFT][USED].extend(sorted(model.simulation.used))
        request.config.stash[_RAN] = True


@pytest.fixture
def mock_server(mock_model: Model, request: pytest.FixtureRequest) -> Iterator[MockServer]:
    """The model endpoint, fresh for this test."""
    mock_model.simulation.reset()
    if (mark := request.node.get_closest_marker("scenario")) is not None:
        mock_model.simulation.choose(*mark.args)
    yield MockServer(mock_model)
    mock_model.simulation.reset()
    mock_model.clock.resume()


@pytest.fixture(scope="session")
def mock_site(request: pytest.FixtureRequest, mock_model: Model) -> Iterator[Rehearsal]:
    """The session's running app; tests ask for `site`."""
    from contracts.operations import Backend
    from mockserver.rehearsal import AppOptions, Rehearsal
    from mockserver.swa.personas import SHIPPED, load_personas

    config = request.config
    personas = config.getini("mockserver_personas")
    options = AppOptions(
        webapp=config.rootpath / config.getini("mockserver_webapp"),
        api=config.rootpath / config.getini("mockserver_api"),
        personas=load_personas(config.rootpath / personas if personas else Path(SHIPPED)),
        backend=Backend(_one_of(list(Backend), config.getini("mockserver_backend"))),
    )
    with Rehearsal(mock_model, options) as rehearsal:
        yield rehearsal


def _one_of(known: list[str], value: str) -> str:
    if value not in known:
        raise pytest.UsageError(f"mockserver_backend is {value!r}; there are: {', '.join(known)}")
    return value


@pytest.fixture
def site(mock_site: Rehearsal, mock_server: MockServer) -> Rehearsal:
    """The whole app over this test's `mock_server`: `site.url`, `site.headers(persona)`, `site.api_url` past the gate."""
    del mock_server
    return mock_site


@pytest.fixture
def page_as(new_context: Callable[..., BrowserContext], site: Rehearsal) -> Callable[[str], Page]:
    """A browser page in a context of its own, signed in as a persona. Needs pytest-playwright."""

    def signed_in(persona: str) -> Page:
        context = new_context(base_url=site.url)
        for name, value in site.cookie(persona).items():
            context.add_cookies([{"name": name, "value": value, "url": site.url}])
        return context.new_page()

    return signed_in


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note where in the journal the test begins."""
    model = item.config.stash.get(_MODEL, None)
    item.stash[_SINCE] = model.simulation.journal.last_number if model else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test for every reason a request missed; in the call phase, so that it is FAILED and not ERROR."""
    try:
        result = yield
    except Exception as error:
        if text := _misses(item):
            _keep_misses(item)
            error.add_note(text)
        raise
    text, wanted = _misses(item), item.get_closest_marker(_MARK) is not None
    if text and not wanted:
        _keep_misses(item)
        pytest.fail(text, pytrace=False)
    if wanted and not text:
        pytest.fail(f"marked {_MARK}, but every request was answered", pytrace=False)
    return result


def _misses(item: pytest.Item) -> str:
    """The explanation of the test's misses, once for each reason; empty where there is none."""
    model = item.config.stash.get(_MODEL, None)
    if model is None:
        return ""
    from mockserver.explain import explain, same_reason

    reasons: list[list[Entry]] = []
    for entry in model.simulation.journal.misses(item.stash[_SINCE]):
        alike = next((each for each in reasons if same_reason(_miss(each[0]), _miss(entry))), None)
        if alike is None:
            reasons.append([entry])
        else:
            alike.append(entry)
    return "\n\n".join(explain(_miss(each[0]), len(each)) for each in reasons)


def _keep_misses(item: pytest.Item) -> None:
    """For `cassette accept` and `record --missing`."""
    from mockserver.carry import as_json

    model, left = item.config.stash[_MODEL], item.config.stash[_LEFT][MISSED]
    for entry in model.simulation.journal.misses(item.stash[_SINCE]):
        kept = as_json(_miss(entry))
        left += [] if kept in left else [kept]


def _miss(entry: Entry) -> Any:
    return entry.miss
