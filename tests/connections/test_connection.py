import pytest

from mailnode.connections.connection import Connection
from mailnode.errors import ConnectionsError, ErrorCode

LOGIN = {"username": "shop", "password": "hunter2canary"}


def connection(**fields):
    return Connection.from_fields("id", "shop", "basic", 1, {**LOGIN, **fields})


def test_no_secret_is_in_its_repr():
    dkim = {"domain": "example.org", "selector": "s", "privateKey": "canarykey"}
    shown = f"{connection(service='Gmail', dkim=dkim)!r} {connection(service='Gmail', dkim=dkim)}"
    assert "canary" not in shown
    assert "example.org" in shown


@pytest.mark.parametrize("host", ["smtp.gmail.com", "SMTP.Gmail.com", "smtp.gmail.com."])
def test_secrets_may_go_to_the_host_of_the_service(host):
    connection(service="Gmail").check_host(host)


@pytest.mark.parametrize(
    "host", ["mail.example.org", "MAIL.EXAMPLE.ORG", "0:0:0:0:0:0:0:1", "::1", "[::1]", "BÜCHER.example"]
)
def test_secrets_may_go_to_each_of_the_hosts(host):
    connection(hosts=["mail.example.org", "::1", "xn--bcher-kva.example"]).check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "smtp-relay.gmail.com",
        "gmail.com",
        "evil.smtp.gmail.com",
        "smtp.gmail.com.evil.example",
        "127.0.0.1",
        "",
        "\ud800",
    ],
)
@pytest.mark.parametrize("own", [{"service": "Gmail"}, {"hosts": ["mail.example.org"]}])
def test_secrets_may_go_nowhere_else(own, host):
    with pytest.raises(ConnectionsError, match="'shop' is for") as caught:
        connection(**own).check_host(host)
    assert caught.value.code is ErrorCode.CONNECTION_NOT_FOR_HOST
    assert caught.value.hint


def test_without_a_list_all_recipients_are_allowed():
    connection(service="Gmail").check_recipients(["anyone@example.org"])


ALLOWED = ["jane@example.org", "@example.net", "@xn--bcher-kva.example"]


@pytest.mark.parametrize(
    "address",
    ["jane@example.org", "Jane@EXAMPLE.org", "anyone@example.net", "a@xn--bcher-kva.example", "ä@bücher.example"],
)
def test_an_address_or_its_domain_is_allowed(address):
    connection(service="Gmail", allowedRecipients=ALLOWED).check_recipients(["jane@example.org", address])


@pytest.mark.parametrize(
    "address",
    [
        "john@example.org",
        "a@sub.example.net",
        "a@example.net.evil.example",
        '"jane@example.org"@evil.example',
        "a@aexample.net",
    ],
)
def test_any_other_is_refused_by_name(address):
    with pytest.raises(ConnectionsError) as caught:
        connection(service="Gmail", allowedRecipients=ALLOWED).check_recipients(["jane@example.org", address])
    assert caught.value.code is ErrorCode.RECIPIENT_NOT_ALLOWED
    assert address in caught.value.message
