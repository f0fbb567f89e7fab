"""The tables. Times are Unix milliseconds, ids are text, JSON is text: the same in SQLite and in PostgreSQL.

Indexes of a part of a table are in partial_indexes.py.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, Table, Text

from mailnode.store.kinds import Count, Doubt, Number, Octets, Words

# Counts the files in migrations/versions; a database says which number it has.
SCHEMA_NUMBER = 13

metadata = MetaData()

# A value encrypted with each key that ever wrote here: it tells a wrong key from a damaged secret.
secret_check = Table(
    "secret_check",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

connections = Table(
    "connections",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("type", Words, nullable=False),
    Column("revision", Count, nullable=False),
    Column("service", Words),
    Column("hosts", Words),  # JSON array
    Column("settings", Words, nullable=False),  # JSON object: the public fields
    Column("secrets", Words, nullable=False),  # JSON object: field to ciphertext
    Column("created_at", Number, nullable=False),
    Column("updated_at", Number, nullable=False),
)

# The living tokens of a connection, apart from it: they change without its being edited.
tokens = Table(
    "tokens",
    metadata,
    Column("connection_id", Text, ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", Integer, nullable=False),  # counts changes; a write names the one that it replaces
    Column("secrets", Text, nullable=False),  # JSON object: accessToken and refreshToken to ciphertext
    Column("expires_at", BigInteger),  # null: not known
    Column("refreshing_by", Text),  # a worker's id
    Column("refreshing_until", BigInteger),
    Column("in_doubt_since", BigInteger),  # a renewal began then whose answer was never received
    Column("failures", Integer, nullable=False),
    Column("retry_at", BigInteger),
    Column("trouble", Text),  # JSON object: the last renewal's error
    Column("updated_at", BigInteger, nullable=False),
)

# What the last test of a connection found, at the revision that it had then.
connection_tests = Table(
    "connection_tests",
    metadata,
    Column("connection_id", Words, ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Count, nullable=False),
    Column("failed_step", Words),  # null: none failed
    Column("found", Words, nullable=False),
    Column("hint", Words, nullable=False),
    Column("tested_at", Number, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Words, primary_key=True),
    Column("key", Words, unique=True),  # idempotency; a failed delivery gives it back
    Column("digest", Words, nullable=False),
    Column("connection", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("port", Count, nullable=False),
    Column("message_id", Words, nullable=False),
    Column("reverse_path", Words),  # null is <>
    Column("size", Number, nullable=False),
    Column("lane", Words, key="route_key", nullable=False),  # routes.name: one server and one login
    Column("state", Words, nullable=False),
    Column("generation", Count, nullable=False),  # counts the claims
    Column("worker", Words),
    Column("tries", Count, nullable=False),
    Column("maybe_accepted", Doubt, nullable=False),  # content was handed over once, and no answer came
    Column("run_id", Words),
    Column("node_id", Words),
    Column("flow", Words),  # its name, for searches
    Column("subject", Words),  # the same, and to be shown; its beginning is enough for that
    Column("app", Words),  # the name of the program that handed it in
    Column("duplicates", Count),  # how often it handed it in again
    Column("options", Words, nullable=False),  # JSON object: the way to the server, the terms, the place of the result
    Column("warnings", Words, nullable=False),  # JSON array
    Column("result", Words),  # JSON object
    Column("due_at", Number),
    Column("expires_at", Number, nullable=False),
    Column("created_at", Number, nullable=False),
    Column("updated_at", Number, nullable=False),
    Index("deliveries_latest", "created_at", "id"),
    Index("deliveries_by_run", "run_id", "created_at", "id"),
    Index("deliveries_by_message_id", "message_id"),
)

# How many deliveries were created, and ended, in each minute: triggers of the database keep it true to `deliveries`.
# The sweep adds up the minutes of hours that are long over, in their first minute.
delivery_counts = Table(
    "delivery_counts",
    metadata,
    Column("minute", Number, primary_key=True),  # of Unix time
    Column("event", Words, primary_key=True),  # created, or the state that a delivery ended in
    Column("writer", Number, primary_key=True),  # who counted, so that nobody waits for another's commit
    Column("count", Number, nullable=False),
    sqlite_with_rowid=False,
)

# What is known of a delivery that was cleared away, so that nothing is sent twice under its idempotency key.
kept_keys = Table(
    "kept_keys",
    metadata,
    Column("hash", Words, primary_key=True),  # SHA-256 of the key, in hexadecimal
    Column("digest", Words, nullable=False),
    Column("status", Words, nullable=False),  # failed, cancelled: the key is free, but somebody may have the email
    Column("message_id", Words, nullable=False),
    Column("delivery_id", Words, nullable=False),
    Column("ended_at", Number, nullable=False),
    Index("kept_keys_ended", "ended_at"),
    sqlite_with_rowid=False,
)

# The highest sequence number of each event that was invited to, by its uid.
invitations = Table(
    "invitations",
    metadata,
    Column("uid", Words, primary_key=True),
    Column("sequence", Count, nullable=False),
    Column("kept_until", Number, nullable=False),
    Index("invitations_kept_until", "kept_until"),
    sqlite_with_rowid=False,
)

# Programs that hand in messages by SMTP; their passwords are random, so that a fast hash keeps them.
apps = Table(
    "apps",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("connection", Words, nullable=False),
    Column("unix_user", Words, unique=True),
    Column("password_hash", Words, nullable=False),  # SHA-256, in hexadecimal
    Column("settings", Words, nullable=False),  # JSON object: all else that a person has set
    Column("created_at", Number, nullable=False),
    Column("updated_at", Number, nullable=False),
)

# What changes as an app is used: where its rate limits stand (GCRA), in microseconds of the database's clock.
app_use = Table(
    "app_use",
    metadata,
    Column("app_id", Words, primary_key=True),
    Column("last_used_at", Number, nullable=False),
    Column("free_at", Number, nullable=False),  # of its messages
    Column("report_free_at", Number, nullable=False),  # of the reports of its failures
    sqlite_with_rowid=False,
)

# Who has got which message of an app within a day, so that one that is handed in again is not sent twice.
submissions = Table(
    "submissions",
    metadata,
    Column("fingerprint", Words, primary_key=True),  # of app, Message-ID, reverse-path and content; SHA-256
    Column("address", Words, primary_key=True),
    Column("delivery_id", Words, nullable=False),
    Column("created_at", Number, nullable=False),
    Index("submissions_created", "created_at"),
    sqlite_with_rowid=False,
)

# Tokens of programs that ask the HTTP API, by their names.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("name", Words, primary_key=True),
    Column("digest", Words, nullable=False, unique=True),  # SHA-256 of the token, in hexadecimal
    Column("scopes", Words, nullable=False),  # words, with blanks between them
    Column("created_at", Number, nullable=False),
    Column("last_used_at", Number),
)

# Who has asked the HTTP API for what.
audit = Table(
    "audit",
    metadata,
    Column("id", Words, primary_key=True),
    Column("created_at", Number, nullable=False),
    Column("caller", Words, nullable=False),  # token, serveToken, browser, unknown
    Column("token", Words),  # its name
    Column("method", Words, nullable=False),
    Column("path", Words, nullable=False),
    Column("status", Count, nullable=False),
    Column("client", Words, nullable=False),
    Index("audit_created", "created_at", "id"),
    Index("audit_by_token", "token", "created_at", "id"),
)

# The circuit breaker of each route, by one login to one server, for every worker to see.
routes = Table(
    "lanes",
    metadata,
    Column("name", Words, primary_key=True),
    Column("connection", Words, nullable=False),
    Column("failures", Count, nullable=False),  # in a row: no server, no greeting, no login
    Column("retry_at", Number, nullable=False),  # nothing of this route is claimed before
    Column("trouble", Words),  # JSON object: the error that it fails with
    Column("revision", Count),  # the connection's, when it failed
)

# Where the rate limit of a connection stands (GCRA), in microseconds of the database's clock.
rates = Table(
    "rates",
    metadata,
    Column("connection", Words, primary_key=True),
    Column("free_at", Number, nullable=False),  # when the next one may go
    Column("taken_at", Number, nullable=False),  # when it was last asked for
)

# Who is alive, where no lock of a file can tell: a lease by the database's clock.
workers = Table(
    "workers",
    metadata,
    Column("id", Words, primary_key=True),
    Column("lease_until", Number, nullable=False),
)


def _delivery_id() -> Column[str]:
    return Column("delivery_id", Words, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True)


delivery_recipients = Table(
    "delivery_recipients",
    metadata,
    _delivery_id(),
    Column("position", Count, primary_key=True),
    Column("address", Words, nullable=False),
    Column("field", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("reply_code", Count),
    Column("enhanced_status_code", Words),
    Column("reply_text", Words),
    Column("mailbox", Words),  # the address in small letters; the three are for searches
    Column("domain", Words),
    Column("created_at", Number),  # the delivery's
    Index("delivery_recipients_by_mailbox", "mailbox", "created_at", "delivery_id"),
    Index("delivery_recipients_by_domain", "domain", "created_at", "delivery_id"),
)

delivery_content = Table(
    "delivery_content",
    metadata,
    _delivery_id(),
    Column("position", Count, primary_key=True),
    Column("octets", Octets, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    _delivery_id(),
    Column("number", Count, primary_key=True),
    Column("started_at", Number, nullable=False),
    Column("ended_at", Number),
    Column("phase", Words),
    Column("code", Words),
    Column("reply_code", Count),
    Column("message", Words),
    Column("dialogue", Words),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("flow", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("worker", Words),
    Column("state", Words),  # JSON object
    Column("request", Words),  # JSON object: what a run that nobody waits for begins with, until it has ended
    Column("losses", Count),  # how many processes have died while they ran it; null is none
    Column("created_at", Number, nullable=False),
    Column("updated_at", Number, nullable=False),
    Index("runs_latest", "created_at", "id"),
    Index("runs_by_status", "status", "created_at", "id"),
    Index("runs_by_flow", "flow", "status", "created_at", "id"),
)
