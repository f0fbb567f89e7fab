"""Mails composed and thrown away, for who counts instructions: composing alone, or a flow's node as its preview.

python -m benchmarks.clients.compose_alone MAILS [HOME]    with a home it is the node

No garbage is collected: a look through all that was ever loaded would count for whichever mail it falls upon.
"""

import asyncio
import gc
import sys
from pathlib import Path


def by_compose(mails: int) -> None:
    """Compose, and join the octets."""
    from benchmarks.clients.with_mailnode import compose_all
    from benchmarks.job import Numbers

    compose_all(Numbers(float("inf"), mails))


async def by_preview(mails: int, home: Path) -> None:
    """Read the flow, fill its node's settings in, and compose."""
    from benchmarks.clients.flow import flow_file
    from mailnode.app import Mailnode
    from mailnode.environment import Environment

    flow = flow_file(home, 25)
    async with Mailnode.open(Environment(home=home)) as mailnode:
        for number in range(mails):
            await mailnode.dry_run(flow, input={"order": number, "cents": number}).compose()


if __name__ == "__main__":
    gc.disable()
    count, home = int(sys.argv[1]), sys.argv[2:]
    if home:
        asyncio.run(by_preview(count, Path(home[0])))
    else:
        by_compose(count)
