"""The inbox over HTTP, its pages, and what a browser makes of all the ledger's pages."""

import asyncio
import base64
import re
import smtplib
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from mailnode.message.compose import compose
from mailnode.message.email import Attachment, Email
from mailnode.message.invitation import Invitation
from mailnode.web.pages import inbox as inbox_page
from mailnode.web.safe_html import MAIL_POLICY
from support.hostile_markup import ALL_EVIL, EVIL, assert_only_our_markup

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def put(port, octets, to="jane@example.org"):
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("shop@example.com", [to], octets)


def letter(**said):
    small = {"from_": "Shop <shop@example.com>", "to": "jane@example.org", "subject": "Hi", "html": "<p>Hello</p>"}
    return compose(Email(**(small | said))).octets()


def hostile():
    """A mail that has a stranger's words wherever there is room for words; no composer of ours would write it."""
    mail = EmailMessage()
    mail["Subject"] = ALL_EVIL
    mail["From"] = '"<script>alert(1)</script>" <shop@example.com>'
    mail["X-Evil"] = ALL_EVIL
    mail.set_content(ALL_EVIL)
    mail.add_alternative(f"<h1>Hello</h1>{ALL_EVIL}<form action=/logout><button>x</button></form>", subtype="html")
    mail.add_attachment(b"<script>alert(1)</script>", maintype="text", subtype="html", filename=EVIL[1])
    return mail.as_bytes(policy=SMTP)


@pytest.fixture
def caught(site):
    """Send octets to the inbox, and give the number of the mail."""

    async def catch(octets):
        await asyncio.to_thread(put, site.inbox_port, octets)
        return site.inbox.messages()[-1].number

    return catch


class TestApi:
    async def test_lists_the_latest_first(self, api, caught):
        numbers = [await caught(letter(subject=subject)) for subject in ("one", "zwölf")]
        listed = (await api.get("/api/inbox")).json()
        assert [(one["number"], one["subject"]) for one in listed] == [(numbers[1], "zwölf"), (numbers[0], "one")]
        assert (listed[0]["mailFrom"], listed[0]["rcptTo"]) == ("shop@example.com", ["jane@example.org"])
        assert listed[0]["from"] == "Shop <shop@example.com>"

    async def test_opens_a_mail(self, api, caught):
        number = await caught(letter(attachments=[Attachment(content="a;b", filename="a.csv")]))
        mail = (await api.get(f"/api/inbox/{number}")).json()
        assert mail["html"] == "<p>Hello</p>\r\n"
        assert mail["text"].startswith("Hello")
        assert {"name": "Subject", "value": "Hi"} in mail["headerFields"]
        assert mail["root"]["mediaType"] == "multipart/mixed"
        assert [part["filename"] for part in mail["root"]["parts"]] == ["", "a.csv"]

    async def test_shows_the_event_of_an_invitation(self, api, caught):
        start = datetime(2026, 3, 12, 14, 30, tzinfo=ZoneInfo("Europe/Berlin"))
        event = Invitation(uid="a", start=start, end=start + timedelta(hours=1), summary="<b>Lunch", location="Hall 3")
        number = await caught(letter(invitation=event))
        told = (await api.get(f"/api/inbox/{number}")).json()["invitation"]
        assert (told["method"], told["summary"], told["location"]) == ("request", "<b>Lunch", "Hall 3")
        assert (told["start"], told["zone"], told["allDay"]) == (1773322200000, "Europe/Berlin", False)
        page = (await api.get(f"/inbox/{number}")).text
        assert "&lt;b&gt;Lunch" in page
        assert "Hall 3" in page

    @pytest.mark.parametrize(
        "calendar",
        ["", "no calendar", "BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\n" * 100_000],
        ids=["none", "other", "deep"],
    )
    async def test_a_calendar_that_can_not_be_read_leaves_the_mail_as_it_is(self, api, caught, calendar):
        file = Attachment(content=calendar, filename="a.ics", content_type="text/calendar")
        mail = (await api.get(f"/api/inbox/{await caught(letter(attachments=[file]))}")).json()
        assert mail["invitation"] is None
        assert mail["text"].startswith("Hello")

    async def test_gives_the_source_octet_for_octet_as_a_file(self, api, caught):
        octets = letter()
        answer = await api.get(f"/api/inbox/{await caught(octets)}/source")
        assert answer.content == octets
        assert answer.headers["content-type"] == "message/rfc822"
        assert answer.headers["content-disposition"].startswith("attachment;")

    async def test_gives_a_part_as_a_file_that_no_browser_would_show(self, api, caught):
        number = await caught(hostile())
        parts = (await api.get(f"/api/inbox/{number}")).json()["root"]["parts"]
        answer = await api.get(f"/api/inbox/{number}/parts/{parts[-1]['number']}")
        assert answer.content == b"<script>alert(1)</script>"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.fullmatch(r"attachment; filename\*=UTF-8''[\w.%-]+", answer.headers["content-disposition"])

    async def test_throws_all_away(self, api, caught):
        await caught(letter())
        assert (await api.delete("/api/inbox")).json() == {"thrownAway": 1}
        assert (await api.get("/api/inbox")).json() == []

    @pytest.mark.parametrize(
        ("address", "status"),
        [
            ("/api/inbox/7", 404),
            ("/api/inbox/7/source", 404),
            ("/api/inbox/7/parts/1", 404),
            ("/api/inbox/1/parts/9", 404),
            ("/api/inbox/x", 422),
            ("/api/inbox/-1", 422),
            ("/api/inbox/1e9", 422),
            (f"/api/inbox/{10**30}", 422),
            ("/inbox/7", 404),
            ("/inbox/7/html", 404),
            ("/inbox/x", 422),
        ],
    )
    async def test_says_what_is_not_there(self, api, caught, address, status):
        await caught(letter())
        assert (await api.get(address)).status_code == status


