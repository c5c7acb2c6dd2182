"""An API that returns the signed-in user's name, from the principal that Static Web Apps sends."""

import base64
import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="who", methods=["GET"])
def who(req: func.HttpRequest) -> func.HttpResponse:
    """Return the signed-in user's name."""
    principal = json.loads(base64.b64decode(req.headers["x-ms-client-principal"]))
    return func.HttpResponse(json.dumps({"hello": principal["userDetails"]}), mimetype="application/json")
