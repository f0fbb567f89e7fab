from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from mailnode.web.application import create_app
from mailnode.web.site import Site
from support.web import TOKEN, asking, opened_site


@pytest.fixture
async def site(home: Path) -> AsyncIterator[Site]:
    """Open all that pages and API work with, within the test's own loop."""
    async with opened_site(home) as opened:
        yield opened


@pytest.fixture
def app(site: Site) -> FastAPI:
    """Make the application."""
    return create_app(site, TOKEN)


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask as one who has the token."""
    async with asking(app) as client:
        yield client


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask as another browser, which nobody has logged in."""
    async with asking(app, token="") as client:
        yield client
