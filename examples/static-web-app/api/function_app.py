"""An API that says who asks, as Static Web Apps tells it."""

import base64
import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="who", methods=["GET"])
def who(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with the name of whoever asks."""
    principal = json.loads(base64.b64decode(req.headers["x-ms-client-principal"]))
    return func.HttpResponse(json.dumps({"hello": principal["userDetails"]}), mimetype="application/json")
