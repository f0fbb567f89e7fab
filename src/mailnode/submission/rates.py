"""How many messages an app may hand in: so many at once, and then as they become free again over the time of its rate.

It is the generic cell rate algorithm (ITU-T I.371) with a burst of the whole rate, by the database's clock, so that
all processes together hold it.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from mailnode.connections.rate_limit import MICROSECONDS, RateLimit
from mailnode.store.prepared import Change
from mailnode.store.sql import insert_new
from mailnode.store.tables import app_use

# When an app was used last is written down no more often.
USED_EXACT_MS = 60_000


def next_free(free_at: int, now_us: int, rate: RateLimit) -> int | None:
    """Give the time that is stored if one more may go now, None if it may not."""
    period = rate.seconds * MICROSECONDS
    spacing = period // rate.count
    # What lies further ahead was written by a clock that was set back since.
    begin = now_us if free_at > now_us + period else max(free_at, now_us)
    return begin + spacing if begin - now_us <= period - spacing else None


class AppUse:
    """What an app takes as it hands messages in, counted by this process in the database."""

    def __init__(self) -> None:
        """Have written nothing yet."""
        self._written: dict[str, int] = {}

    def take(self, db: Connection, wanted: Sequence[tuple[str, RateLimit | None]], now_us: int) -> list[bool]:
        """Tell for each message, by the id and the rate of its app, whether it may come in now."""
        answers = [True] * len(wanted)
        by_app: dict[str, list[int]] = {}
        for place, (app_id, _) in enumerate(wanted):
            by_app.setdefault(app_id, []).append(place)
        for app_id in sorted(by_app):  # in one order everywhere, for who holds a row keeps others waiting
            rate = wanted[by_app[app_id][0]][1]
            if rate is not None:
                for place in self._over(db, app_id, rate, by_app[app_id], now_us):
                    answers[place] = False
            elif now_us // 1000 - self._written.get(app_id, 0) > USED_EXACT_MS:
                self._write(db, app_id, now_us)
        return answers

    def _over(self, db: Connection, app_id: str, rate: RateLimit, places: Sequence[int], now_us: int) -> list[int]:
        query = select(app_use.c.free_at).where(app_use.c.app_id == app_id).with_for_update()
        if (free_at := db.execute(query).scalar()) is None:
            # Of two processes that begin at once the later one has to see the earlier one's.
            _INSERT.run(db, [unused(app_id)])
            free_at = db.execute(query).scalar_one()
        over = []
        for place in places:
            if (after := next_free(free_at, now_us, rate)) is None:
                over.append(place)
            else:
                free_at = after
        if len(over) < len(places):
            _TAKE.run(db, [{"of": app_id, "last_used_at": now_us // 1000, "free_at": free_at}])
        return over

    def _write(self, db: Connection, app_id: str, now_us: int) -> None:
        used = {"of": app_id, "last_used_at": now_us // 1000}
        if not _USE.run(db, [used]):
            _INSERT.run(db, [{**unused(app_id), "last_used_at": now_us // 1000}])
        self._written[app_id] = now_us // 1000


def unused(app_id: str) -> dict[str, str | int]:
    """Give the row of an app that has not been used yet."""
    return {"app_id": app_id, "last_used_at": 0, "free_at": 0, "report_free_at": 0}


_IS_IT = app_use.c.app_id == bindparam("of")
_INSERT = Change(insert_new(app_use))
_USE, _TAKE = Change(update(app_use).where(_IS_IT)), Change(update(app_use).where(_IS_IT))
