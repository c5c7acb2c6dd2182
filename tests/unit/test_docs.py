"""What exists stands in the documents, once and in its page; and what stands there exists."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from infra.__main__ import main as infra
from mockserver import documents, exchange, remembered
from mockserver.answers.authored.authored_answer import Filter
from mockserver.answers.generated import embeddings, images, schema_instance, speech
from mockserver.cli import main
from mockserver.contract.operations import OPERATIONS
from mockserver.contract.request_check import RULE_NAMES
from mockserver.flask_apps import control
from mockserver.fronts import front, gate, wsgi
from mockserver.functions import host
from mockserver.journal import criteria, records
from mockserver.journal.records import Records
from mockserver.pytest_plugin import pytest_addoption
from mockserver.simulation import realtime, scopes
from mockserver.simulation.model_faults import MODEL_FAULTS
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.site_faults import SITE_FAULTS
from mockserver.simulation.steps import STEPS
from mockserver.simulation.stub_entry import StubEntry
from mockserver.stored import store
from mockserver.swa.personas import PersonaEntry
from mockserver.wire import server
from mockserver.wire.connection import BodyBudget

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "ARCHITECTURE.md")),
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
WHOLE = "\n\n".join(TEXTS.values())
README = TEXTS[ROOT / "README.md"]
#: Other programs that the documents have people run; what they do, and their options, are theirs.
OTHER_PROGRAMS = ("az", "cp", "eval", "flask", "git", "gunicorn", "node", "pip", "pytest", "read", "swa", "winget")

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def page(name: str) -> str:
    """The text of a page in `docs/`."""
    return TEXTS[ROOT / "docs" / f"{name}.md"]


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of a document's tables."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def table(text: str, first_heading: str) -> list[list[str]]:
    """The rows of the table whose first column has this heading."""
    _, found, rest = text.partition(f"\n| {first_heading} |")
    assert found, first_heading
    return list(table_rows(rest.partition("\n\n")[0]))[1:]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def commands(group: click.Group = main, prefix: str = "dress-rehearsal") -> dict[str, click.Command]:
    """Every command by what a person types."""
    by_name: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        by_name |= (
            commands(command, f"{prefix} {name}") if isinstance(command, click.Group) else {f"{prefix} {name}": command}
        )
    return by_name


def options(*of: click.Command) -> list[str]:
    """The options that `--help` explains."""
    shown = [option for command in of for option in command.params if not getattr(option, "hidden", False)]
    return [name for option in shown for name in option.opts if name.startswith("--")]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


# --- what exists stands in its page ----------------------------------------------------------------------------------


def test_every_command_has_its_row_with_its_options() -> None:
    rows = {names(row[0])[0]: names(row[2]) for row in table(page("command-line"), "command")}
    assert rows == {name: options(command) for name, command in commands().items()}


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_its_options(command: str) -> None:
    result = CliRunner().invoke(main, [*command.split()[1:], "--help"])
    assert result.exit_code == 0
    assert [option for option in options(commands()[command]) if option not in result.output] == []


def test_every_setting_that_the_api_reads_has_its_row() -> None:
    source = (ROOT / "api" / "chat_api" / "settings.py").read_text(encoding="utf-8")
    constants = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    variables = {name for name in constants if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name)} - {"AZURE_OPENAI"}
    assert len(variables) >= 8
    assert [name for name in variables if f"`{name}`" not in page("api-settings")] == []


def test_every_fault_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", page("faults"), re.MULTILINE)
    assert rows == [*MODEL_FAULTS, *SITE_FAULTS]
    sentence = re.search(
        r"^`fault:`.*?\[([\w-]+) more\]\(faults.md\)\. (\w+)", page("answers"), re.MULTILINE | re.DOTALL
    )
    assert sentence
    named = len(names(sentence[0].partition("answer go wrong:")[2]))
    numbers = ("seventeen", "eighteen", "nineteen", "twenty", "twenty-one", "twenty-two")
    assert named + 17 + numbers.index(sentence[1]) == len(MODEL_FAULTS)
    assert sentence[2].lower() == {6: "six", 7: "seven", 8: "eight", 9: "nine"}[len(SITE_FAULTS)]


def test_every_operation_and_every_filter_has_its_row() -> None:
    operations = [name for row in table(page("answers"), "operation") for name in names(row[0])]
    assert sorted(operations) == sorted(operation.name for operation in OPERATIONS)
    filters = [name for row in table(page("answers"), "`filter:`") for name in names(row[0])]
    assert sorted(filters) == sorted(Filter)


def test_every_rule_has_its_row() -> None:
    assert sorted(name for row in table(page("answers"), "rules") for name in names(row[0])) == sorted(RULE_NAMES)


def test_every_step_has_its_row_in_its_order() -> None:
    assert [names(row[0])[0] for row in table(page("answers"), "step")] == [step.__name__ for step in STEPS]


def test_every_key_of_a_scenario_and_of_a_persona_is_documented() -> None:
    assert [key for key in StubEntry.__struct_fields__ if not re.search(rf"`{key}`|\b{key}:", page("answers"))] == []
    personas = page("whole-app").partition("## Personas")[2].partition("\n## ")[0]
    assert [key for key in PersonaEntry.__struct_fields__ if not re.search(rf"`{key}`|\b{key}:", personas)] == []


def test_every_control_route_has_its_row() -> None:
    rules = control.create_app(Simulation(), "").url_map.iter_rules()
    routes = {
        f"{method} {rule.rule.replace('<int:', '<')}"
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/__admin")
    }
    pattern = r"`((?:GET|POST|DELETE) /__admin/[\w./<>]+)`"
    assert routes == set(re.findall(pattern, page("control-routes")))
    assert set(re.findall(pattern, WHOLE)) == routes


def test_every_ini_option_has_its_row() -> None:
    source = Path(pytest_addoption.__code__.co_filename).read_text(encoding="utf-8")
    declared = re.findall(r'addini\(\s*"(\w+)"', source)
    assert len(declared) == 7
    assert sorted(name for row in table(page("testing"), "option") for name in names(row[0])) == sorted(declared)


def test_every_fixture_and_every_criterion_of_the_journal_has_its_row() -> None:
    source = Path(pytest_addoption.__code__.co_filename).read_text(encoding="utf-8")
    fixtures = re.findall(
        r"^@pytest.fixture\ndef (\w+)", source, re.MULTILINE
    )  # those of a test; a session's are not for it
    assert len(fixtures) == 7
    assert sorted(names(row[0])[0] for row in table(page("testing"), "fixture")) == sorted(fixtures)
    criterion = [name for row in table(page("testing"), "criterion") for name in names(row[0])]
    assert sorted(criterion) == sorted(criteria.NAMES)


def test_every_make_target_has_a_line_in_a_document() -> None:
    targets = re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    in_help_only = {"setup", "test-e2e", "lint", "clean", "sign-in", "review", "release"}
    assert [name for name in targets if f"make {name}" not in WHOLE and name not in in_help_only] == []


# --- what stands in a document exists --------------------------------------------------------------------------------


def shown(text: str) -> list[str]:
    """The commands of a document that need no Azure: those in its blocks of console, but for the ones marked `needs-azure`."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [
        line.strip().removeprefix("$ ")
        for block in blocks
        for line in block.splitlines()
        if line.strip().startswith("$ ")
    ]


