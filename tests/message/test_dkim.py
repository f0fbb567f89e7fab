import base64
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from email import message_from_bytes
from email.policy import default
from mailbox import mbox
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import DkimError
from mailnode.message.compose import compose
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Email

HEADER = (
    b"From: Shop <shop@example.com>\r\n"
    b"To: Jane <jane@example.org>,\r\n"
    b"  jos@example.org\r\n"
    b"Subject:  Your   order\t is\r\n\ton  its way \r\n"
    b"Date: Mon, 23 Nov 2020 10:00:00 +0100\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"X-Priority: 1\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain\r\n"
)
BODY = b"Hello,  Jane \r\n\r\n. and\t\tgood bye\r\n\r\n"


def _pem(key: PrivateKeyTypes, *, layout: PrivateFormat = PrivateFormat.PKCS8, password: bytes = b"") -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, layout, encryption).decode()


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


RSA_KEY = _rsa(2048)
ED25519_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_TXT = b"v=DKIM1; k=rsa; p=" + base64.b64encode(
    RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
ED25519_TXT = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(ED25519_KEY.public_key().public_bytes_raw())
RSA = DkimSigner("example.com", "s1", _pem(RSA_KEY))
ED25519 = DkimSigner("example.com", "s1", _pem(ED25519_KEY))


def verified(message: bytes, txt: bytes = RSA_TXT, asked: Callable[[bytes], object] = lambda name: None) -> bool:
    """Ask dkimpy, which finds `txt` under every name in DNS."""

    def dnsfunc(name: bytes, timeout: int = 5) -> bytes:
        asked(name)
        return txt

    return bool(dkim.verify(message, dnsfunc=dnsfunc, minkey=1024))


def signed(signer: DkimSigner, header: bytes = HEADER, *blocks: bytes) -> bytes:
    return signer.sign(header, blocks) + header + b"\r\n" + b"".join(blocks)


def tags(field: bytes) -> dict[str, str]:
    value = re.sub(r"\s", "", field.decode().partition(":")[2])
    return dict(tag.split("=", 1) for tag in value.split(";"))


@pytest.mark.parametrize(("signer", "txt"), [(RSA, RSA_TXT), (ED25519, ED25519_TXT)], ids=["rsa", "ed25519"])
def test_a_signature_is_accepted_by_another_implementation(signer: DkimSigner, txt: bytes) -> None:
    names: list[bytes] = []
    assert verified(signed(signer, HEADER, BODY), txt, names.append)
    assert names == [b"s1._domainkey.example.com."]


@pytest.mark.parametrize(("signer", "txt"), [(RSA, RSA_TXT), (ED25519, ED25519_TXT)], ids=["rsa", "ed25519"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Jane <jane@", b"Eve <eve@"),
        (b"good bye", b"pay me"),
        (b"Content-Type: text/plain", b"Content-Type: text/html"),
    ],
)
def test_a_changed_message_is_not(signer: DkimSigner, txt: bytes, old: bytes, new: bytes) -> None:
    message = signed(signer, HEADER, BODY)
    assert old in message
    assert not verified(message.replace(old, new), txt)


@pytest.mark.parametrize(
    "added",
    [
        b"From: eve@example.com\r\n",
        b"To: eve@example.com\r\n",
        b"Cc: eve@example.com\r\n",
        b"Reply-To: eve@example.com\r\n",
        b"Subject: pay me\r\n",
        b"Date: Tue, 24 Nov 2020 10:00:00 +0100\r\n",
        b"Content-Type: text/html\r\n",
    ],
)
def test_a_second_field_of_a_kind_that_is_shown_breaks_the_signature(added: bytes) -> None:
    message = signed(RSA, HEADER, BODY)
    assert not verified(added + message)


def test_white_space_that_a_relay_changes_does_not_break_it() -> None:
    message = signed(RSA, HEADER, BODY)
    changed = message.replace(b"To: Jane <jane@example.org>,\r\n  jos", b"to:Jane <jane@example.org>, jos").replace(
        b"Hello,  Jane \r\n", b"Hello,\tJane\r\n"
    )
    assert changed != message
    assert verified(changed + b"\r\n\r\n")


def test_fields_that_a_relay_replaces_may_be_left_out() -> None:
    signer = DkimSigner("example.com", "s1", _pem(RSA_KEY), skip_fields=("Message-ID", "DATE"))
    message = signed(signer, HEADER, BODY)
    names = tags(message)["h"].split(":")
    assert not {"message-id", "date"} & set(names)
    assert names.count("from") == names.count("subject") == 2
    moved = message.replace(b"<1@example.com>", b"<2@relay.example>").replace(b"10:00:00", b"10:00:07")
    assert moved != message
    assert verified(message)
    assert verified(moved)
    assert not verified(moved.replace(b"Subject:  Your", b"Subject: My"))
    assert not verified(signed(RSA, HEADER, BODY).replace(b"<1@example.com>", b"<2@relay.example>"))


@pytest.mark.parametrize(
    ("name", "message"), [("From", "always signed"), ("X-Order", "'X-Order' is not signed"), ("ä", "ä")]
)
def test_a_field_that_can_not_be_left_out_is_told(name: str, message: str) -> None:
    with pytest.raises(DkimError, match=message) as caught:
        DkimSigner("example.com", "s1", _pem(ED25519_KEY), skip_fields=[name])
    assert caught.value.key == "skipFields"
    assert caught.value.hint


def test_a_mailbox_file_breaks_no_signature(tmp_path: Path) -> None:
    text = "From here\n\nFrom " + "there " * 30 + "\n>From\n"
    for body in (text, text + "é", f"{text} =_"):
        email = Email(from_="shop@example.com", to="jane@example.org", text=body, html=f"<pre>{body}</pre>")
        with closing(mbox(tmp_path / "box")) as box:
            number = box.add(compose(email, signer=RSA).octets())
        with closing(mbox(tmp_path / "box")) as box:
            kept = box.get_bytes(number)
        assert verified(re.sub(rb"\r?\n", b"\r\n", kept))
        read = message_from_bytes(kept, policy=default).get_body(("plain",))
        assert read
        assert read.get_content().split() == body.split()


def test_fields_that_relays_add_are_not_signed() -> None:
    message = signed(RSA, HEADER, BODY)
    assert verified(b"Received: from a by b\r\nX-Spam: no\r\n" + message)


def test_every_field_that_carries_meaning_is_signed_as_often_as_it_stands() -> None:
    header = HEADER + (
        b"Cc: c@example.org\r\n"
        b"Reply-To: r@example.org\r\n"
        b"In-Reply-To: <0@example.com>\r\n"
        b"References: <0@example.com>\r\n"
        b"List-Unsubscribe: <https://example.com/u>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        b"Auto-Submitted: auto-generated\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
    )
    names = tags(RSA.sign(header, [BODY]))["h"].split(":")
    assert sorted(names) == sorted(
        ["from", "to", "cc", "reply-to", "subject", "date", "content-type"] * 2
        + ["message-id", "in-reply-to", "references", "list-unsubscribe", "list-unsubscribe-post"]
        + ["auto-submitted", "mime-version", "content-transfer-encoding"]
    )
    assert verified(signed(RSA, header, BODY))


def test_repeated_fields_are_hashed_from_the_lowest_up() -> None:
    header = HEADER + b"Subject: the second\r\nSubject: the third\r\n"
    assert verified(signed(RSA, header, BODY))


@pytest.mark.parametrize("body", [b"", b"\r\n", b" \r\n\t\r\n\r\n", b"text", b"\r\n\r\ntext\r\n \r\n", b" a"])
def test_bodies_that_are_nearly_empty(body: bytes) -> None:
    assert verified(signed(RSA, HEADER, body))


LINES = st.lists(st.text(alphabet=" \tab=.", max_size=12).map(str.encode), max_size=12)


@given(LINES, st.data())
@settings(max_examples=100)
def test_the_body_may_be_cut_anywhere(lines: list[bytes], data: st.DataObject) -> None:
    body = b"".join(line + b"\r\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    blocks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert verified(signed(ED25519, HEADER, *blocks), ED25519_TXT)


def test_a_large_body_is_hashed_block_by_block_whatever_the_cut() -> None:
    line = base64.b64encode(bytes(57)) + b"\r\n"
    body = b"a b \r\n" + line * 50_000 + b"\r\n" * 100_000 + b"end\r\n"
    cut = random.Random(6376).randrange(1, len(body))
    blocks = [body[start : start + 65_537] for start in range(0, len(body), 65_537)]
    assert RSA.sign(HEADER, blocks) == RSA.sign(HEADER, [body[:cut], body[cut:]]) == RSA.sign(HEADER, [body])


def test_the_same_message_always_gets_the_same_signature_dated_by_its_date_field() -> None:
    first, second = RSA.sign(HEADER, [BODY]), RSA.sign(HEADER, iter([BODY]))
    assert first == second
    assert tags(first)["t"] == "1606122000"


def test_a_date_of_unknown_zone_is_utc_wherever_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    field = RSA.sign(b"From: a@example.com\r\nDate: Mon, 23 Nov 2020 10:00:00 -0000\r\n", [BODY])
    monkeypatch.undo()
    time.tzset()
    assert tags(field)["t"] == "1606125600"


def test_the_timestamp_can_be_given() -> None:
    field = RSA.sign(HEADER, [BODY], timestamp=1_600_000_000)
    assert tags(field)["t"] == "1600000000"
    assert verified(field + HEADER + b"\r\n" + BODY)


@pytest.mark.parametrize("date", [b"", b"Date: one fine day\r\n", b"Date: Mon, 23 Nov 9999999 10:00:00 +0100\r\n"])
def test_a_message_without_a_readable_date_has_no_timestamp(date: bytes) -> None:
    header = b"From: a@example.com\r\n" + date
    assert "t" not in tags(RSA.sign(header, [BODY]))
    assert verified(signed(RSA, header, BODY))


def test_the_field_is_folded_and_read_back_by_the_standard_library() -> None:
    field = RSA.sign(HEADER + b"References: <0@example.com>\r\n", [BODY])
    assert field.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=example.com;\r\n s=s1;\r\n")
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert all(len(line) <= 78 and line.strip() for line in lines)
    assert all(line[:1] == b" " for line in lines[1:])
    assert message_from_bytes(field + b"\r\n")["DKIM-Signature"].endswith(lines[-1].strip().decode())


def test_a_message_without_a_from_field_is_refused() -> None:
    with pytest.raises(DkimError, match="without a From"):
        RSA.sign(b"To: a@example.com\r\n", [BODY])


def test_keys_of_the_older_pem_form_and_encrypted_keys_are_read() -> None:
    for pem, password in [
        (_pem(RSA_KEY, layout=PrivateFormat.TraditionalOpenSSL), None),
        (_pem(RSA_KEY, password=b"op\xc3\xa9n"), "opén"),
        ("\n  " + _pem(RSA_KEY) + "\n", ""),
        (_pem(RSA_KEY).replace("\n", "\r\n"), None),
    ]:
        assert DkimSigner("example.com", "s1", pem, password).sign(HEADER, [BODY]) == RSA.sign(HEADER, [BODY])


def test_a_key_of_1024_bits_still_signs() -> None:
    key = _rsa(1024)
    txt = b"v=DKIM1; p=" + base64.b64encode(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    assert verified(signed(DkimSigner("example.com", "s1", _pem(key)), HEADER, BODY), txt)


RSA_512 = """-----BEGIN PRIVATE KEY-----
MIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEA1aUYOIBAsJjkXU08
FwWjrpz7A5ysnKrQe6RvZPpMX2YswVHCS67i4iLefQ2I9ffmWujICLfHAHrIo63M
Q9+7OwIDAQABAkAKwflqPusC+W/mUtFHx3zqefUZxXXbna5Jy4ngZ8oYs5DSmzKK
mKvrYpTw+LA8Y7EuLhHsN228fBroFmy2RUfhAiEA8/qOiRmxHMCzaPO4x2KlhpQD
8oqhHPJbjwt3cViTgB8CIQDgK+t5SfIY+iSmmVclGWDWKt6es6qG/2UXItCDg8/x
ZQIgES1Et7ZNV97hQrRWAAOb77ugA4VrDmSpuYpvIFXCHLUCIQCQS5UKAJAmhbVb
y65tgfV0RioAS7QDq5edmdpQHWOXhQIhAJ6zcZmRxd7uRgMAkkcc3CeavWm7aZff
DUcU2HiqKCQ3
-----END PRIVATE KEY-----"""
PUBLIC = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("pem", "password", "message", "hint"),
    [
        ("", None, "can't be read", "whole PEM text"),
        ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", None, "can't be read", "whole PEM text"),
        ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", None, "can't be read", "whole PEM text"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", None, "can't be read", "whole PEM text"),
        (_pem(RSA_KEY).replace("\n", "\\n"), None, "can't be read", "true line ends"),
        (_pem(ED25519_KEY, layout=PrivateFormat.OpenSSH), None, "can't be read", "ssh-keygen"),
        (PUBLIC, None, "can't be read", "private key"),
        (_pem(RSA_KEY, password=b"open"), None, "is encrypted", "password"),
        (_pem(RSA_KEY, password=b"open"), "shut", "can't be read", "check the password"),
        (_pem(RSA_KEY), "open", "not encrypted", "leave it out"),
        (_pem(ec.generate_private_key(ec.SECP256R1())), None, "neither RSA nor Ed25519", "openssl"),
        (_pem(ed448.Ed448PrivateKey.generate()), None, "neither RSA nor Ed25519", "openssl"),
        (_pem(dsa.generate_private_key(1024)), None, "neither RSA nor Ed25519", "openssl"),
        (RSA_512, None, "512 bits", "openssl genrsa 2048"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_with_its_remedy(
    pem: str, password: str | None, message: str, hint: str
) -> None:
    with pytest.raises(DkimError, match=message) as caught:
        DkimSigner("example.com", "s1", pem, password)
    assert hint in caught.value.hint
    assert caught.value.code == "badDkimKey"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "localhost",
        "example..com",
        ".example.com",
        "example.com.",
        "-a.example",
        "a_b.example",
        "ex ample.com",
        "example.com;d=evil.example",
        "example.com\r\nBcc: x",
        "x" * 64 + ".com",
        "a." * 127 + "com",
        "☃..com",
        "a\u202eb.com",
    ],
)
def test_a_domain_that_is_none_is_refused(domain: str) -> None:
    with pytest.raises(DkimError, match="DKIM domain") as caught:
        DkimSigner(domain, "s1", _pem(ED25519_KEY))
    assert caught.value.hint
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("selector", ["", "a b", "s;", "s1.", "sélecteur..x", "s\n1"])
def test_a_selector_that_is_none_is_refused(selector: str) -> None:
    with pytest.raises(DkimError, match="DKIM selector"):
        DkimSigner("example.com", selector, _pem(ED25519_KEY))


def test_an_internationalised_domain_is_written_in_a_labels() -> None:
    signer = DkimSigner("Bücher.example", "2020.Mail", _pem(ED25519_KEY))
    names: list[bytes] = []
    assert verified(signed(signer, HEADER, BODY), ED25519_TXT, names.append)
    assert names == [b"2020.mail._domainkey.xn--bcher-kva.example."]


def test_the_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(vars(RSA))


def test_cryptography_is_loaded_with_the_first_key_only() -> None:
    code = "import mailnode.message.dkim, sys; print('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
