"""All that can be done to a supervisor, for hypothesis to shuffle."""

from math import inf

from hypothesis import HealthCheck, Phase, event, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from model.choices import POLICIES, SHORT_TIMEOUTS, STATUSES, mostly, programs
from model.oracle import promise
from model.world import World
from watchdog_cli.core.events import (
    Adopted,
    Beat,
    Begin,
    By,
    ChildExited,
    ChildSpawned,
    Continued,
    DumpDone,
    HangDeclared,
    MemoryMeasured,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    SpawnFailed,
    StopAsked,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.phases import Backoff, GivenUp, Paused
from watchdog_cli.core.policy import Source
from watchdog_cli.core.record import ExitStatus, Run
from watchdog_cli.core.supervisor import deadline

# Deterministic, so that a red run is red for everybody; bounded, so that it ends on a slow machine.
BOUNDED = settings(
    max_examples=150,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
HUNT = settings(BOUNDED, max_examples=1500, phases=[Phase.generate], print_blob=False)


class Supervision(RuleBasedStateMachine):
    """One supervisor and everything that life does to it."""

    world: World
    make_world: type[World] = World
    policies = POLICIES
    parts = (1 / 2, 1 / 4, 1 / 2, None, 2.0)  # of the timeout: how often a program beats
    first_parts = (1 / 8, 1 / 2, 1 / 4, 2.0, None)  # of the grace: when it begins to
    one_stop_in = 3

    @rule()
    @precondition(lambda self: self.world.is_over)
    def nothing_more(self):
        """After the end nothing has a meaning."""
        self._expect_nothing(Tick())
        self._expect_nothing(RestartAsked())

    @initialize(
        data=st.data(),
        adopted=mostly(False, True),
        ever_beat=mostly(False, True),
        notices=mostly(True, False),
    )
    def begin(self, data, adopted, ever_beat, notices):
        """Start it, or let it take over what an earlier one left."""
        policy = data.draw(self.policies)
        ages = data.draw(st.sampled_from([(), (8.0, 4.0), (400.0, 1.0)])) if policy.max_restarts != 0 else ()
        program = data.draw(programs(policy, self.parts, self.first_parts))
        self.world = self.make_world(
            policy,
            program,
            times=tuple(1000.0 - age for age in ages),
            ever_beat=ever_beat,
            notices=notices,
            note=event,
        )
        if data.draw(mostly(False, True)) and not adopted:
            self.world.spawn_faults = [data.draw(mostly(True, False))]
        self.start_world(adopted=adopted)
        self.world.run_until(self.world.now)

    def start_world(self, *, adopted):
        """The first event."""
        self.world.begin(adopted=adopted)

    # --- time --------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0625, 0.25, 1.0, 8.0, 130.0]))
    @precondition(lambda self: not self.world.is_over)
    def wait(self, seconds):
        """Let time pass."""
        self._pass(seconds)

    def _pass(self, seconds):
        if self.world.oracle.is_healthy:  # more of the same teaches nothing and takes its time
            seconds = min(seconds, 24 * self.world.policy.heartbeat_timeout_s)
        self.world.run_until(self.world.now + seconds)

    @rule(grace=st.booleans(), timeouts=st.sampled_from([0.25, 0.5, 1.0, 2.0]))
    @precondition(lambda self: not self.world.is_over)
    def live(self, grace, timeouts):
        """Let a time pass that means something to this policy."""
        policy = self.world.policy
        self._pass(policy.start_grace_s * grace + policy.heartbeat_timeout_s * timeouts)

    @rule(times=st.integers(1, 12))
    @precondition(lambda self: not self.world.is_over)
    def jump_to_deadline(self, times):
        """Go on to the very instant of the next deadline, and again."""
        for _ in range(times):
            due = None if self.world.is_over else deadline(self.world.sup)
            if due is None:
                break
            self.world.run_until(max(due, self.world.now))

    @rule(seconds=st.sampled_from([0.25, 0.75, 2.0, 30.0, 600.0]), tree_too=st.booleans())
    @precondition(lambda self: not self.world.is_over)
    def freeze(self, seconds, tree_too):
        """Stop us, or the whole machine, for a while."""
        event("frozen with the program" if tree_too else "frozen alone")
        self.world.freeze(seconds, tree_too=tree_too)

    @rule(
        awake=st.sampled_from([1 / 4, 0, 7 / 16]),
        parts=st.lists(st.sampled_from([None, 1 / 8, 1 / 4, 5]), min_size=1, max_size=4),
    )
    @precondition(lambda self: not self.world.is_over)
    def freeze_in_proportion(self, awake, parts):
        """Stop the whole machine for times near to those that can just be seen."""
        timeout = self.world.policy.heartbeat_timeout_s
        for part in parts:
            tree = self.world.tree
            # Begin with a sign: what is left of the limit is known then.
            if tree is not None and tree.beats_at:
                self.world.run_until(max(self.world.now, min(tree.beats_at.values())))
            self.world.run_until(self.world.now + awake * timeout)
            just_unseen = timeout / 4 + max(0.5, timeout / 8)
            self.world.freeze(just_unseen if part is None else part * timeout, tree_too=True)

    @rule()
    @precondition(lambda self: not self.world.is_over)
    def go_on(self):
        """Somebody sends SIGCONT."""
        world = self.world
        if world.oracle.run is not None and not world.oracle.run.is_ending and not world.oracle.paused:
            world.oracle.forgive(world.now)
        world.feed(Continued())

    # --- the program -------------------------------------------------------------------------------------------

    @rule(status=STATUSES)
    @precondition(lambda self: self.world.is_up)
    def die(self, status):
        """The program ends by itself."""
        self._die(status)

    def _die(self, status):
        assert self.world.tree is not None
        self.world.tree.die(self.world.now, status)
        self.world.run_until(self.world.now)

    @rule(deaths=st.integers(2, 14))
    @precondition(lambda self: not self.world.is_over)
    def die_again_and_again(self, deaths):
        """Crash at once after each start."""
        for _ in range(deaths):
            if self.world.is_over:
                break
            if self.world.is_up:
                self._die(ExitStatus(code=1))
            else:
                self.jump_to_deadline(1)

    @rule(crashes=st.integers(0, 6), early=st.sampled_from([0.0, 0.0, 0.125, -0.125]))
    @precondition(lambda self: not self.world.is_over)
    def die_at_the_edge_of_the_window(self, crashes, early):
        """Crash at the instant at which the oldest restart is forgotten, or just beside it."""
        world = self.world
        self.die_again_and_again(crashes)
        if not world.oracle.times:
            return
        edge = world.oracle.times[0] + world.policy.restart_window_s - early
        far = edge - world.now > 80 * world.policy.heartbeat_timeout_s
        if edge >= world.now and not far:  # a thousand beats on the way teach nothing
            world.run_until(edge)
            if world.is_up:
                event(f"died {early} s before the edge of the window")
                self._die(ExitStatus(signal=11))

    @rule(until_found=st.booleans(), late_words=st.booleans(), continued=st.booleans())
    @precondition(lambda self: self.world.is_up)
    def hang(self, until_found, late_words, continued):
        """The program lives on without a sign, perhaps until that is found."""
        world = self.world
        assert world.tree is not None
        world.tree.fall_silent()
        if continued:
            self.live(False, 0.5)
            self.go_on()
        found_at = world.oracle.latest_hang()
        if until_found and found_at < inf:
            world.run_until(max(world.now, found_at))
            if late_words and world.earlier and not world.is_over:
                self.late_words_of_an_earlier_run()

    @rule(source=st.sampled_from(Source))
    @precondition(lambda self: self.world.is_up)
    def beat(self, source):
        """One more sign, from whatever source."""
        assert self.world.tree is not None
        self.world.beat(self.world.tree.beat_now(source, self.world.now))

    @rule()
    @precondition(lambda self: self.world.is_up)
    def declare_hang(self):
        """The program says itself that it is stuck."""
        world = self.world
        assert world.tree is not None
        world.declared = True
        world.feed(HangDeclared(world.tree.run.id))
        world.declared = False
        if not world.policy.no_heartbeat and not world.oracle.paused and not world.is_over:
            promise(not world.is_up, "it said that it is stuck, and was left alone")

    @rule(data=st.data())
    @precondition(lambda self: not self.world.is_over)
    def become_another(self, data):
        """The next runs behave in another way; some cannot be started at all."""
        self.world.program = data.draw(programs(self.world.policy, self.parts, self.first_parts))
        self.world.spawn_faults = data.draw(st.lists(st.booleans(), max_size=3))

    # --- people ------------------------------------------------------------------------------------------------

    @rule(
        by=st.sampled_from(By),
        now=mostly(False, True),
        seldom=st.integers(0, 11),
        then=st.lists(
            st.sampled_from(["signal", "restart", "signal", "command", "resume", "pause"]),
            min_size=1,
            max_size=3,
        ),
    )
    @precondition(lambda self: not self.world.is_over)
    def stop(self, by, now, seldom, then):
        """Ask for the end, and then for what would undo or hasten it."""
        if seldom % self.one_stop_in:
            return  # what comes after the end teaches nothing
        self._stop(by, now=now)
        for more in then:
            if more in ("signal", "command"):
                self.wait(0.0625)
                self._stop(By(more), now=False)
            elif more == "pause":
                self.pause(None)
            else:
                getattr(self, more)()

    def _stop(self, by, *, now):
        world = self.world
        impatient = world.oracle.stop(world.now, signal=by is By.SIGNAL) or now
        world.feed(StopAsked(by, now=now))
        run = world.oracle.run
        if run is not None:
            promise(run.is_ending, "asked to stop, and nothing followed")
            promise(not impatient or run.kill_at is not None, "a second signal did not shorten the stop")
            if impatient:
                event("stop shortened")
        world.run_until(world.now)

    @rule(until_healthy=st.booleans())
    @precondition(lambda self: not self.world.is_over)
    def restart(self, until_healthy=False):
        """Ask for a new run, and perhaps wait until it is one."""
        event(f"restart asked in {type(self.world.sup.phase).__name__}")
        self.world.oracle.restart(self.world.now)
        self.world.feed(RestartAsked())
        self.world.run_until(self.world.now)
        if until_healthy:
            self.live(True, 0.5)

    @rule(for_s=st.sampled_from([None, 8.0, 150.0, 0.0]), stopped=st.booleans())
    @precondition(lambda self: not self.world.is_over)
    def pause(self, for_s, stopped=False):
        """A person works on it, and perhaps holds the program still."""
        event(f"pause asked in {type(self.world.sup.phase).__name__}")
        self.world.oracle.pause(None if for_s is None else self.world.now + for_s)
        self.world.feed(PauseAsked(for_s))
        self.world.run_until(self.world.now)
        if stopped and self.world.is_up and self.world.tree is not None:
            self.world.tree.fall_silent()
            self.live(True, 1.0)

    @rule()
    @precondition(lambda self: not self.world.is_over)
    def resume(self):
        """The person is done."""
        if isinstance(self.world.sup.phase, Paused):
            event("resumed with nothing running")
        self.world.oracle.resume(self.world.now)
        self.world.feed(ResumeAsked())
        self.world.run_until(self.world.now)

    # --- nonsense ----------------------------------------------------------------------------------------------

    @rule()
    @precondition(lambda self: self.world.earlier)
    def late_words_of_an_earlier_run(self):
        """What an earlier run said arrives now; nothing may come of it."""
        old = self.world.earlier[-1].id
        event(f"late words in {type(self.world.sup.phase).__name__}")
        self._expect_nothing(Beat(Source.FILE, "9", old))
        self._expect_nothing(HangDeclared(old))
        self._expect_nothing(MemoryMeasured(10**12, old))
        self._expect_nothing(MemoryMeasured(10**12, old))
        self._expect_nothing(DumpDone(old))
        self._expect_nothing(ChildExited(old, ExitStatus(code=1)))
        self._expect_nothing(TreeEmpty(old))

    @rule(choice=st.integers(0, 3))
    @precondition(lambda self: not self.world.is_over)
    def answer_that_nobody_asked_for(self, choice):
        """Answers come without a question; nothing may come of them."""
        stranger = Run("feed", 99, 99)
        self._expect_nothing(
            (Begin(), Adopted(stranger), ChildSpawned(stranger), SpawnFailed("?", True))[choice]
        )

    def _expect_nothing(self, late):
        before = self.world.sup
        actions = self.world.feed(late)
        promise(actions == (), f"{late} led to {actions}")
        promise(type(before.phase) is type(self.world.sup.phase), f"{late} changed the phase")

    def teardown(self):
        """Say how far this history came, so that the next ones come further."""
        if hasattr(self, "world"):
            target(float(min(50, self.world.runs)), label="runs")
            if isinstance(self.world.sup.phase, Backoff | GivenUp):
                event(f"left in {type(self.world.sup.phase).__name__}")


class GoodPrograms(Supervision):
    """The corner of short timeouts and programs beyond reproach: there a kill is false, whatever we slept through."""

    policies = SHORT_TIMEOUTS
    parts = (1 / 2, 1 / 4)
    first_parts = (1 / 8, 1 / 2)
    one_stop_in = 12
