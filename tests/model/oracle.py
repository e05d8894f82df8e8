"""What must follow, said a second time and in the simplest words: lists and flags, no phases.

It shares no code with the core. Where the core has one exact instant, so has this, except after the supervisor
itself was frozen: then there is an earliest and a latest instant at which silence may and must be a hang.
"""

from collections.abc import Iterable
from math import inf

from watchdog_cli.core.policy import AliveWhen, Policy, Restart, Source
from watchdog_cli.core.record import ExitStatus


class BrokenPromiseError(AssertionError):
    """The supervisor did what it must never do, or did not do what it must."""


def promise(kept: bool, text: str) -> None:
    """Raise with ``text`` if the promise was not kept."""
    if not kept:
        raise BrokenPromiseError(text)


class RunOracle:
    """What one run may expect."""

    def __init__(self, now: float) -> None:
        """It lives from ``now`` on."""
        self.signs: dict[Source, float] = {}
        self.earliest_from = now  # no limit counts from before; pauses of unsure effect leave it alone
        self.latest_from = now  # and this one is moved on by every pause
        self.progress: str | None = None
        self.progress_at: float | None = None
        self.freezes: dict[Source, int] = {}  # since the last sign of each
        self.unlucky = False  # frozen so often that nobody could tell it from a hang
        self.own_end = False
        self.left_helpers = False
        self.replacing = False  # a hang or too much memory was found
        self.restart_wanted = False
        self.dump_at: float | None = None
        self.asked_at: float | None = None
        self.leader_asked_at: float | None = None
        self.kill_at: float | None = None
        self.over_memory = 0
        self.end_by = inf  # nothing of it may live after that
        self.lease_end = False  # it ends because the lease was lost

    @property
    def is_ending(self) -> bool:
        """Whether it was already decided that this run ends."""
        begun = (self.dump_at, self.asked_at, self.kill_at)
        return self.lease_end or any(at is not None for at in begun)


