"""How HTML looks in Chromium, beside other HTML: on a screen and a phone, light and dark, without a network."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from playwright.async_api import Page, Route, ViewportSize, async_playwright

from support.browser import chromium

_Scheme = Literal["light", "dark"]
_SEEN: tuple[tuple[int, _Scheme], ...] = ((800, "light"), (800, "dark"), (375, "dark"), (375, "light"))

# One whose size shows where it stands: a broken one has a size of the browser's making.
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><path fill="#7ab" d="M0 0h90v60z"/>'
    '<path fill="#c52" d="M0 60 90 0v60z"/></svg>'
)

# Counts the pixels that differ by more than rounding; a picture of another size differs in all.
_DIFFERING = """async (pictures) => {
    const [one, other] = await Promise.all(pictures.map(async (picture) => {
        const bitmap = await createImageBitmap(await (await fetch('data:image/png;base64,' + picture)).blob());
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(0, 0, bitmap.width, bitmap.height);
    }));
    if (one.width !== other.width || one.height !== other.height)
        return Math.max(one.data.length, other.data.length) / 4;
    let count = 0;
    for (let at = 0; at < one.data.length; at += 4)
        if ([0, 1, 2, 3].some((n) => Math.abs(one.data[at + n] - other.data[at + n]) > 2)) count++;
    return count;
}"""


class Comparison:
    """Pages of one browser that are used again and again."""

    def __init__(self, pages: tuple[Page, Page], counting: Page) -> None:
        self._pages = pages
        self._counting = counting

    async def differing(self, author: str, left: str) -> dict[str, int]:
        """Count the pixels that differ, by width and colour scheme; those without any are left out."""
        if author == left:
            return {}
        await asyncio.gather(*(page.set_content(html) for page, html in zip(self._pages, (author, left), strict=True)))
        # What a style asks for only now, in another width, may be there a moment later.
        return await self._seen() and await self._seen()

    async def _seen(self) -> dict[str, int]:
        shots = await asyncio.gather(*map(_shots, self._pages))
        found = {}
        for (width, scheme), one, other in zip(_SEEN, *shots, strict=True):
            if one != other and (count := await self._count(one, other)):
                found[f"{width} {scheme}"] = count
        return found

    async def _count(self, *pictures: bytes) -> int:
        count: int = await self._counting.evaluate(_DIFFERING, [base64.b64encode(one).decode() for one in pictures])
        return count


async def _shots(page: Page) -> list[bytes]:
    pictures = []
    for width, scheme in _SEEN:
        if page.viewport_size != (size := ViewportSize(width=width, height=600)):
            await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=scheme)
        pictures.append(await page.screenshot(full_page=True, animations="disabled"))
    return pictures


async def _answer(route: Route) -> None:
    if route.request.resource_type == "image":
        await route.fulfill(body=_PICTURE, content_type="image/svg+xml")
    else:
        await route.abort()


@asynccontextmanager
async def comparison() -> AsyncIterator[Comparison]:
    """Open a browser with the pages; no script runs, each image is the same one, and all else is not to be had."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium())
        context = await browser.new_context(java_script_enabled=False)
        await context.route("**/*", _answer)
        yield Comparison((await context.new_page(), await context.new_page()), await browser.new_page())
        await browser.close()
