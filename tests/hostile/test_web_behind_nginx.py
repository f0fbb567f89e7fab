"""The editor behind nginx: no request that the two might read differently leads around what nginx refuses."""

import re
from urllib.parse import urlsplit

import pytest

from support.nginx import running_nginx
from support.raw_http import ask
from support.smuggling import AMBIGUOUS, ONE_READING
from support.web import TOKEN, served_site

CLOSED = "/api/flows"
BEARER = b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
FLOW = "version: 1\nname: hello\nnodes:\n- {id: a, type: say, settings: {text: hi}}\n"
LIMIT = 60


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Serve a home behind nginx, which lets nobody list its flows."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("MAILNODE_HOME", str(home))
        with served_site(home) as serving:
            serving.site.flow_files.create(FLOW)
            behind = urlsplit(serving.url).port
            assert behind is not None
            with running_nginx(behind, CLOSED) as port:
                yield port


def get(path):
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + BEARER + b"Connection: close\r\n\r\n"


async def test_what_nginx_refuses_is_not_had_by_a_request_within_another(port):
    assert b" 403 " in (await ask(port, get(CLOSED)))[:20]
    assert b'"hello"' in await ask(port, get(CLOSED + "/hello"))
    for method in (b"POST", b"GET"):
        for fields in (*AMBIGUOUS, *ONE_READING):
            head = method + b" /api/flows/check HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            said = await ask(port, head + BEARER + fields + get(CLOSED))
            assert b'"hello"' not in said, fields
            # Nobody else gets the answer to what may have been left on a connection between the two.
            after = await ask(port, get("/health"))
            assert re.match(rb"HTTP/1\.1 200 .*\r\n\r\n\{\"status\":\"ok\"", after, re.DOTALL), fields
