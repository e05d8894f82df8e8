"""HTTP calls that end: each has a limit for connecting and one for all of it, however slowly bytes drip in.

Nothing is followed, repeated or kept that the caller did not ask for: a redirect is an answer like any other.
"""

import contextlib
import functools
import http.client
import io
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

BODY_LIMIT = 5 * 1024 * 1024
LONGEST_PAUSE_S = 3600.0  # that the other side may ask for
USER_AGENT = "tracker-watchdog"


@dataclass(frozen=True, slots=True)
class Response:
    """What came back; the names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpError(Exception):
    """No complete answer came. ``maybe_sent`` is False only when the other side surely saw no request."""

    def __init__(self, reason: str, *, maybe_sent: bool) -> None:
        super().__init__(reason)
        self.maybe_sent = maybe_sent


class _Reader(io.RawIOBase):
    """Reads from a socket, each time with no more patience than is left in all."""

    def __init__(self, source: socket.socket, deadline: float) -> None:
        super().__init__()
        self._source = source
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._source.settimeout(_left(self._deadline))
        return self._source.recv_into(buffer)


class _Answer(http.client.HTTPResponse):
    """An answer that is read with a limit for all of it."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._hold = self.fp  # keeps the socket open when the connection lets go of it
        self.fp = io.BufferedReader(_Reader(sock, deadline))

    def close(self) -> None:
        """Let go of the socket."""
        super().close()
        self._hold.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class HttpClient:
    """Calls to one host, over one connection that is kept where that is allowed.

    Args:
        base_url: scheme, host and optional prefix, such as ``https://api.example.org``.
        connect_s: limit for connecting, with the TLS handshake.
        keep_alive: use a connection again. Only for calls that may safely be made twice.
    """

    def __init__(self, base_url: str, *, connect_s: float = 5.0, keep_alive: bool = True) -> None:
        parts = urlsplit(base_url)
        self.host = parts.netloc
        self._scheme = parts.scheme
        self._name = parts.hostname or ""
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._connect_s = connect_s
        self._keep_alive = keep_alive
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        limit_s: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """Make one call.

        Args:
            method: GET or POST.
            path: what follows the base address, quoted as it must be.
            limit_s: for all of it together, looking up the name left out.
            headers: to send besides the usual ones.
            body: to send.
        Raises:
            HttpError: no complete answer of bearable size came in time.
        """
        deadline = time.monotonic() + limit_s
        sent = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
        sent |= dict(headers or {})
        if not self._keep_alive:
            sent["Connection"] = "close"
        while True:
            reused = self._connection is not None
            connection = self._connection or self._connect(deadline)
            try:
                response = self._exchange(connection, method, self._prefix + path, sent, body, deadline)
            except (http.client.RemoteDisconnected, ConnectionError) as error:
                self.close()
                if reused and method == "GET":
                    continue  # a kept connection that the other side closed meanwhile tells nothing
                raise HttpError(f"{self.host} closed the connection", maybe_sent=True) from error
            except TimeoutError as error:
                self.close()
                raise HttpError(
                    f"{self.host} did not answer within {limit_s:g} s", maybe_sent=True
                ) from error
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                reason = str(error) or type(error).__name__
                raise HttpError(
                    f"{self.host} did not answer properly: {reason[:200]}", maybe_sent=True
                ) from error
            if not self._keep_alive:
                self.close()
            return response

    def _connect(self, deadline: float) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = None
        try:
            patience = min(self._connect_s, _left(deadline))
            if self._scheme == "https":
                import ssl

                context = ssl.create_default_context()
                connection = http.client.HTTPSConnection(
                    self._name, self._port, timeout=patience, context=context
                )
            else:
                connection = http.client.HTTPConnection(self._name, self._port, timeout=patience)
            self._connection = connection  # an abort from outside finds it while it is being made
            connection.connect()
        except (OSError, ValueError) as error:
            self.close()
            reason = f"cannot reach {self.host}: {_reason(error)}"
            if isinstance(error, TimeoutError):
                reason = f"cannot reach {self.host} within {self._connect_s:g} s"
            if isinstance(error, socket.gaierror):
                reason = f"cannot find {self._name}: {error.strerror}"
            raise HttpError(reason, maybe_sent=False) from error
        return connection

    def _exchange(  # noqa: PLR0917 - all that makes up one call
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: float,
    ) -> Response:
        connection.sock.settimeout(_left(deadline))
        connection.response_class = functools.partial(_Answer, deadline=deadline)  # type: ignore[assignment]
        connection.request(method, path, body=body, headers=headers)
        answer = cast("_Answer", connection.getresponse())
        try:
            length = answer.length
            if length is not None and length > BODY_LIMIT:
                raise http.client.HTTPException(f"its answer has {length} bytes")
            data = answer.read(BODY_LIMIT + 1)
            if len(data) > BODY_LIMIT:
                raise http.client.HTTPException(f"its answer has more than {BODY_LIMIT} bytes")
            if length is not None and len(data) < length:
                raise http.client.IncompleteRead(data, length - len(data))
            if answer.will_close:
                self.close()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, found, data)
        finally:
            answer.close()

    def abort(self) -> None:
        """End a call that another thread is making."""
        connection = self._connection
        wire = cast("socket.socket | None", getattr(connection, "sock", None))
        if wire is not None:
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _reason(error: Exception) -> str:
    refused = getattr(error, "verify_message", None)
    if refused:
        return f"its certificate is not trusted: {str(refused).rstrip('.')}"
    if getattr(error, "library", None):  # OpenSSL's own words, without its file and line
        return f"no TLS with it: {str(getattr(error, 'reason', None)).replace('_', ' ').lower()}"
    reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
    return str(reason)[:200]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the other side asks to be left alone, at most an hour, or None when it does not say.

    It may say so in seconds or as a date; a date is measured by the other side's own clock where it shows it.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            until = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        try:
            now = parsedate_to_datetime(headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            now = time.time()
        seconds = until - now
    return min(max(seconds, 0.0), LONGEST_PAUSE_S) if seconds == seconds else None  # noqa: PLR0124 - NaN differs from itself
