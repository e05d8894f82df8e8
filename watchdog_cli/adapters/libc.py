"""The few calls of the Linux C library that Python does not offer."""

import ctypes
import os

_PR_SET_CHILD_SUBREAPER = 36
_lib = ctypes.CDLL(None, use_errno=True)

IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MODIFY = 0x2
IN_MOVED_TO = 0x80
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800


def become_subreaper() -> None:
    """Let orphaned descendants become our children instead of init's, so that none gets lost.

    Raises:
        OSError: the kernel has no such thing.
    """
    if _lib.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def inotify_open() -> int:
    """A new inotify descriptor that does not block.

    Raises:
        OSError: EMFILE when the user has too many of them.
    """
    descriptor = int(_lib.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def inotify_add(descriptor: int, path: str, mask: int) -> int:
    """Watch ``path``.

    Raises:
        OSError: no such folder, or ENOSPC when the user has too many watches.
    """
    watch = int(_lib.inotify_add_watch(descriptor, os.fsencode(path), mask))
    if watch < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return watch
