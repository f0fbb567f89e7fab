"""The page and the dialog of connections, in a real browser."""

import json
import re
import socket

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Page, expect

from support.browser import faults_of, patient
from support.tls import trusted_by_the_system
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, refusal, token_endpoint_aside
from support.token_servers import oidc_provider

PASSWORD = "canary-password-5b1e"


@pytest.fixture
def page(page):
    """The page of connections."""
    page.goto("/connections")
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
    expect(dialog.get_by_role("button", name="Google or Gmail")).to_be_focused()
    for _ in range(5):
        page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="User name and password")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Connection name")).to_be_focused()
    page.keyboard.type("shop")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(field(dialog, "service")).to_be_focused()
    page.keyboard.type("gmail.com")
    expect(dialog.get_by_text("Needs an app password")).to_be_visible()
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Password is missing")).to_be_visible()
    expect(dialog.get_by_text("User name is missing")).to_be_visible()
    expect(field(dialog, "username")).to_be_focused()
    page.keyboard.type("me@gmail.com")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("shop was created")).to_be_visible()
    page.keyboard.press("Escape")
    row = page.get_by_role("row", name="shop")
    expect(row).to_contain_text("Gmail")
    expect(row).to_contain_text("Basic Auth")
    expect(row).to_contain_text("Not tested")
    assert api.get("/api/connections/shop").json()["secrets"] == ["password"]
    assert PASSWORD not in page.content()


