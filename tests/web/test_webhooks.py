"""The pages and the API of webhooks: made with a secret that is shown once, tried, posted to again."""

import asyncio
import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert, select

from mailnode.store.webhook_tables import webhook_events, webhooks
from support.webhook_receiver import receiving


@pytest.fixture(autouse=True)
def allowed(monkeypatch, home):
    monkeypatch.setenv("MAILNODE_WEBHOOK_ALLOW", "127.0.0.1")


async def with_a_failed_event(mailnode, url):
    """Make the webhook `old` with an event that was given up."""
    await mailnode.webhooks.create("old", url, ["sent"])

    def work(db):
        (hook,) = db.execute(select(webhooks.c.id).where(webhooks.c.name == "old")).scalars()
        event = {"id": "evt_d1_2", "webhook_id": hook, "delivery_id": "d1", "outcome": "sent", "state": "failed"}
        times = {"created_at": 2**40, "due_at": 2**40, "expires_at": 2**40}
        db.execute(insert(webhook_events).values(**event, **times, tries=9, trouble="it said no"))

    await mailnode.webhooks._database.write(work)


async def test_a_webhook_is_made_tried_posted_again_and_deleted(api, site):
    with receiving() as receiver:
        made = await api.post("/api/webhooks", json={"name": "shop", "url": receiver.url, "events": ["failed"]})
        assert (made.status_code, made.headers["location"]) == (201, "/api/webhooks/shop")
        receiver.secret = made.json()["secret"]
        answer = (await api.post("/api/webhooks/shop/test")).json()
        assert answer == {"ok": True, "statusCode": 204, "trouble": "", "hint": ""}
        receiver.status = lambda _: 302
        answer = (await api.post("/api/webhooks/shop/test")).json()
        assert answer["trouble"] == "The receiver answered 302 Found, and no redirect is followed."
        await with_a_failed_event(site.mailnode, receiver.url)
        shown = (await api.get("/api/webhooks/old")).json()
        assert (shown["failed"], shown["latest"][0]["trouble"]) == (1, "it said no")
        assert (await api.post("/api/webhooks/old/replay", json={})).json() == {"count": 1}
    listed = (await api.get("/api/webhooks")).json()
    assert [(one["name"], one["events"]) for one in listed] == [
        ("old", ["delivery.sent"]),
        ("shop", ["delivery.failed"]),
    ]
    assert "hidden" not in str(listed)
    again = await api.post("/api/webhooks", json={"name": "shop", "url": receiver.url})
    assert (again.status_code, again.json()["error"]["key"]) == (409, "name")
    wrong = await api.post("/api/webhooks", json={"name": "-", "url": "http://x.example", "events": ["gone"]})
    assert [one["key"] for one in wrong.json()["errors"]] == ["name", "url", "events"]
    assert (await api.get("/api/webhooks/%00")).status_code == 404
    assert (await api.post("/api/webhooks/old/replay", json={"events": ["evt_\0"]})).status_code == 404
    unknown = await api.post("/api/webhooks/old/replay", json={"events": ["evt_1_1"]})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknownEvent")
    assert (await api.delete("/api/webhooks/shop")).status_code == 204
    assert (await api.get("/api/webhooks/shop")).json()["error"]["code"] == "unknownWebhook"


def test_a_webhook_is_made_on_its_page_and_shows_its_secret_once(page, served):
    with receiving() as receiver:
        page.goto("/webhooks")
        page.get_by_role("button", name="Create your first webhook").click()
        dialog = page.get_by_role("dialog", name="New webhook")
        dialog.get_by_label("Name").fill("shop")
        dialog.get_by_label("URL").fill("http://hooks.example/")
        dialog.get_by_role("button", name="Create").click()
        expect(dialog.get_by_text("is not encrypted")).to_be_visible()
        dialog.get_by_label("URL").fill(receiver.url)
        dialog.get_by_label("Sent").uncheck()
        dialog.get_by_role("button", name="Create").click()
        shown = page.get_by_role("dialog", name="Secret of the webhook")
        expect(shown.locator('[data-part="secret"]')).to_have_text(re.compile("^whsec_"))
        receiver.secret = shown.locator('[data-part="secret"]').inner_text()
        shown.get_by_role("button", name="Done").click()
        row = page.get_by_role("row", name="shop")
        expect(row).to_contain_text("cancelled, failed, held, partial, unknown")
        row.get_by_role("button", name="Test shop").click()
        expect(page.get_by_text("The receiver answered 204.")).to_be_visible()
        made = with_a_failed_event(served.site.mailnode, receiver.url.replace("http", "https"))
        asyncio.run_coroutine_threadsafe(made, served.loop).result(60)
        page.goto("/webhooks/old")
        expect(page.get_by_role("row", name="delivery.sent")).to_contain_text("It said no.")
        page.get_by_role("button", name="again").click()
        expect(page.get_by_text("1 event will be posted again.")).to_be_visible()
        page.goto("/webhooks")
        page.get_by_role("button", name="Delete shop").click()
        page.get_by_role("dialog", name="Delete this webhook?").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("row", name="shop")).to_have_count(0)
