"""Debian's Postfix, as a server of our own: a configuration, a queue and a port apart from the machine's."""

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import trustme

from support.daemon import DEADLINE, free_ports, open_folder, run, until, until_settled, wait_for_port
from support.require import require, require_root
from support.tls import authority

USERNAME, PASSWORD = "jane", "open sesame"
HOST = "mail.postfix.example"
FEW_SESSIONS, FEW_RECIPIENTS = 2, 3
_PORTS = ("port", "login_port", "narrow_port", "narrow_tls_port")
_MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/log
maillog_file_prefixes = {root}
myhostname = {host}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{
    {{ refused@y.example = 550 5.1.1 no such user }} {{ later@y.example = 450 4.2.1 come back later }} }}, permit
# At once, not at the first recipient.
smtpd_delay_reject = no
smtpd_sender_restrictions = check_sender_access inline:{{ {{ refused@x.example = 550 5.7.1 not from you }} }}, permit
header_checks = regexp:{root}/etc/header_checks
# Thousands of mails need no files: the log tells for whom they were.
transport_maps = inline:{{ {{ bulk.example = discard: }} }}
smtputf8_enable = yes
# It would take Bcc away by itself, and a test that looks for it could not fail.
message_drop_headers =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {root}/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
virtual_mailbox_limit = 0
message_size_limit = 52428800
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {root}/etc/chain.pem
"""
_MASTER = """\
{port} inet n - n - - smtpd
{login_port} inet n - n - - smtpd
    -o smtpd_sasl_path=login
{narrow_port} inet n - n - - smtpd
    -o smtpd_client_connection_count_limit={sessions}
    -o smtpd_client_event_limit_exceptions=
    -o smtpd_recipient_limit={recipients}
{narrow_tls_port} inet n - n - - smtpd
    -o smtpd_tls_wrappermode=yes
    -o smtpd_client_connection_count_limit={sessions}
    -o smtpd_client_event_limit_exceptions=
    -o smtpd_recipient_limit={recipients}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
_SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {root}/etc/sasl/users
mech_list: {mechanisms}
"""


class Postfix:
    """One that runs: takes any recipient but refused@y.example (550) and later@y.example (450).

    It offers STARTTLS, with a certificate of this run's authority for 127.0.0.1, and then PLAIN, LOGIN and
    SCRAM-SHA-256 for USERNAME and PASSWORD; on `login_port` LOGIN alone. It takes nothing from refused@x.example, and
    no mail whose subject holds "unwanted". On `narrow_port` and, with TLS from the start, on `narrow_tls_port` it bears
    FEW_SESSIONS at once, and FEW_RECIPIENTS a mail. Mails for bulk.example it throws away.
    """

    def __init__(self, root: Path, ports: list[int]) -> None:
        self.root = root
        self.port, self.login_port, self.narrow_port, self.narrow_tls_port = ports

    async def delivered(self, message_id: str, count: int = 1) -> list[EmailMessage]:
        """Wait for the mails with this Message-ID, one for each of `count` recipients (Delivered-To), and give them."""
        async with asyncio.timeout(DEADLINE):
            while len(found := self._find(message_id)) < count:  # noqa: ASYNC110 -- nothing tells us of a file
                await asyncio.sleep(0.02)
        return sorted(found, key=lambda mail: str(mail["Delivered-To"]))

    def contents(self) -> list[bytes]:
        """The mails that were delivered, with the header fields that Postfix puts on top."""
        return [path.read_bytes() for path in (self.root / "mail" / "all" / "new").glob("*")]

    def _find(self, message_id: str) -> list[EmailMessage]:
        mails = [message_from_bytes(content, policy=policy.default) for content in self.contents()]
        return [mail for mail in mails if mail["Message-ID"] == message_id]

    def log(self, start: int = 0) -> str:
        """What it logged, from a character on."""
        return (self.root / "log").read_text(encoding="utf-8", errors="replace")[start:]

    async def received(self, start: int, count: int) -> Counter[str]:
        """Wait until its log, from a character on, tells of `count` recipients, and give how often it tells of each."""
        return await until_settled(lambda: self._recipients(start), count)

    def connections(self, start: int) -> int:
        """How many connections it counted."""
        return len(re.findall(r"smtpd\[\d+\]: connect from", self.log(start)))

    def excess(self, start: int) -> int:
        """How many connections were too many."""
        return self.log(start).count("Connection concurrency limit exceeded")

    async def idle(self) -> None:
        """Wait until it counts no session."""

        def count(what: str) -> int:
            return len(re.findall(rf"smtpd\[\d+\]: {what} from", self.log()))

        await until(lambda: count("connect") == count("disconnect"))

    def _recipients(self, start: int) -> Counter[str] | None:
        log = self.log(start)
        taken = set(re.findall(r"cleanup\[\d+\]: (\w+): message-id=", log))
        refused = set(re.findall(r"cleanup\[\d+\]: (\w+): reject:", log))
        if taken - refused - set(re.findall(r"qmgr\[\d+\]: (\w+): removed", log)):
            return None
        return Counter(re.findall(r": to=<([^>]*)>, .* status=sent ", log))


@contextmanager
def running_postfix() -> Iterator[Postfix]:
    """Run one, or skip the test where Postfix or root is not there."""
    program, saslpasswd = require("postfix"), require("saslpasswd2")
    require_root()
    with open_folder("postfix") as root:
        server = _configure(root, saslpasswd)
        run(program, "-c", f"{root}/etc", "start")
        try:
            wait_for_port(server.port, server.log)
            yield server
        finally:
            run(program, "-c", f"{root}/etc", "stop")


def _configure(root: Path, saslpasswd: str) -> Postfix:
    for name in ("etc", "etc/sasl", "queue", "data", "mail"):
        (root / name).mkdir()
    shutil.chown(root / "data", "postfix")
    shutil.chown(root / "mail", 65534, 65534)
    server = Postfix(root, free_ports(len(_PORTS)))
    (root / "etc" / "main.cf").write_text(_MAIN.format(root=root, host=HOST))
    (root / "etc" / "header_checks").write_text("/^Subject: .*unwanted/ REJECT unwanted content\n")
    ports = {name: getattr(server, name) for name in _PORTS}
    master = _MASTER.format(sessions=FEW_SESSIONS, recipients=FEW_RECIPIENTS, **ports)
    (root / "etc" / "master.cf").write_text(master)
    # Debian's Postfix looks for these beside main.cf, whatever cyrus_sasl_config_path says.
    for name, mechanisms in {"smtpd": "PLAIN LOGIN SCRAM-SHA-256", "login": "LOGIN"}.items():
        (root / "etc" / "sasl" / f"{name}.conf").write_text(_SASL.format(root=root, mechanisms=mechanisms))
    certificate: trustme.LeafCert = authority().issue_cert("127.0.0.1", HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(root / "etc" / "chain.pem")
    users = root / "etc" / "sasl" / "users"
    run(saslpasswd, "-p", "-c", "-f", str(users), "-u", HOST, USERNAME, said=PASSWORD)
    shutil.chown(users, "root", "postfix")
    users.chmod(0o640)
    return server
