"""Token counts equal the published ones; without the tokenizer, words are counted."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mockserver import tokens

#: The example of OpenAI's cookbook "How to count tokens with tiktoken", with the numbers the API gave there.
EXAMPLE = [
    {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
    {"role": "system", "name": "example_user", "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
    {"role": "system", "name": "example_assistant", "content": "Let's talk later when we're less busy about how to do better."},
    {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."},
]  # fmt: skip


@pytest.mark.parametrize(("model", "count"), [("gpt-4-0613", 129), ("gpt-4o", 124), ("a deployment", 124)])
def test_messages_count_as_published(model: str, count: int) -> None:
    assert tokens.count_messages(EXAMPLE, model) == count


@pytest.mark.parametrize(
    ("text", "model", "count"),
    [
        ("antidisestablishmentarianism", "gpt-4", 6),
        ("2 + 2 = 4", "gpt-4", 7),
        ("お誕生日おめでとう", "gpt-4", 9),
        ("お誕生日おめでとう", "gpt-4o", 8),
        ("<|endoftext|>", "gpt-4o", 7),
        ("", "gpt-4o", 0),
        pytest.param("x" * 30_000_000, "gpt-4o", 7_500_000, id="too long to read"),
    ],
)
def test_texts_count_as_published(text: str, model: str, count: int) -> None:
    assert tokens.count(text, model) == count


@pytest.mark.parametrize("text", ["Grüße 🙂 👩‍💻 done", "日本語\n\n```\nx\n```", " a  b ", "é́"])
def test_tokens_joined_are_the_text_and_letters_stay_whole(text: str) -> None:
    assert "".join(tokens.split(text, "gpt-4o")) == text
    assert "".join(tokens.words(text)) == text


def test_images_do_not_count() -> None:
    text = [{"role": "user", "content": "Hi"}]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with_image = [{"role": "user", "content": [{"type": "text", "text": "Hi"}, image]}]
    assert tokens.count_messages(with_image, "gpt-4o") == tokens.count_messages(text, "gpt-4o")


def test_without_the_tokenizer_words_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "installed", lambda: False)
    assert tokens.split("one two  three", "gpt-4o") == ["one", " two", "  three"]


def test_a_vocabulary_with_another_hash_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "o200k_base.tiktoken.gz").write_bytes(gzip.compress(b"YQ== 0"))
    monkeypatch.setattr("importlib.resources.files", lambda _package: tmp_path)
    tokens._loaded.cache_clear()
    try:
        with pytest.raises(
            tokens.VocabularyError, match=r"the vocabulary o200k_base must have the SHA-256 446a.*, got "
        ):
            tokens.count("a", "gpt-4o")
    finally:
        tokens._loaded.cache_clear()
