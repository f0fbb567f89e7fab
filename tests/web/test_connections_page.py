"""The page and the dialog of connections, in a real browser."""

import json
import re
import socket

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Page, expect

from mailnode.web.page import FOLDER
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, token_endpoint_aside

FRONTEND = FOLDER / "frontend"
PASSWORD = "canary-password-5b1e"


@pytest.fixture
def page(page):
    """The page of connections."""
    page.goto("/connections", wait_until="networkidle")
    return page


@pytest.fixture
def api(served):
    with httpx2.Client(base_url=served.url, headers={"Authorization": f"Bearer {served.token}"}, timeout=60) as client:
        yield client


def dialog_of(page: Page):
    return page.get_by_role("dialog")


def field(dialog, key):
    return dialog.locator(f"[name='{key}']")


def test_a_basic_connection_is_made_by_keyboard_alone(page, api):
    page.get_by_role("button", name="Create your first connection").focus()
    page.keyboard.press("Enter")
    dialog = dialog_of(page)
    expect(dialog.get_by_label("Connection name")).to_be_focused()
    page.keyboard.type("shop")
    page.keyboard.press("Shift+Tab")
    expect(dialog.get_by_label("Authentication")).to_be_focused()
    page.keyboard.type("Basic")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(field(dialog, "service")).to_be_focused()
    page.keyboard.type("gmail.com")
    expect(dialog.get_by_text("Needs an app password")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("me@gmail.com")
    page.keyboard.press("Enter")
    error = dialog.get_by_text("password is missing")
    expect(error).to_be_visible()
    expect(field(dialog, "password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("shop was created")).to_be_visible()
    page.keyboard.press("Escape")
    row = page.get_by_role("row", name="shop")
    expect(row).to_contain_text("Gmail")
    expect(row).to_contain_text("Basic Auth")
    assert api.get("/api/connections/shop").json()["secrets"] == ["password"]
    assert PASSWORD not in page.content()


def test_an_oauth2_connection_is_made_and_authorized_in_the_browser(page, api):
    with token_endpoint_aside() as endpoint:
        page.get_by_role("button", name="New connection").click()
        dialog = dialog_of(page)
        dialog.get_by_label("Connection name").fill("jane")
        dialog.get_by_label("Authentication").select_option("OAuth2")
        dialog.get_by_label("Other servers").check()
        dialog.get_by_label("Hosts").fill("127.0.0.1")
        for key, text in {
            "user": USER,
            "clientId": CLIENT_ID,
            "clientSecret": CLIENT_SECRET,
            "accessUrl": endpoint.url,
        }.items():
            field(dialog, key).fill(text)
        dialog.get_by_text("More options").click()
        field(dialog, "authorizeUrl").fill(endpoint.authorize_url)
        dialog.get_by_role("button", name="Create").click()
        expect(dialog.get_by_text("jane was created. Now authorize it.")).to_be_visible()
        dialog.get_by_role("button", name="Authorize").click()
        with page.context.expect_page() as opened:
            dialog.get_by_role("link", name="Open the provider's page").click()
        expect(opened.value.get_by_text("The connection jane is authorized")).to_be_visible()
        expect(dialog.get_by_text("jane is authorized; the next email uses it.")).to_be_visible()
        dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name="jane")).to_contain_text("Ready")
    assert api.get("/api/connections/jane").json()["state"] == "ready"


def made(api, **fields):
    given = {"hosts": ["127.0.0.1"], "username": "user", "password": PASSWORD, **fields}
    assert api.post("/api/connections", json={"name": "shop", **given}).status_code == 201


def test_a_change_keeps_the_secret_and_an_error_in_a_folded_field_is_shown(page, api):
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    made(api, dkim={"domain": "x.example", "selector": "s", "privateKey": key}, rateLimit="9/min")
    page.reload(wait_until="networkidle")
    page.get_by_role("button", name="Edit shop").click()
    dialog = dialog_of(page)
    expect(dialog.get_by_label("Connection name")).to_be_disabled()
    expect(dialog.get_by_text("Saved. Leave empty to keep it.").first).to_be_visible()
    field(dialog, "username").fill("other")
    field(dialog, "rateLimit").evaluate("input => { input.value = 'often' }")
    dialog.get_by_role("button", name="Save").click()
    expect(field(dialog, "rateLimit")).to_be_focused()
    field(dialog, "rateLimit").fill("")
    field(dialog, "dkim.skipFields").fill("Message-ID\ndate")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    shown = api.get("/api/connections/shop").json()
    assert (shown["username"], shown.get("rateLimit")) == ("other", None)
    assert shown["secrets"] == ["dkim.privateKey", "password"]
    assert shown["dkim"] == {"domain": "x.example", "selector": "s", "skipFields": ["Message-ID", "date"]}


def test_a_test_shows_each_finding_with_its_remedy(page, api):
    made(api, tlsOption="none")
    page.reload(wait_until="networkidle")
    page.get_by_role("button", name="Test shop").click()
    dialog = dialog_of(page)
    expect(dialog.get_by_role("listitem").first).to_contain_text("DNS lookup")
    expect(dialog.get_by_text(re.compile("^Failed: .*No email was sent"))).to_be_visible()
    expect(dialog.locator(".finding.failed .finding-hint").first).not_to_be_empty()


def test_a_connection_is_deleted_after_a_question(page, api):
    made(api)
    page.reload(wait_until="networkidle")
    page.get_by_role("button", name="Delete shop").click()
    dialog = dialog_of(page)
    expect(dialog.get_by_role("heading")).to_have_text("Delete shop?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("row", name="shop")).to_be_visible()
    page.get_by_role("button", name="Delete shop").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No connections yet")).to_be_visible()


def test_markup_in_a_field_is_shown_and_never_run(page, api):
    made(api, username="<img src=x onerror=alert(1)>", **{"from": '"<script>alert(2)</script>" <a@b.example>'})
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.reload(wait_until="networkidle")
    expect(page.get_by_role("row", name="shop")).to_contain_text("<img src=x")
    page.get_by_role("button", name="Edit shop").click()
    expect(field(dialog_of(page), "username")).to_have_value("<img src=x onerror=alert(1)>")
    assert not page.locator("main img, dialog img").count()


def test_findings_come_before_the_look_is_over(api):
    made(api)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        api.stream("POST", "/api/connections/shop/test", json={"port": mute.getsockname()[1]}) as answer,
    ):
        lines = answer.iter_lines()
        assert [json.loads(next(lines))["step"] for _ in range(2)] == ["resolve", "connect"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 400), ("dark", 1600)])
