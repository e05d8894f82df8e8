"""Who may use what we make: our own user, administrators and the system, as 0600 and root elsewhere."""

import ctypes
import functools
import sys
from ctypes import wintypes

from watchdog_cli.adapters.windows import api

assert sys.platform == "win32"

_TOKEN_QUERY, _TOKEN_USER, _DACL = 8, 1, 4


class SecurityAttributes(ctypes.Structure):
    """As CreateNamedPipe wants them."""

    _fields_ = (
        ("length", wintypes.DWORD),
        ("descriptor", ctypes.c_void_p),
        ("inherit", wintypes.BOOL),
    )


def own_sid() -> str:
    """The user of this process, as ``S-1-...``.

    Raises:
        OSError: the system does not say.
    """
    token = wintypes.HANDLE()
    if not api.advapi32.OpenProcessToken(api.kernel32.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
        raise api.failure("own token")
    try:
        room = ctypes.create_string_buffer(1024)
        size = wintypes.DWORD()
        if not api.advapi32.GetTokenInformation(token, _TOKEN_USER, room, len(room), ctypes.byref(size)):
            raise api.failure("own token")
        text = ctypes.c_wchar_p()
        sid = ctypes.cast(room, ctypes.POINTER(ctypes.c_void_p))[0]
        if not api.advapi32.ConvertSidToStringSidW(sid, ctypes.byref(text)):
            raise api.failure("own token")
        found = text.value or ""
        api.kernel32.LocalFree(ctypes.cast(text, ctypes.c_void_p))
        return found
    finally:
        api.close(token.value)


def _descriptor(flags: str) -> ctypes.c_void_p:
    """A list of who has all rights, that takes nothing over from the folder above.

    Raises:
        OSError: it cannot be made.
    """
    who = "".join(f"(A;{flags};FA;;;{one})" for one in (own_sid(), "SY", "BA"))
    made = ctypes.c_void_p()
    if not api.advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        f"D:P{who}", 1, ctypes.byref(made), None
    ):
        raise api.failure("security descriptor")
    return made


@functools.cache
def private_attributes() -> SecurityAttributes:
    """For a new object that only we may open; made once, and kept for the life of the process.

    Raises:
        OSError: they cannot be made.
    """
    return SecurityAttributes(ctypes.sizeof(SecurityAttributes), _descriptor("").value, False)


def make_private(folder: str) -> None:
    """Let nobody else into a folder, nor into what is made in it from now on.

    Raises:
        OSError: it is not possible, as on a file system without rights.
    """
    made = _descriptor("OICI")
    try:
        if not api.advapi32.SetFileSecurityW(folder, _DACL, made):
            raise api.failure(folder)
    finally:
        api.kernel32.LocalFree(made)
