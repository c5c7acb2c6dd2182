from __future__ import annotations

import pytest

from mockserver.functions.routes import RouteError, compile_route, path_of


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("api/chat/completions", "/api/chat/completions", {}),
        ("api/chat/completions", "/API/Chat/completions/", {}),
        ("api/chat/completions", "/api/chat", None),
        ("api/a.b", "/api/axb", None),
        ("api/items/{id}", "/api/items/a%20b", {"id": "a%20b"}),
        ("api/items/{id}", "/api/items/a/b", None),
        ("api/items/{id}", "/api/items/", None),
        ("api/items/{id?}", "/api/items", {}),
        ("api/items/{id=5}", "/api/items", {"id": "5"}),
        ("api/items/{id=5}", "/api/items/6", {"id": "6"}),
        ("api/{a=1}/{b=2}", "/api/x", {"a": "x", "b": "2"}),
        ("api/{*rest}", "/api/a/b/c", {"rest": "a/b/c"}),
        ("api/{*rest}", "/api", {}),
        ("api/{**rest=top}", "/api/", {"rest": "top"}),
        ("api/{user-id}", "/api/7", {"user-id": "7"}),
        ("api/x{id}", "/api/x7", {"id": "7"}),
        ("api/{name}.{ext}", "/api/a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("api/{name}.{ext?}", "/api/a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("api/{name}.{ext?}", "/api/plain", {"name": "plain"}),
        ("api/{name}.{ext?}", "/api/.profile", {"name": ".profile"}),
        ("api/{name}.{ext?}", "/api/plain.", None),
        ("api/{from}-{to}", "/api/1-2-3", {"from": "1-2", "to": "3"}),
        ("api/{{x}}", "/api/{x}", {}),
        ("api/items/{id:int:min(1)}", "/api/items/0", None),
        ("api/items/{id:int:min(1)}", "/api/items/1", {"id": "1"}),
        ("api/{when:datetime?}", "/api", {}),
        (r"api/{p:regex(^\d{{3}}-\d{{4}}$)}", "/api/123-4567", {"p": "123-4567"}),
        (r"api/{p:regex(^\d{{3}}-\d{{4}}$)}", "/api/12-4567", None),
        (r"api/{p:regex(^(?<letter>[a-c])x:$)}", "/api/Bx:", {"p": "Bx:"}),
        ("api/{n:int=3}", "/api", {"n": "3"}),
        ("opt/{a?}/b", "/opt/b", None),
        ("opt/{a?}/b", "/opt/x/b", {"a": "x"}),
        ("opt/{a=1}/b/{c?}", "/opt/b", None),
    ],
)
def test_a_template_matches_as_in_asp_net(template: str, path: str, parameters: dict[str, str] | None) -> None:
    assert compile_route(template).match(path) == parameters


@pytest.mark.parametrize(
    ("constraint", "accepted", "refused"),
    [
        ("int", ["-7", "+7", "2147483647"], ["2147483648", "10000000000", "1.0", "x", "٣", "1" * 5000]),
        ("long", ["9223372036854775807"], ["9223372036854775808"]),
        ("bool", ["TRUE", "false"], ["1", "yes"]),
        ("guid", ["0123456789abcdef0123456789ABCDEF", "{01234567-89ab-cdef-0123-456789abcdef}"], ["0123", "{01234567-89ab-cdef-0123-456789abcdef", "{01234567-89ab-cdef-0123-456789abcdef)"]),
        ("alpha", ["Abc"], ["a1", "ä"]),
        ("decimal", ["1", "-1,000.5", ".5"], ["1e3", "NaN"]),
        ("double", ["1e3", "-.5", "NaN", "-Infinity"], ["1e", "x"]),
        ("float", ["1.5"], ["x"]),
        ("datetime", ["2026-11-30", "2026-11-30T10:20:30Z", "2026-11-30 10:20", "30 Nov 2026"], ["20261130", "2026-13-01", "x"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2, 3)", ["ab", "abc"], ["a", "abcd"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("min(5)", ["5"], ["4", "x"]),
        ("max(5)", ["5"], ["6"]),
        ("range(-1,5)", ["-1", "5"], ["-2", "6"]),
        ("file", ["a.txt"], ["a", "a."]),
        ("nonfile", ["a", "a."], ["a.txt"]),
        ("required", ["x"], []),
    ],
)  # fmt: skip
def test_a_constraint_accepts_what_that_of_asp_net_does(
    constraint: str, accepted: list[str], refused: list[str]
) -> None:
    route = compile_route(f"{{x:{constraint}}}")
    assert [value for value in accepted if route.match(f"/{value}") is None] == []
    assert [value for value in refused if route.match(f"/{value}") is not None] == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("api/{id:even}", r"there is no constraint even; known: alpha, bool"),
        ("api/{id:length(x)}", r"there is no constraint length\(x\)"),
        ("api/{id:regex([)}", "the expression '\\[' cannot be read"),
        ("api/{id:length(3,1)}", "asks for what cannot be"),
        ("api/{id:range(" + "9" * 5000 + ",1)}", "there is no constraint range"),
        ("api/x.{p?}", "an optional parameter is a segment of its own"),
        ("api/{a}{b}", "two parameters need something between them"),
        ("api/{a?}-{b}", "an optional parameter is a segment of its own"),
        ("api/{*rest}/x", r"nothing may follow \{\*rest\}"),
        ("api/x{*rest}", r"\{\*rest\} must be a segment of its own"),
        ("api/{id", "a brace is not closed"),
        ("api/id}", "} has no meaning there"),
        ("api/{}", "{} is not a parameter"),
        ("api/{id}/{ID}", "the parameter 'id' stands there twice"),
        ("api/{id=5?}", "cannot be optional too"),
        ("api/{*rest?}", "cannot be optional"),
        ("api//x", "an empty segment"),
    ],
)
def test_a_template_that_asp_net_refuses_is_refused(template: str, words: str) -> None:
    with pytest.raises(RouteError, match=words):
        compile_route(template)


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        ("/api/a%20b", "/api/a b"),
        ("/api/a%2Fb%2fc", "/api/a%2Fb%2fc"),
        ("/api/a%252Fb", "/api/a%2Fb"),
        ("/api/gr%C3%BC%C3%9Fe", "/api/grüße"),
        ("/api/a/../b", "/api/b"),
        ("/api/%2E%2E/admin/functions", "/admin/functions"),
        ("/../../api/./x", "/api/x"),
        ("/api/x/..", "/api/"),
        ("/api/x/.", "/api/x/"),
        ("/.", "/"),
        ("/api/.well-known/..x", "/api/.well-known/..x"),
        ("/api//x", "/api//x"),
        ("/api/100%", "/api/100%"),
        ("/api/%FF%C3%BC%C0%AF", "/api/%FFü%C0%AF"),
    ],
)
def test_a_path_is_decoded_as_by_the_hosts_server(raw_path: str, path: str) -> None:
    assert path_of(raw_path) == path
