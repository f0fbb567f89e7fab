"""Consent by a browser: asked for, brought to a port of this machine or pasted, and changed for tokens."""

import asyncio
import socket
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from mailnode.connections.consent.browser import CodeRequest, by_browser, consent_grant, short_lived
from mailnode.connections.consent.loopback import awaiting_callback, open_callback_sockets
from mailnode.connections.endpoint import TokenAnswer
from mailnode.connections.grant import RefreshGrant
from mailnode.errors import ConnectionsError, ErrorCode, TokenError, UsageError
from support.http_server import reply
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, refusal


def grant_at(endpoint, **said):
    fields = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "access_url": endpoint.url,
        "authorize_url": endpoint.authorize_url,
        "consent_scope": "mail offline_access",
        "consent_extras": (("prompt", "consent"),),
    }
    return RefreshGrant(**{**fields, **said})


class Person:
    """Somebody who is shown an address, does something there, and may paste."""

    def __init__(self, *deeds):
        self.deeds = deeds
        self.declined = []
        self.answers = []
        self.shown = asyncio.get_running_loop().create_future()
        self.pastes: asyncio.Queue[str] = asyncio.Queue()
        self.tasks = []

    def show(self, url):
        self.shown.set_result(url)
        self.tasks.append(asyncio.create_task(self.act(url)))

    async def act(self, url):
        for deed in self.deeds:
            self.answers.append(await deed(self, url))

    async def pasted(self):
        return await self.pastes.get()

    def reject(self, why):
        self.declined.append(why)

    async def done(self):
        await asyncio.gather(*self.tasks)


def asked_in(url):
    return {key: texts[0] for key, texts in parse_qs(urlsplit(url).query).items()}


async def octets_to(url, octets):
    """Send octets to where a redirect URI leads; give what comes back."""
    sockets = urlsplit(url)
    reader, writer = await asyncio.open_connection(sockets.hostname, sockets.port)
    writer.write(octets)
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def get(url):
    sockets = urlsplit(url)
    target = (sockets.path or "/") + (f"?{sockets.query}" if sockets.query else "")
    return await octets_to(url, f"GET {target} HTTP/1.1\r\nHost: {sockets.netloc}\r\nCookie: a=b\r\n\r\n".encode())


async def location_of(url):
    """Where the provider sends the browser of somebody who consents."""
    head = await get(url)
    return next(line[10:] for line in head.split("\r\n") if line.lower().startswith("location: "))


async def consents(_person, url):
    return await get(await location_of(url))


def calls_back(**said):
    """Bring this to the redirect URI; `state` is the right one unless another is given."""

    async def deed(_person, url):
        asked = asked_in(url)
        query = urlencode({"state": asked["state"], **said})
        return await get(f"{asked['redirect_uri']}?{query}")

    return deed


def knocks(octets):
    async def deed(_person, url):
        return await octets_to(asked_in(url)["redirect_uri"], octets)

    return deed


def pastes(text):
    async def deed(person, _url):
        person.pastes.put_nowait(text)

    return deed


async def pastes_the_end(person, url):
    person.pastes.put_nowait(await location_of(url))


async def refused(work, kind=TokenError):
    with pytest.raises(kind) as caught:
        await work
    return caught.value


