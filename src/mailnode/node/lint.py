"""Warnings for the author of an email; none of them keeps it from being sent."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from mailnode.connections.values import recipient_key
from mailnode.errors import MailboxError
from mailnode.message.email import Attachment, Email, RawPart
from mailnode.message.mailbox import Mailbox, mailboxes, parse_mailbox
from mailnode.message.tree import Part
from mailnode.node.decoding import is_data_url
from mailnode.node.markup import LocatedTag, find_tags
from mailnode.printable import escaped, quoted, shortened

HUGE_IMAGE_BYTES = 2**20
_MANY_RECIPIENTS = 10
_TYPOGRAPHIC = ("\u2018", "\u2019", "\u201c", "\u201d", "\u201e")
_CLIPPED_BYTES = 102 * 1024
_MOST_BYTES_A_CHARACTER = 4
_FOREIGN_TAG = re.compile(r"\{%[^{}%]{1,200}%\}|\*\|[A-Z0-9_:]{1,60}\|\*")
_KNOWN = dict.fromkeys(("subject", "textContent"), "it only knows {{ }}") | {
    "content": "write {{ }}, data-each and data-if"
}
_BLANK_LINE = re.compile(r"\S[ \t]*\r?\n[ \t]*\r?\n\s*\S")
_BLOCK = re.compile(
    r"<(?:p|br|div|table|ul|ol|li|h[1-6]|pre|hr|blockquote|section|article|center|body|style)\b", re.IGNORECASE
)
_ADDRESS_AS_TAG = re.compile(r"<[A-Za-z][\w.+-]*@[\w.-]+>")
_SEARCHED_BYTES = 2**16
_INVITES = re.compile(rb"^METHOD:(?:REQUEST|CANCEL|ADD|COUNTER)\b", re.IGNORECASE | re.MULTILINE)


def advise(
    email: Email, root: Part, login: str, *, keeps_data_images: bool = True, skeleton: str | None = None
) -> tuple[str, ...]:
    """Give warnings about an email that is sent with `login`, a username or ""; `root` is its message's outermost part.

    Without `keeps_data_images`, the data: images that are left have had their warning. `skeleton` is HTML with the same
    links and images, the same text for many emails.
    """
    findings = _HtmlFindings(email.html or "") if skeleton is None else _findings_of(skeleton)
    return tuple(_warnings(email, root, login, findings, keeps_data_images=keeps_data_images))


def _warnings(
    email: Email, root: Part, login: str, findings: "_HtmlFindings", *, keeps_data_images: bool
) -> Iterator[str]:
    if not email.subject.strip():
        yield "the subject is empty"
    if not _has_text(email, root):
        yield "there is no text: mail programs without HTML, and spam filters, see an empty email"
    yield from _as_text(email)
    yield from _html(email.html or "", findings, data_images=findings.data_images if keeps_data_images else 0)
    if email.attachments or findings.cids:
        yield from _files(email, root, findings.cids)
    count = len([*mailboxes(email.to), *mailboxes(email.cc), *mailboxes(email.bcc)])
    if count > _MANY_RECIPIENTS and not email.list_unsubscribe:
        yield "many recipients, but no way to unsubscribe: large providers require List-Unsubscribe (listUnsubscribe)"
    yield from _domains(email, login)


def _has_text(email: Email, root: Part) -> bool:
    if email.text is not None:
        return bool(email.text.strip())
    while root.parts:
        root = root.parts[0]
    return root.media_type == "text/plain" and not root.disposition and root.size > len("\r\n")


def _as_text(email: Email) -> Iterator[str]:
    """Warn of what mail programs will not show as its author means it."""
    html = email.html or ""
    for key, text in (("subject", email.subject), ("content", html), ("textContent", email.text or "")):
        if ("{%" in text or "*|" in text) and (tag := _FOREIGN_TAG.search(text)):
            yield f"{key} contains {_one_line(tag[0])}, which mailnode does not fill in: {_KNOWN[key]}"
    if not _BLOCK.search(html) and _BLANK_LINE.search(html):
        yield "content has tags, but no <p> and no <br>: its lines are shown as one"
    if "@" in html and (address := _ADDRESS_AS_TAG.search(html)):
        wrong, text = shortened(address[0]), shortened(address[0][1:-1])
        yield f"{wrong} in content is read as an HTML tag, and not shown: write &lt;{text}&gt;"


def _html(html: str, findings: "_HtmlFindings", *, data_images: int) -> Iterator[str]:
    if findings.without_alt:
        yield f"{_count(findings.without_alt, 'image')} without alt text: readers who see no images miss it"
    yield from findings.broken
    if data_images:
        what = _count(data_images, "image")
        yield f"{what} in the HTML itself (data:), which Gmail and Outlook do not show: set dataImages to attach"
    size = len(html.encode(errors="replace")) if len(html) > _CLIPPED_BYTES // _MOST_BYTES_A_CHARACTER else 0
    if size > _CLIPPED_BYTES:
        shown = _CLIPPED_BYTES // 1024
        yield f"the content has {size // 1024} kB: Gmail shows only its first {shown} kB, so shorten it"


def _files(email: Email, root: Part, shown: set[str]) -> Iterator[str]:
    yield from _huge_images(email)
    yield from _cids(email, root, shown)
    if (calendars := _calendars(root)) and any(_asks_for_answers(attachment) for attachment in email.attachments):
        name = _one_line(calendars[0].filename) or "the calendar"
        yield f"{name} is only an attached file: mail programs may not offer to accept it: set `invitation`"


def _cids(email: Email, root: Part, shown: set[str]) -> Iterator[str]:
    """Warn of images without a file, and of files with a cid that the HTML does not use."""
    given = Counter(attachment.cid for attachment in email.attachments if attachment.cid)
    inline = {part.cid for part, above in _leaves(root) if above == "multipart/related"}
    missing = sorted(shown - given.keys() - inline)
    reported = {cid.lower() for cid in missing}
    others = {cid.lower(): cid for cid in given}
    for cid in missing:
        other = others.get(cid.lower())
        remedy = f": write cid:{other}, case matters" if other else ""
        yield f"the image cid:{_one_line(cid)} has no attachment with this cid{remedy}"
    for cid, count in given.items():
        if count > 1:
            yield f"{count} attachments have the cid {cid}: mail programs show only one of them, so give each its own"
        if cid not in inline and cid.lower() not in reported:
            yield f'nothing in the content refers to cid:{cid}, so it is attached: show it with <img src="cid:{cid}">'


def _calendars(root: Part) -> list[Part]:
    """Give the calendars that are attached files, unless one is an alternative of the text (RFC 6047)."""
    found = [(part, above) for part, above in _leaves(root) if part.media_type.lower() == "text/calendar"]
    is_invitation = any(above == "multipart/alternative" for _, above in found)
    return [] if is_invitation else [part for part, _ in found]


def _asks_for_answers(attachment: Attachment | RawPart) -> bool:
    content = attachment.content
    if not isinstance(content, bytes | str):
        content.seek(0)
        content = content.read(_SEARCHED_BYTES)
    data = content.encode(errors="replace") if isinstance(content, str) else content
    return bool(_INVITES.search(data, 0, _SEARCHED_BYTES))


def _leaves(part: Part, above: str = "") -> Iterator[tuple[Part, str]]:
    """The parts that hold no others, each with the type of the one that it stands in; an attached mail is a file."""
    if not part.parts or part.media_type.startswith("message/"):
        yield part, above
        return
    for inner in part.parts:
        yield from _leaves(inner, part.media_type)


def _huge_images(email: Email) -> Iterator[str]:
    for attachment in email.attachments:
        if isinstance(attachment, Attachment) and attachment.cid and not isinstance(attachment.content, str):
            size = _size(attachment)
            if size > HUGE_IMAGE_BYTES:
                name = attachment.filename or attachment.cid
                yield f"the image {_one_line(name)} has {size / 2**20:.1f} MB: make it smaller for phones"


def _size(attachment: Attachment) -> int:
    content = attachment.content
    if isinstance(content, bytes | str):
        return len(content)
    return content.seek(0, 2)


def _domains(email: Email, login: str) -> Iterator[str]:
    if "@" not in login:
        return
    try:
        sender = email.from_ if isinstance(email.from_, Mailbox) else parse_mailbox(email.from_)
    except MailboxError:
        return
    mine, theirs = recipient_key(sender.addr_spec)[1], recipient_key(login)[1]
    if mine != theirs:
        yield f"From is at {mine}, but the login at {theirs}: many servers refuse that, and it may count as spam"


def _one_line(words: str) -> str:
    return escaped(shortened(words))


def _count(number: int, what: str) -> str:
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"


class _HtmlFindings:
    """What HTML contains that mail programs show badly or not at all."""

    def __init__(self, html: str) -> None:
        self.without_alt = self.data_images = 0
        self.cids: set[str] = set()
        self.broken: list[str] = []
        for tag in find_tags(html, "img", "a"):
            if tag.name == "img":
                self._image(tag)
            elif "href" in tag and (why := _broken(href := tag.value("href"))):
                self.broken.append(f"the link {quoted(href)} {why}")

    def _image(self, tag: LocatedTag) -> None:
        self.without_alt += "alt" not in tag
        source = tag.value("src").strip()
        if source[:4].lower() == "cid:":
            self.cids.add(unquote(source[4:]))
        elif is_data_url(source):
            self.data_images += 1
        elif not source:
            self.broken.append("an image has no source")


@lru_cache(maxsize=32)
def _findings_of(skeleton: str) -> _HtmlFindings:
    return _HtmlFindings(skeleton)


def _broken(href: str) -> str:
    try:
        url = urlsplit(href.strip())
    except ValueError:
        return "is not a valid URL"
    if href.strip()[:1] in _TYPOGRAPHIC:
        return 'is in typographic quotes, which become a part of it: use straight ones, "like this"'
    if not href.strip() or href.strip() == "#":
        return "leads nowhere"
    if url.scheme in {"http", "https"}:
        return "" if url.hostname and " " not in href.strip() else "is not a valid URL"
    if url.scheme in {"mailto", "tel"}:
        return "" if url.path else "leads nowhere"
    return "" if url.scheme or href.startswith("#") else "needs the whole URL, with https://"
