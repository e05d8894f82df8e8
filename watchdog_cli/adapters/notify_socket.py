"""The sd_notify protocol, both directions: our child tells us, we tell the service manager above us.

Source: the documented interface of sd_notify(3); datagrams of ``KEY=VALUE`` lines.
"""

import array
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable, Mapping

from watchdog_cli.adapters.system import inboxes
from watchdog_cli.core.events import Beat, HangDeclared
from watchdog_cli.core.policy import Source

LONGEST_PATH = 107  # of a socket address; a longer folder gets a name without a path
MESSAGE_LIMIT = 4096
BATCH = 256  # messages handled before others get their turn
_CREDENTIALS = struct.Struct("@iII")


class NotifyServer:
    """Where the child sends READY=1, WATCHDOG=1 and STATUS=."""

    def __init__(self, inbox: "inboxes.Inbox", path: str, run_id: Callable[[], str]) -> None:
        """Open the socket.

        Args:
            run_id: of the run that lives now; "" when none does.

        Raises:
            OSError: it cannot be made.
        """
        self._inbox = inbox
        self._run_id = run_id
        self.status_text = ""
        self.address = path if len(os.fsencode(path)) <= LONGEST_PATH else _name_for(path)
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            if self.address == path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                self._socket.bind(path)
                os.chmod(path, 0o600)
            else:
                self._bind_name()
        except OSError:
            self._socket.close()
            raise
        inbox.register(self._socket.fileno(), self._on_ready)

    def _bind_name(self) -> None:
        try:
            self._socket.bind("\0" + self.address[1:])
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            self.address = f"@watchdog-{os.urandom(16).hex()}"  # somebody sits on the name
            self._socket.bind("\0" + self.address[1:])

    def begin_run(self) -> None:
        """Throw away what an earlier run said."""
        self.status_text = ""
        for _ in range(BATCH):
            if self._receive() is None:
                break

    def _on_ready(self) -> None:
        signs = False
        for _ in range(BATCH):
            message = self._receive()
            if message is None:
                break
            signs = self._read(message) or signs
        if signs:
            self._inbox.put(Beat(Source.NOTIFY, run_id=self._run_id()))

    def _receive(self) -> bytes | None:
        """The next message; an empty one if it came from somebody who may not speak."""
        room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * 64)
        try:
            message, ancillary, _, _ = self._socket.recvmsg(MESSAGE_LIMIT, room)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return None
        allowed = False
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:  # FDSTORE or BARRIER: closing is the answer
                handed = array.array("i")
                handed.frombytes(data[: len(data) - len(data) % handed.itemsize])
                for descriptor in handed:
                    os.close(descriptor)
            elif kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
                allowed = _CREDENTIALS.unpack_from(data)[1] in (0, os.getuid())
        return message if allowed else b""

    def _read(self, message: bytes) -> bool:
        signs = False
        for line in message.decode("utf-8", "replace").splitlines():
            key, _, value = line.partition("=")
            if key == "STATUS":
                self.status_text = value[:200]
            elif key == "WATCHDOG" and value == "trigger":
                self._inbox.put(HangDeclared(self._run_id()))
            elif (key in ("READY", "WATCHDOG") and value == "1") or key == "EXTEND_TIMEOUT_USEC":
                signs = True
        return signs

    def close(self) -> None:
        """Close and remove the socket."""
        self._inbox.unregister(self._socket.fileno())
        self._socket.close()
        if not self.address.startswith("@"):
            with contextlib.suppress(OSError):
                os.unlink(self.address)


def _name_for(path: str) -> str:
    """A name without a path, the same for every watchdog of this place: a child that is adopted still knows it."""
    import hashlib

    return f"@watchdog-{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}"


def tell_manager(*lines: str, environ: dict[str, str] | None = None) -> bool:
    """Say something to the service manager that started us; False when there is none or it does not listen."""
    address = (environ if environ is not None else os.environ).get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "@/" or not hasattr(socket, "AF_UNIX"):
        return False
    target = "\0" + address[1:] if address[0] == "@" else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto("\n".join(lines).encode(), target)
        except OSError:
            return False
    return True


def asked_interval_s(environ: Mapping[str, str]) -> float | None:
    """How often the service manager wants a WATCHDOG=1 from us, halved to be on time; None when it does not.

    Source: sd_watchdog_enabled(3).
    """
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not text.isdigit() or int(text) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(text) / 2e6
