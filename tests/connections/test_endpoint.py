"""One form to a token endpoint, and everything that may come back."""

import asyncio
import base64
import gc
import json
import ssl
from urllib.parse import quote, quote_plus

import pytest

from mailnode.connections import endpoint as module
from mailnode.connections.endpoint import TokenEndpoint
from mailnode.errors import ErrorCode, TokenError
from mailnode.smtp.proxy import parse_proxy
from support.http_server import dripping, endless, gzip_bomb, raw, reply, serving, stalling
from support.proxies import proxy
from support.tls import authority, self_signed_context, server_context

FORM = {"grant_type": "refresh_token", "refresh_token": "rt-canary", "client_id": "app", "client_secret": "s-canary"}


NAMES = {"login.example": "127.0.0.1"}


def said(value, **headers):
    return reply(json.dumps(value).encode(), content_type="application/json", **headers)


def trusting():
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


async def ask(answer, tls=None, trust=None):
    async with serving(tls) as http:
        url = http.on("/token", answer)
        got = await TokenEndpoint(trust, lambda: 1_000_000).ask(url, FORM)
    return got, http.requests[0]


async def trouble(answer, **how):
    with pytest.raises(TokenError) as caught:
        await ask(answer, **how)
    error = caught.value
    assert error.hint
    assert error.phase == "token"
    assert "canary" not in f"{error}{error.hint}{error.__cause__!r}"
    assert len(error.message) < 500
    return error


async def test_the_form_goes_as_rfc_6749_has_it_and_the_tokens_come_back():
    answer = {"access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt", "scope": "x"}
    got, request = await ask(said(answer))
    assert (got.access_token, got.refresh_token, got.expires_at) == ("at", "rt", 4_600_000)
    assert "at" not in repr(got).replace("TokenAnswer", "").replace("expires_at", "")
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["accept"] == "application/json"
    assert request.body == (b"grant_type=refresh_token&refresh_token=rt-canary&client_id=app&client_secret=s-canary")


async def test_over_tls_it_goes_to_whom_an_authority_vouches_for():
    got, _ = await ask(said({"access_token": "at"}), tls=server_context(), trust=trusting())
    assert got.access_token == "at"


async def test_a_certificate_that_nobody_vouches_for():
    error = await trouble(said({"access_token": "at"}), tls=self_signed_context(), trust=trusting())
    assert "certificate" in error.message
    assert "SSL_CERT_FILE" in error.hint
    assert (error.transient, error.in_doubt) == (False, False)


@pytest.mark.parametrize("lasts", [None, "soon", True, -1, [3600], {}])
async def test_an_end_that_is_none_is_not_known(lasts):
    got, _ = await ask(said({"access_token": "at", "expires_in": lasts}))
    assert got.expires_at is None


@pytest.mark.parametrize("lasts", [10**30, "9" * 40, 1e300])
async def test_an_end_beyond_all_measure_is_some_years_away(lasts):
    got, _ = await ask(said({"access_token": "at", "expires_in": lasts}))
    assert got.expires_at < 10**12


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": ""},
        {"access_token": None},
        {"access_token": 5},
        {"access_token": "a b"},
        {"access_token": "a\r\nb"},
        {"access_token": "\u00e9"},
        {"access_token": "at", "refresh_token": "a\nb"},
        {"access_token": "at", "token_type": "mac"},
        ["at"],
        "at",
        None,
    ],
)
async def test_an_answer_without_a_token_that_can_be_used(answer):
    error = await trouble(said(answer))
    assert error.code == ErrorCode.TOKEN_FAILED
    assert "accessUrl" in error.hint
    assert not error.transient
    assert error.in_doubt  # it may have used the refresh token up


@pytest.mark.parametrize("status", [200, 400, 403, 404])
async def test_a_page_instead_of_json(status):
    error = await trouble(reply(b"<html>canary</html>", status=status, content_type="text/html"))
    assert str(status) in error.message
    assert "text/html" in error.message


async def test_json_as_deep_as_a_well():
    await trouble(reply(b"[" * 100_000, content_type="application/json"))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_an_endpoint_that_can_not_now(status):
    error = await trouble(reply(b"", status=status))
    assert error.transient
    assert error.retry_after is None


@pytest.mark.parametrize(("said_so", "seconds"), [("7", 7), ("soon", None), ("-1", None), ("9" * 20, None)])
async def test_it_may_say_for_how_long(said_so, seconds):
    assert (await trouble(reply(b"", status=503, retry_after=said_so))).retry_after == seconds


