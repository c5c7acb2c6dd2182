"""The routes as functions that stream: FastAPI's request and response, through the extension of the Functions host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse

from chat_api.routes import ROUTES, ApiRequest, ApiRoute, answer

routes = func.Blueprint()  # type: ignore[no-untyped-call]  # the library's own


def _function(route: ApiRoute) -> Callable[..., Awaitable[Response]]:
    async def function(req: Request) -> Response:
        reply = await answer(route, ApiRequest(req.headers, req.query_params, await req.body()))
        metadata = {"status_code": reply.status, "headers": dict(reply.headers), "media_type": reply.media_type}
        if isinstance(reply.body, bytes):
            return Response(reply.body, **metadata)
        return StreamingResponse(reply.body, **metadata)

    function.__name__ = route.name
    return function


for api_route in ROUTES:
    routes.route(route=api_route.path, methods=[api_route.method])(_function(api_route))
