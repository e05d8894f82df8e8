"""Replacing a file in one step: a reader, a crash or a power cut finds the old content or the new one.

The order is: a temporary file in the same folder, all bytes, flush to the disk, close, rename over the
target, flush the folder. A temporary file carries the id of its process in its name, so that one left behind
by a process that was killed in the middle can be told from one that is being written, and swept.
"""

import errno
import os
import sys
import time
from collections.abc import Callable

_SUFFIX = ".wdtmp"
_MARK_LENGTH = 8
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
# A reader or a virus scanner holds the target open for a moment: Windows refuses the rename meanwhile.
_SHARING_ERRORS = (5, 32)
# Growing, and never long: of the moments that somebody leaves who reads without rest, one in twenty was free when it
# was measured. 2.5 s together.
_RETRY_PAUSES_S = (0.001, 0.002, 0.003, 0.004, *[0.005] * 498)
# File systems without the notion of a flush say so by these; there is nothing that we could do instead.
_NO_SYNC_ERRORS = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EROFS)

_being_written: set[str] = set()


class Steps:
    """The system calls of one save. A subclass can make any of them fail, slow or counted."""

    def create(self, path: str, mode: int) -> int:
        """Make the temporary file, which must not exist, and return its descriptor."""
        return os.open(path, _FLAGS, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the bytes and say how many."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Bring what was written to the disk."""
        if sys.platform == "darwin":
            import fcntl  # not there on Windows

            try:
                # A plain fsync on macOS leaves the bytes in the cache of the drive.
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            except OSError:
                os.fsync(descriptor)
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_SYNC_ERRORS:
                raise

    def close(self, descriptor: int) -> None:
        """Close the temporary file; on network drives a failed write may show only here."""
        os.close(descriptor)

    def replace(self, source: str, target: str) -> None:
        """Put the temporary file in the place of the target."""
        os.replace(source, target)

    def sync_folder(self, folder: str) -> None:
        """Bring the renaming itself to the disk."""
        if sys.platform == "win32":
            return  # a folder cannot be opened there; the file system keeps renames in its own journal
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except PermissionError:
            return  # a folder may be writable without being readable
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_SYNC_ERRORS:
                raise
        finally:
            os.close(descriptor)

    def remove(self, path: str) -> None:
        """Take a temporary file away."""
        os.unlink(path)

    def pause(self, seconds: float) -> None:
        """Wait before the renaming is tried again."""
        time.sleep(seconds)


_SYSTEM = Steps()


def write_atomic(
    path: str | os.PathLike[str],
    data: bytes | bytearray | memoryview,
    *,
    mode: int = 0o600,
    durable: bool = True,
    last_look: Callable[[], None] = lambda: None,
    steps: Steps = _SYSTEM,
) -> None:
    """Replace the content of ``path``; whatever happens, the old or the new content is there as a whole.

    A symbolic link is followed, so that the file that it names is replaced and not the link.

    Args:
        path: the file to make or to replace; its folder must exist.
        data: the whole new content.
        mode: rights of the new file, less the umask.
        durable: False leaves out both flushes: safe against a killed process, not against a power cut.
        last_look: called when all but the renaming is done; what it raises leaves the file as it is.
        steps: the system calls to use.
    Raises:
        OSError: it could not be done. No temporary file is left behind, except by a process that was killed.
    """
    target = os.fspath(path)
    if os.path.islink(target):
        target = os.path.realpath(target)
    temp = f"{target}.{os.getpid()}-{os.urandom(_MARK_LENGTH // 2).hex()}{_SUFFIX}"

    def replace() -> None:
        last_look()
        steps.replace(temp, target)

    _being_written.add(os.path.basename(temp))
    try:
        descriptor = steps.create(temp, mode)
        try:
            _fill(descriptor, memoryview(data).cast("B"), durable=durable, steps=steps)
            patiently(replace, steps.pause)
        except BaseException:
            # Also when a signal handler raises in between: only a kill leaves something for the sweep.
            _remove_quietly(temp, steps)
            raise
    finally:
        _being_written.discard(os.path.basename(temp))
    if durable:
        steps.sync_folder(os.path.dirname(target) or os.curdir)


def sweep_temps(folder: str | os.PathLike[str]) -> list[str]:
    """Remove the temporary files that killed processes left in ``folder``.

    Args:
        folder: where to look; subfolders are not entered. One that is not there, or cannot be read, is left alone.
    Returns:
        The names of the files that were removed.
    """
    where = os.fspath(folder)
    try:
        entries = os.listdir(where)
    except OSError:
        return []
    removed = []
    for entry in entries:
        maker = _maker_of(entry)
        if maker is None:
            continue
        # In a container each start may get the same id again: a file with our own id that we are not
        # writing is a leftover too.
        if entry in _being_written or (maker != os.getpid() and _lives(maker)):
            continue
        if _remove_quietly(os.path.join(where, entry), _SYSTEM):
            removed.append(entry)
    return removed


def is_abandoned(name: str) -> bool:
    """Say whether ``name`` is that of a temporary file whose writer is gone: the next sweep takes it away."""
    maker = _maker_of(name)
    return maker is not None and not _lives(maker)


def _fill(descriptor: int, rest: memoryview, *, durable: bool, steps: Steps) -> None:
    """Write all bytes and close, also when that fails."""
    try:
        while rest:
            rest = rest[steps.write(descriptor, rest) :]
        if durable:
            steps.sync(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    steps.close(descriptor)


def patiently(action: Callable[[], None], pause: Callable[[float], None] = time.sleep) -> None:
    """Rename or remove something, again and again as long as Windows says that somebody has it open.

    Raises:
        OSError: it could not be done for another reason, or not within some 2.5 s.
    """
    for pause_s in (*_RETRY_PAUSES_S, None):
        try:
            action()
        except PermissionError as error:
            if pause_s is None or getattr(error, "winerror", None) not in _SHARING_ERRORS:
                raise
            pause(pause_s)
        else:
            return


def _remove_quietly(path: str, steps: Steps) -> bool:
    try:
        steps.remove(path)
    except OSError:
        return False  # the next sweep finds it
    return True


def _maker_of(entry: str) -> int | None:
    """Return the process id in the name of a temporary file of ours; None: it is not one of ours."""
    if not entry.endswith(_SUFFIX):
        return None
    target, point, tail = entry.removesuffix(_SUFFIX).rpartition(".")
    pid, dash, mark = tail.partition("-")
    ours = bool(target and point and dash) and len(mark) == _MARK_LENGTH and pid.isascii() and pid.isdigit()
    return int(pid) if ours and len(pid) <= 10 else None


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        import psutil  # os.kill with 0 would send Ctrl-C there

        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True
