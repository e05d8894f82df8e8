"""The part of etcd that a lease needs, over its JSON API and the standard library.

Every question has one limit over all endpoints, every answer a largest size. An endpoint that does not answer is left
for the next one; the one that answered last is asked first. Whether a write that got no answer was done is unknown:
the caller asks again in a way that finds out.
"""

import base64
import http.client
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

ANSWER_LIMIT = 8 << 20  # bytes; a chunk of the state has 512 KiB
PIECE = 65536
LEAST_TRY_S = 0.2
UNAUTHENTICATED = 16  # codes of gRPC
NOT_FOUND = 5
NO_LEADER = (14, 4)  # UNAVAILABLE, DEADLINE_EXCEEDED
SLEEP_OF_A_FULL_DISK = "NOSPACE"
NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
NO_SUCH_USER = "authentication failed"  # parts of what etcd says
NO_USER = "user name is empty"
NO_RIGHT = "permission denied"


class EtcdError(Exception):
    """etcd could not do it; the text is for people."""


class EtcdUnreachableError(EtcdError):
    """No endpoint answered in time."""


class EtcdRefusedError(EtcdError):
    """An endpoint answered with an error.

    Args:
        code: of gRPC; -1 when there was none.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_full(self) -> bool:
        """Whether the database has reached its quota."""
        return SLEEP_OF_A_FULL_DISK in str(self) or "database space exceeded" in str(self)

    @property
    def is_about_us(self) -> bool:
        """Whether it does not let us in: asking again soon would only cost it work."""
        return any(text in str(self) for text in (NO_SUCH_USER, NO_USER, NO_RIGHT))


@dataclass(frozen=True, slots=True)
class Login:
    """How to speak to it; texts may be empty."""

    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    user: str = ""
    password: str = ""


class Etcd:
    """A client for one thread."""

    def __init__(self, endpoints: Sequence[tuple[str, int]], login: Login | None = None) -> None:
        """Nothing is connected yet.

        Raises:
            OSError: a certificate cannot be read.
        """
        self._endpoints = list(endpoints)
        self._login = login or Login()
        self._first = 0
        self._token = ""
        self._tls = _context(self._login) if self._login.tls else None

    def call(self, path: str, body: Mapping[str, object], limit_s: float) -> dict[str, Any]:
        """Ask, and return the answer.

        Raises:
            EtcdUnreachableError: nobody answered within ``limit_s``.
            EtcdRefusedError: the answer was an error.
        """
        end = time.monotonic() + limit_s
        if self._login.user and not self._token:
            self._authenticate(end)
        try:
            return self._anywhere(path, body, end)
        except EtcdRefusedError as error:
            if not self._login.user or not _is_old_token(error):
                raise
            self._token = ""  # tokens end after some minutes, and with the member that gave them
            self._authenticate(end)
            return self._anywhere(path, body, end)

    def _authenticate(self, end: float) -> None:
        answer = self._anywhere(
            "/v3/auth/authenticate", {"name": self._login.user, "password": self._login.password}, end
        )
        token = answer.get("token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise EtcdRefusedError("it gave no token for the user and password", -1)
        self._token = token

    def _anywhere(self, path: str, body: Mapping[str, object], end: float) -> dict[str, Any]:
        payload = json.dumps(body).encode()
        problem = "no endpoint"
        count = len(self._endpoints)
        for turn in range(count):
            index = (self._first + turn) % count
            left = end - time.monotonic()
            if left <= 0:
                break
            share = max(LEAST_TRY_S, left / (count - turn)) if turn < count - 1 else left
            try:
                status, raw = self._once(self._endpoints[index], path, payload, min(left, share))
                answer = _parse(raw)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = _why(error, with_tls=self._tls is not None)
                continue
            if status != http.client.OK or "error" in answer:
                refused = _refusal(status, answer)
                if refused.code in NO_LEADER and turn < count - 1:
                    problem = str(refused)
                    continue
                self._first = index
                raise refused
            self._first = index
            return answer
        self._first = (self._first + 1) % count
        raise EtcdUnreachableError(f"etcd does not answer ({problem})")

    def _once(
        self, endpoint: tuple[str, int], path: str, payload: bytes, limit_s: float
    ) -> tuple[int, bytes]:
        host, port = endpoint
        end = time.monotonic() + limit_s
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(host, port, timeout=limit_s, context=self._tls)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=limit_s)
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = self._token
        try:
            connection.request("POST", path, payload, headers)
            _shorten(connection, end)
            response = connection.getresponse()
            parts: list[bytes] = []
            size = 0
            while True:
                _shorten(connection, end)
                part = response.read1(PIECE)
                if not part:
                    return response.status, b"".join(parts)
                size += len(part)
                if size > ANSWER_LIMIT:
                    raise ValueError("its answer is too large")
                parts.append(part)
        finally:
            connection.close()


def _shorten(connection: http.client.HTTPConnection, end: float) -> None:
    """Let the next step wait no longer than until ``end``: an answer may come in drops."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _context(login: Login) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=login.ca_file or None)
    except ssl.SSLError as error:
        raise OSError(f"{login.ca_file} holds no certificate") from error
    if login.cert_file:
        try:  # nobody is there to be asked for the password of a key
            context.load_cert_chain(login.cert_file, login.key_file or None, password=lambda: "")
        except ssl.SSLError as error:
            key = login.key_file or login.cert_file
            raise OSError(
                f"{login.cert_file} is no certificate, or {key} is not its key in plain form"
            ) from error
    return context


