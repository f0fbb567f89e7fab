"""Certificates in plain words: what one says, why it is not trusted, and what to do about it (RFC 5280)."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as X509Certificate
    from cryptography.x509 import Name

# Enough days for a renewal by hand; automatic renewals happen a month ahead.
SOON = timedelta(days=14)

_MOST_NAMES = 8


class CertificateFault(NamedTuple):
    """Why a certificate is not trusted, and the remedy."""

    what: str
    hint: str


_NOT_YET_VALID = CertificateFault("it is not valid yet", "check this machine's clock")
_EXPIRED = CertificateFault("it has expired", "ask the server's operator to renew the certificate")
_OTHER_NAME = CertificateFault("it is for another name", "use a host name in the certificate")

# The verify codes of OpenSSL (x509_vfy.h). 19 and 20 are often a chain that the server sends without its middle.
_FAULTS = {
    2: CertificateFault(
        "its authority is known, but not the root above that",
        "give the root's certificate as `ca`",
    ),
    9: _NOT_YET_VALID,
    10: _EXPIRED,
    18: CertificateFault("the server signed it itself", "give that certificate as `ca` (PEM text) if you trust it"),
    19: CertificateFault("it comes from a private authority", "give that authority's certificate as `ca` (PEM text)"),
    20: CertificateFault(
        "it comes from an unknown authority",
        "give that authority's certificate as `ca` (PEM text) if you trust it; if it is a public one, ask the server's "
        "operator to send the intermediate certificate too",
    ),
    21: CertificateFault(
        "it comes from an unknown authority",
        "ask the server's operator to send the intermediate certificate too, or give its authority's as `ca`",
    ),
    62: _OTHER_NAME,
    64: CertificateFault("it is for another address", "use the host name in the certificate"),
}
_OTHER_HINT = "give the certificate of the server's authority as `ca` (PEM text), if you trust it"
# What the certificate itself shows more exactly than OpenSSL's message.
SEEN_IN_CERTIFICATE = frozenset({9, 10, 62, 64})


def fault_of(verify_code: int, verify_message: str) -> CertificateFault:
    """Give the fault and remedy for a verify code of OpenSSL; its own message where the code is not listed."""
    return _FAULTS.get(verify_code) or CertificateFault(verify_message.strip() or "no reason given", _OTHER_HINT)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says; `names` are the DNS names and addresses that it is for."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    fingerprint: str

    @classmethod
    def from_der(cls, octets: bytes) -> Self:
        """Read a certificate; ValueError where it can't be read."""
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256

        certificate = x509.load_der_x509_certificate(octets)
        return cls(
            subject=_shown(certificate.subject),
            names=tuple(_names(certificate)),
            issuer=_shown(certificate.issuer),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            fingerprint=certificate.fingerprint(SHA256()).hex(":").upper(),
        )

    def __str__(self) -> str:
        """Say all but the fingerprint in a line."""
        names = ", ".join(self.names[:_MOST_NAMES]) or "no name"
        more = f" and {len(self.names) - _MOST_NAMES} more" if len(self.names) > _MOST_NAMES else ""
        subject = f" ({self.subject})" if self.subject and self.subject not in self.names else ""
        return f"certificate for {names}{more}{subject}, from {self.issuer}, valid until {self.not_after:%Y-%m-%d}"

    def ends_soon(self, now: datetime) -> bool:
        """Whether it should have been renewed by now."""
        return self.not_after - now < SOON

    def covers(self, host: str) -> bool:
        """Whether it is for this host (RFC 6125 6.4): a wildcard matches one label, the first."""
        host = host.rstrip(".").lower()
        if _is_address(host):
            return any(_is_address(name) and _same_address(name, host) for name in self.names)
        parent = host.partition(".")[2]
        return any(name.lower() in {host, f"*.{parent}"} for name in self.names)

    def faults(self, host: str, verify_code: int, verify_message: str, now: datetime) -> Iterator[CertificateFault]:
        """Give every reason why it is not trusted; OpenSSL names only the first."""
        if now < self.not_before:
            yield CertificateFault(f"it is not valid before {self.not_before:%Y-%m-%d %H:%M} UTC", _NOT_YET_VALID.hint)
        elif now > self.not_after:
            yield CertificateFault(f"it expired on {self.not_after:%Y-%m-%d}", _EXPIRED.hint)
        elif verify_code in {9, 10}:
            when = "is not valid yet" if verify_code == 9 else "has expired"  # noqa: PLR2004 -- the table above
            yield CertificateFault(f"a certificate above it {when}", fault_of(verify_code, verify_message).hint)
        if not self.covers(host):
            yield CertificateFault(f"it is not for {host}", self._name_hint(host))
        elif verify_code in {62, 64}:
            yield fault_of(verify_code, verify_message)
        if verify_code not in SEEN_IN_CERTIFICATE:
            yield fault_of(verify_code, verify_message)

    def _name_hint(self, host: str) -> str:
        # Its own name is what a person types by mistake without `smtp.`; a wildcard is no name to use.
        usable = [name for name in self.names if not name.startswith("*.")]
        if usable:
            return f"use a host name in the certificate: {', '.join(usable[:_MOST_NAMES])}"
        if self.names:
            return f"use a host name that matches {', '.join(self.names[:_MOST_NAMES])}"
        return f"ask the operator of {host} for a certificate with a name"


def read_certificate(der: bytes | None) -> Certificate | None:
    """Read the certificate of a connection; None where there is none, or where it can't be read."""
    try:
        return Certificate.from_der(der) if der else None
    except ValueError:
        return None


def now() -> datetime:
    """Give the time that certificates are compared with."""
    return datetime.now(UTC)


def _names(certificate: "X509Certificate") -> Iterator[str]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        for common_name in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
            yield str(common_name.value)
        return
    yield from names.get_values_for_type(x509.DNSName)
    for address in names.get_values_for_type(x509.IPAddress):
        yield str(address)


def _shown(name: "Name") -> str:
    from cryptography import x509

    for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return str(found[0].value)
    return name.rfc4514_string() or "nobody"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_address(one: str, other: str) -> bool:
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)
