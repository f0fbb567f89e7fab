"""The options that say who can reach a server, each also as a variable, as service managers and containers set them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Exposed(TypedDict):
    """What the options say, as `exposure_of` takes it."""

    host: str
    public_url: str
    base_path: str
    trusted_proxies: tuple[str, ...]
    tls_cert: Path | None
    tls_key: Path | None
    allow_plaintext: bool


class _List(click.ParamType[str]):
    """One word, or several in a variable, between commas or blanks."""

    name = "list"
    envvar_list_splitter = None

    def split_envvar_value(self, rv: str) -> list[str]:
        return rv.replace(",", " ").split()


_OPTIONS: tuple[tuple[tuple[str, ...], str, dict[str, Any]], ...] = (
    (
        ("--host",),
        "MAILNODE_HOST",
        {"default": "127.0.0.1", "show_default": True, "metavar": "ADDRESS", "help": "The address to listen on."},
    ),
    (
        ("--public-url",),
        "MAILNODE_PUBLIC_URL",
        {"default": "", "metavar": "URL", "help": "The address that people open, such as https://example.org/mail."},
    ),
    (
        ("--base-path",),
        "MAILNODE_BASE_PATH",
        {
            "default": "",
            "metavar": "PATH",
            "help": "The path that everything is below. [default: that of the public URL]",
        },
    ),
    (
        ("--trusted-proxy", "trusted_proxies"),
        "MAILNODE_TRUSTED_PROXY",
        {
            "type": _List(),
            "multiple": True,
            "metavar": "ADDRESS",
            "help": "A proxy, or network of proxies, that may say who has asked; repeatable.",
        },
    ),
    (
        ("--tls-cert",),
        "MAILNODE_TLS_CERT",
        {"type": click.Path(path_type=Path), "help": "The certificate with its chain (PEM), to speak TLS."},
    ),
    (
        ("--tls-key",),
        "MAILNODE_TLS_KEY",
        {"type": click.Path(path_type=Path), "help": "The private key of the certificate (PEM)."},
    ),
    (
        ("--allow-plaintext",),
        "MAILNODE_ALLOW_PLAINTEXT",
        {"is_flag": True, "help": "Let tokens and mail cross a network without TLS."},
    ),
)


def exposure_options(command: F) -> F:
    """Add the options to a command."""
    for names, variable, settings in reversed(_OPTIONS):
        command = click.option(*names, envvar=variable, show_envvar=True, **settings)(command)
    return command
