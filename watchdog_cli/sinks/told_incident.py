"""One incident: how many ends of what kinds it has, and what people were told of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from watchdog_kit.records import dataclass

LONGEST_GAPS = 12  # a gap doubles up to twelve times itself: with five minutes, to an hour
MOST_CAUSES = 20  # told apart in one incident


class Kind(StrEnum):
    """What a message is for."""

    FIRST = "first"
    CHANGE = "change"
    GAVE_UP = "gave-up"
    DOWN = "down"  # the watchdog ends, and nobody asked it to
    OVER = "over"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Telling:
    """One message, before it has words.

    Args:
        number: 1 for the first message of the incident.
        at: of the last end.
        ends: in the whole incident; ``causes`` counts them by kind.
        fresh: ends that nobody was told of before.
        what: what ended it last; ``cause`` is the same for machines.
        then: what was decided; in a message that it is over, why, unless the program is just well again.
    """

    kind: Kind
    story_id: str
    number: int
    began_at: datetime
    at: datetime
    ends: int
    fresh: int
    causes: Mapping[str, int]
    what: str
    cause: str
    then: str
    lived_s: float | None
    run: int | None


class Incident:
    """What is known of it, and what people know."""

    def __init__(self, story_id: str, at: datetime, gap_s: float) -> None:
        """Nothing has happened yet.

        Args:
            gap_s: the least time between two messages.
        """
        self.id = story_id
        self.began_at = self.at = at
        self.ends = self.fresh = 0
        self.causes: dict[str, int] = {}
        self.what = self.cause = self.then = ""
        self.lived_s: float | None = None
        self.run: int | None = None
        self.told = 0
        self.told_at = 0.0  # monotonic
        self.told_kind: Kind | None = None
        self._least_gap_s = gap_s
        self.gap_s = gap_s  # until the next one
        self.final: Kind | None = None  # nothing will be started any more

    def count(self, at: datetime, what: str, cause: str, run: int | None) -> None:
        """Note one more end."""
        self.at, self.what, self.cause, self.run = at, what, cause, run
        self.ends += 1
        self.fresh += 1
        self.then, self.lived_s = "", None
        key = what if what in self.causes or len(self.causes) < MOST_CAUSES else "other causes"
        self.causes[key] = self.causes.get(key, 0) + 1

    def tell(self, now: float, kind: Kind) -> Telling:
        """Make a message of what is known; from now on people know it."""
        self.told += 1
        telling = Telling(
            kind=kind,
            story_id=self.id,
            number=self.told,
            began_at=self.began_at,
            at=self.at,
            ends=self.ends,
            fresh=self.fresh,
            causes=dict(self.causes),
            what=self.what,
            cause=self.cause,
            then=self.then,
            lived_s=self.lived_s,
            run=self.run,
        )
        if self.told > 1:
            self.gap_s = min(2 * self.gap_s, LONGEST_GAPS * self._least_gap_s)
        self.fresh, self.told_at, self.told_kind = 0, now, kind
        return telling

    def to_record(self, now: float) -> dict[str, Any]:
        """Return all of it as JSON can say it."""
        record = {key: getattr(self, key) for key in _PLAIN}
        return record | {
            "began_at": self.began_at.isoformat(),
            "at": self.at.isoformat(),
            "told_ago_s": max(0.0, now - self.told_at) if self.told else 0.0,
        }


_PLAIN = (
    "id", "ends", "fresh", "causes", "what", "cause", "then", "lived_s", "run", "told", "told_kind", "gap_s",
)  # fmt: skip


def from_record(record: object, now: float, elapsed_s: float, gap_s: float) -> Incident | None:
    """Return the incident that an earlier watchdog has noted, or None if that cannot be understood."""
    if not isinstance(record, dict):
        return None
    try:
        incident = Incident(str(record["id"])[:40], datetime.fromisoformat(record["began_at"]), gap_s)
        incident.at = datetime.fromisoformat(record["at"])
        incident.ends, incident.fresh, incident.told = (int(record[key]) for key in ("ends", "fresh", "told"))
        incident.causes = {str(key): int(count) for key, count in record["causes"].items()}
        incident.what, incident.cause, incident.then = (str(record[key]) for key in ("what", "cause", "then"))
        incident.lived_s = None if record["lived_s"] is None else float(record["lived_s"])
        incident.run = None if record["run"] is None else int(record["run"])
        incident.gap_s = float(record["gap_s"])
        incident.told_at = now - float(record["told_ago_s"]) - max(0.0, elapsed_s)
        incident.told_kind = None if record["told_kind"] is None else Kind(record["told_kind"])
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return None
    return incident
