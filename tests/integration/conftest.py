from collections.abc import Iterator

import pytest

from support.dovecot import Dovecot, running_dovecot
from support.exim import Exim, running_exim
from support.postfix import Postfix


@pytest.fixture(scope="session")
def exim() -> Iterator[Exim]:
    """Run Debian's Exim, once for all tests that ask for it."""
    with running_exim() as running:
        yield running


@pytest.fixture(scope="session")
def dovecot(postfix: Postfix) -> Iterator[Dovecot]:
    """Run Dovecot's submission service before Postfix, once for all tests that ask for it."""
    with running_dovecot(postfix.port) as running:
        yield running
