import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from mailnode.connections.fields import check_fields
from mailnode.errors import ConnectionsError, ErrorCode

MINIMAL = {"service": "gmail", "username": "shop@gmail.com", "password": "hunter2"}


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ED25519 = pem(ed25519.Ed25519PrivateKey.generate())
RSA = pem(rsa.generate_private_key(65537, 2048))


def refusal(**fields):
    with pytest.raises(ConnectionsError) as caught:
        check_fields("basic", {**MINIMAL, **fields})
    assert caught.value.hint
    return caught.value


def on_hosts(*hosts, **fields):
    return {**MINIMAL, "service": None, "hosts": list(hosts), **fields}


def test_a_service_gets_its_proper_name():
    assert check_fields("basic", MINIMAL) == {**MINIMAL, "service": "Gmail"}


def test_hosts_are_kept_in_one_spelling_and_once():
    hosts = on_hosts("Mail.Example.ORG.", "mail.example.org", "bücher.example", "0:0::1", "[::1]", "127.0.0.1")
    assert check_fields("basic", hosts)["hosts"] == ["mail.example.org", "xn--bcher-kva.example", "::1", "127.0.0.1"]


def test_line_ends_around_what_was_copied_are_none_of_it():
    copied = on_hosts(" mail.example.org\n", username="jane@example.org\r\n", **{"from": "\tShop <shop@example.org>\n"})
    fields = check_fields("basic", copied)
    assert (fields["hosts"], fields["username"]) == (["mail.example.org"], "jane@example.org")
    assert fields["from"] == "Shop <shop@example.org>"
    assert refusal(username="jane\nx").message == "'jane\\nx' contains a control character"


@pytest.mark.parametrize(
    "host",
    [
        "*.example.org",
        "mail.example.org:587",
        "smtp://mail.example.org",
        "a b",
        "",
        ".",
        "-a.example",
        "a/b",
        "x" * 300,
    ],
)
def test_what_is_no_host_name_is_refused(host):
    error = refusal(service=None, hosts=["ok.example", host])
    assert error.key == "hosts[1]"
    assert len(error.message) < 120


def test_service_or_hosts_is_needed_and_not_both():
    assert "both" in refusal(hosts=["mail.example.org"]).message
    assert "neither" in refusal(service=None).message


@pytest.mark.parametrize(("key", "near"), [("pasword", "password"), ("user", "username"), ("tlsoption", "tlsOption")])
def test_an_unknown_field_is_an_error_that_names_the_near_one(key, near):
    error = refusal(**{key: "x"})
    assert (error.code, error.key) == (ErrorCode.UNKNOWN_KEY, key)
    assert near in error.hint


@pytest.mark.parametrize("key", ["rate", "clientId", "\x00", "k" * 10_000])
def test_a_field_that_does_not_exist_is_an_error(key):
    assert refusal(**{key: "x"}).code is ErrorCode.UNKNOWN_KEY


