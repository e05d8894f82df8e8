"""What must hold all the while, and what must hold in the end."""

import contextlib
import json
import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

from soaking.world import CHAT, TIMEOUT_S, World

ABSENT_LIMIT_S = 20.0  # delay, ladder, and the start of Python on a machine that is busy with other things
LIMITS = {"descriptors": 64, "threads": 10, "rss_mb": 60, "files": 400}
MORE_IN_THE_END = {"descriptors": 0, "threads": 0, "rss_mb": 3, "files": 60}
FEWEST_LOOKS = 40  # in each half, before they are compared
TOLD = re.compile(r"level ([\d.]+) %.*?\n(?:.*\n)*?(\w{32,44})\n")


class Promises:
    """Looks at a world from outside, again and again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tokens: dict[str, tuple[str, float]] = {}  # address: when it was first seen, highest rise saved
        self.looks: list[dict[str, float]] = []
        self._absent_since: float | None = None

    def watch(self) -> None:
        """Look at everything, until the end."""
        while not self.world.over.is_set():
            self.look_at_trackers()
            self.look_at_saved_state()
            self.look_at_watchdog()
            self.world.over.wait(0.1)

    def look_at_trackers(self) -> None:
        """Never two; never none for long."""
        world = self.world
        first = world.trackers()
        if len(first) > 1:
            second = world.trackers()  # one may just have been ending while we read
            both = sorted(set(first) & set(second))
            if len(both) > 1:
                world.fail(f"two trackers at once: {both}")
        now = time.monotonic()
        if first or not world.wanted:
            self._absent_since = None
        elif self._absent_since is None:
            self._absent_since = now
        elif now - self._absent_since > ABSENT_LIMIT_S:
            world.fail(f"no tracker for {ABSENT_LIMIT_S} s")
            self._absent_since = None

    def look_at_saved_state(self) -> None:
        """The main file always loads; no token, no beginning and no highest rise that it held is ever lost."""
        world = self.world
        try:
            saved: dict[str, dict[str, Any]] = json.loads((world.folder / "tracked_tokens.json").read_bytes())
        except FileNotFoundError:
            if self.tokens:
                world.fail("tracked_tokens.json is gone")
            return
        except ValueError as error:
            world.fail(f"tracked_tokens.json does not load: {error}")
            return
        lost = sorted(self.tokens.keys() - saved.keys())
        if lost:
            world.fail(f"tokens were lost: {lost[:3]}")
        for address, token in saved.items():
            begun, rise = str(token.get("startTime")), float(token.get("maxRisePercentage") or 0)
            known = self.tokens.get(address)
            if known is not None and begun != known[0]:
                world.fail(f"{address} began at {known[0]}, and now at {begun}")
            if known is not None and rise < known[1]:
                world.fail(f"{address} had risen by {known[1]} %, and now by {rise} %")
            self.tokens[address] = (begun, rise)

    def look_at_watchdog(self) -> None:
        """It does not grow, and neither does its folder."""
        pid = self.world.watchdog_pid()
        if pid is None:
            return
        with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
            status = Path(f"/proc/{pid}/status").read_text()
            values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            seen = {
                "descriptors": float(len(os.listdir(f"/proc/{pid}/fd"))),
                "threads": float(values["Threads"]),
                "rss_mb": int(values["VmRSS"].split()[0]) / 1024,
                "files": float(sum(len(files) for _, _, files in os.walk(self.world.folder))),
            }
            self.looks.append(seen)
            for key, limit in LIMITS.items():
                if seen[key] > limit:
                    self.world.fail(f"the watchdog has {seen[key]:g} {key}")

    def most(self) -> dict[str, float]:
        """The heaviest that was seen."""
        return {key: max((look[key] for look in self.looks), default=0) for key in LIMITS}

    # --- in the end ------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Look at what is left: journal, logs, the chat, and what grew."""
        self._judge_journal()
        self._judge_chat()
        self._judge_growth()
        missing = sorted(self.world.added - self.tokens.keys())
        if missing:
            self.world.fail(f"tokens that were added are not in the file: {missing[:3]}")

    def _judge_journal(self) -> None:
        facts = []
        for name in ("journal.jsonl.2", "journal.jsonl.1", "journal.jsonl"):
            with contextlib.suppress(FileNotFoundError):
                for line in (self.world.folder / ".watchdog" / "tracker" / name).read_bytes().splitlines():
                    with contextlib.suppress(ValueError):
                        facts.append(json.loads(line))
        numbers = [fact["seq"] for fact in facts if "seq" in fact]
        if numbers != sorted(numbers):
            self.world.fail("the journal is out of order")
        for fact in facts:
            if fact.get("fact") != "hang":
                continue
            if not any(start <= fact["up"] <= end + TIMEOUT_S + 2 for start, end in self.world.excuses):
                self.world.fail(f"a false kill: {fact}")
        for name in ("logs/tracker.log", "watchdog.out", "logs/tracker.watchdog.log"):
            with contextlib.suppress(FileNotFoundError):
                if b"Traceback" in (self.world.folder / name).read_bytes():
                    self.world.fail(f"a traceback in {name}")

    def _judge_chat(self) -> None:
        """What people got: each rise of each token once at most; and no rise that we lost without a word."""
        told = self.told()
        twice = [one for one, count in told.items() if count > 1]
        if twice:
            self.world.fail(f"told twice: {twice[:3]}")
        listed = _lines(self.world.folder / "sent_tokens.txt")
        if len(listed) != len(set(listed)):
            self.world.fail("an address stands twice in sent_tokens.txt")
        ledger = [json.loads(line) for line in _lines(self.world.folder / "sent_tokens.ledger.jsonl")]
        whose = {line["id"]: line["token"] for line in ledger if "token" in line}
        noted = {whose[line["id"]] for line in ledger if line["state"] == "sent"}
        if not noted <= set(listed):
            self.world.fail(f"told, but not in sent_tokens.txt: {sorted(noted - set(listed))[:3]}")
        foreign = {message.chat for message in self.world.chat.messages} - {CHAT}
        if foreign:
            self.world.fail(f"told to {foreign}")

    def told(self) -> Counter[tuple[str, str]]:
        """How often each token and level was told."""
        return Counter(
            (address, level)
            for text in self.world.chat.texts()
            for level, address in TOLD.findall(f"{text}\n")
        )

    def _judge_growth(self) -> None:
        """The lightest look of the second half is no heavier than the heaviest of the first."""
        half = len(self.looks) // 2
        if half < FEWEST_LOOKS:
            return
        for key, more in MORE_IN_THE_END.items():
            early = max(look[key] for look in self.looks[:half])
            late = min(look[key] for look in self.looks[half:])
            if late > early + more:
                self.world.fail(f"{key} grew: at most {early:g} in the first half, at least {late:g} later")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
