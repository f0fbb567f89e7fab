"""What reads what strangers write. A target takes octets, and lets nothing pass but errors of ours that show well."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import wraps

from css_inline import CSSInliner

from fuzz.written import tree
from mailnode.connections.fields import TYPE_FIELDS, check_fields
from mailnode.connections.snapshot.sealed_file import read_header
from mailnode.errors import MailnodeError
from mailnode.flow.document import parse_flow
from mailnode.flow.edit import renamed
from mailnode.inbox.opened import MAX_PARTS, OpenedMail
from mailnode.message.compose import compose
from mailnode.message.email import Email, RawPart
from mailnode.message.event_card import MOST_ATTENDEES, read_event
from mailnode.message.header import check_own_field_name, own_field, text_field
from mailnode.message.html_tree import beyond_limits, measure
from mailnode.message.mailbox import addresses, parse_addresses
from mailnode.message.message_id import threading
from mailnode.message.parameter import content_disposition, content_type
from mailnode.message.raw_part import clean_message
from mailnode.message.text import html_to_text
from mailnode.node.address_guard import AddressGuard
from mailnode.node.data_images import attach_data_images
from mailnode.node.decoding import decode_base64, read_data_url
from mailnode.node.filename import check_filename, check_media_type, fetched_filename, is_media_type, served_media_type
from mailnode.node.filling import AttributePart, Parts, parts_of, program_of
from mailnode.node.html import HtmlTemplate
from mailnode.node.inline import inline_style_sheets
from mailnode.node.inline.plan import remembered_plan
from mailnode.node.inline.splice import own_style, splice, together
from mailnode.node.inline.tags import Scan
from mailnode.node.layout import read_layout
from mailnode.node.markup import parse_html
from mailnode.node.template import parse_template
from mailnode.printable import without_controls
from mailnode.smtp.bearer import TokenStatus
from mailnode.smtp.content import DotStuffer
from mailnode.smtp.doctor.certificate import read_certificate
from mailnode.smtp.extension import Extensions
from mailnode.smtp.protocol import SmtpProtocol
from mailnode.smtp.proxy import parse_proxy
from mailnode.smtp.reply import ReplyParser
from mailnode.smtp.sasl import MECHANISMS, Exchange, Login
from mailnode.smtp.transaction import Transaction
from mailnode.submission.content import Memory
from mailnode.submission.events import Close, ProtocolLimits
from mailnode.submission.gate import App, Submitted
from mailnode.submission.gate import Reply as Submission
from mailnode.submission.login import Credentials
from mailnode.submission.protocol import SubmissionProtocol
from mailnode.web.safe_html import MOST_REPEATED_CHARACTERS, safe_html
from support.byte_invariant import changes

Target = Callable[[bytes], None]

LONGEST_ERROR = 2000
_LOGIN = Login("shop", "pencil")
_CLEAN = re.compile(rb"(?:[^\r\n]{0,998}\r\n)*")
_CLEAN_CONTENT = re.compile(rb"(?:[^\r\n]*\r\n)*")
_LIMIT = 2**20
_FIELDS = [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"MIME-Version"]
_INLINER = CSSInliner(keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False)
_MAIL = compose(Email(from_="shop@x.example", to=["a@y.example", "b@y.example"], subject="Hi", text="Hello"))


def _guarded(target: Target) -> Target:
    """Let our own errors be an end as good as any, if they can be shown."""

    @wraps(target)
    def guarded(octets: bytes) -> None:
        refusal = _refusal(target, octets)
        if refusal:
            assert refusal.hint, refusal.code
            assert str(refusal).isprintable(), str(refusal)
            assert len(str(refusal)) < LONGEST_ERROR, str(refusal)

    return guarded


def _refusal(target: Target, octets: bytes) -> MailnodeError | None:
    try:
        target(octets)
    except MailnodeError as error:
        return error
    return None


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape" if octets[:1] == b"\xff" else "replace")


def address_list(octets: bytes) -> None:
    """A list of mailboxes and groups reads again as it was read."""
    found = parse_addresses(_text(octets))
    assert parse_addresses(_text(octets)) == found
    assert addresses(found) == found


def header_field(octets: bytes) -> None:
    """A field of one's own is lines of at most 998 octets."""
    name, _, value = _text(octets).partition(":")
    check_own_field_name(name)
    for field in (own_field(name, value), text_field("Subject", value)):
        assert _CLEAN.fullmatch(field), field
        assert field.isascii()


