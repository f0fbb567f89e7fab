"""OAuth2 servers that are not ours, over TLS: oauth2-mock-server (npm) and oidc-provider-mock (PyPI)."""

import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import werkzeug.serving

from support.require import absent, require
from support.tls import authority, server_context

_FOLDER = Path(__file__).parents[1] / "token_servers"


@contextmanager
def oauth2_mock_server(folder: Path) -> Iterator[str]:
    """Run the one of npm, or skip the test; gives its URL, whose /token knows client credentials and refresh tokens."""
    node = require("node")
    if not (_FOLDER / "node_modules" / "oauth2-mock-server").exists():
        absent("oauth2-mock-server is not installed: `make test` installs it where npm is")
    certificate = authority().issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    command = (node, _FOLDER / "serve.mjs", folder / "key.pem", folder / "certificate.pem")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        try:
            yield f"https://localhost:{port}"
        finally:
            process.terminate()


@contextmanager
def oidc_provider() -> Iterator[str]:
    """Run the one of PyPI; gives its URL, with /oauth2/authorize and /oauth2/token."""
    with warnings.catch_warnings():
        import_module("authlib.deprecate")  # which shows its own warnings, whatever the filters say
    import oidc_provider_mock

    application = oidc_provider_mock.app()
    server = werkzeug.serving.make_server(
        "127.0.0.1", 0, application, threaded=True, ssl_context=server_context("localhost")
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
