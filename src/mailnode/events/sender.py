"""Posts events that are due, beside the mail: while mail is being sent it comes first."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from mailnode.errors import MailnodeError
from mailnode.events.post import Answer
from mailnode.events.queue import ClaimedEvent, claim, is_any_due, release, settle
from mailnode.events.repository import Webhooks
from mailnode.events.webhook import Event
from mailnode.store.database import Database
from mailnode.store.retry import retry_transient
from mailnode.supervision import Supervised

EVENTS_TASK = "the posting of events"
LOOK_SECONDS = 1.0
# How long a stop waits for answers of receivers.
STOP_SECONDS = 3.0
# How many events are posted at once, and of one webhook.
MOST_AT_ONCE, MOST_OF_ONE = 32, 16
# While mail is being sent so many events are posted, and then there is a pause: to post one takes half of what to
# send a mail takes, and mail must not slow down for it.
BUSY_BATCH, BUSY_SECONDS = 16, 0.5

_log = logging.getLogger(__name__)


class EventSender:
    """Posts what the database has for webhooks, in one process of any number."""

    def __init__(self, database: Database, webhooks: Webhooks, is_busy: Callable[[], bool]) -> None:
        """Post events of `webhooks`; `is_busy` tells whether this process is sending mail."""
        self._database = database
        self._webhooks = webhooks
        self._is_busy = is_busy
        self._round = 0
        # Of each webhook the round in which something of it was claimed last.
        self._last_rounds: dict[str, int] = {}
        self._posts: dict[asyncio.Task[None], ClaimedEvent] = {}
        self._answers: list[tuple[ClaimedEvent, Answer]] = []
        self._freed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self.supervised = Supervised(EVENTS_TASK)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Post what is due for as long as this is entered, whatever fails meanwhile."""
        self._stopped.clear()
        self._working = asyncio.create_task(self.supervised.run(self._work, self._stopped))
        try:
            yield
        finally:
            await self._end_work()
            await self._give_up()

    async def drain(self, is_stopped: Callable[[], bool]) -> None:
        """Post what is left, each event once, unless it is stopped before; what is under way gets its answer too."""
        await self._end_work()
        # An answer that is not stored yet may be the one that lets the others go.
        while not is_stopped() and (await retry_transient(self._start_due) > 0 or self._posts or self._answers):
            if self._posts:
                await asyncio.wait(self._posts, timeout=LOOK_SECONDS)
            await self._settle()

    async def _end_work(self) -> None:
        self._stopped.set()
        self._freed.set()
        # It is not cancelled: what the database has given to it would be lost to it.
        if self._working is not None:
            await asyncio.wait({self._working})

    async def _work(self) -> None:
        while not self._stopped.is_set():
            self._freed.clear()
            await self._settle()
            started = await self._start_due()
            self.supervised.report_success()
            if self._is_busy() and (started or self._posts):
                await asyncio.sleep(BUSY_SECONDS)
            elif (self._posts or not started) and not self._stopped.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._freed.wait()

    async def _start_due(self) -> int:
        """Claim what is due, and begin to post it; tell how many."""
        claimed = await self._claim_due()
        for one in claimed:
            task = asyncio.create_task(self._post(one))
            self._posts[task] = one
            task.add_done_callback(self._posts.pop)
        return len(claimed)

    async def _claim_due(self) -> list[ClaimedEvent]:
        # Until its answer is stored: the failures in it may be those after which nothing else is posted.
        held = [*self._posts.values(), *(one for one, _ in self._answers)]
        room = min(MOST_AT_ONCE - len(held), BUSY_BATCH if self._is_busy() else MOST_AT_ONCE)
        if room <= 0 or not await self._database.read(is_any_due):
            return []
        under_way, last_rounds = Counter(one.webhook.id for one in held), dict(self._last_rounds)
        claimed = await self._database.write(lambda db: claim(db, under_way, last_rounds, MOST_OF_ONE, room))
        self._round += 1
        self._last_rounds.update({one.webhook.id: self._round for one in claimed})
        return claimed

    async def _post(self, one: ClaimedEvent) -> None:
        try:
            answer = await self._webhooks.post_event(one.webhook, Event.of_row(one.row))
        except MailnodeError as error:
            answer = Answer(trouble=error.message, hint=error.hint)
        except Exception as error:  # noqa: BLE001 -- it is logged, and is a try that failed
            _log.exception("event %s could not be posted", one.row.id)
            answer = Answer(trouble=f"mailnode failed with {type(error).__name__}")
        finally:
            self._freed.set()
        self._answers.append((one, answer))

    async def _settle(self) -> None:
        """Store what came of those that have ended."""
        answers, self._answers = self._answers, []
        if answers:
            try:
                write = partial(self._database.write, lambda db: settle(db, answers))
                await retry_transient(write, is_over=self._stopped.is_set)
            except BaseException:
                self._answers = answers + self._answers
                raise

    async def _give_up(self) -> None:
        """Wait a moment for the answers that are due; what is left, or can't be stored, is posted once more, later."""
        posts = dict(self._posts)
        if posts:
            _, late = await asyncio.wait(posts, timeout=STOP_SECONDS)
            left = [posts[task] for task in late]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            with suppress(MailnodeError):
                await self._database.write(lambda db: release(db, left))
        answers, self._answers = self._answers, []
        with suppress(MailnodeError):
            await self._database.write(lambda db: settle(db, answers))
