"""What a secret is replaced by, by the name of the rule in kinds.toml. A text that is no secret after all stays."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

REDACTED = "REDACTED"
_ZERO_GUID = "00000000-0000-0000-0000-000000000000"

#: Names that documentation uses. Sources: RFC 2606 and 6761; Microsoft's names of fictional companies.
_EXAMPLE_NAMES = (
    r"example|contoso\w*|fabrikam\w*|northwind\w*|adventure-?works\w*|wingtip\w*|tailspin\w*|litware\w*|proseware\w*"
)
_EXAMPLE_DOMAIN = re.compile(
    rf"(?:[\w-]+\.)*(?:(?:{_EXAMPLE_NAMES}|privatelink|(?:your|my)?-?(?:domain|company|org|site|email|app|host(?:name)?))\.(?:com|org|net|example)|example|test|invalid|localhost)",
    re.IGNORECASE,
)
_EXAMPLE_RESOURCE = re.compile(
    rf"(?i)(?:resource|tenant|name|registry|openaipublic|{_EXAMPLE_NAMES}|privatelink|(?:your|my|example|sample|test|demo|foo)[\w-]*)"
)
#: Not a domain: logo@2x.png, notes@2024.md, and what code calls a file's or a matrix's.
_NO_DOMAIN = re.compile(
    r"\d+x?\.(?!com\b|net\b|cn\b)\w+|\w\.(?!com\b|org\b|net\b|co\b|io\b)\w+|[\w-]+\.(?:zip|mov|py|sh|data)",
    re.IGNORECASE,
)
#: Whose names of algorithms look like addresses: aes256-gcm@openssh.com.
_ALGORITHMS = frozenset({"openssh.com", "libssh.org", "ssh.com"})
#: Before an @ in Kotlin's labels, and in an address that git clones from.
_NO_PERSON = frozenset({"this", "super", "return", "break", "continue", "git"})
#: Networks of one company, which no registry lists.
_INTRANET = frozenset({"corp", "home", "internal", "intranet", "lan", "local"})
#: Numbers for use in fiction, in two spellings. Source: NANPA, 555-0100 to 555-0199.
_FICTIONAL_PHONE = re.compile(r"\+?1?[ -]?\(?\d{3}\)?[ -]?555[ -]?01\d\d(?!\d)")
#: Keys that documentation shows, and that open nothing. Sources: AWS's documentation; Azurite; the emulator of Cosmos DB.
DOCUMENTED = frozenset(
    {
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAI44QH8DHBEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==",
    }
)
#: What stands where a password will be.
_PLACEHOLDER = re.compile(
    r"(?i)(?:your|my|the|some|example|dummy|change|fake|test|db|user|strong|secure)?[-_ ]?"
    r"(?:pass(?:word|wd|phrase)?|pw|pwd|secret|token|key|me|it|here|example)[-_ ]?(?:here|\d{0,3})"
    r"|(.)\1*|redacted|postgres|root|admin|guest|user|[$<{%\[(].*"
)
#: Source: the registry of ISO 13616, 2026.
IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18"
        "GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24"
        "PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30",
    )
}


def redacted(_secret: str) -> str:
    """Nothing of it."""
    return REDACTED


def _if_mixed(secret: str) -> str:
    """A key has letters and digits, a placeholder has not."""
    return REDACTED if re.search(r"\d", secret) and re.search(r"[A-Za-z]", secret) else secret


def _unless_placeholder(secret: str) -> str:
    return secret if _PLACEHOLDER.fullmatch(secret) else REDACTED


def _if_password(secret: str) -> str:
    """What a variable is set to in code is a name: it has letters and dots alone."""
    return secret if re.fullmatch(r"[A-Za-z_.()\[\]]+", secret) else _unless_placeholder(secret)


def _if_credentials(secret: str) -> str:
    """Base64 text is a secret if it is `user:password`."""
    try:
        text = base64.b64decode(secret + "=" * (-len(secret) % 4), validate=True).decode()
    except ValueError:
        return secret
    return REDACTED if ":" in text and text.isprintable() else secret


def _if_principal(secret: str) -> str:
    """Base64 text is a secret if it is a JSON object that identifies a person."""
    try:
        parsed = json.loads(base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_"))
    except (ValueError, RecursionError):
        return secret
    return REDACTED if isinstance(parsed, dict) and parsed.keys() & {"userDetails", "userId"} else secret


def _resource(secret: str) -> str:
    return secret if _EXAMPLE_RESOURCE.fullmatch(secret.partition(".")[0]) else "resource"


def _tenant(secret: str) -> str:
    return secret if _EXAMPLE_RESOURCE.fullmatch(secret) else "tenant"


def _person(secret: str) -> str:
    """An address at example.com: a different one for each address, and always the same for the same address."""
    name, _, domain = secret.rpartition("@")
    if name in _NO_PERSON or domain in _ALGORITHMS or _EXAMPLE_DOMAIN.fullmatch(domain) or _NO_DOMAIN.fullmatch(domain):
        return secret
    if not _is_top_level_domain(domain.rpartition(".")[2].lower()):
        return secret
    return f"person-{_digest(secret)[:6]}@example.com"


def _phone(secret: str) -> str:
    """A fictional number: always the same for the same number."""
    if _FICTIONAL_PHONE.match(secret):
        return secret
    return f"+1-202-555-01{int(_digest(re.sub(r'[^0-9]', '', secret))[:6], 16) % 100:02}"


def _if_iban(secret: str) -> str:
    """A bank account by its check digits. Source: ISO 7064, MOD 97-10."""
    plain = secret.replace(" ", "")
    number = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
    return REDACTED if int(number) % 97 == 1 else secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.lower().encode("utf-8", "surrogatepass")).hexdigest()


@functools.lru_cache(1000)
def _is_top_level_domain(name: str) -> bool:
    try:
        ascii_name = name.encode("idna").decode()
    except UnicodeError:
        return False
    return name in _INTRANET or _public_suffixes().publicsuffix(ascii_name) is not None


@functools.cache
def _public_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # 80 ms, for the first text with an @ in such a place

    return PublicSuffixList(only_icann=True, accept_unknown=False)


REPLACEMENTS: dict[str, Callable[[str], str]] = {
    "redacted": redacted,
    "if mixed": _if_mixed,
    "unless placeholder": _unless_placeholder,
    "if credentials": _if_credentials,
    "if password": _if_password,
    "person in an address": lambda secret: _person(secret.replace("%40", "@")).replace("@", "%40"),
    "if principal": _if_principal,
    "zeros": lambda _secret: _ZERO_GUID,
    "group": lambda _secret: "group",
    "resource": _resource,
    "tenant": _tenant,
    "person": _person,
    "phone": _phone,
    "if iban": _if_iban,
}
