"""Email that a program queues in a transaction of its own: it is sent if that is committed, and never else.

What is written are rows that nobody else can write, and a notice for the workers: no other writer waits for the
program's commit.
"""

from typing import NamedTuple, Unpack, cast

from sqlalchemy import bindparam, select, text

from mailnode.connections.connection import Connection
from mailnode.connections.rows import NAMES, proper_name, unknown_connection, without_login
from mailnode.connections.secrets.cipher import Cipher
from mailnode.delivery.enqueued import NOTIFY
from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.route import Destination, Route, route
from mailnode.delivery.rows import statements_of
from mailnode.direct import EnqueueOptions, SendOptions, ready_mail
from mailnode.environment import Environment
from mailnode.errors import ErrorCode, StoreError, UsageError
from mailnode.message.envelope import Envelope
from mailnode.message.ready_made import Sendable
from mailnode.new_ids import new_id
from mailnode.store.clock import NOW_US
from mailnode.store.foreign import Statement, Steps, Within, WithinAsync, state_of, take_steps, take_steps_async
from mailnode.store.tables import SCHEMA_NUMBER, connections


class _Given(NamedTuple):
    message: Sendable | bytes
    envelope: Envelope | None
    schema: str | None
    options: SendOptions


def enqueue(
    message: Sendable | bytes,
    envelope: Envelope | None = None,
    *,
    within: Within,
    schema: str | None = None,
    **options: Unpack[EnqueueOptions],
) -> Result:
    """Queue an email in a transaction that the program commits or rolls back; a worker sends it after the commit.

    `within` is a Connection or Session of SQLAlchemy, or a Connection of psycopg (3), to mailnode's own PostgreSQL
    database; `schema` is the schema of mailnode's tables where the connection's search path does not lead there. What
    is sent, and where to, is as for `Mailnode.send`. All is written within a savepoint: an error leaves the transaction
    as it was. The result has the status `queued`.

    Raises:
        UsageError: it is no transaction on PostgreSQL, or the email is an invitation.
        StoreError: mailnode's tables are not there, are of another version, or may not be used.
        MailnodeError: the message can't be made, or no server is found for it.
    """
    return take_steps(_steps(_Given(message, envelope, schema, _checked(options))), within)


async def enqueue_async(
    message: Sendable | bytes,
    envelope: Envelope | None = None,
    *,
    within: WithinAsync,
    schema: str | None = None,
    **options: Unpack[EnqueueOptions],
) -> Result:
    """Queue an email as `enqueue` does, within an AsyncConnection or AsyncSession of SQLAlchemy, or psycopg's."""
    return await take_steps_async(_steps(_Given(message, envelope, schema, _checked(options))), within)


def _steps(given: _Given) -> Steps[Result]:
    try:
        yield Statement(_SAVEPOINT)
    except Exception as error:
        if state_of(error) == _NO_TRANSACTION:
            raise UsageError(
                "the connection is in no transaction: each of its statements commits itself",
                hint="begin a transaction (SQLAlchemy: leave AUTOCOMMIT out; psycopg: `with conn.transaction():`)",
            ) from error
        raise
    try:
        result = yield from _within_savepoint(given)
    except Exception as error:
        yield Statement(_BACK)
        yield Statement(_RELEASE)
        if (failure := _failure_of(error, given.schema)) is not None:
            raise failure from error
        raise
    yield Statement(_RELEASE)
    return result


def _within_savepoint(given: _Given) -> Steps[Result]:
    path = ""
    if given.schema is not None:
        ((path,),) = yield Statement(_PATH)
        yield Statement(_SET_SCHEMA, [{"name": given.schema}])
    found = yield Statement(_SCHEMA)
    _check_schema(str(found[0].version_num) if found else "")
    now = found[0].now // 1000
    connection = None
    if name := given.options.get("connection", ""):
        proper = proper_name(name)
        rows = (yield Statement(_CONNECTION, [{"name": proper}])) if proper else []
        if not rows:
            raise unknown_connection(name, [row.name for row in (yield Statement(NAMES))])
        connection = without_login(rows[0], _cipher)
    mail = _mail(given, connection)
    delivery = mail.delivery(new_id())
    for statement, new_rows in statements_of(delivery, mail, now):
        yield Statement(statement, new_rows)
    yield Statement(NOTIFY)
    if given.schema is not None:
        yield Statement(_SET_PATH, [{"path": path}])
    return result_of(delivery, status="queued")


def _mail(given: _Given, connection: Connection | None) -> PreparedMail:
    redirect = Environment.read().redirect_all_to

    def route_of(destination: Destination, connection: Connection | None) -> Route:
        return route(destination.target, connection, redirect_all_to=redirect)

    mail = ready_mail(given.message, given.envelope, given.options, connection, route_of, redirect)
    if mail.numbered:
        raise UsageError(
            "an invitation can't be queued in another transaction: others would wait for its sequence number",
            hint="send it by Mailnode.send once the transaction is committed",
        )
    return mail


def _checked(options: EnqueueOptions) -> SendOptions:
    if unknown := options.keys() - EnqueueOptions.__annotations__.keys():
        raise TypeError(f"enqueue() got an unexpected keyword argument {min(unknown)!r}")
    return cast("SendOptions", {**options, "wait": False})


def _cipher() -> Cipher:
    environment = Environment.read()
    if not environment.secret_key:
        raise StoreError(
            "MAILNODE_SECRET_KEY is not set, but the connection signs with its DKIM key",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="give this program the key that the workers have",
        )
    return Cipher.open(environment.home, environment.secret_key)


def _check_schema(number: str) -> None:
    if not number.isdecimal():
        raise _no_tables("the tables here are another program's")
    if int(number) == SCHEMA_NUMBER:
        return
    raise StoreError(
        f"mailnode's tables have schema {int(number)}, and this version of mailnode writes schema {SCHEMA_NUMBER}",
        hint="use the same version of mailnode in this program and in the workers; these upgrade the tables",
    )


def _no_tables(words: str) -> StoreError:
    return StoreError(
        words,
        hint="connect to the database of MAILNODE_DATABASE_URL, and name the schema of mailnode's tables (schema=…) if"
        " they have one of their own; a worker creates them",
    )


def _failure_of(error: Exception, schema: str | None) -> StoreError | None:
    """Say what can be done about what the database says; all else is the program's to handle."""
    match state_of(error):
        case "42P01":
            where = f"the schema {schema!r}" if schema is not None else "the search path of this connection"
            return _no_tables(f"mailnode's tables are not in {where}")
        case "42501":
            words = str(getattr(error, "orig", None) or error).partition("\n")[0]
            return StoreError(words, hint="grant this user what docs/programs.md lists")
        case _:
            return None


_SAVEPOINT, _BACK, _RELEASE = (
    text(f"{words} mailnode_enqueue") for words in ("SAVEPOINT", "ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT")
)
_NO_TRANSACTION = "25P01"
_PATH = text("SELECT current_setting('search_path')")
_SET_SCHEMA = text("SELECT set_config('search_path', quote_ident(CAST(:name AS text)), true)")
_SET_PATH = text("SELECT set_config('search_path', CAST(:path AS text), true)")
_SCHEMA = text(f"SELECT version_num, ({NOW_US}) AS now FROM alembic_version")  # noqa: S608 -- of constants
_CONNECTION = select(connections).where(connections.c.name == bindparam("name"))
