"""A watchdog over a program that obeys orders; on top of ``rig``, whose checks at the end are made stricter here."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rig import Rig
from waiting import wait_until

PROGRAM = Path(__file__).with_name("child_program.py")


class Watchdog(Rig):
    """One folder with the installed command and ``child_program.py`` in it."""

    def command(self, *orders: str) -> list[str]:
        """How the program is called; its arguments carry the mark, so that a look at them finds it."""
        return [sys.executable, "-SE", str(PROGRAM), f"tag-{self.mark}", *orders]

    def start(
        self, *options: str, orders: Sequence[str] = (), prefix: Sequence[str] = (), **more: str
    ) -> subprocess.Popen[bytes]:
        """``PREFIX watchdog run OPTIONS`` over the program, which begins with these orders in each run."""
        return self.run(*options, "--", *self.command(*orders), prefix=prefix, **more)

    def plan(self, *lines: str) -> None:
        """What run 1, 2, ... begin with; the last line holds for all that come later."""
        self.write("plan", "\n".join(lines))

    def order(self, line: str) -> None:
        """Tell the program that runs now."""
        with (self.folder / "orders").open("a") as file:
            file.write(f"{line}\n")

    def ready(self, other_than: int = 0) -> int:
        """The pid of a run whose first orders are done; of another one than that, if asked."""

        def look() -> int:
            with contextlib.suppress(OSError, ValueError):
                pid = int((self.folder / "ready").read_text())
                return pid if pid != other_than else 0
            return 0

        return wait_until(look, "a program that is ready", 30)

    def stamps(self, word: str = "begin") -> list[tuple[int, float]]:
        """Pid and monotonic seconds of each begin (or end) so far."""
        with contextlib.suppress(OSError):
            lines = [line.split() for line in (self.folder / "stamps").read_text().splitlines()]
            return [(int(pid), float(at)) for kind, pid, at in lines if kind == word]
        return []

    def pids(self, name: str) -> list[int]:
        """The pids in a file that the program appends to."""
        path = self.folder / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def child_pid(self) -> int:
        """The pid that ``status`` names."""
        return self.child()

    def health(self) -> str:
        """The word of ``status`` for how well it is."""
        return str(self.status()["health"])

    def await_health(self, word: str, limit_s: float = 30) -> dict[str, Any]:
        """The first report with that health."""

        def look() -> dict[str, Any] | None:
            report = self.status()
            return report if report["health"] == word else None

        return wait_until(look, f"health {word!r}", limit_s)  # type: ignore[return-value]

    def await_state(self, word: str, limit_s: float = 30) -> dict[str, Any]:
        """The first report with that state."""

        def look() -> dict[str, Any] | None:
            report = self.status()
            return report if report["state"] == word else None

        return wait_until(look, f"state {word!r}", limit_s)  # type: ignore[return-value]

    def log(self) -> str:
        """What the program printed, as the log has it; rotated parts first."""
        parts = sorted((self.folder / "logs").glob("tracker.log*"), key=_age, reverse=True)
        return "".join(path.read_text(errors="replace") for path in parts)

    def own_log(self) -> str:
        """What the watchdog says for people."""
        path = self.folder / "logs" / "tracker.watchdog.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """``watchdog stop``, which must do it."""
        found = self.cli("stop")
        assert found.returncode == 0, found.stderr

    def tagged(self) -> dict[int, str]:
        """Every living process that has the mark in its arguments or its environment."""
        found = self.marked()
        tag = f"tag-{self.mark}".encode()
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) not in found:
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                    if tag in words:
                        found[int(entry)] = b" ".join(words).decode("utf-8", "replace")
        return found

    def close(self) -> None:
        """As the rig; and no tag in any command line, no trace of a bug of ours in any log, no half-written file."""
        try:
            super().close()
        finally:
            left = self.tagged()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        assert not left, f"processes were left behind: {left}"
        for path in self.folder.glob("**/*.watchdog.log*"):
            assert "Traceback" not in path.read_text(errors="replace"), path
        for journal in self.folder.glob(".watchdog/*/journal.jsonl"):
            parts = sorted(journal.parent.glob("journal.jsonl*"), key=_age, reverse=True)
            facts = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
            assert not [fact for fact in facts if "Traceback" in json.dumps(fact)]
            numbers = [fact["seq"] for fact in facts]
            assert numbers == sorted(set(numbers)), "each fact has a number of its own, in order"
        assert not list(self.folder.glob(".watchdog/**/*.wdtmp")), "unfinished files were left"


def _age(path: Path) -> int:
    number = path.suffix.lstrip(".")
    return int(number) if number.isdigit() else 0


@pytest.fixture
def dog(tmp_path: Path) -> Iterator[Watchdog]:
    """A watchdog in a fresh folder; it checks at the end that nothing was left."""
    made = Watchdog(tmp_path)
    yield made
    made.close()
