"""Sending from the editor in a real browser: what is asked first, and where the remedy stands."""

import asyncio
import re

import pytest
from playwright.sync_api import Page, Route, expect

from support.editor_home import example, sample


def test_nothing_leaves_without_a_yes_and_the_remedy_stands_at_the_field(page: Page, served):
    text = example(served).text.replace(f"port: {served.site.inbox_port}", "port: 1")
    flow = served.site.flow_files.create(text.replace("name: order-shipped", "name: real", 1))
    served.site.flow_files.store_sample(flow.name, sample())
    page.goto(f"/flows/{flow.name}")
    expect(page.locator("[data-head]")).to_contain_text("has shipped")
    result = page.get_by_role("tabpanel", name="Result")
    asked = page.get_by_role("dialog")
    page.get_by_role("button", name="Run…").click()
    expect(asked.get_by_role("heading")).to_have_text(
        "Send 1 real email to zoe@example.org, orders@example.com and archive@example.com now?"
    )
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)

    page.locator('.field[data-key="subject"] input').fill("Not saved")
    page.get_by_role("button", name="Run…").click()
    expect(asked).to_contain_text("The flow has unsaved changes. They are saved first")
    asked.get_by_role("button", name="Send to the inbox instead").click()
    expect(result).to_contain_text("in the inbox on this machine. Nobody else got it.")
    assert len(served.site.inbox.messages()) == 1
    expect(page.locator("[data-saved]")).to_have_text("Unsaved changes")

    page.get_by_role("button", name="Run…").click()
    asked.get_by_role("button", name="Save and send").click()
    expect(result.locator(".badge").first).to_have_text("Done, 1 email failed")
    port = page.locator('.field[data-key="smtp.port"]')
    expect(port.locator(".error")).to_contain_text("Could not connect to 127.0.0.1:1: connection refused.")
    expect(port.locator("input")).to_be_focused()
    expect(page.locator("[data-nodes]")).to_contain_text("1 problem")
    port.get_by_role("button", name="Use these settings").click()
    expect(port.locator("input")).to_have_value(str(served.site.inbox_port))
    expect(port.locator(".error")).to_be_hidden()

    port.locator("input").fill("465")
    tls = page.locator('.field[data-key="smtp.tlsOption"]')
    expect(tls).to_contain_text("Port 465 begins with TLS.")
    tls.get_by_role("button", name="Use these settings: port 465, TLS from the start").click()
    expect(tls.locator("select")).to_have_value("tls")
    expect(page.locator("[data-advice]")).to_have_count(0)


def test_a_value_that_is_missing_opens_the_sample_with_a_place_for_it(page: Page, served):
    flow = example(served)
    served.site.flow_files.store_sample(flow.name, {"input": {}, "context": {}})
    page.goto(f"/flows/{flow.name}")
    page.locator("[data-troubles]").get_by_role("button", name="Fill in sample data").first.click()
    expect(page.locator("#sample-input")).to_be_focused()
    expect(page.locator("#sample-input")).to_have_value(re.compile('"email": ""'))
    page.get_by_role("tab", name="Email").click()
    page.get_by_text("Sample values").click()
    page.get_by_label("input.email").fill("ada@example.org")
    page.get_by_label("input.name").fill("Ada")
    page.get_by_label("input.order").fill("17")
    page.get_by_role("tab", name="Sample data").click()
    expect(page.locator("#sample-input")).to_have_value(re.compile('"email": "ada@example.org"'))


@pytest.mark.parametrize(("place", "chunk"), [("/flows", "flows"), ("/runs/a%2Fb", "again")])
def test_nothing_is_clicked_in_vain_before_the_page_has_its_code(page: Page, served, place, chunk):
    flow = example(served)
    ran = served.site.mailnode.run(flow.path, **sample(), run_id="a/b")
    asyncio.run_coroutine_threadsafe(ran, served.loop).result(60)
    held: list[Route] = []
    page = page.context.new_page()  # which waits for nothing
    page.route(f"**/chunk-{chunk}-*.js", lambda route: held.append(route))  # noqa: PLW0108  (playwright marks the function)
    with page.expect_request(f"**/chunk-{chunk}-*.js"):
        page.goto(place)
    main = page.locator("main")
    expect(main).to_have_attribute("inert", "")
    (route,) = held
    route.continue_()
    expect(main).not_to_have_attribute("inert", "")
    page.get_by_role("button", name="New flow" if chunk == "flows" else "Run again…").first.click()
    expect(page.locator("dialog[open]")).to_be_visible()
    other = page.context.new_page()
    other.route(f"**/chunk-{chunk}-*.js", lambda route: route.abort())
    other.goto(place)
    expect(other.get_by_text("A part of this page could not be loaded.")).to_be_visible()


def test_a_run_is_run_again_with_what_it_began_with_or_another_input(page: Page, served):
    flow = example(served)
    ran = served.site.mailnode.run(flow.path, **sample(), run_id="a/b")
    asyncio.run_coroutine_threadsafe(ran, served.loop).result(60)
    page.goto("/runs/a%2Fb")
    page.get_by_role("button", name="Run again…").click()
    again = page.locator("#again-dialog")
    state = again.get_by_label("Input (JSON)")
    expect(again.get_by_label("Context (JSON)")).to_have_value('{\n  "order": {\n    "total": 78\n  }\n}')
    changed = state.input_value().replace("zoe@example.org", "ada@example.org")
    state.fill("[")
    again.get_by_role("button", name="Run…").click()
    expect(again.locator("#again-input-error")).to_contain_text("Enter a JSON object")
    state.fill(changed)
    again.get_by_role("button", name="Run…").click()
    asked = page.locator("#run-dialog")
    expect(asked.get_by_role("heading")).to_have_text("Send 1 email to the inbox on this machine now?")
    asked.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("Accepted by 127.0.0.1 for ada@example.org")).to_be_visible()
    assert "a%2Fb" not in page.url
