"""What came of a run and of its emails, in the words that a person wants to read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailnode.delivery.delivery import label
from mailnode.web.sentence import capital, sentence

_MOST_NAMED = 3
# Statuses of emails by how much they want a person's eye, with the look of the run's badge.
_LOOKS = {
    "failed": "failed",
    "unknown": "warning",
    "held": "warning",
    "partial": "warning",
    "cancelled": "warning",
    "queued": "queued",
}
_IN_WORDS = {"unknown": "with unknown outcome", "partial": "sent to some recipients only"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement in words; `look` is the class of the badge or notice that shows it."""

    look: str
    words: str
    lines: tuple[str, ...] = ()


def run_verdict(status: str, mails: Sequence[str]) -> Verdict:
    """Judge a run by its own status and by that of its emails: "Done, 1 email failed" is no success."""
    worst = [name for name in _LOOKS if name in mails]
    words = capital(label(status))
    if not worst:
        return Verdict(status, words)
    told = [f"{_count(mails.count(name))} {_IN_WORDS.get(name, label(name))}" for name in worst]
    return Verdict(_LOOKS[worst[0]] if status == "done" else status, f"{words}, {', '.join(told)}")


def mail_verdict(result: Mapping[str, Any]) -> Verdict | None:
    """Say who accepted an email, or that it waits; None for one that only its error explains."""
    status, host = result.get("status"), _text(result.get("host")) or "the server"
    recipients = [one for one in _list(result.get("recipients")) if isinstance(one, Mapping)]
    accepted = [address for one in _list(result.get("accepted")) if (address := _text(one))]
    refused = tuple(_refusal(one) for one in recipients if one.get("status") in {"refused", "deferred"})
    if status == "sent":
        response = _text(result.get("response"))
        said = (f"The server replied: {response}",) if response else ()
        if result.get("duplicate"):
            words = f"An earlier run sent this email to {_names(accepted)}: it has the same idempotency key."
            return Verdict("good", f"{words} It was not sent again.")
        return Verdict("good", f"Accepted by {host} for {_names(accepted)}.", said)
    if status == "partial":
        return Verdict("warn", f"Accepted by {host} for {_names(accepted)} only.", refused)
    if status == "queued":
        words = f"The email for {_names(_text(one.get('address')) for one in recipients)} is in the queue."
        return Verdict("", words, ("It is sent in the background, and what comes of it is shown here.",))
    return Verdict("bad", "No recipient was accepted.", refused) if len(refused) > 1 else None


def _refusal(recipient: Mapping[str, Any]) -> str:
    code, text = recipient.get("replyCode"), _text(recipient.get("replyText"))
    said = " ".join(str(one) for one in (code, recipient.get("enhancedStatusCode"), text) if one)
    how = "not yet accepted" if recipient.get("status") == "deferred" else "refused"
    return sentence(f"{_text(recipient.get('address'))} was {how}{f': {said}' if said else ''}")


def _count(number: int) -> str:
    return "1 email" if number == 1 else f"{number} emails"


def _names(addresses: Iterable[str]) -> str:
    """Name people as a sentence does: `a, b and 3 more`."""
    given = [one for one in addresses if one]
    if not given:
        return "its recipients"
    shown, more = given[:_MOST_NAMED], len(given) - _MOST_NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
