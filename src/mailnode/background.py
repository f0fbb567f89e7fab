"""What a worker does: it sends, runs flows, posts events, and deletes what is old."""

import asyncio
from dataclasses import dataclass

from mailnode.delivery.queue_worker import QueueWorker
from mailnode.engine.engine import Engine
from mailnode.events.sender import EventSender
from mailnode.flow.clearing import HourlyClearing
from mailnode.flow.run_worker import RunWorker
from mailnode.supervision import TaskStatus


@dataclass(frozen=True, slots=True)
class Background:
    """The long-running tasks of one process."""

    engine: Engine
    queue_worker: QueueWorker
    run_worker: RunWorker
    event_sender: EventSender
    clearing: HourlyClearing

    async def work(self, *, drain: bool, runs: bool) -> None:
        """Do what is due until it is stopped, or with `drain` until nothing is left; without `runs` only send."""
        running = {asyncio.create_task(self.run_worker.work())} if runs and not drain else set()
        async with self.clearing.working(), self.event_sender.working():
            try:
                if drain and runs:
                    await self.run_worker.work(drain=True)
                if not (drain and runs and self.run_worker.is_stopped):
                    await self.engine.work(self.queue_worker, drain=drain)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                await self.run_worker.stop()
            if drain:
                await self.event_sender.drain(lambda: self.queue_worker.is_stopped)

    @property
    def tasks(self) -> tuple[TaskStatus, ...]:
        """How each of them is."""
        supervised = (self.queue_worker.supervised, self.run_worker.supervised, self.event_sender.supervised)
        return (*(one.status for one in supervised), self.clearing.status)
