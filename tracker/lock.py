"""One writer per folder: a lock of the operating system, held as long as the process lives."""

import contextlib
import json
import os
import sys
import time
from types import TracebackType
from typing import Self

from tracker.errors import AlreadyRunningError, StorageError
from watchdog_kit.damage import DAMAGE
from watchdog_kit.os_errors import in_words

_AT = 1 << 30  # Windows locks bytes, and nobody may read them then: one far behind the text


class FolderLock:
    """The right to write in a folder.

    Args:
        path: the lock file; it is never deleted, for a deleted one could be locked twice.
        role: ``run`` for the tracker, anything else for a command that holds it for a moment.
    """

    def __init__(self, path: str, role: str) -> None:
        self._path = path
        self._role = role
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock; False when somebody else has it.

        Raises:
            StorageError: the file cannot be made, or the file system knows no locks.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                f"cannot open {self._path}: {in_words(error)}; is the folder writable?"
            ) from error
        try:
            if not _lock(descriptor):
                os.close(descriptor)
                return False
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"cannot lock {self._path}: {in_words(error)}") from error
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # the text only informs; a full disk must not matter
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "role": self._role}).ljust(60).encode())
        return True

    def acquire_or_find(self, limit_s: float = 15.0) -> int | None:
        """Take the lock and return None, or return the pid of the tracker that holds it (-1: unknown).

        A command that holds it for a moment is waited for.

        Raises:
            AlreadyRunningError: a command does not let go.
        """
        end = time.monotonic() + limit_s
        looks = 0
        while not self.try_acquire():
            pid, role = self.holder()
            # Whoever took it a moment ago may not have written its name over that of an earlier tracker.
            looks = looks + 1 if role == "run" else 0
            if looks >= 3:
                return pid or -1
            if time.monotonic() > end:
                raise AlreadyRunningError(
                    f"another command (pid {pid or 'unknown'}) does not let go of {self._path}"
                )
            time.sleep(0.02)
        return None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            AlreadyRunningError: a tracker holds it, or a command does not let go.
        """
        pid = self.acquire_or_find()
        if pid is not None:
            folder = os.path.dirname(os.path.dirname(os.path.abspath(self._path)))
            raise AlreadyRunningError(
                f"another tracker (pid {pid if pid > 0 else 'unknown'}) works in {folder}; "
                "stop it first, or use another folder with -C"
            )

    def holder(self) -> tuple[int | None, str | None]:
        """Return pid and role of the process that holds, or last held, the lock."""
        try:
            with open(self._path, "rb") as file:
                told = json.loads(file.read(200))
            return int(told["pid"]), str(told["role"])
        except (OSError, *DAMAGE):
            return None, None

    def release(self) -> None:
        """Let go; the end of the process does it too."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _AT, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
