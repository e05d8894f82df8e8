"""What the watchdog itself tells, read while it is written, for old facts are thrown away."""

import contextlib
import json
from typing import Any

from soaking.world import TIMEOUT_S, World

_SLACK_S = TIMEOUT_S + 3  # from the end of a freeze to the fact that tells of it


class Journal:
    """Follows the journal by its numbers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last = 0
        self.hangs: list[dict[str, Any]] = []
        self.facts = 0

    def look(self) -> list[str]:
        """Take in what is new; say what is out of order."""
        new, wrong = [], []
        for name in ("journal.jsonl.1", "journal.jsonl"):
            with contextlib.suppress(OSError):
                content = (self._world.folder / ".watchdog" / "tracker" / name).read_bytes()
                numbers = []
                for line in content.splitlines():
                    with contextlib.suppress(ValueError):
                        fact = json.loads(line)
                        if "seq" not in fact:  # a note of the writer that the disk was full here
                            continue
                        numbers.append(fact["seq"])
                        if fact["seq"] > self._last:
                            new.append(fact)
                if numbers != sorted(set(numbers)):
                    wrong.append(f"{name} is out of order")
        for fact in sorted(new, key=lambda one: int(one["seq"])):
            if fact["seq"] > self._last:
                self._last = fact["seq"]
                self.facts += 1
                if fact.get("fact") == "hang":
                    self.hangs.append(fact)
        return wrong

    def judge(self) -> list[str]:
        """Name each hang that was declared of a tracker which was not frozen on purpose."""
        return [
            f"a false kill: {fact}"
            for fact in self.hangs
            if not any(start <= fact["up"] <= end + _SLACK_S for start, end in self._world.excuses)
        ]
