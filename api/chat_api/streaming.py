"""The operations as functions that stream: FastAPI's request and response, through the Functions host's extension."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse

from chat_api import routes as operations
from chat_api.routes import ApiRoute

routes = func.Blueprint()  # type: ignore[no-untyped-call]  # the library's own


def _function(operation: ApiRoute) -> Callable[..., Awaitable[Response]]:
    async def function(req: Request) -> Response:
        asked = operations.ApiRequest(req.headers, req.query_params, await req.body())
        reply = await operations.answer(operation, asked)
        how = {"status_code": reply.status, "headers": dict(reply.headers), "media_type": reply.media_type}
        if isinstance(reply.body, bytes):
            return Response(reply.body, **how)
        return StreamingResponse(reply.body, **how)

    function.__name__ = operation.name
    return function


for each in operations.OPERATIONS:
    routes.route(route=each.route, methods=[each.method])(_function(each))
