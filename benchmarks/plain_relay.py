"""A server that keeps nothing: each connection is led on to the one behind, as a proxy that only logs in does.

python -m benchmarks.plain_relay PORT BEHIND
"""

import asyncio
import sys

import uvloop

from benchmarks.relay import Front, write


async def main(port: int, behind: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(lambda: Front(behind, write), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
