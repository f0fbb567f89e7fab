"""Where the server is found: by which host and path, through whom, and what would be unsafe."""

import re
import shutil
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.routing import Route

from mailnode.errors import UsageError
from mailnode.network_address import plain_address
from mailnode.web import application
from mailnode.web.application import create_app
from mailnode.web.security.exposure import exposure_of
from mailnode.web.security.forwarded import Forwarded, TwoSendersError, forwarded
from support.tls import authority
from support.web import TOKEN, served_site

PUBLIC = "https://mail.example.org"
PROXIED: dict[str, Any] = {"public_url": f"{PUBLIC}/mail", "trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    pair = authority().issue_cert("mail.example.net", "*.lan.example.net")
    pair.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    pair.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "other.pem").write_bytes(authority().issue_cert("x.example").private_key_pem.bytes())
    return folder


@pytest.mark.parametrize(
    ("given", "told", "remedy"),
    [
        ({"host": "0.0.0.0"}, "lets other machines connect", "--tls-cert and --tls-key, or --trusted-proxy"),
        ({"host": "::"}, "lets other machines connect", "--allow-plaintext"),
        ({"host": "192.168.1.1", "public_url": PUBLIC}, "lets other machines connect", "--trusted-proxy"),
        (
            {"host": "0.0.0.0", "public_url": "http://mail.lan", "trusted_proxies": ["10.0.0.1"]},
            "--host 0.0.0.0 lets",
            "https://",
        ),
        ({"public_url": "http://mail.lan"}, "cross the network in plain text", "https://"),
        ({"host": "mail.example.org"}, "not an IP address", "0.0.0.0"),
        ({"trusted_proxies": ["10.0.0.1"]}, "not by which URL", "--public-url"),
        ({"trusted_proxies": ["proxy"], "public_url": PUBLIC}, "neither an IP address nor a network", "10.0.0.0/8"),
        ({"trusted_proxies": ["10.0.0.1/8"], "public_url": PUBLIC}, "neither an IP address nor", "10.0.0.0/8"),
        *(
            ({"public_url": url}, "not the address of a site", "https://example.org/mail")
            for url in (
                "mail.example.org",
                "ftp://a",
                "https://",
                "https://a?b",
                "https://u:p@a",
                "https://a#b",
                "https://a:0",
            )
        ),
        ({"base_path": "mail"}, "not a path", "begin with a slash"),
        ({"base_path": "//evil"}, "not a path", "begin with a slash"),
        ({"base_path": "/a/../b"}, "not a path", "begin with a slash"),
        ({"public_url": f"{PUBLIC}/é"}, "not a path", "begin with a slash"),
        ({"public_url": f"{PUBLIC}/a", "base_path": "/b"}, "--base-path is", "leave --base-path out"),
    ],
)
def test_what_is_unsafe_or_means_nothing_is_refused_with_its_remedy(given, told, remedy):
    with pytest.raises(UsageError) as caught:
        exposure_of(**given)
    assert told in caught.value.message
    assert remedy in caught.value.hint


@pytest.mark.parametrize(
    ("cert", "key", "told"),
    [
        ("cert.pem", None, "--tls-cert is given without --tls-key"),
        (None, "key.pem", "--tls-key is given without --tls-cert"),
        ("cert.pem", "other.pem", "are no certificate and its key"),
        ("cert.pem", "none.pem", "No such file"),
        ("key.pem", "key.pem", "are no certificate and its key"),
    ],
)
def test_a_certificate_that_can_t_be_used_is_refused(files, cert, key, told):
    with pytest.raises(UsageError, match=told):
        exposure_of(tls_cert=cert and files / cert, tls_key=key and files / key)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8025"),
        ({"host": "::1"}, "http://[::1]:8025"),
        ({"host": "localhost", "base_path": "/a/b/"}, "http://127.0.0.1:8025/a/b"),
        ({"host": "0.0.0.0", "allow_plaintext": True}, "http://127.0.0.1:8025"),
        ({"public_url": "https://Mail.Example.org:443/"}, PUBLIC),
        ({"public_url": "https://[2001:DB8::1]:8443"}, "https://[2001:db8::1]:8443"),
        (PROXIED | {"host": "0.0.0.0"}, f"{PUBLIC}/mail"),
        ({"public_url": PUBLIC, "base_path": "/mail"}, f"{PUBLIC}/mail"),
        ({"public_url": "http://localhost:9000"}, "http://localhost:9000"),
        ({"public_url": "http://mail.lan", "allow_plaintext": True}, "http://mail.lan"),
    ],
)
def test_where_it_is(given, url):
    assert exposure_of(**given).url(8025) == url


