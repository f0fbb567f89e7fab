"""Errors as pages and answers say them."""

import pytest

from mailnode.web.sentence import capital, sentence


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("", ""),
        ("the address is invalid", "The address is invalid."),
        ("a mail's key", "A mail's key."),
        ("one-click needs https", "One-click needs https."),
        ("Too many wrong tokens. Wait 3 seconds.", "Too many wrong tokens. Wait 3 seconds."),
        ("is it there?", "Is it there?"),
        ("smtp.host is missing", "smtp.host is missing."),
        ("tlsOption is none", "tlsOption is none."),
        ("mailnode failed", "mailnode failed."),
        ("localhost:25 does not answer", "localhost:25 does not answer."),
        ("http://127.0.0.1/a.pdf leads nowhere", "http://127.0.0.1/a.pdf leads nowhere."),
        ("'x' can't be a name", "'x' can't be a name."),
        ("{{ input.a }} is not a text", "{{ input.a }} is not a text."),
        ("write it like jane@example.org", "Write it like jane@example.org"),
        ("the expression has no end: {{ input.order", "The expression has no end: {{ input.order"),
        ("allow it (and only it)", "Allow it (and only it)."),
        ("use port 587", "Use port 587."),
        ("could not connect to 127.0.0.1:1: refused", "Could not connect to 127.0.0.1:1: refused."),
    ],
)
def test_an_error_is_a_sentence(said, shown):
    assert sentence(said) == shown
    assert sentence(shown) == shown


def test_what_was_found_gets_no_full_stop():
    assert capital("took no login") == "Took no login"
    assert capital("127.0.0.1") == "127.0.0.1"
