"""The directory of a fake Azure: applications, what they trust, and who signs in with what."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import jsonify, request

from tests.azure.asking import listed, token_for
from tests.azure.cloud import OPERATOR, TENANT, Cloud, RefusalError

AUDIENCE = "api://AzureADTokenExchange"
_GRAPH, _LOGIN = map(re.escape, ("graph.microsoft.com", "login.microsoftonline.com"))

Claims = tuple[str, str, str]  # issuer, subject, audience


@dataclass
class Directory:
    """Applications by app id, and the assertions that were issued."""

    cloud: Cloud
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    _assertions: dict[str, Claims] = field(default_factory=dict)
    _expired: set[str] = field(default_factory=set)
    _runs: dict[str, tuple[str, str]] = field(default_factory=dict)

    def issue(self, issuer: str, subject: str, audience: str = AUDIENCE) -> str:
        """An assertion, as GitHub and Azure Pipelines issue them; what they sign, this directory remembers."""
        self._assertions[assertion := f"e30.{uuid.uuid4().hex}.x"] = issuer, subject, audience
        return assertion

    def expire(self) -> None:
        """Ten minutes go by, which no assertion survives. Source: Azure Pipelines' AzureCLI task; GitHub's live for five."""
        self._expired |= self._assertions.keys()

    def run(self, subject: str) -> dict[str, str]:
        """What a run on GitHub that may have a token finds in its environment."""
        self._runs[run := uuid.uuid4().hex] = bearer, _ = uuid.uuid4().hex, subject
        url = f"https://pipelines.actions.githubusercontent.com/{run}/idtoken?api-version=2.0"
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer}

    def routes(self) -> Iterator[tuple[str, str, str, Callable[..., Any]]]:
        """Method, host, path and answer."""
        graph = r"/v1\.0"
        yield "GET", r"pipelines\.actions\.githubusercontent\.com", "/(?P<run>[^/]+)/idtoken", self._id_token
        yield "POST", _LOGIN, r"/[^/]+/oauth2/v2\.0/token", self._token
        yield "GET", _GRAPH, f"{graph}/applications", self._found
        yield "POST", _GRAPH, f"{graph}/applications", self._create
        yield "GET PATCH", _GRAPH, f"{graph}/applications/(?P<id>[^/]+)", self._application
        yield "POST", _GRAPH, f"{graph}/applications/(?P<id>[^/]+)/federatedIdentityCredentials", self._trust
        yield "POST", _GRAPH, f"{graph}/servicePrincipals", self._create_principal

    # --- signing in --------------------------------------------------------------------------------------------------

    def _id_token(self, run: str) -> Any:
        """Source: GitHub's reference of OpenID Connect. The address has a query of its own."""
        bearer, subject = self._runs[run]
        if request.headers.get("authorization") != f"bearer {bearer}" or request.args.get("api-version") != "2.0":
            raise RefusalError(400, "BadRequest", f"No token for {request.query_string.decode()}.")
        value = self.issue("https://token.actions.githubusercontent.com", subject, request.args["audience"])
        return {"count": len(value), "value": value}

    def _token(self) -> Any:
        """Source: Entra's reference of errors, and the words of Azure/login's issues 482 and 515,
        and of Azure/Commercial-Marketplace-SaaS-Accelerator#830."""
        client, assertion = request.form["client_id"], request.form.get("client_assertion", "")
        who = next((object_id for object_id, app_id in self.cloud.principals.items() if app_id == client), "")
        if refused := "" if who == OPERATOR else self._refused(client, assertion, who):
            return jsonify({"error": "invalid_client", "error_description": refused}), 401
        return {"token_type": "Bearer", "expires_in": 3600, "access_token": token_for(who)}

    def _refused(self, client: str, assertion: str, who: str) -> str:
        """Why an application is not let in with an assertion; empty where it is."""
        if client not in self.applications:
            return f"AADSTS700016: Application with identifier '{client}' was not found in the directory 'Rehearsal'."
        if not who:
            return (
                f"AADSTS7000229: The client application {client} is missing service principal in the tenant {TENANT}."
            )
        if assertion not in self._assertions:
            return "AADSTS50027: JWT token is invalid or malformed."
        if assertion in self._expired:
            return "AADSTS700024: Client assertion is not within its valid time range."
        issuer, subject, audience = self._assertions[assertion]
        trusted = self.applications[client]["credentials"]
        if (issuer, subject, [audience]) in [(each["issuer"], each["subject"], each["audiences"]) for each in trusted]:
            return ""
        what, value, code = "audience", audience, 212
        if all(each["subject"] != subject for each in trusted):
            what, value, code = "subject", subject, 213
        if all(each["issuer"] != issuer for each in trusted):
            what, value, code = "issuer", issuer, 211
        return (
            f"AADSTS700{code}: No matching federated identity record found for presented assertion {what} '{value}'. "
            "Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
        )

    # --- Graph -------------------------------------------------------------------------------------------------------

    def _found(self) -> Any:
        """Source: `az` asks for an app id, or for all names that begin as the one it creates."""
        condition = request.args.get("$filter", "")
        (value,) = re.findall(r"'([^']+)'", condition)
        if condition.startswith("appId eq"):
            return listed(each for each in self.applications.values() if each["appId"] == value)
        return listed(each for each in self.applications.values() if each["displayName"].startswith(value))

    def _create(self) -> Any:
        names = {"id": str(uuid.uuid4()), "appId": str(uuid.uuid4()), "identifierUris": [], "credentials": []}
        self.applications[names["appId"]] = application = {**request.get_json(), **names}  # type: ignore[index]
        return jsonify(application), 201

    def _application(self, id: str) -> Any:  # noqa: A002  the name in the pattern
        found = next((each for each in self.applications.values() if each["id"] == id), None)
        if found is None:
            raise RefusalError(404, "Request_ResourceNotFound", f"Resource '{id}' does not exist.")
        return found

    def _trust(self, id: str) -> Any:  # noqa: A002
        given = request.get_json()
        known = self._application(id)["credentials"]
        if any((each["issuer"], each["subject"]) == (given["issuer"], given["subject"]) for each in known):
            raise RefusalError(
                409, "Request_MultipleObjectsWithSameKeyValue", "The credential's subject is there already."
            )
        known.append(given)
        return jsonify({"id": str(uuid.uuid4()), **given}), 201

    def _create_principal(self) -> Any:
        app_id = request.get_json()["appId"]
        self.cloud.principals[object_id := str(uuid.uuid4())] = app_id
        return jsonify({"id": object_id, "appId": app_id, "servicePrincipalType": "Application"}), 201