class Oracle:
    """The simple supervisor in the reader's head."""

    def __init__(self, policy: Policy, now: float, times: Iterable[float], *, ever_beat: bool) -> None:
        """Nothing runs yet."""
        self.policy = policy
        self.times = list(times)
        self.total = 0
        self.judged = not policy.no_heartbeat and (policy.judge_silence or ever_beat)
        self.stop_asked = False
        self.signalled_at: float | None = None
        self.paused = False
        self.paused_until: float | None = None
        self.incident = False
        self.unheard = 0
        self.lived = False
        self.run: RunOracle | None = None
        self.spawn_from: float | None = now
        self.spawn_until: float | None = now
        self.retrying = False
        self.exit_code: int | None = None
        self.gave_up = 0

    # --- runs ------------------------------------------------------------------------------------------------

    @property
    def may_sleep(self) -> bool:
        """Whether nothing need come by itself while nothing runs."""
        return self.paused and self.paused_until is None

    def no_spawn(self) -> None:
        """Nothing may be started for now."""
        self.spawn_from = self.spawn_until = None
        self.retrying = False

    def spawn_within(self, first: float, last: float) -> None:
        """A start must come, not before ``first`` and not after ``last``."""
        self.spawn_from, self.spawn_until = first, last

    def may_spawn(self, now: float) -> None:
        """A start is asked for."""
        promise(not self.stop_asked, "a stop was undone by a start")
        promise(not self.paused, "started while paused")
        promise(self.exit_code is None, "started after the end")
        promise(self.spawn_from is not None and self.spawn_until is not None, "started without a reason")
        assert self.spawn_from is not None
        assert self.spawn_until is not None
        promise(now >= self.spawn_from, f"started too early: {self.spawn_from - now} s")
        if self.retrying:
            self.total += 1
        self.no_spawn()

    def lives(self, now: float, *, file_lies_there: bool) -> None:
        """A run began."""
        self.run = RunOracle(now)
        self.lived = True
        self.judged = self.judged or (file_lies_there and not self.policy.no_heartbeat)

    def spawn_failed(self, now: float, *, transient: bool) -> None:
        """The start did not work."""
        if not self.lived and not transient:
            self.exit_code = 13
            return
        self._after(now, code=13, clean=False, smallest_delay=0.5)

    def ended(self, now: float, status: ExitStatus) -> None:
        """The whole tree is gone."""
        run = self.run
        assert run is not None
        self.run = None
        itself = run.own_end and not run.replacing
        code = 128 + status.signal if status.signal is not None else status.code
        if self.stop_asked:
            self.exit_code = 0
        elif self.paused:
            self.no_spawn()
        elif run.restart_wanted:
            self.incident = self.incident or itself or run.replacing
            self.spawn_within(now, now)
        elif itself and status.code == 78:
            self.exit_code = 78
        else:
            clean = itself and status.code == 0 and not run.left_helpers
            self._after(now, code=1 if code is None else code, clean=clean)

    def _after(self, now: float, *, code: int, clean: bool, smallest_delay: float = 0.0) -> None:
        policy = self.policy
        if self.stop_asked:
            self.exit_code = 0
            return
        if self.paused:
            self.no_spawn()
            return
        if policy.restart is Restart.NEVER or (policy.restart is Restart.ON_FAILURE and clean):
            self.exit_code = code
            return
        self.incident = True
        self.times = [at for at in self.times if now - at < policy.restart_window_s]
        if policy.max_restarts is not None and len(self.times) >= policy.max_restarts:
            self.gave_up += 1
            if policy.retry_after_s is None:
                self.exit_code = 12
            else:
                self.spawn_within(now + policy.retry_after_s, now + policy.retry_after_s)
                self.retrying = True
            return
        self.times.append(now)
        self.total += 1
        delay = max(policy.restart_delay_s, smallest_delay)
        longest = max(delay, policy.backoff_max_s) if policy.backoff else delay
        self.spawn_within(now + delay, now + longest)

    # --- what people ask -------------------------------------------------------------------------------------

    def stop(self, now: float, *, signal: bool) -> bool:
        """The end is asked for; say whether by a second signal. Two in the same moment are one."""
        self.stop_asked = True
        if self.run is None:
            self.exit_code = 0
        if not signal:
            return False
        if self.signalled_at is None:
            self.signalled_at = now
        return now - self.signalled_at >= 0.05

    def restart(self, now: float) -> None:
        """A new run is asked for."""
        if self.stop_asked or self.exit_code is not None:
            return
        self.times = []
        self.paused = False
        self._fresh_start(now, restart=True)

    def pause(self, until: float | None) -> None:
        """A person works on it."""
        if self.stop_asked or self.exit_code is not None:
            return
        self.paused, self.paused_until = True, until
        if self.run is None:
            self.no_spawn()

    def resume(self, now: float) -> None:
        """The person is done, or the time is over."""
        if self.paused and self.exit_code is None:
            self.paused = False
            self._fresh_start(now, restart=False)

    def _fresh_start(self, now: float, *, restart: bool) -> None:
        if self.run is None:
            self.spawn_within(now, now)
            self.retrying = False
        elif restart:
            self.run.restart_wanted = True
        elif not self.run.is_ending:
            self.forgive(now)

    # --- signs of life ---------------------------------------------------------------------------------------

    def forgive(self, now: float) -> None:
        """All limits of the run start again."""
        if self.run is not None:
            self.run.earliest_from = self.run.latest_from = now

    def beat(self, source: Source, progress: str | None, now: float) -> None:
        """A sign of life of the present run was handed in."""
        run = self.run
        if run is None or run.is_ending or source not in self.policy.sources:
            return
        run.signs[source] = now
        run.freezes[source] = 0
        if run.progress_at is None or (progress is not None and progress != run.progress):
            run.progress, run.progress_at = progress, now
        if not self.judged and not self.policy.no_heartbeat:
            self.judged = True
            self.forgive(now)

    @property
    def is_healthy(self) -> bool:
        """Whether every needed sign has come."""
        run = self.run
        if run is None:
            return False
        if self.policy.alive_when is AliveWhen.ALL:
            return set(run.signs) >= self.policy.sources
        return bool(run.signs)

    def hang_at(self, counted_from: float) -> float:
        """When silence is a hang, if no limit counts from before ``counted_from``."""
        run, policy = self.run, self.policy
        if run is None or policy.no_heartbeat or self.paused or not self.judged:
            return inf
        if policy.alive_when is AliveWhen.ALL:
            needed = [run.signs.get(source) for source in policy.sources]
        else:
            needed = [max(run.signs.values(), default=None)]
        limits = [
            counted_from + policy.start_grace_s
            if at is None
            else max(at, counted_from) + policy.heartbeat_timeout_s
            for at in needed
        ]
        if policy.progress_key is not None and run.progress_at is not None:
            limits.append(max(run.progress_at, counted_from) + policy.progress_timeout_s)
        return min(limits)

    def earliest_hang(self) -> float:
        """Before this instant it is a false kill."""
        return inf if self.run is None else self.hang_at(self.run.earliest_from)

    def latest_hang(self) -> float:
        """After this instant a hang was missed."""
        return inf if self.run is None else self.hang_at(self.run.latest_from)
