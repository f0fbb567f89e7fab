"""Every hostile text in every field of a connection: an error that shows no secret, or a login that says just that."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailnode.connections.fields import COMMON, DKIM, TYPE_FIELDS, check_fields
from mailnode.errors import MailnodeError
from mailnode.message.compose import compose
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Email
from mailnode.smtp.bearer import Bearer, oauthbearer, xoauth2
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from support.injections import HOSTILE
from support.messages import letter
from support.scripted_smtp import PIPELINING, ScriptedServer

LOGINS = (*PIPELINING, "AUTH PLAIN")


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ED25519 = pem(ed25519.Ed25519PrivateKey.generate())
GIVEN = {
    "basic": {"username": "shop", "password": "pencil"},
    "oauth2": {
        "user": "jane@x.example",
        "clientId": "app",
        "clientSecret": "s",
        "refreshToken": "rt",
        "accessToken": "at",
    },
    "oauth2ClientCredentials": {
        "user": "jane@x.example",
        "clientId": "app",
        "clientSecret": "s",
        "accessUrl": "https://x.example/t",
    },
    "oauth2ServiceAccount": {
        "user": "jane@x.example",
        "serviceClient": "app",
        "privateKey": pem(rsa.generate_private_key(65537, 2048)),
    },
}
SECRET = {"password", "clientSecret", "accessToken", "refreshToken", "privateKey", "proxy"}
FIELDS = [("basic", key) for key in COMMON] + [(kind, key) for kind in TYPE_FIELDS for key in TYPE_FIELDS[kind].checks]


def attempted(make, *arguments, **fields):
    """What is made of these, or the error that says why not."""
    try:
        return make(*arguments, **fields)
    except MailnodeError as error:
        return error


def fits_a_line(value):
    """Whether a login of it is one line; else it waits for leave that this server does not give (RFC 4954 4)."""
    return len(value.encode(errors="replace")) < 300


def in_place(key, value):
    return {"dkim": {"domain": value, "selector": "s", "privateKey": ED25519}}.get(
        key, [value] if key in {"hosts", "allowedRecipients"} else value
    )


def look(error, key, value):
    assert error.hint
    assert (error.key or "").partition("[")[0].partition(".")[0] == key
    assert str(error).isprintable(), error
    assert len(str(error)) < 500
    if key in SECRET and len(value) > 4:
        assert value not in str(error)


@pytest.mark.parametrize(("kind", "key"), FIELDS)
def test_a_field_is_taken_or_refused_by_name(kind, key):
    rest = {} if key in {"service", "hosts"} else {"hosts": ["127.0.0.1"]}
    refusals = 0
    # Each time a service account's own key is read, which takes its time.
    for value in HOSTILE[:: 6 if "privateKey" in GIVEN[kind] else 1]:
        error = attempted(check_fields, kind, GIVEN[kind] | rest | {key: in_place(key, value)})
        if isinstance(error, MailnodeError):
            look(error, key, value)
            refusals += 1
    assert refusals


@pytest.mark.parametrize("key", DKIM)
def test_an_option_of_dkim_is_taken_and_signs_or_is_refused_by_name(key):
    email = Email(from_="shop@x.example", to="jane@y.example", subject="Hi", text="Hello")
    options = {"domain": "x.example", "selector": "mail", "privateKey": ED25519}
    for value in HOSTILE:
        dkim = options | {key: value}
        error = attempted(check_fields, "basic", GIVEN["basic"] | {"hosts": ["127.0.0.1"], "dkim": dkim})
        if isinstance(error, MailnodeError):
            look(error, "dkim", value)
            continue
        head = compose(email, signer=DkimSigner(dkim["domain"], dkim["selector"], dkim["privateKey"])).octets()
        names = [line.partition(b":")[0] for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[0] > 32]
        assert names[0] == b"DKIM-Signature"
        assert names[1:4] == [b"From", b"To", b"Subject"]


@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_password_login_is_one_line_that_says_both_and_no_more(field):
    taken = []
    async with ScriptedServer(extensions=LOGINS) as server:
        for value in filter(fits_a_line, HOSTILE):
            fields = {"username": "shop", "password": "pencil"} | {field: value}
            login = attempted(Login, **fields)
            if isinstance(login, MailnodeError):
                look(login, field, value)
                continue
            taken.append(fields)
            async with SmtpClient("127.0.0.1", server.port, tls_option="none", login=login) as client:
                await client.send(letter())
    assert len(server.visits) == len(taken) > 50
    for visit, fields in zip(server.visits, taken, strict=True):
        assert [one[:4] for one in visit.commands] == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
        said = b64decode(visit.commands[1].removeprefix("AUTH PLAIN ")).split(b"\0")
        assert said == [b"", fields["username"].encode(), fields["password"].encode()]


@pytest.mark.parametrize("field", ["username", "token"])
def test_a_login_by_token_says_one_user_and_one_token(field):
    for value in HOSTILE:
        fields = {"username": "jane@x.example", "token": "at-1"} | {field: value}
        bearer = attempted(Bearer, **fields)
        if isinstance(bearer, MailnodeError):
            assert bearer.hint
            assert str(bearer).isprintable()
            continue
        assert (next(xoauth2(bearer, "mail.x.example", 587)) or b"").split(b"\1") == [
            f"user={bearer.username}".encode(),
            f"auth=Bearer {bearer.token}".encode(),
            b"",
            b"",
        ]
        name, *rest = (next(oauthbearer(bearer, "mail.x.example", 587)) or b"").split(b"\1")
        assert name.count(b",") == 2
        assert rest == [b"host=mail.x.example", b"port=587", f"auth=Bearer {bearer.token}".encode(), b"", b""]
