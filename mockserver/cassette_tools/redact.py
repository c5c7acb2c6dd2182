"""Takes out of cassettes what an older version, another tool or a person wrote into them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from mockserver.cassettes.cassette import Cassette
from mockserver.redaction.exchanges import redacted
from mockserver.redaction.redaction import Redaction


def without_secrets(cassette: Cassette, allow: tuple[str, ...] = ()) -> tuple[Cassette, Counter[str]]:
    """The cassette without secrets, and how many of each kind it had. What is to be allowed, and is there, is noted in it."""
    redaction = Redaction((*cassette.allowed, *allow), with_known=False)
    clean = [redacted(each, redaction) for each in cassette.interactions]
    allowed = dict.fromkeys((*cassette.allowed, *(text for text in allow if text in redaction.used)))
    secrets = sum((each.secrets for each in clean), Counter[str]())
    return replace(cassette, interactions=tuple(each.interaction for each in clean), allowed=tuple(allowed)), secrets
