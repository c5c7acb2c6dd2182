"""The keys of a fake Azure: of models, of sites, and the secrets in vaults, which a host of its own gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
from flask import Response, jsonify, request

from tests.azure.asking import listed, principal
from tests.azure.cloud import TENANT, VAULT, Cloud, RefusalError

Route = Callable[..., Any]
_SITE = r"(?P<id>/.+/providers/Microsoft\.Web/staticSites/[^/]+)"


def key_routes(cloud: Cloud) -> list[tuple[str, str, Route]]:
    """Method, path and answer of Resource Manager."""

    def account_keys(id: str) -> Any:  # noqa: A002  the name in the pattern
        return cloud.keys_of(cloud.get(id))

    def regenerate(id: str) -> Any:  # noqa: A002
        account = cloud.get(id)
        cloud.renew(account, request.get_json()["keyName"].lower())
        return cloud.keys_of(account)

    def site_secrets(id: str) -> Any:  # noqa: A002
        return {"properties": {"apiKey": cloud.token_of(cloud.get(id))}}

    def reset(id: str) -> Any:  # noqa: A002
        cloud.renew(cloud.get(id), "upload")
        return Response(status=200)

    def invitation(id: str) -> Any:  # noqa: A002
        given = request.get_json()["properties"]
        user = {"displayName": given["userDetails"], "provider": given["provider"], "roles": given["roles"]}
        number = len(cloud.users.setdefault(id.lower(), {})) + 1
        cloud.users[id.lower()][str(number)] = user
        address = f"https://{given['domain']}/.auth/invite?code={number}"
        return {"properties": {"invitationUrl": address, "expiresOn": "2026-12-01T00:00:00Z"}}

    def users(id: str, provider: str) -> Any:  # noqa: A002
        known = cloud.users.get(cloud.get(id)["id"].lower(), {})
        return listed(
            {"name": number, "id": f"{id}/authproviders/{user['provider']}/users/{number}", "properties": user}
            for number, user in known.items()
            if provider in ("all", user["provider"])
        )

    def update_user(id: str, provider: str, user: str) -> Any:  # noqa: A002
        known = cloud.users.get(id.lower(), {}).get(user)
        if known is None or known["provider"] != provider:
            raise RefusalError(404, "NotFound", f"There is no user {user}.")
        known["roles"] = request.get_json()["properties"]["roles"]
        return {"name": user, "properties": known}

    account = r"(?P<id>/.+/providers/Microsoft\.CognitiveServices/accounts/[^/]+)"
    users_of = rf"{_SITE}/authproviders/(?P<provider>[^/]+)"
    return [
        ("POST", f"{account}/listKeys", account_keys),
        ("POST", f"{account}/regenerateKey", regenerate),
        ("POST", f"{_SITE}/listSecrets", site_secrets),
        ("POST", f"{_SITE}/resetapikey", reset),
        ("POST", f"{_SITE}/createUserInvitation", invitation),
        ("POST", f"{users_of}/listUsers", users),
        ("PATCH", f"{users_of}/users/(?P<user>[^/]+)", update_user),
    ]


def vault_routes(cloud: Cloud) -> Iterator[tuple[str, str, str, Route]]:
    """Method, host, path and answer of the vaults' own hosts."""

    def opened(name: str, action: str, secret: str) -> dict[str, Any]:
        """The vault, where whoever asks may do it.

        Raises:
            RefusalError: it may not. Source: Key Vault's guide to RBAC, and its words in public issues.
        """
        vault = next((each for each in cloud.of(VAULT) if each["name"].lower() == name.lower()), None)
        if vault is None:
            raise RefusalError(404, "VaultNotFound", f"The vault {name} was not found.")
        who, needed = principal(), f"Microsoft.KeyVault/vaults/secrets/{action}"
        if not any(role.allows_data(needed) for role in cloud.roles(who, vault["id"])):
            lines = (
                "Caller is not authorized to perform action on resource.",
                "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
                f"Caller: appid={cloud.principals.get(who, who)};oid={who};iss=https://sts.windows.net/{TENANT}/",
                f"Action: '{needed}'",
                f"Resource: '{vault['id'].lower()}/secrets/{secret}'",
                "Assignment: (not found)",
                f"Vault: {name};location={vault['location']}",
            )
            raise RefusalError(403, "Forbidden", "\r\n".join(lines), inner={"code": "ForbiddenByRbac"})
        return vault

    def challenge() -> Any:
        """Source: clients of Key Vault ask without a token first, to learn whose to get."""
        where = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="https://vault.azure.net"'
        body = {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}}
        return jsonify(body), 401, {"www-authenticate": where}

    def secret(vault: str, name: str, version: str = "") -> Any:
        if "authorization" not in request.headers:
            return challenge()
        if request.method == "PUT":
            found = opened(vault, "setSecret/action", name)
            cloud.secrets.setdefault(found["id"].lower(), {}).setdefault(name, []).append(request.get_json()["value"])
        found = opened(vault, "getSecret/action" if request.method == "GET" else "setSecret/action", name)
        versions = cloud.secrets.get(found["id"].lower(), {}).get(name, [])
        number = int(version) if version else len(versions)
        if not 0 < number <= len(versions):
            words = f"A secret with (name/id) {name} was not found in this key vault."
            raise RefusalError(404, "SecretNotFound", words)
        id_ = f"https://{vault}.vault.azure.net/secrets/{name}/{number}"
        times = {
            "enabled": True,
            "created": 1796000000,
            "updated": 1796000000,
            "recoveryLevel": "Recoverable+Purgeable",
        }
        return {"value": versions[number - 1], "id": id_, "attributes": times}

    host = r"(?P<vault>[^/.]+)\.vault\.azure\.net"
    yield "GET PUT", host, "/secrets/(?P<name>[^/]+)(?:/(?P<version>[^/]*))?", secret


def model_routes(cloud: Cloud, model: Callable[[], str]) -> Iterator[tuple[str, str, str, Route]]:
    """The hosts of models, in Azure and at OpenAI: they take their keys of this moment, and answer as the mock does."""

    def answer(host: str, path: str) -> Any:
        given = request.headers.get("api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if given not in cloud.keys_at(host):
            body = {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}
            if host == "api.openai.com":
                body = {
                    "code": "invalid_api_key",
                    "message": "Incorrect API key provided.",
                    "type": "invalid_request_error",
                }
            return jsonify({"error": body}), 401
        with httpx2.Client(trust_env=False, timeout=60) as client:
            headers = {"content-type": "application/json", "authorization": "Bearer any"}
            asked = client.request(request.method, f"{model()}/v1/{path}", content=request.get_data(), headers=headers)
        return Response(asked.content, asked.status_code, content_type=asked.headers["content-type"])

    yield "POST", r"(?P<host>[^/]+\.openai\.azure\.com)", r"/openai/v1/(?P<path>.+)", answer
    yield "POST", rf"(?P<host>{re.escape('api.openai.com')})", r"/v1/(?P<path>.+)", answer
