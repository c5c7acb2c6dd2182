from __future__ import annotations

import pytest

from mockserver.functions.routes import RouteError, compile_route, specificity


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("api/chat/completions", "/api/chat/completions", {}),
        ("api/chat/completions", "/API/Chat/completions/", {}),
        ("api/chat/completions", "/api/chat", None),
        ("api/items/{id}", "/api/items/a%20b", {"id": "a%20b"}),
        ("api/items/{id}", "/api/items/a/b", None),
        ("api/items/{id:int}", "/api/items/12", {"id": "12"}),
        ("api/items/{id:int}", "/api/items/x", None),
        ("api/items/{id?}", "/api/items", {"id": None}),
        ("api/{*rest}", "/api/a/b/c", {"rest": "a/b/c"}),
        ("api/a.b", "/api/axb", None),
    ],
)
def test_a_template_matches_as_in_the_real_host(
    template: str, path: str, parameters: dict[str, str | None] | None
) -> None:
    match = compile_route(template).fullmatch(path)
    assert (match.groupdict() if match else None) == parameters


@pytest.mark.parametrize("template", ["api/{id:even}", "api/x{id}", "api/{id=5}"])
def test_an_unsupported_template_is_refused(template: str) -> None:
    with pytest.raises(RouteError, match="is not supported; supported:"):
        compile_route(template)


def test_literal_routes_come_before_parameters() -> None:
    assert sorted(["api/{*rest}", "api/items/{id}", "api/items/new"], key=specificity) == [
        "api/items/new",
        "api/items/{id}",
        "api/{*rest}",
    ]
