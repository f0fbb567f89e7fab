"""What is asked of which endpoint, by the fields of a connection and the defaults of its service."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from mailnode.connections.fields import check_fields
from mailnode.connections.grant import grant_of
from mailnode.connections.service import services
from mailnode.errors import ConnectionsError, ErrorCode

KEY = rsa.generate_private_key(65537, 2048)
GOOGLE = "https://accounts.google.com/o/oauth2/token"
MICROSOFT = "https://login.microsoftonline.com/{}/oauth2/v2.0/token"
OWN = {"hosts": ["mail.example.org"], "user": "jane@example.org"}
CLIENT = {"clientId": "app", "clientSecret": "canary"}


def pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


ACCOUNT = {"serviceClient": "robot@project.example", "privateKey": pem(KEY)}


def grant(kind, **fields):
    return grant_of(kind, check_fields(kind, fields))


def refusal(kind, **fields):
    with pytest.raises(ConnectionsError) as caught:
        check_fields(kind, fields)
    assert caught.value.hint
    assert "canary" not in str(caught.value)
    return caught.value


class TestOAuth2:
    def test_a_refresh_token_is_renewed_by_its_client(self):
        made = grant("oauth2", **OWN, **CLIENT, refreshToken="rt", accessUrl="https://login.example.org/token")
        assert made.access_url == "https://login.example.org/token"
        assert made.form("rt") == {
            "grant_type": "refresh_token",
            "refresh_token": "rt",
            "client_id": "app",
            "client_secret": "canary",
        }
        assert "canary" not in repr(made)

    def test_a_scope_is_said_where_one_is_given(self):
        assert grant("oauth2", **OWN, **CLIENT, refreshToken="rt", scope="a b").form("rt")["scope"] == "a b"

    def test_an_application_without_a_secret_says_none(self):
        assert "client_secret" not in grant("oauth2", **OWN, clientId="app", refreshToken="rt").form("rt")

    def test_without_any_word_the_endpoint_is_googles(self):
        assert grant("oauth2", **OWN, **CLIENT, refreshToken="rt").access_url == GOOGLE

    @pytest.mark.parametrize(
        ("where", "url"),
        [
            ({"service": "Gmail"}, GOOGLE),
            ({"service": "Outlook365"}, MICROSOFT.format("common")),
            ({"service": "Outlook365", "tenantId": "contoso.example"}, MICROSOFT.format("contoso.example")),
            ({"service": "hotmail"}, MICROSOFT.format("common")),
            ({"service": "Yahoo"}, "https://api.login.yahoo.com/oauth2/get_token"),
            ({"hosts": ["smtp.office365.com"]}, MICROSOFT.format("common")),
            ({"hosts": ["mail.example.org"], "tenantId": "contoso.example"}, MICROSOFT.format("contoso.example")),
            ({"service": "Gmail", "accessUrl": "https://proxy.example/t"}, "https://proxy.example/t"),
        ],
    )
    def test_the_endpoint_is_the_services(self, where, url):
        assert grant("oauth2", user="jane@example.org", **CLIENT, refreshToken="rt", **where).access_url == url

    def test_consent_is_asked_for_what_sending_needs(self):
        google = grant("oauth2", service="gmail", user="jane@gmail.com", **CLIENT)
        assert google.consent_scope == "https://mail.google.com/"
        assert dict(google.consent_extras) == {"access_type": "offline", "prompt": "consent"}
        microsoft = grant("oauth2", service="outlook365", user="jane@contoso.example", **CLIENT)
        assert microsoft.consent_scope == "https://outlook.office.com/SMTP.Send offline_access"
        assert microsoft.device_url.endswith("/common/oauth2/v2.0/devicecode")

    def test_nobodys_consent_is_asked_for_at_an_endpoint_that_nobody_knows(self):
        own = grant("oauth2", **OWN, **CLIENT, accessUrl="https://login.example.org/token")
        assert (own.authorize_url, own.device_url, own.consent_scope) == ("", "", "")
        told = {"accessUrl": "https://login.example.org/token", "authorizeUrl": "https://login.example.org/auth"}
        assert grant("oauth2", **OWN, **CLIENT, **told).authorize_url == "https://login.example.org/auth"

    def test_an_access_token_alone_can_not_be_renewed(self):
        assert grant("oauth2", **OWN, accessToken="at", expiryDate=1893456000000) is None

    @pytest.mark.parametrize(
        ("fields", "key", "code"),
        [
            ({}, "refreshToken", ErrorCode.MISSING_SETTING),
            ({"refreshToken": "rt"}, "clientId", ErrorCode.MISSING_SETTING),
            ({"clientSecret": "canary", "accessToken": "at"}, "clientId", ErrorCode.MISSING_SETTING),
            ({**CLIENT, "refreshToken": "rt", "expiryDate": 1893456000000}, "accessToken", ErrorCode.MISSING_SETTING),
            ({**CLIENT, "refreshToken": "canary rt"}, "refreshToken", ErrorCode.BAD_CONNECTION),
            ({"accessToken": "canary\nrt"}, "accessToken", ErrorCode.BAD_CONNECTION),
            ({**CLIENT, "tenantId": "a/b"}, "tenantId", ErrorCode.BAD_CONNECTION),
            ({**CLIENT, "password": "canary"}, "password", ErrorCode.UNKNOWN_KEY),
            ({**CLIENT, "user": None}, "user", ErrorCode.MISSING_SETTING),
        ],
    )
    def test_what_is_no_way_to_a_token_is_refused(self, fields, key, code):
        error = refusal("oauth2", **{**OWN, **fields})
        assert (error.key, error.code) == (key, code)

    @pytest.mark.parametrize("seconds", [1700000000, "1700000000", 1893456000])
    def test_an_expiry_that_looks_like_seconds_is_refused_with_what_was_meant(self, seconds):
        error = refusal("oauth2", **OWN, accessToken="at", expiryDate=seconds)
        assert error.key == "expiryDate"
        assert "seconds" in error.message
        assert str(int(seconds) * 1000) in error.hint

    @pytest.mark.parametrize("time", [True, "soon", 1.5, -1, 0, 10**15])
    def test_an_expiry_that_is_no_time_is_refused(self, time):
        assert refusal("oauth2", **OWN, accessToken="at", expiryDate=time).key == "expiryDate"

    def test_milliseconds_may_be_text(self):
        assert check_fields("oauth2", {**OWN, "accessToken": "at", "expiryDate": "1893456000000"})["expiryDate"] == (
            1893456000000
        )

    @pytest.mark.parametrize(
        "url",
        [
            "http://login.example.org/token",
            "login.example.org/token",
            "ftp://login.example.org/token",
            "https://",
            "https://jane:canary@login.example.org/token",
            "https://login.example.org/token#part",
            "https://login.example.org:port/token",
            "http://127.0.0.1.example.org/token",
        ],
    )
    def test_an_endpoint_is_reached_over_https_or_on_this_machine(self, url):
        assert refusal("oauth2", **OWN, **CLIENT, refreshToken="rt", accessUrl=url).key == "accessUrl"

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "[::1]", "localhost"])
    def test_http_is_for_this_machine(self, host):
        url = f"http://{host}:8080/token"
        assert grant("oauth2", **OWN, **CLIENT, refreshToken="rt", accessUrl=url).access_url == url

    def test_a_tenant_beside_an_endpoint_is_refused(self):
        error = refusal(
            "oauth2", **OWN, **CLIENT, accessUrl="https://login.example.org/token", tenantId="contoso.example"
        )
        assert error.key == "tenantId"

    def test_a_tenant_of_another_provider_is_refused(self):
        assert refusal("oauth2", service="Gmail", user="j@gmail.com", **CLIENT, tenantId="x").key == "tenantId"


class TestClientCredentials:
    def test_microsofts_scope_and_endpoint_come_with_its_service(self):
        made = grant("oauth2ClientCredentials", service="outlook365", user="a@b.example", **CLIENT, tenantId="t-1")
        assert made.access_url == MICROSOFT.format("t-1")
        assert made.form() == {
            "grant_type": "client_credentials",
            "client_id": "app",
            "client_secret": "canary",
            "scope": "https://outlook.office365.com/.default",
        }
        assert "canary" not in repr(made)

    def test_they_belong_to_one_tenant(self):
        error = refusal("oauth2ClientCredentials", service="outlook365", user="a@b.example", **CLIENT)
        assert (error.key, error.code) == ("tenantId", ErrorCode.MISSING_SETTING)

    def test_their_secret_goes_to_no_endpoint_that_nobody_named(self):
        error = refusal("oauth2ClientCredentials", **OWN, **CLIENT)
        assert (error.key, error.code) == ("accessUrl", ErrorCode.MISSING_SETTING)
        error = refusal("oauth2ClientCredentials", service="Gmail", user="a@gmail.com", **CLIENT)
        assert "oauth2ServiceAccount" in error.hint

    def test_a_scope_may_be_left_out_elsewhere(self):
        made = grant("oauth2ClientCredentials", **OWN, **CLIENT, accessUrl="https://login.example.org/token")
        assert "scope" not in made.form()

    @pytest.mark.parametrize("key", ["user", "clientId", "clientSecret"])
    def test_each_of_its_fields_is_needed(self, key):
        fields = {**OWN, **CLIENT, "accessUrl": "https://login.example.org/token", key: None}
        assert refusal("oauth2ClientCredentials", **fields).key == key


class TestServiceAccount:
    def test_the_assertion_is_signed_and_says_for_whom(self):
        made = grant("oauth2ServiceAccount", service="gmail", user="jane@example.org", **ACCOUNT)
        form = made.form(1_700_000_000_999)
        assert form.pop("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        signed, _, signature = form.pop("assertion").rpartition(".")
        assert form == {}
        KEY.public_key().verify(decode(signature), signed.encode(), PKCS1v15(), SHA256())
        head, claims = (json.loads(decode(part)) for part in signed.split("."))
        assert head == {"alg": "RS256", "typ": "JWT"}
        assert claims == {
            "iss": "robot@project.example",
            "sub": "jane@example.org",
            "aud": GOOGLE,
            "iat": 1_700_000_000,
            "exp": 1_700_000_300,
            "scope": "https://mail.google.com/",
        }

    def test_line_ends_of_a_json_file_may_be_written_out(self):
        escaped = ACCOUNT["privateKey"].replace("\n", "\\n")
        made = grant("oauth2ServiceAccount", **OWN, **{**ACCOUNT, "privateKey": escaped})
        assert made.private_key == ACCOUNT["privateKey"]
        assert made.private_key.splitlines()[1] not in repr(made)

    @pytest.mark.parametrize(
        "key",
        [
            "canary",
            ACCOUNT["privateKey"][:-200],
            pem(KEY, BestAvailableEncryption(b"canary")),
            pem(ec.generate_private_key(ec.SECP256R1())),
        ],
    )
    def test_a_private_key_that_is_none_is_refused(self, key):
        error = refusal("oauth2ServiceAccount", **OWN, **{**ACCOUNT, "privateKey": key})
        assert error.key == "privateKey"
        assert key[40:80] not in str(error) or key == "canary"


def test_each_provider_is_reached_over_https_and_knows_its_scope():
    known = {service.name: service.provider for service in services() if service.provider}
    assert {"Gmail", "Outlook365", "Hotmail", "Yahoo", "AOL"} <= set(known)
    for provider in known.values():
        assert provider.scope
        for url in (provider.access_url, provider.authorize_url):
            assert url.startswith("https://")


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
