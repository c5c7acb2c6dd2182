"""Bindings of Azure Storage where something else listens at Azurite's address."""

from __future__ import annotations

import pytest
from pytest_httpserver import HTTPServer

from mockserver.functions.storage import BoundValue, Storage, StorageError

QUEUE = {"type": "queue", "name": "out", "queueName": "orders", "connection": "Mine"}
TABLE = {"type": "table", "name": "rows", "tableName": "Rows", "connection": "Mine"}


@pytest.fixture
def storage(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Storage:
    address = httpserver.url_for("/a")
    monkeypatch.setenv("Mine", f"AccountName=a;AccountKey=a2V5;QueueEndpoint={address};TableEndpoint={address}")
    return Storage()


def test_an_answer_that_is_not_azurites_is_named(storage: Storage, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a/orders/messages").respond_with_data("", status=201)
    httpserver.expect_request("/a/Rows()").respond_with_data("", status=200)
    with pytest.raises(StorageError, match=r"what answers at http://\S+ is not Azurite"):
        storage.write(QUEUE, dict, BoundValue("string", "text"))
    with pytest.raises(StorageError, match=r"what answers at http://\S+ is not Azurite"):
        storage.read(TABLE, dict)


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed_and_no_proxy_asked(
    status: int, storage: Storage, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    elsewhere = {"location": httpserver.url_for("/elsewhere")}
    httpserver.expect_request("/a/orders/messages").respond_with_data("", status, elsewhere)
    httpserver.expect_request("/a/Rows()").respond_with_data("", status, elsewhere)
    with pytest.raises(StorageError):
        storage.write(QUEUE, dict, BoundValue("string", "text"))
    with pytest.raises(StorageError):
        storage.read(TABLE, dict)
    assert [request.path for request, _ in httpserver.log] == ["/a/orders/messages", "/a/Rows()"]
