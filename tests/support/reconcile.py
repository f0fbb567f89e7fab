"""Mail held against mail: what the database says became of each recipient, and what the servers know."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Executable, select

from mailnode.delivery.delivery import FINAL_STATES, RESENT_AFTER_UNKNOWN
from mailnode.store.database import Database
from mailnode.store.tables import attempts, deliveries, delivery_content, delivery_recipients
from support.server_records import ServerBook

# What may end a mail though no server has refused it.
WORDLESS = {"connectFailed", "sessionLost", "timeout", "unknownOutcome"}
_WORD = re.compile(r"\bno\d+-\d+\b")


async def reckon(database: Database, books: Iterable[ServerBook]) -> dict[str, Any]:
    """Compare the two, and tell what was found; `lost`, `copies unexplained` and `untrue` are what must be none.

    A recipient may have one copy more for each time that a session was over before the answer to content for them, and
    the database has to know of the doubt. An error is true when the server said these very words of that recipient.
    """
    copies: Counter[str] = Counter()
    in_doubt: Counter[str] = Counter()
    told: dict[str, frozenset[str]] = {}
    for book in books:
        copies += book.copies
        in_doubt += book.in_doubt
        told |= book.told
    mails = {row.id: row for row in await _all(database, select(deliveries))}
    recipients = await _all(database, select(delivery_recipients))
    unknown = select(attempts.c.delivery_id).where(attempts.c.code == "unknownOutcome")
    doubts = Counter(row.delivery_id for row in await _all(database, unknown))
    kept = {row.delivery_id for row in await _all(database, select(delivery_content.c.delivery_id))}
    states = Counter(row.state for row in mails.values())
    assert set(states) <= FINAL_STATES
    assert all(row.worker is None for row in mails.values())
    assert {mails[one].state for one in kept} <= {"failed", "unknown", "partial"}
    assert set(copies) <= {row.address for row in recipients}
    twice = [row for row in recipients if copies[row.address] > 1]
    return {
        "outcomes": dict(states),
        "recipients": len(recipients),
        "lost": [row.address for row in recipients if row.status == "accepted" and not copies[row.address]],
        "copies explained": sum(copies[row.address] - 1 for row in twice),
        "copies unexplained": [row.address for row in recipients if not _is_explained(row, copies, in_doubt, doubts)],
        "copies unsaid": [row.address for row in twice if not _says_so(mails[row.delivery_id])],
        "attempts in doubt": doubts.total(),
        "untrue": [row.result for row in mails.values() if row.state == "failed" and not _is_true(row.result, told)],
    }


async def _all(database: Database, query: Executable) -> list[Any]:
    return list(await database.read(lambda db: db.execute(query).all()))


def _is_explained(row: Any, copies: Counter[str], in_doubt: Counter[str], doubts: Counter[str]) -> bool:
    # Whoever is in doubt may have any number of copies up to that of the doubts; who is refused has none.
    own = int(row.status == "accepted")
    return copies[row.address] <= own + min(in_doubt[row.address], doubts[row.delivery_id])


def _says_so(mail: Any) -> bool:
    return mail.state == "unknown" or RESENT_AFTER_UNKNOWN in json.loads(mail.result)["warnings"]


def _is_true(result: str, told: dict[str, frozenset[str]]) -> bool:
    report = json.loads(result)
    error = report["error"]
    addresses = {recipient["address"] for recipient in report["recipients"]}
    if error["replyCode"] is None:
        return error["code"] in WORDLESS
    words = _WORD.findall(error["message"])
    refused = [one for one in report["recipients"] if one["status"] in {"refused", "deferred"}]
    return (
        bool(words)
        and all(not told[word] or told[word] & addresses for word in words)
        and all(_was_told(one["replyText"], one["address"], told) for one in refused)
    )


def _was_told(text: str, address: str, told: dict[str, frozenset[str]]) -> bool:
    words = _WORD.findall(text)
    return bool(words) and all(not told[word] or address in told[word] for word in words)