def test_no_state_of_the_page_has_a_fault_of_accessibility(page, api, scheme, width):
    made(api)
    oauth = {"service": "Outlook365", "user": USER, "clientId": CLIENT_ID}
    assert api.post("/api/connections", json={"name": "work", "type": "oauth2", **oauth}).status_code == 201
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.reload(wait_until="networkidle")
    assert not faults(page)
    page.get_by_role("button", name="New connection").click()
    dialog = dialog_of(page)
    dialog.get_by_text("More options").click()
    dialog.get_by_role("button", name="Create").click()
    expect(field(dialog, "name")).to_be_focused()
    assert not faults(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Test shop").click()
    expect(dialog.get_by_text("No email was sent")).to_be_visible()
    assert not faults(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Authorize work").click()
    expect(dialog.get_by_text("You are sent to http://localhost")).to_be_visible()
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def faults(page):
    page.evaluate((FRONTEND / "node_modules/axe-core/axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]


FLOW = """version: 1
name: orders
nodes:
- id: tell
  type: sendSmtpEmail
  settings: {emailService: Gmail, to: jane@example.org, subject: Hello, content: Hi}
"""


def test_the_panel_of_a_node_makes_a_connection_for_its_own_service(page, api):
    assert api.post("/api/flows", json={"text": FLOW}).status_code == 201
    page.goto("/flows/orders", wait_until="networkidle")
    page.get_by_role("button", name="Create a connection").click()
    dialog = dialog_of(page)
    expect(field(dialog, "service")).to_have_value("Gmail")
    expect(dialog.get_by_label("Authentication")).to_have_value("oauth2")
    dialog.get_by_label("Authentication").select_option("Basic Auth")
    dialog.get_by_label("Connection name").fill("shop")
    field(dialog, "username").fill("me@gmail.com")
    field(dialog, "password").fill(PASSWORD)
    dialog.get_by_role("button", name="Create").click()
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator("#field-connection")).to_have_value("shop")


def test_a_connection_for_the_node_s_own_server_is_tested_there(page, api):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    smtp = f"emailService: other, smtp: {{host: 127.0.0.1, port: {port}, tlsOption: none}}"
    assert api.post("/api/flows", json={"text": FLOW.replace("emailService: Gmail", smtp)}).status_code == 201
    page.goto("/flows/orders", wait_until="networkidle")
    page.get_by_role("button", name="Create a connection").click()
    dialog = dialog_of(page)
    expect(field(dialog, "hosts")).to_have_value("127.0.0.1")
    dialog.get_by_label("Connection name").fill("shop")
    field(dialog, "username").fill("me")
    field(dialog, "password").fill(PASSWORD)
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Test").click()
    expect(dialog.get_by_text(f"could not connect to 127.0.0.1:{port}")).to_be_visible()
