"""The editor in a real browser, as somebody who builds flows meets it."""

import base64
import re
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import Page, expect

from mailnode.flow.edit import with_document
from mailnode.flow.yaml_reader import read_yaml
from mailnode.web.api.flows import blank_flow
from mailnode.web.panel import PANELS
from support.editor_home import example, sample
from support.source import write_source

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# One value of each field that differs from its default; what a choice of them makes apply comes before it.
VALUES = {
    "emailService": "other",
    "smtp.host": "relay.example.com",
    "smtp.port": 2525,
    "smtp.tlsOption": "starttls",
    "smtp.ca": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "smtp.ehloName": "flows.example.com",
    "to": "{{ input.name }} <{{ input.email }}>",
    "subject": "Order {{ input.order }}",
    "content": '<p class="x">Dear {{ input.name }}</p>',
    "invitation.method": "cancel",
    "invitation.summary": "Kitchen for {{ input.name }}",
    "invitation.start": "2026-03-12T14:30",
    "invitation.end": "{{ input.until }}",
    "invitation.duration": "PT1H30M",
    "invitation.timezone": "America/New_York",
    "invitation.location": "12 Long Street",
    "invitation.description": "Please keep\nthe drive free.",
    "invitation.url": "https://example.com/b",
    "invitation.organizer": "Desk <desk@example.com>",
    "invitation.alarmMinutes": "15",
    "invitation.uid": "booking-{{ input.order }}@example.com",
    "storeResult": "context",
    "resultKey": "mail.shipped",
    "stopOnError": True,
    "from": "Shop <shop@example.com>",
    "cc": "orders@example.com",
    "bcc": "archive@example.com",
    "replyTo": "help@example.com",
    "dataImages": "attach",
    "textContent": "Dear {{ input.name }},\nit is on its way.",
    "priority": "high",
    "asynchronous": True,
    "retryHours": 1.5,
    "envelopeFrom": "<>",
    "inReplyTo": "<a@example.com>",
    "references": "<a@example.com> <b@example.com>",
    "listUnsubscribe": "https://example.com/u",
    "autoSubmitted": "no",
    "inlineStyles": False,
    "idempotencyKey": "{{ input.order }}",
    "partialDelivery": "refuse",
    "onUnknown": "hold",
    "timeoutSeconds": 30,
    "maxRecipients": 5,
    "maxAttachmentMB": 2.5,
    "maxMessageMB": 7,
    "lenient": True,
    "headers": {"X-Campaign": "spring", "X-Order": "{{ input.order }}"},
    "attachments": [
        {"type": "file", "path": "files/terms.pdf", "filename": "t.pdf", "contentType": "a/b", "cid": "t"},
        {"type": "url", "url": "https://example.com/{{ item }}.pdf", "filename": "a.pdf", "forEach": "{{ input.ids }}"},
        {"type": "text", "content": "Thank you", "filename": "t.txt"},
        {"type": "base64", "content": "AAEC", "filename": "b.bin", "contentType": "image/png", "cid": "logo"},
        {"type": "custom", "content": "{}", "contentType": "application/json", "filename": "c.json"},
        {"type": "mime", "content": "Content-Type: text/plain\n\nhello\n"},
    ],
}
NODE = {"id": "tell", "label": "Tell the customer", "when": "{{ input.paid }}"}


def made(served):
    """Put a flow on the flow files that sends to the inbox."""
    flow = served.site.flow_files.create(blank_flow("hello", served.site.inbox_port, "me@example.com"))
    served.site.flow_files.store_sample(flow.name, sample())
    return flow


def open_editor(page: Page, name="hello"):
    page.goto(f"/flows/{name}")
    expect(page.locator("[data-head] dt").first).to_be_visible()


def open_sections(page: Page):
    for summary in page.locator(".panel details.section > summary").all():
        summary.click()


def field(page: Page, key):
    return page.locator(f'.panel .field[data-key="{key}"]')


