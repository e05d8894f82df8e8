"""Ask a running watchdog, and be asked: one line of JSON each way over a Unix socket in the state folder.

The socket is 0600 in a folder of 0700: only the user of the watchdog, and root, can speak to it. The server lives in
the main thread's own wait and never waits for a client.
"""

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from watchdog_cli.adapters import descriptors
from watchdog_cli.adapters.control_words import (
    ANSWER_LIMIT,
    MOST_CLIENTS,
    NOT_UNDERSTOOD,
    REQUEST_LIMIT,
    Answer,
    NoAnswerError,
    line_of,
    read_answers,
    read_request,
)
from watchdog_kit.records import dataclass

if TYPE_CHECKING:  # who only asks needs none
    from watchdog_cli.adapters.system import inboxes

__all__ = ["SOCKET", "Answer", "Client", "ControlServer", "NoAnswerError", "ask"]

SOCKET = "control"
QUEUE_LOOK_S = 0.01  # chosen: the watchdog empties a full queue in far less
LONGEST_PATH = 103  # of a socket address on macOS, which has the least room


@dataclass(slots=True)
class Client:
    """One connection on the side of the watchdog.

    Args:
        waits_for: the ask whose end it waits for; "" when it waits for nothing.
        unsent: the rest of what it was told and has not taken yet.
        is_done: the last word to it has been said.
    """

    connection: socket.socket
    received: bytes = b""
    waits_for: str = ""
    unsent: bytes = b""
    is_done: bool = False


