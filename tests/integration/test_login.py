"""Who we are, and in private, to each of the servers."""

import pytest

from mailnode.errors import ErrorCode, LoginFailed
from mailnode.message.email import Email
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome
from mailnode.smtp.sasl import Login
from mailnode.smtp.server import TlsOption
from support import dovecot as dovecots
from support import exim as exims
from support import postfix as postfixes
from support.dovecot import Dovecot
from support.exim import Exim
from support.postfix import Postfix
from support.tls import ca_pem

EMAIL = Email(from_="a@x.example", to="b@bulk.example", text="hi")
TO_EXIM = Login(exims.USERNAME, exims.PASSWORD)
TO_DOVECOT = Login(dovecots.USERNAME, dovecots.PASSWORD)


async def send(port: int, login: Login, tls_option: TlsOption = "starttls") -> Outcome:
    async with SmtpClient("127.0.0.1", port, tls_option=tls_option, ca=ca_pem(), login=login) as client:
        outcome = await client.send(EMAIL)
    assert outcome.accepted == ("b@bulk.example",)
    assert outcome.tls_version == "TLSv1.3"
    return outcome


async def test_exim_by_starttls_and_plain(exim: Exim) -> None:
    assert (await send(exim.port, TO_EXIM)).auth_mechanism == "PLAIN"
    assert "P=esmtpsa" in exim.log()
    assert "A=plain:jane" in exim.log()


async def test_exim_where_login_is_all_it_offers(exim: Exim) -> None:
    assert (await send(exim.login_port, TO_EXIM)).auth_mechanism == "LOGIN"
    assert "A=login:jane" in exim.log()


async def test_exim_on_a_port_that_speaks_tls_at_once(exim: Exim) -> None:
    assert (await send(exim.tls_port, TO_EXIM, "tls")).auth_mechanism == "PLAIN"


@pytest.mark.parametrize("tls_option", ["starttls", "tls"])
async def test_dovecot_by_scram(dovecot: Dovecot, tls_option: TlsOption) -> None:
    port = dovecot.port if tls_option == "starttls" else dovecot.tls_port
    assert (await send(port, TO_DOVECOT, tls_option)).auth_mechanism == "SCRAM-SHA-256"


async def refused(port: int, username: str) -> None:
    with pytest.raises(LoginFailed) as caught:
        await send(port, Login(username, "close sesame"))
    assert caught.value.code == ErrorCode.AUTH_REFUSED
    assert caught.value.reply_code == 535
    assert caught.value.hint


async def test_postfix_refuses_a_wrong_password_and_there_is_a_hint(postfix: Postfix) -> None:
    await refused(postfix.port, f"{postfixes.USERNAME}@{postfixes.HOST}")


async def test_exim_refuses_a_wrong_password_and_there_is_a_hint(exim: Exim) -> None:
    await refused(exim.port, exims.USERNAME)


async def test_dovecot_refuses_a_wrong_password_and_there_is_a_hint(dovecot: Dovecot) -> None:
    await refused(dovecot.port, dovecots.USERNAME)