def put(page: Page, key, value):
    place = field(page, key)
    kind = place.get_attribute("data-kind")
    if kind == "switch":
        place.locator("input").set_checked(value)
    elif kind in {"choice", "tls", "connection"}:
        place.locator("select").select_option(value)
    elif kind == "service":
        place.locator("input").fill("Other SMTP")
        page.get_by_role("option", name="Other SMTP Service").click()
    elif kind == "headers":
        for name, text in value.items():
            page.get_by_role("button", name="Add header field").click()
            place.locator("[data-name]").last.fill(name)
            place.locator("[data-value]").last.fill(text)
    elif kind == "attachments":
        put_attachments(page, place, value)
    elif kind == "html":
        put_content(page, value)
    elif kind in {"moment", "zone"}:
        pick(place, value)
    else:
        place.locator("input, textarea").fill(str(value))


def pick(place, value):
    if value.startswith("{{"):
        place.get_by_role("button", name="Use an expression").click()
        place.locator("[data-written]").fill(value)
    elif place.get_attribute("data-kind") == "zone":
        place.locator("select").select_option(value)
    else:
        day, time = value.split("T")
        place.locator("[type=date]").fill(day)
        place.locator("[type=time]").fill(time)


def put_attachments(page: Page, place, value):
    while place.get_by_role("button", name="Remove").count():
        place.get_by_role("button", name="Remove").first.click()
    for attachment in value:
        page.get_by_role("button", name="Add attachment").click()
        item = place.locator(".attachment").last
        item.locator("select").select_option(attachment["type"])
        for part in attachment.keys() - {"type"}:
            item.locator(f'[data-part="{part}"] :is(input, textarea)').fill(attachment[part])


def put_content(page: Page, html):
    source = field(page, "content").get_by_role("button", name="HTML source")
    if source.get_attribute("aria-pressed") != "true":
        source.click()
    write_source(page, html)


def run(page: Page):
    page.get_by_role("button", name="Run…").click()
    page.locator('#run-dialog [data-answer="run"]').click()


def saved(page: Page, served, name="hello"):
    # The word may stand there from the time before.
    with page.expect_response(lambda said: said.request.method == "PUT" and said.url.endswith(f"/api/flows/{name}")):
        page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-saved]")).to_have_text("Saved")
    return read_yaml(served.site.flow_files.get(name).text).value


def test_every_setting_of_the_panel_is_in_the_file_and_comes_back(page, served):
    fields = [f.key for section in PANELS["sendSmtpEmail"] for f in section.fields if not f.key.startswith("@")]
    assert {*VALUES, "connection", "layout"} == set(fields)
    made(served)
    open_editor(page)
    open_sections(page)
    for key, value in VALUES.items():
        put(page, key, value)
    for key, value in NODE.items():
        put(page, f"@{key}", value)
    (node,) = saved(page, served)["nodes"]
    groups = {
        group: {key.partition(".")[2]: value for key, value in VALUES.items() if key.startswith(f"{group}.")}
        for group in ("smtp", "invitation")
    }
    settings = {key: value for key, value in VALUES.items() if "." not in key} | groups
    assert node == {**NODE, "type": "sendSmtpEmail", "settings": settings}

    page.reload()
    expect(page.locator("[data-nodes] li")).to_have_count(1)
    open_sections(page)
    put(page, "subject", "Changed once more")
    (node,) = saved(page, served)["nodes"]
    assert node["settings"] == {**settings, "subject": "Changed once more"}


def test_comments_stay_when_the_form_and_the_text_take_turns(page, served):
    flow = example(served)
    open_editor(page, flow.name)
    put(page, "subject", "From the form")
    page.get_by_role("button", name="YAML").click()
    text = page.locator("#flow-text")
    expect(text).to_have_value(flow.text.replace("Order {{ input.order }} has shipped", "From the form"))
    text.fill(text.input_value().replace("From the form", "From the text  # not a comment"))
    page.get_by_role("button", name="Form").click()
    expect(field(page, "subject").locator("input")).to_have_value("From the text  # not a comment")
    assert saved(page, served, flow.name)["nodes"][1]["settings"]["subject"] == "From the text  # not a comment"
    assert served.site.flow_files.get(flow.name).text.startswith("# A shop tells a customer")


