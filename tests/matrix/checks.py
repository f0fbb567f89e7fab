"""What is held against a case: its result, where that stands, what is stored, what a server has and a reader reads."""

import re
from datetime import UTC
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Any

from icalendar import Calendar

from matrix.contents import DOT_CID, LINES, TEXT, files
from matrix.dimensions import Case
from matrix.expected import FAILED, Expected, expected, halts, login, recipients, reverse_path, sender
from matrix.said import check_what_was_said, is_signed, result_of
from matrix.scenario import EHLO_NAME, NAME, NODE, ORDER, REDIRECTED_TO, Scenario
from matrix.servers import Taken
from matrix.stage import Json, Ran


def check(scenario: Scenario, ran: Ran, trouble: BaseException | None) -> None:
    """Hold all of it against a case that was played; raises the `trouble` with which that ended."""
    if trouble:
        raise trouble
    case = scenario.case
    for tag in scenario.tags():
        awaited = expected(scenario, tag)
        taken = scenario.world.books.taken.get(tag, [])
        if case.has_flow:
            _check_run(case, ran.stored[tag], awaited)
            result = result_of(ran.stored[tag])
        else:
            result = ran.stored[tag]
        _check_result(scenario, result, awaited)
        (delivery,) = ran.deliveries[tag]
        assert delivery["state"] == awaited.status, "the delivery's last state"
        node, app = NODE if case.has_flow else None, scenario.name if case.face == "submission" else None
        assert (delivery["deliveryId"], delivery["node"], delivery["app"]) == (result["deliveryId"], node, app)
        assert len(taken) == awaited.copies, "copies that the server has"
        assert scenario.world.books.ended.get(tag, 0) == awaited.ended, "messages whose end was reached"
        for one in taken:
            _check_visit(scenario, one, tag, awaited)
            _check_message(scenario, one.content, tag)
            assert (b"Received" in _names(one.content)) == (case.face == "submission")
        if case.webhook == "there":
            told = scenario.world.outcomes_of(delivery["deliveryId"])
            assert [*told.values()] == [f"delivery.{awaited.status}"], "what the webhook was told"
        assert len({one.content for one in taken}) <= 1, "another try is the same message"
    check_what_was_said(scenario, ran)


def _check_run(case: Case, run: Json, awaited: Expected) -> None:
    """The run's own end, and the result where the flow wanted it."""
    does_halt = halts(case, awaited.status)
    assert run["status"] == ("halted" if does_halt else "done")
    mail, say = run["nodes"]
    has_failed = awaited.status in FAILED and case.asynchronous == "waits"
    assert mail["status"] == ("failed" if has_failed else "done")
    assert say["status"] == ("notReached" if does_halt else "done")
    for place in ("input", "context"):
        is_here = case.store_result == place
        assert run[place].get("mail") == ({"sent": mail["result"]} if is_here else None), f"what is stored in {place}"
    known_then = "queued" if case.asynchronous == "asynchronous" else awaited.status
    words = "went on" if case.store_result == "none" else known_then
    assert run["output"] == ([] if does_halt else [words])


def _check_result(scenario: Scenario, result: Json, awaited: Expected) -> None:
    case, address, mechanism = scenario.case, scenario.address, (login(scenario) or ("",))[0]
    assert result["status"] == awaited.status, result["error"]
    assert (result["error"] or {}).get("code") == awaited.code, result["error"]
    assert sorted(result["accepted"]) == sorted(awaited.accepted)
    assert sorted(result["rejected"]) == sorted(awaited.rejected)
    assert result["attempts"] == awaited.attempts
    for warning in awaited.warnings:
        assert warning in result["warnings"]
    assert ("resentAfterUnknown" in result["warnings"]) == ("resentAfterUnknown" in awaited.warnings)
    assert result["host"] == address.host
    assert result["connection"] == ("" if case.connection == "none" else scenario.name)
    assert re.fullmatch(r"<[^<>@]+@[^<>@]+>", result["messageId"])
    if awaited.status in {"sent", "partial"}:
        assert result["authMechanism"] == mechanism
        assert result["tlsVersion"].startswith("TLSv1." if case.has_tls else ""), result["tlsVersion"]
        assert bool(result["tlsVersion"]) == case.has_tls
        assert result["response"].startswith("250 ")
        assert result["messageSize"] > 0
    if awaited.code:
        assert result["error"]["hint"], "an error without a remedy"


def _check_visit(scenario: Scenario, one: Taken, tag: str, awaited: Expected) -> None:
    """Who came, by which way, how private, as whom, and for whom."""
    case, address = scenario.case, scenario.address
    assert one.address == address, "another server than the one of the service"
    assert one.is_private == case.has_tls
    assert one.server_name == (address.host if case.has_tls else None)
    assert one.way == case.proxy, "the way that it came by"
    assert one.login == login(scenario)
    if case.is_other and case.rest == "all" and case.proxy != "none" and case.has_flow:
        assert one.ehlo == EHLO_NAME
    assert one.mail_from == reverse_path(scenario, tag)
    assert sorted(one.rcpt_tos) == sorted(path for path in recipients(scenario, tag) if path not in awaited.rejected)


