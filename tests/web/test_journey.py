"""From nothing to a mended email in a real browser: once by mouse, once by keyboard alone."""

import json
import re
import sqlite3
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, expect

from support.browser import ready
from support.web import Served

DAY_MS = 86_400_000
ITEMS = [{"name": name, "price": price} for name, price in (("Oak <table>", 420), ("Chair", 80), ("Lamp", 35))]
INPUT = {"email": "zoe@example.org", "name": "Zoë", "vip": True, "items": ITEMS}
TERMS = bytes(range(256)) * 40_000  # 10.24 MB


def received(served: Served) -> EmailMessage:
    """Read the newest email of the inbox with a parser of another author."""
    newest = served.site.inbox.messages()[-1]
    return message_from_bytes(newest.octets(), policy=policy.default)


def check(message: EmailMessage) -> None:
    assert message["To"] == "zoe@example.org"
    assert message["Subject"] == "Order of Zoë"
    body = message.get_body(("html",))
    assert body is not None
    html = body.get_content()
    for word in ("Oak &lt;table&gt;", "Chair", "Lamp", "420", "80", "35", "Thank you for your loyalty", "The Shop"):
        assert html.count(word) == 1, (word, html)
    assert "data-" not in html


def setting(page: Page, key: str) -> Locator:
    return page.locator(f'.panel .field[data-key="{key}"]')


def arrived(page: Page, path: str) -> None:
    """Wait until a link has led there."""
    page.wait_for_url(f"**{path}")
    ready(page)


def day_before(home: Path) -> None:
    """Let all that was sent so far have been sent yesterday."""
    with sqlite3.connect(home / "mailnode.db", timeout=60) as database:
        database.execute("UPDATE deliveries SET created_at = created_at - ?", (DAY_MS,))
    database.close()


def make_layout_and_flow(page: Page) -> None:
    """A frame for all emails of the shop, and a flow."""
    page.goto("/flows")
    page.get_by_role("link", name="Layouts").click()
    arrived(page, "/layouts")
    page.get_by_role("button", name="Create your first layout").click()
    page.get_by_label("Name", exact=True).fill("shop")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator(".cm-content")).to_be_visible()  # in the place of a plain field, which may be found before
    page.get_by_role("textbox", name="HTML or MJML").fill("<h1>The Shop</h1><div data-content></div>")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    page.get_by_role("link", name="Flows").click()
    arrived(page, "/flows")
    page.get_by_role("button", name="Create your first flow").click()
    page.get_by_label("Name", exact=True).fill("Order placed")
    page.get_by_label("Sender").fill("Shop <shop@example.com>")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="order-placed")).to_be_visible()


def connect_gmail(page: Page) -> None:
    """Gmail wants a login; the dialog makes one."""
    service = setting(page, "emailService")
    service.locator("input").fill("gmai")
    service.get_by_role("option", name="Gmail").first.click()
    page.get_by_role("button", name="Create a connection for Gmail").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="User name and password").click()
    dialog.get_by_label("Connection name").fill("shop")
    dialog.get_by_label("User name").fill("shop@gmail.com")
    dialog.get_by_label("Password").first.fill("abcd efgh ijkl mnop")
    dialog.get_by_role("button", name="Create", exact=True).click()
    dialog.get_by_role("button", name="Done").click()
    expect(setting(page, "connection").locator("select")).to_have_value("shop")


def write(page: Page) -> None:
    """Write a paragraph for some, and a table of what was bought, by values of a sample."""
    dialog = page.get_by_role("dialog")
    page.get_by_role("tab", name="Sample data").click()
    page.locator("#sample-input").fill(json.dumps(INPUT))
    page.get_by_role("tab", name="Email").click()
    setting(page, "to").locator("textarea").fill("{{ input.email }}")
    setting(page, "subject").locator("input").fill("Order of {{ input.name }}")
    content = setting(page, "content")
    surface = content.locator(".surface")
    surface.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("Thank you for your loyalty")
    content.get_by_role("button", name="Show only if…").click()
    dialog.get_by_label("Condition (JavaScript)").fill("input.vip")
    dialog.get_by_role("button", name="Apply").click()
    expect(surface.locator("p").first).to_have_attribute("data-label", "only if input.vip")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    content.get_by_role("button", name="Table", exact=True).click()
    dialog.get_by_label("Rows").fill("2")
    dialog.get_by_label("Columns").fill("2")
    dialog.get_by_role("button", name="Insert").click()
    expect(dialog).to_have_count(0)
    for text in ("Item", "Price"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    content.get_by_role("button", name="Repeat for each…").click()
    expect(dialog.get_by_label("For each item of")).to_have_value("input.items")
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog).to_have_count(0)
    page.keyboard.type("{{ nam")
    page.get_by_role("option", name="item.name").click()
    surface.locator("td").nth(1).click()
    page.keyboard.type("{{ pric")
    page.get_by_role("option", name="item.price").click()
    preview = page.frame_locator("[data-frame]")
    expect(preview.locator("tr")).to_have_text(["ItemPrice", "Oak <table>420", "Chair80", "Lamp35"])


