"""Contexts of TLS, all of them made here: whom a connection of ours takes for the server it wants."""

import ssl
from functools import lru_cache

from mailnode.errors import ErrorCode, SettingsError

# Python 3.13 switches both on: RFC 5280 to the letter, which refuses the authorities that companies make themselves
# (no Authority Key Identifier), and any certificate of `ca` as an authority. OpenSSL by itself does neither.
_ONLY_NEW_PYTHONS = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


@lru_cache(maxsize=64)
def client_context(ca: str | None = None) -> ssl.SSLContext:
    """Give a context that checks certificate and name, by `ca` (PEM text) or the system's store; TLS 1.2 or newer.

    Whom it trusts is the same on every version of Python: what OpenSSL trusts by default.

    Raises:
        SettingsError: `ca` holds no certificate.
    """
    if ca == "":  # which the ssl module takes for "no wish"
        raise _no_certificate()
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError, TypeError):
        raise _no_certificate() from None
    context.verify_flags &= ~_ONLY_NEW_PYTHONS
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def untrusting_context() -> ssl.SSLContext:
    """Give a context that takes any certificate: for looking at a server, never for saying a secret to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _no_certificate() -> SettingsError:
    return SettingsError(
        "`ca` holds no certificate",
        code=ErrorCode.BAD_SETTING,
        hint="give PEM text: -----BEGIN CERTIFICATE----- and so on",
    ).locate(key="ca")
