import base64
import binascii
import io
import quopri
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailnode.errors import PartError
from mailnode.message.encoding import Base64Stream, crlf, encode_base64, encode_text, longest_line, read_file

BLOCK = 57 * 1024
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
DECODE: dict[str, Callable[[bytes], bytes]] = {
    "7bit": bytes,
    "quoted-printable": quopri.decodestring,
    "base64": base64.b64decode,
}


class Unbuffered(io.RawIOBase):
    """A file that gives less than what is asked for, as one without a buffer may."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 1000) if size >= 0 else 1000)


def on_the_wire(text: str) -> bytes:
    octets = crlf(text.encode())
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


class TestLineBreaks:
    @pytest.mark.parametrize(
        ("given", "made"),
        [
            (b"a\nb", b"a\r\nb"),
            (b"a\rb", b"a\r\nb"),
            (b"a\r\nb", b"a\r\nb"),
            (b"a\r\r\nb\n\rc", b"a\r\n\r\nb\r\n\r\nc"),
            (b"\r\n.\r\n", b"\r\n.\r\n"),
            (b"\n.\n", b"\r\n.\r\n"),
            (b"", b""),
        ],
    )
    def test_each_becomes_crlf(self, given, made):
        assert crlf(given) == made

    def test_the_longest_line_is_counted_without_its_break(self):
        assert longest_line(b"") == 0
        assert longest_line(b"ab\r\nabc\r\n") == 3


class TestText:
    @settings(max_examples=100)
    @given(st.one_of(TEXTS, st.text(st.sampled_from("a \t\r\n.=_é👩\x00\x1f\x7f-F"), max_size=300)))
    def test_any_text_comes_back_from_clean_lines(self, text):
        encoding, octets = encode_text(text)
        assert DECODE[encoding](octets) == on_the_wire(text)
        assert octets.isascii()
        assert octets.endswith(b"\r\n")
        assert not octets.replace(b"\r\n", b"").translate(None, bytes(range(0x20, 0x7F)) + b"\t")
        assert longest_line(octets) <= (980 if encoding == "7bit" else 76)
        assert b"=_" not in octets

    @settings(max_examples=200)
    @given(st.lists(st.sampled_from(["From ", "From", " ", "\n", "é", "=_", "a" * 23, "x"]), max_size=40).map("".join))
    @example("From " + "x" * 70)
    @example("From " + "x" * 71)
    @example("é From " + "From " * 40)
    @example("é" + "x" * 68 + " ")
    @example("é" + "x" * 68 + " \nFrom é" + "x" * 63 + "\t")
    def test_no_line_is_one_that_mailbox_files_change(self, text):
        encoding, octets = encode_text(text)
        assert DECODE[encoding](octets) == on_the_wire(text)
        assert b"\nFrom " not in b"\n" + octets
        assert longest_line(octets) <= (980 if encoding == "7bit" else 76)

    @settings(max_examples=100)
    @given(st.text(st.sampled_from("a= \t\n"), min_size=60, max_size=400))
    def test_printable_ascii_comes_back_from_lines_of_76(self, text):
        _, octets = encode_text("=_" + text)
        assert quopri.decodestring(octets) == on_the_wire("=_" + text)
        assert longest_line(octets) <= 76
        assert b" \r\n" not in octets
        assert b"\t\r\n" not in octets

    @pytest.mark.parametrize("before", range(70, 78))
    def test_no_escape_is_cut_in_two(self, before):
        text = "a" * before + "=" * 1000
        _, octets = encode_text(text)
        assert quopri.decodestring(octets) == on_the_wire(text)
        assert all(line.endswith((b"=", b"=3D")) for line in octets.split(b"\r\n") if line)
        assert len(octets.split(b"\r\n")[0]) in range(74, 77)

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("", "7bit"),
            ("Hello\n" * 1000, "7bit"),
            ("a" * 980, "7bit"),
            ("a" * 981, "quoted-printable"),
            ("Hello\n" * 1000 + "a" * 981, "quoted-printable"),
            ("a" * 120_000, "quoted-printable"),
            ("=_", "quoted-printable"),
            ("a\x00b and then some", "quoted-printable"),
            ("Grüße aus München, und alles Gute", "quoted-printable"),
            ("Привет", "base64"),
        ],
    )
    def test_the_encoding_suits_the_text(self, text, encoding):
        assert encode_text(text)[0] == encoding

    def test_half_a_character_is_refused(self):
        with pytest.raises(PartError, match="half a character") as caught:
            encode_text("a\ud83d")
        assert caught.value.hint == "don't cut a character in half"
        assert caught.value.phase == "settings"


class TestBase64:
    @settings(max_examples=50)
    @given(st.binary(max_size=500))
    def test_octets_come_back(self, octets):
        encoded = Base64Stream(octets)
        written = b"".join(encoded.blocks())
        assert written == encode_base64(octets) == b"".join(encoded.blocks())
        assert base64.b64decode(written) == octets
        assert encoded.size == len(written)
        assert longest_line(written) <= 76

    @pytest.mark.parametrize("size", [0, 1, 56, 57, 58, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 100])
    def test_a_file_of_any_size_is_encoded_as_a_whole(self, size, tmp_path: Path):
        content = bytes(index * 7 % 256 for index in range(size))
        path = tmp_path / "file"
        path.write_bytes(content)
        with path.open("rb") as file:
            file.seek(3)
            encoded = Base64Stream(file)
            first = b"".join(encoded.blocks())
            assert first == b"".join(encoded.blocks()) == encode_base64(content)
            assert encoded.size == len(first)
            assert first == binascii.b2a_base64(content) or first.count(b"\r\n") == -(-size // 57)

    def test_two_readers_of_one_file_do_not_disturb_each_other(self):
        content = bytes(200_000)
        encoded = Base64Stream(io.BytesIO(content))
        pairs = list(zip(encoded.blocks(), encoded.blocks(), strict=True))
        assert b"".join(one for one, _ in pairs) == b"".join(other for _, other in pairs) == encode_base64(content)

    def test_a_file_that_gives_little_at_a_time_is_read_whole(self):
        content = bytes(range(256)) * 500
        file: io.RawIOBase = Unbuffered(content)
        assert b"".join(Base64Stream(file).blocks()) == encode_base64(content)  # type: ignore[arg-type]  # that is the point
        assert read_file(file) == content  # type: ignore[arg-type]  # that is the point

    def test_a_file_that_has_grown_gives_what_was_measured(self):
        file = io.BytesIO(b"abc")
        encoded = Base64Stream(file)
        file.write(b"abcdef")
        assert b"".join(encoded.blocks()) == b"YWJj\r\n"

    def test_a_file_that_has_become_shorter_is_an_error(self):
        file = io.BytesIO(b"abc")
        encoded = Base64Stream(file)
        file.truncate(2)
        with pytest.raises(PartError, match="shorter"):
            list(encoded.blocks())

    def test_a_file_that_can_not_be_read_is_an_error(self):
        closed = io.BytesIO(b"abc")
        encoded = Base64Stream(closed)
        closed.close()
        with pytest.raises(PartError, match="can't be read"):
            list(encoded.blocks())
        for file in (closed, io.StringIO("text"), io.RawIOBase()):
            with pytest.raises(PartError, match="can't be read") as caught:
                Base64Stream(file)  # type: ignore[arg-type]  # that is the point
            assert "binary mode" in caught.value.hint
        with pytest.raises(PartError, match="can't be read"):
            read_file(io.StringIO("text"))  # type: ignore[arg-type]  # that is the point
