"""The HTML source of a mail's content in a browser, which an editor in colours shows."""

from playwright.sync_api import Page


def write_source(page: Page, html: str) -> None:
    """Replace what the source holds, as pasting over all of it does: the editor draws only lines that are seen."""
    page.locator(".rich .cm-content").focus()
    page.keyboard.press("Control+a")
    if html:
        page.keyboard.insert_text(html)
    else:
        page.keyboard.press("Delete")
