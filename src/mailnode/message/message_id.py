"""Message-IDs (RFC 5322 3.6.4): our own, and those of other emails, which may be invalid."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailnode.errors import HeaderError
from mailnode.message.header import LONGEST_TOKEN, check_characters, folded
from mailnode.printable import quoted, quoted_ascii

# Whatever stands in angle brackets is one ID, blanks and all; what has none ends at a blank or a comma.
_ONE = re.compile(r"<++[^<>]*+>++|<*+[^\s,<]++|<++")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_ID = re.compile(r"[!-;=?A-~]+@[!-;=?A-~]+")
_MOST_IDS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Thread:
    """The header fields of a reply, b"" for none; `warnings` name the invalid IDs that were left out."""

    fields: bytes = b""
    warnings: tuple[str, ...] = ()


_NO_THREAD = Thread()


def own_message_id(text: str) -> str:
    """Read the Message-ID of a mail of our own; angle brackets that are missing are added.

    Raises:
        HeaderError: it is not exactly one Message-ID.
    """
    ids, broken = _read("Message-ID", text)
    if broken or len(ids) != 1:
        raise HeaderError(
            f"{quoted(text)} is not a Message-ID" if broken else "an email has one Message-ID",
            hint="write one like <left@right>, or leave it out",
        )
    return ids[0]


def threading(in_reply_to: str | Sequence[str], references: str | Sequence[str]) -> Thread:
    """Write In-Reply-To and References, which ends with the IDs answered; invalid IDs are left out.

    Each is Message-IDs separated by white space or commas, folded or not; angle brackets that are missing are added.

    Raises:
        HeaderError: a control character stands in one; its `key` says in which.
    """
    if not in_reply_to and not references:
        return _NO_THREAD
    answered, broken = _located("inReplyTo", in_reply_to)
    earlier, more_broken = _located("references", references)
    fields = folded("In-Reply-To", answered) if answered else b""
    if listed := list(dict.fromkeys((*earlier, *answered))):
        fields += folded("References", listed)
    warnings = [*_warning("inReplyTo", broken), *_warning("references", more_broken)]
    return Thread(fields, tuple(warnings))


def _located(key: str, given: str | Sequence[str]) -> tuple[list[str], list[str]]:
    try:
        return _read(key, given)
    except HeaderError as error:
        raise error.locate(key=key) from None


def _read(name: str, given: str | Sequence[str]) -> tuple[list[str], list[str]]:
    """Give the IDs in their brackets, and what is invalid."""
    text = _FOLD.sub("", given if isinstance(given, str) else " ".join(given)).strip(" \t\r\n")
    check_characters(name, text)
    ids, broken = list[str](), list[str]()
    for one in _ONE.findall(text):
        bare = one.strip("<>")
        if len(bare) <= LONGEST_TOKEN and _ID.fullmatch(bare):
            ids.append(f"<{bare}>")
        elif one not in {"<", ">"}:
            broken.append(one)
    return ids, broken


def _warning(key: str, broken: Sequence[str]) -> Sequence[str]:
    if not broken:
        return ()
    shown = ", ".join(quoted_ascii(one) for one in broken[:_MOST_IDS_SHOWN])
    if len(broken) == 1:
        return (f"{key}: {shown} is not a valid Message-ID and was left out",)
    more = f" and {len(broken) - _MOST_IDS_SHOWN} more" if len(broken) > _MOST_IDS_SHOWN else ""
    return (f"{key}: {shown}{more} are not valid Message-IDs and were left out",)
