"""What the official schema asks of an identity provider's registration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mockserver.errors import did_you_mean

#: The keys of a provider, and those of its registration: required, then others. Source: the official CLI's schema, 2.0.10.
_OF_PROVIDER = ("enabled", "registration", "login", "userDetailsClaim")
_OF_REGISTRATION: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "aad": (("openIdIssuer", "clientSecretSettingName"), ("clientIdSettingName",)),
    "apple": (("clientSecretSettingName",), ("clientIdSettingName",)),
    "facebook": (("appSecretSettingName",), ("appIdSettingName",)),
    "github": (("clientSecretSettingName",), ("clientIdSettingName",)),
    "google": (("clientSecretSettingName",), ("clientIdSettingName",)),
    "twitter": (("consumerSecretSettingName",), ("consumerKeySettingName",)),
    "": (("clientCredential", "openIdConnectConfiguration"), ("clientIdSettingName",)),
}


def provider_problems(name: str, value: Any, *, custom: bool = False) -> Iterator[str]:
    """What the official schema refuses in a provider."""
    place = f"auth.identityProviders.{name}"
    if not isinstance(value, dict) or not isinstance(value.get("registration"), dict):
        yield f"{place} needs a registration"
        return
    required, others = _OF_REGISTRATION["" if custom else name]
    known = {place: (value, _OF_PROVIDER), f"{place}.registration": (value["registration"], (*required, *others))}
    for where, (document, keys) in known.items():
        for key in document:
            if key not in keys:
                yield f"{where}.{key} is unknown{did_you_mean(key, keys)}"
    for key in required:
        if key not in value["registration"]:
            yield f"{place}.registration needs {key}"