@pytest.mark.parametrize("key", ["username", "password"])
@pytest.mark.parametrize("given", [True, False])
def test_username_and_password_must_be_given(key, given):
    fields = {**MINIMAL, key: None} if given else {k: v for k, v in MINIMAL.items() if k != key}
    with pytest.raises(ConnectionsError) as caught:
        check_fields("basic", fields)
    assert (caught.value.code, caught.value.key) == (ErrorCode.MISSING_SETTING, key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("service", 5),
        ("service", "gmial"),
        ("hosts", "mail.example.org"),
        ("hosts", []),
        ("username", ""),
        ("username", "a\r\nb"),
        ("username", ["a"]),
        ("username", "\ud800"),
        ("password", ""),
        ("password", 12345),
        ("password", "a\0b"),
        ("password", "\udfff"),
        ("from", "nobody"),
        ("from", "a@example.org, b@example.org"),
        ("from", "a@example.org\r\nBcc: b@example.org"),
        ("from", 1),
        ("tlsOption", "TLS"),
        ("tlsOption", True),
        ("tlsOption", ["tls"]),
        ("allowPlaintextAuth", "true"),
        ("allowPlaintextAuth", 1),
        ("allowedRecipients", "example.org"),
        ("redirectAllTo", "nobody"),
        ("dkim", "d"),
        ("dkim", []),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_field(key, value):
    error = refusal(**{key: value})
    assert error.key == key
    assert len(error.message) < 150


@pytest.mark.parametrize("entry", ["jane@", "@*.org", "a b@example.org", "", 5, None, "example.org:25"])
def test_a_wrong_recipient_is_named_by_its_place(entry):
    assert refusal(allowedRecipients=["ok@example.org", entry]).key == "allowedRecipients[1]"


def test_recipients_are_addresses_or_domains():
    fields = check_fields(
        "basic", {**MINIMAL, "allowedRecipients": ["Jane@Example.org", "@Example.net", "example.net"]}
    )
    assert [entry.lower() for entry in fields["allowedRecipients"]] == ["jane@example.org", "@example.net"]


def test_from_keeps_its_name_and_redirect_all_to_is_an_address_only():
    fields = {**MINIMAL, "from": "Shop <shop@example.com>", "redirectAllTo": "Test <test@example.com>"}
    checked = check_fields("basic", fields)
    assert (checked["from"], checked["redirectAllTo"]) == ("Shop <shop@example.com>", "test@example.com")


def test_a_tls_option_that_the_service_lacks_is_an_error_that_names_those_it_has():
    error = refusal(service="office365", tlsOption="tls")
    assert error.key == "tlsOption"
    assert "only starttls (port 587)" in error.message


@pytest.mark.parametrize("option", ["tls", "starttls", "none"])
def test_hosts_take_any_tls_option(option):
    assert check_fields("basic", on_hosts("mail.example.org", tlsOption=option))["tlsOption"] == option


@pytest.mark.parametrize("allow", [True, False])
def test_plaintext_login_is_allowed_or_not(allow):
    assert check_fields("basic", {**MINIMAL, "allowPlaintextAuth": allow})["allowPlaintextAuth"] is allow


@pytest.mark.parametrize("key", [ED25519, RSA])
def test_a_dkim_key_that_can_sign_is_taken(key):
    dkim = {"domain": "example.org", "selector": "s1", "privateKey": key}
    assert check_fields("basic", {**MINIMAL, "dkim": dkim})["dkim"]["domain"] == "example.org"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (
            {"privateKey": "-----BEGIN PRIVATE KEY-----\nsecretsecretsecret\n-----END PRIVATE KEY-----"},
            "dkim.privateKey",
        ),
        ({"privateKey": None}, "dkim.privateKey"),
        ({"selector": 5}, "dkim.selector"),
        ({"domain": "exa mple.org"}, "dkim.domain"),
        ({"keySelector": "s1"}, "dkim.keySelector"),
        ({"skipFields": "Message-ID"}, "dkim.skipFields"),
        ({"skipFields": ["From"]}, "dkim.skipFields"),
        ({"skipFields": ["Message-ID", 5]}, "dkim.skipFields[1]"),
    ],
)
def test_a_dkim_setting_that_can_not_sign_is_refused_without_showing_the_key(changes, key):
    error = refusal(dkim={"domain": "example.org", "selector": "s1", "privateKey": ED25519, **changes})
    assert error.key == key
    assert "secretsecret" not in repr(error) + error.hint
    assert ED25519.splitlines()[1] not in repr(error) + error.hint


@pytest.mark.parametrize("key", ["password", "dkim"])
@pytest.mark.parametrize("value", [["canary"], b"canary", "canary\0", {"privateKey": "canary"}])
def test_no_error_shows_a_secret(key, value):
    error = refusal(**{key: value})
    assert "canary" not in f"{error!r}{error}{error.hint}"


