import gc
from typing import Any

import pytest

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.spool import MEMORY_BYTES, Spool

LIMIT = 10 * MEMORY_BYTES


def filled(size: int) -> Any:
    spool = Spool("a.bin", LIMIT)
    for start in range(0, size, 1000):
        spool.write(bytes([start // 1000 % 256]) * min(1000, size - start))
    assert spool.size == size
    return spool.content()


def test_a_small_content_is_bytes() -> None:
    assert filled(0) == b""
    assert filled(1500) == bytes(1000) + b"\x01" * 500
    assert len(filled(MEMORY_BYTES)) == MEMORY_BYTES


def test_a_large_content_is_a_file_that_can_be_read_again_and_again() -> None:
    content = filled(MEMORY_BYTES + 1)
    octets = content.read()
    assert len(octets) == MEMORY_BYTES + 1
    assert octets[:2001] == bytes(1000) + b"\x01" * 1000 + b"\x02"
    content.seek(1000)
    assert content.read(2) == b"\x01\x01"
    assert content.tell() == 1002
    content.close()
    with pytest.raises(ValueError, match="closed"):
        content.read()


def test_a_file_that_is_forgotten_in_a_cycle_goes_without_a_warning() -> None:
    cycle: list[Any] = [filled(MEMORY_BYTES + 1)]
    cycle.append(cycle)
    del cycle
    gc.collect()


def test_more_than_the_limit_is_refused_by_name() -> None:
    spool = Spool("a.bin", 10)
    spool.write(b"x" * 10)
    with pytest.raises(AttachmentError, match=r"'a\.bin' has 11 bytes or more") as caught:
        spool.write(b"x")
    assert caught.value.code is ErrorCode.ATTACHMENT_TOO_LARGE