def test_each_provider_is_explained_and_every_error_stands_at_its_field(page):
    page.get_by_role("button", name="New connection").click()
    dialog = dialog_of(page)
    dialog.get_by_role("button", name="Google or Gmail").click()
    expect(dialog.get_by_role("link", name="Google Cloud console")).to_be_visible()
    callback = dialog.locator("[data-part=web-redirect]").filter(visible=True)
    expect(callback).to_have_text(f"{page.url.removesuffix('/connections')}/oauth2/callback")
    expect(field(dialog, "service")).to_have_value("Gmail")
    expect(dialog.get_by_text("Automatic is TLS from the start on port 465, as Gmail offers it.")).to_be_visible()
    dialog.get_by_role("button", name="Create", exact=True).click()
    for label in ("Connection name", "Mailbox", "Client ID", "Client secret"):
        expect(dialog.get_by_text(f"{label} is missing.")).to_be_visible()
    expect(field(dialog, "name")).to_be_focused()
    dialog.get_by_role("button", name="Back").click()
    dialog.get_by_role("button", name="Google Workspace service account").click()
    key_file = {"private_key": "a key", "client_email": "robot@project.example"}
    field(dialog, "privateKey").fill(json.dumps(key_file))
    expect(field(dialog, "serviceClient")).to_have_value("robot@project.example")
    expect(field(dialog, "privateKey")).to_have_value("a key")
    dialog.get_by_role("button", name="Back").click()
    dialog.get_by_role("button", name="Microsoft 365 or Outlook").click()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="Redirect address: Copy").click()
    expect(dialog.get_by_role("button", name="Redirect address: Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "http://localhost"
    expect(dialog.get_by_text("Automatic is STARTTLS on port 587, as Outlook365 offers it.")).to_be_visible()
    expect(field(dialog, "authorizeUrl")).to_be_hidden()
    field(dialog, "name").fill("/")
    dialog.get_by_text("More options").click()
    field(dialog, "rateLimit").fill("often")
    dialog.get_by_text("More options").click()
    dialog.get_by_role("button", name="Create", exact=True).click()
    field(dialog, "clientId").fill("app")
    field(dialog, "user").fill(USER)
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(dialog.get_by_text("is not a valid connection name")).to_be_visible()
    expect(field(dialog, "rateLimit")).to_be_visible()
    expect(field(dialog, "rateLimit")).to_have_attribute("aria-invalid", "true")
    assert faults_of(page) == []


def test_a_connection_is_authorized_at_a_provider_and_tested_in_one_dialog(browser, served, closed_port):
    """The provider is that of another author (PyPI's oidc-provider-mock), over TLS."""
    opened = browser.new_context(base_url=served.url, ignore_https_errors=True)
    with trusted_by_the_system(), oidc_provider() as provider, opened as context:
        context.set_default_timeout(60_000)
        context.request.post("/login", form={"token": served.token}, headers={"Origin": served.url})
        page = patient(context.new_page())
        page.goto("/connections")
        page.get_by_role("button", name="New connection").click()
        dialog = dialog_of(page)
        dialog.get_by_role("button", name="Another OAuth2 provider").click()
        dialog.get_by_role("button", name="Create", exact=True).click()
        expect(dialog.get_by_text("Token URL is missing.")).to_be_visible()
        given = {"name": "jane", "hosts": "127.0.0.1", "user": USER, "clientId": "app", "clientSecret": "kept-well"}
        urls = {"accessUrl": f"{provider}/oauth2/token", "authorizeUrl": f"{provider}/oauth2/authorize"}
        for key, text in {**given, **urls}.items():
            field(dialog, key).fill(text)
        dialog.get_by_text("More options").click()
        field(dialog, "scope").fill("openid offline_access")
        dialog.get_by_role("button", name="Create", exact=True).click()
        expect(dialog.get_by_text("jane was created. Now authorize it.")).to_be_visible()
        dialog.get_by_role("button", name="Authorize").click()
        with context.expect_page() as other:
            dialog.get_by_role("link", name="Open the provider's page").click()
        other.value.locator("[name=sub]").first.fill(USER)
        other.value.get_by_role("button", name="Authorize").click()
        expect(other.value.get_by_text("The connection jane is authorized")).to_be_visible()
        expect(dialog.get_by_text("jane is authorized; the next email uses it.")).to_be_visible()
        expect(dialog.get_by_role("button", name="Test")).to_be_focused()
        dialog.get_by_label("Port").fill(str(closed_port))
        dialog.get_by_role("button", name="Test").click()
        expect(dialog.get_by_text(re.compile("^Failed: .*No email was sent"))).to_be_visible()
        dialog.get_by_role("button", name="Change its settings").click()
        expect(field(dialog, "user")).to_have_value(USER)
        dialog.get_by_role("button", name="Back").click()
        dialog.get_by_role("button", name="Done").click()
        row = page.get_by_role("row", name="jane")
        expect(row).to_contain_text("Test failed")
        expect(row).not_to_contain_text("Ready")


def test_microsoft_s_answer_comes_back_by_itself(page, api):
    """It is sent to http://localhost, which is registered there, at the editor's port."""
    with token_endpoint_aside() as endpoint:
        urls = {"accessUrl": endpoint.url, "authorizeUrl": endpoint.authorize_url}
        login = {"user": USER, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}
        fields = {"name": "work", "type": "oauth2", "service": "Outlook365", **login, **urls}
        assert api.post("/api/connections", json=fields).status_code == 201
        page.reload()
        page.get_by_role("button", name="Authorize work").click()
        dialog = dialog_of(page)
        endpoint.fail_next(refusal("unauthorized_client"), times=2)
        with page.context.expect_page() as opened:
            dialog.get_by_role("link", name="Open the provider's page").click()
        expect(opened.value.get_by_text("Not authorized")).to_be_visible()
        expect(dialog.get_by_text("work is not authorized.")).to_be_visible()
        dialog.get_by_role("button", name="Authorize").click()
        with page.context.expect_page() as opened:
            dialog.get_by_role("link", name="Open the provider's page").click()
        expect(opened.value.get_by_text("The connection work is authorized")).to_be_visible()
        expect(dialog.get_by_text("work is authorized; the next email uses it.")).to_be_visible()
        dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name="work")).to_contain_text("Authorized")
    assert api.get("/api/connections/work").json()["state"] == "ready"


