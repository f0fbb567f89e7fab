"""`mailnode connections authorize`: consent in a browser here or elsewhere, or on another device."""

import asyncio
import os
import sys
import threading
import webbrowser
from contextlib import suppress

import click

from mailnode.cli.output import clean, say
from mailnode.errors import UsageError

_READ_BYTES = 65536
# A person pastes one line, and errs now and then; more input comes from a pipe by mistake.
_LONGEST_LINE = 65536
_MOST_TRIES = 20


@click.command("authorize")
@click.argument("name")
@click.option("--device", is_flag=True, help="Enter a code on another device, if the provider supports that.")
@click.option("--no-browser", is_flag=True, help="Don't open a browser; paste the address of the page you land on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="PORT", help="The port for the browser's answer. [default: any]"
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86400, min_open=True),
    metavar="SECONDS",
    help="How long to wait for consent. [default: 300]",
)
def command(name: str, device: bool, no_browser: bool, port: int | None, timeout: float | None) -> None:
    """Get consent for a connection of type oauth2, and store its tokens."""
    if device and (no_browser or port or timeout):
        raise UsageError(
            "--device can't be combined with --no-browser, --port or --timeout",
            hint="leave them out: the provider says how long its code is valid",
        )
    warning = asyncio.run(_authorize(name, device=device, no_browser=no_browser, port=port or 0, seconds=timeout))
    if warning:
        say(f"warning: {warning}")
    click.echo(clean(f"connection {name} is authorized"))


async def _authorize(name: str, *, device: bool, no_browser: bool, port: int, seconds: float | None) -> str:
    from mailnode.connections.consent.browser import WAIT_SECONDS, by_browser, consent_grant, short_lived
    from mailnode.connections.consent.device import by_device
    from mailnode.connections.endpoint import TokenEndpoint
    from mailnode.environment import Environment, open_connections

    async with open_connections(Environment.read()) as opened:
        connection = await opened.connections.get(name)
        grant, endpoint = consent_grant(connection), TokenEndpoint(proxy=connection.proxy)
        if device:
            answer = await by_device(
                grant, lambda code: _tell(code.verification_uri, code.user_code), endpoint=endpoint
            )
        else:
            terminal = _Terminal(has_browser=not no_browser and _is_browser_there())
            user = connection.login.username
            answer = await by_browser(
                grant, user, terminal, port=port, seconds=seconds or WAIT_SECONDS, endpoint=endpoint
            )
        await opened.connections.consent(name, answer, grant)
    return short_lived(answer, grant)


def _tell(uri: str, code: str) -> None:
    say(f"On any device, open\n\n  {uri}\n\nand enter the code  {code}")


class _Terminal:
    """A person at a terminal, with a browser or without."""

    def __init__(self, *, has_browser: bool) -> None:
        self._has_browser = has_browser
        self._may_paste = asyncio.Event()
        self._read = b""
        self._tries = 0

    def show(self, url: str) -> None:
        if not self._has_browser:
            say(f"Open this address in a browser, and give consent:\n\n  {url}\n")
            self._let_paste()
            return
        say(f"Your browser opens to ask for consent. If it does not, open this address:\n\n  {url}\n")
        # Some browsers run in the terminal, and return when they are closed.
        threading.Thread(target=self._browse, args=(url, asyncio.get_running_loop()), daemon=True).start()

    async def pasted(self) -> str:
        while True:
            await self._may_paste.wait()
            if self._tries >= _MOST_TRIES or len(self._read) > _LONGEST_LINE + _READ_BYTES:
                self._may_paste.clear()
                self._read = b""
                say("No more input is read; still waiting for the browser's answer.")
                continue
            line, end, rest = self._read.partition(b"\n")
            if end:
                self._read = rest
                return line.decode(errors="replace")
            data = await _read_stdin()
            if not data:
                self._may_paste.clear()
                if line:
                    self._read = b""
                    return line.decode(errors="replace")
            self._read += data

    def reject(self, why: str) -> None:
        self._tries += 1
        say(why)

    def _browse(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        if not webbrowser.open(url):
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._let_paste)

    def _let_paste(self) -> None:
        say("If that browser is on another machine, it lands on a page that can't be shown: paste its address here.")
        self._may_paste.set()


async def _read_stdin() -> bytes:
    """Read the input that is available, waiting for some; b"" at its end.

    A thread that waits in a read could not be cancelled, and would keep the process from ending.
    """
    if sys.stdin is None:
        return b""
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()
    ready = asyncio.Event()
    try:
        loop.add_reader(stdin, ready.set)
    except PermissionError:
        await asyncio.sleep(0)  # a device may have no end
        return os.read(stdin, _READ_BYTES)  # a file, which is always ready
    try:
        await ready.wait()
        return os.read(stdin, _READ_BYTES)
    finally:
        loop.remove_reader(stdin)


def _is_browser_there() -> bool:
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
