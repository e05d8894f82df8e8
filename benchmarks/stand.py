"""What all measurements need: a folder, processes that are ended again, figures of a process, and numbers in order."""

import contextlib
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
WATCHDOG = str(Path(sys.executable).with_name("watchdog"))
BARE_LOOP = str(Path(__file__).with_name("bare_loop.py"))
LIMIT_S = 30.0  # for anything that should come in milliseconds
UNLIMITED = ("--restart-delay", "0", "--max-restarts", "unlimited")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Stand:
    """A folder for each contender, and a list of everything that was started; all of it goes at the end."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="bench"))
        self._started: list[subprocess.Popen[bytes]] = []
        ours = ("WATCHDOG_", "PYTHON", "NOTIFY_SOCKET")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self.environment["XDG_STATE_HOME"] = str(self.base / "state")  # the user's own list is left alone

    def folder(self, name: str) -> Path:
        """Make a fresh folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.base))

    def start(
        self, command: Sequence[str], folder: Path, *, stdout: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a process that ``close`` ends at the latest."""
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def run(self, command: Sequence[str], folder: Path) -> tuple[float, int]:
        """Run a short command; return its seconds and its peak memory in bytes."""
        begun = time.perf_counter()
        process = self.start(command, folder)
        _, _, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - begun
        process.returncode = 0
        self._started.remove(process)
        return took, usage.ru_maxrss * 1024

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End one process in order; by force if it does not."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if process in self._started:
            self._started.remove(process)

    def close(self) -> None:
        """End what is left and remove the folder."""
        for process in list(self._started):
            self.end(process)
        shutil.rmtree(self.base, ignore_errors=True)


class Talker:
    """A supervised shell that says its pid whenever it starts, and the supervisor above it."""

    def __init__(self, stand: Stand, name: str, supervisor: Sequence[str], script: str) -> None:
        """Start it and wait for its first word.

        Args:
            supervisor: the command in front of the child's.
            script: for the shell; ``$say`` is a pipe to us, ``$never`` one from which nothing ever comes.
        """
        self.name = name
        self.folder = stand.folder(name.replace(" ", "-"))
        self._stand = stand
        self._pipes = []
        for pipe in ("say", "never"):
            path = self.folder / pipe
            os.mkfifo(path)
            self._pipes.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        shell = f"say={self.folder}/say never={self.folder}/never; {script}"
        self.process = stand.start([*supervisor, "/bin/sh", "-c", shell], self.folder)
        self.samples: list[float] = []
        self.child = int(self.hear())

    def hear(self) -> str:
        """The next words of the child."""
        if not self.has_words(LIMIT_S):
            raise TimeoutError(f"{self.name}: the child said nothing for {LIMIT_S:g} s")
        return os.read(self._pipes[0], 65536).decode()

    def has_words(self, within_s: float) -> bool:
        """Whether the child says something in this time."""
        return bool(select.select([self._pipes[0]], [], [], within_s)[0])

    def end(self) -> None:
        """End the supervisor, and the child that a bare loop leaves behind."""
        self._stand.end(self.process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        for pipe in self._pipes:
            os.close(pipe)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a process has cost, and holds. Times in seconds, memory in bytes."""

    cpu_s: float
    switches: int
    rss: int
    threads: int
    descriptors: int


def figures(pid: int) -> Figures:
    """Read the figures of a process, all of its threads together."""
    cpu_ns = switches = 0
    tasks = os.listdir(f"/proc/{pid}/task")
    for task in tasks:
        cpu_ns += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
        status = Path(f"/proc/{pid}/task/{task}/status").read_text()
        switches += int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    rss = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return Figures(cpu_ns / 1e9, switches, rss, len(tasks), len(os.listdir(f"/proc/{pid}/fd")))


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait for something that should come soon."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {LIMIT_S:g} s for {what}")
        time.sleep(0.01)


def median(samples: Sequence[float]) -> float:
    """The one in the middle."""
    return statistics.median(samples)


def p95(samples: Sequence[float]) -> float:
    """The one that 95 of 100 do not exceed."""
    return sorted(samples)[min(len(samples) - 1, int(0.95 * len(samples)))]


@contextlib.contextmanager
def opened() -> Iterator[Stand]:
    """A stand that is cleared whatever happens."""
    stand = Stand()
    try:
        yield stand
    finally:
        stand.close()
