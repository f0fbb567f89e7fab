"""The gate of the SMTP server: apps and their messages, over the database."""

import asyncio
import hmac
import logging
import pwd
from dataclasses import dataclass

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, select

from mailnode.connections.connection import Connection
from mailnode.connections.repository import ConnectionRepository
from mailnode.delivery.delivery import Terms
from mailnode.delivery.duplicates import fingerprint_of
from mailnode.delivery.intake import WakeWorker
from mailnode.delivery.policy import Policy
from mailnode.delivery.prepare import PreparedMail, signer_of
from mailnode.delivery.route import Destination, Route, Router
from mailnode.errors import (
    ComposeError,
    DkimError,
    ErrorCode,
    MailboxError,
    MailnodeError,
    SettingsError,
    StoreError,
)
from mailnode.message.envelope import Envelope
from mailnode.message.mailbox import parse_mailbox
from mailnode.message.ready_made import ReadyMade
from mailnode.store.database import Database
from mailnode.store.prepared import Query
from mailnode.store.secret_hash import hash_of
from mailnode.store.tables import apps
from mailnode.submission.app_fields import StoredApp, is_name
from mailnode.submission.gate import App, Reply, Submitted
from mailnode.submission.intake import OverRate, Submission, SubmissionIntake
from mailnode.submission.login_delays import LoginDelays
from mailnode.submission.received import MOST_HOPS, received_field
from mailnode.submission.replies import LOGIN_TROUBLE

RETRY_HOURS = 24.0
# A thousand recipients need a tenth of it; who takes all of it keeps other clients waiting for a second or two.
MOST_HEADER_BYTES = 256 * 1024
# What is longer is read in a thread of its own.
_SHORT_BYTES = 1024 * 1024
_TERMS = Terms().for_queue(RETRY_HOURS)
_WRONG = Reply(535, "5.7.8", "Authentication credentials invalid")
_OVER_RATE = Reply(450, "4.7.1", "Too many messages: the rate of this app is used up, try again later")
_LOOP = Reply(554, "5.4.6", f"Routing loop detected: the message has passed more than {MOST_HOPS} servers")
_LOGIN_AGAIN = Reply(421, "4.7.0", "The password of this app has been changed; log in again")
_LONG_HEADER = Reply(552, "5.3.4", f"The header of the message is longer than {MOST_HEADER_BYTES // 1024} KiB")
_log = logging.getLogger(__name__)
# What is compared where there is no such app, so that this takes as long.
_NO_HASH = hash_of("")


@dataclass(frozen=True, slots=True)
class _Current:
    """An app, its connection and the route to its server, as they were at the beginning of its last transaction."""

    row: object
    app: StoredApp
    connection: Connection
    destination: Destination
    route: Route


