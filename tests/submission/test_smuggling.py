"""What could be two messages to some server is one here, or none (CVE-2023-51764 to 51766, CVE-2024-27305)."""

from itertools import product

import pytest

from mailnode.submission.content import Memory
from mailnode.submission.events import ProtocolLimits
from mailnode.submission.gate import App, Reply, Submitted
from mailnode.submission.protocol import SubmissionProtocol

MAIL = b"EHLO c\r\nMAIL FROM:<ann@x.example>\r\nRCPT TO:<bob@y.example>\r\nDATA\r\n"
SECOND = b"MAIL FROM:<evil@x.example>{0}RCPT TO:<evil@y.example>{0}DATA{0}Subject: second{0}{0}evil{0}.{0}"
ENDS = [b"\r\n", b"\n", b"\r", b"\r\n\0", b"\n\r", b"\r\r\n", b"\0\r\n", b" \r\n", b""]


@pytest.mark.parametrize("size", [1, 3, 10**6])
def test_nothing_but_crlf_dot_crlf_ends_a_message(size):
    for before, behind in product(ENDS, ENDS):
        end = before + b"." + behind
        if b"\r\n.\r\n" in end:
            continue
        evil = SECOND.replace(b"{0}", behind or b"\n")
        taken = []
        protocol = SubmissionProtocol("mail.example", "192.0.2.1", Memory(10**6), ProtocolLimits(), app=App("shop"))
        sent = MAIL + b"before" + end + evil.replace(b"\r\n.\r\n", b"\r\n..\r\n") + b"x\r\n.\r\nQUIT\r\n"
        for at in range(0, len(sent), size):
            protocol.receive(sent[at : at + size])
            while isinstance(event := protocol.next_event(), Submitted | tuple):
                taken += [event] if isinstance(event, Submitted) else []
                protocol.answer(Reply(250, "2.0.0", "Ok") if isinstance(event, Submitted) else None)
        codes = [line[:3] for line in protocol.take_due().splitlines()]
        assert codes[-2:] == [b"250" if taken else b"550", b"221"], end
        assert [one.reverse_path for one in taken] in ([], ["ann@x.example"]), end
        for one in taken:
            assert b"evil" in one.content
            assert one.content.count(b"\r\n") == one.content.count(b"\n") == one.content.count(b"\r")
