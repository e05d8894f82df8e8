"""The few calls of the Windows kernel that Python does not offer, with their types."""

import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
ntdll = ctypes.WinDLL("ntdll")

INFINITE = 0xFFFFFFFF
WAIT_OBJECT_0 = 0
INVALID_HANDLE = ctypes.c_void_p(-1).value
QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
SYNCHRONIZE = 0x100000
TERMINATE_AND_ASSIGN = 0x0001 | 0x0100  # what AssignProcessToJobObject wants
RESUME = 0x0800  # PROCESS_SUSPEND_RESUME
GENERIC_READ = 0x80000000
GENERIC_WRITE = 0x40000000
OPEN_EXISTING = 3
_UTF8 = 65001

_P = ctypes.c_void_p


def _declare(function: "ctypes._NamedFuncPointer", result: object, *arguments: object) -> None:
    function.restype = result  # type: ignore[assignment]
    function.argtypes = list(arguments)  # type: ignore[arg-type]


_D, _B, _H, _S = wintypes.DWORD, wintypes.BOOL, wintypes.HANDLE, wintypes.LPCWSTR
_declare(kernel32.OpenProcess, _H, _D, _B, _D)
_declare(kernel32.CloseHandle, _B, _H)
_declare(kernel32.WaitForSingleObject, _D, _H, _D)
_declare(kernel32.WaitForMultipleObjects, _D, _D, _P, _B, _D)
_declare(kernel32.GetExitCodeProcess, _B, _H, _P)
_declare(kernel32.GetProcessTimes, _B, _H, _P, _P, _P, _P)
_declare(kernel32.K32GetProcessMemoryInfo, _B, _H, _P, _D)
_declare(kernel32.QueryFullProcessImageNameW, _B, _H, _D, _P, _P)
_declare(kernel32.CreateToolhelp32Snapshot, _H, _D, _D)
_declare(kernel32.Process32FirstW, _B, _H, _P)
_declare(kernel32.Process32NextW, _B, _H, _P)
_declare(kernel32.TerminateProcess, _B, _H, wintypes.UINT)
_declare(kernel32.CreateJobObjectW, _H, _P, _S)
_declare(kernel32.AssignProcessToJobObject, _B, _H, _H)
_declare(kernel32.SetInformationJobObject, _B, _H, ctypes.c_int, _P, _D)
_declare(kernel32.QueryInformationJobObject, _B, _H, ctypes.c_int, _P, _D, _P)
_declare(kernel32.TerminateJobObject, _B, _H, wintypes.UINT)
_declare(kernel32.CreatePipe, _B, _P, _P, _P, _D)
_declare(kernel32.PeekNamedPipe, _B, _H, _P, _D, _P, _P, _P)
_declare(kernel32.CreateNamedPipeW, _H, _S, _D, _D, _D, _D, _D, _D, _P)
_declare(kernel32.ConnectNamedPipe, _B, _H, _P)
_declare(kernel32.DisconnectNamedPipe, _B, _H)
_declare(kernel32.WaitNamedPipeW, _B, _S, _D)
_declare(kernel32.CreateFileW, _H, _S, _D, _D, _P, _D, _D, _H)
_declare(kernel32.ReadFile, _B, _H, _P, _D, _P, _P)
_declare(kernel32.WriteFile, _B, _H, _P, _D, _P, _P)
_declare(kernel32.FlushFileBuffers, _B, _H)
_declare(kernel32.GetConsoleCP, wintypes.UINT)
_declare(kernel32.GetConsoleProcessList, _D, _P, _D)
_declare(kernel32.GenerateConsoleCtrlEvent, _B, _D, _D)
_declare(kernel32.GetConsoleOutputCP, wintypes.UINT)
_declare(kernel32.SetConsoleOutputCP, _B, wintypes.UINT)
_declare(kernel32.GetCurrentProcess, _H)
_declare(kernel32.LocalFree, _P, _P)
_declare(ntdll.NtResumeProcess, ctypes.c_long, _H)
_declare(ntdll.NtQuerySystemInformation, ctypes.c_long, ctypes.c_int, _P, _D, _P)
_declare(advapi32.OpenProcessToken, _B, _H, _D, _P)
_declare(advapi32.GetTokenInformation, _B, _H, ctypes.c_int, _P, _D, _P)
_declare(advapi32.ConvertSidToStringSidW, _B, _P, _P)
_declare(advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW, _B, _S, _D, _P, _P)
_declare(advapi32.SetFileSecurityW, _B, _S, _D, _P)


def failure(what: str = "") -> OSError:
    """The error of the last call, as Python would raise it; a sharing violation becomes a PermissionError."""
    number = ctypes.get_last_error()
    return OSError(0, ctypes.FormatError(number).strip(), what or None, number)


def close(handle: int | None) -> None:
    """Let a handle go; none is no error."""
    if handle:
        kernel32.CloseHandle(handle)


def open_process(pid: int, rights: int) -> int | None:
    """A handle of a process; None when there is none, or when it is not ours to look at."""
    return kernel32.OpenProcess(rights, False, pid) or None


def wake(process: int) -> None:
    """Let a process that was made asleep begin.

    Raises:
        OSError: it cannot be woken.
    """
    if ntdll.NtResumeProcess(process) < 0:
        raise OSError(0, "it cannot be woken")


def has_ended(handle: int) -> bool:
    """Whether the process behind a handle has ended; as long as somebody holds one, its number stays taken."""
    return bool(kernel32.WaitForSingleObject(handle, 0) == WAIT_OBJECT_0)


def speak_utf8() -> int:
    """Let a console show the bytes that we and the program write; return what it showed before, 0 without one.

    Python asks the console itself, but the child's bytes reach it as they are.
    """
    before = int(kernel32.GetConsoleOutputCP())
    if before:
        kernel32.SetConsoleOutputCP(_UTF8)
    return before


def speak_as_before(before: int) -> None:
    """Give the console of a person back as it was."""
    if before:
        kernel32.SetConsoleOutputCP(before)


def has_console() -> bool:
    """Whether we have a console that a child can share, so that Ctrl-Break reaches it."""
    return bool(kernel32.GetConsoleCP())


def is_in_our_console(pid: int) -> bool:
    """Whether a process shares our console now.

    Whoever does not must not be sent a console event: the console would take it into its list, and be deaf to Ctrl-C.
    """
    room = 64
    while True:
        found = (wintypes.DWORD * room)()
        count = int(kernel32.GetConsoleProcessList(found, room))
        if count <= room:
            return pid in found[:count]
        room = count + 64
