"""Judge signs of life by their age.

All instants are monotonic seconds of the supervisor's own clock, stamped when *we* saw the sign. No time that is
written in a file, and no wall clock, takes part.

A supervisor that was itself frozen (suspend, SIGSTOP, a paused virtual machine) has proof of nothing: nobody could
beat meanwhile. So the wait for a deadline is cut into slices, and an event that comes later than its slice allowed
proves that we were not awake. If it comes much later, the timeout starts again; if a little, as on a busy machine,
the timeouts move on by just that much. What stays unseen is a pause within one slice, at most a quarter of the
timeout, which a program that beats twice per timeout survives.
"""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from watchdog_cli.core.policy import AliveWhen, Policy, Source
from watchdog_kit.records import dataclass

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
        before_s: how long an adopted run had lived by then.
        patience_from: no timeout counts from before this instant.
        awake_at: the last instant at which we were certainly awake.
        signs: when each source last gave a sign; moved on by what we woke too late since.
        progress: the watched value as last seen; None before.
        progress_at: when it was last seen to change, at first when the first sign came; moved on as ``signs``.
    """

    since: float
    patience_from: float
    awake_at: float
    signs: tuple[tuple[Source, float], ...] = ()
    progress: str | None = None
    progress_at: float | None = None
    before_s: float = 0.0

    @property
    def born(self) -> float:
        """When the process was started; for reports only, nothing is judged by it."""
        return self.since - self.before_s

    def last_sign(self) -> float | None:
        """When any source last gave a sign."""
        return max((at for _, at in self.signs), default=None)

    def seen(self, source: Source, now: float) -> "Life":
        """The same life with a sign of ``source`` at ``now``."""
        rest = tuple((s, at) for s, at in self.signs if s is not source)
        return replace(self, signs=(*rest, (source, now)))

    def progressed(self, value: str | None, now: float) -> "Life":
        """The same life after a beat that carried ``value``."""
        if self.progress_at is not None and (value is None or value == self.progress):
            return self
        return replace(self, progress=value, progress_at=now)

    def moved(self, by_s: float) -> "Life":
        """The same life with all its timeouts moved on by time in which we were not awake."""
        return replace(
            self,
            patience_from=self.patience_from + by_s,
            signs=tuple((source, at + by_s) for source, at in self.signs),
            progress_at=None if self.progress_at is None else self.progress_at + by_s,
        )


def begin(now: float, before_s: float = 0.0) -> Life:
    """The life of a run that starts, or is adopted after ``before_s`` seconds, at ``now``."""
    return Life(since=now, patience_from=now, awake_at=now, before_s=before_s)


def counts(source: Source, policy: Policy) -> bool:
    """Whether a sign of this source says anything; with no source named, any does."""
    return source in policy.sources or not policy.sources


def _last_needed(life: Life, policy: Policy) -> Iterable[float | None]:
    """The instants that must all be fresh; None for a sign that has not come yet."""
    signs = dict(life.signs)
    if policy.alive_when is AliveWhen.ALL and policy.sources:
        return [signs.get(source) for source in sorted(policy.sources)]
    return [life.last_sign()]


def has_begun(life: Life, policy: Policy) -> bool:
    """Whether the start is over: every sign that the policy asks for has come once."""
    return None not in _last_needed(life, policy)


def grace_deadline(life: Life, policy: Policy) -> float:
    """The instant at which the start grace is over."""
    return life.patience_from + policy.start_grace_s


def _limit(life: Life, at: float | None, policy: Policy) -> float:
    """Until when the next sign of one kind must come, the last one being ``at``."""
    if at is None:
        return grace_deadline(life, policy)
    return max(at, life.patience_from) + policy.heartbeat_timeout_s


def silence_deadline(life: Life, policy: Policy) -> float:
    """The instant at which silence becomes a hang."""
    return min(_limit(life, at, policy) for at in _last_needed(life, policy))


def progress_deadline(life: Life, policy: Policy) -> float | None:
    """The instant at which standing still becomes a hang; None when progress is not watched, or not yet."""
    if policy.progress_key is None or life.progress_at is None:
        return None
    return max(life.progress_at, life.patience_from) + policy.progress_timeout_s


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
    over = [at for at in _last_needed(life, policy) if now >= _limit(life, at, policy)]
    if over:
        return Liveness.NEVER if None in over else Liveness.STALE
    stuck_at = progress_deadline(life, policy)
    if stuck_at is not None and now >= stuck_at:
        return Liveness.STUCK
    return Liveness.FRESH if has_begun(life, policy) else Liveness.WAITING


def slice_s(life: Life, policy: Policy) -> float:
    """How long we may wait without proving that we are awake: a part of the shortest limit that counts just now."""
    limits = [
        policy.start_grace_s if at is None else policy.heartbeat_timeout_s
        for at in _last_needed(life, policy)
    ]
    if progress_deadline(life, policy) is not None:
        limits.append(policy.progress_timeout_s)
    return min(limits) / SLICES


def late_by(life: Life, now: float, policy: Policy) -> float:
    """How many seconds before ``now`` we were certainly not awake; 0 when there is no proof of it."""
    return max(0.0, now - life.awake_at - slice_s(life, policy))


def is_pause(late_s: float, life: Life, policy: Policy) -> bool:
    """Whether we woke so late that something had stopped us; else the machine was just busy."""
    return late_s > max(SMALLEST_TOLERANCE_S, slice_s(life, policy) / 2)
