from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailnode.web.site import Site
from support.asking_fixtures import api, app, stranger
from support.web import opened_site

__all__ = ["api", "app", "stranger"]


@pytest.fixture
async def site(home: Path) -> AsyncIterator[Site]:
    """Open all that pages and API work with, within the test's own loop."""
    async with opened_site(home) as opened:
        yield opened