def add_layout_invitation_and_file(page: Page) -> None:
    """Give the email its frame, an event and a large attachment."""
    preview = page.frame_locator("[data-frame]")
    setting(page, "layout").locator("select").select_option("shop")
    expect(preview.locator("h1")).to_have_text("The Shop")
    page.get_by_text("Invitation", exact=True).click()
    setting(page, "invitation.summary").locator("input").fill("Delivery for {{ input.name }}")
    setting(page, "invitation.start").locator("[type=date]").fill("2027-03-12")
    setting(page, "invitation.start").locator("[type=time]").fill("14:30")
    setting(page, "invitation.duration").locator("input").fill("45")
    setting(page, "invitation.timezone").locator("select").select_option("Europe/Berlin")
    expect(page.locator("[data-invitation]")).to_contain_text("Delivery for Zoë")
    page.locator("summary", has_text="Attachments").click()
    setting(page, "attachments").locator("[data-attach] input").set_input_files(
        FilePayload(name="terms.pdf", mimeType="application/pdf", buffer=TERMS)
    )
    path = setting(page, "attachments").locator('[data-part="path"] input')
    expect(path).to_have_value(re.compile(r"files/.*-terms\.pdf"))


def send_a_test(page: Page, served: Served) -> None:
    """Send it to the inbox, though its service is another."""
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Send test…").click()
    dialog.get_by_role("button", name="Send to the inbox").click()
    result = page.get_by_role("tabpanel", name="Result")
    expect(result).to_contain_text("in the inbox on this machine")
    message = received(served)
    check(message)
    kinds = {part.get_content_type(): part for part in message.walk()}
    assert "DTSTART;TZID=Europe/Berlin:20270312T143000" in kinds["text/calendar"].get_content()
    assert kinds["application/pdf"].get_content() == TERMS


def break_and_mend_the_port(page: Page, served: Served) -> None:
    """Run at a port at which nobody listens; the remedy stands at the field."""
    result = page.get_by_role("tabpanel", name="Result")
    dialog = page.get_by_role("dialog")
    service = setting(page, "emailService")
    service.locator("input").fill("Other SMTP")
    page.get_by_role("option", name="Other SMTP Service").click()
    setting(page, "connection").locator("select").select_option("")
    setting(page, "smtp.host").locator("input").fill("127.0.0.1")
    port = setting(page, "smtp.port")
    port.locator("input").fill("1")
    page.get_by_role("button", name="Run…").click()
    dialog.get_by_role("button", name="Save and send").click()
    expect(port.locator(".error")).to_contain_text("connection refused")
    expect(result.locator(".badge").first).to_have_text("Done, 1 email failed")
    port.get_by_role("button", name="Use these settings").click()
    expect(port.locator("input")).to_have_value(str(served.site.inbox_port))
    page.get_by_role("button", name="Run…").click()
    dialog.get_by_role("button", name="Save and run").click()
    expect(result).to_contain_text("Accepted by 127.0.0.1 for zoe@example.org")


def run_again(page: Page, served: Served) -> None:
    """Run once more from the page of the run."""
    page.get_by_role("link", name="Open this run").click()
    arrived(page, "/runs/*")
    page.get_by_role("button", name="Run again…").click()
    page.locator("#again-dialog").get_by_role("button", name="Run…").click()
    before = page.url
    page.locator("#run-dialog").get_by_role("button", name="Run now").click()
    expect(page).not_to_have_url(before)
    expect(page.get_by_text("Accepted by 127.0.0.1 for zoe@example.org")).to_be_visible()
    assert len(served.site.inbox.messages()) == 3


def send_yesterday_s_failure(page: Page, home: Path) -> None:
    """Find what failed, and send it by today's settings."""
    day_before(home)
    page.get_by_role("link", name="Deliveries", exact=True).click()
    arrived(page, "/deliveries")
    page.get_by_label("State").select_option("failed")
    page.get_by_label("Flow").fill("order-placed")
    arrived(page, "/deliveries?*flow=order-placed*")
    expect(page.locator("#deliveries tbody tr")).to_have_count(1)
    page.locator("#deliveries").get_by_role("link").first.click()
    arrived(page, "/deliveries/*")
    expect(page.locator("#delivery dl.facts")).to_contain_text("Order of Zoë")
    page.get_by_role("button", name="Send again with today's settings").click()
    expect(page.locator("#delivery .badge.sent").first).to_be_visible()


def test_from_nothing_to_yesterday_s_failure_by_mouse(page: Page, served: Served, home: Path) -> None:
    make_layout_and_flow(page)
    connect_gmail(page)
    write(page)
    add_layout_invitation_and_file(page)
    send_a_test(page, served)
    break_and_mend_the_port(page, served)
    run_again(page, served)
    send_yesterday_s_failure(page, home)
    assert len(served.site.inbox.messages()) == 4
    check(received(served))


