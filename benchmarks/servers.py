"""What the clients talk to: smtp-sink, and before it a TLS front or a long way."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.peers import postfix_tool, redis_server
from benchmarks.process import free_port, serving

BACKLOG = 1000


def sink_command(port: object) -> list[str]:
    """Give the command line of smtp-sink, or of what stands in for it."""
    if postfix_tool("smtp-sink") is None:
        return ["python", "-m", "benchmarks.plain_sink", str(port)]
    # As root it wants to become somebody else.
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    return ["smtp-sink", *user, f"127.0.0.1:{port}", str(BACKLOG)]


@contextmanager
def sink() -> Iterator[int]:
    """Run a server that takes all mail and forgets it."""
    port = free_port()
    tool = postfix_tool("smtp-sink")
    path, environment = tool or (sys.executable, {})
    with serving([path, *sink_command(port)[1:]], port, environment):
        yield port


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """Run a Redis that has each write on the disk before it answers."""
    port = free_port()
    options = f"--port {port} --bind 127.0.0.1 --appendonly yes --appendfsync always --dir {folder}"
    with serving([str(redis_server()), *options.split(), "--save", ""], port):
        yield port


@contextmanager
def far_sink(milliseconds: float) -> Iterator[int]:
    """Run a sink at the end of a long way: so many milliseconds there and back."""
    with ExitStack() as stack:
        behind = stack.enter_context(sink())
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.long_way", str(port), str(behind), str(milliseconds / 2)]
        yield stack.enter_context(serving(command, port))


@contextmanager
def tls_sink(directory: Path) -> Iterator[tuple[int, Path]]:
    """Run a sink behind TLS, and give its port and the certificate of its authority."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, chain = directory / "ca.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_and_cert_chain_pem.write_to_path(chain)
    with ExitStack() as stack:
        behind = stack.enter_context(sink())
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.tls_front", str(port), str(behind), str(chain)]
        yield stack.enter_context(serving(command, port)), ca
