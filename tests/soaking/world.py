"""One folder with one watchdog and one tracker, and what we know of what was done to them."""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from clock_shim.wall_clock import WallClock
from telegram_server import TelegramServer

BIN = Path(sys.executable).parent
TIMEOUT_S = 3.0
DELAY_S = 0.3
STOP_S = 3.0
SETTINGS = [
    *("--heartbeat-timeout", f"{TIMEOUT_S}s", "--start-grace", "15s", "--restart-delay", f"{DELAY_S}s"),
    *("--max-restarts", "unlimited", "--stop-timeout", f"{STOP_S}s", "--dump-timeout", "300ms"),
    *("--log-size", "200kB", "--log-backups", "2", "--quiet"),
]
TRACKER = [
    *("--source", "demo", "--cycle", "200ms", "--heartbeat-interval", "400ms", "--save-interval", "1s"),
    *("--levels", "1,2,3,5,8,12,18,25,35,50,75,100,150,200,300,400,600,900,1500,3000"),
]
CHAT = "42"


def steady() -> float:
    """Seconds since boot, the clock of the journal's ``up``."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class World:
    """One folder with one watchdog and one tracker, and what was done to them."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Take an empty folder; nothing is started yet.

        Raises:
            AssertionError: there is no C compiler for the clock that can be stepped.
        """
        self.folder = folder
        self.tag = f"soak-{os.getpid()}-{seed}"
        self.random = random.Random(seed)
        self.broken: list[str] = []
        self.wanted = True  # a tracker should run, or come back by itself
        self.excuses: list[
            tuple[float, float]
        ] = []  # when a tracker was frozen on purpose, seconds since boot
        self.added: set[str] = set()  # tokens that the command said it took
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.over = threading.Event()
        self.output = (folder / "watchdog.out").open("ab")
        self._beside = tempfile.TemporaryDirectory(prefix="soak-clock-")  # the folder's disk may be full
        self.clock = WallClock(Path(self._beside.name))
        self.chat = TelegramServer()

    def close(self) -> None:
        """Let go of the clock and the chat."""
        self.over.set()
        self.chat.close()
        self.output.close()
        self._beside.cleanup()

    def environment(self) -> dict[str, str]:
        """Ours, with a mark by which all processes of this soak are known, their clock and their chat."""
        plain = {
            key: value for key, value in os.environ.items() if not key.startswith(("WATCHDOG_", "TRACKER_"))
        }
        return plain | {
            "SOAK_TAG": self.tag,
            "XDG_STATE_HOME": str(self.folder / "home"),
            "TRACKER_TELEGRAM_TOKEN": self.chat.token,
            "TRACKER_TELEGRAM_CHAT": CHAT,
            "TRACKER_TELEGRAM_URL": self.chat.url,
            **self.clock.environment,
        }

    def start(self) -> None:
        """Start the watchdog, as a boot entry would."""
        command = [str(BIN / "watchdog"), "run", *SETTINGS, "--", sys.executable, "-m", "tracker", *TRACKER]
        self.supervisor = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def cli(self, *arguments: str, limit_s: float = 60.0) -> tuple[int, str]:
        """One command of the watchdog, as a person would type it."""
        return self.command(str(BIN / "watchdog"), *arguments, limit_s=limit_s)

    def command(self, *words: str, limit_s: float = 60.0) -> tuple[int, str]:
        """Any command, to its end: its code and what it printed."""
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
            self.fail(f"`{' '.join(words)}` did not end within {limit_s} s")
            return -1, ""
        text = found.stdout.decode("utf-8", "replace")
        errors = found.stderr.decode("utf-8", "replace")
        if "Traceback" in errors or found.returncode == 1:
            self.fail(f"`{' '.join(words)}` ended with {found.returncode}: {errors[-600:]}")
        return found.returncode, text

    def marked(self) -> Iterator[tuple[int, list[str]]]:
        """Every living process of this soak but our own short commands."""
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
        """The living trackers."""
        return [
            pid
            for pid, words in self.marked()
            if "-m" in words and "tracker" in words and not {"run", "add"} & set(words)
        ]

    def watchdog_pid(self) -> int | None:
        """The living watchdog that we started."""
        if self.supervisor is None or self.supervisor.poll() is not None:
            return None
        return self.supervisor.pid

    def fail(self, text: str) -> None:
        """Note a broken promise."""
        self.broken.append(f"{time.strftime('%H:%M:%S')} {text}")
        print(f"BROKEN {self.broken[-1]}", flush=True)
