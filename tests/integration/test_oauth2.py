"""Access tokens at a mail server that asks their endpoint about each (RFC 7662)."""

import pytest

from mailnode.app import Mailnode
from mailnode.errors import ErrorCode, LoginFailed
from mailnode.message.email import Email
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.server import TlsOption
from support.dovecot import Dovecot
from support.flows import to_server, write_flow
from support.tls import ca_pem
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, TokenEndpoint, in_ms
from support.tokens import Purse

EMAIL = Email(from_="a@x.example", to="b@bulk.example", text="hi")


async def mechanism(port: int, *tokens: str, tls_option: TlsOption = "starttls") -> str:
    """Send a mail with the first of these tokens, and the next when that is refused."""
    login = TokenLogin(USER, Purse(*tokens))
    async with SmtpClient("127.0.0.1", port, tls_option=tls_option, ca=ca_pem(), login=login) as client:
        outcome = await client.send(EMAIL)
    assert outcome.accepted == ("b@bulk.example",)
    return outcome.auth_mechanism


@pytest.mark.parametrize("tls_option", ["starttls", "tls"])
async def test_a_good_token_by_oauthbearer(
    token_dovecot: Dovecot, tokens: TokenEndpoint, tls_option: TlsOption
) -> None:
    port = token_dovecot.port if tls_option == "starttls" else token_dovecot.tls_port
    assert await mechanism(port, tokens.access_token(), tls_option=tls_option) == "OAUTHBEARER"


async def test_a_good_token_by_xoauth2_where_that_is_all(xoauth2_dovecot: Dovecot, tokens: TokenEndpoint) -> None:
    assert await mechanism(xoauth2_dovecot.port, tokens.access_token()) == "XOAUTH2"


async def test_a_refused_token_is_renewed_once(token_dovecot: Dovecot, tokens: TokenEndpoint) -> None:
    assert await mechanism(token_dovecot.port, "at-unknown", tokens.access_token()) == "OAUTHBEARER"
    assert await mechanism(token_dovecot.port, tokens.access_token("joe@mail.example"), tokens.access_token())


@pytest.mark.parametrize("kind", ["unknown", "another user's"])
async def test_a_second_refusal_is_final_and_explained(
    token_dovecot: Dovecot, xoauth2_dovecot: Dovecot, tokens: TokenEndpoint, kind: str
) -> None:
    for server in (token_dovecot, xoauth2_dovecot):
        bad = tokens.access_token("joe@mail.example") if kind != "unknown" else "at-unknown"
        with pytest.raises(LoginFailed) as caught:
            await mechanism(server.port, "at-old", bad)
        assert (caught.value.code, caught.value.reply_code) == (ErrorCode.AUTH_REFUSED, 535)
        assert "it reports: status" in caught.value.message
        assert bad not in f"{caught.value}{caught.value.hint}"


async def test_a_flow_with_a_connection_whose_token_is_over(
    token_dovecot: Dovecot, tokens: TokenEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> None:
    smtp = {"host": "127.0.0.1", "port": token_dovecot.port, "tlsOption": "starttls", "ca": ca_pem()}
    settings = to_server(0, **{"smtp": smtp, "connection": "shop", "from": None, "to": "b@bulk.example"})
    flow = write_flow(tmp_path_factory.mktemp("flow"), {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
    app = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "accessUrl": tokens.url}
    given = {"accessToken": "at-old", "expiryDate": in_ms(-1), "refreshToken": tokens.consent()}
    async with Mailnode.open() as mailnode:
        await mailnode.connections.create("shop", "oauth2", {"hosts": ["127.0.0.1"], "user": USER, **app, **given})
        for _ in range(3):
            report = (await mailnode.run(flow)).nodes[0].result
            assert report["status"] == "sent", report["error"]
            assert report["authMechanism"] == "OAUTHBEARER"
    assert tokens.grants == ["refresh_token"]
