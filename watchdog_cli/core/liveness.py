"""Judge signs of life by their age.

All instants are monotonic seconds of the supervisor's own clock, stamped when *we* saw the sign. No time that is
written in a file, and no wall clock, takes part.

A supervisor that was itself frozen (suspend, SIGSTOP, a paused virtual machine) has proof of nothing: nobody could
beat meanwhile. So the wait for a deadline is cut into slices, and an event that comes much later than its slice
allowed proves such a pause. Then the timeout starts again. A pause shorter than a slice can eat at most a quarter
of the timeout, which a program that beats twice per timeout survives.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from watchdog_cli.core.policy import AliveWhen, Policy, Source

SLICES = 4
SMALLEST_TOLERANCE_S = 0.5  # chosen: longer than a busy machine makes a ready process wait


class Liveness(StrEnum):
    """What the signs say."""

    WAITING = "waiting"  # within the start grace, no sign yet
    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"  # the grace is over without a sign
    STUCK = "stuck"  # signs, but the progress value stands still


@dataclass(frozen=True, slots=True)
class Life:
    """The signs of life of one run.

    Args:
        since: when the run was spawned or adopted.
        patience_from: no timeout counts from before this instant.
        awake_at: the last instant at which we were certainly awake.
        signs: when each source last gave a sign.
        progress: the watched value as last seen; None before.
        progress_at: when it was last seen to change.
    """

    since: float
    patience_from: float
    awake_at: float
    signs: tuple[tuple[Source, float], ...] = ()
    progress: str | None = None
    progress_at: float | None = None

    def last_sign(self) -> float | None:
        """When any source last gave a sign."""
        return max((at for _, at in self.signs), default=None)

    def seen(self, source: Source, now: float) -> "Life":
        """The same life with a sign of ``source`` at ``now``."""
        rest = tuple((s, at) for s, at in self.signs if s is not source)
        return replace(self, signs=(*rest, (source, now)))

    def progressed(self, value: str | None, now: float) -> "Life":
        """The same life after a beat that carried ``value``."""
        if value is None or value == self.progress:
            return self
        return replace(self, progress=value, progress_at=now)


def begin(now: float) -> Life:
    """The life of a run that starts at ``now``."""
    return Life(since=now, patience_from=now, awake_at=now)


def _last_needed(life: Life, policy: Policy) -> Iterable[float | None]:
    """The instants that must all be fresh; None for a sign that has not come yet."""
    signs = dict(life.signs)
    if policy.alive_when is AliveWhen.ALL:
        return [signs.get(source) for source in sorted(policy.sources)]
    return [life.last_sign()]


def has_begun(life: Life, policy: Policy) -> bool:
    """Whether the start is over: every sign that the policy asks for has come once."""
    return None not in _last_needed(life, policy)


def silence_deadline(life: Life, policy: Policy) -> float:
    """The instant at which silence becomes a hang."""
    return min(
        life.patience_from + policy.start_grace_s
        if at is None
        else max(at, life.patience_from) + policy.heartbeat_timeout_s
        for at in _last_needed(life, policy)
    )


def progress_deadline(life: Life, policy: Policy) -> float | None:
    """The instant at which standing still becomes a hang; None when progress is not watched."""
    if policy.progress_key is None:
        return None
    at = life.since if life.progress_at is None else life.progress_at
    return max(at, life.patience_from) + policy.progress_timeout_s


def judge(life: Life, now: float, policy: Policy) -> Liveness:
    """Say whether the child still shows signs of life.

    Returns:
        WAITING only within the start grace; then FRESH, STALE, NEVER or STUCK. A limit is over at its instant.
    Raises:
        ValueError: ``now`` lies before the newest sign: two clocks were mixed.
    Source: startup and liveness probes as in the Kubernetes manual.
    """
    last = life.last_sign()
    if last is not None and now < last:
        raise ValueError("a sign of life lies in the future: two clocks were mixed")
    begun = has_begun(life, policy)
    if now >= silence_deadline(life, policy):
        return Liveness.STALE if begun else Liveness.NEVER
    stuck_at = progress_deadline(life, policy)
    if stuck_at is not None and now >= stuck_at:
        return Liveness.STUCK
    return Liveness.FRESH if begun else Liveness.WAITING


def slice_s(policy: Policy) -> float:
    """How long we may wait without proving that we are awake."""
    shortest = min(policy.heartbeat_timeout_s, policy.start_grace_s)
    if policy.progress_key is not None:
        shortest = min(shortest, policy.progress_timeout_s)
    return shortest / SLICES


def slept(life: Life, now: float, policy: Policy) -> float:
    """How many seconds we were certainly not awake before ``now``; 0 when there is no proof of a pause."""
    gap = now - life.awake_at
    longest = slice_s(policy)
    tolerance = max(SMALLEST_TOLERANCE_S, longest / 2)
    return gap - longest if gap > longest + tolerance else 0.0
