"""Where the SMTP server listens: ports, and a Unix socket."""

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from mailnode.errors import UsageError
from mailnode.submission.certificate import ServerCertificate

_CERTIFICATE_HINT = "give --submission-cert and --submission-key"


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


def check_doors(doors: Doors) -> Doors:
    """Give them back if clients can come in by them.

    Raises:
        UsageError: they can't.
    """
    if doors.certificate is None:
        if doors.tls_port is not None:
            raise UsageError("a port with TLS needs a certificate", hint=_CERTIFICATE_HINT)
        if doors.port is not None and not _is_loopback(doors.host):
            raise UsageError(
                f"{doors.host} can be reached from other machines, and passwords are taken from there over TLS only",
                hint=_CERTIFICATE_HINT,
            )
    if doors.socket is not None and not hasattr(socket, "SO_PEERCRED"):
        raise UsageError("this system does not tell who is at a Unix socket", hint="leave the socket out, use a port")
    return doors


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_port(host: str, port: int) -> str:
    """Give them as one writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unix_socket(path: Path) -> socket.socket:
    """Listen at a path that everybody may connect to: who it is, the kernel tells."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_socket() and not _is_alive(path):
            path.unlink()  # left by a process that was killed
        sock.bind(str(path))
        path.chmod(0o666)
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