def _check_message(scenario: Scenario, octets: bytes, tag: str) -> None:
    """What another library reads."""
    case = scenario.case
    message = message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Subject"] == f"Order {ORDER} f\u00fcr {NAME}"
    assert getaddresses([message["From"]]) == [("Shop", sender(scenario, tag))]
    assert [address for _, address in getaddresses([message["To"]])] == [
        f"ann+{tag}@example.org",
        f"bob+{tag}@example.org",
    ]
    assert b"dave+" not in octets or case.login_extra == "redirectAllTo", "a blind copy that everybody sees"
    if case.rest == "all":
        _check_the_rest(message, tag)
    if case.login_extra == "dkim":
        assert is_signed(octets)
        moved = re.sub(rb"Message-ID: <", b"Message-ID: <moved-", octets, count=1)
        assert is_signed(moved) == (case.rest == "all")
    _check_bodies(case, message)
    if case.invitation != "none":
        _check_invitation(case, message, tag)
    is_file = [part for part in message.walk() if part.get_filename() or part["Content-ID"]]
    arrived = [_file(part) for part in is_file if part.get_content_type() != "application/ics"]
    sent = [(file.name, file.content_type, file.octets, file.cid) for file in files(case, ORDER)]
    assert sorted(arrived) == sorted(sent)


def _check_invitation(case: Case, message: EmailMessage, tag: str) -> None:
    """The event, as another reader of calendars understands it, twice."""
    shown: Any = next(one for one in message.walk() if one.get_param("method"))
    file: Any = next(one for one in message.walk() if one.get_content_type() == "application/ics")
    calendar: Any = Calendar.from_ical(shown.get_content())
    assert Calendar.from_ical(file.get_content()) == calendar
    assert shown.get_param("method") == calendar["METHOD"] == case.invitation.upper()
    event: Any = calendar.walk("VEVENT")[0]
    # What an app has written is redirected as it is.
    is_test = case.login_extra == "redirectAllTo" and case.face != "submission"
    invited = [str(one) for one in [event["ATTENDEE"]] for one in (one if isinstance(one, list) else [one])]
    own = [f"mailto:ann+{tag}@example.org", f"mailto:bob+{tag}@example.org"]
    carol = [f"mailto:carol+{tag}@example.org"] if case.rest == "all" else []
    assert invited == ([f"mailto:{REDIRECTED_TO}"] if is_test else own + carol)
    assert (event["SUMMARY"], event["SEQUENCE"]) == (NAME, 0)
    assert str(event["UID"]).startswith("test.") == is_test
    start, end = (event[name].dt.astimezone(UTC).isoformat() for name in ("DTSTART", "DTEND"))
    if case.invitation == "cancel":
        assert event["UID"] == f"{'test.' * is_test}{tag}@shop.example"
        assert (start, end) == ("2026-03-28T09:00:00+00:00", "2026-03-29T08:00:00+00:00")
        return
    assert event["DESCRIPTION"].rstrip() == TEXT.rstrip()
    assert (event["ORGANIZER"], event["LOCATION"]) == ("mailto:desk@shop.example", ORDER)
    assert (start, end) == ("2026-03-29T00:30:00+00:00", "2026-03-29T01:30:00+00:00")


def _check_the_rest(message: EmailMessage, tag: str) -> None:
    assert message["Cc"] == f"Carol <carol+{tag}@example.org>"
    assert message["Bcc"] is None
    assert message["Reply-To"] == "Answers <answers@shop.example>"
    assert message["X-Order"] == ORDER
    assert message["In-Reply-To"] == "<question@example.org>"
    assert message["References"] == "<first@example.org> <question@example.org>"
    assert message["List-Unsubscribe"] == "<https://shop.example/leave>"
    assert message["Auto-Submitted"] == "no"
    assert message["X-Priority"].startswith("1")


def _check_bodies(case: Case, message: EmailMessage) -> None:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text
    plain = str(text.get_content()).replace("\r\n", "\n")
    if case.content == "text" or case.rest == "all":
        assert plain.rstrip("\n") == TEXT.rstrip("\n")
    else:
        assert f"Dear {NAME}, your order {ORDER} is on its way." in " ".join(plain.split())
    assert (html is None) == (case.content == "text")
    if html is None:
        return
    reader = _Reader()
    reader.feed(str(html.get_content()))
    assert f"Dear {NAME}, your order {ORDER} is on its way." in reader.text
    assert (f"Of {ORDER}" in reader.text) == (case.layout != "none")
    if case.content == "rows":
        words = " ".join(reader.text.split())
        assert [words.count(line) for line in (*LINES, "few", "Sold out", "nothing", "many")] == [1, 1, 1, 0, 0, 0]
        assert reader.titles == ["0: <Tea>", "2: Cups"]
        assert case.rest == "all" or all(line in " ".join(plain.split()) for line in LINES)
        assert "data-" not in str(html.get_content())
    if case.content == "styled":
        inlined = case.rest != "all"
        assert reader.style_of["total"] == ("color: #c00" if inlined else "")
        assert ("p.total { color: #c00; }" in str(html.get_content())) is not inlined
        assert "max-width" in str(html.get_content()), "rules that depend on the reader stay where they are"
    dots = [f"cid:{DOT_CID}"] if case.rest == "all" else []
    assert reader.pictures == (["cid:logo", *dots] if case.attachments == "inline" else dots)
    if case.attachments == "inline":
        assert any(part.get_content_type() == "multipart/related" for part in message.walk())


class _Reader(HTMLParser):
    """The words, the pictures and the styles of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.pictures: list[str] = []
        self.titles: list[str] = []
        self.style_of: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "img":
            self.pictures.append(given["src"])
        self.titles += [given["title"]] if "title" in given else []
        if "class" in given:
            self.style_of[given["class"]] = given.get("style", "")

    def handle_data(self, data: str) -> None:
        if not self.cdata_elem:  # else it is a style sheet
            self.text += data


def _file(part: EmailMessage) -> tuple[str, str, bytes, str]:
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return part.get_filename() or "", part.get_content_type(), octets, (part["Content-ID"] or "").strip("<>")


def _names(octets: bytes) -> set[bytes]:
    return set(re.findall(rb"^([!-9;-~]+):", octets.partition(b"\r\n\r\n")[0], re.MULTILINE))