def mime_part(octets: bytes) -> None:
    """A ready-made part goes out clean."""
    email = Email(from_="a@x.example", to="b@y.example", text="x", attachments=[RawPart(content=octets)])
    assert _CLEAN.fullmatch(compose(email).octets())


def raw_head(octets: bytes) -> None:
    """A ready-made part that is the whole mail puts nothing but Content- fields into its header."""
    head = compose(Email(from_="a@x.example", to="b@x.example", attachments=[RawPart(content=octets)])).octets()
    names = re.findall(rb"^([^ \t:]+):", head.partition(b"\r\n\r\n")[0], re.MULTILINE)
    assert [name for name in names if not name.lower().startswith(b"content-")] == _FIELDS


def message_ids(octets: bytes) -> None:
    """The Message-IDs of another mail are IDs when they go out, and the same when they are read again."""
    answered, _, earlier = _text(octets).partition("\x1f")
    thread = threading(answered, earlier)
    assert _CLEAN.fullmatch(thread.fields)
    assert thread.fields.isascii()
    ids = " ".join(line.partition(b": ")[2].decode() for line in thread.fields.splitlines()[-1:])
    assert not threading(ids, "").warnings


def file_field(octets: bytes) -> None:
    """The name of a file stands in lines of ASCII."""
    name = _text(octets)
    for field in (content_type("a/b", [("charset", name)], name), content_disposition("attachment", name)):
        assert _CLEAN.fullmatch(field), field
        assert field.isascii()
        assert not re.search(rb"\r\n[^ ]", field)


def message(octets: bytes) -> None:
    """A mail that is forwarded goes out clean."""
    assert _CLEAN.fullmatch(clean_message(octets))


def content(octets: bytes) -> None:
    """Whatever it is cut into, content ends where it ends."""
    size = octets[0] + 1 if octets else 1
    stuffer = DotStuffer()
    wire = b"".join(stuffer.stuff(octets[at : at + size]) for at in range(1, len(octets), size)) + stuffer.dot
    assert wire.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in (b"\r\n" + wire)[:-1]
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")


def data_url(octets: bytes) -> None:
    """A data URL."""
    text = _text(octets)
    assert len(read_data_url(f"data:{text}", limit=_LIMIT).content) <= len(text.encode(errors="surrogatepass"))


def base64_text(octets: bytes) -> None:
    """A file in Base64."""
    assert len(decode_base64(_text(octets), name="a", limit=_LIMIT)) <= len(octets)


def template(octets: bytes) -> None:
    """A text with expressions is made of its parts again."""
    text = _text(octets)
    assert parse_template(text).source == text


def html(octets: bytes) -> None:
    """HTML with expressions, the images in it, and its text."""
    text = _text(octets)
    made = attach_data_images(text, limit=_LIMIT)
    assert made.files or made.html == text
    assert all(f"cid:{file.cid}" in made.html for file in made.files)
    html_to_text(text)
    HtmlTemplate(text)


def layout(octets: bytes) -> None:
    """A layout, of HTML or MJML: whatever content is put into it stands there as it is; and the text as content."""
    text = _text(octets)
    with suppress(MailnodeError):
        read_layout("around", "<div data-content></div>").around(HtmlTemplate(text))
    read = read_layout("fuzz", text)
    assert "<i>x</i>" in read.around(HtmlTemplate("<i>x</i>")).source


def directives(octets: bytes) -> None:
    """Content with directives taken apart: once each, and without its directives, it is what it was."""
    markup = parse_html(_text(octets))
    blocks = [*markup.blocks]
    for block in blocks:
        blocks += block.blocks
        assert all(block.start <= one.start < one.end <= block.end for one in block.blocks)
    cuts = sorted(cut for block in blocks for cut in block.cuts)
    assert all("data-" in markup.marked[start:end].lower() for start, end in cuts)
    ends, starts = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(markup.marked)]
    bare = "".join(markup.marked[end:start] for end, start in zip(ends, starts, strict=True))
    parts = parts_of(markup)
    assert "".join(_written(parts)) == bare
    program_of(parts, markup.expressions)


def _written(parts: Parts) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, int):
            yield f"\0{part}\0"
        elif isinstance(part, AttributePart):
            yield part.literals[0]
            yield from (f"\0{one}\0{text}" for one, text in zip(part.numbers, part.literals[1:], strict=True))
        else:
            yield from _written(part.parts)


