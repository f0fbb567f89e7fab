"""Debian's Exim, the light build, as a server of our own, apart from the machine's."""

import os
import pwd
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.daemon import free_ports, open_folder, running, until, until_settled
from support.require import absent, require_root
from support.tls import authority

USERNAME, PASSWORD = "jane", "open sesame"
HOST = "mail.exim.example"
FEW_SESSIONS, FEW = 2, 20
_PORTS = ("port", "tls_port", "login_port", "short_port", "narrow_port", "narrow_tls_port")

_USER = "Debian-exim"
_UNPACKED = Path(__file__).parents[2] / ".exim" / "usr" / "sbin"
# Read here, since each test's environment is cleared of such names.
_GIVEN = os.environ.get("MAILNODE_EXIM")

_CONFIGURATION = """\
exim_path = {program}
keep_environment =
primary_hostname = {host}
exim_user = {user}
exim_group = {user}
never_users =
spool_directory = {root}/spool
log_file_path = {root}/log/%slog
log_selector = +received_recipients +smtp_connection +incoming_port
local_interfaces = <; [127.0.0.1]:{port} ; [127.0.0.1]:{tls_port} ; [127.0.0.1]:{login_port} ; \
    [127.0.0.1]:{short_port} ; [127.0.0.1]:{narrow_port} ; [127.0.0.1]:{narrow_tls_port}
tls_on_connect_ports = {tls_port} : {narrow_tls_port}
tls_advertise_hosts = *
tls_certificate = {root}/chain.pem
tls_privatekey = {root}/chain.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
smtp_accept_max = 100
smtp_accept_max_per_host = ${{if inlist{{$received_port}}{{{narrow_port}:{narrow_tls_port}}}{{{sessions}}}{{100}}}}
smtp_accept_max_per_connection = \
    ${{if inlist{{$received_port}}{{{short_port}:{narrow_port}:{narrow_tls_port}}}{{{few}}}{{1000}}}}
rfc1413_hosts =
host_lookup =
# What it accepts stays in its spool: its log tells for whom.
queue_only = true
acl_smtp_mail = sender
acl_smtp_rcpt = recipient
acl_smtp_data = content

begin acl
sender:
  deny senders = refused@x.example
       message = 5.7.1 not from you
  accept
recipient:
  deny local_parts = refused
       message = 5.1.1 no such user
  defer local_parts = later
        message = 4.2.1 come back later
  accept
content:
  deny condition = ${{if match{{$h_subject:}}{{unwanted}}}}
       message = 5.7.1 unwanted content
  accept

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${{if !eq{{$received_port}}{{{login_port}}}}}
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{username}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{username}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""


class Exim:
    """One that runs: it takes any recipient but refused@ (550) and later@ (450), no sender refused@x.example, and no
    mail whose subject holds "unwanted".

    It offers STARTTLS, and then PLAIN and LOGIN for USERNAME and PASSWORD; on `tls_port` TLS from the start, on
    `login_port` LOGIN alone, and on `short_port` a session ends after FEW mails, as on `narrow_port` and, with TLS from
    the start, on `narrow_tls_port`, which bear FEW_SESSIONS at once.
    """

    def __init__(self, root: Path, ports: list[int]) -> None:
        self.root = root
        self.port, self.tls_port, self.login_port, self.short_port, self.narrow_port, self.narrow_tls_port = ports

    def log(self, start: int = 0) -> str:
        """What it logged, from a character on."""
        path = self.root / "log" / "mainlog"
        return path.read_text(encoding="utf-8", errors="replace")[start:] if path.exists() else ""

    async def received(self, start: int, count: int) -> Counter[str]:
        """Wait until its log, from a character on, tells of `count` recipients, and give how often it tells of each."""
        return await until_settled(lambda: self._recipients(start), count)

    def bodies(self) -> Counter[bytes]:
        """The bodies of the mails in its spool, lines ending in LF; the first line of a file is its name."""
        return Counter(path.read_bytes().partition(b"\n")[2] for path in (self.root / "spool" / "input").rglob("*-D"))

    def connections(self, start: int) -> int:
        """How many connections it counted."""
        return len(re.findall(r"SMTP connection from .* \(TCP/IP connection count", self.log(start)))

    def excess(self, start: int) -> int:
        """How many connections were too many."""
        return self.log(start).count(" refused: too many connections")

    async def idle(self) -> None:
        """Wait until it counts no session: each is a process, until the first of all has taken note of its end."""
        first = (self.root / "pid").read_text().strip()
        children = Path(f"/proc/{first}/task/{first}/children")
        await until(lambda: not children.read_text())

    def _recipients(self, start: int) -> Counter[str]:
        lists = re.findall(r" <= .* for (.*)$", self.log(start), re.MULTILINE)
        return Counter(address for one in lists for address in one.split())


@contextmanager
def running_exim() -> Iterator[Exim]:
    """Run one, or skip the test where Exim, its user or root is not there."""
    program = _program()
    require_root()
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        absent(f"Exim's user {_USER} does not exist")
    with open_folder("exim") as root:
        server = Exim(root, free_ports(len(_PORTS)))
        _configure(server, program)
        with running(
            program, "-C", f"{root}/configure", "-bdf", "-oP", f"{root}/pid", port=server.port, said=root / "said"
        ):
            yield server


def _program() -> str:
    """Find MAILNODE_EXIM, one that is installed, or one unpacked in .exim of this checkout."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", str(_UNPACKED)])
    found = _GIVEN or shutil.which("exim4", path=folders)
    return found or absent("exim4 is neither installed nor unpacked in .exim")


def _configure(server: Exim, program: str) -> None:
    root = server.root
    for name in ("spool", "log"):
        (root / name).mkdir()
        shutil.chown(root / name, _USER, _USER)
    chain = root / "chain.pem"
    authority().issue_cert("127.0.0.1", HOST).private_key_and_cert_chain_pem.write_to_path(chain)
    shutil.chown(chain, _USER, _USER)
    chain.chmod(0o600)
    ports = {name: getattr(server, name) for name in _PORTS}
    (root / "configure").write_text(
        _CONFIGURATION.format(
            root=root,
            program=program,
            host=HOST,
            user=_USER,
            sessions=FEW_SESSIONS,
            few=FEW,
            username=USERNAME,
            password=PASSWORD,
            **ports,
        )
    )
