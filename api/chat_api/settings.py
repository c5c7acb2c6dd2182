"""What the API is told by its environment; the only place that reads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."
TOPOLOGIES = ("managed", "linked", "direct")
#: Short keys can be guessed. Source: RFC 2104, section 3: no fewer bytes than the hash has.
_KEY_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Settings:
    """The app's settings; all have defaults, so that the app starts in an empty environment and health says what is missing.

    Azure OpenAI is used where `azure_endpoint` is set, else OpenAI or whatever speaks like it at `base_url` (None is
    OpenAI's own). `models` are what a client may ask for, the first where it asks for none; deployments on Azure.
    `api_version` empty is Azure's `/openai/v1`. `identity` asks Azure with the app's managed identity in place of a key.
    `responses` asks the model through the Responses API. `required_role` empty lets everybody signed in ask; `invited`
    are the addresses, and `@domains`, that the roles function gives that role. Whoever has `prompt_role` may send a system
    prompt of their own; empty is nobody.

    `topology` is how this app is reached: as managed functions or a linked back end behind the gate, or directly, past it,
    with tickets. `direct_url` is, behind the gate, the origin of the app that streams directly; that one asks the model
    then, and this one mints the tickets. `ticket_key` is what both apps share.

    `answer_s` is how long an answer may take in all, an attempt more included: the gate cuts a request after 45 seconds,
    Azure's front end one after 230. `unreadable` are variables with a value that is none.
    """

    azure_endpoint: str = ""
    api_version: str = ""
    base_url: str | None = None
    api_key: str = ""
    identity: bool = False
    models: tuple[str, ...] = ()
    responses: bool = False
    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    required_role: str = "invited"
    invited: frozenset[str] = frozenset()
    prompt_role: str = ""
    suggestions: tuple[str, ...] = ()
    topology: str = "linked"
    direct_url: str = ""
    ticket_key: str = ""
    answer_s: float = 43
    unreadable: tuple[str, ...] = ()

    @property
    def timeout_s(self) -> float:
        """Until the model begins to answer."""
        return self.answer_s - 3

    @property
    def delivery(self) -> str:
        """How an answer reaches the page."""
        return "direct" if self.direct_url else "buffered" if self.topology == "managed" else "streamed"

    @property
    def missing(self) -> tuple[str, ...]:
        """The environment variables without which this app cannot do its part, and those that cannot be read."""
        tickets = bool(self.direct_url) or self.topology == "direct"
        return (
            *(() if self.direct_url else self.missing_for_model),
            *(("TICKET_KEY",) if tickets and len(self.ticket_key) < _KEY_CHARACTERS else ()),
            *self.unreadable,
        )

    @property
    def missing_for_model(self) -> tuple[str, ...]:
        """The environment variables without which no model can be asked."""
        prefix, model = (
            ("AZURE_OPENAI", "AZURE_OPENAI_DEPLOYMENT") if self.azure_endpoint else ("OPENAI", "OPENAI_MODEL")
        )
        opens = self.api_key or (self.azure_endpoint and self.identity)
        needed = {f"{prefix}_API_KEY": opens, model: self.models}
        return tuple(name for name, value in needed.items() if not value)


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings an environment describes."""
    azure = environment.get("AZURE_OPENAI_ENDPOINT", "")
    key, model = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT") if azure else ("OPENAI_API_KEY", "OPENAI_MODEL")
    topology = environment.get("TOPOLOGY") or _usual_topology()
    usual_s = "220" if topology == "direct" else "43"
    seconds = environment.get("ANSWER_WITHIN_S") or usual_s
    readable = {"TOPOLOGY": topology in TOPOLOGIES, "ANSWER_WITHIN_S": seconds.isdecimal() and int(seconds) > 3}
    return Settings(
        azure_endpoint=azure.rstrip("/"),
        api_version=environment.get("AZURE_OPENAI_API_VERSION", ""),
        base_url=environment.get("OPENAI_BASE_URL") or None,
        api_key=environment.get(key, ""),
        identity=environment.get("AZURE_OPENAI_AUTH", "key") == "identity",
        models=_listed(environment.get(model, "")),
        responses=environment.get("MODEL_API", "chat") == "responses",
        system_prompt=environment.get("SYSTEM_PROMPT", DEFAULT_SYSTEM_PROMPT),
        required_role=environment.get("REQUIRED_ROLE", "invited"),
        invited=frozenset(each.lower() for each in _listed(environment.get("INVITED", ""))),
        prompt_role=environment.get("SYSTEM_PROMPT_ROLE", ""),
        suggestions=_listed(environment.get("SUGGESTIONS", ""), "|"),
        topology=topology,
        direct_url=environment.get("DIRECT_URL", "").rstrip("/"),
        ticket_key=environment.get("TICKET_KEY", ""),
        answer_s=int(seconds if readable["ANSWER_WITHIN_S"] else usual_s),
        unreadable=tuple(name for name, can in readable.items() if not can),
    )


def _usual_topology() -> str:
    """Managed functions run Python 3.11 at most, and need the classic request style; a linked app is newer."""
    return "managed" if sys.version_info < (3, 13) else "linked"


def _listed(text: str, between: str = ",") -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(between) if each.strip())