class TestPages:
    async def test_say_how_a_mail_comes_in(self, api, site):
        html = (await api.get("/inbox")).text
        assert "No email yet" in html
        assert f"port {site.inbox_port}" in html

    async def test_renew_themselves_only_when_something_is_new(self, api, caught):
        found = re.search(r'hx-get="(/inbox/live[^"]+)"', (await api.get("/inbox")).text)
        assert found is not None
        assert (await api.get(found[1])).status_code == 204
        await caught(letter(subject="Something new"))
        assert "Something new" in (await api.get(found[1])).text
        assert "No email yet" in (await api.delete("/inbox")).text

    async def test_show_a_mail_with_fields_parts_and_source(self, api, caught):
        number = await caught(letter(attachments=[Attachment(content="a;b", filename="a&b.csv")]))
        html = (await api.get(f"/inbox/{number}")).text
        assert f'<iframe class="mail-frame" sandbox="" src="/inbox/{number}/html"' in html
        assert "a&amp;b.csv" in html
        assert "Content-Type: multipart/mixed" in html
        assert f'href="/api/inbox/{number}/source"' in html

    async def test_search_and_lead_to_older_ones(self, api, caught, monkeypatch):
        monkeypatch.setattr(inbox_page, "AT_ONCE", 2)
        monkeypatch.setattr(inbox_page, "MOST_LOOKED_AT", 3)
        numbers = [
            await caught(letter(subject=f"{word} {at}")) for at, word in enumerate(["Order", "News", "News", "Größe"])
        ]

        def shown(html):
            return [int(number) for number in re.findall(r'id="to-(\d+)"', html)]

        first = (await api.get("/inbox")).text
        assert shown(first) == [numbers[3], numbers[2]]
        assert f'href="/inbox?after={numbers[2]}">Older' in first
        assert shown((await api.get(f"/inbox?after={numbers[2]}")).text) == [numbers[1], numbers[0]]
        assert shown((await api.get("/inbox", params={"search": "GRÖSSE jane@"})).text) == [numbers[3]]
        none = (await api.get("/inbox?search=order")).text
        assert "older ones may" in none
        assert f'href="/inbox?search=order&amp;after={numbers[1]}">Look further back' in none
        assert shown((await api.get(f"/inbox?search=order&after={numbers[1]}")).text) == [numbers[0]]
        listed = (await api.get("/api/inbox", params={"search": "news", "before": numbers[2]})).json()
        assert [one["number"] for one in listed] == [numbers[1]]
        assert (await api.get("/inbox?after=x")).status_code == 422

    async def test_show_to_whom_a_mail_is_and_its_files_first(self, api, caught):
        files = [Attachment(content="a", filename="a.csv"), Attachment(content=PIXEL, filename="logo.gif", cid="logo")]
        number = await caught(
            letter(to="Jane <jane@example.org>", cc="joe@example.com", attachments=files, html='<img src="cid:logo">')
        )
        head = (await api.get(f"/inbox/{number}")).text.split("<h2")[0]
        for words in (
            "Jane &lt;jane@example.org&gt;",
            "joe@example.com",
            ">a.csv</a>",
            ">logo.gif</a>",
            "shown in the",
        ):
            assert words in head

    async def test_lead_from_one_mail_to_the_next(self, api, caught):
        numbers = [await caught(letter()) for _ in range(3)]
        html = (await api.get(f"/inbox/{numbers[1]}")).text
        assert f'href="/inbox/{numbers[0]}">Older' in html
        assert f'href="/inbox/{numbers[2]}">Newer' in html

    async def test_show_the_html_in_a_document_that_may_do_nothing(self, api, caught):
        number = await caught(
            letter(
                html='<p>Hi</p><img src="cid:logo"><img src="http://x.invalid/a.gif"><script>alert(1)</script>',
                attachments=[Attachment(content=PIXEL, filename="logo.gif", cid="logo")],
            )
        )
        answer = await api.get(f"/inbox/{number}/html")
        assert answer.headers["content-security-policy"] == MAIL_POLICY
        assert 'src="data:image/gif;base64,R0lGOD' in answer.text
        assert "x.invalid" not in answer.text
        assert "script" not in answer.text

    async def test_show_what_strangers_say_as_text(self, api, caught):
        number = await caught(hostile())
        for address in ("/inbox", f"/inbox/{number}"):
            assert_only_our_markup((await api.get(address)).text)
        document = (await api.get(f"/inbox/{number}/html")).text
        assert "<h1>Hello</h1>" in document
        assert not re.search(r"<script|<svg|<form|<button|onerror=|onload=", document)


