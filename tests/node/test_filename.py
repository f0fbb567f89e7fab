import pytest

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.filename import check_filename, default_filename, fetched_filename


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a.pdf", "a.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\jane\\a.pdf", "a.pdf"),
        ("/", ""),
        ("..", ""),
        (" a b.pdf ", "a b.pdf"),
        ("Größe.pdf", "Größe.pdf"),
    ],
)
def test_a_file_name_is_a_base_name(given: str, name: str) -> None:
    assert check_filename(given) == name


@pytest.mark.parametrize("given", ["a\r\nBcc: x", "a\x00", "a\x7f", "\ud800", "a\u2028b"])
def test_a_control_character_in_a_file_name_is_an_error(given: str) -> None:
    with pytest.raises(AttachmentError, match="control character") as caught:
        check_filename(given)
    assert caught.value.code is ErrorCode.BAD_HEADER


@pytest.mark.parametrize(
    ("disposition", "path", "media_type", "name"),
    [
        ("", "/files/report.pdf", "application/pdf", "report.pdf"),
        ("", "/files/Gr%C3%B6%C3%9Fe.pdf", "", "Größe.pdf"),
        ("", "/files/", "application/pdf", "files.pdf"),
        ("", "/download", "text/csv; charset=utf-8", "download.csv"),
        ("", "/download", "", "download"),
        ("", "/", "application/pdf", "attachment.pdf"),
        ("", "", "", "attachment.bin"),
        ("", "/%2e%2e", "image/png", "attachment.png"),
        ("", "/a%0d%0ab.txt", "", "ab.txt"),
        ("attachment", "/a.txt", "", "a.txt"),
        ("attachment; filename=plain.pdf", "/x", "", "plain.pdf"),
        ('attachment; filename="a; b.pdf"', "/x", "", "a; b.pdf"),
        ('attachment; filename="say \\"hi\\".pdf"', "/x", "", 'say "hi".pdf'),
        ("attachment; FileName = a.pdf ; size=5", "/x", "", "a.pdf"),
        ("attachment; filename=\"e.pdf\"; filename*=UTF-8''%E2%82%AC.pdf", "/x", "", "€.pdf"),
        ("attachment; filename*=UTF-8'de'Gr%C3%B6%C3%9Fe.pdf; filename=e.pdf", "/x", "", "Größe.pdf"),
        ("attachment; filename*=iso-8859-1''%E4.pdf", "/x", "", "ä.pdf"),
        ("attachment; filename*=nonsense''%E4.pdf; filename=e.pdf", "/x", "", "e.pdf"),
        ("attachment; filename*=UTF-8''%E4.pdf; filename=e.pdf", "/x", "", "e.pdf"),
        ('attachment; filename="../../etc/passwd"', "/x", "", "passwd"),
        ("attachment; filename*=UTF-8''..%2F..%5Ca%0D%0ABcc%3A%20x", "/x", "", "aBcc: x"),
        ('attachment; filename=".."', "/x.pdf", "", "x.pdf"),
        ('attachment; filename="' + "x" * 500 + '.pdf"', "/x", "", "x" * 196 + ".pdf"),
        ('attachment; filename="' + "x." + "y" * 500 + '"', "/x", "", "x." + "y" * 198),
    ],
)
def test_what_comes_from_the_web_gets_a_harmless_name(disposition: str, path: str, media_type: str, name: str) -> None:
    assert fetched_filename(disposition, path, media_type) == name


def test_a_name_is_made_of_the_type() -> None:
    assert default_filename("text/plain; charset=utf-8") == "attachment.txt"
    assert default_filename("x/unheard-of") == "attachment.bin"
