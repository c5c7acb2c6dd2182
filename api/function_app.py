"""The function app: registers the API's routes in the request style of its topology."""

import azure.functions as func
from chat_api.settings import load_settings

if load_settings().topology == "managed":
    from chat_api.classic import routes
else:
    from chat_api.streaming import routes

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(routes)
