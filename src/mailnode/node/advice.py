"""What the author of a mail should think about: nothing here keeps it from being sent."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

from mailnode.connections.place import recipient_key
from mailnode.errors import MailboxError
from mailnode.message.email import Attachment, Email
from mailnode.message.mailbox import Mailbox, mailboxes, parse_mailbox
from mailnode.message.text import html_to_text

HUGE_IMAGE_OCTETS = 2**20
_MANY_RECIPIENTS = 10


def advise(email: Email, login: str) -> tuple[str, ...]:
    """Give remarks on a mail that `login`, the account's name or "", is to send."""
    return tuple(_remarks(email, login))


def _remarks(email: Email, login: str) -> Iterator[str]:
    looked = _Look()
    looked.feed(email.html or "")
    text = email.text if email.text is not None else html_to_text(email.html or "")
    if not email.subject.strip():
        yield "the subject is empty"
    if not text.strip():
        yield "there is no text: readers without HTML, and spam filters, see an empty mail"
    if looked.without_alt:
        yield f"{_count(looked.without_alt, 'image')} without alt: readers who see no images miss what it says"
    yield from looked.broken
    yield from _huge_images(email)
    cids = {attachment.cid for attachment in email.attachments if attachment.cid}
    for cid in sorted(looked.cids - cids):
        yield f"the image cid:{cid} has no attachment with this cid"
    count = len([*mailboxes(email.to), *mailboxes(email.cc), *mailboxes(email.bcc)])
    if count > _MANY_RECIPIENTS and not email.list_unsubscribe:
        yield "many recipients and no way to unsubscribe: large providers want List-Unsubscribe (listUnsubscribe)"
    yield from _domains(email, login)


def _huge_images(email: Email) -> Iterator[str]:
    for attachment in email.attachments:
        if isinstance(attachment, Attachment) and attachment.cid and not isinstance(attachment.content, str):
            size = _size(attachment)
            if size > HUGE_IMAGE_OCTETS:
                name = attachment.filename or attachment.cid
                yield f"the image {name} has {size / 2**20:.1f} MB: make it smaller, phones load it each time"


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
        yield f"From is at {mine}, and the login at {theirs}: many servers refuse that, or receivers take it for spam"


def _count(number: int, what: str) -> str:
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"


class _Look(HTMLParser):
    """What stands in the HTML that a reader may stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.without_alt = 0
        self.cids: set[str] = set()
        self.broken: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = dict(attrs)
        if tag == "img":
            self.without_alt += "alt" not in given
            source = (given.get("src") or "").strip()
            if source.lower().startswith("cid:"):
                self.cids.add(source[4:])
            elif not source:
                self.broken.append("an image has no source")
        elif tag == "a" and "href" in given and (why := _broken(given["href"] or "")):
            self.broken.append(f"the link {given['href']!r:.80} {why}")


def _broken(href: str) -> str:
    try:
        url = urlsplit(href.strip())
    except ValueError:
        return "is no address"
    if not href.strip() or href.strip() == "#":
        return "leads nowhere"
    if url.scheme in {"http", "https"}:
        return "" if url.hostname and " " not in href.strip() else "is no address"
    if url.scheme in {"mailto", "tel"}:
        return "" if url.path else "leads nowhere"
    return "" if url.scheme or href.startswith("#") else "needs its whole address, with https://"
