"""TLS on loopback: a certificate of this run, from an authority whose key exists in memory alone."""

from __future__ import annotations

import ssl

from mockserver.errors import UserError

#: The names and addresses that the certificate is for; that of `--bind` comes to them.
NAMES = ("localhost", "127.0.0.1", "::1")


class TlsError(UserError):
    """What TLS needs is not installed."""


class LocalTls:
    """A server's TLS `context`, and the certificate of the authority that clients have to trust, as PEM.

    The authority can sign nothing once the process has ended: nobody can misuse that clients trust it.
    """

    def __init__(self, *more_names: str) -> None:
        try:
            import trustme
        except ImportError:
            raise TlsError(
                "--tls needs the extra tls: install trustme, or dress-rehearsal with [tls] behind its name"
            ) from None
        authority = trustme.CA(organization_name="Dress Rehearsal, this run alone")
        self.authority: bytes = authority.cert_pem.bytes()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        authority.issue_cert(*NAMES, *more_names).configure_cert(self.context)