def test_what_stands_in_lines_is_shown_in_lines_and_stays_so(page, served):
    flow = made(served)
    document = read_yaml(flow.text).value
    lines = {
        "to": "jane@example.org\nJoe <joe@example.org>\n",
        "subject": "Hello\n",
        "references": "<a@example.org>\n<b@example.org>\n",
    }
    document["nodes"][0]["settings"] |= lines
    served.site.flow_files.save("hello", with_document(flow.text, document), flow.revision)
    open_editor(page)
    open_sections(page)
    expect(field(page, "to").locator("textarea")).to_have_value(lines["to"])
    put(page, "cc", "ann@example.org\nbob@example.org")
    settings = saved(page, served)["nodes"][0]["settings"]
    assert settings.items() >= {**lines, "cc": "ann@example.org\nbob@example.org"}.items()
    put(page, "subject", "Good morning")
    assert saved(page, served)["nodes"][0]["settings"]["subject"] == "Good morning"


def test_a_text_that_is_no_flow_says_its_line_and_keeps_the_form_shut(page, served):
    made(served)
    open_editor(page)
    page.get_by_role("button", name="YAML").click()
    page.locator("#flow-text").fill("version: 1\nname: hello\nnodes: [")
    expect(page.locator("#flow-text-error")).to_contain_text("Line 3")
    page.get_by_role("button", name="Form").click()
    expect(page.locator("#flow-text")).to_be_visible()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("smtp.port", "99999", "65535"),
        ("smtp.port", "many", "number"),
        ("smtp.host", "{{ input.host }}", "Expressions are not allowed here"),
        ("to", "nobody", "has no @"),
        ("to", "", "required"),
        ("subject", "{{ input.", "}}"),
        ("from", "a@b@c", "a@b@c"),
        ("resultKey", "1x", "1x"),
        ("timeoutSeconds", "-1", "more than 0"),
        ("attachments", [{"type": "text", "content": "x", "filename": "{{ nothing"}], "{{ nothing"),
        ("headers", {"Subject": "x"}, "Subject"),
        ("@when", "true", "one expression"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(page, served, key, value, words):
    made(served)
    open_editor(page)
    open_sections(page)
    if key == "resultKey":
        put(page, "storeResult", "input")
    put(page, key, value)
    told = field(page, key).locator(".error:not([hidden])").first
    expect(told).to_contain_text(words)
    expect(page.locator("[data-nodes]")).to_contain_text("1 problem")
    label = next(one.label for section in PANELS["sendSmtpEmail"] for one in section.fields if one.key == key)
    page.locator("[data-troubles]").get_by_role("button", name=f"Send SMTP Email, {label}").click()
    expect(field(page, key).locator(":focus")).to_have_count(1)
    put(page, "subject", "x" if key == "subject" else "still here")
    if key not in {"subject", "attachments", "headers"}:
        expect(told).to_contain_text(words)


def test_only_what_applies_is_shown(page, served):
    made(served)
    open_editor(page)
    open_sections(page)
    expect(field(page, "resultKey")).to_be_hidden()
    put(page, "storeResult", "context")
    expect(field(page, "resultKey")).to_be_visible()
    expect(field(page, "retryHours")).to_be_hidden()
    put(page, "asynchronous", value=True)
    expect(field(page, "retryHours")).to_be_visible()
    service = field(page, "emailService").locator("input")
    tls = field(page, "smtp.tlsOption")
    tls.locator("select").select_option("")
    field(page, "smtp.port").locator("input").fill("2526")
    expect(tls).to_contain_text("Automatic is TLS from the start on port 2526")
    field(page, "smtp.port").locator("input").fill("587")
    expect(tls).to_contain_text("Automatic is STARTTLS on port 587")
    service.fill("nonsense")
    expect(field(page, "emailService").locator(".error")).to_be_visible()
    service.fill("")
    service.press_sequentially("gma")
    # what is highlighted counts, also in the answer that takes the error away
    expect(field(page, "emailService").get_by_role("option").first).to_have_text("Gmail")
    expect(field(page, "emailService").locator(".error")).to_be_hidden()
    expect(field(page, "smtp.host")).to_be_hidden()
    expect(service).to_have_value("gma")
    page.keyboard.press("Tab")
    expect(service).to_have_value("Gmail")
    expect(field(page, "connection")).to_contain_text("Gmail requires a login.")
    expect(field(page, "emailService").locator("[data-note]")).to_contain_text("app password")
    settings = saved(page, served)["nodes"][0]["settings"]
    assert settings["emailService"] == "Gmail"
    assert "smtp" not in settings


def test_nodes_are_added_moved_copied_and_removed_and_all_of_that_is_undone(page, served):
    made(served)
    open_editor(page)

    def ids():
        return [node["id"] for node in saved(page, served)["nodes"]]

    page.get_by_label("Node type").select_option("setContext")
    page.get_by_role("button", name="Add node").click()
    put(page, "key", "order.paid")
    put(page, "value", '{"yes": true}')
    handle = page.get_by_role("button", name="Move set-context:")
    handle.press("ArrowUp")
    expect(handle).to_be_focused()
    document = saved(page, served)
    assert [node["id"] for node in document["nodes"]] == ["set-context", "send-email"]
    assert document["nodes"][0]["settings"] == {"key": "order.paid", "value": {"yes": True}}
    page.get_by_role("button", name="Duplicate set-context", exact=True).click()
    expect(page.locator("#field-key")).to_have_value("order.paid")
    put(page, "key", "order.copied")
    assert ids() == ["set-context", "set-context-2", "send-email"]
    rows = page.locator("[data-nodes] li")
    first, last = (rows.nth(number).bounding_box() for number in (0, 2))
    page.get_by_role("button", name="Move set-context:").hover()
    page.mouse.down()
    page.mouse.move(first["x"] + 10, last["y"] + last["height"] - 4, steps=4)
    expect(rows.nth(2)).to_have_attribute("data-dragged", "")
    page.mouse.up()
    assert ids() == ["set-context-2", "send-email", "set-context"]
    page.get_by_role("button", name="Remove set-context-2").click()
    expect(rows).to_have_count(2)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#field-key")).to_have_value("order.copied")
    assert ids() == ["set-context-2", "send-email", "set-context"]
    rows.nth(2).locator(".pick").press("Delete")
    expect(rows).to_have_count(2)
    for _ in range(2):
        page.get_by_role("button", name="Undo the last change of nodes").click()
    assert ids() == ["set-context", "set-context-2", "send-email"]
    rows.nth(0).locator(".pick").press("Control+z")
    expect(rows).to_have_count(2)
    rows.nth(0).locator(".pick").press("Control+Shift+z")
    expect(page.locator("#field-key")).to_have_value("order.copied")
    assert ids() == ["set-context", "set-context-2", "send-email"]


def test_who_saves_over_another_s_version_chooses_which_to_keep(page, served):
    made(served)
    open_editor(page)
    files = served.site.flow_files
    dialog = page.get_by_role("dialog", name="This flow was changed elsewhere")

    def meanwhile(subject):
        flow = files.get("hello")
        files.save("hello", flow.text.replace("subject:", f"subject: {subject} #", 1), flow.revision)

    def save(subject):
        put(page, "subject", subject)
        page.get_by_role("button", name="Save", exact=True).click()

    meanwhile("theirs")
    save("mine")
    dialog.get_by_role("button", name="Back to my draft").click()
    expect(field(page, "subject").locator("input")).to_have_value("mine")
    page.keyboard.press("Control+s")
    dialog.get_by_role("button", name="Overwrite it with mine").click()
    expect(page.locator("[data-saved]")).to_have_text("Saved")
    assert "subject: mine" in files.get("hello").text
    meanwhile("theirs")
    save("mine too")
    dialog.get_by_label("Keep both").fill("first")
    dialog.get_by_role("button", name="Save as new flow").click()
    page.wait_for_url("**/flows/first")
    expect(field(page, "subject").locator("input")).to_have_value("mine too")
    assert "subject: mine too" in files.get("first").text
    assert "subject: theirs" in files.get("hello").text
    page.goto("/flows/hello")
    meanwhile("theirs again")
    save("mine")
    dialog.get_by_role("button", name="Load the other version").click()
    expect(field(page, "subject").locator("input")).to_have_value("theirs again")
    files.delete("hello")
    save("mine at last")
    gone = page.get_by_role("dialog", name="This flow was deleted or renamed elsewhere")
    expect(gone.get_by_role("button", name="Overwrite it with mine")).to_be_hidden()
    gone.get_by_role("button", name="Save as new flow").click()
    page.wait_for_url("**/flows/hello-2")


def test_a_new_mail_goes_to_the_inbox_that_is_there(page, served):
    made(served)
    open_editor(page)
    page.get_by_label("Node type").select_option("sendSmtpEmail")
    page.get_by_role("button", name="Add node").click()
    put(page, "to", "jane@example.org")
    smtp = saved(page, served)["nodes"][-1]["settings"]["smtp"]
    assert smtp == {"host": "127.0.0.1", "port": served.site.inbox_port, "tlsOption": "none"}


def test_the_preview_follows_the_panel_and_the_sample(page, served):
    made(served)
    open_editor(page)
    put(page, "subject", "Dear {{ input.name }}")
    head = page.locator("[data-head]")
    expect(head).to_contain_text("Dear Zoë Müller")
    page.get_by_role("tab", name="Sample data").click()
    page.locator("#sample-input").fill('{"name": "Ada"}')
    page.get_by_role("tab", name="Email").click()
    expect(head).to_contain_text("Dear Ada")
    page.get_by_role("tab", name="Sample data").click()
    page.locator("#sample-input").fill("{")
    expect(page.locator("#sample-input-error")).to_contain_text("JSON object")
    for tab, words in (
        ("Text", "Hello!"),
        ("Header fields", "Message-ID"),
        ("Parts", "text/html"),
        ("Source", "MIME-"),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel", name=tab)).to_contain_text(words)
    page.get_by_role("tab", name="Email").click()
    frame = page.frame_locator("[data-frame]")
    expect(frame.locator("p")).to_have_text("Hello!")
    page.get_by_role("button", name="Phone").click()
    expect(page.locator("[data-frame]")).to_have_css("width", "375px")
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(frame.locator("html")).to_have_css("color-scheme", "dark")


def make_connection(page: Page, way, name, **fields):
    page.get_by_role("button", name="Create a connection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=way).click()
    dialog.get_by_label("Connection name").fill(name)
    for key, text in fields.items():
        dialog.locator(f"[name='{key}']").fill(text)
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(dialog.get_by_text(f"{name} was created")).to_be_visible()
    page.keyboard.press("Escape")
    expect(field(page, "connection").locator("select")).to_have_value(name)


def test_a_newcomer_s_way_from_the_first_test_to_a_sent_email(page, served):
    flow = example(served)
    page.goto("/flows")
    page.get_by_role("link", name=flow.name, exact=True).click()
    head = page.locator("[data-head]")
    expect(head).to_contain_text("Order 2026-1047 has shipped")

    make_connection(page, "User name and password", "shop", username="shop", password="a secret")
    expect(head).to_contain_text("connection shop")
    account = {"user": "billing@example.com", "clientId": "a-client", "clientSecret": "s", "refreshToken": "r"}
    make_connection(page, "Another OAuth2 provider", "billing", **account, accessUrl="http://127.0.0.1:1/token")
    expect(head).to_contain_text("connection billing")
    result = page.get_by_role("tabpanel", name="Result")
    run(page)
    expect(result).to_contain_text("he token endpoint 127.0.0.1:1 can't be reached")
    expect(result).to_contain_text("Check the host of accessUrl")
    put(page, "connection", "")
    saved(page, served, flow.name)
    page.get_by_role("tab", name="Email").click()
    expect(head).not_to_contain_text("connection billing")

    page.get_by_role("button", name="Send test…").click()
    page.get_by_role("dialog").get_by_role("button", name="Send to the inbox").click()
    expect(result).to_contain_text("in the inbox on this machine")
    (received,) = served.site.inbox.messages()
    message = message_from_bytes(received.octets(), policy=policy.default)
    assert message["Subject"] == "Order 2026-1047 has shipped"
    page.get_by_role("link", name="Read it in the inbox").click()
    page.get_by_role("link", name="Order 2026-1047 has shipped").first.click()
    expect(page.frame_locator("iframe").locator("h1")).to_have_text("It is on its way")

    open_editor(page, flow.name)
    put(page, "subject", "{{ input.nothing }}")
    run(page)
    expect(result.locator(".notice").get_by_text("{{ input.nothing }} is undefined.").last).to_have_text(
        "Node tell-customer, subject: {{ input.nothing }} is undefined."
    )
    put(page, "subject", "Hi")
    run(page)
    expect(result).to_contain_text("Accepted by 127.0.0.1 for zoe@example.org")
    expect(result.locator(".badge").first).to_have_text("Done")
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.get_by_role("link", name="Open this run").click()
    expect(page.get_by_text("tell-customer").first).to_be_visible()


def test_who_leaves_with_a_change_is_asked(page, served):
    made(served)
    open_editor(page)
    put(page, "subject", "not saved yet")
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="Inbox").click()
    expect(field(page, "subject").locator("input")).to_have_value("not saved yet")
    assert asked == ["beforeunload"]


def test_flows_are_made_copied_and_deleted_in_the_list(page, served):
    page.goto("/flows")
    page.get_by_role("button", name="Create your first flow").click()
    page.get_by_label("Name", exact=True).fill("!")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator("#new-flow-name-error")).to_contain_text("is not a valid name")
    page.get_by_label("Name", exact=True).fill("Für alle")
    expect(page.locator("#new-flow-name-hint")).to_have_text("It will be named fur-alle.")
    page.get_by_role("button", name="Create", exact=True).click()
    page.wait_for_url("**/flows/fur-alle")
    page.goto("/flows")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Create your first flow").click()
    page.get_by_label("Name", exact=True).fill("first")
    page.keyboard.press("Enter")
    page.wait_for_url("**/flows/first")
    page.goto("/flows")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("Once first")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="once-first").wait_for()
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_role("dialog", name="Duplicate once-first")).to_be_visible()
    expect(page.get_by_label("Sender")).to_be_hidden()
    expect(page.get_by_label("Name", exact=True)).to_have_value("once-first-copy")
    page.get_by_label("Name", exact=True).fill("second")
    page.get_by_role("button", name="Create", exact=True).click()
    page.wait_for_url("**/flows/second")
    page.goto("/flows")
    page.get_by_label("Search").fill("on first")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Search").fill("")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("tr", has_text="first").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert [flow.name for flow in served.site.flow_files.flows()] == ["second"]