def native_html(octets: bytes) -> None:
    """What is given to the parser in native code is read by it, and its tree is no larger than it was measured."""
    text = octets.decode("utf-8", "replace").replace("\0", "\ufffd")
    if beyond_limits(text):
        return
    size = measure(text)
    made = _INLINER.inline(text)
    assert len(made) <= 6 * size.characters + 100 * size.elements
    if "<script" not in made:  # whose text may hold its own end tag
        levels, elements = tree(made)
        assert (size.levels >= levels, size.elements >= elements) == (True, True), (size, levels, elements)


def style_sheet(octets: bytes) -> None:
    """HTML with a sheet: but for style attributes and rules it leaves as it came."""
    css, _, body = _text(octets).replace("\0", "\ufffd").partition("\x1f")
    html = f"<style>{css}</style>{body}"
    remembered_plan.cache_clear()
    left = inline_style_sheets(html)
    assert all(map(str.isprintable, left.warnings))
    if left.html != html:
        changes(html, left.html)


def style_attributes(octets: bytes) -> None:
    """Whatever HTML it is, its start tags are found and their style attributes filled, and nothing else changes."""
    scan = Scan(_text(octets).replace("\0", "\ufffd"))
    css = "a:\"b\"; c:'<&>'"
    seen = [number for number, tag in enumerate(scan.tags) if not tag.is_apart and tag.name != "style"]
    left = splice(scan, dict.fromkeys(seen, css), [], set())
    again = Scan(left)
    assert [tag[:1] + tag[3:5] for tag in scan.tags] == [tag[:1] + tag[3:5] for tag in again.tags]
    for number in seen:
        before = own_style(scan.html, scan.tags[number]) or ""
        assert own_style(left, again.tags[number]) == together(css, before)
    if not re.search(r"<(?:svg|math)", scan.html, re.IGNORECASE):  # where the proof does not know what is raw text
        changes(scan.html, left)


def file_name(octets: bytes) -> None:
    """A file's name, from a setting and from the web, and what the web says of its type."""
    disposition, _, path = _text(octets).partition("\n")
    assert is_media_type(served_media_type(path) or "a/b")
    name = fetched_filename(disposition, path, served_media_type(path))
    assert name.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f/\\]", name)
    check_filename(disposition)


def media_type(octets: bytes) -> None:
    """A media type."""
    check_media_type(_text(octets))


def flow_yaml(octets: bytes) -> None:
    """A flow in YAML."""
    parse_flow(_text(octets), file="a.flow.yaml")


def flow_json(octets: bytes) -> None:
    """A flow in JSON, given another name."""
    text = _text(octets)
    parse_flow(text, file="a.flow.json", json=True)
    assert parse_flow(renamed(text, "b", json_file=True), file="a.flow.json", json=True).name == "b"


def connection(octets: bytes) -> None:
    """The fields of a connection, as JSON."""
    try:
        given = json.loads(octets)
    except (ValueError, RecursionError):
        return
    if isinstance(given, dict):
        for kind in TYPE_FIELDS:
            check_fields(kind, given)


def reply(octets: bytes) -> None:
    """Replies are the same however they are cut."""
    whole = list(ReplyParser().feed(octets))
    parser = ReplyParser()
    assert [one for octet in octets for one in parser.feed(bytes([octet]))] == whole
    assert all(without_controls(line) == line.strip() for one in whole for line in one.lines)


def ehlo(octets: bytes) -> None:
    """What a server says that it can."""
    extensions = Extensions.parse(_text(octets).split("\n"))
    assert extensions == Extensions.parse(_text(octets).split("\n"))


def sasl(octets: bytes) -> None:
    """A mechanism, chosen by the first octet, and challenges for it."""
    if not octets:
        return
    name = sorted(MECHANISMS)[octets[0] % len(MECHANISMS)]
    exchange = Exchange(name, MECHANISMS[name](_LOGIN))
    exchange.command()
    for challenge in _text(octets[1:]).split("\n"):
        TokenStatus.parse(challenge.encode(errors="replace"))
        exchange.respond(challenge)
    exchange.finish()


def protocol(octets: bytes) -> None:
    """A whole session with a server that says this; the first octet tells how much of it comes at once."""
    size = octets[0] + 1 if octets else 1
    spoken = SmtpProtocol()
    heard: list[str] = []
    spoken.expect("greeting", lambda one: heard.append(one.text))
    transaction = Transaction(_MAIL, _MAIL.envelope.forward_paths, Extensions.parse(["a", "PIPELINING", "SIZE 9"]))
    groups = transaction.groups(pipelining=bool(size % 2))
    for at in range(1, len(octets), size):
        spoken.receive(octets[at : at + size])
        if spoken.pending:
            continue
        if group := next(groups, None):
            spoken.send(*group)
        elif transaction.may_send_content:
            transaction.is_dot_sent = True
            spoken.expect("content", transaction.on_content_reply)
            break
        else:
            break
    if not spoken.pending:
        judged = transaction.verdict()
        assert {one.address for one in judged.recipients} <= set(_MAIL.envelope.forward_paths)


