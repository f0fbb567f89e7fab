"""The two halves of an address (RFC 5322 3.4.1, RFC 6531), each brought into the one form it has on the wire."""

import ipaddress
import re
from functools import lru_cache

from mailnode.errors import MailboxError
from mailnode.printable import quoted, quoted_ascii

# RFC 5321 4.5.3.1.1 says 64; reply addresses of GitHub and Asana are longer, and are taken. A whole path has 256.
MAX_LOCAL_PART_BYTES = 254
MAX_DOMAIN_OCTETS = 255  # RFC 5321 4.5.3.1.2

_ATEXT = r'[^\s"(),.:;<>@\[\\\]]'
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LDH = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
# Numbers with dots are an IP address, and no top-level domain is a number (RFC 3696 2).
_NUMBERED = re.compile(r"(?:.*\.)?[0-9]+")
# No zone index: it is another machine's.
_LITERAL = re.compile(r"\[\s*(ipv6:)?([0-9a-f:.]{1,64})\s*\]", re.IGNORECASE | re.ASCII)
# Printable to Python and seen by nobody: joiners, fillers and variation selectors. UTS-46 drops them from a domain, and
# a local part with one is another mailbox than the one it looks like.
_UNSEEN = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_DOMAIN_HINT = "write a domain like example.org after the @"


def local_part(text: str) -> str:
    """Give what stands before the @: without quotes where it does without, else with as few escapes as can be.

    Raises:
        MailboxError: it is neither a dot-atom nor a quoted string, is too long, or holds what can't be seen.
    """
    _check_seen(text, "before the @")
    if quoted_string := _QUOTED_STRING.fullmatch(text):
        bare = re.sub(r"\\(.)", r"\1", quoted_string[1])
        text = bare if _DOT_ATOM.fullmatch(bare) else '"' + re.sub(r'(["\\])', r"\\\1", bare) + '"'
    elif not _DOT_ATOM.fullmatch(text):
        raise MailboxError(
            f"{quoted(text)} can't stand before the @", hint='put an unusual one in double quotes: "a..b"@example.org'
        )
    if len(text.encode()) > MAX_LOCAL_PART_BYTES:
        raise MailboxError(
            f"{quoted(text)} before the @ is longer than {MAX_LOCAL_PART_BYTES} bytes",
            hint="check the address: no server takes a longer one",
        )
    # Some readers decode encoded-words even here, where RFC 2047 5 forbids them, and find another address.
    if "=?" in text:
        raise MailboxError(f"an encoded-word stands before the @ in {quoted(text)}", hint="write the address decoded")
    return text


@lru_cache(maxsize=1024)
def domain(text: str, *, is_ascii: bool) -> str:
    """Give a domain in A-labels, or in U-labels if the local part beside it is not ASCII (RFC 6531 3.2).

    An address literal is given in its shortest form.

    Raises:
        MailboxError: it is neither a domain nor an address literal.
    """
    if text.startswith("["):
        return _literal(text)
    name = a_labels(text)
    if _NUMBERED.fullmatch(name):
        raise MailboxError(f"{quoted(text)} is no domain", hint="write an IP address in brackets: jane@[192.0.2.1]")
    return name if is_ascii or "xn--" not in name else _u_labels(name)


def a_labels(text: str) -> str:
    """Give a domain in A-labels (UTS-46, never transitional) and lower case; an address literal is what it is.

    Raises:
        MailboxError: it is no domain.
    """
    if text.startswith("["):
        return text
    name = text.lower()
    if len(text) <= MAX_DOMAIN_OCTETS and (not text.isascii() or "xn--" in name):
        name = _uts46(text)
    if len(name) > MAX_DOMAIN_OCTETS or not _LDH.fullmatch(name):
        raise MailboxError(f"{quoted(text)} is no domain", hint=_DOMAIN_HINT)
    return name


def _uts46(text: str) -> str:
    import idna

    _check_seen(text, "behind the @")
    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise MailboxError(f"{quoted(text)} is no domain", hint=_DOMAIN_HINT) from None


def _u_labels(text: str) -> str:
    import idna

    return idna.decode(text)


def _check_seen(text: str, place: str) -> None:
    if not text.isprintable() or (not text.isascii() and _UNSEEN.search(text)):
        raise MailboxError(
            f"an invisible character stands {place} in {quoted_ascii(text)}", hint="type the address again"
        )


def _literal(text: str) -> str:
    found = _LITERAL.fullmatch(text)
    try:
        if found and found[1]:
            return f"[IPv6:{ipaddress.IPv6Address(found[2]).compressed}]"
        return f"[{ipaddress.IPv4Address(found[2] if found else '')}]"
    except ValueError:
        raise MailboxError(
            f"{quoted(text)} is no address literal", hint="write [192.0.2.1] or [IPv6:2001:db8::1]"
        ) from None
