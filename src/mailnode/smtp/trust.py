"""All TLS contexts: which certificates are trusted."""

import ssl
from functools import lru_cache

from mailnode.errors import ErrorCode, SettingsError

# Python 3.13 turns both on: strict RFC 5280, which refuses many companies' own authorities (no Authority Key
# Identifier), and any certificate of `ca` as an authority. OpenSSL does neither by default.
_ONLY_NEW_PYTHONS = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


@lru_cache(maxsize=64)
def client_context(ca: str | None = None) -> ssl.SSLContext:
    """Give a context that checks certificate and name, by `ca` (PEM text) or the system's store; TLS 1.2 or newer.

    It trusts the same on every version of Python: what OpenSSL trusts by default.

    Raises:
        SettingsError: `ca` holds no certificate.
    """
    if ca == "":  # which the ssl module treats as None
        raise _no_certificate()
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError, TypeError):
        raise _no_certificate() from None
    context.verify_flags &= ~_ONLY_NEW_PYTHONS
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def untrusting_context() -> ssl.SSLContext:
    """Give a context that accepts any certificate: for examining a server, never for sending it a secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_context() -> ssl.SSLContext:
    """Give a context for a server of our own, which asks for no certificate of a client; TLS 1.2 or newer."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_certificate() -> SettingsError:
    return SettingsError(
        "there is no certificate in it",
        code=ErrorCode.BAD_SETTING,
        hint="give PEM text: -----BEGIN CERTIFICATE----- and so on",
    ).locate(key="ca")
