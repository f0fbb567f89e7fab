"""A receiver of webhooks for tests: a real HTTP server that verifies signatures with the convention's own package."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

Status = Callable[[int], int]


@dataclass(frozen=True)
class Post:
    """A post, with the status that it was answered with."""

    id: str
    headers: dict[str, str]
    event: dict[str, Any]
    status: int

    @property
    def delivery(self) -> str:
        return str(self.event["data"]["deliveryId"])


@dataclass
class Receiver:
    """Answers as `status` says, which is given how many posts there were; keeps what came in `posts`."""

    status: Status
    port: int = 0
    secret: str = ""
    answer: bytes = b"private words"
    headers: dict[str, str] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?key=hidden"

    @property
    def taken(self) -> list[Post]:
        """Those that it took, each event as it came first."""
        return list({one.id: one for one in reversed(self.posts) if 200 <= one.status < 300}.values())[::-1]

    def wait_for_taken(self, count: int) -> list[Post]:
        """Wait in a thread until it has taken so many events."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.taken) >= count, 60), f"{len(self.taken)} of {count}"
        return self.taken

    def wait_for_posts(self, count: int) -> list[Post]:
        """Wait in a thread for so many posts."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.posts) >= count, 60), f"{len(self.posts)} of {count}"
        return self.posts


@contextmanager
def receiving(status: Status = lambda _: 204) -> Iterator[Receiver]:
    """Run one on 127.0.0.1."""
    receiver = Receiver(status)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if receiver.secret:
                Webhook(receiver.secret).verify(body, headers)
            with receiver.changed:
                code = receiver.status(len(receiver.posts))
                receiver.posts.append(Post(headers["webhook-id"], headers, json.loads(body), code))
            answer = b"" if code == 204 else receiver.answer
            self.send_response(code)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            if code != 204:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            with receiver.changed:
                receiver.changed.notify_all()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
