"""What pages and API work with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, Request

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.flow.clearing import HOUR_SECONDS
from mailnode.flow.flow_files import FlowFiles
from mailnode.flow.stored_files import sweep_below
from mailnode.inbox.folder import InboxFolder
from mailnode.submission.doors import NOWHERE, Doors
from mailnode.supervision import Supervised
from mailnode.web.previews import Previews
from mailnode.web.reader import MailReader
from mailnode.worker_processes import WorkerProcesses
from mailnode.worker_report import WorkerReport, total

VERSION = version("mailnode")
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An open Mailnode, the flows on its flow files, the inbox beside it, and who works on the queue.

    `doors` is where programs hand in email.
    Those are `workers` in processes of their own, or, where there are none, this process.
    """

    mailnode: Mailnode
    environment: Environment
    flow_files: FlowFiles
    inbox: InboxFolder
    inbox_port: int
    doors: Doors = NOWHERE
    reader: MailReader
    previews: Previews = field(default_factory=Previews)
    workers: WorkerProcesses | None = None

    @property
    def report(self) -> WorkerReport:
        """What has been done with the queue, and how those are who work on it: all processes of this command."""
        here = self.mailnode.report
        return total([replace(here, tasks=()), self.workers.report]) if self.workers else here

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Have the queue worked on for as long as this is entered."""
        sweeping = asyncio.create_task(Supervised("the hourly clearing of files").run(self._sweep_files_hourly))
        try:
            async with self.mailnode.working() if self.workers is None else self._workers_at_work(self.workers):
                yield
        finally:
            sweeping.cancel()

    @asynccontextmanager
    async def _workers_at_work(self, workers: WorkerProcesses) -> AsyncIterator[None]:
        settling = asyncio.create_task(Supervised("the settling of defects").run(self._settle_regularly))
        running = asyncio.create_task(workers.run())
        try:
            yield
        finally:
            settling.cancel()
            workers.stop()
            await running

    async def _sweep_files_hourly(self) -> None:
        """The folder of these flows may be another one than the home's."""
        while True:
            await asyncio.to_thread(sweep_below, self.flow_files.folder)
            await asyncio.sleep(HOUR_SECONDS)

    async def _settle_regularly(self) -> None:
        """What a defect leaves of this process's own email only this process can settle: its claims are valid."""
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            await self.mailnode.settle_lost()


# Asynchronous, as every dependency is: FastAPI calls others in a thread, which costs more than all the rest of it.
async def site_of(request: Request) -> Site:
    """Give the site of an application."""
    site: Site = request.app.state.site
    return site


SiteHere = Annotated[Site, Depends(site_of)]
