"""What the demo needs beside the engine: the example flow, and an invoice that is fetched over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

# In the wheel the examples stand in the package; in a checkout beside src.
EXAMPLES = next(path for path in (_PACKAGE / "examples", _PACKAGE.parents[1] / "examples") if path.exists())


def invoice() -> bytes:
    """Make a PDF of one page."""
    page = b"BT /F 24 Tf 72 720 Td (Invoice 2026-1047) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</Font <</F 5 0 R>> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    pdf, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return pdf + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(pdf))
    )


@asynccontextmanager
async def serve_invoice(pdf: bytes) -> AsyncIterator[str]:
    """Serve the invoice on a free loopback port to whoever asks for anything, and give its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {len(pdf)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + pdf)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/invoice-2026-1047.pdf"
