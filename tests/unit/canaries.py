"""Invented secrets, one of each kind, and texts that only look like secrets."""

from __future__ import annotations

import base64
import json

_LETTERS = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ2bC4eF6hJ8kL0nP2rS4uV6xY8"
_PRINCIPAL = {
    "identityProvider": "aad",
    "userId": "d75b260a64504067",
    "userDetails": "ada@corp.com",
    "userRoles": ["a"],
}

CANARIES = {
    "OpenAI key": f"sk-proj-{_LETTERS[:40]}",
    "Azure AI key": f"{(_LETTERS * 2)[:52]}JQQJ99BKACYeBjFXJ3w3AAABACOG1234",
    "Azure storage key": f"AccountKey={(_LETTERS * 2)[:86]}==",
    "Azure shared access signature": f"https://acme.blob.core.windows.net/c?sv=1&sig={_LETTERS[:42]}%3D",
    "JSON Web Token": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{_LETTERS[:43]}",
    "client principal": base64.b64encode(json.dumps(_PRINCIPAL).encode()).decode(),
    "GitHub token": f"ghp_{_LETTERS[:36]}",
    "AWS access key": "AKIAIOSFODNN7EXAMPLE",
    "Google API key": f"AIza{_LETTERS[:35]}",
    "Slack token": "xoxb-123456789012-abcdefABCDEF",
    "Stripe key": f"sk_live_{_LETTERS[:24]}",
    "private key": f"-----BEGIN PRIVATE KEY-----\n{_LETTERS}\n{_LETTERS}\n-----END PRIVATE KEY-----",
    "e-mail address": "ada.lovelace@corp-example.com",
    "subscription": "/subscriptions/6e0e9b3c-1c0f-4b7e-9d5e-0a1b2c3d4e5f",
    "resource group": "/resourceGroups/rg-payroll-prod",
    "tenant": "https://login.microsoftonline.com/6e0e9b3c-1c0f-4b7e-9d5e-0a1b2c3d4e5f",
    "Azure resource": "https://acme-payroll.openai.azure.com",
}

NOT_SECRET = (
    "a task-management-and-organization-tool for the desk-bound",
    "sk-learn and sk-something-that-is-only-words-here",
    "user@example.com, ada@mail.example.org, root@localhost, a@b.test.",
    "git@github.com:org/repo and logo@2x.png and npm i @scope/package@1.2.3",
    "https://your-resource.openai.azure.com and https://resource.openai.azure.com",
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/group",
    "eyJ is how base64 of JSON begins: eyJvcmRlciI6WzEsMiwzLDQsNSw2LDcsOCw5LDEwXX0=",
    "3fa85f64-5717-4562-b3fc-2c963f66afa6 is just an id",
    "def f(x: int) -> int: return x @ y  # noqa",
)
