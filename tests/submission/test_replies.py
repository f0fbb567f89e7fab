"""Replies as they are written: in lines that fit, one reply however long it is, and ASCII unless UTF-8 is asked for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailnode.smtp.reply import ReplyParser
from mailnode.submission.gate import Reply
from mailnode.submission.replies import in_bytes

WORDS = st.text(max_size=1500) | st.sampled_from(["", "a\r\n250 b", "x" * 1000, "\u2028", "ö" * 700])


@given(text=WORDS, enhanced=st.sampled_from(["", "5.7.1"]), utf8=st.booleans())
def test_it_is_one_reply_in_lines_that_fit(text, enhanced, utf8):
    written = in_bytes(Reply(550, enhanced, text), utf8=utf8)
    (reply,) = ReplyParser().feed(written)
    assert (reply.code, reply.enhanced_status_code or "") == (550, enhanced if reply.text or enhanced else "")
    assert all(len(line) <= 510 for line in written.split(b"\r\n"))
    assert not re.search(rb"[\x00-\x1f\x7f]", written.replace(b"\r\n", b""))
    assert utf8 or written.isascii()


@pytest.mark.parametrize(("utf8", "said"), [(True, "550 5.7.1 für\r\n"), (False, "550 5.7.1 f?r\r\n")])
def test_what_is_not_ascii_is_for_those_who_take_it(utf8, said):
    assert in_bytes(Reply(550, "5.7.1", "für"), utf8=utf8).decode() == said
