"""The installed command in a folder of its own, for black-box tests; leaves no process behind and says so if it had to.

Everything that a test starts carries a mark in its environment, so "nothing is left" is one search of /proc.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from waiting import wait_until

BIN = Path(sys.executable).parent
MARK = "RIG_MARK"
QUICK = ("--restart-delay", "200ms", "--stop-timeout", "3s", "--dump-timeout", "500ms")


class Rig:
    """One folder, its watchdogs and what they printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.outputs: list[Path] = []
        self.started: list[subprocess.Popen[bytes]] = []

    def environment(self, **more: str) -> dict[str, str]:
        """Ours without settings, with the mark."""
        # COLUMNS and LINES: the size is asked of the terminal.
        foreign = ("WATCHDOG_", "TRACKER_", "NOTIFY_SOCKET", "COLUMNS", "LINES")
        plain = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        path = f"{BIN}{os.pathsep}{plain.get('PATH', '')}"
        return plain | {MARK: self.mark, "PATH": path, "XDG_STATE_HOME": str(self.folder / "home")} | more

    def run(self, *words: str, prefix: Sequence[str] = (), **more: str) -> subprocess.Popen[bytes]:
        """Start ``watchdog run WORDS`` and return at once."""
        output = self.folder / f"run-{len(self.outputs)}.out"
        self.outputs.append(output)
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*prefix, str(BIN / "watchdog"), "run", *words],
                cwd=self.folder,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def cli(self, *words: str, limit_s: float = 40, **more: str) -> subprocess.CompletedProcess[str]:
        """One short command, to its end."""
        found = subprocess.run(
            [str(BIN / "watchdog"), *words],
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
        return subprocess.CompletedProcess(
            found.args,
            found.returncode,
            found.stdout.decode("utf-8", "replace"),
            found.stderr.decode("utf-8", "replace"),
        )

    def status(self) -> dict[str, Any]:
        """``status --json``; its exit code must be the one that it says."""
        found = self.cli("status", "--json")
        report: dict[str, Any] = json.loads(found.stdout)
        assert found.returncode == report["exit_code"], found.stdout
        return report

    def child(self) -> int:
        """The pid of the program, as soon as it lives."""
        return int(wait_until(lambda: (self.status()["child"] or {}).get("pid"), "a living program"))

    def other_child(self, than: int) -> int:
        """The pid of the next run of the program."""

        def other() -> int:
            pid = (self.status()["child"] or {}).get("pid", 0)
            return pid if pid != than else 0

        return int(wait_until(other, f"another program than {than}"))

    def healthy(self) -> dict[str, Any]:
        """The report of the first healthy moment."""

        def look() -> dict[str, Any] | None:
            report = self.status()
            return report if report["health"] == "healthy" else None

        return wait_until(look, "a healthy program")  # type: ignore[return-value]

    def facts(self, *kinds: str) -> list[dict[str, Any]]:
        """The journal so far, or its facts of these kinds."""
        found = []
        for path in sorted((self.folder / ".watchdog").glob("*/journal.jsonl*"), reverse=True):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return [fact for fact in found if not kinds or fact["fact"] in kinds]

    def fact(self, kind: str, count: int = 1, limit_s: float = 30) -> dict[str, Any]:
        """The ``count``-th fact of a kind, when it comes."""
        wait_until(lambda: len(self.facts(kind)) >= count, f"{count} x {kind}", limit_s)
        return self.facts(kind)[count - 1]

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text(text)
        return path

    def marked(self) -> dict[int, str]:
        """Everybody alive whom this test started, with the command line."""
        wanted = f"{MARK}={self.mark}".encode()
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                if wanted not in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    continue
                if Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    continue
                line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry)] = line.decode("utf-8", "replace")
        return found

    def printed(self) -> str:
        """All that the watchdogs showed."""
        return "".join(path.read_text(errors="replace") for path in self.outputs)

    def close(self) -> None:
        """End what runs, and hold the test to its promises."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        left = self.marked()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"processes were left behind: {left}"
        assert "Traceback" not in self.printed(), self.printed()
        self.facts()
        for path in (self.folder / ".watchdog").glob("*/state.json"):
            json.loads(path.read_text())


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig in a fresh folder; it checks at the end that nothing was left."""
    made = Rig(tmp_path)
    yield made
    made.close()
