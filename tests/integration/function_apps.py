"""Function apps that tests write, for both workers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

#: The worker that this Python takes, and the other one, whose every test is slow.
WORKERS = (
    pytest.param("microsoft", marks=[] if sys.version_info >= (3, 13) else pytest.mark.slow),
    pytest.param("inprocess", marks=pytest.mark.slow if sys.version_info >= (3, 13) else []),
)
HEAD = "import azure.functions as func\napp = func.FunctionApp()\n\n\n"
CLASSIC = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="echo/{name}", methods=["GET", "POST"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    facts = [req.method, req.route_params["name"], req.params.get("q"), req.headers.get("x-twice"), req.get_body().decode()]
    return func.HttpResponse("|".join(map(str, [*facts, context.function_name])), status_code=201, headers={"x-made": "1"})


@app.route()
async def plain(req: func.HttpRequest) -> str:
    return "grüße"


@app.route(route="boom")
def boom(req: func.HttpRequest) -> str:
    raise RuntimeError("secret detail")
"""


def write_app(folder: Path, source: str, host: str = '{"version": "2.0"}') -> Path:
    (folder / "function_app.py").write_text(source, encoding="utf-8")
    (folder / "host.json").write_text(host)
    return folder