def test_an_unknown_type_is_an_error_that_names_the_known_ones():
    with pytest.raises(ConnectionsError) as caught:
        check_fields("oauth3", MINIMAL)
    assert caught.value.key == "type"
    assert "basic" in caught.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(["service", "hosts", "username", "password", "from", "tlsOption", "allowedRecipients", "dkim"])


@given(st.dictionaries(keys | st.text(max_size=10), json_values, max_size=4))
def test_any_json_is_taken_or_refused_as_ours(fields):
    try:
        check_fields("basic", {**MINIMAL, **fields})
    except ConnectionsError as error:
        assert error.key or "''" in error.message  # noqa: PT017 -- most are refused, not all


def test_what_was_checked_passes_again_unchanged():
    fields = on_hosts("Mail.Example.org", allowedRecipients=["example.org"], redirectAllTo="T <t@example.org>")
    once = check_fields("basic", fields)
    assert check_fields("basic", once) == once


@pytest.mark.parametrize("url", ["ftp://u:hunter2@proxy:1", "socks5://u:hunter2@proxy", 7, ""])
def test_a_proxy_that_is_none_is_refused_without_showing_it(url):
    error = refusal(proxy=url)
    assert error.key == "proxy"
    assert "hunter2" not in f"{error}{error.hint}"


APPLICATION = {"hosts": ["mail.example"], "user": "jane@mail.example", "clientId": "app"}


@pytest.mark.parametrize(
    "url",
    [
        "https:/login.example/token",
        "https://[v1.a]/",
        "https://[::1]x/",
        "https://256.1.1.1/",
        "https://a..b/",
        "https://%65vil.example/",
        "https://evil\\.example/",
        "https://-a.example/",
        "https://login.example:0/",
        "https://login.example:99999/",
        "https://" + "a" * 64 + ".example/",
        "https://login.example/" + "a" * 5000,
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://[::1%25lo]/",
        "https://app@login.example/",
    ],
)
def test_what_names_no_host_that_could_be_asked_is_no_url_of_an_endpoint(url):
    with pytest.raises(ConnectionsError) as caught:
        check_fields("oauth2", {**APPLICATION, "accessUrl": url})
    assert caught.value.key == "accessUrl"
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "url", ["https://LOGIN.example:8443/t?a=b", "http://[::1]:80/", "http://127.0.0.1/", "https://h_1/"]
)
def test_an_url_that_can_be_asked_is_kept_as_it_is(url):
    assert check_fields("oauth2", {**APPLICATION, "accessUrl": url})["accessUrl"] == url


def test_thousands_of_digits_are_no_time():
    with pytest.raises(ConnectionsError, match="out of range"):
        check_fields("oauth2", {**APPLICATION, "accessToken": "at", "expiryDate": "9" * 5000})


@pytest.mark.parametrize(
    ("kind", "fields", "keys"),
    [
        ("basic", {}, ["username", "password", "service"]),
        ("basic", {"username": " ", "password": "", "hosts": ["a b"], "rateLimit": "often"},
         ["username", "password", "hosts[0]", "rateLimit"]),
        ("basic", {**MINIMAL, "tlsOption": "ssl", "dkim": {"domain": 1}},
         ["tlsOption", "dkim.domain", "dkim.selector", "dkim.privateKey"]),
        ("oauth2", {"service": "Outlook365", "tlsOption": "tls"}, ["user", "tlsOption", "refreshToken"]),
        ("oauth2", {"hosts": ["a.example"], "clientSecret": "x", "accessUrl": "ftp://a"},
         ["accessUrl", "user", "clientId"]),
        ("oauth2ClientCredentials", {"service": "Outlook365", "user": "a"}, ["clientId", "clientSecret", "tenantId"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told_at_once(kind, fields, keys):
    with pytest.raises(ConnectionsError) as caught:
        check_fields(kind, fields)
    assert [error.key for error in (caught.value, *caught.value.others)] == keys
