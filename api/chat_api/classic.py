"""The operations as functions that answer in one piece: managed functions run a Python that does not stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from chat_api import routes as operations
from chat_api.routes import ApiRoute

routes = func.Blueprint()  # type: ignore[no-untyped-call]  # the library's own


def _function(operation: ApiRoute) -> Callable[..., Awaitable[func.HttpResponse]]:
    async def function(req: func.HttpRequest) -> func.HttpResponse:
        query = dict(parse_qsl(urlsplit(req.url).query, keep_blank_values=True))  # `params` has none without a value
        reply = await operations.answer(operation, operations.ApiRequest(req.headers, query, req.get_body()))
        body = reply.body if isinstance(reply.body, bytes) else b"".join([piece async for piece in reply.body])
        return func.HttpResponse(body, status_code=reply.status, headers=dict(reply.headers), mimetype=reply.media_type)

    function.__name__ = operation.name
    return function


for each in operations.OPERATIONS:
    routes.route(route=each.route, methods=[each.method])(_function(each))
