"""Where the SMTP server listens: ports, and a Unix socket."""

import asyncio
import errno
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from mailnode.errors import UsageError
from mailnode.network_address import host_and_port, is_loopback
from mailnode.submission.certificate import ServerCertificate

_BACKLOG = 1024
_CREDENTIALS = struct.Struct("3i")  # unix(7): pid, uid, gid
_CERTIFICATE_HINT = "give it, and its key: MAILNODE_SUBMISSION_CERT and MAILNODE_SUBMISSION_KEY, or their options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where to listen: `port` begins in clear text, with STARTTLS where there is a certificate; `tls_port` with TLS.

    Port 0 takes a free one; None, none. `socket` is the path of a Unix socket for every user of this machine.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    tls_port: int | None = None
    socket: Path | None = None
    certificate: ServerCertificate | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is any."""
        return self.port is not None or self.tls_port is not None or self.socket is not None

    def with_port(self, port: int) -> Self:
        """Give these with this port."""
        return replace(self, port=port)


NOWHERE = Doors()


def check_doors(doors: Doors) -> Doors:
    """Give them back if clients can come in by them.

    Raises:
        UsageError: they can't.
    """
    if doors.certificate is None:
        if doors.tls_port is not None:
            raise UsageError("a port with TLS needs a certificate", hint=_CERTIFICATE_HINT)
        if doors.port is not None and not is_loopback(doors.host):
            raise UsageError(
                f"{doors.host} can be reached from other machines, and passwords are taken from there over TLS only",
                hint=_CERTIFICATE_HINT,
            )
    if doors.socket is not None and not hasattr(socket, "SO_PEERCRED"):
        raise UsageError("this system does not tell who is at a Unix socket", hint="leave the socket out, use a port")
    return doors


def peer_uid(sock: socket.socket) -> int:
    """Give the user at the other end of a Unix socket.

    Raises:
        OSError: the system can't tell.
    """
    _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


async def ports(host: str, port: int) -> list[socket.socket]:
    """Listen on a port of all addresses of a host; 0 takes a free one.

    Raises:
        UsageError: it can't be used.
    """
    listeners = list[socket.socket]()
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(found):
            listeners.append(sock := socket.socket(family, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" and len(found) == 1 else 1)
            sock.bind(address)
            _listen(sock)
    except (OSError, OverflowError) as error:
        for sock in listeners:
            sock.close()
        raise not_listening(host_and_port(host, port), error) from None
    return listeners


def _listen(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.listen(_BACKLOG)


def unix_socket(path: Path) -> socket.socket:
    """Listen at a path that everybody may connect to: who it is, the kernel tells."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_socket() and not _is_alive(path):
            path.unlink()  # left by a process that was killed
        sock.bind(str(path))
        path.chmod(0o666)
        _listen(sock)
    except OSError as error:
        sock.close()
        raise not_listening(str(path), error) from None
    return sock


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, suppress(ConnectionRefusedError):
        client.connect(str(path))
        return True
    return False


def not_listening(where: str, error: OSError | OverflowError) -> UsageError:
    """Give the error for a place that can't be used."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        reason, hint = "it is in use", "stop the server that listens there, or choose another place"
    elif isinstance(error, OSError) and error.errno == errno.EACCES:
        reason, hint = (
            "this user may not",
            "choose a port above 1023, or a folder of its own",
        )
    else:
        reason, hint = getattr(error, "strerror", None) or str(error), "choose another place"
    return UsageError(f"the SMTP server can't listen at {where}: {reason}", hint=hint)
