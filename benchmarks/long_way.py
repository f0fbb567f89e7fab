"""A long way to a server: what is said arrives some milliseconds later, in order, however much it is.

python -m benchmarks.long_way PORT PORT_BEHIND MILLISECONDS
"""

import asyncio
import sys
from collections import deque

from benchmarks.relay import End, Front, write


class Way:
    """All that is under way, in order; every connection and direction has the same length."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._under_way: deque[tuple[float, End, bytes]] = deque()

    def carry(self, end: End, data: bytes) -> None:
        """Let octets arrive later."""
        loop = asyncio.get_running_loop()
        arrival = loop.time() + self._seconds
        self._under_way.append((arrival, end, data))
        loop.call_at(arrival, self._arrive)

    def _arrive(self) -> None:
        _, end, data = self._under_way.popleft()
        write(end, data)


async def main(port: int, behind: int, milliseconds: float) -> None:
    """Serve for ever."""
    way = Way(milliseconds / 1000)
    server = await asyncio.get_running_loop().create_server(lambda: Front(behind, way.carry), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
