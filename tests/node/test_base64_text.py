import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.decoding import decode_base64


def decode(text: str, limit: int = 100) -> bytes:
    return decode_base64(text, name="logo.png", limit=limit)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", b""),
        ("aGk=", b"hi"),
        (" aG\r\nk=\n", b"hi"),
        ("+/+/", b"\xfb\xff\xbf"),
        ("QUJD", b"ABC"),
        ("-_-_", b"\xfb\xff\xbf"),
        ("aGk", b"hi"),
        ("aA", b"h"),
        (" _\nw ", b"\xff"),
    ],
)
def test_base64_is_decoded_with_white_space_anywhere(text: str, octets: bytes) -> None:
    assert decode(text) == octets


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("aG!k", "'!' at character 3", "give only the Base64 text"),
        ("aG-_aG+/", "it mixes the alphabet with", "encode the whole file again"),
        ("ключ", "'к' at character 1", "only the Base64"),
        ("aGk=\x00", "'\\x00' at character 5", "only the Base64"),
        ("aG =\n", "ends at character 4 with 1 padding signs instead of 2", "= signs"),
        ("aGk==", "ends at character 5 with 2 padding signs instead of 1", "= signs"),
        ("aGkx====", "ends at character 8 with 4 padding signs instead of 0", "= signs"),
        ("====", "ends at character 4 with 4 padding signs instead of 0", "= signs"),
        ("aGkxa", "ends in the middle of a byte, at character 5", "cut off"),
        ("a===", "ends in the middle of a byte, at character 4", "cut off"),
        ("aGk=aGk=", "there is more after the padding, at character 5", "join"),
        ("a=Gk", "there is more after the padding, at character 3", "join"),
    ],
)
def test_broken_base64_is_refused_with_the_position(text: str, message: str, hint: str) -> None:
    with pytest.raises(AttachmentError) as caught:
        decode(text)
    assert caught.value.code is ErrorCode.BAD_BASE64
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_limit_counts_decoded_octets() -> None:
    assert len(decode(base64.b64encode(bytes(100)).decode())) == 100
    with pytest.raises(AttachmentError, match=r"'logo.png' has 101 bytes") as caught:
        decode(base64.b64encode(bytes(101)).decode())
    assert caught.value.code is ErrorCode.ATTACHMENT_TOO_LARGE


@given(st.text(alphabet="QUJD+/= \n-_ö", max_size=20))
@settings(max_examples=100)
def test_what_is_taken_is_what_a_strict_decoder_takes(text: str) -> None:
    try:
        octets = decode(text)
    except AttachmentError:
        return
    bare = "".join(text.split()).rstrip("=")
    altchars = b"-_" if set("-_") & set(bare) else b"+/"
    assert octets == base64.b64decode(bare + "=" * (-len(bare) % 4), altchars, validate=True)
