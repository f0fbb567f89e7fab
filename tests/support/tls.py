"""Certificates made when needed (trustme): an authority, servers it vouches for, and some that nobody does."""

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailnode.smtp.trust import client_context
from mailnode.submission.certificate import ServerCertificate


@cache
def authority() -> trustme.CA:
    """The authority of this test run."""
    return trustme.CA()


def ca_pem() -> str:
    """Its certificate, as a user gives it in `ca`."""
    return authority().cert_pem.bytes().decode()


@contextmanager
def trusted_by_the_system(pem: str | None = None) -> Iterator[None]:
    """Have this process trust it, or the certificates in `pem`, where it names no authority of its own."""
    with trustme.Blob((pem or ca_pem()).encode()).tempfile() as path, pytest.MonkeyPatch.context() as patch:
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


def served_certificate(folder: Path) -> ServerCertificate:
    """Write what our own SMTP server presents to cert.pem and key.pem in a folder."""
    made = authority().issue_cert("127.0.0.1", "localhost")
    chain, key = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    return ServerCertificate(chain, key)


def self_signed_context() -> ssl.SSLContext:
    """What a server presents that nobody vouches for but itself."""
    itself = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with itself.private_key_pem.tempfile() as key, itself.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
    return context


class Chain(NamedTuple):
    """What a server presents, and the certificates above it (PEM text)."""

    context: ssl.SSLContext
    authority: str
    intermediate: str


@cache
def plain_chain() -> Chain:
    """As `openssl x509 -req` makes certificates for a company: none of them names the key of whom it is from."""
    root, root_key = _plain("company")
    intermediate, key = _plain("office", root, root_key)
    leaf, leaf_key = _plain("localhost", intermediate, key, is_authority=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with (
        trustme.Blob(_private_pem(leaf_key)).tempfile() as private,
        trustme.Blob(_pem(leaf) + _pem(intermediate)).tempfile() as public,
    ):
        context.load_cert_chain(public, private)
    return Chain(context, _pem(root).decode(), _pem(intermediate).decode())


def _plain(
    name: str,
    issuer: x509.Certificate | None = None,
    issuer_key: ec.EllipticCurvePrivateKey | None = None,
    *,
    is_authority: bool = True,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=100))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=is_authority)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