def submission(octets: bytes) -> None:
    """A client of our server says this, at once or in pieces of some size: replies and mails are the same."""
    size = octets[0] + 1 if octets else 1
    known = App("shop") if size % 2 else None
    whole, in_pieces = (_submitted(octets[1:], cut, known) for cut in (len(octets), size))
    assert whole == in_pieces
    replies, mails = whole
    assert all(_CLEAN_CONTENT.fullmatch(mail) for mail in mails)
    assert not mails or known or b"235 " in replies
    parser = ReplyParser()
    list(parser.feed(replies))
    assert not parser.has_partial_reply


def _submitted(octets: bytes, size: int, app: App | None) -> tuple[bytes, list[bytes]]:
    memory = Memory(_LIMIT)
    limits = ProtocolLimits(message_bytes=200, recipients=3, errors=5, idle_commands=5, failed_logins=2)
    spoken = SubmissionProtocol("mail.example", "192.0.2.1", memory, limits, app=app, is_private=True)
    spoken.greet()
    said, mails = b"", list[bytes]()
    event = None
    for at in range(0, len(octets), max(size, 1)):
        if isinstance(event, Close):  # nobody reads on then
            break
        spoken.receive(octets[at : at + max(size, 1)])
        while (event := spoken.next_event()) is not None and not isinstance(event, Close):
            if isinstance(event, Submitted):
                mails.append(event.content)
            refused = Submission(554, "5.7.1", "no\u00fc\n")
            is_asked = isinstance(event, Submitted | Credentials)
            spoken.answer(App("shop") if event == ("shop", "pencil") else refused if is_asked else None)
        said += spoken.take_due()
    spoken.forget_content()
    assert memory.take(_LIMIT)
    return said, mails


def certificate(octets: bytes) -> None:
    """A certificate that nobody has checked."""
    read_certificate(octets)


def proxy(octets: bytes) -> None:
    """A proxy's URL."""
    parse_proxy(_text(octets))


def networks(octets: bytes) -> None:
    """Networks that URLs may lead into."""
    AddressGuard.from_text(_text(octets))


def snapshot(octets: bytes) -> None:
    """The head of a snapshot."""
    read_header(octets)


def safe_mail(octets: bytes) -> None:
    """The HTML of a stranger's mail, made harmless, is harmless already."""
    text = _text(octets)
    safe = safe_html(text, _IMAGES)
    assert len(safe) < 20 * len(text) + MOST_REPEATED_CHARACTERS + 1000
    assert "<script" not in re.sub(r"<style.*?</style>", "", safe, flags=re.DOTALL)  # where it is a sheet's text


def caught_mail(octets: bytes) -> None:
    """A mail that was caught is opened, whatever it is."""
    mail = OpenedMail(octets)
    assert sum(1 for _ in mail.root.walk()) <= MAX_PARTS
    assert all(image.startswith("data:image/") for image in mail.images().values())
    for words in (mail.text, mail.html, *(value for _, value in mail.fields)):
        assert len(words or "") <= len(octets)


def event_card(octets: bytes) -> None:
    """A stranger's calendar has a card that can be shown, or none."""
    if card := read_event(octets):
        shown = json.loads(json.dumps(card.to_json()))
        assert abs(shown["end"]) < _LAST_MS
        assert len(shown["attendees"]) <= MOST_ATTENDEES


_LAST_MS = 253_402_300_800_000  # the year 10000
_IMAGES = {"a": "data:image/gif;base64," + "A" * 4000}

TARGETS: Mapping[str, Target] = {
    target.__name__: _guarded(target)
    for target in (
        *(address_list, header_field, mime_part, message, content, data_url, base64_text, template, html, native_html),
        directives,
        layout,
        file_name,
        *(media_type, flow_yaml, flow_json, connection, reply, ehlo, sasl, protocol, certificate, proxy, networks),
        submission,
        *(
            snapshot,
            safe_mail,
            caught_mail,
            event_card,
            raw_head,
            message_ids,
            file_field,
            style_sheet,
            style_attributes,
        ),
    )
}
