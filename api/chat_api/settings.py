"""The API's settings, from its environment; no other module reads the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."
TOPOLOGIES = ("managed", "linked", "direct")
#: Source: OpenAI's API reference, responses, `reasoning.summary`.
SUMMARIES = ("auto", "concise", "detailed")
#: A short key can be guessed. Source: RFC 2104, section 3: at least as many bytes as the hash has.
_MIN_KEY_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question that the page suggests, under a topic; an empty topic is none."""

    topic: str
    question: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The app's settings; all have defaults, so that the app starts in an empty environment and health lists what is missing.

    Azure OpenAI is used where `azure_endpoint` is set, else OpenAI, or a compatible server at `base_url` (None is OpenAI's
    own). `models` are those a client may choose, the first one by default; on Azure they are deployments. An empty
    `api_version` means Azure's `/openai/v1`. With `identity`, the app's managed identity replaces Azure's key. With
    `responses`, the model is used through the Responses API. An empty `required_role` admits every signed-in user;
    `invited` are the addresses and `@domains` to which the roles function gives that role. Users with `prompt_role` may
    send their own system prompt; empty means no one.

    `topology` is how clients reach this app: as managed functions or a linked back end behind the gate, or directly,
    without the gate, with tickets. `direct_url`, behind the gate, is the origin of the app that streams directly: that
    app then uses the model, and this one issues the tickets. Both apps share `ticket_key`.

    `tools` and `images` are whether clients may send tools and images; `longest_answer` is how many tokens they may ask for,
    0 is no limit. `reasoning_summary` is how much of the model's reasoning the Responses API is asked to sum up: auto, concise
    or detailed, empty for nothing.

    `answer_s` is how long an answer may take in all, including one retry: the gate ends a request after 45 seconds, Azure's
    front end after 230. `unreadable` names the variables whose value is not valid.
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
    suggestions: tuple[Suggestion, ...] = ()
    follow_ups: tuple[str, ...] = ()
    topology: str = "linked"
    direct_url: str = ""
    ticket_key: str = ""
    tools: bool = True
    images: bool = True
    reasoning_summary: str = ""
    longest_answer: int = 0
    answer_s: float = 43
    unreadable: tuple[str, ...] = ()

    @property
    def timeout_s(self) -> float:
        """Seconds until the model must begin to answer."""
        return self.answer_s - 3

    @property
    def delivery(self) -> str:
        """How an answer reaches the page."""
        if self.direct_url:
            return "direct"
        return "buffered" if self.topology == "managed" else "streamed"

    @property
    def missing(self) -> tuple[str, ...]:
        """The environment variables that this app needs but does not have, and those whose value is not valid."""
        tickets = bool(self.direct_url) or self.topology == "direct"
        return (
            *(() if self.direct_url else self.missing_for_model),
            *(("TICKET_KEY",) if tickets and len(self.ticket_key) < _MIN_KEY_CHARACTERS else ()),
            *self.unreadable,
        )

    @property
    def missing_for_model(self) -> tuple[str, ...]:
        """The environment variables that the model needs but that are not set."""
        prefix, model = (
            ("AZURE_OPENAI", "AZURE_OPENAI_DEPLOYMENT") if self.azure_endpoint else ("OPENAI", "OPENAI_MODEL")
        )
        credential = self.api_key or (self.azure_endpoint and self.identity)
        needed = {f"{prefix}_API_KEY": credential, model: self.models}
        return tuple(name for name, value in needed.items() if not value)


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in an environment."""
    azure = environment.get("AZURE_OPENAI_ENDPOINT", "")
    key, model = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT") if azure else ("OPENAI_API_KEY", "OPENAI_MODEL")
    topology = environment.get("TOPOLOGY") or _default_topology()
    default_s = "220" if topology == "direct" else "43"
    seconds = environment.get("ANSWER_WITHIN_S") or default_s
    tools, longest = environment.get("TOOLS") or "on", environment.get("MAX_ANSWER_TOKENS") or "0"
    images, summary = environment.get("IMAGES") or "on", environment.get("REASONING_SUMMARY") or "off"
    valid = {
        "TOPOLOGY": topology in TOPOLOGIES,
        "ANSWER_WITHIN_S": seconds.isdecimal() and int(seconds) > 3,
        "TOOLS": tools in ("on", "off"),
        "MAX_ANSWER_TOKENS": longest.isdecimal(),
        "IMAGES": images in ("on", "off"),
        "REASONING_SUMMARY": summary in ("off", *SUMMARIES),
    }
    return Settings(
        azure_endpoint=azure.rstrip("/"),
        api_version=environment.get("AZURE_OPENAI_API_VERSION", ""),
        base_url=environment.get("OPENAI_BASE_URL") or None,
        api_key=environment.get(key, ""),
        identity=environment.get("AZURE_OPENAI_AUTH", "key") == "identity",
        models=_items(environment.get(model, "")),
        responses=environment.get("MODEL_API", "chat") == "responses",
        system_prompt=environment.get("SYSTEM_PROMPT", DEFAULT_SYSTEM_PROMPT),
        required_role=environment.get("REQUIRED_ROLE", "invited"),
        invited=frozenset(item.lower() for item in _items(environment.get("INVITED", ""))),
        prompt_role=environment.get("SYSTEM_PROMPT_ROLE", ""),
        suggestions=tuple(map(_suggestion, _items(environment.get("SUGGESTIONS", ""), "|"))),
        follow_ups=_items(environment.get("FOLLOW_UPS", ""), "|"),
        topology=topology,
        direct_url=environment.get("DIRECT_URL", "").rstrip("/"),
        ticket_key=environment.get("TICKET_KEY", ""),
        tools=tools == "on",
        images=images == "on",
        reasoning_summary="" if summary == "off" else summary,
        longest_answer=int(longest) if valid["MAX_ANSWER_TOKENS"] else 0,
        answer_s=int(seconds if valid["ANSWER_WITHIN_S"] else default_s),
        unreadable=tuple(name for name, is_valid in valid.items() if not is_valid),
    )


def _default_topology() -> str:
    """Managed functions run at most Python 3.11 and need the classic request style; linked apps run a newer Python."""
    return "managed" if sys.version_info < (3, 13) else "linked"


def _items(text: str, separator: str = ",") -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(separator) if item.strip())


def _suggestion(item: str) -> Suggestion:
    """`Topic > question`. One that begins with `>`, or has no `>` before a blank, has no topic."""
    topic = re.match(r"([^>]*?)\s*>\s+(?=\S)", item)
    return Suggestion(topic[1], item[topic.end() :]) if topic else Suggestion("", item)