class TestByBrowser:
    async def test_consent_brings_tokens_that_last(self, endpoint):
        person = Person(consents)
        answer = await by_browser(grant_at(endpoint), USER, person)
        await person.done()
        assert endpoint.accepts(answer.access_token) == USER
        assert answer.refresh_token in endpoint.refresh_tokens
        assert person.answers[0].startswith("HTTP/1.1 200 OK\r\n")
        assert "You can close this window" in person.answers[0]

    async def test_the_provider_is_asked_with_pkce_and_all_that_it_wants(self, endpoint):
        person = Person(consents)
        await by_browser(grant_at(endpoint), USER, person)
        asked = asked_in(await person.shown)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["scope"] == "mail offline_access"
        assert asked["prompt"] == "consent"
        assert asked["login_hint"] == USER
        assert asked["code_challenge_method"] == "S256"
        assert urlsplit(asked["redirect_uri"]).hostname == "127.0.0.1"
        form = endpoint.requests[-1]
        assert form["redirect_uri"] == asked["redirect_uri"]
        assert 43 <= len(form["code_verifier"]) <= 128
        assert form["client_secret"] == CLIENT_SECRET

    async def test_a_public_client_says_no_secret(self, endpoint):
        await by_browser(grant_at(endpoint, client_secret=None), USER, Person(consents))
        assert "client_secret" not in endpoint.requests[-1]

    async def test_each_request_has_a_state_and_a_challenge_of_its_own(self, endpoint):
        first, second = (CodeRequest(grant_at(endpoint), USER, "http://127.0.0.1:1/") for _ in range(2))
        assert asked_in(first.url)["state"] != asked_in(second.url)["state"]
        assert asked_in(first.url)["code_challenge"] != asked_in(second.url)["code_challenge"]
        assert first.state not in repr(first)
        assert first.verifier not in repr(first)

    async def test_what_authorize_url_says_itself_stays(self, endpoint):
        grant = grant_at(endpoint, authorize_url="https://login.mail.example/auth?tenant=7")
        asked = asked_in(CodeRequest(grant, USER, "http://127.0.0.1:1/").url)
        assert (asked["tenant"], asked["client_id"]) == ("7", CLIENT_ID)

    async def test_localhost_is_said_where_the_provider_compares_it(self, endpoint):
        person = Person(consents)
        await by_browser(grant_at(endpoint, redirect_uri="http://localhost:{port}"), USER, person)
        redirect_uri = asked_in(await person.shown)["redirect_uri"]
        assert redirect_uri == f"http://localhost:{urlsplit(redirect_uri).port}"

    async def test_localhost_is_listened_to_by_its_other_address_too(self, endpoint):
        async def consents_by_ipv6(_person, url):
            return await get((await location_of(url)).replace("localhost", "[::1]"))

        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
        grant = grant_at(endpoint, redirect_uri="http://localhost:{port}")
        assert (await by_browser(grant, USER, Person(consents_by_ipv6))).refresh_token

    async def test_a_port_may_be_given(self, endpoint, closed_port):
        person = Person(consents)
        await by_browser(grant_at(endpoint), USER, person, port=closed_port)
        assert asked_in(await person.shown)["redirect_uri"] == f"http://127.0.0.1:{closed_port}/"

    async def test_a_port_that_is_taken_is_named(self, endpoint):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            error = await refused(by_browser(grant_at(endpoint), USER, Person(), port=port), UsageError)
        assert f"port {port}" in error.message
        assert "in use" in error.message

    async def test_nobody_listens_any_more_afterwards(self, endpoint):
        person = Person(consents)
        await by_browser(grant_at(endpoint), USER, person)
        with pytest.raises(ConnectionRefusedError):
            await get(asked_in(await person.shown)["redirect_uri"])


