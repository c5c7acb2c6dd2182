"""The verdict finds what is wrong: broken variants of a client, the API and the page, kept as patches; and nothing in ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
VARIANTS = Path(__file__).parent / "variants"
NPX = shutil.which("npx") or "npx"


@dataclass(frozen=True, slots=True)
class Variant:
    """A patch that breaks something: where and under which fault it shows, and the check that says so."""

    path: Path
    fields: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Variant:
        head = path.read_text(encoding="utf-8").partition("diff --git")[0]
        return cls(path, dict(re.findall(r"^(\w+): (.+)$", head, re.MULTILINE)))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A copy of what the verdict asks: the API, the built page and the client."""
    shutil.copytree(ROOT / "api", tmp_path / "api", ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    shutil.copytree(ROOT / "webapp", tmp_path / "webapp", ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "webapp" / "node_modules").symlink_to(ROOT / "webapp" / "node_modules")
    (tmp_path / "tools").mkdir()
    for name in ("verdict.yaml", "tools/ask_model.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def verdict(app: Path, *arguments: str, browser: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mockserver", "verdict", "--output", "out", *arguments],
        check=False,
        cwd=app,
        env={**os.environ, "PYTHONPATH": str(ROOT), "BROWSER_PATH": browser or ""},
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="session")
def browser_path(browser_type_launch_args: dict[str, object]) -> str | None:
    path = browser_type_launch_args.get("executable_path")
    return str(path) if path else None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", sorted(VARIANTS.glob("*.patch")), ids=lambda path: path.stem)
def test_a_broken_variant_is_found(path: Path, app: Path, browser_path: str | None) -> None:
    variant = Variant.read(path)
    subprocess.run(["git", "apply", str(path)], cwd=app, check=True)
    if variant.fields["Surface"] == "page":
        subprocess.run([NPX, "vite", "build", "--logLevel", "error"], cwd=app / "webapp", check=True)
    limit = ["--limit-s", variant.fields["Limit"]] if "Limit" in variant.fields else []
    chosen = ["--surface", variant.fields["Surface"], "--fault", variant.fields["Fault"]]
    run = verdict(app, *chosen, *limit, browser=browser_path)
    assert run.returncode == 1, run.stdout + run.stderr
    (failure,) = ElementTree.parse(app / "out" / "junit.xml").iter("failure")
    assert f"{variant.fields['Check']}: " in (failure.text or "")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("surface", ["sdk", "api", "page"])
def test_nothing_is_wrong_with_ours(surface: str, app: Path, browser_path: str | None) -> None:
    run = verdict(app, "--surface", surface, browser=browser_path)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("surface", ["sdk", "api", "page"])
def test_each_surface_is_asked_as_it_is_used(surface: str, app: Path, browser_path: str | None) -> None:
    run = verdict(app, "--surface", surface, "--fault", "dropped", "--fault", "rate_limited", browser=browser_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (app / "out" / "timelines" / f"{surface}-dropped.html").exists()
