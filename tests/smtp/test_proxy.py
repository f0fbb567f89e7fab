import sys

import pytest

from mailnode.errors import ConnectFailed, ErrorCode, LoginFailed, SettingsError
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.proxy import Proxy, parse_proxy
from mailnode.smtp.sasl import Login
from mailnode.smtp.server import Deadlines
from support.messages import letter
from support.proxies import proxy
from support.scripted_smtp import ScriptedServer
from support.tls import ca_pem, server_context

BOTH = pytest.mark.parametrize("scheme", ["socks5", "http"])
LOGIN = ("jane", "p@ss:word")
HOSTS = {"mail.example": "127.0.0.1"}


async def send(server, url, host="mail.example", tls_option="none", **settings):
    async with SmtpClient(host, server.port, tls_option=tls_option, proxy=url, **settings) as client:
        return await client.send(letter())


class TestTheWay:
    @BOTH
    @pytest.mark.parametrize("tls_option", ["none", "starttls", "tls"])
    async def test_mail_goes_through_and_the_proxy_resolves_the_name(self, scheme, tls_option):
        tls = None if tls_option == "none" else server_context("mail.example")
        async with (
            ScriptedServer(tls=tls, implicit_tls=tls_option == "tls") as server,
            proxy(scheme, known=HOSTS) as between,
        ):
            outcome = await send(server, between.url, tls_option=tls_option, ca=ca_pem())
        assert outcome.accepted
        assert between.asked == [("mail.example", server.port)]

    @BOTH
    async def test_with_a_login(self, scheme):
        async with ScriptedServer() as server, proxy(scheme, login=LOGIN, known=HOSTS) as between:
            url = between.url.replace("p@ss:word", "p%40ss%3Aword")
            assert (await send(server, url)).accepted

    async def test_an_address_is_given_as_it_is(self):
        async with ScriptedServer() as server, proxy("socks5") as between:
            assert (await send(server, between.url, host="127.0.0.1")).accepted
        assert between.asked == [("127.0.0.1", server.port)]

    async def test_a_greeting_that_comes_with_the_proxys_answer_is_not_lost(self):
        async with ScriptedServer() as server, proxy("http", known=HOSTS, late=True) as between:
            assert (await send(server, between.url)).accepted

    @BOTH
    async def test_a_password_is_not_said_in_clear_text_beyond_a_proxy_on_this_machine(self, scheme):
        async with ScriptedServer(extensions=["AUTH PLAIN"]) as server, proxy(scheme) as between:
            with pytest.raises(LoginFailed) as caught:
                await send(server, between.url, host="127.0.0.1", login=Login("jane", "secret"))
        assert caught.value.code == ErrorCode.PLAINTEXT_AUTH
        assert not server.visit.count("AUTH")


