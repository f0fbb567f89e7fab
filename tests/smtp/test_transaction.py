import pytest

from mailnode.errors import ErrorCode, SessionLost
from mailnode.smtp.extension import Extensions
from mailnode.smtp.protocol import SmtpProtocol
from mailnode.smtp.reply import Reply
from mailnode.smtp.transaction import Transaction
from support.messages import letter

PATHS = ("a@x.example", "b@x.example", "c@x.example")
FAREWELL = "421 4.3.2 bye"


def hold(*replies, all_or_nothing=False, pipelining=True, paths=PATHS):
    """Play a transaction as far as these replies go; give it and the lines that it wrote."""
    message = letter(*paths)
    transaction = Transaction(message, paths, Extensions(pipelining=pipelining), all_or_nothing=all_or_nothing)
    protocol = SmtpProtocol()
    said = list(replies)
    lines = []
    for group in transaction.groups(pipelining=pipelining):
        lines.append([line.partition(":")[0] for _, line, _ in group])
        protocol.send(*group)
        while protocol.pending and said:
            protocol.receive(said.pop(0).encode() + b"\r\n")
        if protocol.closing_reply:
            transaction.on_session_closed(protocol.closing_reply)
        if protocol.pending or protocol.closing_reply:
            break
    return transaction, lines


def statuses(transaction):
    return [recipient.status for recipient in transaction.verdict().recipients]


def answer_content(transaction, code):
    transaction.is_dot_sent = True
    transaction.on_content_reply(Reply(code, ("",)))


OK = ("250 ok",) * 4


def test_everything_leaves_as_one_group():
    transaction, lines = hold(*OK, "354 go")
    assert lines == [["MAIL FROM", "RCPT TO", "RCPT TO", "RCPT TO", "DATA"]]
    assert transaction.may_send_content


def test_without_pipelining_each_command_waits_for_its_reply():
    _, lines = hold(*OK, "354 go", pipelining=False)
    assert lines == [["MAIL FROM"], ["RCPT TO"], ["RCPT TO"], ["RCPT TO"], ["DATA"]]


def test_without_pipelining_a_refused_sender_ends_it():
    transaction, lines = hold("550 no", pipelining=False)
    assert lines == [["MAIL FROM"]]
    assert statuses(transaction) == ["refused"] * 3


def test_without_pipelining_data_is_not_said_to_refused_recipients():
    transaction, lines = hold("250 ok", "550 1", "550 2", "450 3", pipelining=False)
    assert lines[-1] == ["RCPT TO"]
    assert transaction.verdict().reply.text == "1"


def test_all_or_none_lets_data_wait_for_the_judgement():
    transaction, lines = hold(*OK, "354 go", all_or_nothing=True)
    assert lines == [["MAIL FROM", "RCPT TO", "RCPT TO", "RCPT TO"], ["DATA"]]
    assert transaction.may_send_content


def test_all_or_none_with_one_recipient_is_one_group():
    _, lines = hold("250 ok", "250 ok", "354 go", all_or_nothing=True, paths=PATHS[:1])
    assert lines == [["MAIL FROM", "RCPT TO", "DATA"]]


def test_all_or_none_says_no_data_when_one_is_refused():
    transaction, lines = hold("250 ok", "250 ok", "450 later", "550 never", all_or_nothing=True)
    assert len(lines) == 1
    judgement = transaction.verdict()
    assert judgement.reply.text == "never"
    assert [(one.status, one.reply and one.reply.code) for one in judgement.recipients] == [
        ("refused", None),
        ("deferred", 450),
        ("refused", 550),
    ]


def test_all_or_none_is_deferred_when_every_refusal_is_transient():
    transaction, _ = hold("250 ok", "250 ok", "450 later", "250 ok", all_or_nothing=True)
    assert statuses(transaction) == ["deferred"] * 3


def test_a_lone_dot_is_due_only_where_nobody_was_accepted():
    transaction, _ = hold("250 ok", "550 no", "550 no", "550 no", "354 go")
    assert transaction.must_send_lone_dot
    assert not transaction.may_send_content
    assert statuses(transaction) == ["refused"] * 3


def test_354_with_one_accepted_means_content_and_never_a_lone_dot():
    transaction, _ = hold("250 ok", "550 no", "251 will forward", "550 no", "354 go")
    assert transaction.may_send_content
    assert not transaction.must_send_lone_dot


def test_354_to_accepted_recipients_of_a_refused_sender_drops_the_session():
    transaction, _ = hold("550 no", "250 ok", "250 ok", "250 ok", "354 go")
    assert transaction.must_be_dropped
    assert not transaction.may_send_content
    assert not transaction.must_send_lone_dot
    assert transaction.verdict().phase == "mail"