def test_an_attachment_completes_expressions_and_shows_its_image_in_the_content(page, served):
    made(served)
    open_editor(page)
    open_sections(page)
    pixel = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    image = {"type": "base64", "content": pixel, "contentType": "image/gif", "cid": "logo"}
    put_attachments(page, field(page, "attachments"), [image])
    put_content(page, '<p><img src="cid:logo" alt="Logo"></p>')
    page.get_by_role("button", name="HTML source").click()
    expect(page.locator(f'.surface img[src="data:image/gif;base64,{pixel}"]')).to_be_visible()
    filename = page.locator('.attachment [data-part="filename"] input')
    filename.focus()
    page.keyboard.type("{{inp")
    expect(page.locator(".completion > li").first).to_have_text("input.email")


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_script_that_is_stored_in_a_flow_never_runs_in_the_editor(page, served):
    flow = made(served)
    document = read_yaml(flow.text).value
    (node,) = document["nodes"]
    node["label"] = EVIL
    node["settings"] |= {
        "subject": EVIL,
        "content": f"<p>{EVIL}</p><a href='javascript:alert(3)'>x</a>",
        "textContent": EVIL,
        "headers": {"X-Evil": EVIL},
        "attachments": [{"type": "text", "content": EVIL, "filename": EVIL.replace("/", "")}],
    }
    served.site.flow_files.save("hello", with_document(flow.text, document), flow.revision)
    served.site.flow_files.store_sample("hello", {"input": {EVIL: EVIL}, "context": {}})
    ran = []
    page.on("dialog", lambda dialog: ran.append(dialog.message))
    page.goto("/flows")
    open_editor(page)
    open_sections(page)
    for tab in ("Text", "Header fields", "Parts", "Source", "Sample data"):
        page.get_by_role("tab", name=tab).click()
    run(page)
    expect(page.get_by_role("tabpanel", name="Result").locator(".badge").first).to_have_text("Done")
    page.get_by_role("button", name="YAML").click()
    expect(page.locator("#flow-text")).to_be_visible()
    expect(page.locator("[data-head]")).to_contain_text(EVIL)
    assert ran == []


