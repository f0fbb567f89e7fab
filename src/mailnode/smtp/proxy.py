"""Proxies: SOCKS5 (RFC 1928) and HTTP CONNECT (RFC 9110 9.3.6), which resolve the server's name themselves."""

import asyncio
import base64
import os
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from mailnode.errors import ConnectFailed, ErrorCode, SettingsError, install_hint
from mailnode.network_address import host_and_port
from mailnode.printable import MOST_SHOWN_LONG, one_line, quoted, shortened

ProxyScheme = Literal["socks5", "http"]

# socks5h is a common name for a SOCKS5 proxy that resolves names; here it always does.
_SCHEMES: dict[str, ProxyScheme] = {"socks5": "socks5", "socks5h": "socks5", "http": "http"}
# Some proxies explain a refusal with a page; only the header is read.
_MAX_HEADER_OCTETS = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*")
_NEVER = 86_400.0  # the deadline is the caller's
_LOGIN_WANTED = 407
_FORBIDDEN = 403
_HINT = "check the proxy's address, and that it runs and may reach the mail server"
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_HIGHEST_PORT = 65535
_LONGEST_SOCKS_LOGIN = 255  # RFC 1929 2


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the login there if it has a `username`. Values that can't be used raise SettingsError."""

    scheme: ProxyScheme
    host: str
    port: int
    username: str | None = None
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse an invalid host or port, and a login that can't be sent."""
        try:
            self.host.encode("idna")  # refuses labels that are empty or too long
        except UnicodeError:
            raise _bad_url("the proxy's host is not a valid host name") from None
        if not _HOST.fullmatch(self.host) or not 0 < self.port <= _HIGHEST_PORT:
            raise _bad_url("the proxy's host or port is not valid")
        login = (self.username or "", self.password)
        if re.search(r"[\r\n\0]", "".join(login)) or (self.scheme == "http" and ":" in login[0]):
            raise _bad_url("the proxy's user name or password contains a character that a login can't use")
        if self.password and not self.username:
            raise _bad_url("the proxy has a password but no user name")
        if self.scheme == "socks5" and self.username and not all(map(_fits_socks, login)):
            raise _bad_url("a SOCKS5 login is a user name and a password of 1 to 255 ASCII characters each")

    @property
    def address(self) -> str:
        """The proxy's URL without its login: `socks5://proxy.example:1080`."""
        return f"{self.scheme}://{host_and_port(self.host, self.port)}"


