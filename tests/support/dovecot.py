"""Dovecot's submission service, which logs a user in and hands everything on to another server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.daemon import free_ports, open_folder, running
from support.require import require, require_file, require_root
from support.tls import authority

USERNAME, PASSWORD = "jane@mail.dovecot.example", "open sesame"
HOST = "mail.dovecot.example"

_SERVICE = "/usr/lib/dovecot/submission"
_CONFIGURATION = """\
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
hostname = {host}
protocols = submission
listen = 127.0.0.1
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
mail_location = maildir:{root}/mail
ssl = required
ssl_cert = <{root}/chain.pem
ssl_key = <{root}/chain.pem
auth_mechanisms = plain login scram-sha-256
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {root}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={root}/mail
}}
first_valid_uid = 1
first_valid_gid = 1
# Else each wrong password costs seconds, and more of them each time.
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
  inet_listener submissions {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


# Tokens are looked up at each login; a passdb of tokens stands beside the one of passwords.
_WITH_TOKENS = """\
auth_mechanisms = {mechanisms}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {root}/oauth2
}}
"""
_INTROSPECTION = """\
introspection_mode = post
introspection_url = {url}
force_introspection = yes
username_attribute = username
active_attribute = active
active_value = true
"""


class Dovecot:
    """One that runs: it wants TLS (STARTTLS on `port`, from the start on `tls_port`) and a login.

    For USERNAME and PASSWORD it offers SCRAM-SHA-256, PLAIN and LOGIN, and access tokens are taken where it knows an
    introspection endpoint (RFC 7662).
    """

    def __init__(self, root: Path, port: int, tls_port: int) -> None:
        self.root = root
        self.port = port
        self.tls_port = tls_port

    def log(self) -> str:
        """What it logged."""
        path = self.root / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


@contextmanager
def running_dovecot(
    relay: int, *, introspection_url: str = "", mechanisms: str = "plain login scram-sha-256"
) -> Iterator[Dovecot]:
    """Run one before the server at port `relay`, or skip the test."""
    program = require("dovecot")
    require_file(_SERVICE, "dovecot-submissiond")
    require_root()
    with open_folder("dovecot") as root:
        server = Dovecot(root, *free_ports(2))
        _configure(server, relay)
        if introspection_url:
            _take_tokens(server, introspection_url, mechanisms)
        with running(program, "-F", "-c", f"{root}/dovecot.conf", port=server.port, said=root / "log"):
            yield server


def _take_tokens(server: Dovecot, introspection_url: str, mechanisms: str) -> None:
    known = server.root / "oauth2"
    known.write_text(_INTROSPECTION.format(url=introspection_url))
    shutil.chown(known, "root", "dovecot")
    known.chmod(0o640)
    with (server.root / "dovecot.conf").open("a") as configuration:
        configuration.write(_WITH_TOKENS.format(root=server.root, mechanisms=mechanisms))


def _configure(server: Dovecot, relay: int) -> None:
    root = server.root
    (root / "mail").mkdir()
    shutil.chown(root / "mail", 65534, 65534)
    authority().issue_cert("127.0.0.1", HOST).private_key_and_cert_chain_pem.write_to_path(root / "chain.pem")
    users = root / "users"
    users.write_text(f"{USERNAME}:{{PLAIN}}{PASSWORD}\n")
    shutil.chown(users, "root", "dovecot")
    users.chmod(0o640)
    text = _CONFIGURATION.format(root=root, host=HOST, relay=relay, port=server.port, tls_port=server.tls_port)
    (root / "dovecot.conf").write_text(text)
