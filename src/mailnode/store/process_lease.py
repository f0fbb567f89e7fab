"""A process on one of many machines: it holds a lease by the database's clock."""

import threading
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Delete,
    Engine,
    Update,
    bindparam,
    cast,
    delete,
    extract,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from mailnode.errors import StoreError
from mailnode.store.tables import workers
from mailnode.supervision import Supervised

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
# By how much the clocks of two machines may drift apart within a lease.
MARGIN_SECONDS = 2.0
_RETRY_SECONDS = 0.5


def _ms(moment: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(extract("epoch", moment) * 1000, BigInteger)


_END = _ms(func.clock_timestamp()) + bindparam("lease", type_=BigInteger)
_THIS = workers.c.id == bindparam("of")
_TAKE = insert(workers).values(id=bindparam("of"), lease_until=_END)
_RENEW = update(workers).where(_THIS).values(lease_until=_END)
_LEAVE = delete(workers).where(_THIS)
# Who is in no row is as dead as who has an old one.
_SWEEP = delete(workers).where(workers.c.lease_until < _ms(func.clock_timestamp()) - 3_600_000)
# Goes on while the machine sleeps, where there is such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class _Lease:
    """An id, and until when (by this machine's clock) no other process can have found it dead."""

    id: str
    held_until: float


class ProcessLease:
    """This process, known by an id whose lease a thread of its own renews.

    A lease that was let run out is over for ever, because others may have taken its claims: the process goes on under
    another id. So the thread that wakes first after a pause, this one or the one that sends, makes no
    difference to what `still_holds` says.
    """

    def __init__(self, engine: Engine) -> None:
        """Take a lease in the database of an engine that nothing else uses.

        Raises:
            StoreError: the database can't be written to.
        """
        self._engine = engine
        self._ends = threading.Event()
        self._supervised = Supervised("the lease of this process")
        try:
            self._lease = self._taken()
        except SQLAlchemyError as error:
            engine.dispose()
            raise StoreError(
                f"can't register this process in the database: {getattr(error, 'orig', error)}", transient=True
            ) from error
        self._thread = threading.Thread(target=self._keep, name="mailnode-lease", daemon=True)
        self._thread.start()

    @property
    def id(self) -> str:
        """What is written into a claim now."""
        return self._lease.id

    def is_alive(self, db: Connection, process_id: str | None) -> bool:
        """Tell whether this id has a lease by the database's clock."""
        return not self.dead_among(db, [process_id])

    def dead_among(self, db: Connection, process_ids: Collection[str | None]) -> set[str | None]:
        """Give those of these ids that have no lease any more."""
        if not process_ids:
            return set()
        # The time that the statement came, not one later: what it finds ended had ended before it looked.
        has_lease = workers.c.lease_until > _ms(func.statement_timestamp())
        living = select(workers.c.id).where(workers.c.id.in_(process_ids), has_lease)
        return {*process_ids} - {*db.execute(living).scalars()}

    def still_holds(self, process_id: str) -> bool:
        """Tell that the lease of this id has had no gap and goes on, by this machine's clock."""
        lease = self._lease
        return process_id == lease.id and not self._ends.is_set() and _now() < lease.held_until

    def close(self) -> None:
        """Leave, once or again: from here on others may take over what this process had claimed."""
        if self._ends.is_set():
            return
        self._ends.set()
        self._thread.join()
        with suppress(SQLAlchemyError):  # else the lease ends by itself
            self._write(_LEAVE, self.id)
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self) -> None:
        wait = RENEW_SECONDS
        while not self._ends.wait(wait):
            try:
                self._lease = self._renewed(self._lease)
                wait = RENEW_SECONDS
                self._supervised.report_success()
            except SQLAlchemyError:
                wait = _RETRY_SECONDS
            except Exception as error:  # noqa: BLE001 -- it is logged; a lease that ends meanwhile is replaced
                wait = min(self._supervised.report_failure(error), RENEW_SECONDS)

    def _renewed(self, lease: _Lease) -> _Lease:
        held_until = _held_until()
        # Only an answer that came in time shows that there was no gap in which others could look.
        if _now() < lease.held_until and self._write(_RENEW, lease.id, lease=_lease_ms()) and _now() < lease.held_until:
            return _Lease(lease.id, held_until)
        return self._taken()

    def _taken(self) -> _Lease:
        lease = _Lease(uuid.uuid4().hex, _held_until())
        with self._engine.begin() as connection:
            connection.execute(_SWEEP)
            connection.execute(_TAKE, {"of": lease.id, "lease": _lease_ms()})
        return lease

    def _write(self, statement: Update | Delete, process_id: str, **values: int) -> bool:
        with self._engine.begin() as connection:
            return bool(connection.execute(statement, {"of": process_id, **values}).rowcount)


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def _held_until() -> float:
    """Counted from before the database is asked, so it ends before the lease does."""
    return _now() + LEASE_SECONDS - MARGIN_SECONDS


def _lease_ms() -> int:
    return int(LEASE_SECONDS * 1000)