def test_refused_data_refuses_all_who_were_accepted_and_keeps_the_other_words():
    transaction, _ = hold("250 ok", "250 ok", "550 no", "250 ok", "451 disk full")
    judgement = transaction.verdict()
    assert (judgement.phase, judgement.reply.code) == ("data", 451)
    assert [one.reply.code for one in judgement.recipients] == [451, 550, 451]


def test_a_421_answers_all_that_is_still_open():
    transaction, _ = hold("250 ok", "250 ok", FAREWELL)
    assert statuses(transaction) == ["deferred"] * 3
    assert transaction.verdict().reply.code == 421


def test_a_421_without_pipelining_answers_what_was_not_asked_yet():
    transaction, lines = hold("250 ok", "250 ok", FAREWELL, pipelining=False)
    assert len(lines) == 3
    assert {one.reply.code for one in transaction.verdict().recipients} == {421}


@pytest.mark.parametrize("refusal", ["452 4.5.3 too many", "452 too many", "552 5.5.3 too many", "552 too many"])
def test_too_many_recipients_go_in_a_next_transaction(refusal):
    transaction, _ = hold("250 ok", "250 ok", refusal, refusal, "354 go")
    answer_content(transaction, 250)
    assert transaction.overflow == PATHS[1:]


def test_nobody_follows_where_the_content_was_refused():
    transaction, _ = hold("250 ok", "250 ok", "452 too many", "250 ok", "354 go")
    answer_content(transaction, 554)
    assert transaction.overflow == ()
    assert statuses(transaction) == ["refused", "deferred", "refused"]


@pytest.mark.parametrize(
    "refusal", ["452 4.2.2 mailbox full", "552 5.2.2 quota", "452 4.3.1 no space", "450 4.5.3 odd"]
)
def test_a_full_mailbox_is_not_one_of_too_many(refusal):
    transaction, _ = hold("250 ok", "250 ok", refusal, "250 ok", "354 go")
    answer_content(transaction, 250)
    assert transaction.overflow == ()


def test_where_nobody_was_accepted_nobody_was_too_many():
    transaction, _ = hold("250 ok", *["452 too many"] * 3, "554 no")
    assert transaction.overflow == ()


@pytest.mark.parametrize(
    "replies",
    [
        ("354 what",),
        ("250 ok", "354 what"),
        ("250 ok", "250 ok", "250 ok", "250 ok", "250 what"),
    ],
)
def test_a_reply_of_the_wrong_kind_ends_the_session(replies):
    with pytest.raises(SessionLost) as caught:
        hold(*replies)
    assert caught.value.code == ErrorCode.BAD_REPLY


def test_after_a_reply_that_was_not_asked_for_nothing_is_said_any_more():
    protocol = SmtpProtocol()
    protocol.receive(b"250 hello\r\n")
    transaction = Transaction(letter(*PATHS), PATHS, Extensions())
    with pytest.raises(SessionLost, match="a reply to no command"):
        protocol.send(*next(transaction.groups(pipelining=True)))


def test_the_phase_is_that_of_the_oldest_open_command():
    protocol = SmtpProtocol()
    transaction = Transaction(letter(*PATHS), PATHS, Extensions())
    protocol.send(*next(transaction.groups(pipelining=True)))
    assert protocol.phase == "mail"
    protocol.receive(b"250 ok\r\n250 ok\r\n2")
    assert (protocol.phase, protocol.pending, protocol.has_partial_reply) == ("rcpt", 3, True)


@pytest.mark.parametrize(
    ("replies", "explained"),
    [
        ((), False),
        (("550 no",), True),
        (("250 ok", "550 no"), False),
        (("250 ok", "550 no", "550 no", "450 no"), True),
        (("250 ok", "550 no", "250 ok", "450 no"), False),
        (("250 ok", "550 no", "250 ok", "450 no", "451 no"), True),
        (("250 ok", "250 ok", "250 ok", "250 ok", "354 go"), False),
    ],
)
def test_a_lost_session_is_explained_when_everybody_has_an_answer(replies, explained):
    assert hold(*replies)[0].is_settled is explained


def test_who_has_no_answer_is_deferred_without_a_reply():
    transaction, _ = hold("250 ok", "550 no")
    assert [(one.status, one.reply is None) for one in transaction.verdict().recipients] == [
        ("refused", False),
        ("deferred", True),
        ("deferred", True),
    ]
