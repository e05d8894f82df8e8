"""One folder for each unplanned end: what was decided and why, what was printed last, what could be seen.

Facts come here in a thread of the sink's own. What must be seen while the program lives is looked at when its trouble
is found; the folder is written when it is known what follows the end.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from watchdog_cli.core import facts
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import Cause
from watchdog_cli.core.trouble import UNSEEN, is_unplanned
from watchdog_cli.sinks.incident_text import id_for, summary, why
from watchdog_cli.sinks.masking import Mask
from watchdog_cli.sinks.scene import Scene, Seen
from watchdog_kit.wall_time import iso

DECIDED_S = 1.0  # chosen: what follows an end is told in the same moment, unless nothing follows (a pause)
TIMELINE = 60  # facts
BURST = 20.0  # incidents that may be written at once: as many as are kept
PER_S = 2.0  # and after that, so that a program that crashes 300 times a second costs no more
DECISIONS = (facts.Restarting, facts.GaveUp, facts.Finished, facts.Spawned)


Keep = Callable[[str, Mapping[str, object], Mapping[str, str]], str]


class _Pending:
    """An end whose consequence is not known yet."""

    def __init__(self, incident_id: str, record: dict[str, Any], texts: dict[str, str]) -> None:
        self.incident_id = incident_id
        self.record = record
        self.texts = texts
        self.until = time.monotonic() + DECIDED_S


class Incidents:
    """Writes incidents."""

    def __init__(
        self,
        *,
        keep: Keep,
        look: Callable[[int], Seen | None],
        mask: Mask,
        restart: Restart,
        host: str,
        command: Sequence[str],
    ) -> None:
        """Nothing is written yet.

        Args:
            keep: writes one incident: its id, its record, its other files by name.
            look: looks at the living process with this pid; None if that is no more the program.
            mask: takes secrets out of a text.
            command: what is supervised.
        """
        self._keep = keep
        self._look = look
        self._mask = mask
        self._restart = restart
        self._about = {"host": host, "command": [mask(word) for word in command]}
        self._timeline: deque[dict[str, str]] = deque(maxlen=TIMELINE)
        self._seen: tuple[str, Seen] | None = None  # of which run
        self._found: tuple[str, datetime] | None = None  # of which run, and when
        self._pending: _Pending | None = None
        self._credit = BURST
        self._credit_at = time.monotonic()
        self._left_out = 0
        self._skipped: tuple[datetime, dict[str, Any], dict[str, str], Mapping[str, object]] | None = None

    def tell(self, at: datetime, fact: Fact, extra: Mapping[str, object]) -> None:
        """Take a fact."""
        if isinstance(fact, facts.GaveUp | facts.Finished) and self._skipped is not None:
            self._left_out -= 1
            self._begin(*self._skipped, is_last=True)
        new_run = isinstance(fact, facts.Spawned | facts.TakenOver)
        if not new_run:
            self._note(at, fact)
        if self._pending is not None and isinstance(fact, DECISIONS):
            self._pending.record["decision"] = self._mask(fact.text)
            self._write()
        elif self._pending is not None and isinstance(fact, facts.Ended | facts.SpawnFault):
            self._write()
        if new_run:
            self._timeline.clear()  # what was before belongs to the run before
            self._note(at, fact)
        match fact:
            case facts.HangFound(run=run) | facts.MemoryExceeded(run=run):
                seen = self._look(run.pid)
                self._seen = None if seen is None else (run.id, seen)
                self._found = (run.id, at)
            case facts.Ended(ending=ending) if is_unplanned(ending, self._restart):
                self._begin_ended(at, fact, extra)
            case facts.SpawnFault(number=number):
                record: dict[str, Any] = {"cause": Cause.SPAWN.value, "text": fact.text, "number": number}
                self._begin(at, record, {}, {})
            case facts.Notice(topic=topic) if topic in UNSEEN:
                self._begin_unseen(at, fact, extra)

    def due_in_s(self) -> float | None:
        """Return when an end without a consequence is written all the same."""
        return None if self._pending is None else max(0.0, self._pending.until - time.monotonic())

    def turn(self) -> None:
        """Write what has waited long enough."""
        if self._pending is not None and time.monotonic() >= self._pending.until:
            self._write()

    def close(self) -> None:
        """Write what is there."""
        self._write()

    # ---------------------------------------------------------------------------------------------------------

    def _note(self, at: datetime, fact: Fact) -> None:
        self._timeline.append({"at": iso(at), "fact": fact.kind, "text": self._mask(fact.text)})

    def _begin_ended(self, at: datetime, fact: facts.Ended, extra: Mapping[str, object]) -> None:
        ending, run = fact.ending, fact.run
        record: dict[str, Any] = {
            "cause": ending.cause.value,
            "text": ending.text,
            "why": why(ending.cause, ending.status, forced=ending.forced),
            "number": run.number,
            "run": run.id,
            "pid": run.pid,
            "exit_code": ending.status.code,
            "signal": ending.status.signal,
            "forced": ending.forced,
            "lived_s": round(fact.lived_s, 3),
        }
        texts: dict[str, str] = {}
        scene = extra.get("scene")
        seen = scene.seen() if isinstance(scene, Scene) else None
        if seen is None and self._seen is not None and self._seen[0] == run.id:
            seen = self._seen[1]
        self._seen = None
        if seen is not None:
            record["process"] = dict(seen.numbers)
            texts["process.txt"] = self._mask_lines(seen.lines)
        # What was found out before it was ended is told of before that: the alert names the moment of the finding.
        begun = self._found[1] if self._found is not None and self._found[0] == run.id else at
        self._found = None
        self._begin(begun, record, texts, extra)

    def _begin_unseen(self, at: datetime, fact: facts.Notice, extra: Mapping[str, object]) -> None:
        record: dict[str, Any] = {
            "cause": "unseen",
            "text": fact.text,
            "why": "the watchdog was not there when it happened (a power cut, a reboot, or both were killed)",
            "number": extra.get("number", 0),
        }
        self._begin(at, record, {}, extra)

    def _begin(
        self,
        at: datetime,
        record: dict[str, Any],
        texts: dict[str, str],
        extra: Mapping[str, object],
        *,
        is_last: bool = False,
    ) -> None:
        """Note an end; one of too many is only counted, unless it turns out to be the last one."""
        self._skipped = None
        if not is_last and not self._may_write():
            self._left_out += 1
            self._skipped = (at, record, texts, extra)
            return
        scene = extra.get("scene")
        if isinstance(scene, Scene):
            words = scene.last_words()
            texts["log.txt"] = self._mask_lines(words)
            record["last_line"] = self._mask(next((line for line in reversed(words) if line.strip()), ""))
            record["silent_s"] = None if scene.silent_s is None else round(scene.silent_s, 3)
            record["heartbeat"] = self._masked(dict(scene.fields))
            self._add_stacks(scene, record, texts)
        if self._left_out:
            record["left_out"] = self._left_out
            self._left_out = 0
        incident_id = id_for(at, str(record["cause"]))
        self._pending = _Pending(incident_id, {"at": iso(at), **record, **self._about}, texts)

    def _add_stacks(self, scene: Scene, record: dict[str, Any], texts: dict[str, str]) -> None:
        found = scene.stacks()
        if found is None:
            return
        stacks, text = found
        record["stacks"] = {"source": stacks.source, "note": self._mask(stacks.note)}
        if text.strip():
            texts["stacks.txt"] = self._mask_lines(text.splitlines())

    def _write(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        record = {**pending.record, "timeline": list(self._timeline)}
        record["files"] = sorted([*pending.texts, "summary.txt"])
        texts = {**pending.texts, "summary.txt": summary(record, pending.texts) + "\n"}
        self._keep(pending.incident_id, record, texts)

    def _may_write(self) -> bool:
        now = time.monotonic()
        self._credit = min(BURST, self._credit + PER_S * (now - self._credit_at))
        self._credit_at = now
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def _mask_lines(self, lines: Sequence[str]) -> str:
        # Line by line: a search holds up all threads while it lasts.
        return "".join(f"{self._mask(line)}\n" for line in lines)

    def _masked(self, value: object) -> object:
        """The fields of a heartbeat, which are anything."""
        if isinstance(value, str):
            return self._mask(value)
        if isinstance(value, Mapping):
            return {self._mask(str(key)): self._masked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._masked(inner) for inner in value]
        return value
