"""The routes as functions that answer in one piece: the Python of managed functions cannot stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from chat_api.routes import ROUTES, ApiRequest, ApiRoute, answer

routes = func.Blueprint()  # type: ignore[no-untyped-call]  # the library's own


def _function(route: ApiRoute) -> Callable[..., Awaitable[func.HttpResponse]]:
    async def function(req: func.HttpRequest) -> func.HttpResponse:
        query = dict(
            parse_qsl(urlsplit(req.url).query, keep_blank_values=True)
        )  # `req.params` leaves out parameters without a value
        reply = await answer(route, ApiRequest(req.headers, query, req.get_body()))
        body = reply.body if isinstance(reply.body, bytes) else b"".join([piece async for piece in reply.body])
        return func.HttpResponse(body, status_code=reply.status, headers=dict(reply.headers), mimetype=reply.media_type)

    function.__name__ = route.name
    return function


for api_route in ROUTES:
    routes.route(route=api_route.path, methods=[api_route.method])(_function(api_route))