def reach(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press a key until something has the focus."""
    expect(target).to_be_visible()
    for _ in range(150):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} never leads to {target}")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def put(page: Page, target: Locator, text: str, key: str = "Tab") -> None:
    reach(page, target, key)
    press(page, "Control+a")
    page.keyboard.insert_text(text)


def make_flow_by_keyboard(page: Page) -> None:
    """A flow, with values of a sample."""
    page.goto("/flows")
    reach(page, page.get_by_role("button", name="Create your first flow"))
    press(page, "Enter")
    put(page, page.get_by_label("Name", exact=True), "Order placed")
    put(page, page.get_by_label("Sender"), "Shop <shop@example.com>")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="order-placed")).to_be_visible()
    expect(page.locator("[data-head]")).to_contain_text("shop@example.com")
    reach(page, page.get_by_role("tab", name="Email"))
    reach(page, page.get_by_role("tab", name="Sample data"), "ArrowRight")
    put(page, page.locator("#sample-input"), json.dumps(INPUT))
    put(page, setting(page, "to").locator("textarea"), "{{ input.email }}", "Shift+Tab")
    put(page, setting(page, "subject").locator("input"), "Order of {{ input.name }}")


def write_by_keyboard(page: Page) -> None:
    """Write a paragraph for some, and a table of what was bought."""
    content = setting(page, "content")
    surface = content.locator(".surface")
    dialog = page.get_by_role("dialog")
    reach(page, surface)
    press(page, "Control+a")
    page.keyboard.type("The Shop: Thank you for your loyalty")
    press(page, "Alt+Shift+O")
    put(page, dialog.get_by_label("Condition (JavaScript)"), "input.vip")
    press(page, "Enter")
    expect(surface.locator("p").first).to_have_attribute("data-label", "only if input.vip")
    press(page, "End", "Enter", "Alt+F10")
    reach(page, content.get_by_role("button", name="Table", exact=True), "ArrowRight")
    press(page, "Enter")
    put(page, dialog.get_by_label("Rows"), "2")
    put(page, dialog.get_by_label("Columns"), "2")
    press(page, "Enter")
    expect(dialog).to_have_count(0)
    for text in ("Item", "Price"):
        page.keyboard.type(text)
        press(page, "Tab")
    press(page, "Alt+Shift+R")
    expect(dialog.get_by_label("For each item of")).to_have_value("input.items")
    press(page, "Enter")
    expect(dialog).to_have_count(0)
    for name in ("name", "price"):
        page.keyboard.type("{{ " + name)
        expect(page.get_by_role("option", name=f"item.{name}")).to_be_visible()
        press(page, "Enter", "Tab" if name == "name" else "Alt+F10")


def break_and_mend_the_port_by_keyboard(page: Page, served: Served) -> None:
    """Run at a port at which nobody listens; the remedy is one key away."""
    dialog = page.get_by_role("dialog")
    port = setting(page, "smtp.port").locator("input")
    put(page, port, "1", "Shift+Tab")
    reach(page, page.get_by_role("button", name="Run…"), "Shift+Tab")
    press(page, "Enter")
    reach(page, dialog.get_by_role("button", name="Save and send"))
    press(page, "Enter")
    expect(setting(page, "smtp.port").locator(".error")).to_contain_text("connection refused")
    expect(port).to_be_focused()
    reach(page, setting(page, "smtp.port").get_by_role("button", name="Use these settings"))
    press(page, "Enter")
    expect(port).to_have_value(str(served.site.inbox_port))
    reach(page, page.get_by_role("button", name="Run…"), "Shift+Tab")
    press(page, "Enter")
    reach(page, dialog.get_by_role("button", name="Save and run"))
    press(page, "Enter")
    expect(page.get_by_role("tabpanel", name="Result")).to_contain_text("Accepted by 127.0.0.1 for zoe@example.org")
    check(received(served))


def send_yesterday_s_failure_by_keyboard(page: Page, home: Path) -> None:
    """Find what failed, and send it by today's settings."""
    day_before(home)
    reach(page, page.get_by_role("link", name="Deliveries", exact=True), "Shift+Tab")
    press(page, "Enter")
    arrived(page, "/deliveries")
    reach(page, page.get_by_label("State"))
    page.keyboard.type("Failed")
    expect(page.locator("#deliveries tbody tr")).to_have_count(1)
    reach(page, page.locator("#deliveries").get_by_role("link").first)
    press(page, "Enter")
    arrived(page, "/deliveries/*")
    reach(page, page.get_by_role("button", name="Send again with today's settings"))
    press(page, "Enter")
    expect(page.locator("#delivery .badge.sent").first).to_be_visible()


def test_the_same_by_keyboard_alone(page: Page, served: Served, home: Path) -> None:
    make_flow_by_keyboard(page)
    write_by_keyboard(page)
    break_and_mend_the_port_by_keyboard(page, served)
    send_yesterday_s_failure_by_keyboard(page, home)
    assert len(served.site.inbox.messages()) == 2
    check(received(served))
