"""What detect-secrets says of a cassette after redaction: other people's rules find what ours do not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mockserver.exchange import Interaction
from mockserver.redaction.literals import literals

#: Not entropy, keywords and addresses: those flag clean traffic.
_LEFT_OUT = frozenset(
    {"Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "BasicAuthDetector", "IPPublicDetector"}
)
#: A longer text without a blank is an image or an embedding.
_LONGEST = 2000


def second_opinion(interaction: Interaction) -> Counter[str]:
    """How many secrets of which kind detect-secrets finds; empty where it is not installed."""
    try:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
        from detect_secrets.core.scan import scan_line
        from detect_secrets.settings import transient_settings
    except ImportError:
        return Counter()
    plugins: dict[str, type] = get_mapping_from_secret_type_to_class()
    names = {plugin.__name__ for plugin in plugins.values()} - _LEFT_OUT
    found: Counter[str] = Counter()
    with transient_settings({"plugins_used": [{"name": name} for name in sorted(names)]}):
        for word in sorted(set(_words(interaction))):
            found.update(secret.type for secret in scan_line(word))
    return found


def _words(interaction: Interaction) -> Iterator[str]:
    """The words of all texts that are long enough to be a key."""
    for body in (interaction.request.body, *(event.data for event in interaction.answer.events)):
        text = body.decode("utf-8", "replace")
        said = [literal.text for literal in literals(text)] or [text]
        for word in (word for each in said for word in each.split()):
            if 16 <= len(word) <= _LONGEST:
                yield word
