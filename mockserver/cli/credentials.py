"""The credentials for a real endpoint: from the environment, or from a prompt."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from urllib.parse import urlsplit

import click

from mockserver.cassettes.real_endpoint import Credentials, is_azure, require_url
from mockserver.exchange import shown_url
from mockserver.harness.environment import credentials_of
from mockserver.harness.options import OptionsError


def is_here(url: str) -> bool:
    """Whether a server is on this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def credentials_for(upstream: str) -> Credentials:
    """The credentials for an upstream, from the environment or else from a prompt; a server on this machine needs none.

    Raises:
        RecordingError: not the URL of a server.
        OptionsError: no key, and no terminal to ask for one.
    """
    require_url(upstream)
    credentials = credentials_of(os.environ)
    host, azure = urlsplit(upstream).hostname or "", is_azure(upstream)
    if is_here(upstream) or (credentials.azure_key or credentials.azure_token if azure else credentials.openai_key):
        return credentials
    names = "AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN" if azure else "OPENAI_API_KEY"
    if not sys.stdin.isatty():
        raise OptionsError(
            f"{shown_url(upstream)} needs a key, but {names} is not set; keys are never passed on the command line"
        )
    key = click.prompt(f"Key for {host} ({names} is not set)", hide_input=True)
    return replace(credentials, **{"azure_key" if azure else "openai_key": key})
