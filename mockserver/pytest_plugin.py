"""pytest fixtures: `mock_server` answers as the model, `functions_host` is the API over it, `site` the whole app; `persona`
and `page_as` sign clients and browsers in, `scenario` chooses what goes wrong, `journal` knows what happened.

A request that no stub fits fails its test, even where the app swallowed the error; mark a test that wants one with
`@pytest.mark.expects_miss`. A failed test leaves a timeline in `test-results/`. Options in the ini file: `mockserver_cassettes`, `mockserver_ignore`, `mockserver_webapp`, `mockserver_api`,
`mockserver_personas`, `mockserver_backend`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mockserver.cassette_tools.last_run import MISSED, USED

if TYPE_CHECKING:  # the product is imported when a fixture is asked for, not with every pytest run
    from httpx2 import Client
    from playwright.sync_api import BrowserContext, Page

    from mockserver.harness.function_app import FunctionApp
    from mockserver.harness.mock_server import MockServer
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.whole_app import WholeApp
    from mockserver.journal.entry import Entry
    from mockserver.journal.journal import Journal
    from mockserver.simulation.cassette_index import CassetteIndex

_MODEL: pytest.StashKey[ModelEndpoint] = pytest.StashKey()
_SINCE: pytest.StashKey[int] = pytest.StashKey()
#: What this run leaves behind, by its key in pytest's cache.
_LEFT = pytest.StashKey[dict[str, list[Any]]]()
_RAN = pytest.StashKey[bool]()
_MARK = "expects_miss"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("mockserver_cassettes", "folders of cassettes and scenarios; default: those that come along", "paths")
    parser.addini("mockserver_ignore", "what does not count when requests are compared", "linelist")
    parser.addini("mockserver_webapp", "the built page of the `site` fixture", "string", "webapp/dist")
    parser.addini("mockserver_api", "the function app of the `site` fixture", "string", "api")
    parser.addini("mockserver_personas", "a personas file; default: alice, bob and carol", "string", "")
    parser.addini("mockserver_backend", "which endpoint the API is set up for: openai or azure", "string", "openai")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "scenario(name): the scenario that is laid over the cassettes for this test")
    config.addinivalue_line(
        "markers", "cassette: this test is answered by its own cassette, recordings/MODULE/TEST.yaml beside it"
    )
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
def mock_model(request: pytest.FixtureRequest) -> Iterator[ModelEndpoint]:
    """The session's running model endpoint; tests ask for `mock_server`."""
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.simulation.cassette_index import BUNDLED_CASSETTES

    folders = tuple(request.config.getini("mockserver_cassettes")) or (BUNDLED_CASSETTES,)
    ignores = tuple(request.config.getini("mockserver_ignore"))
    with ModelEndpoint(ModelOptions(folders, ignores=ignores)) as model:
        request.config.stash[_MODEL] = model
        yield model
        del request.config.stash[_MODEL]
        request.config.stash[_LEFT][USED].extend(sorted(model.simulation.scopes.ever_used))
        request.config.stash[_RAN] = True


@pytest.fixture
def mock_server(mock_model: ModelEndpoint, request: pytest.FixtureRequest) -> Iterator[MockServer]:
    """The model endpoint, fresh for this test."""
    from mockserver.harness.mock_server import MockServer

    simulation = mock_model.simulation
    simulation.reset()
    if (mark := request.node.get_closest_marker("scenario")) is not None:
        simulation.scopes.choose(_scenario_of(mark))
    with ExitStack() as stack:
        if request.node.get_closest_marker("cassette") is not None:
            own = _own_index(simulation.index, _cassette_of(request.node))
            stack.enter_context(simulation.answering_from(own))
        yield MockServer(mock_model, simulation.scopes.everybody)
    simulation.reset()
    mock_model.clock.resume()


