"""What a face said, held against what is stored: once, again, and of what failed."""

import dkim

from matrix.expected import exit_status, expected, halts, login, reverse_path
from matrix.scenario import REDIRECTED_TO, Scenario, public_key
from matrix.stage import Json, Ran


def check_what_was_said(scenario: Scenario, ran: Ran) -> None:
    """Hold what the face said, of the run and of the same run again, and its exit status."""
    case = scenario.case
    status = expected(scenario, scenario.tags()[0]).status
    assert set(ran.statuses) <= {exit_status(case, status)}, "exit status"
    if case.face == "inputs":
        _check_summaries(scenario, ran, status)
        return
    if case.face == "submission":
        _check_handed_in(scenario, ran, status)
        return
    if case.face == "enqueue":
        ((tag, said),) = ran.said.items()
        assert {key: said[key] for key in ran.stored[tag]} == ran.stored[tag]
        assert ran.again[tag]["isThere"] is False, "what was rolled back is there"
        return
    if case.face == "send":
        _check_results(scenario, ran)
        return
    (tag,) = scenario.tags()
    stored, said, again = ran.stored[tag], ran.said[tag], ran.again[tag]
    told = ("status", "input", "context", "output", "nodes")
    assert {key: said[key] for key in told} == {key: stored[key] for key in told}, (
        "what the face said is not what is stored"
    )
    assert again["duplicate"] is True, "the same run id is not told as a repeat"
    assert {key: again[key] for key in told} == {key: stored[key] for key in told}
    if ran.other and status in {"sent", "partial", "held"}:
        result = result_of(ran.other)
        assert (result.get("duplicate"), result["deliveryId"]) == (True, result_of(stored)["deliveryId"])


def _check_handed_in(scenario: Scenario, ran: Ran, status: str) -> None:
    """Whom it has not reached gets it when it is handed in again; the app is told of each failure."""
    case = scenario.case
    ((tag, said),) = ran.said.items()
    again, stored = ran.again[tag], ran.stored[tag]
    assert {key: said[key] for key in stored} == stored
    is_missing_nobody = status == "sent"
    assert again["duplicate"] is is_missing_nobody
    assert (again["deliveryId"] == stored["deliveryId"]) is is_missing_nobody
    ids = [] if is_missing_nobody else [stored["deliveryId"], again["deliveryId"]]
    assert len(ran.reports) == len(ids), "a failure is reported once"
    refused = "badCertificate" if case.server == "impostor" else None
    refused = "recipientNotAllowed" if case.login_extra == "allowedRecipients" else refused
    for report in ran.reports:
        result = report["result"]
        assert (result["error"] or {}).get("code") == refused
        assert report["state"] == ("failed" if refused else "sent")
    arrived = [one for one in scenario.world.books.reports for id_ in ids if f"Delivery: {id_}".encode() in one.content]
    assert len(arrived) == (0 if refused else len(ids))
    for one in arrived:
        assert (one.address, one.way, one.login) == (scenario.address, case.proxy, login(scenario))
        to = REDIRECTED_TO if case.login_extra == "redirectAllTo" else reverse_path(scenario, tag)
        assert one.rcpt_tos == (to,)
        if case.login_extra == "dkim":
            assert is_signed(one.content), "a report is signed as all email of the connection is"


def is_signed(octets: bytes) -> bool:
    """Whether the key of this run has signed it, as another library verifies it."""
    record = f"v=DKIM1; k=rsa; p={public_key()}".encode()
    return bool(dkim.verify(octets, dnsfunc=lambda *_args, **_options: record))


def _check_results(scenario: Scenario, ran: Ran) -> None:
    (tag,) = scenario.tags()
    stored, said, again = ran.stored[tag], ran.said[tag], ran.again[tag]
    assert {key: said[key] for key in stored} == stored, "what the program was told is not what is stored"
    if stored["status"] == "failed":
        assert again["deliveryId"] != stored["deliveryId"], "the key of one that failed is free"
        assert (again["status"], again["error"]["code"]) == ("failed", stored["error"]["code"])
        return
    assert again["duplicate"] is True, "the same key is not told as a repeat"
    assert {key: again[key] for key in stored} == stored


def _check_summaries(scenario: Scenario, ran: Ran, status: str) -> None:
    rows = scenario.row_count
    tag = scenario.tags()[0]
    first, second = ran.said[tag], ran.again[tag]
    assert (first["rows"], first["left"], first["doneBefore"]) == (rows, 0, 0)
    assert first["mails"] == {status: rows}
    assert first["halted"] == (rows if halts(scenario.case, status) else 0)
    assert (second["doneBefore"], second["mails"]) == (rows, {status: rows})


def result_of(run: Json) -> Json:
    """Give the result of a run's mail."""
    result: Json = run["nodes"][0]["result"]
    return result