class ControlServer:
    """Where ``status``, ``stop``, ``restart``, ``pause``, ``resume`` and ``upgrade`` arrive."""

    def __init__(
        self, inbox: "inboxes.Inbox", folder: str, handle: Callable[[str, Answer, Client], Answer | None]
    ) -> None:
        """Nothing listens before ``open``.

        Args:
            handle: called in the main thread with what is asked; None means that the answer comes later.
        """
        self._inbox = inbox
        self._folder = folder
        self._handle = handle
        self._listener: socket.socket | None = None
        self._spare: int | None = None
        self._place = (0, 0)  # device and inode of our socket
        self._clients: dict[int, Client] = {}

    def open(self) -> None:
        """Begin to listen; also again, after somebody deleted the socket.

        Raises:
            OSError: the socket cannot be made.
        """
        self._close_listener()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            with _short_path(self._folder) as folder:
                path = f"{folder}/{SOCKET}"
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                old_mask = os.umask(0o177)
                try:
                    listener.bind(path)
                finally:
                    os.umask(old_mask)
                self._place = _place(path)
            listener.listen(MOST_CLIENTS)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._take_spare()
        self._inbox.register(listener.fileno(), self._accept)

    def ensure(self) -> None:
        """Open again if clients cannot reach us any more; one who is just coming must not be cut off else.

        Raises:
            OSError: the socket cannot be made.
        """
        if self._listener is None or _place(os.path.join(self._folder, SOCKET)) != self._place:
            self.open()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._refuse()
            return
        connection.setblocking(False)
        if len(self._clients) >= descriptors.share(MOST_CLIENTS):
            self._drop_oldest()
        client = Client(connection)
        self._clients[connection.fileno()] = client
        self._inbox.register(connection.fileno(), lambda: self._read(client))

    def _drop_oldest(self) -> None:
        idle = next((one for one in self._clients.values() if not one.waits_for), None)
        self._drop(idle if idle is not None else next(iter(self._clients.values())))

    def _refuse(self) -> None:
        """No descriptor is free: a connection that stays in the queue would wake us for ever."""
        if self._clients:
            self._drop_oldest()  # the next round accepts
        elif self._spare is not None and self._listener is not None:
            os.close(self._spare)
            self._spare = None
            with contextlib.suppress(OSError):
                self._listener.accept()[0].close()
            self._take_spare()

    def _take_spare(self) -> None:
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)

    def _read(self, client: Client) -> None:
        try:
            part = client.connection.recv(REQUEST_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        client.received += part
        if not part or len(client.received) > REQUEST_LIMIT:
            self._drop(client)
            return
        line, newline, rest = client.received.partition(b"\n")
        if not newline or client.is_done:
            return
        client.received = rest
        request = read_request(line)
        if request is None:
            self._send(client, NOT_UNDERSTOOD, last=True)
            return
        # Who gave up on us was told that it is not done. Only a stop is still meant: that must not be missed.
        if request[0] != "stop" and _has_gone(client.connection):
            self._drop(client)
            return
        answer = self._handle(*request, client)
        if answer is not None:
            self._send(client, answer, last=True)

    def _send(self, client: Client, answer: Answer, *, last: bool = False) -> None:
        if client.is_done:
            return
        client.is_done = last
        client.unsent += line_of(answer)
        self._write(client)

    def _write(self, client: Client) -> None:
        """Send what the client takes now; the rest when it is ready for more, so nobody waits for a slow reader."""
        try:
            client.unsent = client.unsent[client.connection.send(client.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        descriptor = client.connection.fileno()
        if client.unsent and len(client.unsent) <= ANSWER_LIMIT:
            self._inbox.unregister(descriptor)
            self._inbox.register(descriptor, lambda: self._write(client), writable=True)
        elif client.unsent or client.is_done:
            self._drop(client)
        else:
            self._inbox.unregister(descriptor)
            self._inbox.register(descriptor, lambda: self._read(client))

    def _drop(self, client: Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            self._inbox.unregister(client.connection.fileno())
            client.connection.close()

    def progress(self, text: str) -> None:
        """Tell everybody who waits for something what is going on."""
        for client in [one for one in self._clients.values() if one.waits_for]:
            self._send(client, {"say": text})

    def finish(self, waits_for: str, answer: Answer) -> None:
        """Answer everybody who waits for this; "" means for anything at all."""
        for client in [one for one in self._clients.values() if one.waits_for]:
            if waits_for in ("", client.waits_for):
                self._send(client, answer, last=True)

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._inbox.unregister(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        """Stop listening and remove the socket."""
        for client in list(self._clients.values()):
            self._drop(client)
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        if self._listener is not None:
            self._close_listener()
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._folder, SOCKET))


def _has_gone(connection: socket.socket) -> bool:
    """Whether the other side has closed; one that only says no more still listens."""
    look = select.poll()
    look.register(connection, 0)  # of a hang-up the system tells in any case
    return any(event & select.POLLHUP for _, event in look.poll(0))


def _place(path: str) -> tuple[int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def ask(folder: str, request: Answer, *, limit_s: float | None) -> Iterator[dict[str, object]]:
    """Ask the watchdog with this state folder; yield each line of its answer as it comes.

    Args:
        limit_s: how long one line may take; None waits for ever.
    Raises:
        NoAnswerError: it does not listen or took too long.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limit_s)
        try:
            with _short_path(folder) as short:
                _connect(connection, f"{short}/{SOCKET}", limit_s)
            connection.sendall(line_of(request))
            yield from read_answers(lambda end: _receive(connection, end), limit_s)
        except OSError as error:
            raise NoAnswerError(str(error)) from error


def _connect(connection: socket.socket, path: str, limit_s: float | None) -> None:
    """Connect; where many ask at once, wait until there is a place in the queue.

    A socket of this kind with a time limit is refused at once when the queue is full, instead of waiting.
    """
    end = None if limit_s is None else time.monotonic() + limit_s
    while True:
        try:
            return connection.connect(path)
        except BlockingIOError:
            if end is not None and time.monotonic() >= end:
                raise
            time.sleep(QUEUE_LOOK_S)


def _receive(connection: socket.socket, end: float | None) -> bytes:
    connection.settimeout(None if end is None else max(0.001, end - time.monotonic()))
    return connection.recv(65536)


@contextlib.contextmanager
def _short_path(folder: str) -> Iterator[str]:
    """A name for the folder that is short enough for a socket address, however deep the folder lies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{descriptor}"
        if os.path.isdir(short):
            yield short
        elif len(os.fsencode(f"{folder}/{SOCKET}")) <= LONGEST_PATH:
            yield folder
        else:
            with _link_to(folder) as link:
                yield link
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _link_to(folder: str) -> Iterator[str]:
    """Where there is no /proc: a link with a short name, in a folder that is nobody else's, for as long as it takes."""
    import tempfile

    # The folder for temporary files of a user may itself have a long name.
    with tempfile.TemporaryDirectory(prefix="wd-", dir="/tmp") as place:
        link = f"{place}/d"
        os.symlink(os.path.abspath(folder), link)
        yield link
