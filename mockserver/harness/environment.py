"""The one place where the harness reads its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mockserver.cassettes.real_endpoint import Credentials

#: Where the key of the real endpoint comes from, beside a prompt; never the command line.
KEY_VARIABLES = {
    "openai_key": "OPENAI_API_KEY",
    "azure_key": "AZURE_OPENAI_API_KEY",
    "azure_token": "AZURE_OPENAI_AD_TOKEN",
}


#: Where containers, whose files nobody reads, get the run's token from.
TOKEN_VARIABLE = "DRESS_REHEARSAL_TOKEN"  # noqa: S105  a variable's name


def credentials_of(environment: Mapping[str, str]) -> Credentials:
    """What opens the real endpoint, from the variables that the official SDK reads too."""
    return Credentials(**{name: environment.get(variable, "") for name, variable in KEY_VARIABLES.items()})


def without_proxy() -> dict[str, str]:
    """NO_PROXY with loopback in it: with a corporate HTTP_PROXY, clients send even loopback calls there (measured)."""
    wanted = ["127.0.0.1", "localhost", "::1"]
    given = [each for each in os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")).split(",") if each]
    value = ",".join([*given, *(each for each in wanted if each not in given)])
    return {"NO_PROXY": value, "no_proxy": value}


def state_folder() -> Path:
    """Where what must survive a restart is kept, for this user alone."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "dress-rehearsal"
