"""Two branches recorded: the merge has what both added, and says where both changed one answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
from mockserver.cli import main
from mockserver.exchange import Interaction
from tests.unit.examples import answered, chat


def recorded(*pairs: tuple[str, str]) -> Cassette:
    interactions = [Interaction(chat(prompt), answered(text)) for prompt, text in pairs]
    return cassette.new_recording(interactions, upstream="a test")


A, B, C, D = ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged", "status"),
    [
        ([A], [A, B], [A, C], [A, B, C], 0),
        ([], [A, B], [B, C], [A, B, C], 0),
        ([A, B], [B], [A, B, C], [B, C], 0),
        ([A], [("a", "new")], [A, B], [("a", "new"), B], 0),
        ([A], [A, B], [("a", "new")], [("a", "new"), B], 0),
        ([A], [A, ("a", "again")], [A, ("a", "later")], [A, ("a", "again"), ("a", "later")], 0),
        ([A], [("a", "x"), B], [("a", "y"), C], [("a", "x"), B, C], 1),
    ],
    ids=["both added", "no ancestor", "one removed", "ours changed", "theirs changed", "both went on", "conflict"],
)
def test_a_merge(
    base: list[tuple[str, str]],
    ours: list[tuple[str, str]],
    theirs: list[tuple[str, str]],
    merged: list[tuple[str, str]],
    status: int,
    tmp_path: Path,
) -> None:
    for name, pairs in (("base", base), ("ours", ours), ("theirs", theirs)):
        (tmp_path / name).write_text(cassette.dump(recorded(*pairs)) if pairs else "")
    result = CliRunner().invoke(
        main, ["cassette", "merge", *(str(tmp_path / name) for name in ("base", "ours", "theirs"))]
    )
    assert result.exit_code == status, result.output
    assert cassette.load(tmp_path / "ours").interactions == recorded(*merged).interactions
    assert ("#1: both sides changed it, ours stands" in result.output) == bool(status)


def test_gits_own_merge_uses_it(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments], check=True
        )

    git("init", "-q", "-b", "main")
    git("config", "merge.cassette.driver", f"{sys.executable} -m mockserver cassette merge %O %A %B")
    (tmp_path / ".gitattributes").write_text("*.yaml merge=cassette\n")
    path = tmp_path / "x.yaml"
    for branch, pairs in (("main", [A]), ("one", [A, B]), ("main", [A, C])):
        if branch == "one":
            git("checkout", "-q", "-b", "one")
        else:
            git("checkout", "-q", "main") if path.exists() else None
        path.write_text(cassette.dump(recorded(*pairs)))
        git("add", ".")
        git("commit", "-q", "-m", "x")
    git("merge", "-q", "one", "-m", "both")
    assert cassette.load(path).interactions == recorded(A, C, B).interactions


def test_sides_of_different_sources_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("")
    (tmp_path / "ours").write_text(cassette.dump(recorded(A)))
    (tmp_path / "theirs").write_text(cassette.dump(Cassette(Source.AUTHORED, recorded(B).interactions)))
    result = CliRunner().invoke(
        main, ["cassette", "merge", *(str(tmp_path / name) for name in ("base", "ours", "theirs"))]
    )
    assert (result.exit_code, "one side is recorded, the other authored" in result.output) == (1, True)


def test_a_conflict_in_a_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(cassette.dump(recorded(A)).replace("interactions:", "<<<<<<< HEAD\ninteractions:"))
    with pytest.raises(CassetteError, match=r"git left a merge conflict in it\. Take one side .* cassette merge"):
        cassette.load(path)
