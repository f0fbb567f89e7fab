"""The page and the API of apps: a login is made, its password is shown once, and the gate knows it."""

import asyncio
import re
from dataclasses import replace

import httpx2
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from mailnode.submission.app_fields import StoredApp
from mailnode.submission.doors import Doors
from mailnode.web.site import Site
from support.web import Served

PASSWORD = re.compile("[a-z2-7]{26}")
LOGIN = {"hosts": ["127.0.0.1"], "username": "ann@x.example", "password": "secret"}


def problem(answer: httpx2.Response, status: int = 422) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error: dict[str, str] = answer.json()["error"]
    return error


async def test_the_page_tells_the_settings_for_programs(app: FastAPI, api: httpx2.AsyncClient, site: Site) -> None:
    await site.mailnode.connections.create("shop", "basic", LOGIN)
    app.state.site = replace(site, doors=Doors(host="0.0.0.0", port=1587, tls_port=1465))
    shown = re.sub(r"<[^>]*>|\s+", " ", (await api.get("/apps")).text)
    for words in ("Port 1587", "Or port 1465", "Encryption SSL/TLS"):
        assert words in re.sub(" +", " ", shown)


async def test_an_app_is_made_changed_and_deleted(api: httpx2.AsyncClient, site: Site) -> None:
    await site.mailnode.connections.create("shop", "basic", LOGIN)
    answer = await api.post("/api/apps", json={"name": "web", "connection": "shop", "rateLimit": "9/min"})
    assert (answer.status_code, answer.headers["location"]) == (201, "/api/apps/web")
    made = answer.json()
    assert isinstance(await site.mailnode.gate.authenticate("web", made["password"], "127.0.0.1"), StoredApp)
    (listed,) = (await api.get("/api/apps")).json()
    assert listed == (await api.get("/api/apps/web")).json()
    assert (listed["senders"], listed["rateLimit"], listed["lastUsedAt"]) == (["ann@x.example"], "9/min", None)
    changed = await api.patch("/api/apps/web", json={"rateLimit": None, "senders": ["@x.example"]})
    assert "rateLimit" not in changed.json()
    assert changed.json()["senders"] == ["@x.example"]
    assert (await api.post("/api/apps/web/password")).json()["password"] != made["password"]
    assert problem(await api.post("/api/apps", json={"name": "web", "connection": "shop"}), 409)["key"] == "name"
    assert problem(await api.post("/api/apps", json={"name": "a", "connection": "none"}), 404)["code"]
    assert problem(await api.patch("/api/apps/web", json={"notify": "x y"}))["key"] == "notify"
    assert (await api.delete("/api/apps/web")).status_code == 204
    for answer in (await api.get("/api/apps/web"), await api.get("/api/apps/%00")):
        assert problem(answer, 404)["code"] == "unknownApp"


def test_an_app_is_made_on_its_page_and_shows_its_password_once(page: Page, served: Served) -> None:
    connections = served.site.mailnode.connections
    asyncio.run_coroutine_threadsafe(connections.create("shop", "basic", LOGIN), served.loop).result(60)
    page.goto("/apps")
    page.get_by_role("button", name="Create your first app").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("May send from").fill("ann@x.example, @y.example")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("is not a valid app name")).to_be_visible()
    dialog.get_by_label("Name", exact=False).first.fill("website")
    dialog.get_by_role("button", name="Save").click()
    shown = page.get_by_role("dialog", name="Settings for the program")
    expect(shown.locator('[data-part="login"]')).to_have_text("website")
    expect(shown).to_contain_text("does not listen for programs yet")
    expect(shown.locator('[data-part="password"]')).to_have_text(PASSWORD)
    shown.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name="website")
    expect(row).to_contain_text("ann@x.example, @y.example")
    row.get_by_role("button", name="Edit").click()
    expect(dialog.get_by_label("May send from")).to_have_value("ann@x.example, @y.example")
    dialog.get_by_label("Report failures to").fill("desk@x.example")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("desk@x.example")
    row.get_by_role("button", name="New password").click()
    dialog.get_by_role("button", name="New password").click()
    expect(shown.locator('[data-part="password"]')).to_have_text(PASSWORD)
    shown.get_by_role("button", name="Done").click()
    row.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No apps yet")).to_be_visible()
