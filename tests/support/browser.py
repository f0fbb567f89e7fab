"""The browser of the tests."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Response, expect

from support.require import require

_AXE = Path(__file__).parents[2] / "src/mailnode/web/frontend/node_modules/axe-core/axe.min.js"


def chromium() -> str:
    """Give Debian's Chromium; the one without windows, which takes a third less time, where it is installed."""
    return shutil.which("chromium-headless-shell") or require("chromium")


def ready(page: Page) -> None:
    """Wait until a page has its code: what is done before is lost, but for a click, which waits."""
    page.wait_for_load_state()
    expect(page.locator("main[inert]")).to_have_count(0)


def patient(page: Page) -> Page:
    """Have a page's `goto` and `reload` end when it is ready."""

    def until_ready(go: Callable[..., Response | None]) -> Callable[..., Response | None]:
        def went(*arguments: Any, **options: Any) -> Response | None:
            answer = go(*arguments, **options)
            ready(page)
            return answer

        return went

    for name in ("goto", "reload"):
        setattr(page, name, until_ready(getattr(page, name)))
    return page


@cache
def _axe() -> str:
    return _AXE.read_text()


def faults_of(page: Page) -> list[str]:
    """Give what axe-core finds in a page that keeps anybody out, each with the element that has the fault."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
