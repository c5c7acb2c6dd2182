"""What a deployment costs, opens and keeps is said before it is made."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from infra.consequences import QUESTIONS, TOKENS, consequences
from infra.plan import Choice, ExistingDeployment, make_plan, resolve_parameters
from infra.retirement import load_models

FOREIGN = {"existingEndpoint": "https://theirs.openai.azure.com/"}


def said(topology: str, backend: str, **parameters: Any) -> list[str]:
    choice = Choice("test", topology, backend, parameters=parameters)
    resolved = resolve_parameters(choice, ExistingDeployment(), {})
    plan = make_plan(resolved, choice.group, date(2026, 12, 1))
    return [f"{word} {meaning}" for word, meaning in consequences(plan)]


def test_costs_are_those_of_the_models_tokens_and_of_the_plan() -> None:
    read, written = load_models()[0].price or (0, 0)
    tokens = QUESTIONS * 30 * (TOKENS[0] * read + TOKENS[1] * written) / 1_000_000
    (managed, *_), (linked, *_) = said("managed", "newAzureOpenAI"), said("linked", "newAzureOpenAI")
    assert managed.startswith("costs idle about nothing a month; with 1,000 questions a day")
    assert f"about ${tokens:,.0f} a month, about ${tokens:,.0f} of it for tokens of gpt-5.6-terra" in managed
    assert "idle about $9 a month" in linked
    assert f"about ${tokens + 9 + 200_000 * 0.000026:,.0f} a month" in linked
    cheap = said("managed", "openAI", openAIModel="gpt-5-nano, gpt-5.5")[0]
    assert "for tokens of gpt-5-nano" in cheap
    for unknown in (said("managed", "openAI", openAIModel="gpt-9")[0], said("linked", "existingAzureOpenAI")[0]):
        assert "whose price is not listed here" in unknown


@pytest.mark.parametrize(
    ("topology", "backend", "parameters", "expected"),
    [
        ("linked", "newAzureOpenAI", {}, "reachable the function app through the site alone"),
        (
            "direct",
            "openAI",
            {},
            "reachable the function app from every address; it answers only questions with a ticket",
        ),
        ("managed", "openAI", {"siteIpRanges": ["203.0.113.0/24"]}, "reachable the site from 203.0.113.0/24; "),
        ("managed", "openAI", {"requiredRole": ""}, "need a sign-in and the role nobody in particular"),
        (
            "linked",
            "newAzureOpenAI",
            {"modelIpRanges": ["203.0.113.0/24"]},
            "the model from 203.0.113.0/24, with an identity",
        ),
        ("managed", "newAzureOpenAI", {}, "the model from every address, with its key"),
        ("linked", "newAzureOpenAI", {}, "secrets the model has no key"),
        ("managed", "newAzureOpenAI", {}, "secrets the model's key, a setting of the site: whoever may list"),
        ("linked", "openAI", {}, "secrets the model's key, in the Key Vault kv-chat-test-"),
        ("linked", "existingAzureOpenAI", FOREIGN, "secrets the model's key, in the Key Vault kv-chat-test-"),
        ("managed", "existingAzureOpenAI", FOREIGN, "secrets the model's key, a setting of the site"),
        ("direct", "openAI", {}, "secrets the key of the tickets, a setting of the site and of the app"),
        ("managed", "openAI", {"signInClientId": "c"}, "secrets the secret of your own sign-in"),
    ],
)
def test_what_is_open_and_who_can_read_what_is_said(
    topology: str, backend: str, parameters: dict[str, Any], expected: str
) -> None:
    assert [line for line in said(topology, backend, **parameters) if expected in line] != []
