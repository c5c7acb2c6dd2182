"""The package of the function app: what it contains, and that a package that cannot start is detected."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import package
import pytest


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return Path(shutil.copytree(package.API, tmp_path / "api", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_app_is_packed_without_what_is_not_deployed_and_loads_with_and_without_settings(
    app: Path, tmp_path: Path
) -> None:
    (app / "local.settings.json").write_text("{}")
    (app / "__pycache__").mkdir()
    (app / "__pycache__" / "x.pyc").write_text("")
    archive = package.pack(app, tmp_path / "api.zip")
    names = zipfile.ZipFile(archive).namelist()
    assert {"function_app.py", "host.json", "requirements.txt", "chat_api/routes.py"} <= set(names)
    assert not [name for name in names if "pycache" in name or "local.settings" in name]
    assert package.verify(archive, sys.executable) == [
        "chat_completions",
        "chat_feedback",
        "chat_ticket",
        "config",
        "health",
        "me",
        "models",
        "roles",
    ]


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        ('import os\nKEY = os.environ["OPENAI_API_KEY"]\n', "KeyError: 'OPENAI_API_KEY'"),
        ('import os\nif os.environ.get("REQUIRED_ROLE"):\n    raise ValueError("x")\n', "ValueError: x"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_an_app_that_cannot_start_when_deployed_is_detected(
    app: Path, tmp_path: Path, replacement: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of the developer's machine")
    settings = app / "chat_api" / "settings.py"
    settings.write_text(settings.read_text().replace("import os\n", replacement))
    with pytest.raises(package.PackageError, match=r"chat_api/settings\.py") as raised:
        package.verify(package.pack(app, tmp_path / "api.zip"), sys.executable)
    assert message in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pipeline", [{"CI": "true"}, {"TF_BUILD": "True"}, {"JENKINS_URL": "https://jenkins.example"}, {}]
)
def test_a_pipeline_needs_every_python_that_the_app_is_deployed_on(
    pipeline: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in package.PIPELINES:
        monkeypatch.delenv(name, raising=False)
    for name, value in pipeline.items():
        monkeypatch.setenv(name, value)
    archive = package.pack(target=tmp_path / "api.zip")
    monkeypatch.setattr(package, "ROOT", tmp_path)
    monkeypatch.setattr(package, "pack", lambda: archive)
    monkeypatch.setattr(package, "isolated_python", lambda version: sys.executable if version == "3.11" else None)
    monkeypatch.setattr(sys, "argv", ["package.py"])
    if not pipeline:
        package.main()
        assert "Python 3.13: not installed on this machine, not checked" in capsys.readouterr().out
        return
    with pytest.raises(SystemExit, match=r"package: Python 3\.13, which the app is deployed on, is not installed"):
        package.main()
