"""Debian's Postfix, as a server of our own: a configuration, a queue and a port apart from the machine's."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import trustme

from support.require import require, require_root
from support.tls import authority

USERNAME, PASSWORD = "jane", "open sesame"
HOST = "mail.postfix.example"
_DEADLINE = 30.0

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
    SCRAM-SHA-256 for USERNAME and PASSWORD; on `login_port` LOGIN alone.
    """

    def __init__(self, root: Path, port: int, login_port: int) -> None:
        self.root = root
        self.port = port
        self.login_port = login_port

    async def delivered(self, message_id: str, count: int = 1) -> list[EmailMessage]:
        """Wait for the mails with this Message-ID, one for each of `count` recipients (Delivered-To), and give them."""
        async with asyncio.timeout(_DEADLINE):
            while len(found := self._find(message_id)) < count:  # noqa: ASYNC110 -- nothing tells us of a file
                await asyncio.sleep(0.02)
        return sorted(found, key=lambda mail: str(mail["Delivered-To"]))

    def _find(self, message_id: str) -> list[EmailMessage]:
        paths = (self.root / "mail" / "all" / "new").glob("*")
        mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]
        return [mail for mail in mails if mail["Message-ID"] == message_id]

    def log(self) -> str:
        """What it logged."""
        return (self.root / "log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def running_postfix() -> Iterator[Postfix]:
    """Run one, or skip the test where Postfix or root is not there."""
    program, saslpasswd = require("postfix"), require("saslpasswd2")
    require_root()
    # Its daemons drop root, so the folder is one that others can reach: pytest's are not.
    root = Path(tempfile.mkdtemp(prefix="mailnode-postfix-"))
    try:
        server = _configure(root, saslpasswd)
        _run(program, "-c", f"{root}/etc", "start")
        try:
            _wait_for_port(server)
            yield server
        finally:
            _run(program, "-c", f"{root}/etc", "stop")
    finally:
        shutil.rmtree(root)


def _configure(root: Path, saslpasswd: str) -> Postfix:
    root.chmod(0o755)
    for name in ("etc", "etc/sasl", "queue", "data", "mail"):
        (root / name).mkdir()
    shutil.chown(root / "data", "postfix")
    shutil.chown(root / "mail", 65534, 65534)
    server = Postfix(root, *_free_ports(2))
    (root / "etc" / "main.cf").write_text(_MAIN.format(root=root, host=HOST))
    (root / "etc" / "master.cf").write_text(_MASTER.format(port=server.port, login_port=server.login_port))
    # Debian's Postfix looks for these beside main.cf, whatever cyrus_sasl_config_path says.
    for name, mechanisms in {"smtpd": "PLAIN LOGIN SCRAM-SHA-256", "login": "LOGIN"}.items():
        (root / "etc" / "sasl" / f"{name}.conf").write_text(_SASL.format(root=root, mechanisms=mechanisms))
    certificate: trustme.LeafCert = authority().issue_cert("127.0.0.1", HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(root / "etc" / "chain.pem")
    users = root / "etc" / "sasl" / "users"
    _run(saslpasswd, "-p", "-c", "-f", str(users), "-u", HOST, USERNAME, said=PASSWORD)
    shutil.chown(users, "root", "postfix")
    users.chmod(0o640)
    return server


def _run(*command: str, said: str = "") -> None:
    done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=_DEADLINE, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [found.getsockname()[1] for found in sockets]


def _wait_for_port(server: Postfix) -> None:
    deadline = time.monotonic() + _DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=_DEADLINE).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.02)
        else:
            return