def _scenario_of(mark: pytest.Mark) -> str:
    given = (*mark.args, *mark.kwargs.values())
    if len(given) != 1 or not isinstance(given[0], str) or mark.kwargs.keys() - {"name"}:
        raise pytest.UsageError('write @pytest.mark.scenario("name"), with one name of a scenario')
    return given[0]


def _own_index(shared: CassetteIndex, path: Path) -> CassetteIndex:
    """What a test with a cassette of its own is answered by; empty before that is recorded."""
    from mockserver.simulation.cassette_index import CassetteIndex, load_index

    ignores = tuple(each.text for each in shared.ignores)
    own = load_index((path,), ignores) if path.exists() else CassetteIndex(shared.ignores)
    own.scenarios = shared.scenarios
    return own


def _cassette_of(item: pytest.Item) -> Path:
    name = re.sub(r"[^\w.-]+", "-", item.name).strip("-")
    return item.path.parent / "recordings" / item.path.stem / f"{name}.yaml"


@pytest.fixture
def scenario(mock_server: MockServer) -> Callable[[str | None], None]:
    """`scenario("rate-limited")` lays a scenario over the cassettes from now on; None lays none."""
    return mock_server.model.simulation.scopes.choose


@pytest.fixture
def journal(mock_server: MockServer) -> Journal:
    """All of the test's exchanges, at the site, the Functions host and the model: `only`, `wait_for`, `verify`, `expect`."""
    return mock_server.model.simulation.journal


@pytest.fixture(scope="session")
def mock_functions(request: pytest.FixtureRequest, mock_model: ModelEndpoint) -> Iterator[FunctionApp]:
    """The session's running function app; tests ask for `functions_host`."""
    from mockserver.contract.operations import Backend
    from mockserver.harness.function_app import FunctionApp
    from mockserver.harness.options import ApiOptions

    config = request.config
    backend = Backend(_one_of(list(Backend), config.getini("mockserver_backend")))
    options = ApiOptions(config.rootpath / config.getini("mockserver_api"), backend)
    with FunctionApp(mock_model, options) as functions:
        yield functions


@pytest.fixture
def functions_host(mock_functions: FunctionApp, mock_server: MockServer) -> FunctionApp:
    """The function app alone over this test's `mock_server`, past the gate: `functions_host.url`."""
    del mock_server
    return mock_functions


@pytest.fixture(scope="session")
def mock_site(
    request: pytest.FixtureRequest, mock_model: ModelEndpoint, mock_functions: FunctionApp
) -> Iterator[WholeApp]:
    """The session's running app; tests ask for `site`."""
    from mockserver.harness.options import SiteOptions
    from mockserver.harness.whole_app import WholeApp
    from mockserver.swa.personas import BUNDLED_PERSONAS, load_personas

    config = request.config
    personas = config.getini("mockserver_personas")
    options = SiteOptions(
        webapp=config.rootpath / config.getini("mockserver_webapp"),
        personas=load_personas(config.rootpath / personas if personas else BUNDLED_PERSONAS),
    )
    with WholeApp(mock_model, mock_functions, options) as rehearsal:
        yield rehearsal


def _one_of(known: list[str], value: str) -> str:
    if value not in known:
        raise pytest.UsageError(f"mockserver_backend is {value!r}; there are: {', '.join(known)}")
    return value


@pytest.fixture
def site(mock_site: WholeApp, mock_server: MockServer) -> WholeApp:
    """The whole app over this test's `mock_server`: `site.url`, `site.headers(persona)`, `site.api_url` past the gate."""
    del mock_server
    return mock_site


@pytest.fixture
def persona(site: WholeApp) -> Iterator[Callable[[str], Client]]:
    """`persona("alice")` is an HTTP client of the site, signed in as her: `.get("/api/health")`, `.post("/api/chat/completions", json=…)`."""
    from httpx2 import Client

    with ExitStack() as stack:
        yield lambda name: stack.enter_context(
            Client(base_url=site.url, headers=site.headers(name), trust_env=False, timeout=60)
        )


