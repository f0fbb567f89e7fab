"""The web application of a home, asked within the test's own loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from fastapi import FastAPI

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.flow.shelf import FlowShelf
from mailnode.inbox.folder import InboxFolder
from mailnode.web.application import create_app
from mailnode.web.site import Site

HERE = "http://127.0.0.1:8025"
TOKEN = "a-token-of-this-test-run"


@asynccontextmanager
async def opened_site(home: Path) -> AsyncIterator[Site]:
    """Open all that pages and API work with."""
    environment = Environment.read()
    async with Mailnode.open(environment) as mailnode:
        yield Site(
            mailnode=mailnode,
            environment=environment,
            shelf=FlowShelf(home / "flows"),
            inbox=InboxFolder(home / "inbox"),
            inbox_port=0,
        )


@asynccontextmanager
async def asking(app: FastAPI, token: str = TOKEN) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask as one who has the token; without one as a stranger."""
    login = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE, headers=login) as client:
        yield client


@asynccontextmanager
async def opened_api(home: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Open the application of a home, and ask it."""
    async with opened_site(home) as site, asking(create_app(site, TOKEN)) as client:
        yield client
