"""What the fuzzer runs for ten minutes, for a moment: what it has kept, and some more of the kind."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import corpus
from fuzz.targets import TARGETS

# What means something to one parser or another.
WORDS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b".",
        b"\r\n.\r\n",
        b" ",
        b"\t",
        b",",
        b";",
        b":",
        b"<",
        b">",
        b"@",
        b'"',
        b"\\",
        b"(",
        b")",
    ),
    *(
        b"[",
        b"]",
        b"{{",
        b"}}",
        b"{",
        b"}",
        b"`",
        b"${",
        b"/*",
        b"*/",
        b"//",
        b"/",
        b"'",
        b"=",
        b"%",
        b"&",
        b"*",
        b"-",
        b"#",
    ),
    *(
        b"250 ",
        b"250-",
        b"421 4.3.2 ",
        b"334 ",
        b"--",
        b"=?utf-8?q?",
        b"?=",
        b"Content-Type: ",
        b"boundary=",
        b"base64",
        b"utf-8",
    ),
    *(
        b"version: 1\n",
        b"nodes:\n",
        b"- ",
        b"? ",
        b"!!",
        b"&a ",
        b"*a",
        b"<!--",
        b"-->",
        b"<style>",
        b"</",
        b"\xff",
        b"\xc3\xbc",
    ),
    *(b"\xed\xa0\x80", b"\xe2\x80\xae", b"a", b"x.example", b"1e999", b"null", b"\\ud800"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_kept_is_read_or_refused(target):
    kept = corpus.read(target)
    assert len(kept) >= 3
    for octets in kept:
        TARGETS[target](octets)


def test_no_input_is_kept_for_nothing():
    assert set(TARGETS) == {path.stem for path in (corpus.FOLDER).glob("*.jsonl")}


@pytest.mark.parametrize("target", TARGETS)
def test_so_is_what_comes_of_it(target):
    kept = st.sampled_from(corpus.read(target))
    pieces = st.lists(st.sampled_from(WORDS) | st.binary(max_size=4), max_size=12).map(b"".join)

    @settings(max_examples=150)
    @given(start=kept | st.just(b""), end=kept | st.just(b""), amid=pieces, at=st.floats(0, 1), to=st.floats(0, 1))
    def attack(start, end, amid, at, to):
        TARGETS[target](start[: int(at * len(start))] + amid + end[int(to * len(end)) :])

    attack()
