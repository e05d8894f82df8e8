"""Ask a running watchdog, and be asked, on Windows: the same lines as elsewhere, over a named pipe.

A pipe and no socket of the network: its list of rights is checked by the kernel, so only the user of the watchdog,
administrators and the system can speak to it, and no port is open. Pipes have names in one space for the whole machine,
so ours is a random one, which stands in the file ``control`` of the state folder, where nobody else may read.

Each client has a thread. It reads the line, lets the main thread answer, and writes what comes; a slow reader holds up
nobody else.
"""

import contextlib
import ctypes
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import wintypes

from watchdog_cli.adapters.control_words import (
    MOST_CLIENTS,
    NOT_UNDERSTOOD,
    REQUEST_LIMIT,
    Answer,
    NoAnswerError,
    line_of,
    read_answers,
    read_request,
)
from watchdog_cli.adapters.windows import api
from watchdog_cli.adapters.windows.inbox import Inbox
from watchdog_kit.atomic_file import write_atomic

assert sys.platform == "win32"

__all__ = ["SOCKET", "Answer", "Client", "ControlServer", "NoAnswerError", "ask"]

SOCKET = "control"  # the file that names the pipe
_PREFIX = "\\\\.\\pipe\\tracker-watchdog-"
_DUPLEX, _FIRST, _REJECT_REMOTE = 0x3, 0x80000, 0x8
_BUFFER = 65536
_CONNECTED, _BUSY = 535, 231
_LOOK_S = 0.005  # while a client waits for its answer; Ctrl-C works in between
_SLOW_LOOK_S = 0.05
_IMPERSONATE_NOT = 0x100000  # SECURITY_SQOS_PRESENT, anonymous: whoever answers must not act in our name


class Client:
    """One connection on the side of the watchdog."""

    def __init__(self) -> None:
        self.waits_for = ""  # the ask whose end it waits for; "" when it waits for nothing
        self.is_done = False  # the last word to it has been said
        self.unsent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.gone = threading.Event()  # it has read its last word, or does not listen any more

    def send(self, answer: Answer, *, last: bool = False) -> None:
        """Say a line to it, soon."""
        if self.is_done:
            return
        self.is_done = last
        self.unsent.put(line_of(answer))
        if last:
            self.unsent.put(None)


