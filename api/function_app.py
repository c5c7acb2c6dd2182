"""The function app: registers the routes, nothing else."""

import azure.functions as func
from chat_api.routes import routes

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(routes)
