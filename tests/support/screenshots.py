"""The pictures of README and docs: `make screenshots` takes them anew."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from support.editor_home import filled
from support.web import Served, served_site

SIZE = ViewportSize(width=1400, height=1000)


def take(page: Page, served: Served, folder: Path, scheme: str) -> None:
    """Go through the pages and keep a picture of each."""
    page.goto("/login")
    page.fill("#token", served.token)
    page.click("button[type=submit]")
    page.wait_for_url("**/flows")
    page.goto("/flows/order-shipped")
    expect(page.frame_locator("[data-frame]").locator("h1")).to_be_visible()
    page.screenshot(path=folder / f"editor-{scheme}.png")
    page.locator('.panel .field[data-key="to"]').scroll_into_view_if_needed()
    page.locator('.panel .field[data-key="subject"] input').fill("Order {{ input.order")
    expect(page.locator('.panel .field[data-key="subject"] .error')).to_be_visible()
    page.locator('.panel .field[data-key="content"]').scroll_into_view_if_needed()
    page.screenshot(path=folder / f"panel-{scheme}.png")
    page.locator('.panel .field[data-key="subject"] input').fill("Order {{ input.order }} has shipped")
    page.get_by_role("button", name="Create a connection").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.screenshot(path=folder / f"connection-{scheme}.png")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-saved]")).to_have_text("Saved")
    page.goto("/deliveries")
    expect(page.get_by_role("row").nth(2)).to_be_visible()
    page.screenshot(path=folder / f"deliveries-{scheme}.png")


def main(folder: Path) -> None:
    """Take all pictures, light and dark."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MAILNODE_HOME"] = home
        with served_site(Path(home)) as served, sync_playwright() as playwright:
            filled(served)
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            for scheme in ("light", "dark"):
                context = browser.new_context(base_url=served.url, viewport=SIZE, color_scheme=scheme)
                take(context.new_page(), served, folder, scheme)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
