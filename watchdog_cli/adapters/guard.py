"""A small process that ends the program when its lease is over, also if the watchdog is frozen or was killed.

It and the watchdog share one open file, so nothing has to be sent: the watchdog writes down until when the program may
live, the guard sleeps until then, looks again, and kills what is still there. It leads a session of its own and carries
no mark of the run, so nothing that is done to the program or to the watchdog's terminal reaches it.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

import watchdog_cli
from watchdog_cli.adapters import boot_clock, libc, procfs
from watchdog_cli.adapters.marked import find_marked

WIDTH = 24  # of one written instant; it stands there twice, so that one half written is noticed
READY_S = 20.0
AGAIN_S = 0.05
NICE = -10
# It runs these very packages, wherever they were found: a single file unpacks them where no Python looks by itself, and
# a Python may have another version of them. Whatever else lies beside them must not hide the standard library.
BEGIN = (
    "import sys; sys.path.insert(0, sys.argv[1]); import watchdog_cli, watchdog_kit; sys.path.append(sys.path.pop(0)); "
    "from watchdog_cli.adapters.guard import main; main(*sys.argv[2:])"
)


class Guard:
    """The watchdog's side."""

    def __init__(self, path: str, state_folder: str, *, takes_all_children: bool) -> None:
        """No process yet; ``begin`` starts it.

        Args:
            path: of the file that is shared; made anew.
            takes_all_children: each child of this process belongs to the program.
        """
        self._path = path
        self._state_folder = state_folder
        self._all = takes_all_children
        self._process: subprocess.Popen[bytes] | None = None
        self._file = -1

    @property
    def pid(self) -> int:
        """Of the guard; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def lives(self) -> bool:
        """Whether it is there; a stopped one is not counted as dead."""
        return self._process is not None and self._process.poll() is None

    def begin(self, end_s: float, *, with_process: bool = True) -> None:
        """Start it, with the instant (of ``boot_clock``) at which it kills; returns when it is awake.

        Args:
            with_process: False only writes the instant down, for a successor.

        Raises:
            OSError: it could not be started.
        """
        self.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self.extend(end_s)
        if not with_process:
            return
        watchdog = procfs.stat(os.getpid())
        mine = f"{os.getpid()}:{watchdog.start_ticks if watchdog else 0}" if self._all else ""
        plain = {key: value for key, value in os.environ.items() if not key.startswith("WATCHDOG_")}
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", BEGIN, _home(), self._state_folder, mine],
            stdin=self._file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=plain,
            start_new_session=True,
        )
        assert process.stdout is not None
        with process.stdout:
            ready, _, _ = select.select([process.stdout], [], [], READY_S)
            if not ready or process.stdout.read(1) != b"!":
                process.kill()
                process.wait()
                raise OSError("the guard of the lease did not start")
        self._process = process

    def extend(self, end_s: float) -> None:
        """Let it kill at that instant and not before."""
        text = f"{end_s:0{WIDTH - 1}.6f}\n".encode()
        os.pwrite(self._file, text + text, 0)

    def close(self) -> None:
        """End it: nothing is left to guard, or another one does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _home() -> str:
    """The folder in which our packages lie."""
    return os.path.dirname(os.path.dirname(os.path.abspath(watchdog_cli.__file__)))


def kill_same(pid: int, start_ticks: int) -> None:
    """Kill that very process, if it lives: one of the program, or the guard of an earlier watchdog."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if procfs.is_same(pid, start_ticks):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


def read_end(file: int) -> float | None:
    """The written instant; None when it is just being written."""
    raw = os.pread(file, 2 * WIDTH, 0)
    if len(raw) != 2 * WIDTH or raw[:WIDTH] != raw[WIDTH:]:
        return None
    try:
        return float(raw[:WIDTH])
    except ValueError:
        return None


def prey(state_folder: str, owner: tuple[int, int] | None) -> list[procfs.Stat]:
    """All that belongs to the program: marked ones, their sessions and groups, their descendants.

    Args:
        owner: pid and start ticks of a watchdog whose children all belong to it.
    """
    marked = {one.pid for one, _ in find_marked(state_folder)}
    everyone = procfs.everybody()
    spared = {os.getpid()}
    sessions = {os.getsid(0), 0}  # 0: one that began outside of our pid namespace, and so all such ones
    if owner is not None:
        watchdog = everyone.get(owner[0])
        if watchdog is not None and watchdog.start_ticks == owner[1]:
            sessions.add(watchdog.session)
            spared.add(watchdog.pid)
            marked |= {one.pid for one in everyone.values() if one.parent == watchdog.pid}
    theirs = {everyone[pid].session for pid in marked if pid in everyone} - sessions
    found = {one.pid for one in everyone.values() if one.session in theirs} | marked
    found |= procfs.descendants(found, everyone)
    return [everyone[pid] for pid in found - spared if pid in everyone and not everyone[pid].is_zombie]


def main(state_folder: str, owner: str) -> None:
    """Guard until nothing is left to guard and nobody is there who would write another instant."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)  # it must be in time on a busy machine
    pid, _, ticks = owner.partition(":")
    of = (int(pid), int(ticks)) if owner else None
    parent = os.getppid()
    os.write(1, b"!")
    os.close(1)
    while True:
        end = read_end(0)
        if end is None:
            time.sleep(0.001)
        elif boot_clock.now_s() < end:
            libc.sleep_until(end)
        else:
            found = prey(state_folder, of)
            end = read_end(0)  # anew: what was started since may be allowed again
            if end is None or boot_clock.now_s() < end:
                continue
            for one in found:
                kill_same(one.pid, one.start_ticks)
            if not found and os.getppid() != parent:
                return
            time.sleep(AGAIN_S)