@each_document
def test_every_command_of_a_document_exists(path: Path) -> None:
    infra_commands = {f"-m infra {name}" for name in infra.commands}
    for line in shown(TEXTS[path]):
        command = re.sub(r"#.*| && .*", "", line).split()
        if command[0] == "make":
            assert command[1] in make_targets(), line
        elif command[0] == ".venv/bin/python":
            assert (ROOT / command[1]).is_file() or " ".join(command[1:4]) in infra_commands, line
        elif command[0] == "dress-rehearsal":
            assert " ".join(command[: 3 if command[1:2] == ["cassette"] else 2]) in commands(), line
        else:
            assert command[0] in OTHER_PROGRAMS, line
    for name in re.findall(r"(?:^\$ |`)make ([a-z0-9-]+)", TEXTS[path], re.MULTILINE):
        assert name in make_targets(), name
    for name in re.findall(r"`dress-rehearsal ((?:cassette )?\w+)", TEXTS[path]):
        assert f"dress-rehearsal {name}" in commands() or name == "cassette", name


@each_document
def test_every_option_of_a_document_exists(path: Path) -> None:
    known = {*options(*commands().values(), *infra.commands.values()), "--help", "--version"}
    known |= set(re.findall(r'"(--[a-z-]+)"', (ROOT / "tests" / "e2e" / "conftest.py").read_text(encoding="utf-8")))
    known |= set(re.findall(r'"(--[a-z-]+)"', Path(pytest_addoption.__code__.co_filename).read_text(encoding="utf-8")))
    known |= set(re.findall(r'"(--[a-z-]+)"', (ROOT / "tools" / "load.py").read_text(encoding="utf-8")))
    known.add("--upgrade")  # of uv, for `make lock`
    others = rf"(?:^ *(?:\$ )?|`)(?:export \w+=\"\$\()?(?:{'|'.join(OTHER_PROGRAMS)}) [^`\n]*"
    text = re.sub(others, "", TEXTS[path], flags=re.MULTILINE)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known == set()