def test_a_renewed_certificate_is_shown_to_the_next_who_connects(files, tmp_path, home):
    for name in ("cert.pem", "key.pem"):
        shutil.copy(files / name, tmp_path / name)
    exposure = exposure_of(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    with served_site(home, exposure) as served:
        where = ("127.0.0.1", urlsplit(served.url).port or 0)
        before = ssl.get_server_certificate(where)
        renewed = authority().issue_cert("mail.example.net")
        renewed.private_key_pem.write_to_path(tmp_path / "key.pem")
        renewed.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        after = ssl.get_server_certificate(where)
        assert after != before
        assert after.split() == renewed.cert_chain_pems[0].bytes().decode().split()
        with httpx2.Client(verify=False, headers=BEARER, timeout=60) as client:
            answer = client.get(f"https://127.0.0.1:{where[1]}/api/flows")
        assert answer.json() == []


def test_a_certificate_gives_the_names(files):
    exposed = exposure_of(host="0.0.0.0", tls_cert=files / "cert.pem", tls_key=files / "key.pem")
    assert exposed.url(8025) == "https://127.0.0.1:8025"
    for name in ("mail.example.net", "a.lan.example.net", "192.168.1.5", "2001:db8::5"):
        assert exposed.answers_to(name, from_here=False), name
    for name in ("example.net", "a.b.lan.example.net", "evil.example", "localhost", ""):
        assert not exposed.answers_to(name, from_here=False), name
    assert exposed.answers_to("localhost", from_here=True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], Forwarded()),
        ([("x-forwarded-for", "203.0.113.9")], Forwarded("203.0.113.9")),
        ([("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.2")], Forwarded("203.0.113.9")),
        ([("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9")], Forwarded("203.0.113.9")),
        ([("x-forwarded-for", "10.0.0.3,10.0.0.2")], Forwarded("10.0.0.3")),
        ([("x-forwarded-for", "203.0.113.9:4711")], Forwarded("203.0.113.9")),
        ([("x-forwarded-for", "[2001:db8::9]:4711")], Forwarded("2001:db8::9")),
        ([("x-forwarded-for", "unknown")], Forwarded("unknown")),
        ([("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", "evil, mail")], Forwarded("203.0.113.9", "mail")),
        ([("forwarded", 'for="[2001:db8::9]:4711";proto=https;host=mail')], Forwarded("2001:db8::9", "mail")),
        ([("forwarded", "for=6.6.6.6;host=evil, For=203.0.113.9 ; Host=mail")], Forwarded("203.0.113.9", "mail")),
        ([("forwarded", r'for="_a\"b"')], Forwarded('_a"b')),
        ([("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9")], Forwarded("203.0.113.9")),
        ([("forwarded", "nonsense for=1.2.3.4")], Forwarded()),
    ],
)
def test_the_sender_is_the_last_one_that_is_no_proxy_of_ours(fields, said):
    headers = [(name.encode(), value.encode()) for name, value in fields]
    assert forwarded(headers, exposure_of(**PROXIED).trusts) == said


def test_two_senders_are_one_too_many():
    headers = [(b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"203.0.113.9")]
    with pytest.raises(TwoSendersError):
        forwarded(headers, exposure_of(**PROXIED).trusts)


def test_an_address_of_ipv4_is_the_same_in_ipv6():
    assert plain_address("::ffff:10.0.0.2") == "10.0.0.2"


def asking(site, exposure, peer="127.0.0.1", **headers):
    app = create_app(site, TOKEN, exposure=exposure)
    transport = httpx2.ASGITransport(app, client=(peer, 4711))
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8025", headers=headers)


LISTENING: dict[str, Any] = {"host": "0.0.0.0", **PROXIED}
X_FOR = {"X-Forwarded-For": "203.0.113.9"}


ASKED: list[tuple[Any, ...]] = [
    # Without the settings: this machine's own names only, whatever a proxy says.
    ({}, "127.0.0.1", {"Host": "mail.example.org"}, 421),
    ({}, "127.0.0.1", {**X_FOR, "X-Forwarded-Host": "localhost", "Host": "mail.example.org"}, 421),
    ({}, "127.0.0.1", {"Origin": PUBLIC}, 403),
    # With them: the public name, whatever port it is said with.
    (PROXIED, "127.0.0.1", {"Host": "mail.example.org", "Origin": PUBLIC}, 200),
    (PROXIED, "127.0.0.1", {"Host": "MAIL.example.org:8443", **X_FOR}, 200),
    (PROXIED, "127.0.0.1", {"Host": "mail.example.org", "Origin": "http://mail.example.org"}, 403),
    (PROXIED, "127.0.0.1", {"Host": "mail.example.org.evil.example"}, 421),
    (PROXIED, "127.0.0.1", {"Host": "192.168.1.5"}, 421),
    # A proxy that asks by our address says by its fields that somebody else has.
    (PROXIED, "127.0.0.1", {**X_FOR, "Origin": PUBLIC}, 200),
    (PROXIED, "127.0.0.1", {**X_FOR, "Origin": "http://127.0.0.1:8025"}, 403),
    (PROXIED, "127.0.0.1", {**X_FOR, "X-Forwarded-Host": "evil.example"}, 421),
    (PROXIED, "127.0.0.1", {"Forwarded": "for=203.0.113.9;host=mail.example.org", "Origin": PUBLIC}, 200),
    (PROXIED, "127.0.0.1", {"Forwarded": "for=6.6.6.6", **X_FOR}, 400),
    # This machine itself.
    (PROXIED, "127.0.0.1", {"Origin": "http://127.0.0.1:8025"}, 200),
    # From the network: proxies only, since the others would speak in plain text.
    (LISTENING, "10.0.0.7", {"Host": "mail.example.org", **X_FOR}, 200),
    (LISTENING, "::ffff:10.0.0.7", {"Host": "mail.example.org", **X_FOR}, 200),
    (LISTENING, "192.168.1.7", {"Host": "mail.example.org", **X_FOR}, 403),
    (LISTENING, "192.168.1.7", {}, 403),
    # Whose word does not count can't make a name of ours out of another.
    (LISTENING | {"allow_plaintext": True}, "192.168.1.7", {"X-Forwarded-Host": "mail.example.org"}, 421),
    ({"host": "0.0.0.0", "allow_plaintext": True}, "192.168.1.7", {"Host": "192.168.1.5:8025"}, 200),
    ({"host": "0.0.0.0", "allow_plaintext": True}, "192.168.1.7", {"Host": "rebound.evil.example"}, 421),
    ({"host": "0.0.0.0", "allow_plaintext": True}, "192.168.1.7", {"Host": "localhost"}, 421),
]


