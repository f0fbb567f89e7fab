"""What has ended long ago is deleted, hourly, and what no flow names any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from mailnode.delivery.admin import Deliveries
from mailnode.flow.stored_files import sweep_below
from mailnode.supervision import Supervised

HOUR_SECONDS = 3600.0


class HourlyClearing(Supervised):
    """Deletes deliveries and runs that ended more than `days` ago, and idempotency keys after `key_days`.

    With `flows`, a folder, it deletes the files there that no flow has named for 30 days; `also` deletes what else is
    older than `days`.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        flows: Path,
        days: float,
        key_days: float,
        *also: Callable[[float], Awaitable[object]],
    ) -> None:
        """Do nothing until `clear` is called."""
        super().__init__("the hourly clearing of what has ended")
        self._deliveries, self._days, self._key_days = deliveries, days, key_days
        self._flows, self._also = flows, also

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Clear hourly for as long as this is entered."""
        clearing = asyncio.create_task(self.clear())
        try:
            yield
        finally:
            clearing.cancel()
            await asyncio.wait({clearing})

    async def clear(self) -> None:
        """Go on until it is cancelled, whatever fails meanwhile."""
        await self.run(self._clear_hourly)

    async def _clear_hourly(self) -> None:
        while True:
            await self._deliveries.sweep(self._days, self._key_days)
            for sweep in self._also:
                await sweep(self._days)
            await asyncio.to_thread(sweep_below, self._flows)
            self.report_success()
            await asyncio.sleep(HOUR_SECONDS)
