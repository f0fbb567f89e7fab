"""Where a mail goes, by its settings and its connection (docs/connections.md)."""

from dataclasses import replace
from typing import Any

import pytest

from mailnode.connections.connection import Connection, DkimSettings
from mailnode.connections.service import find_service, providers, services
from mailnode.connections.tokens import ConnectionTokens
from mailnode.delivery.route import Clients, Destination, OtherServer, route
from mailnode.errors import ConnectionsError, ErrorCode, SettingsError
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.proxy import parse_proxy


def connection(**fields):
    basic = {"username": "user", "password": "pencil", **fields}
    if "service" not in fields:
        basic.setdefault("hosts", ["mail.example.com"])
    return Connection.from_fields("id", "shop", "basic", 1, basic)


def reached(target, conn=None, **options):
    server = route(target, conn, **options).server
    return server.tls_option, server.port


@pytest.mark.parametrize(
    ("host", "known"),
    [("bücher.example", "xn--bcher-kva.example"), ("[::1]", "::1"), ("fe80::1%eth0", "fe80::1%eth0")],
)
def test_a_host_as_people_write_it(host, known):
    assert route(OtherServer(host=host), None).server.host == known


@pytest.mark.parametrize("host", ["", "mail.example.com:25", "https://mail.example.com", "127.0.0.1:25", "a b"])
def test_what_is_no_host(host):
    with pytest.raises(SettingsError, match=r"host: .* is not a valid value"):
        route(OtherServer(host=host), None)


@pytest.mark.parametrize(
    ("tls_option", "port", "expected"),
    [
        (None, None, ("tls", 465)),
        (None, 465, ("tls", 465)),
        (None, 587, ("starttls", 587)),
        (None, 25, ("starttls", 25)),
        (None, 2525, ("starttls", 2525)),
        (None, 1234, ("tls", 1234)),
        ("tls", None, ("tls", 465)),
        ("starttls", None, ("starttls", 587)),
        ("none", None, ("none", 25)),
        ("none", 465, ("none", 465)),
    ],
)
def test_another_server_by_its_mode_and_port(tls_option, port, expected):
    assert reached(OtherServer(host="mail.example.com", port=port, tls_option=tls_option)) == expected


def test_the_settings_mode_goes_before_the_connections():
    other = OtherServer(host="mail.example.com", port=2000)
    assert reached(other, connection(tlsOption="starttls")) == ("starttls", 2000)
    other = OtherServer(host="mail.example.com", port=2000, tls_option="none")
    assert reached(other, connection(tlsOption="starttls")) == ("none", 2000)


@pytest.mark.parametrize("name", ["Gmail", "gmail.com", "google", "me@gmail.com"])
def test_a_service_by_any_of_its_names(name):
    server = route(find_service(name), None).server
    assert (server.host, server.tls_option, server.port) == ("smtp.gmail.com", "tls", 465)


def test_the_connections_mode_chooses_among_a_services_ports():
    assert reached(find_service("Gmail"), connection(service="Gmail", tlsOption="starttls")) == ("starttls", 587)


def test_a_connection_is_for_its_service_or_hosts_only():
    for target, conn in (
        (find_service("Gmail"), connection()),
        (find_service("Yahoo"), connection(service="Gmail")),
        (OtherServer(host="evil.example"), connection(hosts=["example"])),
        (OtherServer(host="smtp.gmail.com.evil.example"), connection(service="Gmail")),
    ):
        with pytest.raises(ConnectionsError) as caught:
            route(target, conn)
        assert caught.value.code is ErrorCode.CONNECTION_NOT_FOR_HOST
    assert route(OtherServer(host="MAIL.example.com"), connection()).connection == "shop"


def test_a_service_that_looks_dead_warns():
    assert "seems" in route(find_service("OpenMailBox"), None).warnings[0]


async def test_an_edited_connection_is_another_client_whose_sessions_log_in_anew():
    clients = Clients()
    server = OtherServer(host="mail.example.com")
    first = clients.of(route(server, connection()))
    assert clients.of(route(server, connection())) is first
    assert clients.of(route(server, connection(password="other"))) is not first
    await clients.close()


def test_whatever_tells_deliveries_apart_can_be_a_key():
    keeper: Any = object()  # it is told from others by what it is
    tokens = TokenLogin("me@gmail.com", ConnectionTokens("id", 1, keeper))
    dkim = DkimSettings("example.com", "s", "pem")
    basic = connection(proxy="socks5://user:pencil@proxy.example:1080", rateLimit="30/min", hosts=["localhost"])
    assert {route(OtherServer(host="localhost", ca="pem"), basic, ehlo_name="me.example")}
    for service in services():
        own = connection(service=service.name)
        ways = {route(service, None), route(service, own), route(service, replace(own, login=tokens, dkim=dkim))}
        assert len(ways) == 3
        assert {Destination(service, "shop"): 1}[Destination(find_service(service.name), "shop")] == 1
    assert {dkim, replace(dkim)} == {dkim}
    assert len({*services(), *providers().values()}) == len(services()) + len(providers())


def test_no_password_is_in_what_a_route_shows():
    assert "pencil" not in repr(route(OtherServer(host="mail.example.com"), connection()))


def test_the_connections_proxy_comes_before_the_environments():
    own, general = "socks5://own:1", parse_proxy("http://general:1")
    target = OtherServer(host="mail.example.com")
    assert route(target, connection(proxy=own), proxy=general).server.proxy == parse_proxy(own)
    assert route(target, connection(), proxy=general).server.proxy == general
    assert route(target, None, proxy=general).server.proxy == general
    assert route(target, connection()).server.proxy is None
