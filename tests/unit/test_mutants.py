"""How `make mutants` changes code, and that what its files name exists."""

from __future__ import annotations

import ast

import pytest
import yaml
from architecture import ROOT
from mutants import AREAS, KNOWN, Score, areas, known_mutants, table
from mutations import mutants

LISTED = areas(AREAS.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("ok = 1 < x", ["1 < x -> 1 <= x", "1 -> 2"]),
        ("ok = a and b", ["a and b -> a or b", "a and b -> b", "a and b -> a"]),
        ("ok = not a", ["not a -> a"]),
        ("ok = a in b and a is not b", 4),
        ("name = 'host'", ["'host' -> 'hostX'"]),
        ("text = 'for people'", []),
        ("text = f'{a.lower()} for people'", []),
        ("f(a, b)", ["f(a, b) -> pass", "f(a, b) -> f(b, a)"]),
        ("ok = f(a, a)", []),
        ("ok = any(a.strip())", ["any(a.strip()) -> all(a.strip())", "a.strip() -> a"]),
        ("a = b.rstrip('/')", ["b.rstrip('/') -> b"]),
        ("a += b", ["a += b -> a -= b", "a += b -> pass"]),
        ("log.info('x', 1)", []),
        ("@dataclass(frozen=True)\nclass A:\n    b: Literal['c']", []),
        ("class A(Struct, frozen=True):\n    pass", []),
        ("def f():\n    return a", ["return a -> return None"]),
        ("def f():\n    'Text.'\n    return None", []),
        ("if a:\n    raise b", ["raise b -> pass", "a -> not a"]),
    ],
)
def test_one_thing_is_changed_at_a_time(source: str, changes: list[str] | int) -> None:
    found = [mutant.change for mutant in mutants("m.py", ast.parse(source))]
    assert (sorted(found) == sorted(changes)) if isinstance(changes, list) else len(found) > changes


def test_a_mutant_is_named_by_its_function_and_runs_what_it_says() -> None:
    tree = ast.parse("class A:\n    def f(self, x):\n        return x > 0 and x")
    mutant = next(each for each in mutants("m.py", tree) if ">=" in each.change)
    assert mutant.name == "m.py A.f: x > 0 -> x >= 0"
    assert str(mutant) == "m.py:3  x > 0 -> x >= 0  (A.f)"
    mutant.apply()
    assert ast.unparse(tree).endswith("return x >= 0 and x")


def test_the_table_has_the_share_that_was_killed() -> None:
    survivor = mutants("m.py", ast.parse("a = 1"))[0]
    assert table([Score(LISTED[0], 8, 2, (survivor,))]).splitlines()[1].split()[:6] == [
        "gate",
        "8",
        "2",
        "7",
        "1",
        "87.5",
    ]


def test_every_module_and_test_of_an_area_exists_and_every_area_is_judged() -> None:
    paths = [path for area in LISTED for module, tests in area.modules.items() for path in (module, *tests)]
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    judges = yaml.safe_load((ROOT / ".github" / "workflows" / "judges.yml").read_text(encoding="utf-8"))
    assert judges["jobs"]["mutants"]["strategy"]["matrix"]["area"] == [area.name for area in LISTED]


def test_every_known_mutant_exists() -> None:
    modules = [path for area in LISTED for path in area.modules]
    names = {
        each.name for path in modules for each in mutants(path, ast.parse((ROOT / path).read_text(encoding="utf-8")))
    }
    assert known_mutants(KNOWN.read_text(encoding="utf-8")) - names == set()
