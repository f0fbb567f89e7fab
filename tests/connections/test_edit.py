"""Editing a connection with tokens: what stays, what goes, and what must be given again."""

import pytest

from mailnode.connections.edit import DESTINATION_FIELDS, PLAINTEXT_SETTINGS
from mailnode.connections.fields import COMMON, TYPE_FIELDS
from mailnode.errors import ConnectionsError, ErrorCode, TokenError
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms

# What neither moves a secret nor bares it: who logs in, what is asked for, what a mail may be.
HARMLESS = {
    *("username", "user", "clientId", "serviceClient", "scope", "expiryDate"),
    *("from", "rateLimit", "allowedRecipients", "redirectAllTo", "dkim"),
}
APP = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}


async def shop(process, endpoint, **fields):
    given = {"hosts": ["mail.example"], "user": USER, "accessUrl": endpoint.url, "refreshToken": endpoint.consent()}
    await process.repository.create("shop", "oauth2", {**given, **APP, **fields})


async def refusal(process, **fields):
    before = await process.repository.show("shop")
    with pytest.raises(ConnectionsError) as caught:
        await process.repository.update("shop", fields)
    assert caught.value.hint
    assert "canary" not in f"{caught.value}{caught.value.hint}"
    assert await process.repository.show("shop") == before
    return caught.value


class TestWhereSecretsGo:
    @pytest.mark.parametrize(
        "change",
        [
            {"hosts": ["other.example"]},
            {"service": "Gmail"},
            {"accessUrl": "https://other.example/token"},
            {"tenantId": "other.example"},
            {"accessUrl": None},
            {"authorizeUrl": "https://other.example/authorize"},
            {"deviceUrl": "https://other.example/device"},
            {"proxy": "socks5://127.0.0.1:1080"},
            {"tlsOption": "none"},
            {"allowPlaintextAuth": True},
            {"proxy": "http://127.0.0.1:8080", "tlsOption": "none", "allowPlaintextAuth": True},
        ],
    )
    async def test_changing_it_asks_for_the_secrets_again(self, one, endpoint, change):
        await shop(one, endpoint)
        if "tenantId" in change:
            change = {"hosts": ["smtp.office365.com"], **change}
        error = await refusal(one, **change)
        assert (error.key, error.code) == ("clientSecret", ErrorCode.MISSING_SETTING)
        assert [other.key for other in error.others] == ["refreshToken"]
        assert (await refusal(one, **change, clientSecret="s-canary")).key == "refreshToken"
        await one.repository.update("shop", {**change, "clientSecret": "s", "refreshToken": "rt"})
        assert (await one.repository.show("shop"))["revision"] == 2

    def test_each_field_is_known_to_move_a_secret_to_bare_it_to_be_one_or_to_do_nothing_of_it(self):
        """A new field must say here what it does, before it can lead a stored secret away."""
        credentials = {proof for kind in TYPE_FIELDS.values() for proof in kind.credentials}
        kinds = [set(DESTINATION_FIELDS), set(PLAINTEXT_SETTINGS), credentials, HARMLESS]
        fields = [key for kind in TYPE_FIELDS.values() for key in kind.checks] + list(COMMON)
        assert {key: sum(key in one for one in kinds) for key in fields} == dict.fromkeys(fields, 1)
        assert set().union(*kinds) == set(fields)

    async def test_what_makes_the_way_private_again_asks_for_nothing(self, one, endpoint):
        await shop(one, endpoint, tlsOption="none", allowPlaintextAuth=True)
        await one.repository.update("shop", {"tlsOption": "starttls", "allowPlaintextAuth": None})
        assert endpoint.accepts(await one.token()) == USER

    async def test_a_proxy_that_is_taken_away_is_another_way(self, one, endpoint):
        await shop(one, endpoint, proxy="socks5://127.0.0.1:1080")
        error = await refusal(one, proxy=None)
        assert "proxy" in error.message

    async def test_an_access_token_that_can_be_had_anew_does_not_go_elsewhere(self, one, endpoint):
        await shop(one, endpoint, accessToken="at", expiryDate=in_ms(3000))
        await one.repository.update("shop", {"hosts": ["new.example"], **APP, "refreshToken": endpoint.consent()})
        assert "accessToken" not in (await one.repository.show("shop"))["secrets"]
        assert endpoint.accepts(await one.token()) == USER

    async def test_an_access_token_that_can_not_be_had_anew_must_be_given_again(self, one):
        await one.repository.create("shop", "oauth2", {"hosts": ["mail.example"], "user": USER, "accessToken": "at"})
        assert (await refusal(one, hosts=["other.example"])).key == "accessToken"
        await one.repository.update("shop", {"hosts": ["other.example"], "accessToken": "at-2"})
        assert await one.token() == "at-2"

    @pytest.mark.parametrize(
        "change", [{"proxy": "http://127.0.0.1:8080"}, {"tlsOption": "none"}, {"hosts": ["other.example"]}]
    )
    async def test_one_of_an_application_without_a_secret_does_not_go_there_either(self, one, endpoint, change):
        fields = {"hosts": ["mail.example"], "user": USER, "clientId": "public", "accessUrl": endpoint.url}
        await one.repository.create(
            "shop", "oauth2", {**fields, "accessToken": "at-canary", "allowPlaintextAuth": True}
        )
        await one.repository.update("shop", change)
        assert "accessToken" not in (await one.repository.show("shop"))["secrets"]
        with pytest.raises(TokenError, match="no refresh token yet"):
            await one.token()
        await one.repository.update("shop", {"accessToken": "at-2"})
        await one.repository.update("shop", {"proxy": "http://127.0.0.1:8081", "accessToken": "at-2"})
        assert await one.token() == "at-2"

    async def test_null_says_that_a_secret_is_no_more(self, one, endpoint):
        await shop(one, endpoint)
        await one.repository.update("shop", {"hosts": ["other.example"], "clientSecret": None, "refreshToken": None})
        assert (await one.repository.show("shop"))["secrets"] == []
        with pytest.raises(TokenError, match="no refresh token yet"):
            await one.token()

    async def test_the_same_place_in_other_words_is_the_same_place(self, one, endpoint):
        await shop(one, endpoint)
        await one.repository.update("shop", {"hosts": ["MAIL.example."]})
        assert endpoint.accepts(await one.token()) == USER

    @pytest.mark.parametrize(
        ("kind", "fields", "proof"),
        [
            ("oauth2ClientCredentials", {"clientId": "app", "clientSecret": "s-canary"}, "clientSecret"),
            ("basic", {"username": "jane", "password": "p-canary"}, "password"),
        ],
    )
    async def test_for_other_types_too(self, one, endpoint, kind, fields, proof):
        given = {"hosts": ["mail.example"], **fields}
        given |= {} if kind == "basic" else {"user": USER, "accessUrl": endpoint.url}
        await one.repository.create("shop", kind, given)
        assert (await refusal(one, hosts=["other.example"])).key == proof
        await one.repository.update("shop", {"hosts": ["other.example"], proof: "new"})


