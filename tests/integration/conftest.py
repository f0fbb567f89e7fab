from collections.abc import Iterator

import pytest

from support.dovecot import Dovecot, running_dovecot
from support.exim import Exim, running_exim
from support.npm_servers import NpmServer, running_haraka, running_smtp_server
from support.opensmtpd import OpenSmtpd, running_opensmtpd
from support.postfix import Postfix
from support.token_endpoint import TokenEndpoint, token_endpoint_aside


@pytest.fixture(scope="session")
def exim() -> Iterator[Exim]:
    """Run Debian's Exim, once for all tests that ask for it."""
    with running_exim() as running:
        yield running


@pytest.fixture(scope="session")
def opensmtpd() -> Iterator[OpenSmtpd]:
    """Run Debian's OpenSMTPD, once for all tests that ask for it."""
    with running_opensmtpd() as running:
        yield running


@pytest.fixture(scope="session")
def haraka() -> Iterator[NpmServer]:
    """Run Haraka, once for all tests that ask for it."""
    with running_haraka() as running:
        yield running


@pytest.fixture(scope="session")
def smtp_server() -> Iterator[NpmServer]:
    """Run npm's smtp-server, once for all tests that ask for it."""
    with running_smtp_server() as running:
        yield running


@pytest.fixture(scope="session")
def dovecot(postfix: Postfix) -> Iterator[Dovecot]:
    """Run Dovecot's submission service before Postfix, once for all tests that ask for it."""
    with running_dovecot(postfix.port) as running:
        yield running


@pytest.fixture(scope="session")
def tokens() -> Iterator[TokenEndpoint]:
    """Run a token endpoint that a mail server may ask about tokens."""
    with token_endpoint_aside() as served:
        yield served


@pytest.fixture(scope="session")
def token_dovecot(postfix: Postfix, tokens: TokenEndpoint) -> Iterator[Dovecot]:
    """Run a submission service that takes access tokens beside passwords."""
    mechanisms = "plain login scram-sha-256 oauthbearer xoauth2"
    url = tokens.introspection_url
    with running_dovecot(postfix.port, introspection_url=url, mechanisms=mechanisms) as running:
        yield running


@pytest.fixture(scope="session")
def xoauth2_dovecot(postfix: Postfix, tokens: TokenEndpoint) -> Iterator[Dovecot]:
    """Run one that knows no other token login than XOAUTH2."""
    with running_dovecot(postfix.port, introspection_url=tokens.introspection_url, mechanisms="xoauth2") as running:
        yield running
