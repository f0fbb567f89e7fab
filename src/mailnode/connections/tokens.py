"""Access tokens of connections: one renewal at a time for each connection, across tasks, processes and machines.

A renewal is claimed by compare-and-set, requested outside any transaction, and stored by compare-and-set; a new refresh
token is on the disk before the access token is used.
"""

import asyncio
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import Connection as Transaction

from mailnode.connections.endpoint import TokenEndpoint
from mailnode.connections.grant import Form, Grant, RefreshGrant, ServiceAccountGrant
from mailnode.connections.rows import open_grant
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.token_errors import consent_needed, expired, explained, postponed
from mailnode.connections.token_rows import LEASE_MS, TokenRow, claim, read_tokens, store_answer, store_failure
from mailnode.errors import TokenError
from mailnode.smtp.proxy import Proxy
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import Clock, unix_ms
from mailnode.store.database import Database
from mailnode.store.retry import retry_transient

T = TypeVar("T")

# How often the database is asked whether another process has finished its renewal.
POLL_SECONDS = 0.05
_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 300_000
_LONGEST_RETRY_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class ConnectionTokens:
    """The tokens of one connection at one of its revisions."""

    connection_id: str
    revision: int
    keeper: "TokenKeeper" = field(repr=False)

    async def token(self) -> str:
        """Give an access token; raises as `TokenKeeper.token` does."""
        return await self.keeper.token(self.connection_id)

    async def renewed(self, refused: str) -> str:
        """Give another access token than the refused one; raises as `TokenKeeper.token` does."""
        return await self.keeper.token(self.connection_id, refused=refused)


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A claimed renewal with its grant and proxy."""

    name: str
    grant: Grant
    proxy: Proxy | None
    row: TokenRow

    def form(self, now: int) -> Form:
        if isinstance(self.grant, RefreshGrant):
            assert self.row.refresh_token
            return self.grant.form(self.row.refresh_token)
        return self.grant.form(now) if isinstance(self.grant, ServiceAccountGrant) else self.grant.form()


class TokenKeeper:
    """Gives access tokens of connections, and renews them when they are about to expire or were refused.

    Nothing is cached: each token is read from the database, so what another process stored is seen at once.
    """

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        process: ThisProcess,
        endpoint: TokenEndpoint | None = None,
        clock: Clock = unix_ms,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep tokens in `database`, claim renewals as `process`; `clock` gives the time, `ticks` measures it."""
        self._database = database
        self._cipher = cipher
        self._process = process
        self._endpoint = endpoint or TokenEndpoint(clock=clock)
        self._clock = clock
        self._ticks = ticks
        # The claim of another process that was seen on a connection, and since when.
        self._seen: dict[str, tuple[tuple[str, int], float]] = {}
        self._renewals: dict[tuple[str, str | None, bool], asyncio.Task[str | Exception]] = {}

    async def token(self, connection_id: str, *, refused: str | None = None, force: bool = False) -> str:
        """Give an access token that is valid for at least a minute if possible; never the one that was `refused`.

        `force` requests one whatever is stored, even if the last request failed a moment ago.

        Raises:
            TokenError: no token can be got; the hint says what helps.
            ConnectionsError: the connection was deleted.
            StoreError: the database can't be read or written.
        """
        if not force:
            row = await self._database.read(lambda db: read_tokens(db, self._cipher, connection_id))
            if row and (token := row.fresh_token(self._clock(), refused)):
                return token
        key = (connection_id, refused, force)
        if key not in self._renewals:
            self._renewals[key] = asyncio.create_task(self._renew(connection_id, refused, force=force))
            self._renewals[key].add_done_callback(lambda _: self._renewals.pop(key))
        # The result of a renewal belongs to all who wait, even if the first one was cancelled.
        outcome = await asyncio.shield(self._renewals[key])
        if isinstance(outcome, Exception):
            raise copy.copy(outcome)
        return outcome

    async def close(self) -> None:
        """Wait for the renewals in progress: their answers must be stored."""
        if self._renewals:
            await asyncio.wait(self._renewals.values())

    async def _renew(self, connection_id: str, refused: str | None, *, force: bool) -> str | Exception:
        """Give a token, or the exception for all who wait for it."""
        try:
            while True:
                found = await self._database.write(lambda db: self._claim(db, connection_id, refused, force=force))
                if isinstance(found, _Renewal):
                    found = await self._ask(found)
                if found is not None:
                    return found
                await asyncio.sleep(POLL_SECONDS)
        except Exception as error:  # noqa: BLE001 -- raised where the token is awaited
            return error

    def _claim(self, db: Transaction, connection_id: str, refused: str | None, *, force: bool) -> str | _Renewal | None:
        """Give a stored token, or claim a renewal; None while another process renews."""
        name, grant, proxy = open_grant(db, self._cipher, connection_id)
        row = read_tokens(db, self._cipher, connection_id)
        assert row  # written with the connection
        now = self._clock()
        if not force and (token := row.fresh_token(now, refused)):
            return token
        usable = None if force else row.live_token(now, refused)
        if self._is_claimed(db, row, now):
            return usable
        considered = replace(row, last_error=None) if force else row
        obstacle = self._obstacle(name, grant, considered, now, is_refused=row.access_token == refused)
        if obstacle is not None:
            if usable is None:
                raise obstacle
            return usable
        assert grant
        claimed = claim(db, row, self._process.id, now)
        return _Renewal(name, grant, proxy, claimed) if claimed else None

    def _is_claimed(self, db: Transaction, row: TokenRow, now: int) -> bool:
        """Whether another process renews now; a clock that was set back makes no claim last longer."""
        by, until = row.refreshing_by, row.refreshing_until or 0
        if by is None or now >= until or not self._process.is_alive(db, by):
            return False
        seen, since = self._seen.get(row.connection_id, (None, 0.0))
        if seen != (by, until):
            since = self._ticks()
            self._seen[row.connection_id] = ((by, until), since)
        return self._ticks() - since < LEASE_MS / 1000

    def _obstacle(
        self, name: str, grant: Grant | None, row: TokenRow, now: int, *, is_refused: bool
    ) -> TokenError | None:
        """Give the error for which no token is requested now; None when one may be."""
        if grant is None:
            return expired(name, is_refused=is_refused)
        if isinstance(grant, RefreshGrant) and row.refresh_token is None:
            return consent_needed(name)
        if row.last_error is None:
            return None
        if row.needs_consent:
            return row.last_error
        return postponed(row.last_error, row.retry_at - now) if row.retry_at and now < row.retry_at else None

    async def _ask(self, renewal: _Renewal) -> str | None:
        """Request a token and store the answer; None when another process has stored something newer."""
        row = renewal.row
        try:
            endpoint = self._endpoint.via(renewal.proxy)
            answer = await endpoint.ask(renewal.grant.access_url, renewal.form(self._clock()))
        except TokenError as error:
            failure = explained(error, renewal.name, renewal.grant, row.in_doubt_since)
            now = self._clock()
            retry_at = now + _wait_ms(row.failures, error.retry_after)
            if await self._store(lambda db: store_failure(db, row, failure, retry_at, now)):
                raise failure from None
            return None
        await self._store(lambda db: store_answer(db, self._cipher, row, answer, self._clock()))
        return answer.access_token

    async def _store(self, work: Callable[[Transaction], T]) -> T:
        return await retry_transient(lambda: self._database.write(work))


def _wait_ms(failures: int, retry_after: float | None) -> int:
    grown = min(_FIRST_WAIT_MS << min(failures, 10), _LONGEST_WAIT_MS)
    return grown if retry_after is None else max(grown, int(min(retry_after, _LONGEST_RETRY_SECONDS) * 1000))