class TestTokens:
    async def test_an_edit_of_something_else_leaves_them_alone(self, one, endpoint):
        await shop(one, endpoint)
        token = await one.token()
        await one.repository.update("shop", {"from": "Shop <shop@mail.example>", "tlsOption": "starttls"})
        assert await one.token() == token
        assert len(endpoint.requests) == 1

    async def test_another_account_needs_another_access_token(self, one, endpoint):
        await shop(one, endpoint)
        token = await one.token()
        await one.repository.update("shop", {"scope": "smtp"})
        assert await one.token() != token
        assert endpoint.requests[-1]["scope"] == "smtp"

    async def test_a_new_refresh_token_takes_the_place_of_both(self, one, endpoint):
        await shop(one, endpoint, accessToken="at", expiryDate=in_ms(3000))
        given = endpoint.consent()
        await one.repository.update("shop", {"refreshToken": given})
        assert endpoint.accepts(await one.token()) == USER
        assert endpoint.requests[-1]["refresh_token"] == given

    async def test_a_new_access_token_does_not_inherit_an_end(self, one, endpoint):
        await shop(one, endpoint, accessToken="at", expiryDate=in_ms(-1))
        await one.repository.update("shop", {"accessToken": "at-2"})
        assert await one.token() == "at-2"
        assert "expiryDate" not in await one.repository.show("shop")

    async def test_an_end_alone_can_be_mended(self, one, endpoint):
        await shop(one, endpoint, accessToken="at", expiryDate=in_ms(-1))
        await one.repository.update("shop", {"expiryDate": in_ms(3000)})
        assert await one.token() == "at"

    async def test_the_same_values_again_change_nothing_in_them(self, one, endpoint):
        await shop(one, endpoint)
        await one.token()
        endpoint.rotate = True
        await one.repository.renew("shop")
        await one.repository.update("shop", {"user": USER, **APP})
        assert endpoint.accepts(await one.token()) == USER

    async def test_a_service_account_keeps_its_token_while_it_is_the_same(self, one, endpoint):
        fields = {"hosts": ["mail.example"], "user": USER, "accessUrl": endpoint.url, **APP}
        await one.repository.create("shop", "oauth2ClientCredentials", fields)
        token = await one.token()
        await one.repository.update("shop", {"allowedRecipients": ["example.org"]})
        assert await one.token() == token
        await one.repository.update("shop", {"user": "joe@mail.example"})
        assert await one.token() != token
