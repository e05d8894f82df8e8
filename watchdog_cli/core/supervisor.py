"""The state of the supervisor, and until when it may sleep."""

from watchdog_cli.core import liveness
from watchdog_cli.core.intensity import Window
from watchdog_cli.core.lease import Hold, OnLost
from watchdog_cli.core.liveness import Life
from watchdog_cli.core.phases import (
    Backoff,
    GivenUp,
    Phase,
    Running,
    Spawning,
    Starting,
    Stopped,
    Stopping,
    Up,
)
from watchdog_cli.core.policy import Policy
from watchdog_kit.records import dataclass

MEMORY_RHYTHM_S = 15.0  # the most often that memory alone may wake us


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody works on the child; ``until`` None means until resumed."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Supervisor:
    """All that decisions depend on.

    Args:
        want_up: nobody has asked for the end.
        signalled_at: when a signal first asked for the end; one more is impatience.
        judged: silence is a hang.
        ever_beat: the heartbeat file was seen to change under this name, by this supervisor or an earlier one.
        settled: a run of this supervisor has lived, so a failing spawn is no typo of the command.
        number: of the newest run under this name.
        restarts: unasked restarts in total; for reports only.
        ailing: an unplanned end happened and no run has been healthy since.
        unheard_said: that there is no heartbeat was said; once is enough.
        memory_at: when memory was last looked at.
        over_memory: the last look found too much.
        hold: until when a lease lets the program run; None without one.
        end_by: when the tree must be dead at the latest, since the lease may pass to others.
        doubted: that the lease could not be renewed was said, and the program is kept.
        polling: no notices of file changes can be had, so somebody must look now and then.
    """

    policy: Policy
    window: Window
    phase: Phase
    want_up: bool = True
    signalled_at: float | None = None
    pause: Pause | None = None
    judged: bool = False
    ever_beat: bool = False
    settled: bool = False
    number: int = 0
    restarts: int = 0
    ailing: bool = False
    unheard_said: bool = False
    memory_at: float | None = None
    over_memory: bool = False
    hold: Hold | None = None
    end_by: float | None = None
    doubted: bool = False
    polling: bool = False


def new(
    policy: Policy,
    *,
    number: int = 0,
    restarts: int = 0,
    window: tuple[float, ...] = (),
    ever_beat: bool = False,
) -> Supervisor:
    """A supervisor that has done nothing yet.

    Args:
        number, restarts, window: carried over from an earlier supervisor of the same child.
        ever_beat: a beat was seen under this name before, so silence is a hang.
    """
    return Supervisor(
        policy=policy,
        window=Window(policy.max_restarts, policy.restart_window_s, window),
        phase=Spawning(number + 1, asked=False),
        judged=not policy.no_heartbeat and (policy.judge_silence or ever_beat),
        ever_beat=ever_beat,
        number=number,
        restarts=restarts,
    )


def next_start(sup: Supervisor) -> float | None:
    """The instant of the next start or try; None when none is decided."""
    match sup.phase:
        case Backoff(until=at) | GivenUp(retry_at=at):
            return at
        case _:
            return None


def silent_s(sup: Supervisor, now: float) -> float | None:
    """How long ago the present run last gave a sign of life; None before its first, and when nothing runs."""
    last = sup.phase.life.last_sign() if isinstance(sup.phase, Up) else None
    return None if last is None else max(0.0, now - last)


def is_over(sup: Supervisor) -> bool:
    """Whether nothing can happen any more."""
    return isinstance(sup.phase, Stopped)


def watches_silence(sup: Supervisor) -> bool:
    """Whether the signs of life of the present run lead to anything."""
    return not sup.policy.no_heartbeat and sup.pause is None


def is_watched(sup: Supervisor) -> bool:
    """Whether the present run has a time to be awake for: its grace, silence that is a hang, or a look."""
    return watches_silence(sup) and (sup.judged or sup.polling or isinstance(sup.phase, Starting))


def deadline(sup: Supervisor) -> float | None:
    """The instant at which ``Tick`` must come if nothing else does; None: sleep."""
    candidates = [
        at
        for at in (_phase_deadline(sup), memory_deadline(sup), _pause_deadline(sup), _lease_deadline(sup))
        if at is not None
    ]
    return min(candidates, default=None)


def _phase_deadline(sup: Supervisor) -> float | None:
    match sup.phase:
        case Starting(life=life) if sup.pause is None and sup.policy.no_heartbeat:
            return liveness.grace_deadline(life, sup.policy)
        case Starting(life=life) | Running(life=life) if is_watched(sup):
            look_at = life.awake_at + liveness.slice_s(life, sup.policy)
            if not sup.judged and isinstance(sup.phase, Running):  # only polling: no limit leads to anything
                return look_at
            return min(_hang_deadline(sup, life), look_at)
        case Stopping(next_at=next_at):
            return next_at
        case _:
            return next_start(sup)


def _hang_deadline(sup: Supervisor, life: Life) -> float:
    stuck = liveness.progress_deadline(life, sup.policy)
    silent = liveness.silence_deadline(life, sup.policy)
    return silent if stuck is None else min(silent, stuck)


def memory_deadline(sup: Supervisor) -> float | None:
    if sup.policy.memory_limit is None or sup.pause is not None or not isinstance(sup.phase, Up):
        return None
    return (sup.phase.life.since if sup.memory_at is None else sup.memory_at) + MEMORY_RHYTHM_S


def _lease_deadline(sup: Supervisor) -> float | None:
    if sup.hold is None or (sup.policy.lease is OnLost.KEEP and sup.doubted):
        return None
    return sup.hold.stop_at


def _pause_deadline(sup: Supervisor) -> float | None:
    return sup.pause.until if sup.pause is not None else None
