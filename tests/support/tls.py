"""Certificates made when needed (trustme): an authority, servers it vouches for, and some that nobody does."""

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import trustme

from mailnode.smtp.tls import client_context


@cache
def authority() -> trustme.CA:
    """The authority of this test run."""
    return trustme.CA()


def ca_pem() -> str:
    """Its certificate, as a user gives it in `ca`."""
    return authority().cert_pem.bytes().decode()


@contextmanager
def trusted_by_the_system() -> Iterator[None]:
    """Have this process trust it where it names no authority of its own."""
    with authority().cert_pem.tempfile() as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", path)
        client_context.cache_clear()
        yield
    client_context.cache_clear()


def server_context(
    *names: str,
    expired: bool = False,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
    issuer: trustme.CA | None = None,
) -> ssl.SSLContext:
    """What a server of these names presents; 127.0.0.1 and localhost when none is given."""
    if expired:
        not_after = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (issuer or authority()).issue_cert(
        *(names or ("127.0.0.1", "localhost")), not_before=not_before, not_after=not_after
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def self_signed_context() -> ssl.SSLContext:
    """What a server presents that nobody vouches for but itself."""
    itself = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with itself.private_key_pem.tempfile() as key, itself.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
    return context
