"""What macOS offers and Linux does not, made from what Linux offers: kqueue from epoll and pidfds, sysctls from /proc.

The numbers are those of the headers of macOS, and calls that macOS would refuse are refused, so that code written for
it can be seen at work with real processes. Run as a program it is the watchdog on such a world:
``python mac_world.py run -- COMMAND``.
"""

import ctypes
import errno
import os
import select
import sys
import time
from types import SimpleNamespace
from typing import Any

from watchdog_cli.adapters import procfs
from watchdog_cli.adapters.macos import inbox, kernel

READ, WRITE, PROC, TIMER = -1, -2, -5, -7
ADD, DELETE, ONESHOT = 0x1, 0x2, 0x10
NOTE_EXIT, NOTE_EXITSTATUS = 0x80000000, 0x04000000
BOOT = "0F1E2D3C-0000-4000-8000-00000000B007"
HZ = os.sysconf("SC_CLK_TCK")
with open("/proc/stat", encoding="ascii") as _file:  # the wall time of the boot, as the kernel keeps it
    BOOTED = next(int(line.split()[1]) for line in _file if line.startswith("btime"))
STATES = {"Z": 5, "X": 5, "T": 4, "t": 4, "R": 2}  # p_stat; anything else sleeps
IDENTS = 2**63


class Kevent:
    """``select.kevent``; the arguments have the places that they have there."""

    def __init__(
        self,
        ident: int,
        filter: int = READ,  # noqa: A002 - its name there
        flags: int = ADD,
        fflags: int = 0,
        data: int = 0,
    ) -> None:
        assert 0 <= ident < IDENTS
        self.ident, self.filter, self.flags, self.fflags, self.data = ident, filter, flags, fflags, data


