"""Consent on another device: a code is shown, and the endpoint asked until it was typed there."""

import json
from collections import deque
from urllib.parse import parse_qsl

import pytest

from mailnode.connections.consent.device import by_device
from mailnode.connections.endpoint import TokenEndpoint as ConsentPrompt
from mailnode.connections.grant import RefreshGrant
from mailnode.errors import ConnectionsError, ErrorCode, TokenError
from support.http_server import reply, serving
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, refusal

DEVICE_CODE = "device-code-canary"
SAID = {
    "device_code": DEVICE_CODE,
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://login.mail.example/device",
    "expires_in": 900,
    "interval": 5,
}
TOKENS = {"access_token": "at-1", "refresh_token": "rt-1", "token_type": "Bearer", "expires_in": 3600}
PENDING, SLOWER = refusal("authorization_pending"), refusal("slow_down")


def as_json(value):
    return reply(json.dumps(value).encode(), content_type="application/json")


class Provider:
    """Says `said` to whoever wants a code, and the `answers` one after another to whoever wants a token."""

    def __init__(self, http):
        self.http = http
        self.said = as_json(SAID)
        self.answers = deque([as_json(TOKENS)])
        self.requests = []
        self.codes = []
        self.waits = []
        self.now = 1_700_000_000_000
        self.device_url = http.on("/device", self.give_code)
        self.access_url = http.on("/token", self.give_token)

    async def give_code(self, exchange):
        self.requests.append(dict(parse_qsl(exchange.request.body.decode())))
        await self.said(exchange)

    async def give_token(self, exchange):
        self.requests.append(dict(parse_qsl(exchange.request.body.decode())))
        await (self.answers.popleft() if len(self.answers) > 1 else self.answers[0])(exchange)

    async def wait(self, seconds):
        self.waits.append(seconds)
        self.now += int(seconds * 1000)

    def grant(self, **said):
        fields = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "access_url": self.access_url,
            "device_url": self.device_url,
            "consent_scope": "mail offline_access",
        }
        return RefreshGrant(**{**fields, **said})

    async def ask(self, **said):
        clock = lambda: self.now  # noqa: E731 -- a clock in a line
        return await by_device(
            self.grant(**said), self.codes.append, endpoint=ConsentPrompt(clock=clock), clock=clock, wait=self.wait
        )

    async def refused(self, **said):
        with pytest.raises(TokenError) as caught:
            await self.ask(**said)
        assert DEVICE_CODE not in str(caught.value)
        return caught.value


@pytest.fixture
async def provider():
    async with serving() as http:
        yield Provider(http)


async def test_the_code_is_shown_and_the_tokens_come_when_it_was_typed(provider):
    provider.answers.extendleft([PENDING, PENDING])
    answer = await provider.ask()
    assert (answer.access_token, answer.refresh_token) == ("at-1", "rt-1")
    assert provider.waits == [5, 5, 5]
    assert (provider.codes[0].user_code, provider.codes[0].verification_uri) == ("WDJB-MJHT", SAID["verification_uri"])
    assert DEVICE_CODE not in repr(provider.codes[0])
    asked, *_, form = provider.requests
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    assert asked == {**client, "scope": "mail offline_access"}
    grant_type = "urn:ietf:params:oauth:grant-type:device_code"
    assert form == {"grant_type": grant_type, "device_code": DEVICE_CODE, **client}


async def test_who_wants_to_be_asked_less_often_is(provider):
    provider.answers.extendleft([PENDING, SLOWER, SLOWER])
    await provider.ask()
    assert provider.waits == [5, 10, 15, 15]


async def test_an_endpoint_that_fails_for_a_while_is_asked_less_often(provider):
    provider.answers.extendleft([reply(b"busy", status=503)])
    assert await provider.ask()
    assert provider.waits == [5, 10]


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ({"interval": 7.5}, 7.5),
        ({"interval": None}, 5),
        ({"interval": -1}, 5),
        ({"interval": 1e-9}, 5),
        ({"interval": "x"}, 5),
    ],
)
async def test_the_interval_is_what_the_provider_says_or_five_seconds(provider, said, waits):
    provider.said = as_json({**SAID, **said})
    await provider.ask()
    assert provider.waits == [waits]


async def test_the_name_of_a_draft_is_understood(provider):
    provider.said = as_json({**SAID, "verification_uri": None, "verification_url": "https://a.example/device"})
    await provider.ask()
    assert provider.codes[0].verification_uri == "https://a.example/device"


async def test_nobody_types_the_code(provider):
    provider.answers[0] = PENDING
    provider.said = as_json({**SAID, "expires_in": 60})
    error = await provider.refused()
    assert error.code == ErrorCode.CONSENT_NEEDED
    assert sum(provider.waits) < 60


async def test_the_endpoint_says_that_the_code_is_over(provider):
    provider.answers[0] = refusal("expired_token")
    assert (await provider.refused()).code == ErrorCode.CONSENT_NEEDED


@pytest.mark.parametrize("word", ["access_denied", "authorization_declined"])
async def test_a_no(provider, word):
    provider.answers[0] = refusal(word)
    error = await provider.refused()
    assert (error.code, error.oauth_error) == (ErrorCode.TOKEN_REFUSED, word)
    assert "allow mailnode" in error.hint


async def test_a_public_client_says_no_secret(provider):
    await provider.ask(client_secret=None)
    assert all("client_secret" not in form for form in provider.requests)


async def test_the_secret_goes_to_no_other_origin_than_that_of_the_tokens(provider):
    async with serving() as elsewhere:
        device_url = elsewhere.on("/device", provider.give_code)
        await provider.ask(device_url=device_url)
    assert "client_secret" not in provider.requests[0]
    assert "client_secret" in provider.requests[1]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {**SAID, "user_code": None},
        {**SAID, "user_code": "a\nb"},
        {**SAID, "verification_uri": "javascript:alert(1)"},
        {**SAID, "verification_uri": 7},
        {**SAID, "device_code": ""},
    ],
)
async def test_an_answer_that_is_none(provider, said):
    provider.said = as_json(said)
    error = await provider.refused()
    assert "deviceUrl" in error.hint
    assert not provider.codes


async def test_html_in_place_of_a_code(provider):
    provider.said = reply(b"<html>", content_type="text/html")
    error = await provider.refused()
    assert "deviceUrl" in error.hint
    assert "device authorization URL" in error.hint


async def test_a_provider_that_is_not_known_to_have_this_grant(provider):
    with pytest.raises(ConnectionsError) as caught:
        await provider.ask(device_url="")
    assert caught.value.key == "deviceUrl"
