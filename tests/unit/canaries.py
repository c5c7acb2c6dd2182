"""One invented secret of each kind, and texts that only look like secrets."""

from __future__ import annotations

from mockserver.redaction.kinds import KINDS

#: By kind; a second example of a kind has a number.
CANARIES = {
    f"{kind.name}{f' {number}' if (number := [each.name for each in KINDS[:index]].count(kind.name)) else ''}": kind.example
    for index, kind in enumerate(KINDS)
}

#: The part of an example that has to be gone; words around it may stay.
CORES = {
    name: (match["secret"] if "secret" in kind.pattern.groupindex else match[0])
    for (name, kind) in zip(CANARIES, KINDS, strict=True)
    if (match := kind.pattern.search(kind.example)) is not None
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
    "return self.W@x.reshape(-1) + q@k.mT, W@x.to(device)",
    "@pytest.fixture\n@app.get('/')\n@Component({selector: 'x'})",
    "report@final.docx, hero@2x.avif, notes@2024.md, run@prod.sh, this@Outer.name, return@label.it",
    "AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY are AWS's documented example",
    "ada@contoso.com works at https://contoso.openai.azure.com and at fabrikam.onmicrosoft.com",
    "postgres://user:password@localhost/db and mysql://root:$MYSQL_PASSWORD@db/x and https://u:<password>@h/",
    "Authorization: Bearer YOUR_ACCESS_TOKEN_GOES_HERE, or Bearer {token}",
    "md5 d41d8cd98f00b204e9800998ecf8427e, cache key: d41d8cd98f00b204e9800998ecf8427e",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "call +1-202-555-0143 or (212) 555-0100; 2026-11-28T22:30:00+01:00; x+1234567; 1.5e+10",
    "DE89 3704 0044 0532 0130 01 has wrong check digits",
    "monkey patch, the key of d41d8cd9 is short, KEY=value, key: null",
    '{"password": {"type": "string"}, "api_key": "YOUR_API_KEY", "secret": "a word"}',
    "actions/checkout@v4.1.0 golang.org/x/tools@v0.1.0 image@sha256:9f86d081884c",
)