def test_files_and_images_are_stored_beside_the_flow_and_the_flow_only_names_them(page, served):
    flow = made(served)
    large = bytes(range(256)) * 4096  # 1 MB
    document = read_yaml(flow.text).value
    document["nodes"][0]["settings"]["maxAttachmentMB"] = 1
    served.site.flow_files.save("hello", with_document(flow.text, document), flow.revision)
    open_editor(page)
    open_sections(page)
    attachments = field(page, "attachments")
    chooser = attachments.locator("[data-attach] input")
    chooser.set_input_files([{"name": "Terms & so.pdf", "mimeType": "application/pdf", "buffer": large}])
    path = attachments.locator('[data-part="path"] input')
    expect(path).to_have_value(re.compile(r"files/[0-9a-f]{32}-Terms-so\.pdf"))
    expect(attachments.locator('[data-part="filename"] input')).to_have_value("Terms & so.pdf")
    page.get_by_role("button", name="Add attachment").focus()
    page.keyboard.press("Shift+Tab")
    expect(attachments.locator("[data-attach]")).to_have_css("outline-style", "solid")
    # What is too large, or empty, is told before anything is sent.
    chooser.set_input_files([{"name": "film.mp4", "mimeType": "video/mp4", "buffer": large + b"!"}])
    expect(attachments.locator(":scope > [data-file-error]")).to_contain_text(
        "film.mp4 has 1.1 MB. The limit of this node is 1 MB."
    )
    own = attachments.locator(".attachment [data-upload] input")
    own.set_input_files([{"name": "empty.txt", "mimeType": "text/plain", "buffer": b""}])
    expect(attachments.locator(".attachment [data-file-error]")).to_contain_text("empty.txt is empty.")
    expect(attachments.locator(".attachment")).to_have_count(1)
    own.set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"later"}])
    expect(path).to_have_value(re.compile(r"files/[0-9a-f]{32}-notes\.txt"))
    expect(attachments.locator(".attachment [data-file-error]")).to_be_hidden()

    field(page, "content").get_by_role("button", name="Image").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("[name=file]").set_input_files([{"name": "dot.gif", "mimeType": "image/gif", "buffer": PIXEL}])
    dialog.get_by_role("button", name="Insert", exact=True).click()
    image = page.locator('.surface img[src^="/api/flows/hello/files/"]')
    expect(image).to_be_visible()
    expect(attachments.locator(".attachment")).to_have_count(2)
    expect(page.frame_locator(".preview iframe").first.locator('img[src^="data:image/gif"]')).to_be_attached()
    settings = saved(page, served)["nodes"][0]["settings"]
    notes, dot = settings["attachments"]
    assert notes.keys() == {"type", "path"}
    assert dot.keys() == {"type", "path", "cid"}
    assert f'<img src="cid:{dot["cid"]}"' in settings["content"]

    page.reload()
    open_editor(page)
    open_sections(page)
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 1
    page.get_by_role("button", name="Send test…").click()
    page.get_by_role("dialog").get_by_role("button", name="Send to the inbox").click()
    expect(page.get_by_role("tabpanel", name="Result").locator(".badge")).to_be_visible()
    (received,) = served.site.inbox.messages()
    message = message_from_bytes(received.octets(), policy=policy.default)
    parts = {part.get_filename(): part.get_payload(decode=True) for part in message.walk() if part.get_filename()}
    assert parts == {"notes.txt": b"later", "dot.gif": PIXEL}
