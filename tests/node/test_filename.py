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
        ("...", ""),
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
        ('attachment; filename="' + "재" * 500 + '.pdf"', "/x", "", "재" * 65 + ".pdf"),
        # Blanks and quotes without quotes around them, and other things that servers write.
        ("attachment; filename=My Invoice 2024.pdf", "/x", "", "My Invoice 2024.pdf"),
        ("attachment; filename=My Invoice.pdf ; size=5", "/x", "", "My Invoice.pdf"),
        ('attachment; filename="the "best" one.pdf"', "/x", "", 'the "best" one.pdf'),
        ('attachment; filename="unfinished.pdf', "/x", "", "unfinished.pdf"),
        (r'attachment; filename="C:\docs\a.pdf"', "/x", "", "a.pdf"),
        ("filename=a.pdf", "/x", "", "a.pdf"),
        ("attachment filename=a.pdf", "/x", "", "a.pdf"),
        ("attachment; name=a.pdf", "/x", "", "a.pdf"),
        ("attachment; filename=; name=a.pdf", "/x", "", "a.pdf"),
        ('attachment; filename="a.pdf"; filename="b.pdf"', "/x", "", "a.pdf"),
        ("attachment; filename*=Gr%C3%BC%C3%9Fe.pdf", "/x", "", "Grüße.pdf"),
        # Coded as they should not be: read where the whole of it is valid.
        ('attachment; filename="=?UTF-8?B?R3LDvMOfZS5wZGY=?="', "/x", "", "Grüße.pdf"),
        ("attachment; filename==?utf-8?q?Gr=C3=BC=C3=9Fe_a.pdf?=", "/x", "", "Grüße a.pdf"),
        ('attachment; filename="=?utf-8?B?R3LD?= =?utf-8?B?vMOfZS5wZGY=?="', "/x", "", "Grüße.pdf"),
        ('attachment; filename="=?iso-8859-1?q?=E4?= =?utf-8?q?=C3=BC.pdf?="', "/x", "", "äü.pdf"),
        ('attachment; filename="Gr%C3%BC%C3%9Fe.pdf"', "/x", "", "Grüße.pdf"),
        ('attachment; filename="a%2Fb%0D%0A.pdf"', "/x", "", "b.pdf"),
        ('attachment; filename="=?UTF-8?B?R3L?=.pdf"', "/x", "", "=?UTF-8?B?R3L?=.pdf"),
        ('attachment; filename="=?UTF-8?B?R3L?="', "/x", "application/pdf", "=?UTF-8?B?R3L?=.pdf"),
        ('attachment; filename="=?none?q?a?="', "/x", "application/pdf", "=?none?q?a?=.pdf"),
        ('attachment; filename="=?hex?q?41?="', "/x", "application/pdf", "=?hex?q?41?=.pdf"),
        ('attachment; filename="100%.pdf"', "/x", "", "100%.pdf"),
        ('attachment; filename="50%AB%C3%BC.pdf"', "/x", "", "50%AB%C3%BC.pdf"),
        # An extension that says something stays alone; else the type brings one.
        ("", "/report", "application/pdf", "report.pdf"),
        ("", "/invoice.2024", "application/pdf", "invoice.2024.pdf"),
        ("", "/download.php", "application/pdf", "download.php.pdf"),
        ("", "/a.tar.gz", "application/x-gzip", "a.tar.gz"),
        ("", "/dump", "application/gzip", "dump.gz"),
        ("", "/book.xlsx", "application/zip", "book.xlsx"),
        ("", "/book", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "book.xlsx"),
        ("", "/photo.jpg", "image/webp", "photo.jpg"),
        ("", "/data.csv", "text/plain; charset=utf-8", "data.csv"),
        ("", "/Cargo.toml", "text/plain", "Cargo.toml"),
        ("", "/notes.2024", "text/plain", "notes.2024.txt"),
        ("", "/plan.xyz", "x/unheard-of", "plan.xyz"),
        ("", "/report.pdf. .", "application/pdf", "report.pdf"),
        ("", "/annexe\u202egpj.exe", "", "annexegpj.exe"),
        ('attachment; filename="' + "x" * 500 + '.pdf"', "/x", "", "x" * 196 + ".pdf"),
        ('attachment; filename="' + "x." + "y" * 500 + '"', "/x", "", "x." + "y" * 198),
    ],
)
def test_what_comes_from_the_web_gets_a_harmless_name(disposition: str, path: str, media_type: str, name: str) -> None:
    assert fetched_filename(disposition, path, media_type) == name


def test_a_name_is_made_of_the_type() -> None:
    assert default_filename("text/plain; charset=utf-8") == "attachment.txt"
    assert default_filename("x/unheard-of") == "attachment.bin"