class Kqueue:
    """``select.kqueue`` with the filters that are used."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._fds: dict[int, int] = {}  # descriptor -> filter
        self._pidfds: dict[int, tuple[int, int]] = {}  # pidfd -> pid, notes
        self._timers: dict[int, float] = {}
        self.calls: list[tuple[int, int, int, int, int]] = []

    def control(self, changes: list[Kevent] | None, most: int, timeout: float | None = None) -> list[Kevent]:
        """Make the changes, then wait."""
        for one in changes or ():
            self.calls.append((one.ident, one.filter, one.flags, one.fflags, one.data))
            self._change(one)
        if most == 0:
            return []
        due = min(self._timers.values(), default=None)
        wait = -1.0 if timeout is None else timeout
        if due is not None:
            left = max(0.0, due - time.monotonic())
            wait = left if wait < 0 else min(wait, left)
        found = [self._told(descriptor) for descriptor, _ in self._poll.poll(wait, most)]
        now = time.monotonic()
        for ident in [ident for ident, at in self._timers.items() if at <= now]:
            del self._timers[ident]
            found.append(Kevent(ident, TIMER))
        return found

    def _change(self, one: Kevent) -> None:
        match one.filter, one.flags:
            case ((-1 | -2), 1):
                bits = select.EPOLLOUT if one.filter == WRITE else select.EPOLLIN
                self._poll.register(one.ident, bits)
                self._fds[one.ident] = one.filter
            case ((-1 | -2), 2):
                if self._fds.pop(one.ident, None) != one.filter:
                    raise FileNotFoundError(errno.ENOENT, "no such knote")
                self._poll.unregister(one.ident)
            case -5, 0x11:
                self._add_process(one)
            case -5, 2:
                held = next((fd for fd, (pid, _) in self._pidfds.items() if pid == one.ident), None)
                if held is None:
                    raise FileNotFoundError(errno.ENOENT, "no such knote")
                self._drop(held)
            case -7, 0x11:
                self._timers[one.ident] = time.monotonic() + one.data / 1000
            case _:
                raise OSError(errno.EINVAL, f"macOS has no filter {one.filter} with flags {one.flags:#x}")

    def _add_process(self, one: Kevent) -> None:
        if one.fflags not in (NOTE_EXIT, NOTE_EXIT | NOTE_EXITSTATUS):
            raise OSError(errno.EINVAL, f"notes {one.fflags:#x}")
        there = procfs.stat(one.ident)
        if there is None or there.is_zombie:
            raise ProcessLookupError(errno.ESRCH, "it is ending or gone")
        descriptor = os.pidfd_open(one.ident)
        self._pidfds[descriptor] = (one.ident, one.fflags)
        self._poll.register(descriptor, select.EPOLLIN)

    def _told(self, descriptor: int) -> Kevent:
        if descriptor not in self._pidfds:
            return Kevent(descriptor, self._fds[descriptor])
        pid, notes = self._pidfds[descriptor]
        status = 0
        if notes & NOTE_EXITSTATUS:
            try:
                end = os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            except ChildProcessError:
                end = None
            if end is None:  # Linux does not tell of others
                notes = NOTE_EXIT
            else:
                status = end.si_status << 8 if end.si_code == os.CLD_EXITED else end.si_status
        self._drop(descriptor)
        return Kevent(pid, PROC, ONESHOT | 0x8000, notes, status)

    def _drop(self, descriptor: int) -> None:
        del self._pidfds[descriptor]
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def close(self) -> None:
        """Close it and what it holds."""
        for descriptor in list(self._pidfds):
            self._drop(descriptor)
        self._poll.close()


SELECT = SimpleNamespace(
    kqueue=Kqueue,
    kevent=Kevent,
    KQ_FILTER_READ=READ,
    KQ_FILTER_WRITE=WRITE,
    KQ_FILTER_PROC=PROC,
    KQ_FILTER_TIMER=TIMER,
    KQ_EV_ADD=ADD,
    KQ_EV_DELETE=DELETE,
    KQ_EV_ONESHOT=ONESHOT,
    KQ_NOTE_EXIT=NOTE_EXIT,
)


class Library:
    """The C library of macOS, as far as it is called."""

    def __init__(self) -> None:
        self.hidden: set[int] = set()  # pids whose arguments and tasks are not ours to see
        self.orphans: set[int] = set()  # pids whose parent is launchd
        self.growth = 0  # how often an answer has outgrown its room before it fits

    def sysctl(self, mib: Any, count: int, room: Any, size: Any, *new: Any) -> int:
        """``sysctl``: without room it says how much is needed."""
        assert new[0] is None
        assert new[1].value == 0
        answer = self._answer(list(mib)[:count])
        if answer is None:
            return -1
        if room is None:
            size._obj.value = len(answer)
            return 0
        # ENOMEM; between two questions others may have begun.
        if self.growth or size._obj.value < len(answer):
            self.growth = max(0, self.growth - 1)
            return -1
        ctypes.memmove(room, answer, len(answer))
        size._obj.value = len(answer)
        return 0

    def _answer(self, name: list[int]) -> bytes | None:
        match name:
            case [1, 14, 0, 0]:
                return b"".join(self._process(one) for one in procfs.everybody().values())
            case [1, 14, 1, pid]:
                one = procfs.stat(pid)
                return b"" if one is None else self._process(one)
            case [1, 49, pid]:
                return None if pid in self.hidden else _arguments(pid)
        raise AssertionError(name)

    def _process(self, one: procfs.Stat) -> bytes:
        seconds, ticks = divmod(one.start_ticks, HZ)
        found = kernel.KernelProcess(
            status=5 if one.is_zombie else STATES.get(one.state, 3),
            pid=one.pid,
            name=one.name.encode()[:16],
            parent=1 if one.pid in self.orphans else one.parent,
            group=one.group,
            caught=_caught(one.pid),
        )
        found.started.seconds, found.started.microseconds = BOOTED + seconds, ticks * 1_000_000 // HZ
        return bytes(found)

    def proc_pidinfo(self, pid: int, flavor: int, argument: Any, room: Any, size: int) -> int:
        """``proc_pidinfo`` for tasks: the bytes that it has written, 0 for an error."""
        assert (flavor, argument.value, size) == (4, 0, 96)
        one = procfs.stat(pid)
        if one is None or one.is_zombie or pid in self.hidden:
            return 0
        task = room._obj
        task.resident = procfs.resident_bytes(pid)
        task.user = int(one.cpu_ticks * 1e9 / HZ * 3 / 125)
        task.threads = one.threads
        return size

    def sysctlbyname(self, name: bytes, room: Any, size: Any, new: None, new_size: Any) -> int:
        """``sysctlbyname`` for the session since the boot."""
        assert name == b"kern.bootsessionuuid"
        room.value = BOOT.encode()
        size._obj.value = len(BOOT) + 1
        return 0

    def mach_timebase_info(self, found: Any) -> int:
        """As on Apple's own processors."""
        found._obj.numerator, found._obj.denominator = 125, 3
        return 0