async def test_a_redirect_is_told_and_not_followed():
    async with serving() as other:
        url = other.on("/", said({"access_token": "at"}))
        error = await trouble(reply(b"", status=307, location=url))
        assert other.requests == []
    assert url in error.message


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("invalid_client", "clientSecret"),
        ("unauthorized_client", "allow"),
        ("invalid_scope", "scope"),
        ("unsupported_grant_type", "type"),
        ("invalid_request", "accessUrl"),
        ("deleted_client", "create a new one"),
        ("disabled_client", "disabled at the provider"),
        ("interaction_required", "consent"),
        ("consent_required", "consent"),
        ("login_required", "consent"),
        ("admin_policy_enforced", "administrator"),
        ("invalid_grant", "clock"),
        ("something_else", "provider's message"),
    ],
)
async def test_a_refusal_in_its_own_words_and_what_helps(word, remedy):
    error = await trouble(said({"error": word, "error_description": "rt-canary is no good\n"}, status=400))
    assert (error.code, error.oauth_error) == (ErrorCode.TOKEN_REFUSED, word)
    assert f"{word} (*** is no good)" in error.message
    assert remedy in error.hint


@pytest.mark.parametrize(
    ("word", "description", "remedy"),
    [
        ("invalid_client", "AADSTS7000215: Invalid client secret provided.", "secret's value"),
        ("invalid_client", "AADSTS7000222: The provided client secret keys are expired.", "create a new one"),
        ("unauthorized_client", "AADSTS700016: Application with identifier 'x' was not found", "tenantId"),
        ("interaction_required", "AADSTS53003: Access has been blocked by Conditional Access", "Conditional Access"),
    ],
)
async def test_the_particular_reason_has_the_first_word(word, description, remedy):
    error = await trouble(said({"error": word, "error_description": description}, status=400))
    assert remedy in error.hint
    assert description.split(":")[0] in error.message


@pytest.mark.parametrize("status", [200, 400, 401, 403, 503])
@pytest.mark.parametrize("word", ["temporarily_unavailable", "server_error", "slow_down"])
async def test_a_word_that_says_not_now_means_it_whatever_the_status(word, status):
    error = await trouble(said({"error": word}, status=status, retry_after="7"))
    assert (error.transient, error.oauth_error, error.retry_after) == (True, word, 7)
    assert error.in_doubt == (word == "server_error")
    assert word in error.message


@pytest.mark.parametrize(
    ("refusal", "status", "asked"),
    [
        ({"error": "invalid_client"}, 400, 2),
        ({"error": "unauthorized_client"}, 400, 2),
        ({"error": "invalid_request"}, 401, 2),
        ({"error": "invalid_request"}, 400, 1),
        ({"error": "invalid_grant"}, 401, 1),
        ({"error": "access_denied"}, 403, 1),
        ({}, 401, 2),
        ({}, 403, 1),
    ],
)
async def test_the_other_way_to_show_the_secret_is_tried_once_where_it_may_help(refusal, status, asked):
    async with serving() as http:
        with pytest.raises(TokenError) as caught:
            await TokenEndpoint().ask(http.on("/token", said(refusal, status=status)), FORM)
    assert caught.value.oauth_error == refusal.get("error", "")
    assert ["authorization" in request.headers for request in http.requests] == [False, True][:asked]


async def test_without_a_secret_there_is_no_other_way_to_show_it():
    form = {key: value for key, value in FORM.items() if key != "client_secret"}
    async with serving() as http:
        with pytest.raises(TokenError):
            await TokenEndpoint().ask(http.on("/token", said({"error": "invalid_client"}, status=401)), form)
    assert len(http.requests) == 1


async def test_a_secret_that_is_refused_in_the_form_goes_in_the_field_for_it():
    """RFC 6749 2.3.1: both are encoded as in a form, and then as in RFC 7617."""
    form = {**FORM, "client_id": "app:1", "client_secret": "s%canary"}

    async def answer(exchange):
        basic = exchange.request.headers.get("authorization")
        refused = said({"error": "invalid_client"}, status=401)
        await (said({"access_token": "at"}) if basic else refused)(exchange)

    async with serving() as http:
        got = await TokenEndpoint().ask(http.on("/token", answer), form)
    assert got.access_token == "at"
    first, second = http.requests
    assert b"client_secret=s%25canary" in first.body
    assert second.headers["authorization"] == f"Basic {base64.b64encode(b'app%3A1:s%25canary').decode()}"
    assert second.body == b"grant_type=refresh_token&refresh_token=rt-canary"


async def test_a_secret_that_is_wrong_in_both_places_is_wrong():
    async with serving() as http:
        url = http.on("/token", said({"error": "invalid_client", "error_description": "first"}, status=401))
        with pytest.raises(TokenError, match="first"):
            await TokenEndpoint().ask(url, FORM)
    assert len(http.requests) == 2


async def test_an_error_that_is_none_is_none():
    got, _ = await ask(said({"error": None, "access_token": "at"}))
    assert got.access_token == "at"


async def test_an_error_beside_status_200_is_a_refusal():
    assert (await trouble(said({"error": "invalid_grant", "access_token": "at"}))).oauth_error == "invalid_grant"


async def test_endless_words_are_cut():
    await trouble(said({"error": "x" * 9000, "error_description": "y" * 9000}, status=400))