class TestWhoElseCalls:
    @pytest.mark.parametrize(
        ("deed", "status"),
        [
            (calls_back(state="another", code="stolen"), 400),
            (calls_back(state="", code="stolen"), 400),
            (calls_back(state="\u00e4\udcff".encode("utf-8", "replace").decode(), code="x"), 400),
            (knocks(b"GET /favicon.ico HTTP/1.1\r\n\r\n"), 404),
            (knocks(b"GET / HTTP/1.1\r\n\r\n"), 400),
            (knocks(b"GET /?state HTTP/1.1\r\n\r\n"), 400),
            (knocks(b"GET /?" + b"a=b&" * 1000 + b" HTTP/1.1\r\n\r\n"), 400),
            (knocks(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b"), 405),
            (knocks(b"\x16\x03\x01\x02\0\r\n\r\n"), 400),
            (knocks(b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000 + b"\r\n\r\n"), 400),
        ],
    )
    async def test_is_told_so_and_changes_nothing(self, endpoint, deed, status):
        person = Person(deed, consents)
        answer = await by_browser(grant_at(endpoint), USER, person)
        await person.done()
        assert answer.refresh_token
        assert person.answers[0].startswith(f"HTTP/1.1 {status} ")
        assert len(endpoint.requests) == 1

    async def test_idle_connections_keep_nobody_waiting(self, endpoint):
        idle = []

        async def opens_one(_person, url):
            sockets = urlsplit(asked_in(url)["redirect_uri"])
            idle.append(await asyncio.open_connection(sockets.hostname, sockets.port))

        person = Person(opens_one, consents)
        assert (await by_browser(grant_at(endpoint), USER, person)).refresh_token
        for _, writer in idle:
            writer.close()

    async def test_words_of_others_do_not_become_html(self, endpoint):
        person = Person(calls_back(error="<script>", error_description="<b>"))
        error = await refused(by_browser(grant_at(endpoint), USER, person))
        await person.done()
        assert "<script>" in error.message
        assert "<script>" not in person.answers[0]
        assert "default-src 'none'" in person.answers[0]


class TestRefused:
    async def test_a_no_is_said_with_the_words_of_the_provider(self, endpoint):
        person = Person(calls_back(error="access_denied", error_description="The user\r\nsaid no"))
        error = await refused(by_browser(grant_at(endpoint), USER, person))
        await person.done()
        assert (error.code, error.oauth_error) == (ErrorCode.TOKEN_REFUSED, "access_denied")
        assert "access_denied (The user said no)" in error.message
        assert "allow mailnode" in error.hint
        assert "The terminal shows" in person.answers[0]
        assert not endpoint.requests

    async def test_an_answer_without_a_code(self, endpoint):
        error = await refused(by_browser(grant_at(endpoint), USER, Person(calls_back())))
        assert "neither a code nor an error" in error.message
        assert "authorizeUrl" in error.hint

    async def test_nobody_answers(self, endpoint):
        error = await refused(by_browser(grant_at(endpoint), USER, Person(), seconds=0.01))
        assert error.code == ErrorCode.CONSENT_NEEDED
        assert "within 0.01 s" in error.message

    async def test_a_code_that_the_endpoint_refuses(self, endpoint):
        error = await refused(by_browser(grant_at(endpoint), USER, Person(calls_back(code="made-up"))))
        assert "invalid_grant (no such code)" in error.message
        assert "made-up" not in str(error)
        assert error.hint.startswith("authorize again")

    async def test_a_wrong_secret(self, endpoint):
        error = await refused(by_browser(grant_at(endpoint, client_secret="wrong"), USER, Person(consents)))
        assert error.oauth_error == "invalid_client"
        assert "clientSecret" in error.hint

    async def test_html_in_place_of_tokens(self, endpoint):
        endpoint.fail_next(reply(b"<html>Sign in</html>", content_type="text/html"))
        error = await refused(by_browser(grant_at(endpoint), USER, Person(consents)))
        assert "does not answer like a token endpoint" in error.message

    async def test_a_refusal_names_no_secret(self, endpoint):
        endpoint.fail_next(refusal("invalid_request", f"bad {CLIENT_SECRET}"))
        error = await refused(by_browser(grant_at(endpoint), USER, Person(consents)))
        assert CLIENT_SECRET not in str(error)

    async def test_without_an_address_to_ask_at(self, endpoint):
        error = await refused(by_browser(grant_at(endpoint, authorize_url=""), USER, Person()), ConnectionsError)
        assert error.key == "authorizeUrl"
        assert "authorizeUrl" in error.hint


class TestPasted:
    async def test_the_address_where_the_browser_ended(self, endpoint):
        answer = await by_browser(grant_at(endpoint), USER, Person(pastes_the_end))
        assert endpoint.accepts(answer.access_token) == USER

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("rubbish", "paste the full address"),
            ("", "paste the full address"),
            ("http://127.0.0.1:1/?code=a", "paste the full address"),
            ("http://127.0.0.1:1/?code=a&state=old", "another request"),
            ("http://127.0.0.1:1/?code=a&state=old&state=older", "paste the full address"),
        ],
    )
    async def test_something_else_is_declined_and_may_be_tried_again(self, endpoint, text, why):
        person = Person(pastes(text), pastes_the_end)
        assert (await by_browser(grant_at(endpoint), USER, person)).refresh_token
        assert why in person.declined[0]

    async def test_the_address_that_was_to_be_opened_is_told_apart(self, endpoint):
        async def pastes_the_beginning(person, url):
            person.pastes.put_nowait(url)

        person = Person(pastes_the_beginning, pastes_the_end)
        assert (await by_browser(grant_at(endpoint), USER, person)).refresh_token
        assert "the address to open" in person.declined[0]

    async def test_a_no(self, endpoint):
        async def pastes_a_no(person, url):
            said = urlencode({"state": asked_in(url)["state"], "error": "access_denied"})
            person.pastes.put_nowait(f"localhost:1/?{said}#_")

        error = await refused(by_browser(grant_at(endpoint), USER, Person(pastes_a_no)))
        assert error.oauth_error == "access_denied"