class DatabaseGate:
    """Lets apps in, and stores what they hand in as deliveries."""

    def __init__(
        self,
        database: Database,
        connections: ConnectionRepository,
        router: Router,
        wake_worker: WakeWorker,
        host: str,
        redirect_all_to: str | None = None,
    ) -> None:
        """Find apps in `database`, and the routes of their `connections` by `router`.

        `wake_worker` is called for what is due, `host` is this machine's name in messages, and `redirect_all_to` the
        mailbox that gets all mail of this process.
        """
        self._database = database
        self._connections = connections
        self._router = router
        self._intake = SubmissionIntake(database, wake_worker)
        self._host = host
        self._redirect_all_to = redirect_all_to
        self._delays = LoginDelays()
        self._current: dict[str, _Current] = {}

    async def authenticate(self, login: str, password: str, peer: str) -> App | Reply:
        """Give the app with this login and password; a wrong one is answered later each time."""
        try:
            of_it = select(apps).where(apps.c.name == (login if is_name(login) else ""))
            row = await self._database.read(lambda db: db.execute(of_it).first())
            is_right = hmac.compare_digest(row.password_hash if row else _NO_HASH, hash_of(password))
            if row and is_right:
                return StoredApp.of(row)
        except (StoreError, SettingsError) as error:
            # Where the database is, or what is in it, is nothing for a stranger.
            _log.warning("a login could not be checked: %s", error)
            return LOGIN_TROUBLE
        await asyncio.sleep(self._delays.count(peer, login))
        return _WRONG

    async def peer_user(self, uid: int) -> App | Reply:
        """Give the app of a user of this machine."""
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = f"uid {uid}"
        of_it = select(apps).where(apps.c.unix_user == user)
        try:
            row = await self._database.read(lambda db: db.execute(of_it).first())
            if row is not None:
                return StoredApp.of(row)
        except MailnodeError as error:
            return _refusal(error)
        return Reply(550, "5.7.1", f"The user {user} has no app here: `mailnode apps create NAME --unix-user {user}`")

    async def may_send_from(self, app: App, reverse_path: str) -> Reply | None:
        """See that the sender is one of the app's; here begins a transaction, with app and connection as they are."""
        assert isinstance(app, StoredApp)
        try:
            current = await self._load(app)
        except MailnodeError as error:
            return _refusal(error)
        if current is None:
            return Reply(550, "5.7.1", f"The app {app.name} has been deleted")
        stored = current.app
        if stored.password_hash != app.password_hash:
            return _LOGIN_AGAIN
        if stored.allows_null_path if not reverse_path else stored.may_send_from(reverse_path):
            return None
        return Reply(550, "5.7.1", f"{reverse_path or '<>'}: the app {app.name} may not send from this address")

    async def may_send_to(self, app: App, forward_path: str) -> Reply | None:
        """See that the connection may send to a recipient."""
        try:
            current = await self._loaded(app)
            if current is not None:
                addr_spec = parse_mailbox(forward_path).addr_spec
                self._check_recipients(current.connection, (addr_spec,))
        except MailnodeError as error:
            return _refusal(error)
        return None

    async def take(self, app: App, submitted: Submitted) -> Reply:
        """Store a message as a delivery in the queue: 250 once it is committed."""
        try:
            current = await self._loaded(app)
            if current is None:
                return Reply(550, "5.7.1", f"The app {app.name} has been deleted")
            if len(submitted.content) <= _SHORT_BYTES:
                submission = self._submission(current, submitted)
            else:
                submission = await asyncio.to_thread(self._submission, current, submitted)
            if isinstance(submission, Reply):
                return submission
            stored = await self._intake.store(submission)
        except OverRate:
            return _OVER_RATE
        except MailnodeError as error:
            return _refusal(error)
        duplicate = " (a duplicate: it was queued before)" if stored.is_duplicate else ""
        return Reply(250, "2.0.0", f"Ok: queued as {stored.id}{duplicate}")

    async def _loaded(self, app: App) -> _Current | None:
        assert isinstance(app, StoredApp)
        return self._current.get(app.id) or await self._load(app)

    async def _load(self, app: App) -> _Current | None:
        """Read an app and its connection; None if the app that has logged in is no more."""
        assert isinstance(app, StoredApp)

        def work(db: Transaction) -> _Current | None:
            rows = _BY_ID.all(db, id=app.id)
            if not rows:
                return None
            (row,) = rows
            connection = self._connections.opened(db, row.connection)
            known = self._current.get(app.id)
            if known is not None and known.row == row and known.connection is connection:
                return known
            stored = StoredApp.of(row)
            destination = stored.destination(connection)
            return _Current(row, stored, connection, destination, self._router.route_of(destination, connection))

        found = await self._database.read(work)
        if found is not None:
            self._current[app.id] = found
        return found

    def _check_recipients(self, connection: Connection, addr_specs: tuple[str, ...]) -> None:
        policy = Policy(connection, self._redirect_all_to)
        if policy.target is None:  # else it is the only one that gets mail
            policy.check(addr_specs)

    def _submission(self, current: _Current, submitted: Submitted) -> Submission | Reply:
        app, connection = current.app, current.connection
        content = submitted.content
        if len(content) > MOST_HEADER_BYTES and content.find(b"\r\n\r\n", 0, MOST_HEADER_BYTES) < 0:
            return _LONG_HEADER
        given = ReadyMade(content)
        if given.hops > MOST_HOPS:
            return _LOOP
        for author in given.authors():
            if not app.may_send_from(author):
                return Reply(550, "5.7.1", f"{author}: the app {app.name} may not write in this name")
        envelope = Envelope(submitted.reverse_path or None, submitted.forward_paths)
        trace = received_field(self._host)
        message = given.message(envelope, signer=signer_of(connection), trace=trace)
        self._check_recipients(connection, message.envelope.forward_paths)
        route = current.route
        mail = PreparedMail(
            message=message,
            subject=given.subject,
            destination=current.destination,
            route=route,
            terms=_TERMS,
            app=app.name,
            warnings=(*route.warnings, *message.warnings),
        )
        if not app.checks_duplicates or not given.message_id:
            return Submission(app, mail)
        return Submission(
            app, mail, fingerprint_of(app.id, given.message_id, message.envelope.reverse_path or "", given.digest)
        )


_BY_ID = Query(select(apps).where(apps.c.id == bindparam("id")))


def _refusal(error: MailnodeError) -> Reply:
    """Give the reply for an error: what a person has to mend here, or passes, is temporary, and loses nothing."""
    if isinstance(error, StoreError):
        is_full = "full" in error.message.lower()
        if error.code is ErrorCode.WRONG_SECRET_KEY:
            return Reply(451, "4.3.5", error.message)
        return Reply(452, "4.3.1", error.message) if is_full else Reply(451, "4.3.0", error.message)
    if error.code is ErrorCode.RECIPIENT_NOT_ALLOWED:
        return Reply(550, "5.7.1", error.message)
    if isinstance(error, MailboxError):
        return Reply(553, "5.1.3" if error.key == "to" else "5.1.7", error.message)
    if isinstance(error, ComposeError) and not isinstance(error, DkimError):
        return Reply(554, "5.6.0", error.message)
    return Reply(451, "4.3.5", error.message)
