"""What stands around the table: who took part, where, against what; and the page that is kept."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import peers
from benchmarks.servers import sink_command

RESULTS = Path(__file__).parent / "results.md"

PAGE = """# Results of `make bench`

{date}. {surroundings}

{table}

- Recipient, name, subject and body differ in every mail (text 0.5 kB, HTML 2 kB); composing is part of the work, but
  `smtp-source` composes nothing: it repeats one message of the same size.
- Each client is a process of its own and sends for a second (2.5 s on the long way), its sessions open and warm; CPU is
  user and system time of that process. All clients of a row take turns, round by round. A figure is the median of the
  rounds, a ratio the median of the ratios within each round; `1/4` of a cost is a quarter of it.
- mailnode (`SmtpClient`) and aiosmtplib run on uvloop, mailnode a second time on plain asyncio. Nodemailer has `pool`,
  `maxMessages: Infinity` and `maxConnections` of as many sessions; like ours its queue holds three mails a session, and
  it warms up longer than the others, 1.5 s, until its code is compiled. smtplib has a thread a session.
- TLS is a front before the sink, its certificate made for the run and checked by the clients. The long way delays each
  direction by 25 ms and limits nothing else.
- An attachment is a file of random octets. Peak memory is that of the whole process, which sends one mail.
- A cold start is that of a process: `mailnode send` from an installed package, and scripts of ten lines.
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


def page(rounds: int, table: str) -> str:
    """Write the page."""
    date = f"{datetime.now(UTC):%-d %B %Y}"
    return PAGE.format(date=date, surroundings="\n".join(surroundings(rounds)), table=table)