@pytest.fixture
def page_as(new_context: Callable[..., BrowserContext], site: WholeApp) -> Callable[[str], Page]:
    """A browser page in a context of its own, signed in as a persona. Needs pytest-playwright."""

    def signed_in(persona: str) -> Page:
        context = new_context(base_url=site.url)
        for name, value in site.cookie(persona).items():
            context.add_cookies([{"name": name, "value": value, "url": site.url}])
        return context.new_page()

    return signed_in


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note where in the journal the test begins, and that its marks are heard by somebody."""
    for name in ("scenario", "cassette"):
        mark = item.get_closest_marker(name)
        if mark is not None and "mock_server" not in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(
                f"@pytest.mark.{name} does nothing without a fixture of the mock server: ask for mock_server"
            )
        if mark is not None and name == "cassette" and (mark.args or mark.kwargs):
            raise pytest.UsageError("@pytest.mark.cassette takes no argument: its file is recordings/MODULE/TEST.yaml")
    model = item.config.stash.get(_MODEL, None)
    item.stash[_SINCE] = model.simulation.journal.last_number if model else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test for every reason a request missed and for what was expected in vain; in the call phase, so that it
    is FAILED and not ERROR."""
    try:
        result = yield
    except Exception as error:
        for text in (*_complaints(item), _timeline(item)):
            error.add_note(text) if text else None
        raise
    if complaints := _complaints(item):
        pytest.fail("\n\n".join(filter(None, (*complaints, _timeline(item)))), pytrace=False)
    return result


def _complaints(item: pytest.Item) -> tuple[str, ...]:
    """Why the test fails though its own code does not say so: requests that missed, and what was expected in vain."""
    model = item.config.stash.get(_MODEL, None)
    if model is None:
        return ()
    missed, wanted = _misses(model.simulation.journal, item), item.get_closest_marker(_MARK) is not None
    if wanted:
        missed = () if missed else (f"marked {_MARK}, but every request was answered",)
    elif missed:
        _keep_misses(model, item)
    return (*missed, *model.simulation.journal.unmet())


def _misses(journal: Journal, item: pytest.Item) -> tuple[str, ...]:
    """The explanation of the test's misses, once for each reason."""
    from mockserver.simulation.miss_report import miss_report, same_reason

    reasons: list[list[Entry]] = []
    for entry in journal.misses(item.stash[_SINCE]):
        alike = next((each for each in reasons if same_reason(_miss(each[0]), _miss(entry))), None)
        if alike is None:
            reasons.append([entry])
        else:
            alike.append(entry)
    return tuple(miss_report(_miss(each[0]), len(each)) for each in reasons)


def _keep_misses(model: ModelEndpoint, item: pytest.Item) -> None:
    """For `cassette accept` and `record --missing`."""
    from mockserver.cassette_tools.accept import miss_as_json

    left = item.config.stash[_LEFT][MISSED]
    own = str(_cassette_of(item)) if item.get_closest_marker("cassette") is not None else ""
    for entry in model.simulation.journal.misses(item.stash[_SINCE]):
        kept = miss_as_json(_miss(entry), cassette=own)
        left += [] if kept in left else [kept]


def _timeline(item: pytest.Item) -> str:
    """Where the failed test's timeline is; empty where nothing happened."""
    model = item.config.stash.get(_MODEL, None)
    entries = [each for each in model.simulation.journal if each.number > item.stash[_SINCE]] if model else []
    if not entries:
        return ""
    from mockserver.journal.timeline import timeline

    name = re.sub(r"[^\w.-]+", "-", item.nodeid.rpartition("/")[2]).strip("-")[:150]
    path = item.config.rootpath / "test-results" / f"{name}.html"
    path.parent.mkdir(exist_ok=True)
    path.write_text(timeline(item.nodeid, entries), encoding="utf-8")
    return f"What happened: {path.relative_to(item.config.rootpath)}"


def _miss(entry: Entry) -> Any:
    return entry.miss
