"""SASL mechanisms as generators, challenge in, response out (RFC 4422, RFC 4954).

A generator first yields its initial response, or None when the server speaks first; then it takes each challenge and
yields a response. It ends when it has sent everything and trusts the server.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

from mailnode.errors import ErrorCode, LoginFailed, SettingsError
from mailnode.printable import SURROGATE, quoted
from mailnode.smtp.reply import Reply
from mailnode.smtp.transcript import redact

Mechanism = Generator[bytes | None, bytes, None]

# RFC 7677 4 requires 4096 at least; fewer would make guessing passwords cheap for an eavesdropper.
MIN_ITERATIONS = 4096
# A hostile server could keep us computing for minutes; this many take some 50 ms.
MAX_ITERATIONS = 150_000
_NONCE_OCTETS = 24
# NUL separates the parts of PLAIN (RFC 4616 2); a lone surrogate can't be encoded.
_UNSAYABLE = re.compile(rf"[\0{SURROGATE}]")
# RFC 5321 4.5.3.1.4, without CRLF. AUTH is no exception (RFC 4954 4): Postfix reads 2048 octets of it, and tokens of
# Microsoft's are longer. A response on a line of its own may have 12288.
MAX_COMMAND_OCTETS = 510


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its password; the password is never shown."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no mechanism can send (RFC 4616 2)."""
        if not self.username or _UNSAYABLE.search(self.username):
            raise _bad_login("username", "the user name is empty or contains a NUL or a lone surrogate")
        if _UNSAYABLE.search(self.password):
            raise _bad_login("password", "the password contains a NUL or a lone surrogate")


def plain(login: Login) -> Mechanism:
    """PLAIN, RFC 4616: everything in the initial response."""
    yield f"\0{login.username}\0{login.password}".encode()


def login(login: Login) -> Mechanism:
    """LOGIN: a name and a password for two prompts, whatever their text (it is in many languages)."""
    yield None
    yield login.username.encode()
    yield login.password.encode()