def parse_proxy(url: str) -> Proxy:
    """Read `socks5://host:port` or `http://host:port`, with `user:password@` (percent-encoded) before the host.

    Raises:
        SettingsError: it is neither; the message does not show it, since it may contain a password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise _bad_url("the proxy's port is not a valid port") from None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise _bad_url("the proxy is neither socks5 nor http")
    if not parts.hostname or not port or parts.path.strip("/") or parts.query or parts.fragment:
        raise _bad_url("the proxy's URL needs a host and a port, and nothing after them")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(scheme, parts.hostname, port, username or None, password)


def _fits_socks(text: str) -> bool:
    """Whether python-socks can send it: ASCII only, and an empty password means no login there."""
    return text.isascii() and 0 < len(text) <= _LONGEST_SOCKS_LOGIN


async def through(
    proxy: Proxy, host: str, port: int, reach: Callable[[Proxy], Awaitable[socket.socket]]
) -> socket.socket:
    """Give a socket that is connected to the host; `reach` connects to the proxy; the caller sets the deadline.

    Raises:
        ConnectFailed: the proxy can't be reached, refuses the login, or can't reach the host.
        SettingsError: SOCKS5 needs the extra `proxy`, which is not installed.
    """
    if proxy.scheme == "socks5":
        return await _socks5(proxy, host, port)
    try:
        sock = await reach(proxy)
    except ConnectFailed as error:
        named = f"the proxy {proxy.address}"
        is_named = proxy.address in error.message
        message = error.message.replace(proxy.address, named, 1) if is_named else f"{named}: {error.message}"
        raise _failed(message, _HINT, transient=error.transient) from None
    try:
        await _http_connect(sock, proxy, host, port)
    except BaseException:
        sock.close()
        raise
    return sock


async def _socks5(proxy: Proxy, host: str, port: int) -> socket.socket:
    try:
        from python_socks import ProxyConnectionError, ProxyError, ProxyType
        from python_socks.async_.asyncio import Proxy as Socks
    except ImportError:
        raise SettingsError(
            "a SOCKS5 proxy needs the library python-socks",
            code=ErrorCode.BAD_SETTING,
            hint=install_hint("proxy"),
        ).locate(key="proxy") from None
    socks = Socks(ProxyType.SOCKS5, proxy.host, proxy.port, proxy.username, proxy.password, rdns=True)
    try:
        sock = await socks.connect(host, port, timeout=_NEVER)
    except ProxyError as error:
        is_login = "authenticat" in str(error).lower()
        hint = _login_hint(proxy) if is_login else _HINT
        raise _refused(proxy, host, port, str(error), hint, transient=not is_login) from None
    except (ProxyConnectionError, OSError) as error:
        if isinstance(error.__cause__, socket.gaierror):
            is_transient = error.errno == socket.EAI_AGAIN
            why = f"the host {proxy.host!r} is not known" + (" at the moment" if is_transient else "")
            raise _failed(f"the proxy {proxy.address}: {why}", _HINT, transient=is_transient) from None
        why = os.strerror(error.errno).lower() if error.errno else "it closed the connection"
        raise _failed(f"could not connect to the proxy {proxy.address}: {why}", _HINT, transient=True) from None
    except ValueError:  # a label of more than 63 octets, or a name of more than 255
        raise ConnectFailed(
            f"{quoted(host)} is not a valid host name for the proxy {proxy.address}",
            code=ErrorCode.UNKNOWN_HOST,
            hint="check the spelling of the host",
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def _http_connect(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Ask for a tunnel; python-socks would take the server's greeting for a part of the proxy's answer."""
    target = host_and_port(host, port)
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.username is not None:
        login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        request += f"Proxy-Authorization: Basic {login}\r\n"
    loop = asyncio.get_running_loop()
    header = b""
    try:
        await loop.sock_sendall(sock, f"{request}\r\n".encode())
        # Octet by octet: what follows the empty line is the server's.
        while not header.endswith((b"\r\n\r\n", b"\n\n")) and len(header) < _MAX_HEADER_OCTETS:
            octet = await loop.sock_recv(sock, 1)
            if not octet:
                break
            header += octet
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise _failed(f"the proxy {proxy.address} broke the connection: {why}", _HINT, transient=True) from None
    status = _STATUS.match(header)
    if status is None or not header.endswith(b"\n"):
        raise _failed(f"{proxy.address} does not answer like an HTTP proxy", _HINT, transient=True)
    if status[1].startswith(b"2"):
        return
    code, what = int(status[1]), status[0].decode("ascii", "replace")
    if code == _LOGIN_WANTED:
        raise _refused(proxy, host, port, what, _login_hint(proxy), transient=False)
    raise _refused(proxy, host, port, what, _HINT, transient=code != _FORBIDDEN)


def _refused(proxy: Proxy, host: str, port: int, why: str, hint: str, *, transient: bool) -> ConnectFailed:
    what = f"the proxy {proxy.address} did not connect to {host}:{port}: {shortened(one_line(why), MOST_SHOWN_LONG)}"
    return _failed(what, hint, transient=transient)


def _failed(what: str, hint: str, *, transient: bool) -> ConnectFailed:
    return ConnectFailed(what, code=ErrorCode.PROXY_FAILED, hint=hint, transient=transient)


def _login_hint(proxy: Proxy) -> str:
    return f"give user name and password in the proxy's URL: {proxy.scheme}://user:password@host:port"


def _bad_url(what: str) -> SettingsError:
    return SettingsError(
        what,
        code=ErrorCode.BAD_SETTING,
        hint="write socks5://host:port or http://host:port, with user:password@ before the host",
    ).locate(key="proxy")