@pytest.mark.parametrize("answer", [endless(content_type="application/json"), gzip_bomb(50_000_000)])
async def test_an_answer_without_end_is_left(answer):
    assert "1 MB" in (await trouble(answer)).message


@pytest.mark.parametrize(
    "answer", [raw(b""), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), raw(b"220 hi\r\n")]
)
async def test_an_answer_that_breaks_off_leaves_a_doubt(answer):
    error = await trouble(answer)
    assert (error.transient, error.in_doubt) == (True, True)


@pytest.mark.parametrize("answer", [stalling(), dripping()])
async def test_an_answer_that_does_not_come_in_time_leaves_a_doubt(answer, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    error = await trouble(answer)
    assert (error.transient, error.in_doubt) == (True, True)


async def test_an_endpoint_that_is_not_there_was_asked_nothing():
    async with serving() as http:
        url = http.url("/token")
    with pytest.raises(TokenError) as caught:
        await TokenEndpoint().ask(url, FORM)
    assert (caught.value.transient, caught.value.in_doubt) == (True, False)


async def test_tls_where_there_is_none():
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 this is another service\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TokenError, match="TLS") as caught:
            await TokenEndpoint().ask(f"https://127.0.0.1:{port}/token", FORM)
    assert not caught.value.in_doubt


class TestThroughAProxy:
    """Which alone knows the endpoint's name."""

    @pytest.mark.parametrize("scheme", ["http", "socks5"])
    @pytest.mark.parametrize("login", [None, ("user", "p-canary")])
    async def test_it_is_asked_there(self, scheme, login):
        async with serving(server_context("login.example")) as http, proxy(scheme, login=login, known=NAMES) as way:
            http.on("/token", said({"access_token": "at"}))
            endpoint = TokenEndpoint(trusting()).via(parse_proxy(way.url))
            got = await endpoint.ask(f"https://login.example:{http.port}/token", FORM)
        assert got.access_token == "at"
        assert way.asked == [("login.example", http.port)]

    # httpx2 leaves the socket of a refused SOCKS5 login to the garbage collector.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
    @pytest.mark.parametrize("scheme", ["http", "socks5"])
    async def test_a_login_that_it_refuses(self, scheme):
        async with proxy(scheme, login=("user", "right"), known=NAMES) as way:
            wrong = parse_proxy(f"{scheme}://user:p-canary@127.0.0.1:{way.port}")
            with pytest.raises(TokenError, match="through the proxy") as caught:
                await TokenEndpoint(trusting(), proxy=wrong).ask("https://login.example/token", FORM)
        assert "canary" not in f"{caught.value}{caught.value.hint}"
        assert not caught.value.in_doubt
        del caught
        gc.collect()

    @pytest.mark.parametrize("scheme", ["http", "socks5"])
    async def test_one_that_is_not_there(self, scheme):
        gone = parse_proxy(f"{scheme}://127.0.0.1:9")
        with pytest.raises(TokenError, match=f"through the proxy {scheme}://127.0.0.1:9"):
            await TokenEndpoint(trusting(), proxy=gone).ask("https://login.example/token", FORM)

    async def test_this_very_machine_is_reached_without_it(self):
        async with serving() as http, proxy("http") as way:
            url = http.on("/token", said({"access_token": "at"}))
            await TokenEndpoint(proxy=parse_proxy(way.url)).ask(url, FORM)
        assert way.asked == []


@pytest.mark.parametrize("write", [quote, quote_plus, lambda text: base64.b64encode(text.encode()).decode()])
async def test_a_secret_that_is_said_back_in_another_writing_is_not_shown(write):
    secret = "s3cr3t/+ =%&x"
    form = {**FORM, "client_secret": secret}
    async with serving() as http:
        answer = {"error": "invalid_grant", "error_description": f"you said {write(secret)} to us"}
        with pytest.raises(TokenError) as caught:
            await TokenEndpoint().ask(http.on("/token", said(answer, status=400)), form)
    assert "you said *** to us" in caught.value.message


async def test_a_secret_that_went_in_the_field_for_it_and_is_said_back_is_not_shown():
    async def answer(exchange):
        basic = exchange.request.headers.get("authorization", "")
        second = {"error": "invalid_grant", "error_description": f"heard s-canary and {basic.partition(' ')[2]}"}
        await said(second if basic else {"error": "invalid_client"}, status=400)(exchange)

    error = await trouble(answer)
    assert "heard *** and ***" in error.message


async def test_a_secret_in_the_place_that_a_redirect_leads_to_is_not_shown():
    error = await trouble(reply(b"", status=302, location="https://else.example/?refresh_token=rt-canary"))
    assert "refresh_token=***" in error.message


async def test_an_url_that_the_http_library_does_not_take_is_told():
    with pytest.raises(TokenError, match="not a valid URL") as caught:
        await TokenEndpoint().ask("https://256.1.1.1/token", FORM)
    assert "accessUrl" in caught.value.hint