def scram_sha_256(login: Login, nonce: Callable[[], str] | None = None) -> Mechanism:
    """SCRAM-SHA-256, RFC 5802 and RFC 7677: the password is not sent, and the server proves that it knows it too."""
    ours = nonce() if nonce else secrets.token_urlsafe(_NONCE_OCTETS)
    name = _prepared(login.username).replace("=", "=3D").replace(",", "=2C")
    client_first = f"n={name},r={ours}"
    server_first = yield f"n,,{client_first}".encode()
    combined, salt, iterations = _server_first(server_first, ours)
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(login.password).encode(), salt, iterations)
    without_proof = f"c=biws,r={combined}"
    signed = b",".join((client_first.encode(), server_first, without_proof.encode()))
    client_key = _hmac(salted, b"Client Key")
    signature = _hmac(hashlib.sha256(client_key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    server_final = yield f"{without_proof},p={base64.b64encode(proof).decode()}".encode()
    if server_final.startswith(b"e="):  # RFC 5802 5.1: an error; the reply that refuses the login follows
        yield b""
    expected = b"v=" + base64.b64encode(_hmac(_hmac(salted, b"Server Key"), signed))
    if not hmac.compare_digest(server_final, expected):
        raise _not_trusted("the server could not prove that it knows the password: its signature is wrong")
    yield b""


# Strongest first: the first one that the server offers is used.
MECHANISMS: dict[str, Callable[[Login], Mechanism]] = {"SCRAM-SHA-256": scram_sha_256, "PLAIN": plain, "LOGIN": login}


class Exchange:
    """The exchange of one AUTH command, in Base64 (RFC 4954); `challenge` is the last one received, decoded.

    With `waits` the initial response is held back until the server asks for it.
    """

    def __init__(self, name: str, mechanism: Mechanism, *, waits: bool = False) -> None:
        self.name = name
        self.challenge = b""
        self.has_initial_response = False
        self._mechanism = mechanism
        self._waits = waits
        self._held_back: str | None = None
        self._responses: list[str] = []

    def command(self) -> str:
        """Give the AUTH command, with the initial response where the mechanism has one and the line is long enough."""
        initial = next(self._mechanism)
        command = f"AUTH {self.name}"
        if initial is None:
            return command
        response = self._encode(initial)
        if self._waits or len(command) + 1 + len(response) > MAX_COMMAND_OCTETS:
            self._held_back = response
            return command
        self.has_initial_response = True
        return f"{command} {response or '='}"

    def respond(self, challenge: str) -> str:
        """Answer a challenge (the text of a 334 reply)."""
        if self._held_back is not None:
            response, self._held_back = self._held_back, None
            return response
        self.challenge = _decode(challenge)
        try:
            return self._encode(self._mechanism.send(self.challenge) or b"")
        except StopIteration:
            raise _not_trusted("the server asks for more than this mechanism sends") from None

    def finish(self) -> None:
        """Accept the server's success, or raise where the mechanism expects more from it."""
        try:
            self._mechanism.send(b"")
        except StopIteration:
            return
        raise _not_trusted("the server ended the login too early")

    def redact(self, reply: Reply, secret: str) -> Reply:
        """Redact a secret and our own responses in a reply: some servers quote what they refuse."""
        secrets = (secret, *self._responses)
        return replace(reply, lines=tuple(redact(line, secrets) for line in reply.lines))

    def _encode(self, response: bytes) -> str:
        encoded = base64.b64encode(response).decode()
        self._responses.append(encoded)
        return encoded


def _decode(challenge: str) -> bytes:
    try:
        # Not validated on purpose: the prompts of some LOGIN servers are not even Base64, and they are not used.
        return base64.b64decode(challenge.strip().encode("ascii", "ignore"))
    except binascii.Error:
        return b""


def _server_first(message: bytes, ours: str) -> tuple[str, bytes, int]:
    attributes = dict(part.split("=", 1) for part in message.decode("utf-8", "replace").split(",") if "=" in part)
    combined, iterations = attributes.get("r", ""), attributes.get("i", "")
    if "m" in attributes or not combined.startswith(ours) or combined == ours:  # RFC 5802 5.1
        raise _not_trusted("the server's SCRAM message does not answer ours")
    if not (iterations.isascii() and iterations.isdigit() and len(iterations) <= len(str(MAX_ITERATIONS))):
        raise _not_trusted(f"the server's SCRAM iteration count is not valid: {quoted(iterations)}")
    if not MIN_ITERATIONS <= int(iterations) <= MAX_ITERATIONS:
        raise _not_trusted(
            f"the server asks for {iterations} SCRAM iterations, not {MIN_ITERATIONS} to {MAX_ITERATIONS}"
        )
    try:
        return combined, base64.b64decode(attributes.get("s", ""), validate=True), int(iterations)
    except (binascii.Error, ValueError):
        raise _not_trusted("the server's SCRAM salt is not Base64") from None


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _prepared(text: str) -> str:
    """SASLprep, RFC 4013, so that both sides hash the same octets."""
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(prohibited(character) for character in prepared for prohibited in _PROHIBITED) or _mixes_directions(
        prepared
    ):
        raise LoginFailed(
            "the user name or the password holds a character that SASLprep (RFC 4013) forbids",
            hint="remove control, private-use and direction characters from the password",
        )
    return prepared


def _mixes_directions(text: str) -> bool:
    if not any(stringprep.in_table_d1(character) for character in text):
        return False
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return not ends or any(stringprep.in_table_d2(character) for character in text)


def _bad_login(key: str, what: str) -> SettingsError:
    return SettingsError(what, code=ErrorCode.BAD_SETTING, hint="give it as the provider shows it").locate(key=key)


def _not_trusted(what: str) -> LoginFailed:
    return LoginFailed(what, code=ErrorCode.AUTH_REFUSED, hint="check host and port: this may not be your server")
