"""A folder with logs, and the screen on which ``watchdog tail-log`` shows them."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

from watchdog_cli.adapters.log_reader import inode_of

COMMAND = [sys.executable, "-m", "watchdog_cli", "tail-log"]
QUIET = {name: value for name, value in os.environ.items() if not name.startswith("WATCHDOG_")} | {
    "TZ": "UTC"
}


class Folder:
    """A folder with logs, and the commands that look at them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "logs" / "tracker.log"
        self.state = path / ".watchdog" / "tracker"
        self.log.parent.mkdir()
        self.state.mkdir(parents=True)
        self.started: list[subprocess.Popen[bytes]] = []

    def tail(self, *arguments: str, **more) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.path,
            env=QUIET,
            capture_output=True,
            timeout=50,
            check=False,
            **more,
        )

    def start(self, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.path, env=QUIET, stdout=stdout, stderr=subprocess.PIPE
        )
        self.started.append(child)
        return child

    def journal(self, *records: dict[str, object]) -> None:
        (self.state / "journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))

    def spawned(self, number: int, offset: int, at: str = "2026-11-25T03:28:00.000Z") -> dict[str, object]:
        log = {"file_id": f"{inode_of(self.log.stat())}:1", "offset": offset}
        return {"v": 1, "fact": "spawned", "number": number, "at": at, "log": log}


class Tty:
    """The far side of a pseudo terminal."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        self.text = b""

    def take(self) -> bytes:
        while select.select([self.master], [], [], 0)[0]:
            try:
                piece = os.read(self.master, 1 << 16)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            self.text += piece
        return self.text.replace(b"\r\n", b"\n")

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)
