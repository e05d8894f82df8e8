"""Open a file without keeping anybody from renaming, replacing or deleting it."""

import msvcrt
import os
import sys

from watchdog_cli.adapters.windows import api

assert sys.platform == "win32"

_SHARE_ALL = 0x7  # read, write, delete; Python's own ``open`` leaves out the last
_ORDINARY = 0x80


def open_shared(path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor for reading; an opener for ``open``.

    Raises:
        OSError: as ``os.open`` would.
    """
    if flags & (os.O_WRONLY | os.O_RDWR):
        raise ValueError("for reading only")
    handle = api.kernel32.CreateFileW(
        path, api.GENERIC_READ, _SHARE_ALL, None, api.OPEN_EXISTING, _ORDINARY, None
    )
    if not handle or handle == api.INVALID_HANDLE:
        raise api.failure(path)
    try:
        return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)
    except OSError:
        api.close(handle)
        raise
