"""What the scripted servers of the tests share: they listen on loopback, and end with all their connections."""

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Owner = TypeVar("Owner")


class Listener(ThreadingHTTPServer, Generic[Owner]):
    """Takes connections for its owner, and remembers them."""

    daemon_threads = False  # closing waits for all handlers, so nothing of one test reaches into the next

    def __init__(self, owner: Owner, handler: type[BaseHTTPRequestHandler], port: int) -> None:
        self.owner = owner
        self.live: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, to be able to end it."""
        self.live.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ended."""
        super().shutdown_request(request)
        self.live.discard(request)

    def handle_error(self, *args: object) -> None:
        """Say nothing: callers that go away in the middle are part of the play."""


class Scripted:
    """A server with a thread of its own; to be used in a ``with``, or closed."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        self.guard = threading.Lock()
        self.ended = threading.Event()
        self._server = Listener(self, handler, port)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop answering."""
        self.ended.set()
        self._server.shutdown()
        for connection in list(self._server.live):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
