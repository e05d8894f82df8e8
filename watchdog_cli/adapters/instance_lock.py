"""One supervisor per name and folder, decided by a kernel lock that dies with its holder.

POSIX record locks: another process can ask who holds one without taking it, and they outlive exec, which is how an
upgrade keeps its lock. They are dropped when the process closes *any* descriptor of the file, so nothing in a
supervisor may open the lock file again. What stands in the file is for people only.
"""

import contextlib
import fcntl
import os
import struct
import sys

from watchdog_cli.core.errors import AlreadyRunningError, IdentityUnknownError, StorageError
from watchdog_kit.os_errors import in_words

HANDED_OVER = "_TRACKER_WATCHDOG_LOCK_FD"  # set across the exec of an upgrade, for ourselves only
# struct flock: Linux has type, whence, start, length, pid; macOS start, length, pid, type, whence
_FLOCK = {"linux": "@hhqqi", "darwin": "@qqihh"}
_FLOCK_ROOM = 64


class InstanceLock:
    """Held from ``acquire`` to the end of the process."""

    def __init__(self, path: str) -> None:
        """Nothing is locked yet."""
        self.path = path
        self.descriptor: int | None = None
        self.was_handed_over = False  # an earlier image of this very process held it

    def acquire(self, name: str) -> None:
        """Take the lock.

        Raises:
            AlreadyRunningError: another watchdog holds it; names its pid.
            StorageError: the lock file cannot be made.
        """
        handed = os.environ.pop(HANDED_OVER, "")
        try:
            if handed.isdigit() and _leads_to(int(handed), self.path):
                descriptor = int(handed)
                os.set_inheritable(descriptor, False)
                self.was_handed_over = True
            else:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                f"cannot open {self.path}: {in_words(error)}; check who owns the folder"
            ) from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = _holder_by_descriptor(descriptor)
            os.close(descriptor)
            raise AlreadyRunningError.held_by(pid, name) from error
        self.descriptor = descriptor
        with contextlib.suppress(OSError):  # the text only informs; a full disk must not matter
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def holder(path: str) -> int | None:
    """The pid that holds the lock now; 0 when somebody does whose pid cannot be seen; None when nobody does.

    Raises:
        IdentityUnknownError: the file is not ours to look at.
    """
    # Where one can ask without trying, to read is enough: also on a file system that is read-only by now.
    mode = os.O_RDONLY if sys.platform in _FLOCK else os.O_RDWR
    try:
        descriptor = os.open(path, mode | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unseen(path, error) from error
    try:
        return _holder_by_descriptor(descriptor)
    finally:
        os.close(descriptor)


def unseen(path: str, error: OSError) -> IdentityUnknownError:
    """Why nobody can tell whether a watchdog holds this lock."""
    return IdentityUnknownError(
        f"cannot tell whether a watchdog runs here: cannot look at {path}: {in_words(error)}; "
        "ask as the user that runs it"
    )


def _holder_by_descriptor(descriptor: int) -> int | None:
    shape = _FLOCK.get(sys.platform)
    if shape is None:
        return _holder_by_trying(descriptor)
    is_linux = shape.startswith("@h")
    fields = (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0) if is_linux else (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(shape, *fields).ljust(_FLOCK_ROOM, b"\0"))
    found = struct.unpack_from(shape, answer)
    kind, pid = (found[0], found[4]) if is_linux else (found[3], found[2])
    return None if kind == fcntl.F_UNLCK else int(pid)


def _holder_by_trying(descriptor: int) -> int | None:
    """Where the shape of struct flock is another: take it for a moment."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else 0
    fcntl.lockf(descriptor, fcntl.LOCK_UN)
    return None


def _leads_to(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except (OSError, OverflowError):
        return False
