"""Header fields and bodies of requests that two programs, one before the other, may read as two requests or as one."""

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

# What RFC 9112 gives no reading, or one that not everybody keeps to.
AMBIGUOUS = [
    # Two lengths, or one that others read differently.
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    b"Content-Length: 0, 5\r\n\r\n",
    b"Content-Length: +0\r\n\r\n",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 0x0\r\n\r\n",
    b"Content-Length: 0_0\r\n\r\n",
    b"Content-Length: 0 0\r\n\r\n",
    b"Content-Length: \r\n\r\n",
    "Content-Length: \N{ARABIC-INDIC DIGIT ZERO}\r\n\r\n".encode(),
    b"Content-Length : 0\r\n\r\n",
    b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    # Codings that are not `chunked` alone.
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    # Lines that others end elsewhere.
    b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: a\r\r\n\r\n",
    b"\r\r\n",
    b"X\0: a\r\n\r\n",
    b": a\r\n\r\n",
    b"Nothing\r\n\r\n",
    b"Host: 127.0.0.1:PORT\r\n\r\n",
    # Chunks.
    CHUNKED + b"0;a\nb\r\n\r\n",
    CHUNKED + b"5\nhello\n0\n\n",
    CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
    CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"ffffffffffffffffffff\r\n",
    CHUNKED + b"10000000000000000\r\n0\r\n\r\n",
    CHUNKED + b"-1\r\n\r\n",
    CHUNKED + b"+0\r\n\r\n",
    CHUNKED + b"0x0\r\n\r\n",
    CHUNKED + b"0_0\r\n\r\n",
    CHUNKED + b" 0\r\n\r\n",
]

NEW = b'{"name": "copy"}'
# What has one reading, by RFC 9112 2.2 and 5.2 and RFC 9110 8.6, though not everybody knows it.
ONE_READING = [
    b"Transfer-Encoding:\r\n chunked\r\n\r\n10\r\n" + NEW + b"\r\n0\r\n\r\n",
    b"Content-Length:\r\n\t16\r\n\r\n" + NEW,
    b"Content-Length: 16\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n" + NEW,
    b"Content-Length: 16\nX: a\n\n" + NEW,
    b"Content-Length: 16\r\nContent-Length: 16\r\n\r\n" + NEW,
    b"Content-Length: 16, 16\r\n\r\n" + NEW,
]
