"""Debian's OpenSMTPD, as a server of our own: its paths are built in, so it has a mount namespace of its own."""

import os
import pwd
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.daemon import free_ports, open_folder, running, until_settled
from support.require import absent, require, require_root

# Less than 200 mails in 10 sessions need.
FEW = 15

_USERS = ("opensmtpd", "opensmtpq")
_UNPACKED = Path(__file__).parents[2] / ".opensmtpd" / "usr" / "sbin"
_GIVEN = os.environ.get("MAILNODE_OPENSMTPD")

_CONFIGURATION = """\
smtp limit max-mails {few}
listen on 127.0.0.1 port {port} hostname mail.opensmtpd.example
table boxes {{ "@" = "nobody" }}
action "box" maildir "{root}/mail" virtual <boxes>
match from any for any action "box"
"""
# What it accepts stays in its spool: its log tells for whom.
_START = """\
mount --make-rprivate / &&
mount --bind "$1/spool" /var/spool && mount --bind "$1/run" /run && mount --bind "$1/lib" /var/lib &&
exec "$2" -d -P mda -f "$1/smtpd.conf"
"""


class OpenSmtpd:
    """One that runs, without TLS: after FEW mails of a session it says 452 to each MAIL, and keeps the session."""

    def __init__(self, root: Path, port: int) -> None:
        self._said = root / "said"
        self.port = port

    def log(self, start: int = 0) -> str:
        """What it logged, from a character on."""
        return self._said.read_text(encoding="utf-8", errors="replace")[start:]

    async def received(self, start: int, count: int) -> Counter[str]:
        """Wait until its log, from a character on, tells of `count` recipients, and give how often it tells of each."""
        return await until_settled(lambda: self._recipients(start), count)

    def connections(self, start: int) -> int:
        """How many connections it counted."""
        return len(re.findall(r" smtp connected ", self.log(start)))

    def excess(self, start: int) -> int:
        """How many mails were too many for their sessions."""
        return self.log(start).count("Too many messages sent")

    async def idle(self) -> None:
        """It bears as many sessions as come."""

    def _recipients(self, start: int) -> Counter[str]:
        return Counter(re.findall(r" smtp envelope .* to=<([^>]*)>", self.log(start)))


@contextmanager
def running_opensmtpd() -> Iterator[OpenSmtpd]:
    """Run one, or skip the test where OpenSMTPD, its users, root or `unshare` is not there."""
    program, unshare = _program(), require("unshare", folder="/usr/bin")
    require_root()
    if subprocess.run([unshare, "--mount", "true"], check=False, capture_output=True).returncode != 0:
        absent("no mount namespace can be made here")
    for user in _USERS:
        try:
            pwd.getpwnam(user)
        except KeyError:
            absent(f"OpenSMTPD's user {user} does not exist")
    with open_folder("opensmtpd") as root:
        server = OpenSmtpd(root, *free_ports(1))
        _configure(server, root)
        # With the process that `unshare` becomes, all that it has started ends.
        command = (unshare, "--mount", "sh", "-c", _START, "sh", str(root), program)
        with running(*command, port=server.port, said=root / "said"):
            yield server


def _program() -> str:
    """Find MAILNODE_OPENSMTPD, one that is installed, or one unpacked in .opensmtpd of this checkout."""
    folders = os.pathsep.join(["/usr/sbin", str(_UNPACKED)])
    found = _GIVEN or shutil.which("smtpd", path=folders)
    return found or absent("OpenSMTPD is neither installed nor unpacked in .opensmtpd")


def _configure(server: OpenSmtpd, root: Path) -> None:
    for name in ("spool", "run", "lib/opensmtpd/empty", "mail"):
        (root / name).mkdir(parents=True)
    (root / "spool").chmod(0o711)
    (root / "smtpd.conf").write_text(_CONFIGURATION.format(root=root, few=FEW, port=server.port))