class TestBrowser:
    """In a real one: `served` works the queue, and `page` is logged in and complains of what a policy has stopped."""

    @pytest.fixture
    def happened(self, page, served):
        """Collect what a stranger's script would do: dialogs, and requests to elsewhere."""
        seen = []

        def ran(dialog):
            seen.append(dialog.message)
            dialog.dismiss()

        def asked(request):
            if not request.url.startswith((f"{served.url}/", "data:")):
                seen.append(request.url)

        page.on("dialog", ran)
        page.on("request", asked)
        return seen

    def test_a_mail_arrives_while_the_page_is_open_and_nothing_in_it_runs(self, page, served, happened):
        page.goto("/inbox")
        page.get_by_text("No email yet").wait_for()
        put(served.site.inbox_port, hostile())
        page.get_by_role("link", name=re.compile("script")).click()
        frame = page.frame_locator("iframe.mail-frame")
        expect(frame.locator("h1")).to_have_text("Hello")
        expect(frame.locator("form, button, script")).to_have_count(0)
        page.wait_for_timeout(200)  # what would come late
        assert happened == []

    def test_all_mails_are_thrown_away_after_a_question(self, page, served):
        put(served.site.inbox_port, letter())
        page.goto("/inbox")
        page.get_by_role("button", name="Delete all…").click()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("link", name="Hi")).to_be_visible()
        page.get_by_role("button", name="Delete all…").click()
        page.get_by_role("button", name="Delete all", exact=True).click()
        page.get_by_text("No email yet").wait_for()
        expect(page.locator("dialog[open]")).to_have_count(0)

    def test_whose_session_is_over_comes_back_here_by_the_login(self, page, served):
        page.goto("/inbox")
        page.context.clear_cookies()
        page.wait_for_url("**/login?next=/inbox")
        page.fill("#token", served.token)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("No email yet").wait_for()

    def test_a_link_with_a_code_leads_in_once(self, page, served):
        page.context.clear_cookies()
        link = f"/login?next=/inbox#code={served.codes.issue()}"
        page.goto(link)
        page.get_by_text("No email yet").wait_for()
        expect(page).to_have_url(f"{served.url}/inbox")
        page.context.clear_cookies()
        page.goto(link)
        page.get_by_text("This link has been used, or is older than a minute.").wait_for()
        expect(page).to_have_url(f"{served.url}/login?next=/inbox")
