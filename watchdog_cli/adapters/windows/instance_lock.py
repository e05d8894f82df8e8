"""One supervisor per name and folder, decided by a lock of the system that dies with its holder.

``msvcrt.locking`` locks bytes, and nobody else may read those: it is one far behind the text that names the holder.
Who only asks must take the lock for a moment, so whoever wants to have it tries for longer than such a moment.
"""

import contextlib
import msvcrt
import os
import sys
import time

from watchdog_cli.core.errors import AlreadyRunningError, StorageError
from watchdog_kit.os_errors import in_words

assert sys.platform == "win32"

HANDED_OVER = "_TRACKER_WATCHDOG_LOCK_FD"  # an upgrade in place does not exist here; the name is of the seam
_AT = 1 << 30
_PAUSES_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.2)  # chosen: half a second; a question takes microseconds
_FLAGS = os.O_RDWR | os.O_BINARY


class InstanceLock:
    """Held from ``acquire`` to the end of the process."""

    def __init__(self, path: str) -> None:
        """Nothing is locked yet."""
        self.path = path
        self.descriptor: int | None = None
        self.was_handed_over = False

    def acquire(self, name: str) -> None:
        """Take the lock.

        Raises:
            AlreadyRunningError: another watchdog holds it; names its pid.
            StorageError: the lock file cannot be made.
        """
        try:
            descriptor = os.open(self.path, _FLAGS | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                f"cannot open {self.path}: {in_words(error)}; check who owns the folder"
            ) from error
        for pause_s in (*_PAUSES_S, None):
            if _lock(descriptor):
                break
            if pause_s is None:
                pid = _pid_in(descriptor)
                os.close(descriptor)
                raise AlreadyRunningError.held_by(pid, name)
            time.sleep(pause_s)
        self.descriptor = descriptor
        with contextlib.suppress(OSError):  # the text only informs; a full disk must not matter
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()}\n".ljust(32).encode())

    def release(self) -> None:
        """Let go."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def holder(path: str) -> int | None:
    """The pid that holds the lock now; 0 when somebody does whose pid cannot be seen; None when nobody does."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        return None
    try:
        if not _lock(descriptor):
            return _pid_in(descriptor)
        _unlock(descriptor)
        return None
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    os.lseek(descriptor, _AT, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    os.lseek(descriptor, _AT, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)


def _pid_in(descriptor: int) -> int:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, 32).split()
    except OSError:
        return 0
    return int(text[0]) if text and text[0].isdigit() else 0
