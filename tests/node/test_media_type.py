import pytest

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.message.media_type import by_filename, extension_of
from mailnode.node.filename import charset_of, check_media_type, is_media_type, served_media_type


@pytest.mark.parametrize(
    "text",
    [
        "text/plain",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image/svg+xml",
        "text/csv; charset=utf-8",
        'text/csv;charset="utf-8" ; header=present',
        'a/b; c="d \\" e"',
        "message/rfc822",
    ],
)
def test_a_media_type_is_one(text: str) -> None:
    assert check_media_type(f" {text} ") == text


def test_none_given_stays_none() -> None:
    assert check_media_type("  ") == ""


@pytest.mark.parametrize(
    "text",
    [
        "pdf",
        "text/",
        "/plain",
        "text/plain; charset",
        "text/plain; charset=",
        "text/pl ain",
        "text/plain\r\nBcc: x",
        "text/plain;\r\n charset=utf-8",
        'text/plain; a="b\nc"',
        'text/plain; a="b',
        "text/plän",
        "multipart/mixed; boundary=x",
        "Multipart/alternative",
        "text/" + "x" * 300,
    ],
)
def test_what_is_no_media_type_is_refused(text: str) -> None:
    assert not is_media_type(text)
    with pytest.raises(AttachmentError, match="not a file's media type") as caught:
        check_media_type(text)
    assert caught.value.code is ErrorCode.BAD_SETTING


@pytest.mark.parametrize(
    ("media_type", "charset"),
    [("text/a", ""), ("text/a; charset=x", "x"), ('text/a;b=c;CharSet="x y"', "x y"), ("text/a; xcharset=y", "")],
)
def test_the_charset_is_found(media_type: str, charset: str) -> None:
    assert charset_of(media_type) == charset


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.txt", "text/plain"),
        ("a.PDF", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("a.tar.bz2", "application/octet-stream"),
        ("data:a,b.csv", "text/csv"),
        ("http://x.csv", "text/csv"),
        ("a", ""),
        ("", ""),
    ],
)
def test_a_file_name_tells_its_type(name: str, media_type: str) -> None:
    assert by_filename(name) == media_type


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("application/pdf", "application/pdf"),
        (" text/csv; charset=utf-8 ", "text/csv; charset=utf-8"),
        ("application/pdf; name=My report.pdf", "application/pdf"),
        ("application/pdf, application/pdf", "application/pdf"),
        ("text/csv; charset", "text/csv"),
        *((f"application/{one}", "") for one in ("octet-stream", "x-download", "Force-Download", "octet-stream; a=b")),
        *((one, "") for one in ("", " ", ";", "*/*", "binary/octet-stream", "unknown/unknown", "www/unknown", "pdf")),
        *((one, "") for one in ("file/pdf", "application/", "multipart/x; boundary=x", "text/plän", "a/b\r\nBcc: x")),
    ],
)
def test_what_a_server_says_is_a_type_or_nothing(said: str, means: str) -> None:
    assert served_media_type(said) == means


def test_a_type_has_its_usual_extension() -> None:
    types = {"application/pdf": ".pdf", "TEXT/PLAIN; charset=utf-8": ".txt", "application/xml": ".xml", "x/y": ""}
    assert {one: extension_of(one) for one in types} == types
