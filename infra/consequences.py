"""What a deployment means, said before it is made: what it costs, what is reachable from where, and who can read which secret."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan import SECRETS, DeploymentPlan
from infra.retirement import load_models

#: What is counted on: questions a day, and tokens read and written for each, with a short history.
QUESTIONS, TOKENS = 1000, (1500, 400)
_DAYS = 30
_STANDARD_SITE = 9.0
#: Flex Consumption: 2 GB for 5 seconds of each question; the first 100,000 GB seconds are free. Source: its list prices, 2026.
_GB_SECONDS, _FREE_GB_SECONDS, _PER_GB_SECOND = 2 * 5, 100_000, 0.000026


def consequences(plan: DeploymentPlan) -> Iterator[tuple[str, str]]:
    """A word, and what it means here."""
    yield "costs", _costs(plan)
    yield from (("reachable", each) for each in _reachable(plan))
    yield from (("secrets", each) for each in _secrets(plan))


def _costs(plan: DeploymentPlan) -> str:
    site = plan.deployment.of("Microsoft.Web/staticSites")[0]
    idle = _STANDARD_SITE if site.body["sku"]["name"] == "Standard" else 0.0
    running = 0.0
    if plan.parameter("topology") != "managed":
        used = QUESTIONS * _DAYS * _GB_SECONDS
        running = max(0, used - _FREE_GB_SECONDS) * _PER_GB_SECOND
    name = _model_name(plan)
    price = next((model.price for model in load_models() if model.name == name), None)
    busy = f"the tokens of {name or 'the model'}, whose price is not listed here, and {_dollars(idle + running)}"
    if price is not None:
        tokens = QUESTIONS * _DAYS * sum(count * each for count, each in zip(TOKENS, price, strict=True)) / 1_000_000
        busy = f"{_dollars(idle + running + tokens)} a month, {_dollars(tokens)} of it for tokens of {name}"
    read, written = TOKENS
    return f"idle {_dollars(idle)} a month; with {QUESTIONS:,} questions a day, of {read:,} tokens and answers of {written}: {busy}"


def _model_name(plan: DeploymentPlan) -> str:
    """The model that answers; empty where only its deployment is known."""
    backend = plan.parameter("backend")
    if backend == "openAI":
        return str(plan.parameter("openAIModel")).partition(",")[0].strip()
    return str(plan.parameter("modelName")) if backend == "newAzureOpenAI" else ""


def _dollars(amount: float) -> str:
    return f"about ${amount:,.0f}" if amount >= 1 else "about nothing"


def _reachable(plan: DeploymentPlan) -> Iterator[str]:
    topology, ranges = plan.parameter("topology"), ", ".join(plan.parameter("siteIpRanges"))
    role = plan.parameter("requiredRole") or "nobody in particular"
    yield f"the site from {ranges or 'every address'}; questions need a sign-in and the role {role}"
    if topology == "linked":
        yield "the function app through the site alone"
    if topology == "direct":
        yield "the function app from every address; it answers only questions with a ticket, which the site issues"
    if plan.parameter("backend") == "newAzureOpenAI":
        allowed = ", ".join(plan.parameter("modelIpRanges")) or "every address"
        how = "with its key" if topology == "managed" else "with an identity that has a role; keys are refused"
        yield f"the model from {allowed}, {how}"


def _secrets(plan: DeploymentPlan) -> Iterator[str]:
    topology, given = plan.parameter("topology"), bool(plan.deployment.of("Microsoft.KeyVault/vaults"))
    settings = "whoever may list the site's settings: Contributors of the group"
    if given:
        vault = plan.name_of("Microsoft.KeyVault/vaults")
        yield f"the model's key, in the Key Vault {vault}: the app's identity, and whoever may assign roles there"
    elif topology == "managed":
        yield f"the model's key, a setting of the site: {settings}"
    else:
        yield "the model has no key: the app has a role on it"
    if topology == "direct":
        yield f"the key of the tickets, a setting of the site and of the app: {settings}"
    if plan.parameter("signInClientId"):
        yield f"the secret of your own sign-in, a setting of the site: {settings}"
    if plan.kept:
        names = ", ".join(sorted(SECRETS[name] for name in plan.kept))
        yield f"not given, and kept as deployed: {names}"
