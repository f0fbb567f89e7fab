"""What stands around the table: who took part, where, against what; and the page that is kept."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import peers
from benchmarks.queue_job import QueueJob
from benchmarks.servers import sink_command

RESULTS = Path(__file__).parent / "results.md"

PAGE = """# Results of `make bench`

{date}. {surroundings}

{senders}

- Recipient, name, subject and body differ in every mail (text 0.5 kB, HTML 2 kB); composing is part of the work, but
  `smtp-source` composes nothing: it repeats one message of the same size.
- Each client is a process of its own and sends for a second (2.5 s on the long way), its sessions open and warm; CPU is
  user and system time of that process. All clients of a row take turns, round by round. A figure is the median of the
  rounds, a ratio the median of the ratios within each round; `1/4` of a cost is a quarter of it.
- mailnode (`SmtpClient`) and aiosmtplib run on uvloop, mailnode a second time on plain asyncio. Nodemailer has `pool`,
  `maxMessages: Infinity` and `maxConnections` of as many sessions; like ours its queue holds three mails a session, and
  it warms up longer than the others, 1.5 s, until its code is compiled. smtplib has a thread a session, and so has
  Django's `send_mail`, which connects for each mail.
- TLS is a front before the sink, its certificate made for the run and checked by the clients. The long way delays each
  direction by 25 ms and limits nothing else.
- An attachment is a file of random octets. Peak memory is that of the whole process, which sends one mail.
- A cold start is that of a process: `mailnode send` from an installed package, and scripts of ten lines.

## Mail that waits in a queue

{keepers}

- Asynchronous: one process puts 3,000 mails into an empty queue as fast as it durably can, a hundred at once, while one
  worker process takes them out and sends them over ten sessions at the most; {warm_up} went before. The time is from
  the first that is put to the last that the server has accepted, as the server counts; CPU is user and system time of
  both processes and of Redis or PostgreSQL, where there is one, within that time.
- mailnode composes when it puts a mail into the queue (`courier.queue`, then `mailnode worker`), with SQLite's full
  synchronisation or PostgreSQL's own settings. BullMQ (`addBulk`) and Celery (`acks_late`, prefork with two processes,
  each with its one session, ten threads that put) compose in the worker; their Redis has `appendonly yes`,
  `appendfsync always`. BullMQ's worker sends with Nodemailer (`pool`, `maxMessages: Infinity`, `maxConnections: 10`)
  and has that concurrency of 10, 20 and 50 which was the best before the rounds. Celery is measured with 600 mails.
- django-post-office (`send_many`, `send_queued` again and again, ten threads) is on SQLite with WAL and full
  synchronisation. It writes down only that a hundred have been sent: after a crash up to a hundred are sent again.
- Whole node: `Mailnode.run`, ten at once, of a flow with one Send SMTP Email node that names its server, from reading
  the flow's file to the result in the journal, on SQLite. Its template has 800 octets and two expressions, one of which
  is no plain path. The bare client is `SmtpClient` with the same words.
- 100,000 queued against 1,000: the worker is stopped after 1,200 mails, the first 200 of which do not count, and as
  many are put again for the next round; at most three rounds. A figure of 1 would be that the many cost nothing.
- A mail behind those of a dead server: the worker runs, and another process puts one mail for a healthy server, five
  times, at moments that are spread over a second, since a worker looks each second for what it was not woken for; from
  the put to the server's acceptance, the median of the five. The dead server is a closed port, or one that takes
  connections and says nothing.
- What a mail takes beside time: one process puts 1,000, a hundred at once, then sends them over ten sessions at the
  most, and counts what it does, divided by the mails: statements said to the database, commits, jobs given to threads,
  tasks of the event loop, texts of JSON read or written.
- Handed in by SMTP: one process hands in 3,000 mails over ten sessions to `mailnode submission`, which stores each
  before its 250 and sends over ten sessions at the most; to Postfix as a local relay, its queue on the same disk; and
  to a server without a queue, which leads each connection on, as a proxy that only logs in does. {warm_up} went before,
  and the time is as for the asynchronous ones. All end in the same sink, which takes logins.
- The producer alone puts 3,000 mails that nobody takes out; a worker alone sends 3,000 that somebody has put, its CPU
  with that of the sink; two workers share them.
- `mailnode run` reads 1,000 rows of the flow of the whole node, the first and last 100 of which do not count.

## Runs asked for over HTTP

{servers}

- Ten connections that are kept ask for runs for three seconds, after three that do not count; each server answers when
  the sink has accepted the mail, and the sink counts them. CPU is that of the server and its children. All send the
  template of the whole node with its two expressions.
- What an answer promises differs. `mailnode serve` has written the run, the delivery and its outcome to SQLite, each on
  the disk before what follows from it: a crash loses no mail, and one in doubt is called unknown. n8n (Webhook, Send
  Email; production mode, SQLite) writes the execution down once the mail has left. Node-RED (http in, function,
  template, e-mail, and http response when the e-mail node is done) writes nothing down.
- mailnode keeps its SMTP sessions; the others connect for each mail.

## With many deliveries in the database

{growth}

- A database is filled with copies of one delivery that was sent, which ended one after another over twenty days; a view
  is looked at again and again for 0.2 s, after a first time. Lists show 50. Recipient, run and id are of one in the
  middle, the state is that of twenty, and the sweep finds nothing to delete. `GROWTH=1000000` has a million too.
- A mail through the queue is as above, of a thousand, and "mailnode is" how many times it takes.
"""


def surroundings(rounds: int) -> list[str]:
    """Say what the figures depend on."""
    server = sink_command("PORT")
    told = [
        f"{', '.join(peers.versions())}.",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, {rounds} round{'s' if rounds > 1 else ''}.",
        f"The server is `{' '.join(server)}`.",
    ]
    return told + peers.missing()


def page(rounds: int, senders: str, keepers: str, servers: str, growth: str) -> str:
    """Write the page."""
    date = f"{datetime.now(UTC):%-d %B %Y}"
    return PAGE.format(
        date=date,
        surroundings="\n".join(surroundings(rounds)),
        senders=senders,
        keepers=keepers,
        servers=servers,
        growth=growth,
        warm_up=QueueJob.warm_up,
    )
