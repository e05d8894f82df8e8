"""Serve the metrics to whoever scrapes them on this machine."""

import socket
import socketserver
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from watchdog_cli.core.errors import AddressError, WatchdogError
from watchdog_cli.sinks.metrics import CONTENT_TYPE
from watchdog_kit.os_errors import in_words

LOOPBACK = "127.0.0.1"
OWN_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
REQUEST_S = 5.0  # chosen: how long one may take to ask
MOST_AT_ONCE = 8
PATH = "/metrics"


class MetricsServer(ThreadingHTTPServer):
    """Answers one question at one address of this machine; nobody else can reach it."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, port: int, text: Callable[[], bytes]) -> None:
        """Begin to listen.

        Args:
            port: 0 takes any that is free.
            text: makes the metrics.
        Raises:
            AddressError: the port is in use, or not ours to take.
        """
        self.text = text
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            why = in_words(error)
            raise AddressError(
                f"cannot listen at {LOOPBACK}:{port}: {why}; pick another one with --port"
            ) from error

    @property
    def url(self) -> str:
        """What to scrape."""
        return f"http://{LOOPBACK}:{self.server_address[1]}{PATH}"

    def server_bind(self) -> None:
        """Take the port without asking a name server for our own name, which may take its time."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a request its thread, unless too many have one."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer within a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """A client that leaves in the middle is no event."""
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = REQUEST_S
    server_version = "watchdog"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """The same without the body."""
        self._answer(with_body=False)

    def log_message(self, *_args: object) -> None:
        """Nobody wants to read of each scrape."""

    def _answer(self, *, with_body: bool) -> None:
        status, kind, body = self._find()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _find(self) -> tuple[HTTPStatus, str, bytes]:
        plain = "text/plain; charset=utf-8"
        host = self.headers.get("Host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if name not in OWN_NAMES:  # a page elsewhere that has made its own name lead here
            return HTTPStatus.FORBIDDEN, plain, b"this is served to this machine only\n"
        if self.path.partition("?")[0] != PATH:
            return HTTPStatus.NOT_FOUND, plain, f"metrics are at {PATH}\n".encode()
        try:
            return HTTPStatus.OK, CONTENT_TYPE, self.server.text()
        except WatchdogError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, plain, f"{error}\n".encode()
