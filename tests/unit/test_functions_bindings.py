"""Binding expressions, and which connections lead to Azurite on this machine."""

from __future__ import annotations

import re
import sys

import pytest

from mockserver.functions.entities import entity_of
from mockserver.functions.expressions import ExpressionError, bound, bound_filter, properties
from mockserver.functions.storage import Storage, StorageError

KNOWN = {
    "name": "a",
    "Count": 5,
    "inner": {"Text": "b"},
    "yes": True,
    "datetime": "mine",
    "odd": "o'x",
    "query": {"q": "c"},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("in/x", "in/x"),
        ("in/{name}.{count}", "in/a.5"),
        ("{NAME}{inner.text}{Query.q}", "abc"),
        ("{yes}", "True"),
        ("{{name}}-{name}", "{name}-a"),
        ("%FOLDER%/{name}", "made/a"),
        ("{datetime}", "mine"),
    ],
)
def test_an_expression_is_replaced(template: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER", "made")
    assert bound(template, lambda: KNOWN) == text


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{rand-guid}", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("{rand-guid:N}", "[0-9a-f]{32}"),
        ("{sys.RandGuid:B}", r"\{[0-9a-f-]{36}\}"),
        ("{DateTime}", r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ"),
        ("{sys.utcnow:yyyy/MM/dd HHmm'h'}", r"\d{4}/\d\d/\d\d \d{4}h"),
    ],
)
def test_what_is_built_in_needs_no_name(template: str, pattern: str) -> None:
    assert re.fullmatch(pattern, bound(template, dict))


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{other}", "nothing has the name {other}"),
        ("{inner}", "no single value"),
        ("{name.more}", "nothing has the name {name.more}"),
        ("{name", "a brace has no partner"),
        ("{}", "no name in it"),
        ("%NOT_SET_AT_ALL%", "the app setting NOT_SET_AT_ALL is not set"),
        ("{rand-guid:Q}", "nothing has the name"),
        ("{utcnow:zzz}", "a format of .NET that is not imitated"),
    ],
)
def test_an_expression_without_a_value_is_an_error(template: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(words)):
        bound(template, lambda: KNOWN)


def test_a_filter_cannot_be_changed_by_a_value() -> None:
    assert bound_filter("a eq '{odd}' and b gt {count}", lambda: KNOWN) == "a eq 'o''x' and b gt 5"
    with pytest.raises(ExpressionError, match="neither quoted"):
        bound_filter("a eq {odd} or b eq '{odd}'", lambda: KNOWN)


def test_only_single_values_and_objects_of_a_json_object_have_names() -> None:
    assert properties('{"a": 1, "b": [1], "c": null, "d": {"e": 2}}') == {"a": 1, "d": {"e": 2}}
    assert properties("[1]") == properties("no JSON") == properties("{no JSON}") == {}


BLOB = {"type": "blob", "name": "blob", "path": "in/x", "connection": "Mine"}
AZURITE = "AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://localhost:2/a"


@pytest.mark.parametrize(
    "connection",
    ["UseDevelopmentStorage=true", "usedevelopmentstorage=True;", AZURITE, AZURITE.replace("127.0.0.1", "[::1]")],
)
def test_a_connection_to_this_machine_is_used(connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Mine", connection)
    assert Storage().refusal(BLOB) == ""


@pytest.mark.parametrize(
    "connection",
    [
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net",
        "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://example.org",
        "UseDevelopmentStorage=false",
        AZURITE.replace("BlobEndpoint", "TableEndpoint"),
        AZURITE.replace("localhost", "example.org"),
        AZURITE.replace("127.0.0.1", "127.0.0.1.example.org"),
        AZURITE.replace("127.0.0.1", "127.0.0.1@example.org"),
        AZURITE.replace("http://127.0.0.1", "http://example.org\\\\@127.0.0.1"),
        f"{AZURITE};BlobSecondaryEndpoint=https://example.org",
        "a2V5",
    ],
)
def test_a_connection_beyond_this_machine_is_refused_without_its_value(
    connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Mine", connection)
    words = "the app setting Mine names a server beyond this machine, which is never asked; UseDevelopmentStorage=true in it means Azurite"
    assert Storage().refusal(BLOB) == words
    with pytest.raises(StorageError, match=re.escape(words)) as caught:
        Storage().read(BLOB, dict)
    assert "a2V5" not in str(caught.value)


def test_the_setting_with_the_hosts_prefix_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Mine", "a2V5")
    monkeypatch.setenv("AzureWebJobsMine", "UseDevelopmentStorage=true")
    assert Storage().place(BLOB) == "http://127.0.0.1:10000"
    assert Storage().place({**BLOB, "type": "table"}) == "http://127.0.0.1:10002"
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    assert "AzureWebJobsStorage is not set" in Storage().refusal({**BLOB, "connection": ""})


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Mine", AZURITE)
    monkeypatch.setitem(sys.modules, "azure.storage.queue", None)
    queue = {"type": "queue", "name": "msg", "queueName": "q", "connection": "Mine"}
    assert Storage().refusal(queue) == "azure-storage-queue is not installed: .venv/bin/pip install azure-storage-queue"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_that_no_table_takes_is_named(number: int) -> None:
    with pytest.raises(ValueError, match=f"'Count' is no Int64: {number}"):
        entity_of({"Count": number}, "p", "r")
    assert entity_of({"Count": 2**63 - 1}, "p", "r")["Count"].value == 2**63 - 1
