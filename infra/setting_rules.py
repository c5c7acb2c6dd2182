"""Rules for the settings of the app and of the site's functions: each says what is wrong, and what follows.

`learn/…` is the page of https://learn.microsoft.com/azure that has the fact, named from memory. Public issues, and pages with a date, were read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.azure_rules import APP, APP_CONFIG, INSIGHTS, MODEL, SECRET, SITE_CONFIG, STORAGE, VAULT, model_id
from infra.template import Deployment

#: What Flex Consumption refuses, as it refuses properties.
_REFUSED_SETTINGS = ("ENABLE_ORYX_BUILD", "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT", "WEBSITE_RUN_FROM_PACKAGE")  # fmt: skip
#: Settings that a Static Web App keeps for itself. learn/static-web-apps/application-settings
_RESERVED = ("APPSETTING_", "AZURE_FUNCTION_", "AzureWeb", "FUNCTIONS_", "WEBSITE_")

#: The same for every app: telemetry of the Python worker, once. docs/telemetry.md
_TELEMETRY = (
    ("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "true", "the worker sends no telemetry"),
    (
        "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME",
        "chat_api",
        "lines of libraries are sent too, and may hold what people write",
    ),
    ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "fastapi", "each event of a stream is a record that costs"),
)
#: Parameters that are settings where they are given.
_PASSED_ON = {"invited": "INVITED", "systemPrompt": "SYSTEM_PROMPT", "systemPromptRole": "SYSTEM_PROMPT_ROLE", "suggestions": "SUGGESTIONS"}  # fmt: skip


def setting_rules(deployment: Deployment) -> Iterator[str]:
    """Settings that are missing, wrong or refused, of whoever runs the API."""
    yield from _model_errors(deployment)
    for host, name, value, why in _needed_settings(deployment):
        got = deployment.app_settings().get(host, {}).get(name)
        if got is None or (value is not None and got != value):
            yield f"{host}: the setting {name} must be {value or 'there'}, got {got!r}: {why}"
    for name in deployment.app_settings().get(APP_CONFIG, {}):
        if name in _REFUSED_SETTINGS:
            yield f"the setting {name} is refused by Flex Consumption (51021), whatever its value"
    for name in deployment.app_settings().get(SITE_CONFIG, {}):
        if name.startswith(_RESERVED):
            yield f"the setting {name} is refused: a Static Web App keeps such names for itself"


def _needed_settings(deployment: Deployment) -> Iterator[tuple[str, str, str | None, str]]:
    """Host, name, value (None for any) and reason of each setting that must be there."""
    topology, backend = deployment.parameters["topology"], deployment.parameters["backend"]
    hosts = {"managed": [SITE_CONFIG], "linked": [APP_CONFIG], "direct": [APP_CONFIG, SITE_CONFIG]}[topology]
    for host in hosts:
        yield host, "TOPOLOGY", topology if host == APP_CONFIG else "managed", "the API behaves as its topology needs"
        for insights in deployment.of(INSIGHTS):
            value = f"<{INSIGHTS}/{insights.name}.ConnectionString>"
            yield host, "APPLICATIONINSIGHTS_CONNECTION_STRING", value, "nobody sees what fails"
        yield from ((host, *setting) for setting in _TELEMETRY)
        for parameter, name in _PASSED_ON.items():
            if value := deployment.parameters[parameter]:
                yield host, name, value, f"the parameter {parameter} has no effect"
    if client := deployment.parameters["signInClientId"]:
        yield SITE_CONFIG, "AZURE_CLIENT_ID", client, "nobody can sign in"
        yield SITE_CONFIG, "AZURE_CLIENT_SECRET", deployment.parameters["signInClientSecret"], "nobody can sign in"
    model = "OPENAI_MODEL" if backend == "openAI" else "AZURE_OPENAI_DEPLOYMENT"
    yield hosts[0], model, None, "the API does not know which model to ask"
    # learn/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
    for account in deployment.of(STORAGE):
        yield APP_CONFIG, "AzureWebJobsStorage__accountName", account.name, "the host does not find its storage"
        yield (
            APP_CONFIG,
            "AzureWebJobsStorage__credential",
            "managedidentity",
            "the host asks for a key, and starts no function",
        )
    # learn/app-service/app-service-key-vault-references#understand-source-app-settings-from-key-vault
    for vault, secret in zip(deployment.of(VAULT), deployment.of(SECRET), strict=False):
        value = (
            f"@Microsoft.KeyVault(SecretUri=<{VAULT}/{vault.name}.vaultUri>secrets/{secret.name.rpartition('/')[2]})"
        )
        yield APP_CONFIG, deployment.key_setting, value, "the platform finds no secret, and the model answers 401"
    if topology == "direct":
        for app in deployment.of(APP):
            yield (
                SITE_CONFIG,
                "DIRECT_URL",
                f"https://<{APP}/{app.name}.defaultHostName>",
                "the page does not know where to ask",
            )
        yield SITE_CONFIG, "TICKET_KEY", deployment.parameters["ticketKey"], "no tickets are issued"
        yield APP_CONFIG, "TICKET_KEY", deployment.parameters["ticketKey"], "no ticket is accepted"


def _model_errors(deployment: Deployment) -> Iterator[str]:
    for host, settings in _hosts_of_the_model(deployment):
        names = str(settings.get("AZURE_OPENAI_DEPLOYMENT", "")).split(",")
        if missing := [each.name for each in deployment.of(MODEL) if each.name.rpartition("/")[2] not in names]:
            yield f"{host}: AZURE_OPENAI_DEPLOYMENT does not name {missing[0]}: the model answers 404 DeploymentNotFound"
        model = model_id(deployment)
        wanted = f"<{model.rpartition('/providers/')[2]}.endpoint>" if model else deployment.foreign
        if settings.get("AZURE_OPENAI_ENDPOINT") != wanted:
            yield f"{host}: AZURE_OPENAI_ENDPOINT must be {wanted}, got {settings.get('AZURE_OPENAI_ENDPOINT')}: the questions go elsewhere"


def _hosts_of_the_model(deployment: Deployment) -> list[tuple[str, Any]]:
    """The settings of whoever asks the model: the app, or the functions of a managed site."""
    host = APP_CONFIG if deployment.on_flex else SITE_CONFIG
    return [(host, deployment.app_settings().get(host, {}))] if deployment.parameters["backend"] != "openAI" else []
