"""A log pump in a folder of its own, with real children."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from watchdog_cli.adapters.log_pump import LogPump
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.terminal import Terminal


class Bench:
    """A pump in a folder of its own, and the children that print into it."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "state" / "stdout"
        self.log = folder / "logs" / "t.log"
        self.said: list[str] = []
        self.fifo.parent.mkdir(exist_ok=True)
        self.children: list[subprocess.Popen[bytes]] = []
        self.pump: LogPump | None = None

    def start(
        self,
        *,
        size: int = 1 << 20,
        backups: int = 5,
        terminal: Terminal | None = None,
        on_output: Callable[[], None] | None = None,
        child_pid: int | None = None,
    ) -> LogPump:
        log = RotatingFile(str(self.log), size, backups, on_problem=self.said.append)
        self.pump = LogPump(
            str(self.fifo),
            log,
            terminal=terminal,
            on_output=on_output,
            on_problem=self.said.append,
            child_pid=child_pid,
        )
        self.pump.start()
        return self.pump

    def child(self, code: str) -> subprocess.Popen[bytes]:
        assert self.pump is not None
        fd = self.pump.child_fd()
        child = subprocess.Popen(
            [sys.executable, "-uc", code], stdin=subprocess.DEVNULL, stdout=fd, stderr=fd
        )
        os.close(fd)
        self.children.append(child)
        return child

    def run(self, code: str) -> None:
        assert self.child(code).wait() == 0
        assert self.pump is not None
        assert self.pump.drain(10)

    def text(self) -> bytes:
        files = sorted(self.log.parent.glob("t.log.*"), key=lambda entry: -int(entry.name.rpartition(".")[2]))
        found = b""
        for entry in [*files, self.log]:
            with contextlib.suppress(FileNotFoundError):  # just being rotated
                found += entry.read_bytes()
        return found
