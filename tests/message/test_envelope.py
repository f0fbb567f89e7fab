from dataclasses import replace

import pytest

from mailnode.message.compose import compose
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope


@pytest.mark.parametrize(
    ("reverse_path", "forward_paths", "needs"),
    [
        ("a@x.org", ("b@x.org", "c@xn--bcher-kva.example"), False),
        (None, ("b@x.org",), False),
        ("jörg@x.org", ("b@x.org",), True),
        (None, ("b@x.org", "jörg@bücher.example"), True),
    ],
)
def test_one_address_beyond_ascii_needs_smtputf8(reverse_path, forward_paths, needs):
    assert Envelope(reverse_path, forward_paths).needs_smtputf8 is needs


def test_a_message_may_go_elsewhere_in_the_same_octets():
    message = compose(Email(from_="a@x.org", to="b@x.org", subject="Hi", text="Hi"))
    elsewhere = replace(message, envelope=Envelope(None, ("test@y.org",)))
    assert elsewhere.envelope.forward_paths == ("test@y.org",)
    assert (elsewhere.octets(), elsewhere.message_id, elsewhere.size) == (
        message.octets(),
        message.message_id,
        message.size,
    )
