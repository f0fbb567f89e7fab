"""Fixtures that ask the application of a test's `site`; a conftest of pages imports them."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from mailnode.web.application import create_app
from mailnode.web.site import Site
from support.web import TOKEN, asking


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