def _parse(raw: bytes) -> dict[str, Any]:
    """The first object of an answer; a stream wraps it in ``result``."""
    text = raw.decode("utf-8").lstrip()
    try:
        answer, _ = json.JSONDecoder().raw_decode(text)
    except RecursionError as error:
        raise ValueError("its answer is no JSON") from error
    if not isinstance(answer, dict):
        raise ValueError("its answer is no JSON object")  # noqa: TRY004 - foreign text is wrong, not our types
    result = answer.get("result")
    return result if isinstance(result, dict) else answer


def _refusal(status: int, answer: Mapping[str, Any]) -> EtcdRefusedError:
    error = answer.get("error")
    if isinstance(error, dict):
        answer = error
        error = error.get("message")
    code = answer.get("code", answer.get("grpc_code", -1))
    text = str(error or answer.get("message") or f"HTTP status {status}")[:200]
    return EtcdRefusedError(text, code if isinstance(code, int) else -1)


def _is_old_token(error: EtcdRefusedError) -> bool:
    # The last: with signed tokens (JWT), after any change of a user or a role.
    return error.code == UNAUTHENTICATED or "auth token" in str(error) or "auth store is old" in str(error)


def _why(error: Exception, *, with_tls: bool) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError) and error.reason in NO_TLS:
        return "it does not speak TLS; without it, write etcd://"
    if isinstance(error, ssl.SSLError | ConnectionResetError | BrokenPipeError):
        if with_tls:  # how a certificate is refused differs from one try to the next
            return "it ended the connection; if it wants a certificate of ours, look at WATCHDOG_LEASE_CERT"
        return "it ended the connection; if it wants TLS, write etcds://"
    if isinstance(error, OSError):
        return in_words(error)
    return str(error) or type(error).__name__


# --- what is asked -----------------------------------------------------------------------------------------


def encoded(text: str | bytes) -> str:
    """A key or value as the API wants it."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def decoded(value: object) -> bytes:
    """A key or value as the API gives it.

    Raises:
        EtcdError: it is none.
    """
    try:
        return base64.b64decode(value if isinstance(value, str) else "", validate=True)
    except ValueError as error:
        raise EtcdError("etcd gave a value that is none") from error


def number(value: object) -> int:
    """A number of an answer, which stands in a text and is left out when it is 0; 0 for what is none of 64 bits."""
    try:
        found = int(value) if isinstance(value, str | int) else 0
    except ValueError:
        return 0
    return found if abs(found) < 1 << 63 else 0


def is_created_at(key: str, revision: int) -> dict[str, object]:
    """The condition that the key is the one that was made at ``revision``; 0: that there is none."""
    return {"key": encoded(key), "target": "CREATE", "result": "EQUAL", "create_revision": str(revision)}


def is_changed_at(key: str, revision: int) -> dict[str, object]:
    """The condition that the key was last changed at ``revision``; 0: that there is none."""
    return {"key": encoded(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}


def put(key: str, value: bytes, lease: int = 0) -> dict[str, object]:
    """A step of a transaction."""
    one: dict[str, object] = {"key": encoded(key), "value": encoded(value)}
    if lease:
        one["lease"] = str(lease)
    return {"request_put": one}


def get(key: str) -> dict[str, object]:
    """A step of a transaction."""
    return {"request_range": {"key": encoded(key)}}


def delete(key: str) -> dict[str, object]:
    """A step of a transaction."""
    return {"request_delete_range": {"key": encoded(key)}}


def delete_between(first: str, end: str) -> dict[str, object]:
    """A step of a transaction: every key from ``first`` on and before ``end``."""
    return {"request_delete_range": {"key": encoded(first), "range_end": encoded(end)}}


def behind(prefix: str) -> str:
    """The first text that comes after all that begin with ``prefix``, whose last character is not the largest."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def term(answer: Mapping[str, Any]) -> int:
    """In which reign of a leader the answer was given."""
    return _in_header(answer, "raft_term")


def revision(answer: Mapping[str, Any]) -> int:
    """At which revision of the store the answer was given."""
    return _in_header(answer, "revision")


def _in_header(answer: Mapping[str, Any], name: str) -> int:
    header = answer.get("header")
    return number(header.get(name)) if isinstance(header, dict) else 0


def pairs(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The key-value pairs of the first step of a transaction."""
    responses = answer.get("responses")
    try:
        found = responses[0]["response_range"].get("kvs", [])  # type: ignore[index] # checked by what is caught
    except (IndexError, KeyError, TypeError, AttributeError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
