"""`mailnode serve` at work: the editor and the inbox, and who works on the queue."""

import asyncio
import errno
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.errors import UsageError
from mailnode.flow.flow_files import FlowFiles
from mailnode.inbox.server import inbox_of
from mailnode.network_address import host_and_port
from mailnode.submission.doors import NOWHERE, Doors
from mailnode.submission.received import own_name
from mailnode.submission.server import SubmissionServer
from mailnode.web.application import create_app
from mailnode.web.reader import MailReader
from mailnode.web.security.exposure import ON_THIS_MACHINE, Exposure
from mailnode.web.security.login_codes import LoginCodes
from mailnode.web.security.prompt_protocol import PromptProtocol
from mailnode.web.security.token import Token, access_token
from mailnode.web.site import Site
from mailnode.web.stop_notice import StopNotice
from mailnode.worker_processes import WorkerProcesses
from mailnode.worker_report import WorkerReport

# How long a stop waits for answers that servers owe, and for requests under way.
STOP_SECONDS = 8
# A little less, so that a request that waits for mail can be answered.
_MAIL_SECONDS = 7
_EXIT_SIGNALLED = 128


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served: where, and by which token, or code of a link, one comes in.

    `address` is where it listens, and `submission` where the SMTP server for programs does.
    """

    site: Site
    url: str
    address: str
    token: Token
    codes: LoginCodes
    submission: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to serve; port 0 takes a free one, and `flows` left out is the home's folder.

    With several `processes` the first has pages, API and inbox, and the others work on the queue.
    """

    port: int = 8025
    inbox_port: int = 1025
    flows: Path | None = None
    processes: int = 1
    exposure: Exposure = ON_THIS_MACHINE
    doors: Doors = NOWHERE


async def serve(
    environment: Environment, places: Places, ready: Callable[[Serving], Awaitable[object]]
) -> WorkerReport:
    """Serve until SIGINT or SIGTERM; the second one leaves at once. `ready` hears where, before the first request.

    It gives what was done with the queue.

    Raises:
        UsageError: a port is taken, or the token can't be used.
        StoreError: as `Mailnode.open`.
    """
    exposure = places.exposure
    listener = _listen(exposure.host, places.port)
    try:
        async with opened_site(environment, places) as site:
            token = access_token(environment.home, environment.token)
            codes = LoginCodes()
            server = _Server(configured(create_app(site, token.text, codes, exposure), exposure))
            stopped = _stop_on_signals(server, site)
            submission = SubmissionServer(site.mailnode.gate, places.doors, name=own_name(environment.ehlo_name))
            async with site.working(), submission:
                # Beside the requests under way, which may wait for mail.
                ending = asyncio.create_task(_end_when(stopped, site, submission))
                try:
                    host, port = listener.getsockname()[:2]
                    address = host_and_port(host, port)
                    await ready(Serving(site, exposure.url(port), address, token, codes, submission.addresses))
                    await server.serve([listener])
                finally:
                    stopped.set()
                    await ending
        return site.report
    finally:
        listener.close()


async def _end_when(stopped: asyncio.Event, site: Site, submission: SubmissionServer) -> None:
    await stopped.wait()
    if site.workers:
        site.workers.stop()
    await asyncio.gather(site.mailnode.stop(_MAIL_SECONDS, flows=True), submission.stop(_MAIL_SECONDS))


def configured(app: ASGIApp, exposure: Exposure = ON_THIS_MACHINE) -> uvicorn.Config:
    """Say how the application is served: by h11, which is strict, whatever else is there, and without WebSockets."""
    certificate = exposure.certificate
    config = uvicorn.Config(
        StopNotice(app),
        http=PromptProtocol,
        ws="none",
        log_config=None,  # what the command has set up holds
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the guard reads them, of those proxies whose word counts
        ssl_certfile=certificate and certificate.chain,
        ssl_keyfile=certificate and str(certificate.key),
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    if certificate:
        current = certificate.current

        def renew(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = current.context()

        config.load()
        assert config.ssl
        config.ssl.sni_callback = renew
    return config


@asynccontextmanager
async def opened_site(environment: Environment, places: Places) -> AsyncIterator[Site]:
    """Open what the pages work with: the database, the flows, and an inbox that listens."""
    async with (
        inbox_of(environment.home, places.inbox_port, "--inbox-port") as inbox,
        Mailnode.open(environment) as mailnode,
    ):
        flow_files = FlowFiles(places.flows or environment.home / "flows")
        with closing(MailReader()) as reader:
            yield Site(
                mailnode=mailnode,
                environment=environment,
                flow_files=flow_files,
                inbox=inbox,
                inbox_port=inbox.port,
                doors=places.doors,
                reader=reader,
                workers=WorkerProcesses(places.processes - 1, is_proven=True) if places.processes > 1 else None,
            )


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again when all is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _stop_on_signals(server: uvicorn.Server, site: Site) -> asyncio.Event:
    stopped = asyncio.Event()

    def stop(number: int) -> None:
        if server.should_exit:
            if site.workers:
                site.workers.kill()
            os._exit(_EXIT_SIGNALLED + number)
        server.should_exit = True
        stopped.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return stopped


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if host == "::":  # all addresses, whatever the machine's own default is
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen()  # whoever hears where it is may come at once
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(
                f"--host {host} is not an address of this machine", hint="give one that it has, or 0.0.0.0 for all"
            ) from None
        taken = error.errno == errno.EADDRINUSE
        raise UsageError(
            f"the editor cannot listen on port {port}: {'it is in use' if taken else error.strerror}",
            hint="stop the server that listens there, or choose another port with --port",
        ) from None
    return listener
