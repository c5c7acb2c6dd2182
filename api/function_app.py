"""The function app: registers the operations, in the request style of its topology, and nothing else."""

import azure.functions as func
from chat_api.settings import load_settings

if load_settings().topology == "managed":
    from chat_api.classic import routes
else:
    from chat_api.streaming import routes

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(routes)
