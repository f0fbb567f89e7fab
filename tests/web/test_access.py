"""The pages for everybody: what axe-core finds, narrow and wide, light and dark, and by keyboard alone."""

import pytest
from playwright.sync_api import expect

from support.browser import faults_of, ready
from support.editor_home import filled
from support.web import served_site

PAGES = (
    "/flows",
    "/flows/order-shipped",
    "/layouts",
    "/layouts/branded",
    "/runs",
    "/deliveries",
    "/connections",
    "/apps",
    "/webhooks",
    "/webhooks/shop",
    "/inbox",
    "/api/docs",
    "/nothing",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve one home with something in it for all tests that only look at it."""
    home = tmp_path_factory.mktemp("filled") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAILNODE_HOME", str(home))
        with served_site(home) as serving:
            filled(serving)
            yield serving


def assert_fits(page):
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{page.url} is {wider} px wider than its window"
    broken = page.evaluate(
        """() => [...document.querySelectorAll(".button, .tabs > *, [role=tab]")]
          .filter((one) => getComputedStyle(one).overflowWrap !== "normal").map((one) => one.outerHTML)"""
    )
    assert broken == [], "a button may break in mid-word"


@pytest.mark.parametrize(("scheme", "width"), [("light", 400), ("dark", 1600)])
def test_no_page_keeps_anybody_out(page, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    for path in PAGES:
        page.goto(path)
        if path.startswith("/flows/"):
            expect(page.frame_locator("[data-frame]").locator("h1")).to_be_visible()
            for summary in page.locator(".panel details.section > summary").all():
                summary.click()
        if path.startswith("/layouts/"):
            expect(page.get_by_role("textbox", name="HTML or MJML").locator("..")).to_have_class("cm-scroller")
        assert_fits(page)
        assert faults_of(page) == [], path
    for path in ("/runs", "/deliveries", "/inbox"):
        page.goto(path)
        page.locator("main tbody a").first.click()
        page.wait_for_url(f"**{path}/*")
        ready(page)
        assert_fits(page)
        assert faults_of(page) == [], page.url


def test_no_dialog_keeps_anybody_out(page):
    page.goto("/flows")
    for name in ("New flow", "Import…", "Rename"):
        page.get_by_role("button", name=name).first.click()
        expect(page.locator("dialog[open]")).to_be_visible()
        assert faults_of(page) == []
        page.keyboard.press("Escape")
    page.goto("/apps")
    for name in ("New app", "Edit website", "New password for website", "Delete website"):
        page.get_by_role("button", name=name).click()
        expect(page.locator("dialog[open]")).to_be_visible()
        assert faults_of(page) == []
        page.keyboard.press("Escape")
    page.goto("/flows/order-shipped")
    for name in ("Create a connection", "Send test…", "Run…"):
        page.get_by_role("button", name=name).click()
        expect(page.locator("dialog[open]")).to_be_visible()
        assert faults_of(page) == []
        page.keyboard.press("Escape")


def test_the_keyboard_goes_from_the_top_into_the_panel(page):
    page.goto("/flows/order-shipped")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save").focus()
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if "field-emailService" in seen:
            break
    assert "field-emailService" in seen


def test_nothing_is_asked_of_another_host(page, served):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for path in PAGES:
        page.goto(path)
        page.wait_for_load_state("networkidle") if path.startswith("/flows") else None
    assert [url for url in asked if not url.startswith((served.url, "data:"))] == []


class TestAHomeOfItsOwn:
    @pytest.fixture
    def served(self, home):
        with served_site(home) as serving:
            yield serving

    def test_many_deliveries_are_chosen_and_sent_again_after_a_question(self, page, served):
        filled(served)
        page.set_viewport_size({"width": 400, "height": 900})
        page.goto("/deliveries")
        failed = page.locator("#deliveries tbody tr", has=page.locator(".badge.failed"))
        failed.get_by_role("checkbox").check()
        page.get_by_role("button", name="Send 1 again…").click()
        asked = page.get_by_role("dialog", name="Send 1 email again?")
        expect(asked).to_be_visible()
        assert_fits(page)
        assert faults_of(page) == []
        asked.get_by_role("button", name="Back").click()
        page.get_by_label("Subject contains").fill("1047")
        expect(page.locator("#deliveries tbody tr")).to_have_count(2)
        page.get_by_role("button", name="Send all that match again…").click()
        page.get_by_role("button", name="Send 1 email again").click()
        done = page.get_by_role("dialog", name="1 email is in the queue again")
        expect(done).to_be_visible()
        assert faults_of(page) == []
        done.get_by_role("button", name="OK").click()
        page.get_by_role("button", name="Cancel all that match…").click()
        expect(page.get_by_role("dialog")).to_be_visible()

    def test_the_empty_pages_say_what_to_do_next(self, page):
        for path in ("/flows", "/layouts", "/runs", "/deliveries", "/connections", "/apps", "/webhooks", "/inbox"):
            page.goto(path)
            expect(page.locator(".empty")).to_be_visible()
            assert faults_of(page) == []
