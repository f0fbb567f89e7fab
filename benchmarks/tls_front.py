"""TLS before a server that has none.

python -m benchmarks.tls_front PORT PORT_BEHIND CERTIFICATE
"""

import asyncio
import ssl
import sys
from pathlib import Path

import uvloop

from benchmarks.relay import Front, write


async def main(port: int, behind: int, chain: Path) -> None:
    """Serve for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Front(behind, write), "127.0.0.1", port, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
