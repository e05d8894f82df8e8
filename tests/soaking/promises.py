"""Looks at every promise again and again while the faults go on."""

import contextlib
import json
import time
from pathlib import Path

from soaking.growth import Growth
from soaking.journal import Journal
from soaking.saved import Saved
from soaking.world import World

ABSENT_LIMIT_S = 25.0  # delay, ladder, and the start of Python on a machine that is busy with other things


class Promises:
    """The watching thread's work, and the judgement at the end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.saved = Saved(world.folder)
        self.growth = Growth(world.folder)
        self.journal = Journal(world)
        self._absent_since: float | None = None
        self._told_twice: set[str] = set()
        self._next_slow = 0.0

    def watch(self) -> None:
        """Look at everything until the end."""
        while not self._world.over.is_set():
            self._look_at_trackers()
            self._note(self.saved.look(wanted=self._world.wanted))
            if time.monotonic() >= self._next_slow:
                self._next_slow = time.monotonic() + 0.7
                self._look_at_watchdog()
                self._note(self.journal.look())
                self.look_at_alerts()
            self._world.over.wait(0.1)

    def _note(self, texts: list[str]) -> None:
        for text in texts:
            self._world.fail(text)

    def _look_at_trackers(self) -> None:
        """Never two; never none for long."""
        first = self._world.trackers()
        if len(first) > 1:
            second = self._world.trackers()  # one may just have been ending while we read
            both = sorted(set(first) & set(second))
            if len(both) > 1:
                self._world.fail(f"two trackers at once: {both}")
        now = time.monotonic()
        if first or not self._world.wanted:
            self._absent_since = None
        elif self._absent_since is None:
            self._absent_since = now
        elif now - self._absent_since > ABSENT_LIMIT_S:
            self._world.fail(f"no tracker for {ABSENT_LIMIT_S} s")
            self._absent_since = None

    def _look_at_watchdog(self) -> None:
        pid = self._world.watchdog_pid()
        if pid is not None:
            self._note(self.growth.look(pid, time.monotonic()))

    def look_at_alerts(self) -> None:
        """Nothing arrived twice, and the list of what was told has nobody twice."""
        twice = set(self._world.receiver.twice()) - self._told_twice
        self._told_twice |= twice
        self._note([f"told twice: {each}" for each in sorted(twice)])
        with contextlib.suppress(OSError):
            told = (self._world.folder / "sent_tokens.txt").read_text(errors="replace").split()
            if len(told) != len(set(told)) and "list" not in self._told_twice:
                self._told_twice.add("list")
                self._world.fail("an address stands twice in sent_tokens.txt")

    def judge(self) -> None:
        """Say at the end what only the whole shows."""
        self._note(self.journal.look())
        self._note(self.journal.judge())
        self._note(self.saved.look())
        self._note(self.growth.judge())
        self.look_at_alerts()
        self._judge_ledger()
        logs = (self._world.folder / "logs").glob("*.log*")
        for path in (*logs, self._world.output):
            with contextlib.suppress(OSError):
                if b"Traceback" in path.read_bytes():
                    self._world.fail(f"a traceback in {path.name}")
        left = [str(path) for path in self._world.folder.glob(".watchdog/**/*.wdtmp")]
        if left:
            self._world.fail(f"unfinished files were left: {left}")

    def _judge_ledger(self) -> None:
        """Who was told stands in the list that people read."""
        listed = set(_lines(self._world.folder / "sent_tokens.txt"))
        ledger = []
        for line in _lines(self._world.folder / "sent_tokens.ledger.jsonl"):
            with contextlib.suppress(ValueError):  # cut off by a kill: that step was not taken
                ledger.append(json.loads(line))
        whose = {step["id"]: step["token"] for step in ledger if step.get("token")}
        sent = {whose[step["id"]] for step in ledger if step["state"] == "sent" and step["id"] in whose}
        if not sent <= listed:
            self._world.fail(f"told, but not in sent_tokens.txt: {sorted(sent - listed)[:3]}")


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").splitlines()
    return []