@each_document
def test_every_file_and_heading_that_a_document_leads_to_is_there(path: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", TEXTS[path]):
        if target.startswith("http"):
            continue
        document = (path.parent / target).resolve() if target else path
        assert document.exists(), target
        assert not heading or heading in anchors(TEXTS[document]), f"{target}#{heading}"
    folders = "api|contracts|docs|examples|infra|mockserver|tests|tools|webapp"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*\w)`", TEXTS[path]):
        assert (ROOT / name).exists() or name == "webapp/dist", name


def anchors(text: str) -> set[str]:
    """The fragments of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_a_block_that_asks_azure_is_marked(path: Path) -> None:
    asking = re.compile(r"\baz \w|make (?:destroy|preview)\b|make deploy(?! TOPOLOGY=linked ARGS=--dry-run)")
    assert [line for line in shown(TEXTS[path]) if asking.search(line)] == []


def test_a_role_is_assigned_by_object_id_so_that_no_directory_is_asked() -> None:
    commands = re.findall(r"^\$ (az role assignment create .*)$", WHOLE, re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        assert "--assignee-object-id " in command, command
        assert "--assignee-principal-type " in command, command


def test_who_is_told_to_write_a_secret_is_told_how_to_get_the_role_for_it() -> None:
    for path, text in TEXTS.items():
        before, command, _ = text.partition("$ az keyvault secret set")
        assert not command or '--role "Key Vault Secrets Officer"' in before, path


# --- the front door --------------------------------------------------------------------------------------------------


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.splitlines()) <= 130
    assert len(README.encode()) < 8_000
    pages = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS} - {"README.md"}
    linked = set(re.findall(r"\]\(([\w/.-]+\.md)\)", README))
    assert pages - linked == set()


def test_no_paragraph_stands_in_two_documents() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, text in TEXTS.items():
        for paragraph in {" ".join(block.split()) for block in re.split(r"\n\s*\n", text)}:
            if len(paragraph) > 200:
                places[paragraph].append(path.name)
    assert {paragraph: where for paragraph, where in places.items() if len(where) > 1} == {}


def test_lock_files_carry_no_index_and_every_package_its_hash() -> None:
    for path in (ROOT / "requirements").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"://|--index|--extra-index|--find-links", text)
        assert len(re.findall(r"^[a-z]", text, re.MULTILINE)) == len(re.findall(r"==\S+.*\\\n    --hash", text))


@pytest.mark.parametrize("folder", ["webapp", "examples/static-web-app"])
def test_our_own_configurations_are_fine(folder: str) -> None:
    result = CliRunner().invoke(main, ["site", "--check", "--config", str(ROOT / folder / "staticwebapp.config.json")])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("the body of a request", [front.REQUEST_LIMIT_BYTES >> 20]),
        ("at the Functions host", [host.REQUEST_LIMIT_BYTES >> 20]),
        ("bodies that a server holds", [BodyBudget().most_bytes >> 20]),
        ("requests that Flask answers", [wsgi._THREADS]),
        ("an idle connection", [server._SETTINGS["timeout_keep_alive"]]),
        ("an API call through the gate", [int(gate.API_LIMIT_S)]),
        ("a verification that waits", [control._LONGEST_WAIT_S]),
        ("the journal", [Records()._max_entries, Records()._max_bytes >> 20]),
        ("misses", [records._MAX_MISSES, Records()._max_bytes >> 20]),
        ("an API's answer in the journal", [gate._TAPE_BYTES >> 10]),
        ("faults of the mock", [records._MAX_CRASHES]),
        ("what clients have stored", [store.MAX_OBJECTS, store.MAX_BYTES >> 20]),
        ("open scopes", [scopes.MAX_SCOPES]),
        ("visits that belong", [scopes.MAX_VISITS]),
        ("a realtime conversation", [realtime._MOST_KEPT_BYTES >> 20]),
        ("JSON and YAML", [exchange.MAX_DEPTH]),
        ("values that a YAML", [documents._MOST_VALUES]),
        ("what gzip unpacks to", [exchange.MAX_UNPACKED_BYTES >> 20]),
        ("a generated value", [schema_instance._LONGEST]),
        ("a generated picture", [images._LONGEST_SIDE, embeddings._MOST_DIMENSIONS]),
        ("generated speech", [int(speech._LONGEST_S)]),
        (
            "requests and canonical forms",
            [remembered.MAX_ENTRIES, remembered.MAX_BYTES >> 20, remembered.MAX_BYTES_EACH >> 10],
        ),
    ],
)
def test_each_bound_is_what_the_code_says(line: str, values: list[int]) -> None:
    (bound,) = re.findall(rf"(?m)^\| {re.escape(line)}[^|]*\|([^|]*)\|", TEXTS[ROOT / "docs" / "bounds.md"])
    assert [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", bound)] == values
