"""Set-Cookie as the host writes it from what the worker has read."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from http.cookies import Morsel
from urllib.parse import quote

#: What .NET's Uri.EscapeDataString leaves as it is.
_UNESCAPED = "-._~"


def written(
    name: str, value: str, *, expires: datetime | None = None, max_age: float | None = None,
    domain: str = "", path: str = "", secure: bool = False, same_site: str = "", http_only: bool = False,
) -> str:  # fmt: skip
    """A cookie as ASP.NET Core writes it: its value percent-encoded, its attributes in this order; `max_age` is in seconds.

    Source: ResponseCookies.Append and SetCookieHeaderValue; max-age whole. The worker sends a domain and a path in any case, and
    empty ones are written too: its tests expect `foo=bar; domain=; path=`.
    """
    parts = [f"{name}={quote(value, safe=_UNESCAPED)}"]
    parts += [f"expires={format_datetime(expires.astimezone(UTC), usegmt=True)}"] if expires is not None else []
    parts += [f"max-age={int(max_age)}"] if max_age is not None else []
    parts += [f"domain={domain}", f"path={path}"]
    parts += ["secure"] if secure else []
    parts += [f"samesite={same_site.lower()}"] if same_site else []
    return "; ".join([*parts, *(["httponly"] if http_only else [])])


def written_again(name: str, morsel: Morsel[str]) -> str:
    """A cookie that azure.functions has read from a function's own header, as the host writes it.

    Source: the worker's parse_to_rpc_http_cookie_list.

    Raises:
        ValueError: an `expires` that the worker cannot read either.
    """
    expires, same_site = morsel["expires"], str(morsel["samesite"]).lower()
    return written(
        name,
        morsel.value,
        expires=datetime.strptime(expires, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) if expires else None,
        max_age=float(morsel["max-age"]) if morsel["max-age"] else None,
        domain=morsel["domain"],
        path=morsel["path"],
        secure=bool(morsel["secure"]),
        same_site=same_site if same_site in ("lax", "strict", "none") else "",
        http_only=bool(morsel["httponly"]),
    )
