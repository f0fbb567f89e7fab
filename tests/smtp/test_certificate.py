import datetime as dt
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from mailnode.smtp.doctor.certificate import Certificate, read_certificate

PUBLIC = trustme.CA()


def certificate(*names, **said):
    pem = PUBLIC.issue_cert(*names, **said).cert_chain_pems[0].bytes().decode()
    return Certificate.from_der(ssl.PEM_cert_to_DER_cert(pem))


@pytest.mark.parametrize(
    ("name", "host", "covers"),
    [
        ("mail.example.org", "mail.example.org", True),
        ("mail.example.org", "MAIL.example.org.", True),
        ("mail.example.org", "example.org", False),
        ("*.example.org", "mail.example.org", True),
        ("*.example.org", "a.mail.example.org", False),
        ("*.example.org", "example.org", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("mail.example.org", "192.0.2.1", False),
    ],
)
def test_the_hosts_that_it_is_for(name, host, covers):
    assert certificate(name).covers(host) is covers


def test_a_name_of_old_stands_in_the_subject():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.org")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=90))
    old = Certificate.from_der(builder.sign(key, SHA256()).public_bytes(Encoding.DER))
    assert old.names == ("mail.example.org",)
    assert old.covers("mail.example.org")


def test_many_names_are_counted():
    shown = str(certificate(*(f"{n}.example.org" for n in range(10))))
    assert "0.example.org" in shown
    assert "and 2 more" in shown


def test_a_wildcard_is_no_name_to_use():
    now = dt.datetime.now(dt.UTC)
    (trouble,) = certificate("*.example.org").faults("example.net", 62, "", now)
    assert trouble.hint == "use a host name that matches *.example.org"


def test_all_troubles_are_told_though_openssl_names_but_one():
    old = certificate("mail.example.org", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    troubles = list(old.faults("127.0.0.1", 20, "unable to get local issuer certificate", dt.datetime.now(dt.UTC)))
    assert [trouble.what for trouble in troubles] == [
        "it expired on 2020-01-01",
        "it is not for 127.0.0.1",
        "it comes from an unknown authority",
    ]


def test_an_end_above_it_is_not_said_to_be_its_own():
    (trouble,) = certificate("mail.example.org").faults("mail.example.org", 10, "", dt.datetime.now(dt.UTC))
    assert trouble.what == "a certificate above it has expired"


def test_a_verdict_that_we_have_no_words_for_is_told_in_openssls():
    verdict = certificate("a.example").faults("a.example", 23, "certificate revoked", dt.datetime.now(dt.UTC))
    assert [trouble.what for trouble in verdict] == ["certificate revoked"]


@pytest.mark.parametrize("octets", [None, b"", b"\x30\x03no"])
def test_what_can_not_be_read_is_none(octets):
    assert read_certificate(octets) is None
