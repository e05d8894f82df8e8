"""What a contender is, ours, and the barest ones: a shell loop and a Python loop."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kits import Kits
from stand import BARE_LOOP, PYTHON, UNLIMITED, WATCHDOG

LOG_SIZE, LOG_BACKUPS = 10_000_000, 5
NO_HEARTBEAT = "looks at the process only, knows no heartbeat"
NO_STATUS = "has no command for it"
NO_LOG = "keeps no log"
NO_TAIL = "has no command for it; coreutils tail reads its files"


@dataclass(frozen=True, slots=True)
class Job:
    """What a peer is to supervise.

    Args:
        program: an executable file.
        log: whether its output goes to ``logs/`` in the folder, rotated where the peer can.
        hang_s: seconds of silence after which it is to be restarted; None where no heartbeat is watched.
        port: for heartbeats that come by UDP.
    """

    folder: Path
    program: Path
    log: bool = False
    hang_s: int | None = None
    port: int = 0

    @property
    def logs(self) -> Path:
        """Where output is kept."""
        return self.folder / "logs"


class Peer:
    """One contender. ``cannot`` names disciplines that it cannot take part in, with the reason.

    Where it was installed is asked for in ``command`` and the like, so that a peer that cannot be had fails there.
    """

    name = ""
    source, package = "", ""
    cannot: ClassVar[Mapping[str, str]] = {}
    remarks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, kits: Kits) -> None:
        self.kits = kits

    def install(self) -> None:
        """Fetch it; raises MissingError."""

    def version(self) -> str:
        """For the report."""
        return self.kits.version(self.source, self.package) if self.source else ""

    def command(self, job: Job) -> list[str]:
        """Write the configuration; return the command that starts the supervisor."""
        raise NotImplementedError

    def status(self, job: Job) -> list[str]:
        """The command by which a person asks how the program is."""
        raise NotImplementedError

    def tail(self, job: Job) -> list[str]:
        """The command that shows the last ten lines of the log."""
        raise NotImplementedError

    def log_file(self, job: Job) -> Path:
        """The newest file of the log."""
        return job.logs / "tracker.log"

    def root(self, job: Job, process: "subprocess.Popen[bytes]") -> int:
        """The process that supervises; it or its descendants, without the program, are what is measured."""
        return process.pid


class Watchdog(Peer):
    """Ours, as installed beside the interpreter that runs this."""

    name = "watchdog"

    def __init__(self, kits: Kits, name: str = "watchdog", *options: str) -> None:
        super().__init__(kits)
        self.name = name
        self.options = options or ("--no-heartbeat",)

    def version(self) -> str:
        return subprocess.run(
            [WATCHDOG, "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]

    def command(self, job: Job) -> list[str]:
        options = list(self.options)
        if job.hang_s is not None:
            options = ["--heartbeat-timeout", f"{job.hang_s}s", "--dump-timeout", "0"]
        return [WATCHDOG, "run", "--quiet", *UNLIMITED, *options, "--", str(job.program)]

    def status(self, job: Job) -> list[str]:
        return [WATCHDOG, "status"]

    def tail(self, job: Job) -> list[str]:
        return [WATCHDOG, "tail-log", "-n", "10"]


class ShellLoop(Peer):
    """The three words that people begin with."""

    name = "shell loop"
    cannot: ClassVar[Mapping[str, str]] = {
        "hang": NO_HEARTBEAT,
        "status": NO_STATUS,
        "tail": NO_LOG,
        "log": NO_LOG,
    }

    def command(self, job: Job) -> list[str]:
        return ["/bin/sh", "-c", 'while :; do "$@"; done', "sh", str(job.program)]


class BareLoop(Peer):
    """The barest supervisor in Python: a yardstick, not a supervisor to use."""

    name = "bare Python pidfd loop"
    cannot: ClassVar[Mapping[str, str]] = ShellLoop.cannot

    def command(self, job: Job) -> list[str]:
        return [PYTHON, BARE_LOOP, str(job.program)]
