"""Where the key of a real endpoint comes from: the environment, or a prompt."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from urllib.parse import urlsplit

import click

from mockserver.cassettes.real_endpoint import Credentials, require_url
from mockserver.harness.environment import credentials_of
from mockserver.harness.options import OptionsError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def credentials_for(upstream: str) -> Credentials:
    """What opens an upstream: from the environment, else asked for at a terminal; nothing for a server on this machine.

    Raises:
        RecordingError: it is no URL.
        SetUpError: there is nothing, and nobody to ask.
    """
    require_url(upstream)
    found = credentials_of(os.environ)
    host = urlsplit(upstream).hostname or ""
    azure = host.endswith((".azure.com", ".azure.us"))
    if host in _LOOPBACK or (found.azure_key or found.azure_token if azure else found.openai_key):
        return found
    names = "AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN" if azure else "OPENAI_API_KEY"
    if not sys.stdin.isatty():
        raise OptionsError(f"{upstream} wants a key, and {names} is not set; keys are never given on the command line")
    key = click.prompt(f"Key for {host} ({names} is not set)", hide_input=True)
    return replace(found, **{"azure_key" if azure else "openai_key": key})
