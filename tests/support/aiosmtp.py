"""A submission server that is not ours (aiosmtpd), with TLS and logins."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any

import scramp
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

PASSWORDS = {"user": "pencil", "j\u00fcrg": "Gru\u00df, dich="}


Accepts = Callable[[str], str | None]


class Submission:
    """Keeps what it is given, and lets people in by SCRAM-SHA-256 beside PLAIN and LOGIN, and by access tokens.

    `accepts` tells whose an access token is; `mechanisms` are those that were asked for, in their order. Who is let in
    has mechanism and name as the session's `auth_data`.
    """

    def __init__(self, accepts: Accepts, passwords: Mapping[str, str] = PASSWORDS) -> None:
        self._accepts = accepts
        self._passwords = passwords
        self.port = 0
        self.envelopes: list[Envelope] = []
        self.mechanisms: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- its name there
        self.envelopes.append(envelope)
        return "250 2.0.0 kept"

    async def auth_SCRAM__SHA__256(self, server: SMTP, args: list[str]) -> Any:  # noqa: N802 -- its name there
        self.mechanisms.append("SCRAM-SHA-256")
        mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
        asked: list[str] = []

        def known(name: str) -> Any:
            asked.append(name)
            return mechanism.make_auth_info(self._passwords[name], iteration_count=4096)

        scram = mechanism.make_server(known)
        try:
            scram.set_client_first(b64decode(args[1]).decode())
            scram.set_client_final(await _challenge(server, scram.get_server_first()))
        except (scramp.ScramException, KeyError):
            return AuthResult(success=False, handled=False)
        await _challenge(server, scram.get_server_final())
        return AuthResult(success=True, auth_data=("SCRAM-SHA-256", asked[0]))

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> Any:  # noqa: N802 -- its name there
        self.mechanisms.append("XOAUTH2")
        return await self._judge(server, "XOAUTH2", await _said(server, args))

    async def auth_OAUTHBEARER(self, server: SMTP, args: list[str]) -> Any:  # noqa: N802 -- its name there
        self.mechanisms.append("OAUTHBEARER")
        said = await _said(server, args)
        user = said["n,a"].rstrip(",").replace("=2C", ",").replace("=3D", "=")
        return await self._judge(server, "OAUTHBEARER", {**said, "user": user})

    async def _judge(self, server: SMTP, mechanism: str, said: dict[str, str]) -> AuthResult:
        if self._accepts(said["auth"].removeprefix("Bearer ")) == said["user"]:
            return AuthResult(success=True, auth_data=(mechanism, said["user"]))
        await _challenge(server, json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}))
        return AuthResult(success=False, handled=False)

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.mechanisms.append(mechanism)
        name = data.login.decode()
        is_known = name in self._passwords and self._passwords[name].encode() == data.password
        return AuthResult(success=is_known, handled=False, auth_data=(mechanism, name))


async def _said(server: SMTP, args: list[str]) -> dict[str, str]:
    """What an initial response says; a long one waits for leave (RFC 4954 4)."""
    response = b64decode(args[1]).decode() if len(args) > 1 else await _challenge(server, "")
    return {key: value for key, _, value in (part.partition("=") for part in response.split("\1")) if key}


async def _challenge(server: SMTP, text: str) -> str:
    answer = await server.challenge_auth(text)
    assert answer is not MISSING
    return bytes(answer).decode()


@asynccontextmanager
async def submission(
    *,
    tls: SSLContext | None = None,
    implicit: bool = False,
    without: tuple[str, ...] = (),
    login: bool = True,
    accepts: Accepts | None = None,
) -> AsyncIterator[Submission]:
    """Run one: STARTTLS required with `tls`, TLS from the start if `implicit`, some mechanisms left out.

    Access tokens are taken where `accepts` tells whose they are.
    """
    keeper = Submission(accepts or (lambda _token: None))
    without = without if accepts else (*without, "XOAUTH2", "OAUTHBEARER")
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        starttls = None if implicit else tls
        return SMTP(
            keeper,
            loop=loop,
            hostname="submission.example",
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=login,
            auth_require_tls=starttls is not None,
            auth_exclude_mechanism=without,
            authenticator=keeper.authenticate,
        )

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls if implicit else None)
    keeper.port = server.sockets[0].getsockname()[1]
    try:
        yield keeper
    finally:
        server.close()
        await server.wait_closed()
