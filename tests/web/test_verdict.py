"""The words for what came of runs and emails."""

import pytest

from mailnode.web.verdict import mail_verdict, run_verdict

NO_USER = {"address": "b@x.org", "status": "refused", "replyCode": 550, "replyText": "no such user"}
LATER = {"address": "c@x.org", "status": "deferred", "replyCode": 450, "enhancedStatusCode": "4.2.1"}


@pytest.mark.parametrize(
    ("status", "mails", "look", "words"),
    [
        ("done", [], "done", "Done"),
        ("done", ["sent", "sent"], "done", "Done"),
        ("done", ["sent", "failed"], "failed", "Done, 1 email failed"),
        ("done", ["queued", "queued"], "queued", "Done, 2 emails queued"),
        ("done", ["queued", "failed", "held"], "failed", "Done, 1 email failed, 1 email held, 1 email queued"),
        ("done", ["partial"], "warning", "Done, 1 email sent to some recipients only"),
        ("done", ["unknown"], "warning", "Done, 1 email with unknown outcome"),
        ("done", ["a newer version's"], "done", "Done"),
        ("halted", ["failed"], "halted", "Halted, 1 email failed"),
        ("running", [], "running", "Running"),
    ],
)
def test_a_run_is_no_success_when_an_email_of_it_failed(status, mails, look, words):
    verdict = run_verdict(status, mails)
    assert (verdict.look, verdict.words) == (look, words)


@pytest.mark.parametrize(
    ("result", "look", "said"),
    [
        (
            {"status": "sent", "host": "mx.org", "accepted": ["a@x.org"], "response": "250 2.0.0 queued as 17"},
            "good",
            ["Accepted by mx.org for a@x.org.", "The server replied: 250 2.0.0 queued as 17"],
        ),
        (
            {"status": "sent", "accepted": list("abcde")},
            "good",
            ["Accepted by the server for a, b, c and 2 more."],
        ),
        (
            {"status": "sent", "accepted": ["a", "b"], "duplicate": True},
            "good",
            ["An earlier run sent this email to a and b: it has the same idempotency key. It was not sent again."],
        ),
        (
            {"status": "partial", "host": "mx", "accepted": ["a"], "recipients": [NO_USER, LATER]},
            "warn",
            [
                "Accepted by mx for a only.",
                "b@x.org was refused: 550 no such user.",
                "c@x.org was not yet accepted: 450 4.2.1",
            ],
        ),
        (
            {"status": "queued", "recipients": [{"address": "a@x.org", "status": "notTried"}]},
            "",
            [
                "The email for a@x.org is in the queue.",
                "It is sent in the background, and what comes of it is shown here.",
            ],
        ),
        (
            {"status": "failed", "recipients": [NO_USER, NO_USER]},
            "bad",
            ["No recipient was accepted.", *["b@x.org was refused: 550 no such user."] * 2],
        ),
        ({"status": "sent", "host": 1, "accepted": [1, None], "recipients": "no"}, "good", None),
    ],
)
def test_an_email_says_who_accepted_it_and_who_refused(result, look, said):
    verdict = mail_verdict(result)
    assert verdict is not None
    assert verdict.look == look
    assert said is None or [verdict.words, *verdict.lines] == said


def test_one_that_only_its_error_explains_has_no_words_of_its_own():
    for result in ({}, {"status": "failed", "recipients": [NO_USER]}, {"status": "held"}):
        assert mail_verdict(result) is None