class TestWhatItIsGoodFor:
    def test_a_refresh_token_lasts(self, endpoint):
        assert short_lived(TokenAnswer("at", 1, "rt"), grant_at(endpoint)) == ""

    def test_without_one_it_is_said_for_how_long(self, endpoint):
        said = short_lived(TokenAnswer("at", 1893456000000), grant_at(endpoint, consent_scope="mail"))
        assert "until 2030-01-01 00:00 UTC" in said
        assert "offline_access" in said

    def test_without_one_though_it_was_asked_for(self, endpoint):
        said = short_lived(TokenAnswer("at"), grant_at(endpoint))
        assert "for an unknown time" in said
        assert "at the provider" in said


class TestConnections:
    async def shop(self, process, endpoint, **more):
        fields = {
            "hosts": ["mail.example"],
            "user": USER,
            "clientId": CLIENT_ID,
            "clientSecret": CLIENT_SECRET,
            "accessUrl": endpoint.url,
            "authorizeUrl": endpoint.authorize_url,
        }
        await process.repository.create("shop", "oauth2", {**fields, **more})
        return await process.repository.get("shop")

    async def test_another_process_sees_the_token_at_its_next_message(self, one, other, endpoint):
        connection = await self.shop(one, endpoint)
        seen = await other.repository.get("shop")
        assert (await other.repository.show("shop"))["state"] == "needsConsent"
        grant = consent_grant(connection)
        await one.repository.consent("shop", await by_browser(grant, USER, Person(consents)), grant)
        assert (await other.repository.get("shop")).revision > seen.revision
        assert endpoint.accepts(await other.token()) == USER
        assert (await other.repository.show("shop"))["state"] == "ready"

    async def test_consent_takes_the_place_of_a_refresh_token_that_is_refused(self, one, endpoint):
        connection = await self.shop(one, endpoint, refreshToken="rt-lost")
        assert (await refused(one.token())).code == ErrorCode.CONSENT_NEEDED
        grant = consent_grant(connection)
        await one.repository.consent("shop", await by_browser(grant, USER, Person(consents)), grant)
        assert endpoint.accepts(await one.token()) == USER

    async def test_consent_for_what_the_connection_was_before_is_not_stored(self, one, endpoint):
        grant = consent_grant(await self.shop(one, endpoint))
        answer = await by_browser(grant, USER, Person(consents))
        await one.repository.update("shop", {"clientId": "another"})
        error = await refused(one.repository.consent("shop", answer, grant), ConnectionsError)
        assert "changed" in error.message
        assert (await one.repository.show("shop"))["state"] == "needsConsent"

    async def test_a_password_needs_no_consent(self, one):
        await one.repository.create("old", "basic", {"hosts": ["mail.example"], "username": "a", "password": "b"})
        with pytest.raises(ConnectionsError, match="logs in with a password"):
            consent_grant(await one.repository.get("old"))

    async def test_an_application_needs_no_consent(self, one, endpoint):
        fields = {"hosts": ["m.example"], "user": USER, "clientId": "a", "clientSecret": "b", "accessUrl": endpoint.url}
        await one.repository.create("app", "oauth2ClientCredentials", fields)
        with pytest.raises(ConnectionsError, match="of type oauth2ClientCredentials"):
            consent_grant(await one.repository.get("app"))

    async def test_a_token_alone_has_nobody_to_ask(self, one):
        await one.repository.create("token", "oauth2", {"hosts": ["mail.example"], "user": USER, "accessToken": "at"})
        with pytest.raises(ConnectionsError, match="no clientId") as caught:
            consent_grant(await one.repository.get("token"))
        assert caught.value.key == "clientId"

    async def test_providers_compare_redirects_in_their_own_ways(self, one):
        for service, uri in (("Gmail", "http://127.0.0.1:{port}/"), ("Outlook365", "http://localhost:{port}")):
            await one.repository.create(service, "oauth2", {"service": service, "user": USER, "clientId": "a"})
            assert consent_grant(await one.repository.get(service)).redirect_uri == uri


async def test_connections_that_a_browser_leaves_idle_end_without_a_word():
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
    sockets = open_callback_sockets("http://127.0.0.1:{port}/")
    async with awaiting_callback(sockets, lambda _query: None):
        streams = [await asyncio.open_connection(*sockets.sockets[0].getsockname()) for _ in range(3)]
        await asyncio.sleep(0)
    for reader, writer in streams:
        assert await reader.read() == b""
        writer.close()
    sockets.close()
    assert said == []