class ControlServer:
    """Where ``status``, ``stop``, ``restart``, ``pause`` and ``resume`` arrive."""

    def __init__(
        self, inbox: Inbox, folder: str, handle: Callable[[str, Answer, Client], Answer | None]
    ) -> None:
        """Nothing listens before ``open``.

        Args:
            handle: called in the main thread with what is asked; None means that the answer comes later.
        """
        self._inbox = inbox
        self._path = os.path.join(folder, SOCKET)
        self._handle = handle
        self._name = ""
        self._closing = False
        self._clients: set[Client] = set()
        self._places = threading.Semaphore(MOST_CLIENTS)

    def open(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the pipe or the file that names it cannot be made.
        """
        if not self._name:
            name = _PREFIX + os.urandom(16).hex()
            first = _make_pipe(name, first=True)
            self._name = name
            threading.Thread(target=self._listen, args=(first,), name="control", daemon=True).start()
        write_atomic(self._path, f"{self._name}\n".encode(), durable=False)

    def ensure(self) -> None:
        """Write the name of the pipe again if somebody has deleted it.

        Raises:
            OSError: it cannot be written.
        """
        if not self._name or _name_in(self._path) != self._name:
            self.open()

    def _listen(self, pipe: int) -> None:
        while True:
            connected = api.kernel32.ConnectNamedPipe(pipe, None) or ctypes.get_last_error() == _CONNECTED
            if self._closing:
                api.close(pipe)
                return
            here = pipe
            try:
                pipe = _make_pipe(self._name, first=False)
            except OSError:  # no memory for another one: whoever is here now is turned away
                api.kernel32.DisconnectNamedPipe(pipe)
                time.sleep(_SLOW_LOOK_S)
                continue
            if connected and self._places.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(here,), name="control", daemon=True).start()
            else:
                api.close(here)

    def _serve(self, pipe: int) -> None:
        """The thread of one client."""
        client = Client()
        try:
            line = _read_line(pipe)
            if line is None:
                return
            self._inbox.call(lambda: self._answer(client, line))
            while (data := client.unsent.get()) is not None:
                if not _write(pipe, data):
                    return
            api.kernel32.FlushFileBuffers(pipe)  # returns when the client has read all of it, or is gone
        finally:
            client.is_done = True
            client.gone.set()
            api.kernel32.DisconnectNamedPipe(pipe)
            api.close(pipe)
            self._places.release()

    def _answer(self, client: Client, line: bytes) -> None:
        """In the main thread."""
        self._clients = {one for one in self._clients if not one.is_done} | {client}
        request = read_request(line)
        if request is None:
            client.send(NOT_UNDERSTOOD, last=True)
            return
        answer = self._handle(*request, client)
        if answer is not None:
            client.send(answer, last=True)

    def progress(self, text: str) -> None:
        """Tell everybody who waits for something what is going on."""
        for client in [one for one in self._clients if one.waits_for]:
            client.send({"say": text})

    def finish(self, waits_for: str, answer: Answer) -> None:
        """Answer everybody who waits for this; "" means for anything at all."""
        for client in [one for one in self._clients if one.waits_for]:
            if waits_for in ("", client.waits_for):
                client.send(answer, last=True)

    def close(self) -> None:
        """Stop listening; let the last answers arrive, for a moment."""
        if not self._name:
            return
        self._closing = True
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        with contextlib.suppress(NoAnswerError):
            api.close(_connect(self._name, 0.0))  # wakes the thread that listens
        end = time.monotonic() + 1.0
        for client in self._clients:
            client.unsent.put(None)
        for client in self._clients:
            client.gone.wait(max(0.0, end - time.monotonic()))
        self._name = ""


def _make_pipe(name: str, *, first: bool) -> int:
    from watchdog_cli.adapters.windows.rights import private_attributes

    mode = _DUPLEX | (_FIRST if first else 0)
    attributes = private_attributes()
    pipe = api.kernel32.CreateNamedPipeW(
        name, mode, _REJECT_REMOTE, MOST_CLIENTS + 2, _BUFFER, _BUFFER, 0, ctypes.byref(attributes)
    )
    if not pipe or pipe == api.INVALID_HANDLE:
        raise api.failure("control pipe")
    return int(pipe)


def _read_line(pipe: int) -> bytes | None:
    received = b""
    while b"\n" not in received:
        part = _read(pipe, REQUEST_LIMIT)
        if not part or len(received) + len(part) > REQUEST_LIMIT:
            return None
        received += part
    return received.partition(b"\n")[0]


def _read(pipe: int, most: int) -> bytes:
    """What is there, waiting for it; nothing at the end, or when nothing is wanted."""
    if not most:
        return b""
    room = ctypes.create_string_buffer(most)
    count = wintypes.DWORD()
    if not api.kernel32.ReadFile(pipe, room, most, ctypes.byref(count), None):
        return b""
    return room.raw[: count.value]


def _write(pipe: int, data: bytes) -> bool:
    for at in range(0, len(data), _BUFFER):
        piece = data[at : at + _BUFFER]
        count = wintypes.DWORD()
        if not api.kernel32.WriteFile(pipe, piece, len(piece), ctypes.byref(count), None):
            return False
    return True


# --- who asks --------------------------------------------------------------------------------------------


def _name_in(path: str) -> str:
    try:
        with open(path, "rb") as file:
            name = file.read(256).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return name if name.startswith(_PREFIX) else ""


def _connect(name: str, limit_s: float | None) -> int:
    end = None if limit_s is None else time.monotonic() + limit_s
    while True:
        pipe = api.kernel32.CreateFileW(
            name, api.GENERIC_READ | api.GENERIC_WRITE, 0, None, api.OPEN_EXISTING, _IMPERSONATE_NOT, None
        )
        if pipe and pipe != api.INVALID_HANDLE:
            return int(pipe)
        error = ctypes.get_last_error()
        if error != _BUSY or (end is not None and time.monotonic() >= end):
            raise NoAnswerError(ctypes.FormatError(error))
        time.sleep(_LOOK_S)


def ask(folder: str, request: Answer, *, limit_s: float | None) -> Iterator[dict[str, object]]:
    """Ask the watchdog with this state folder; yield each line of its answer as it comes.

    Args:
        limit_s: how long one line may take; None waits for ever.
    Raises:
        NoAnswerError: it does not listen or took too long.
    """
    name = _name_in(os.path.join(folder, SOCKET))
    if not name:
        raise NoAnswerError("it has no control pipe")
    pipe = _connect(name, limit_s)
    try:
        if not _write(pipe, line_of(request)):
            raise NoAnswerError("the control pipe was closed")
        yield from read_answers(lambda end: _read(pipe, _wait_for_bytes(pipe, end)), limit_s)
    finally:
        api.close(pipe)


def _wait_for_bytes(pipe: int, end: float | None) -> int:
    """How many bytes can be read now; 0 at the end of the answer. In slices, so that Ctrl-C ends it.

    Raises:
        NoAnswerError: none came in time.
    """
    begun = time.monotonic()
    waiting = wintypes.DWORD()
    while True:
        if not api.kernel32.PeekNamedPipe(pipe, None, 0, None, ctypes.byref(waiting), None):
            return 0
        if waiting.value:
            return int(waiting.value)
        now = time.monotonic()
        if end is not None and now >= end:
            raise NoAnswerError("timed out")
        time.sleep(_LOOK_S if now - begun < 1 else _SLOW_LOOK_S)
