"""What proxies say of who has asked: `Forwarded` (RFC 7239) and the X-Forwarded- fields, as far as they are trusted."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from mailnode.network_address import plain_address

_PAIR = re.compile(
    r"\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<word>[^\s\";,]*))\s*"
)
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\w+)?|(?P<v4>[0-9.]+):\w+")
FIELDS = ("forwarded", "x-forwarded-for", "x-forwarded-host")


class Forwarded(NamedTuple):
    """Who has asked, and by which name of this server; "" is what no proxy says."""

    client: str = ""
    host: str = ""


class TwoSendersError(ValueError):
    """Two fields name two senders: one of them may be the sender's own invention."""


def forwarded(headers: Iterable[tuple[bytes, bytes]], is_trusted: Callable[[str], bool]) -> Forwarded:
    """Read what a trusted proxy has added: its sender is the last one in the list that is no trusted proxy itself.

    Raises:
        TwoSendersError: `Forwarded` names another one than `X-Forwarded-For`.
    """
    said = dict.fromkeys(FIELDS, "")
    for name, value in headers:
        if (known := name.decode("latin-1")) in said:
            said[known] += ("," if said[known] else "") + value.decode("latin-1")
    elements = list(_elements(said["forwarded"]))
    standard = _sender([element.get("for", "") for element in elements], is_trusted)
    usual = _sender(said["x-forwarded-for"].split(",") if said["x-forwarded-for"] else [], is_trusted)
    if standard and usual and standard != usual:
        raise TwoSendersError
    host = elements[-1].get("host", "") if elements else ""
    return Forwarded(standard or usual, host or said["x-forwarded-host"].rpartition(",")[2].strip())


def _sender(chain: list[str], is_trusted: Callable[[str], bool]) -> str:
    sender = ""
    for hop in reversed(chain):
        # It may also be `unknown`, or a name that hides who it is.
        sender = plain_address(_without_port(hop.strip()))
        if not is_trusted(sender):
            break
    return sender


def _without_port(hop: str) -> str:
    found = _WITH_PORT.fullmatch(hop)
    return (found["v6"] or found["v4"] or "") if found else hop


def _elements(field: str) -> Iterator[Mapping[str, str]]:
    """Give the pairs of each element; what is no pair ends the reading, as nothing behind it can be told apart."""
    element: dict[str, str] = {}
    at = 0
    while found := _PAIR.match(field, at):
        quoted = found["quoted"]
        value = found["word"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        element[found["name"].lower()] = value or ""
        at = found.end()
        separator = field[at : at + 1]
        if separator == ",":
            yield element
            element = {}
        elif separator != ";":
            break
        at += 1
    if element:
        yield element