async def test_who_is_answered(site):
    for given, peer, headers, status in ASKED:
        exposure = exposure_of(**given)
        async with asking(site, exposure, peer, **headers, **BEARER) as client:
            answer = await client.get(f"{exposure.base_path}/api/flows")
        assert answer.status_code == status, (given, peer, headers, answer.text)


PAGES = sorted(
    route.path
    for module in application._PAGES
    for route in module.router.routes
    if isinstance(route, Route) and "GET" in (route.methods or ()) and "{" not in route.path
)


async def test_nothing_leads_out_of_the_base_path(site):
    site.flow_files.create("version: 1\nname: hello\nnodes:\n- {id: a, type: say, settings: {text: hi}}\n")
    async with asking(site, exposure_of(**PROXIED), **X_FOR) as client:
        for path in ("/flows", "/", "/mailbox", "/api/flows"):
            assert (await client.get(path)).status_code == 404
        led = await client.get("/mail")
        assert (led.status_code, led.headers["Location"]) == (303, "/mail/flows")
        led = await client.get("/mail/flows/hello?a=1")
        assert led.headers["Location"] == "/mail/login?next=/flows/hello%3Fa%3D1"
        form = {"token": TOKEN, "next": "/flows/hello"}
        entered = await client.post("/mail/login", data=form, headers={"Origin": PUBLIC})
        assert (entered.status_code, entered.headers["Location"]) == (303, "/mail/flows/hello")
        cookie = entered.headers["Set-Cookie"]
        assert "; Path=/mail/;" in cookie
        assert cookie.endswith("; Secure")
        client.headers.update(BEARER)
        document = (await client.get("/mail/api/openapi.json")).json()
        assert document["servers"] == [{"url": "/mail"}]
        run = await client.post("/mail/api/flows/hello/runs", json={})
        found = []
        for page in [*PAGES, "/api/docs", "/flows?after=0", "/flows/hello", "/none", f"/runs/{run.json()['run']}"]:
            answer = await client.get(f"/mail{page}")
            assert answer.headers.get("HX-Push-Url", "/mail/").startswith("/mail/")
            addresses = re.findall(r'\s(?:href|src|action|hx-[a-z]+|content)="(/[^"]*)"', answer.text)
            assert {address for address in addresses if not address.startswith("/mail/")} == set(), page
            found += addresses
        assert len(found) > 100
        asked = await client.post("/mail/login", data={"token": "wrong"}, headers={"Origin": PUBLIC})
        assert 'action="/mail/login"' in asked.text


async def test_consent_comes_back_to_the_public_url(site):
    given = {"user": "jane", "clientId": "a", "clientSecret": "b", "hosts": ["127.0.0.1"]}
    urls = {"accessUrl": "https://provider.example/token", "authorizeUrl": "https://provider.example/authorize"}
    async with asking(site, exposure_of(**PROXIED), **X_FOR, **BEARER) as client:
        made = await client.post("/mail/api/connections", json={"name": "shop", "type": "oauth2", **given, **urls})
        assert made.status_code == 201, made.text
        begun = await client.post("/mail/api/connections/shop/authorize")
    assert begun.json()["redirectUri"] == f"{PUBLIC}/mail/oauth2/callback"
    assert "; Path=/mail/oauth2/callback;" in begun.headers["Set-Cookie"]


async def test_a_link_logs_nobody_in_who_is_not_at_this_machine(site):
    exposure = exposure_of(**PROXIED)
    for headers, origin, status in (
        ({"Host": "mail.example.org"}, PUBLIC, 401),
        (X_FOR, PUBLIC, 401),
        ({}, "http://127.0.0.1:8025", 204),
    ):
        async with asking(site, exposure, **headers) as client:
            code = client._transport.app.state.codes.issue()
            answer = await client.post("/mail/login/code", data={"code": code}, headers={"Origin": origin})
        assert answer.status_code == status, headers
    assert urlsplit(exposure.url(0)).path == "/mail"