class TestErrors:
    @BOTH
    async def test_a_wrong_login_is_final_and_shows_no_password(self, scheme):
        async with ScriptedServer() as server, proxy(scheme, login=LOGIN, known=HOSTS) as between:
            with pytest.raises(ConnectFailed) as caught:
                await send(server, f"{scheme}://jane:wrong@127.0.0.1:{between.port}")
        error = caught.value
        assert (error.code, error.transient) == (ErrorCode.PROXY_FAILED, False)
        assert f"user name and password in the proxy's URL: {scheme}://" in error.hint
        assert "wrong" not in f"{error}{error.hint}"
        assert not server.visits

    @BOTH
    async def test_a_proxy_that_reaches_no_server_may_do_so_later(self, scheme):
        async with ScriptedServer() as server, proxy(scheme, misbehaviour="refuse") as between:
            with pytest.raises(ConnectFailed) as caught:
                await send(server, between.url)
        assert (caught.value.code, caught.value.transient) == (ErrorCode.PROXY_FAILED, True)
        assert f"{scheme}://127.0.0.1:{between.port} did not connect to mail.example" in str(caught.value)

    @BOTH
    async def test_a_proxy_that_is_not_there_is_named(self, scheme):
        async with proxy(scheme) as between, ScriptedServer() as server:
            pass
        said = rf"could not connect to the proxy {scheme}://127\.0\.0\.1:{between.port}: .*refused"
        with pytest.raises(ConnectFailed, match=said) as caught:
            await send(server, between.url)
        assert (caught.value.code, caught.value.transient) == (ErrorCode.PROXY_FAILED, True)
        assert "check the proxy" in caught.value.hint

    @BOTH
    async def test_a_proxy_whose_name_is_unknown_is_named(self, scheme):
        async with ScriptedServer() as server:
            with pytest.raises(ConnectFailed, match=rf"the proxy {scheme}://nowhere.invalid:1: .*not known") as caught:
                await send(server, f"{scheme}://nowhere.invalid:1")
        assert caught.value.code == ErrorCode.PROXY_FAILED

    async def test_a_host_that_no_socks_proxy_can_be_asked_for_is_named(self):
        async with ScriptedServer() as server, proxy("socks5") as between:
            with pytest.raises(ConnectFailed) as caught:
                await send(server, between.url, host="h" * 64)
        assert (caught.value.code, caught.value.transient) == (ErrorCode.UNKNOWN_HOST, False)
        assert between.asked == []

    @BOTH
    async def test_a_proxy_that_hangs_is_waited_for_as_for_a_server(self, scheme):
        async with ScriptedServer() as server, proxy(scheme, misbehaviour="hang") as between:
            with pytest.raises(ConnectFailed) as caught:
                await send(server, between.url, deadlines=Deadlines(connect=0.2))
        assert caught.value.code == ErrorCode.TIMEOUT
        assert f"through {scheme}://127.0.0.1" in str(caught.value)

    @BOTH
    @pytest.mark.parametrize("misbehaviour", ["hang up", "nonsense"])
    async def test_what_is_no_proxy_is_said_to_be_none(self, scheme, misbehaviour):
        async with ScriptedServer() as server, proxy(scheme, misbehaviour=misbehaviour) as between:
            with pytest.raises(ConnectFailed) as caught:
                await send(server, between.url)
        assert caught.value.code == ErrorCode.PROXY_FAILED

    async def test_without_the_library_socks_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "python_socks", None)
        async with ScriptedServer() as server:
            with pytest.raises(SettingsError) as caught:
                await send(server, "socks5://127.0.0.1:1080")
        assert "pip install 'path/to/checkout[proxy]'" in caught.value.hint


class TestTheUrl:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("socks5://10.0.0.1:1080", Proxy("socks5", "10.0.0.1", 1080)),
            ("SOCKS5h://Proxy.Example:9", Proxy("socks5", "proxy.example", 9)),
            ("http://jane:a%3Ab%20c@proxy:3128/", Proxy("http", "proxy", 3128, "jane", "a:b c")),
            ("http://[::1]:3128", Proxy("http", "::1", 3128)),
        ],
    )
    def test_is_read(self, url, expected):
        assert parse_proxy(url) == expected

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "proxy:1080",
            "https://u:secret@proxy:1",
            "socks4://u:secret@proxy:1",
            "socks5://u:secret@proxy",
            "socks5://u:secret@proxy:99999",
            "socks5://u:secret@proxy:x",
            "http://u:secret@proxy:1/path",
            "http://u:secret%0d%0aX: y@proxy:1",
            "http://u%3a:secret@proxy:1",
            "http://u:secret@[::1:1",
            "http://u:secret@a b:1",
            "socks5://u:secret@..:1",
            f"socks5://u:secret@{'x' * 64}.example:1",
            "http://:secret@proxy:1",
            "socks5://u:@proxy:1",
            "socks5://u:secret%C3%9F@proxy:1",
            f"socks5://u:secret{'x' * 250}@proxy:1",
        ],
    )
    def test_that_is_none_is_refused_without_showing_it(self, url):
        with pytest.raises(SettingsError) as caught:
            parse_proxy(url)
        assert caught.value.key == "proxy"
        assert "secret" not in f"{caught.value}{caught.value.hint}"

    def test_the_password_is_not_in_its_repr(self):
        assert "secret" not in repr(parse_proxy("http://jane:secret@proxy:3128"))