def _arguments(pid: int) -> bytes | None:
    words = procfs._read(f"/proc/{pid}/cmdline")
    environment = procfs._read(f"/proc/{pid}/environ")
    if not words or environment is None:
        return None
    return (
        words.count(b"\0").to_bytes(4, "little")
        + words.split(b"\0")[0]
        + b"\0" * 7
        + words
        + environment
        + b"\0executable_path=x\0"
    )


def _caught(pid: int) -> int:
    for line in (procfs._read(f"/proc/{pid}/status", 16384) or b"").splitlines():
        if line.startswith(b"SigCgt:"):
            return int(line.split()[1], 16) & 0xFFFFFFFF
    return 0


def enter(monkeypatch: Any) -> Library:
    """Let the modules for macOS find all this, for the time of a test."""
    library = Library()
    kernel.boot_session.cache_clear()
    kernel.nanoseconds_per_tick.cache_clear()
    monkeypatch.setattr(kernel, "_lib", library)
    monkeypatch.setattr(inbox, "_kqueue", SELECT)
    return library


def become_mac() -> None:
    """Turn this whole process into the watchdog on a Mac, as far as that goes."""
    import fcntl
    import importlib
    import signal
    import socket
    import struct

    for name in ("click", "psutil", "watchdog.observers", "asyncio", "subprocess", "tempfile"):
        importlib.import_module(name)  # they look at the platform, and are not ours to test
    kernel._lib = Library()
    inbox._kqueue = SELECT
    # What plays the kernel keeps the names that are taken away from everybody else.
    globals()["select"] = SimpleNamespace(**vars(select))
    globals()["os"] = procfs.os = SimpleNamespace(**vars(os))  # type: ignore[attr-defined]
    real_os = importlib.import_module("os")
    real_select = importlib.import_module("select")
    for module, words in (
        (real_os, "pidfd_open waitid P_PIDFD splice eventfd pipe2"),
        (real_select, "epoll"),
        (socket, "SOCK_CLOEXEC SOCK_NONBLOCK SO_PASSCRED"),
        (signal, "SIGRTMIN SIGRTMAX pidfd_send_signal"),
    ):
        for word in words.split():
            delattr(module, word)
    # A number that nobody else uses, and that is not 29: Linux has SIGIO there.
    signal.SIGINFO = signal.SIGPWR
    _hide_proc()
    real = fcntl.fcntl

    def fcntl_of_mac(descriptor: int, what: int, argument: Any = 0) -> Any:
        if what == fcntl.F_GETLK:
            start, length, pid, kind, whence = struct.unpack_from("@qqihh", argument)
            answer = real(
                descriptor, what, struct.pack("@hhqqi", kind, whence, start, length, pid).ljust(64, b"\0")
            )
            kind, whence, start, length, pid = struct.unpack_from("@hhqqi", answer)
            return struct.pack("@qqihh", start, length, pid, kind, whence).ljust(64, b"\0")
        assert what != getattr(fcntl, "F_SETPIPE_SZ", -1)
        return real(descriptor, what, argument)

    fcntl.fcntl = fcntl_of_mac
    fcntl.F_FULLFSYNC = fcntl.F_GETFD
    sys.platform = "darwin"


def _hide_proc() -> None:
    import builtins

    def without_proc(function: Any) -> Any:
        def asked(path: Any, *more: Any, **named: Any) -> Any:
            if isinstance(path, (str, bytes)) and os.fsdecode(path).startswith("/proc"):
                raise FileNotFoundError(errno.ENOENT, "macOS has none", path)
            return function(path, *more, **named)

        return asked

    real_os = sys.modules["os"]
    for name in ("open", "listdir", "readlink", "stat"):
        setattr(real_os, name, without_proc(getattr(real_os, name)))
    builtins.open = without_proc(builtins.open)


if __name__ == "__main__":
    become_mac()
    from watchdog_cli.__main__ import main

    sys.argv[0] = "watchdog"
    main()
