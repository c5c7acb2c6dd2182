"""pytest fixtures: `mock_server` is the model endpoint, `functions_host` the API over it, `site` the whole app.

`persona` and `page_as` sign clients and browsers in, `scenario` chooses what goes wrong, `journal` knows what happened. A request
that no stub answers fails its test, even where the app catches the error; a test that expects one is marked
`@pytest.mark.expects_miss`. A failed test leaves a timeline and a HAR in `test-results/`. Options in the ini file: `mockserver_cassettes`,
`mockserver_ignore`, `mockserver_webapp`, `mockserver_api`, `mockserver_personas`, `mockserver_backend`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mockserver.cassette_tools.last_run import MISSED, PARTIAL, USED

if TYPE_CHECKING:  # the product is imported when a test uses a fixture, not with every pytest run
    from httpx2 import Client
    from playwright.sync_api import BrowserContext, Page

    from mockserver.harness.function_app import FunctionApp
    from mockserver.harness.mock_server import MockServer
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.harness.whole_app import WholeApp
    from mockserver.journal.journal import Journal
    from mockserver.matching.miss import Miss

_MODEL: pytest.StashKey[ModelEndpoint] = pytest.StashKey()
_SINCE: pytest.StashKey[int] = pytest.StashKey()
#: What this run leaves in pytest's cache, by key.
_RESULTS = pytest.StashKey[dict[str, list[Any]]]()
_RAN = pytest.StashKey[bool]()
#: How many faults of the mock's own code have been reported.
_CRASHES = pytest.StashKey[int]()
_MARK, _REPORT = "expects_miss", "rehearsal-report"
_PASSED = pytest.StashKey[bool]()
_TIMELINE = pytest.StashKey[Path]()
#: Files that were recorded into, with the number of answers; 0 where the test failed and they were not kept.
_RECORDED = pytest.StashKey[list[tuple[Path, int]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("mockserver_cassettes", "folders of cassettes and scenarios; default: the bundled ones", "paths")
    parser.addini("mockserver_ignore", "what to ignore when requests are compared", "linelist")
    parser.addini("mockserver_webapp", "the built page of the `site` fixture", "string", "webapp/dist")
    parser.addini("mockserver_api", "the function app of the `site` fixture", "string", "api")
    parser.addini("mockserver_personas", "a personas file; default: the bundled one", "string", "")
    parser.addini("mockserver_backend", "the endpoint the API is configured for: openai or azure", "string", "openai")
    parser.addini("mockserver_allow", "texts with the form of a secret that recordings may keep", "linelist")
    group = parser.getgroup("dress-rehearsal")
    modes, about = (
        ("none", "once", "missing", "refresh"),
        "tests without a cassette (once), what is missing, or everything",
    )
    about = f"record from the real endpoint: {about} again (refresh)"
    group.addoption("--record", nargs="?", const="once", default="none", choices=modes, help=about)
    default, about = "test-results/rehearsal.html", "write what the whole run did and never tried as one HTML page"
    group.addoption("--rehearsal-report", nargs="?", const=default, metavar="PATH", help=f"{about}; default: {default}")
    group.addoption("--record-upstream", metavar="URL", help="the real endpoint; default: the variable UPSTREAM")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "scenario(name): lay this scenario over the cassettes for this test")
    config.addinivalue_line(
        "markers", "cassette: answer this test from its own cassette, recordings/MODULE/TEST.yaml beside it"
    )
    config.addinivalue_line("markers", f"{_MARK}: the test expects a request that no stub answers")
    results = config.stash[_RESULTS] = {USED: [], MISSED: [], PARTIAL: []}
    config.stash[_RECORDED] = []
    if config.getoption("--record") != "none":
        _check_can_record(config)
    if config.getoption("--rehearsal-report") is not None:
        from mockserver.run_report.plugin import ReportPlugin

        config.pluginmanager.register(ReportPlugin(config, results[USED], results[PARTIAL]), _REPORT)


def _check_can_record(config: pytest.Config) -> None:
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise pytest.UsageError("--record: CI never records: a person makes a recording and reviews it. (CI is set.)")
    if not (config.getoption("--record-upstream") or os.environ.get("UPSTREAM")):
        raise pytest.UsageError(
            "--record needs --record-upstream URL, or the variable UPSTREAM, as https://api.openai.com/v1"
        )
    if hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("--record works with one process: add -n 0")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was recorded, and what comes next."""
    if recorded := config.stash[_RECORDED]:
        terminalreporter.section("recorded")
        for path, count in recorded:
            terminalreporter.write_line(f"{count or 'not kept, the test failed:':>4}  {os.path.relpath(path)}")
        terminalreporter.write_line(
            "Look at them and commit them: dress-rehearsal cassette show PATH; cassette check PATH"
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Store which stubs answered in this run, and which requests none answered, for the commands that work on cassettes.

    A worker of pytest-xdist passes them to the main process.
    """
    results = session.config.stash[_RESULTS]
    chosen = session.config.args_source is pytest.Config.ArgsSource.ARGS
    if session.testsfailed or chosen:
        why = f"{session.testsfailed} of its tests failed" if session.testsfailed else "it ran chosen tests alone"
        results[PARTIAL].append(why)
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output |= results
    elif session.config.stash.get(_RAN, False) and (cache := getattr(session.config, "cache", None)) is not None:
        for key, value in results.items():
            cache.set(key, value)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note that not all tests ran."""
    items[0].config.stash[_RESULTS][PARTIAL].append(f"{len(items)} tests were deselected")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of pytest-xdist passes on."""
    node.config.stash[_RAN] = True
    for key, results in node.config.stash[_RESULTS].items():
        output = getattr(node, "workeroutput", {}).get(key, ())
        results.extend(result for result in output if result not in results)


@pytest.fixture(scope="session")
def mock_model(request: pytest.FixtureRequest) -> Iterator[ModelEndpoint]:
    """The session's running model endpoint; tests use `mock_server`."""
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.simulation.cassette_index import BUNDLED_CASSETTES

    folders = tuple(request.config.getini("mockserver_cassettes")) or (BUNDLED_CASSETTES,)
    options = ModelOptions(folders, ignores=tuple(request.config.getini("mockserver_ignore")))
    with ModelEndpoint(_recording(request.config, options)) as model:
        request.config.stash[_MODEL] = model
        yield model
        del request.config.stash[_MODEL]
        used = map(model.simulation.index.whole_name, model.simulation.scopes.ever_used)
        request.config.stash[_RESULTS][USED].extend(sorted(used))
        request.config.stash[_RAN] = True
    if model.recorder is not None:
        written = sorted(model.recorder.written.items())
        request.config.stash[_RECORDED] += [(path, len(numbers)) for path, numbers in written]
        request.config.stash[_RESULTS][USED].extend(
            f"{path.resolve()}#{number}" for path, numbers in written for number in numbers
        )


def _recording(config: pytest.Config, options: ModelOptions) -> ModelOptions:
    """The options with the real endpoint in them, if that is asked for."""
    from mockserver.harness.own_cassette import recording_options

    if config.getoption("--record") == "none":
        return options
    folders, allowed = config.getini("mockserver_cassettes"), tuple(config.getini("mockserver_allow"))
    upstream = config.getoption("--record-upstream") or os.environ["UPSTREAM"]
    return recording_options(options, upstream, (*folders, config.rootpath / ".pytest_cache")[0], allowed)


@pytest.fixture
def mock_server(mock_model: ModelEndpoint, request: pytest.FixtureRequest) -> Iterator[MockServer]:
    """The model endpoint, fresh for this test."""
    from mockserver.harness.mock_server import MockServer

    simulation = mock_model.simulation
    simulation.reset()
    if (mark := request.node.get_closest_marker("scenario")) is not None:
        simulation.scopes.choose(_scenario_of(mark))
    with _answering(mock_model, request.node):
        yield MockServer(mock_model, simulation.scopes.everybody)
        if (report := request.config.pluginmanager.get_plugin(_REPORT)) is not None:
            own, timeline = _own_cassette(request.node), request.node.stash.get(_TIMELINE, None)
            report.note(request.node.nodeid, simulation.journal, request.node.stash[_SINCE], own, timeline)
    simulation.reset()
    mock_model.clock.resume()
    if crashes := _crash_reports(request.config, mock_model):  # after the test's call
        pytest.fail("\n\n".join(crashes), pytrace=False)


def _scenario_of(mark: pytest.Mark) -> str:
    names = (*mark.args, *mark.kwargs.values())
    if len(names) != 1 or not isinstance(names[0], str) or mark.kwargs.keys() - {"name"}:
        raise pytest.UsageError(
            '@pytest.mark.scenario must have one scenario\'s name, as in @pytest.mark.scenario("name")'
        )
    return names[0]


def _answering(model: ModelEndpoint, item: pytest.Item) -> AbstractContextManager[None]:
    """What answers a test meanwhile: its own cassette, or those of all. Without a folder of its own, a project has none of all to
    record into."""
    from mockserver.harness.own_cassette import RecordMode, answering_from_own
    from mockserver.simulation.settings import OnMiss

    mode = RecordMode(item.config.getoption("--record"))
    if (own := _own_cassette(item)) is not None:
        passed = partial(item.stash.get, _PASSED, False)
        return answering_from_own(
            model,
            own,
            mode,
            root=item.config.rootpath,
            passed=passed,
            not_kept=lambda path: item.config.stash[_RECORDED].append((path, 0)),
        )
    records = mode is not RecordMode.NONE and bool(item.config.getini("mockserver_cassettes"))
    return model.simulation.answering_from(model.simulation.index, on_miss=OnMiss.RECORD if records else OnMiss.ERROR)


def _own_cassette(item: pytest.Item) -> Path | None:
    from mockserver.harness.own_cassette import own_cassette

    marked = item.get_closest_marker("cassette") is not None
    return own_cassette(item.path, item.nodeid.partition("::")[2]) if marked else None


@pytest.fixture
def scenario(mock_server: MockServer) -> Callable[[str | None], None]:
    """`scenario("rate-limited")` lays a scenario over the cassettes from now on; None removes it."""
    return mock_server.model.simulation.scopes.choose


@pytest.fixture
def journal(mock_server: MockServer) -> Journal:
    """All of the test's exchanges, at the site, the Functions host and the model: `only`, `wait_for`, `verify`, `expect`."""
    return mock_server.model.simulation.journal


@pytest.fixture(scope="session")
def mock_functions(request: pytest.FixtureRequest, mock_model: ModelEndpoint) -> Iterator[FunctionApp]:
    """The session's running function app; tests use `functions_host`."""
    from mockserver.contract.addresses import Backend
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
    """The session's running app; tests use `site`."""
    from mockserver.harness.options import SiteOptions
    from mockserver.harness.whole_app import WholeApp
    from mockserver.swa.personas import BUNDLED_PERSONAS, load_personas

    config, personas = request.config, request.config.getini("mockserver_personas")
    options = SiteOptions(
        webapp=config.rootpath / config.getini("mockserver_webapp"),
        personas=load_personas(config.rootpath / personas if personas else BUNDLED_PERSONAS),
    )
    with WholeApp(mock_model, mock_functions, options) as app:
        yield app


def _one_of(known: list[str], value: str) -> str:
    if value not in known:
        raise pytest.UsageError(f"mockserver_backend must be one of {', '.join(known)}, got {value!r}")
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
        context.add_cookies([{"name": n, "value": v, "url": site.url} for n, v in site.cookie(persona).items()])
        return context.new_page()

    return signed_in


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note where in the journal the test starts, and refuse marks that would have no effect."""
    for name in ("scenario", "cassette"):
        mark = item.get_closest_marker(name)
        if mark is not None and "mock_server" not in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(
                f"@pytest.mark.{name} has no effect without a fixture of the mock server: use mock_server"
            )
        if mark is not None and name == "cassette" and (mark.args or mark.kwargs):
            raise pytest.UsageError("@pytest.mark.cassette takes no argument: its file is recordings/MODULE/TEST.yaml")
    model = item.config.stash.get(_MODEL, None)
    item.stash[_SINCE] = model.simulation.journal.last_number if model else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test for each reason of a miss and for each unmet expectation; in the call phase, so that it is FAILED, not ERROR."""
    try:
        result = yield
    except (Exception, pytest.fail.Exception) as error:
        for text in filter(None, (*_failures(item), _write_timeline(item))):
            error.add_note(text)
        raise
    if failures := _failures(item):
        pytest.fail("\n\n".join(filter(None, (*failures, _write_timeline(item)))), pytrace=False)
    item.stash[_PASSED] = True
    return result


def _failures(item: pytest.Item) -> tuple[str, ...]:
    """Why the test fails although its own code passes: requests that no stub answered, and unmet expectations."""
    model = item.config.stash.get(_MODEL, None)
    if model is None:
        return ()
    from mockserver.simulation.miss_report import miss_reports

    reports = miss_reports(_misses(model.simulation.journal, item))
    if item.get_closest_marker(_MARK) is not None:
        reports = () if reports else (f"marked {_MARK}, but every request was answered",)
    elif reports:
        _store_misses(model, item)
    return (*_crash_reports(item.config, model), *reports, *model.simulation.journal.unmet())


def _crash_reports(config: pytest.Config, model: ModelEndpoint) -> tuple[str, ...]:
    """The faults of the mock's own code that have not been reported yet."""
    records, reported = model.simulation.journal.records, config.stash.get(_CRASHES, 0)
    config.stash[_CRASHES] = records.crash_count
    crashes = list(records.crashes)[reported - records.crash_count or 100 :]
    return tuple("\n".join((f"{crash}. Please report it:", crash.body, crash.traceback)) for crash in crashes)


def _store_misses(model: ModelEndpoint, item: pytest.Item) -> None:
    """For `cassette accept` and `record --missing`."""
    from mockserver.cassette_tools.accept import miss_as_json

    results = item.config.stash[_RESULTS][MISSED]
    cassette = str(_own_cassette(item) or "")
    for miss in _misses(model.simulation.journal, item):
        nearest = f"{Path(miss.file).resolve()}#{(miss.nearest or '').rpartition('#')[2]}" if miss.file else ""
        stored = miss_as_json(miss, nearest=nearest, cassette=cassette)
        results += [] if stored in results else [stored]


def _misses(journal: Journal, item: pytest.Item) -> list[Miss]:
    return [entry.miss for entry in journal.misses(item.stash[_SINCE]) if entry.miss is not None]


def _write_timeline(item: pytest.Item) -> str:
    """Write the failed test's timeline and its HAR, and say where they are; empty if nothing happened."""
    model = item.config.stash.get(_MODEL, None)
    entries = [entry for entry in model.simulation.journal if entry.number > item.stash[_SINCE]] if model else []
    if not entries:
        return ""
    from mockserver.journal.result_files import write_result

    try:
        page = write_result(item.config.rootpath / "test-results", item.nodeid, entries)
    except OSError as error:  # the test's own failure counts more
        return f"What happened could not be written: {error}"
    path = item.stash[_TIMELINE] = page.relative_to(item.config.rootpath)
    return f"What happened: {path}, and beside it as .har"