def made(api, **fields):
    given = {"hosts": ["127.0.0.1"], "username": "user", "password": PASSWORD, **fields}
    assert api.post("/api/connections", json={"name": "shop", **given}).status_code == 201


def test_a_change_keeps_the_secret_and_an_error_in_a_folded_field_is_shown(page, api):
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    made(api, dkim={"domain": "x.example", "selector": "s", "privateKey": key}, rateLimit="9/min")
    page.reload()
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
    page.reload()
    page.get_by_role("button", name="Test shop").click()
    dialog = dialog_of(page)
    expect(dialog.get_by_role("listitem").first).to_contain_text("DNS lookup")
    expect(dialog.get_by_text(re.compile("^Failed: .*No email was sent"))).to_be_visible()
    expect(dialog.locator(".finding.failed .finding-hint").first).not_to_be_empty()


def test_a_connection_is_deleted_after_a_question(page, api):
    made(api)
    page.reload()
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
    page.reload()
    expect(page.get_by_role("row", name="shop")).to_contain_text("<img src=x")
    page.get_by_role("button", name="Edit shop").click()
    expect(field(dialog_of(page), "username")).to_have_value("<img src=x onerror=alert(1)>")
    expect(page.locator("main img, dialog img")).to_have_count(0)


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
    page.reload()
    assert faults_of(page) == []
    page.get_by_role("button", name="New connection").click()
    dialog = dialog_of(page)
    assert faults_of(page) == []
    dialog.get_by_role("button", name="Microsoft 365 client credentials").click()
    dialog.get_by_text("More options").click()
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(field(dialog, "name")).to_be_focused()
    assert faults_of(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Test shop").click()
    expect(dialog.get_by_text("No email was sent")).to_be_visible()
    assert faults_of(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Authorize work").click()
    expect(dialog.get_by_text("You are sent back to http://localhost")).to_be_visible()
    assert faults_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


FLOW = """version: 1
name: orders
nodes:
- id: tell
  type: sendSmtpEmail
  settings: {emailService: Gmail, to: jane@example.org, subject: Hello, content: Hi}
"""


def test_the_panel_of_a_node_makes_a_connection_for_its_own_service(page, api):
    assert api.post("/api/flows", json={"text": FLOW}).status_code == 201
    page.goto("/flows/orders")
    page.get_by_role("button", name="Create a connection for Gmail").click()
    dialog = dialog_of(page)
    expect(dialog.get_by_role("button", name="Microsoft 365 or Outlook")).to_be_hidden()
    dialog.get_by_role("button", name="User name and password").click()
    expect(field(dialog, "service")).to_have_value("Gmail")
    dialog.get_by_label("Connection name").fill("shop")
    field(dialog, "username").fill("me@gmail.com")
    field(dialog, "password").fill(PASSWORD)
    dialog.get_by_role("button", name="Create", exact=True).click()
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator("#field-connection")).to_have_value("shop")
    expect(page.locator("#field-connection")).to_be_focused()
    expect(page.get_by_role("button", name="Create a connection for Gmail")).to_be_hidden()


def test_a_connection_for_the_node_s_own_server_is_tested_there(page, api, closed_port):
    smtp = f"emailService: other, smtp: {{host: 127.0.0.1, port: {closed_port}, tlsOption: none}}"
    assert api.post("/api/flows", json={"text": FLOW.replace("emailService: Gmail", smtp)}).status_code == 201
    page.goto("/flows/orders")
    page.get_by_role("button", name="Create a connection").click()
    dialog = dialog_of(page)
    dialog.get_by_role("button", name="User name and password").click()
    expect(field(dialog, "hosts")).to_have_value("127.0.0.1")
    dialog.get_by_label("Connection name").fill("shop")
    field(dialog, "username").fill("me")
    field(dialog, "password").fill(PASSWORD)
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Test").click()
    expect(dialog.get_by_text(f"could not connect to 127.0.0.1:{closed_port}")).to_be_visible()
