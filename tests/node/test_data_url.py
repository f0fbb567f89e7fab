import base64
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.decoding import DataUrl, is_data_url, read_data_url

LIMIT = 1000


def refused(url: str, *, limit: int = LIMIT) -> AttachmentError:
    with pytest.raises(AttachmentError) as caught:
        read_data_url(url, limit=limit)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("url", "content", "media_type"),
    [
        ("data:,hi", b"hi", "text/plain;charset=us-ascii"),
        ("data:,", b"", "text/plain;charset=us-ascii"),
        ("data:,Gr%C3%BC%C3%9Fe", "Grüße".encode(), "text/plain;charset=utf-8"),
        ("data:,Grüße", "Grüße".encode(), "text/plain;charset=utf-8"),
        ("data:;charset=utf-8,hi", b"hi", "text/plain;charset=utf-8"),
        ("data:;base64,aGk=", b"hi", "text/plain;charset=us-ascii"),
        ("data:image/png;base64,iVBORw==", b"\x89PNG", "image/png"),
        ("DATA:image/png;BASE64,iVBORw==", b"\x89PNG", "image/png"),
        (" data:image/png ; base64,iVBO\nRw== ", b"\x89PNG", "image/png"),
        ("data:image/png;base64,iVBORw%3D%3D", b"\x89PNG", "image/png"),
        ("data:text/csv;charset=iso-8859-1,a%2Cb,c", b"a,b,c", "text/csv;charset=iso-8859-1"),
        ("data:text/html;charset=utf-8;base64,PGI+", b"<b>", "text/html;charset=utf-8"),
        ("data:text/plain;a=base64,aGk=", b"aGk=", "text/plain;a=base64"),
    ],
)
def test_a_data_url_holds_its_content_and_type(url: str, content: bytes, media_type: str) -> None:
    assert is_data_url(url)
    assert read_data_url(url, limit=LIMIT) == DataUrl(content, media_type)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        ("png", "application/octet-stream"),
        ("image;base64", "application/octet-stream"),
        ("image/png;name=a b.png;base64", "image/png"),
        ("text/plain;\r\nX: y", "text/plain"),
        ("multipart/mixed;boundary=x", "application/octet-stream"),
    ],
)
def test_a_type_that_is_none_costs_no_file(head: str, media_type: str) -> None:
    assert read_data_url(f"data:{head},eHh4", limit=LIMIT).media_type == media_type


@pytest.mark.parametrize("url", ["http://h/data:,x", "dat:,x", "", "mydata:,x"])
def test_other_urls_are_no_data_urls(url: str) -> None:
    assert not is_data_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data:", "it has no comma"),
        ("data:image/png;base64", "it has no comma"),
        ("data:iVBORw0KGgo=", "it has no comma"),
        ("data:base64,aGk=", "'base64' is not a media type"),
        ("data:image/png;base64;x,aGk=", "is not a media type"),
        ("data:,100%", "the % at character 4 of its data starts no escape"),
        ("data:,%zz", "the % at character 1"),
        ("data:image/svg+xml,<p fill='#fff'>", "a # at character 10"),
        ("data:,\ud800", "half of a surrogate pair"),
    ],
)
def test_what_is_no_data_url_is_refused(url: str, message: str) -> None:
    error = refused(url)
    assert error.code is ErrorCode.BAD_DATA_URL
    assert message in error.message


def test_bad_base64_in_a_data_url_is_refused_as_base64() -> None:
    assert refused("data:;base64,a").code is ErrorCode.BAD_BASE64


@pytest.mark.parametrize("url", ["data:," + "x" * 11, "data:," + "%41" * 11, "data:;base64," + "QUFB" * 4])
def test_content_over_the_limit_is_refused(url: str) -> None:
    error = refused(url, limit=10)
    assert error.code is ErrorCode.ATTACHMENT_TOO_LARGE
    assert "data URL" in error.message


@pytest.mark.parametrize("url", ["data:," + "x" * 10, "data:," + "%41" * 10, "data:;base64," + "QUFB" * 3 + "QQ=="])
def test_content_at_the_limit_passes(url: str) -> None:
    assert len(read_data_url(url, limit=10).content) == 10


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_any_octets_come_back_from_either_form(octets: bytes) -> None:
    encoded = base64.b64encode(octets).decode()
    assert read_data_url(f"data:a/b;base64,{encoded}", limit=LIMIT).content == octets
    assert read_data_url(f"data:a/b,{quote(octets)}", limit=LIMIT).content == octets


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_any_text_is_read_or_refused_by_our_own_error(text: str) -> None:
    try:
        read_data_url(f"data:{text}", limit=LIMIT)
    except AttachmentError as error:
        assert error.code in {ErrorCode.BAD_DATA_URL, ErrorCode.BAD_BASE64}  # noqa: PT017 -- either way is fine
