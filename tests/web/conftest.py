import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mailnode.web.site import Site
from support.asking_fixtures import api, app, stranger
from support.browser import chromium, patient
from support.require import require
from support.scripted_smtp import ScriptedServer
from support.web import Served, opened_site, served_site

__all__ = ["api", "app", "stranger"]

# What is awaited comes at once, but on a busy machine; only a failure takes so long.
expect.set_options(timeout=60_000)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bundle() -> None:
    """Have the browser's bundle built from the sources as they are."""
    require("npm")
    sys.path.insert(0, str(ROOT))
    try:
        from hatch_build import bundle as build
    finally:
        sys.path.remove(str(ROOT))
    build(ROOT)


@pytest.fixture(scope="module")
def browser(bundle: None) -> Iterator[Browser]:
    """Run Debian's Chromium for one module: its loop runs as long, and async tests want one of their own."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium())
        yield running
        running.close()


@pytest.fixture
async def server() -> AsyncIterator[Callable[[dict[str, object]], Awaitable[ScriptedServer]]]:
    """Run servers that end after the site, which keeps sessions open as long as it lives."""
    async with AsyncExitStack() as stack:
        yield lambda script: stack.enter_async_context(ScriptedServer(script))


@pytest.fixture
async def site(home: Path, server: object) -> AsyncIterator[Site]:
    """Open all that pages and API work with, within the test's own loop."""
    async with opened_site(home) as opened:
        yield opened


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    """Serve the home of the test."""
    with served_site(home) as serving:
        yield serving


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """Open a tab that is logged in, and has no page yet; whatever a page complains about fails the test."""
    with browser.new_context(base_url=served.url, viewport={"width": 1400, "height": 1000}) as context:
        context.set_default_timeout(60_000)
        # As the form of the login page does it, which has tests of its own.
        answer = context.request.post("/login", form={"token": served.token}, headers={"Origin": served.url})
        assert answer.ok, answer.text()
        opened = patient(context.new_page())
        complaints: list[str] = []
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        yield opened
        assert complaints == []
