"""All that can be done to a supervisor under a lease."""

from dataclasses import replace

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from model.choices import POLICIES, mostly
from model.leased_world import LeasedWorld
from model.supervision import Supervision
from watchdog_cli.core.events import By
from watchdog_cli.core.lease import Hold, OnLost
from watchdog_cli.core.record import ExitStatus

MARGIN_S = st.sampled_from([4.0, 1.0, 0.0, 30.0])


class Leased(Supervision):
    """The corner in which others may run the program too."""

    world: LeasedWorld
    make_world = LeasedWorld
    policies = st.builds(
        lambda policy, lease: replace(policy, lease=lease), POLICIES, mostly(OnLost.STOP, OnLost.KEEP)
    )
    one_stop_in = 6

    @initialize(data=st.data(), adopted=mostly(False, True), ever_beat=mostly(False, True))
    def begin(self, data, adopted, ever_beat):
        """Start on standby, or with the program of the watchdog before us and perhaps its lease."""
        hold = Hold(1000.0 + 16.0, 1000.0 + 20.0) if data.draw(st.booleans()) else None
        self.first_hold = hold
        super().begin(data, adopted, ever_beat, True)

    def start_world(self, *, adopted):
        """As the shell does: what is still held is known before the first event."""
        if self.first_hold is not None and adopted:
            self.world.resume(self.first_hold)
        self.world.begin(adopted=adopted)

    @rule(for_s=st.sampled_from([600.0, 8.0, 1.0, 0.0, -8.0]), margin_s=MARGIN_S)
    @precondition(lambda self: not self.world.is_over)
    def renew(self, for_s, margin_s):
        """It is ours from now on, or for longer; or the news comes too late."""
        event(f"held in {type(self.world.sup.phase).__name__}")
        stop_at = self.world.now + for_s
        self.world.news(Hold(stop_at, stop_at + margin_s))

    @rule(times=st.integers(1, 6), every_s=st.sampled_from([0.5, 4.0]))
    @precondition(lambda self: not self.world.is_over)
    def keep_renewing(self, times, every_s):
        """As it is on most days."""
        for _ in range(times):
            if self.world.is_over:
                break
            self.world.news(Hold(self.world.now + 8.0, self.world.now + 12.0))
            self.wait(every_s)

    @rule(again=st.booleans(), while_it_ends=st.booleans())
    @precondition(lambda self: not self.world.is_over)
    def lose(self, again, while_it_ends):
        """Somebody else may have it."""
        if while_it_ends:
            self.restart()
        event(f"lost in {type(self.world.sup.phase).__name__}")
        self.world.news(None)
        if again and not self.world.is_over:
            self.world.news(None)

    @rule(
        beside=st.sampled_from([0.0, 0.0, -0.125, 0.125]),
        then=st.sampled_from(["die", "renew", "hang", "restart", "wait"] * 2 + ["stop"]),
        margin_s=MARGIN_S,
    )
    @precondition(lambda self: not self.world.is_over)
    def come_to_its_end(self, beside, then, margin_s):
        """What happens at the very instant at which it is over, or just beside it."""
        world = self.world
        at = world.now + 2.0 + beside
        world.news(Hold(world.now + 2.0, world.now + 2.0 + margin_s))
        if then == "die" and world.is_up and world.tree is not None:
            event("died at the end of the lease")
            world.tree.die(at, ExitStatus(code=1))
        world.run_until(at)
        if world.is_over:
            return
        match then:
            case "renew":
                self.renew(8.0, margin_s)
            case "hang" if world.is_up:
                self.hang(False, False, False)
            case "restart":
                self.restart()
            case "stop":
                self._stop(By.COMMAND, now=False)
        if not world.is_over:
            self.wait(margin_s)

    @rule(part=st.sampled_from([0.5, 1.0, 2.0]), tree_too=st.booleans())
    @precondition(lambda self: not self.world.is_over and self.world.oracle.hold is not None)
    def freeze_past_it(self, part, tree_too):
        """Wake when the lease may be somebody else's."""
        hold = self.world.oracle.hold
        assert hold is not None
        self.world.freeze(part * min(64.0, max(0.0, hold.end_by - self.world.now)), tree_too=tree_too)
