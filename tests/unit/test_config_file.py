"""Where a configuration is found, and that nothing about it is missed in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockserver.clock import SystemClock
from mockserver.swa.personas import load_personas
from mockserver.swa.session import Sessions
from mockserver.swa.static_web_app import StaticWebApp, load_static_web_app

ONE_RULE = '{"routes": [{"route": "/admin*", "allowedRoles": ["admin"]}]}'


def site(app: Path | str, config: Path | None = None, search: Path | None = None) -> StaticWebApp:
    clock = SystemClock()
    options = {"personas": load_personas(), "sessions": Sessions("k", clock), "clock": clock, "api_urls": ()}
    return load_static_web_app(app, config=config, search=search, **options)  # type: ignore[arg-type]  # the options above


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(ONE_RULE if name.endswith("config.json") else "x")


def test_the_apps_folder_is_searched_with_all_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration that was not read before, so that every guarded path was open."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "client/staticwebapp.config.json", "client/node_modules/x/staticwebapp.config.json")
    found = site("http://127.0.0.1:1", search=Path("client"))
    assert [rule.pattern for rule in found.config.rules] == ["/admin*"]
    assert found.config_notes == ("client/staticwebapp.config.json: 1 rule",)
    assert site("http://127.0.0.1:1").config_notes == ("client/staticwebapp.config.json: 1 rule",)


def test_no_configuration_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(
        tmp_path,
        "dist/index.html",
        "dist/staticwebapps.config.json",
        "dist/routes.json",
        "public/staticwebapp.config.json",
    )
    (first, *others) = site(tmp_path / "dist").config_notes
    assert first == "no staticwebapp.config.json in dist or below it: no rule applies, and everything is open"
    assert others == [
        "dist/routes.json is ignored, as in production since 2021: its rules belong in staticwebapp.config.json",
        "dist/staticwebapps.config.json is not read: the name must be staticwebapp.config.json",
    ]


@pytest.mark.parametrize("name", ["staticwebapp.config.json", "app/staticwebapp.config.json"])
def test_a_configuration_beside_the_built_page_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "app/dist/index.html", name)
    assert site(Path("app/dist")).config_notes[1:] == (f"{name} is not read: add --config {name}",)


@pytest.mark.parametrize(
    "name", ["StaticWebApp.config.json", "staticwebapp.config.json.txt", "static-web-app.config.json"]
)
def test_a_name_that_is_almost_right_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "index.html", name)
    assert f"{name} is not read: the name must be staticwebapp.config.json" in site(tmp_path).config_notes


def test_of_several_the_clis_choice_counts_and_the_others_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "public/staticwebapp.config.json", "staticwebapp.config.json", "web/staticwebapp.config.json")
    assert site("http://127.0.0.1:1").config_notes == (
        "web/staticwebapp.config.json: 1 rule",
        "not used: public/staticwebapp.config.json, staticwebapp.config.json",
    )
    put(tmp_path, "index.html")
    assert site(tmp_path).config_notes[0] == "staticwebapp.config.json: 1 rule"
    assert site(tmp_path, config=Path("public")).config_notes == ("public/staticwebapp.config.json: 1 rule",)


def test_a_configuration_that_is_named_must_be_there(tmp_path: Path) -> None:
    put(tmp_path, "index.html")
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(FileNotFoundError, match="no such configuration"):
            site(tmp_path, config=path)
