"""The one place where the harness reads environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mockserver.cassettes.real_endpoint import Credentials
from mockserver.clock import Clock
from mockserver.swa.session import Sessions, session_key

#: Variables for the keys of the real endpoint. A key may also be typed at a prompt; it is never on the command line.
KEY_VARIABLES = {
    "openai_key": "OPENAI_API_KEY",
    "azure_key": "AZURE_OPENAI_API_KEY",
    "azure_token": "AZURE_OPENAI_AD_TOKEN",
}


#: Variables of clients of OpenAI and Azure OpenAI, in every language: keys, tokens, addresses, organisations.
_OF_MODEL = re.compile(r"(?:AZURE_)?OPENAI(?:_\w*)?", re.IGNORECASE)
#: The variable that sets the run's token, for containers, whose token file is hard to reach.
TOKEN_VARIABLE = "DRESS_REHEARSAL_TOKEN"  # noqa: S105  a variable's name


def credentials_of(environment: Mapping[str, str]) -> Credentials:
    """Credentials for the real endpoint, from the variables that the official SDK reads too."""
    return Credentials(**{name: environment.get(variable, "") for name, variable in KEY_VARIABLES.items()})


def without_real_settings() -> dict[str, str]:
    """This process's environment without what names or opens a real model: what is started with a mock must not find it."""
    return {name: value for name, value in os.environ.items() if not _OF_MODEL.fullmatch(name)}


def collector() -> str:
    """Where an OpenTelemetry collector takes spans; empty where nothing is to be sent. Source: OpenTelemetry's own variables."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return "" if disabled else os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")


def telemetry_settings() -> dict[str, str]:
    """The settings that make a function app send its own spans where the mock's go; blank where nothing is to be sent, as the
    app's own settings may name a real collector."""
    patience = os.environ.get(
        "OTEL_EXPORTER_OTLP_TIMEOUT", "2"
    )  # seconds, or a stop waits ten for a collector that is not there
    return {
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "false",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "",
        "PYTHON_ENABLE_OPENTELEMETRY": str(bool(collector())).lower(),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector(),
        **({"OTEL_EXPORTER_OTLP_TIMEOUT": patience} if collector() else {}),
    }


def without_proxy() -> dict[str, str]:
    """NO_PROXY with loopback in it: with a corporate HTTP_PROXY, clients send even loopback calls there (measured)."""
    hosts = [host for host in os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")).split(",") if host]
    value = ",".join([*hosts, *(host for host in ("127.0.0.1", "localhost", "::1") if host not in hosts)])
    return {"NO_PROXY": value, "no_proxy": value}


def trusting(authority: Path | None) -> dict[str, str]:
    """The variables with which clients trust an authority beside no other; none without one.

    Source: OpenSSL and Python's ssl; requests; Node.js.
    """
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return dict.fromkeys(names, str(authority)) if authority is not None else {}


def state_folder() -> Path:
    """The folder of what must survive a restart; only this user can read it."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "dress-rehearsal"


def sessions_of(app: Path | str, clock: Clock) -> Sessions:
    """The sessions of a site: of its built files, or in the working folder for a dev server's URL.

    Raises:
        SessionKeyError: the key that signs them is not safe.
    """
    return Sessions(session_key(state_folder(), app if isinstance(app, Path) else Path()), clock)


def authority_file(certificate: bytes, port: int) -> Path:
    """The file of a certificate, the same for each run on a port. It stays: variables that name it must not break clients."""
    path = state_folder() / f"authority-{port}.pem"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(certificate)
    return path
