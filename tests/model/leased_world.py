"""The pretended world with a lease in it, and what must follow from that, said in the simplest words.

In stop mode the program lives under a hold or is being ended, and nothing of it lives after the end of its last hold.
"""

from collections.abc import Iterable
from dataclasses import replace

from model.oracle import Oracle, promise
from model.program import Beaten, Happening, LeaderEnded, TreeEnded
from model.world import World
from watchdog_cli.core import facts, lease_facts
from watchdog_cli.core.actions import Action, Kill, Terminate
from watchdog_cli.core.events import Event, LeaseHeld, LeaseLost
from watchdog_cli.core.lease import Hold, OnLost
from watchdog_cli.core.policy import Policy, Restart
from watchdog_cli.core.record import Cause, ExitStatus


class LeasedOracle(Oracle):
    """One more list: who may run."""

    def __init__(self, policy: Policy, now: float, times: Iterable[float], *, ever_beat: bool) -> None:
        """Nothing is held yet."""
        super().__init__(policy, now, times, ever_beat=ever_beat)
        self.hold: Hold | None = None
        self.doubted = False
        self.last_end_was_for_the_lease = False
        self.no_spawn()

    @property
    def may_sleep(self) -> bool:
        """A standby waits for news."""
        return self.hold is None or super().may_sleep

    def spawn_within(self, first: float, last: float) -> None:
        """Without a hold nothing may follow."""
        if self.hold is None:
            self.no_spawn()
        else:
            super().spawn_within(first, last)

    def may_spawn(self, now: float) -> None:
        """A start is asked for."""
        promise(self.hold is not None, "started without the lease")
        assert self.hold is not None
        in_time = now < self.hold.stop_at or self.policy.lease is OnLost.KEEP
        promise(in_time, "started under a lease that is over")
        super().may_spawn(now)

    # --- news ------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Time alone takes it away."""
        hold = self.hold
        if hold is None or now < hold.stop_at:
            return
        if self.policy.lease is OnLost.KEEP:
            self.doubted = True
        else:
            self._let_go(hold.end_by)

    def held(self, hold: Hold, now: float) -> None:
        """It is ours, or ours for longer."""
        if now >= hold.stop_at:
            return
        fresh, self.hold, self.doubted = self.hold is None, hold, False
        if fresh and self.run is None and not self.paused:
            self.spawn_within(now, now)

    def lost(self, now: float) -> None:
        """Somebody else may have it."""
        if self.hold is not None:
            self._let_go(now)
        elif self.run is not None:
            self.run.end_by = min(self.run.end_by, now)

    def adopted_without(self, now: float) -> None:
        """Nobody knows since when others may run."""
        assert self.run is not None
        self.run.lease_end, self.run.end_by = True, now

    def _let_go(self, end_by: float) -> None:
        self.hold = None
        if self.run is None:
            self.no_spawn()
            return
        self.run.end_by = end_by
        if not self.run.is_ending:
            self.run.lease_end = True

    # --- ends ------------------------------------------------------------------------------------------------

    def ended(self, now: float, status: ExitStatus) -> None:
        """An end for the lease's sake costs nothing."""
        run = self.run
        assert run is not None
        self.last_end_was_for_the_lease = run.lease_end
        if run.lease_end and not (self.stop_asked or self.paused or run.restart_wanted):
            self.run = None
            self.spawn_within(now, now)
        else:
            super().ended(now, status)

    def _after(self, now: float, *, code: int, clean: bool, smallest_delay: float = 0.0) -> None:
        policy = self.policy
        ends = policy.restart is Restart.NEVER or (policy.restart is Restart.ON_FAILURE and clean)
        if self.hold is None and not (self.stop_asked or self.paused or ends):
            self.no_spawn()
            return
        super()._after(now, code=code, clean=clean, smallest_delay=smallest_delay)


class LeasedWorld(World):
    """One of several machines."""

    make_oracle = LeasedOracle
    oracle: LeasedOracle

    def __init__(self, *given, **named) -> None:
        """Nothing has happened yet."""
        super().__init__(*given, **named)
        self.doubts = 0
        self._found_late = False

    def begin(self, *, adopted: bool = False) -> None:
        """An adopted program has no lease here, unless ``resume`` was called before."""
        if adopted and self.oracle.hold is None:
            self.note("adopted without the lease")
        super().begin(adopted=adopted)

    def resume(self, hold: Hold) -> None:
        """Go on with what the watchdog before us held."""
        self.sup = replace(self.sup, hold=hold)
        self.oracle.held(hold, self.now)

    def _new_tree(self):
        run = super()._new_tree()
        if self.oracle.hold is None:
            self.oracle.adopted_without(self.now)
        return run

    def news(self, hold: Hold | None) -> None:
        """A renewal was confirmed, or there will be none."""
        if hold is None:
            self.oracle.lost(self.now)
            self.feed(LeaseLost("gone"))
        else:
            self.oracle.held(hold, self.now)
            self.feed(LeaseHeld(hold))
        self.run_until(self.now)

    def feed(self, event: Event) -> tuple[Action, ...]:
        """Time comes first."""
        if not self.is_over:
            self.oracle.expire(self.now)
        return super().feed(event)

    def beat(self, beaten: Beaten) -> None:
        """A sign of a run that must end does not count."""
        self.oracle.expire(self.now)
        super().beat(beaten)

    def _hand_in(self, tree, happening: Happening) -> None:
        held = self.oracle.hold
        self.oracle.expire(self.now)
        # Only now, late, it is seen that the lease is over; and in the same moment that the program has ended.
        self._found_late = isinstance(happening, LeaderEnded | TreeEnded) and self.oracle.hold is not held
        super()._hand_in(tree, happening)
        self._found_late = False

    def _perform(self, action: Action) -> Event | None:
        assert not isinstance(action, Terminate | Kill) or self.tree is not None
        if self._found_late and self.tree is not None:
            nobody = isinstance(action, Terminate) and not self.tree.leader_lives
            if nobody or (isinstance(action, Kill) and self.tree.is_empty):
                return None  # it cannot know yet, and it hurts nobody
        return super()._perform(action)

    def _hear(self, fact: facts.Fact) -> None:
        match fact:
            case facts.Ended():
                promise(
                    (fact.ending.cause is Cause.LEASE) == self.oracle.last_end_was_for_the_lease,
                    f"an end was called {fact.ending.cause.value}",
                )
            case lease_facts.LeaseDoubtful():
                promise(self.oracle.doubted, "doubted without a reason")
                self.note("doubted")
            case lease_facts.LeaseGone() | lease_facts.StandbyBegun() | lease_facts.LeaseGained():
                self.note(fact.kind)
        super()._hear(fact)

    def check(self) -> None:
        """What holds after each step."""
        super().check()
        run, hold = self.oracle.run, self.oracle.hold
        if not self.is_over:
            promise((self.sup.hold is None) == (hold is None), "who holds the lease is seen differently")
            promise(run is None or run.is_ending or hold is not None, "it lives without the lease")

    def check_limits(self) -> None:
        """What holds whenever everything that is due was handled."""
        super().check_limits()
        run = self.oracle.run
        if run is not None and not self.is_over:
            promise(self.now < run.end_by or run.kill_at is not None, "it lives on after the lease")
