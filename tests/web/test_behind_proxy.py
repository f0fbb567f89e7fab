"""The editor in a real browser, behind nginx with TLS and a base path, as the page on operating it sets them up."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from mailnode.web.security.exposure import exposure_of
from support.browser import patient, ready
from support.daemon import free_ports
from support.nginx import running_documented_nginx
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, token_endpoint_aside
from support.web import served_site

# Browsers find every name below it on this machine, and it is none of this machine's own.
NAME = "mail.localhost"


class Proxied(NamedTuple):
    """A page that is logged in, the public URL at which it is, and a program that asks there."""

    page: Page
    url: str
    api: httpx2.Client


@pytest.fixture
def proxied(browser: Browser, home) -> Iterator[Proxied]:
    (port,) = free_ports(1)
    url = f"https://{NAME}:{port}/mailnode"
    exposure = exposure_of(public_url=url, trusted_proxies=["127.0.0.1"])
    with served_site(home, exposure) as served:
        behind = urlsplit(served.url).port
        assert behind
        with running_documented_nginx(behind, port, NAME), browser.new_context(ignore_https_errors=True) as context:
            context.set_default_timeout(60_000)
            page = patient(context.new_page())
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("response", lambda said: complaints.append(said.url) if said.status in {403, 404, 421} else None)
            # The way that somebody comes who has the address of a page, and no session.
            page.goto(f"{url}/connections")
            page.get_by_label("Token").fill(served.token)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{url}/connections")
            ready(page)
            headers = {"Host": f"{NAME}:{port}", "Authorization": f"Bearer {served.token}"}
            there = f"https://127.0.0.1:{port}/mailnode"
            with httpx2.Client(base_url=there, headers=headers, verify=False, timeout=60) as api:
                yield Proxied(page, url, api)
            assert complaints == []


def test_editor_consent_live_pages_and_api_work_behind_nginx(proxied: Proxied) -> None:
    page, url, api = proxied
    (cookie,) = page.context.cookies()
    assert (cookie["path"], cookie["secure"], cookie["domain"]) == ("/mailnode/", True, NAME)

    # The API, by the address that a program has, and its answers' own addresses.
    made = api.post("/api/flows", json={"name": "hello", "sender": "me@example.com"})
    assert made.status_code == 201, made.text
    flow = made.json()
    flow["document"]["nodes"][0]["settings"]["asynchronous"] = True
    content = {key: flow[key] for key in ("text", "document", "revision")}
    assert api.put("/api/flows/hello", json=content).status_code == 200

    # The editor: the preview, a run in it, which renews itself until its queued email has left.
    page.get_by_role("link", name="Flows").click()
    page.get_by_role("link", name="hello").click()
    expect(page.locator("[data-frame]")).to_have_attribute(
        "src", re.compile(rf"^{re.escape(urlsplit(url).path)}/api/preview/")
    )
    expect(page.frame_locator("[data-frame]").locator("body")).not_to_be_empty()
    page.get_by_role("button", name="Run…").click()
    page.locator("#run-dialog [data-answer=run]").click()
    expect(page.get_by_role("tabpanel", name="Result")).to_contain_text("Accepted by 127.0.0.1 for you@example.org")
    page.get_by_role("link", name="Open this run").click()
    page.get_by_role("link", name="Show deliveries").click()
    expect(page.locator("#deliveries")).to_contain_text("you@example.org")
    page.get_by_role("navigation").get_by_role("link", name="Inbox").click()
    page.locator("#inbox").get_by_role("link").first.click()
    expect(page.get_by_role("link", name="Download .eml")).to_be_visible()

    # A provider sends the browser back to the public URL.
    with token_endpoint_aside() as endpoint:
        urls = {"accessUrl": endpoint.url, "authorizeUrl": endpoint.authorize_url}
        login = {"user": USER, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "hosts": ["127.0.0.1"]}
        fields = {"name": "work", "type": "oauth2", **login, **urls}
        assert api.post("/api/connections", json=fields).status_code == 201
        page.get_by_role("navigation").get_by_role("link", name="Connections").click()
        page.wait_for_url(f"{url}/connections")
        ready(page)
        page.get_by_role("button", name="Authorize work").click()
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Open the provider's page").click()
        expect(opened.value.get_by_text("The connection work is authorized")).to_be_visible()
        assert opened.value.url.startswith(f"{url}/oauth2/callback?")
        opened.value.close()
        expect(page.get_by_text("work is authorized; the next email uses it.")).to_be_visible()
        page.get_by_role("button", name="Done").click()

    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{url}/login")
