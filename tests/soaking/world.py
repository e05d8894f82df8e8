"""One folder with one watchdog and one tracker, the processes in it, and what was done to them on purpose."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from clock_shim.wall_clock import WallClock
from soaking.receiver import Receiver

BIN = Path(sys.executable).parent
TIMEOUT_S = 3.0
DELAY_S = 0.3
STOP_S = 3.0
SETTINGS = [
    *("--heartbeat-timeout", f"{TIMEOUT_S}s", "--start-grace", "15s", "--restart-delay", f"{DELAY_S}s"),
    *("--max-restarts", "unlimited", "--stop-timeout", f"{STOP_S}s", "--dump-timeout", "300ms"),
    *("--log-size", "200kB", "--log-backups", "2", "--quiet"),
]
LEVELS = "1,2,3,5,8,12,20,30,50,80,120,200,300,500,1000,3000,10000,100000"
TRACKER = [
    *("--source", "demo", "--cycle", "200ms", "--heartbeat-interval", "400ms", "--save-interval", "1s"),
    *("--levels", LEVELS),
]


class World:
    """The folder and its processes.

    Args:
        folder: where watchdog and tracker work; may be a small file system.
        aside: a folder of ours that never is full.
        seed: what all chance comes from.
        receiver: who gets the tracker's alerts.
    """

    def __init__(self, folder: Path, aside: Path, seed: int, receiver: Receiver) -> None:
        self.folder = folder
        self.tag = f"soak-{os.getpid()}-{seed}"
        self.random = random.Random(seed)
        self.receiver = receiver
        self.broken: list[str] = []
        self.over = threading.Event()
        self.wanted = True  # a tracker should run, or come back by itself
        self.excuses: list[
            tuple[float, float]
        ] = []  # seconds since boot in which a tracker was frozen on purpose
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.clock = WallClock(aside) if shutil.which("cc") or shutil.which("gcc") else None
        self.output = aside / "watchdog.out"
        self._output = self.output.open("ab")
        self._guard = threading.Lock()

    def close(self) -> None:
        """Let go of the output."""
        self._output.close()

    def environment(self) -> dict[str, str]:
        """Ours, with a mark by which all processes of this soak are known, the clock and the receiver."""
        foreign = ("WATCHDOG_", "TRACKER_")
        plain = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        clock = self.clock.environment if self.clock else {}
        mark = {"SOAK_TAG": self.tag, "XDG_STATE_HOME": str(self.folder / "home")}
        return plain | mark | clock | self.receiver.environment()

    def start(self) -> None:
        """Start the watchdog, as a boot entry would."""
        command = [str(BIN / "watchdog"), "run", *SETTINGS, "--", sys.executable, "-m", "tracker", *TRACKER]
        self.supervisor = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def bring_back(self) -> None:
        """Wait for the end of the watchdog that was ended, and start the next one."""
        if self.supervisor is not None:
            self.supervisor.wait(60)
        self.rest(0.0, 1.0)
        self.start()

    def cli(self, *arguments: str, limit_s: float = 60.0) -> tuple[int, str]:
        """One command of the watchdog, as a person would type it."""
        return self._command([str(BIN / "watchdog"), *arguments], limit_s)

    def tracker_cli(self, *arguments: str, limit_s: float = 60.0) -> tuple[int, str]:
        """One command of the tracker."""
        return self._command([sys.executable, "-m", "tracker", *arguments], limit_s)

    def _command(self, words: list[str], limit_s: float) -> tuple[int, str]:
        shown = " ".join(words[1:])
        try:
            found = subprocess.run(
                words,
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.fail(f"`{shown}` did not end within {limit_s} s")
            return -1, ""
        errors = found.stderr.decode("utf-8", "replace")
        if "Traceback" in errors or found.returncode == 1:
            self.fail(f"`{shown}` ended with {found.returncode}: {errors[-600:]}")
        return found.returncode, found.stdout.decode("utf-8", "replace")

    def marked(self) -> Iterator[tuple[int, list[str]]]:
        """Every living process of this soak, with its words."""
        mark = f"SOAK_TAG={self.tag}".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError):
                if mark not in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    continue
                if Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    continue
                words = Path(f"/proc/{entry}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                yield int(entry), words

    def trackers(self) -> list[int]:
        """The living trackers; neither a watchdog nor a short command of the tracker is one."""
        return [
            pid
            for pid, words in self.marked()
            if "-m" in words and "tracker" in words and "--source" in words and "run" not in words
        ]

    def a_tracker(self) -> int | None:
        """Some tracker, if one lives."""
        return next(iter(self.trackers()), None)

    def watchdog_pid(self) -> int | None:
        """The living watchdog that we started."""
        if self.supervisor is None or self.supervisor.poll() is not None:
            return None
        return self.supervisor.pid

    def send(self, pid: int | None, number: int) -> None:
        """Signal one of ours."""
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def rest(self, least: float, most: float) -> None:
        """Let them work for a while."""
        self.over.wait(self.random.uniform(least, most))

    @contextlib.contextmanager
    def frozen(self, *pids: int | None) -> Iterator[None]:
        """Hold these processes still meanwhile."""
        for pid in pids:
            self.send(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                self.send(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def unwanted(self) -> Iterator[None]:
        """Nobody is to miss a tracker meanwhile."""
        self.wanted = False
        try:
            yield
        finally:
            self.wanted = True

    def fail(self, text: str) -> None:
        """Note a broken promise."""
        line = f"{time.strftime('%H:%M:%S')} {text}"
        with self._guard:
            self.broken.append(line)
        print(f"BROKEN {line}", flush=True)


def since_boot() -> float:
    """The clock of the journal's ``up``."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
