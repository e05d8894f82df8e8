"""A pretended world around the real core: it performs what the core asks for and watches each promise.

Time passes only here. Awake, everything is handed in at the very instant at which it happens; frozen, late and all
at once, as a real shell would find it: ends first, then signs, then the deadline.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

from model.good_program import count_freeze, is_good
from model.oracle import BrokenPromiseError, Oracle, RunOracle, promise
from model.program import Beaten, Dumped, Happening, LeaderEnded, Program, Tree, TreeEnded
from watchdog_cli.core import facts, machine, supervisor
from watchdog_cli.core.actions import (
    Action,
    Dump,
    Kill,
    MeasureMemory,
    Report,
    Spawn,
    Terminate,
    TerminateRest,
)
from watchdog_cli.core.events import (
    Adopted,
    Beat,
    Begin,
    ChildExited,
    ChildSpawned,
    DumpDone,
    Event,
    MemoryMeasured,
    SpawnFailed,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.phases import Stopped, Stopping, Up
from watchdog_cli.core.policy import Policy, Source
from watchdog_cli.core.record import Run

TICKS_AT_ONE_INSTANT = 6  # a pause that ends, a stage, a start, its deadline; more is a busy loop


class World:
    """One supervisor, its program, and the oracle beside them."""

    make_oracle: type[Oracle] = Oracle

    def __init__(
        self,
        policy: Policy,
        program: Program,
        *,
        times: tuple[float, ...] = (),
        ever_beat: bool = False,
        notices: bool = True,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Nothing has happened yet. Without ``notices`` only a look at the file finds its beats."""
        self.policy = policy
        self.program = program
        self.now = 1000.0
        self.notices = notices
        self.note = note
        self.sup = supervisor.new(policy, window=times, ever_beat=ever_beat)
        self.oracle = self.make_oracle(policy, self.now, times, ever_beat=ever_beat)
        self.tree: Tree | None = None
        self.earlier: list[Run] = []
        self.spawn_faults: list[bool] = []  # for the next starts: is it transient?
        self.unseen: Beaten | None = None
        self.declared = False
        self.told_gave_up = 0
        self.runs = 0

    # --- handing in --------------------------------------------------------------------------------------------

    def begin(self, *, adopted: bool = False) -> None:
        """Start, with nothing running or with a child that an earlier supervisor left behind."""
        if not adopted:
            self.feed(Begin())
            return
        self.oracle.no_spawn()
        run = self._new_tree()
        self.feed(Adopted(run, silence_judged=self.program.file_lies_there))

    def feed(self, event: Event) -> tuple[Action, ...]:
        """Step, perform, feed the answers, and check what must hold at any time."""
        if (
            isinstance(event, Tick)
            and self.oracle.paused_until is not None
            and self.now >= self.oracle.paused_until
        ):
            if self.oracle.paused:
                self.note("a pause ended by itself")
            self.oracle.paused_until = None
            self.oracle.resume(self.now)
        self.sup = replace(self.sup, polling=not self.notices)
        todo: list[Event] = [event]
        first: tuple[Action, ...] | None = None
        while todo:
            self.sup, actions = machine.step(self.sup, todo.pop(0), self.now)
            first = actions if first is None else first
            for action in actions:
                answer = self._perform(action)
                if answer is not None:
                    todo.append(answer)
        self.check()
        return first or ()

    def _perform(self, action: Action) -> Event | None:
        match action:
            case Report(fact=fact):
                self._hear(fact)
            case Spawn():
                return self._spawn()
            case MeasureMemory():
                rss = self._living().program.rss
                run = self._run_oracle()
                over = self.policy.memory_limit is not None and rss > self.policy.memory_limit
                run.over_memory = run.over_memory + 1 if over else 0
                return MemoryMeasured(rss)
            case Dump():
                self._run_oracle().dump_at = self.now
                takes = self._living().program.dump_takes_s
                self._living().dump_at = inf if takes is None else self.now + takes
            case Terminate():
                promise(self._living().leader_lives, "asked a leader that is gone")
                run = self._run_oracle()
                run.asked_at = run.leader_asked_at = self.now
                self._living().asked(self.now)
            case TerminateRest():
                self._terminate_rest()
            case Kill():
                self._run_oracle().kill_at = self.now
                self._living().killed(self.now)
                self.note("killed")
        return None

    def _terminate_rest(self) -> None:
        run, tree = self._run_oracle(), self._living()
        if tree.leader_lives:
            promise(run.leader_asked_at is not None, "helpers were asked before the leader")
            assert run.leader_asked_at is not None
            grace = min(self.policy.stop_timeout_s, run.end_by - run.leader_asked_at)
            half = run.leader_asked_at + grace / 2
            promise(self.now >= half, "helpers were asked before the leader had half its time")
        if run.asked_at is None:
            run.asked_at = self.now
        tree.rest_asked(self.now)

    def _living(self) -> Tree:
        promise(self.tree is not None and not self.tree.is_empty, "acted on a tree that is gone")
        assert self.tree is not None
        return self.tree

    def _run_oracle(self) -> RunOracle:
        assert self.oracle.run is not None
        return self.oracle.run

    def _spawn(self) -> Event:
        promise(self.tree is None or self.tree.is_empty, "two children at a time")
        self.oracle.may_spawn(self.now)
        if self.spawn_faults:
            transient = self.spawn_faults.pop()
            self.note(f"spawn failed, {'transient' if transient else 'final'}")
            self.oracle.spawn_failed(self.now, transient=transient)
            return SpawnFailed("no such thing", transient)
        run = self._new_tree()
        return ChildSpawned(run, silence_judged=self.program.file_lies_there)

    def _new_tree(self) -> Run:
        self.runs += 1
        run = Run(f"{self.runs:08x}", self.runs, 100 + self.runs)
        if self.tree is not None:
            self.earlier.append(self.tree.run)
        self.tree = Tree(run, self.program, self.now)
        self.oracle.lives(self.now, file_lies_there=self.program.file_lies_there)
        self.unseen = None
        self.declared = False
        return run

    # --- what is told ------------------------------------------------------------------------------------------

    def _hear(self, fact: facts.Fact) -> None:
        oracle = self.oracle
        match fact:
            case facts.HangFound():
                self._on_hang_found()
                self.note(f"hang: {fact.ending.cause.value}")
            case facts.MemoryExceeded():
                promise(not oracle.paused, "ended for memory while paused")
                promise(self._run_oracle().over_memory >= 2, "ended for memory after one look")
                self._run_oracle().replacing = True
                oracle.incident = True
                self.note("memory")
            case facts.Recovered():
                promise(oracle.incident, "a recovery was told twice, or without an incident")
                oracle.incident = False
                self.note("recovered")
            case facts.FirstSign():
                promise(oracle.is_healthy, "health was told before the signs came")
            case facts.Unheard():
                oracle.unheard += 1
                promise(oracle.unheard == 1, "that there is no heartbeat was told twice")
                promise(not oracle.judged, "told that silence is not judged, but it is")
                self.note("unheard")
            case facts.GaveUp():
                self.told_gave_up += 1
                promise(self.told_gave_up == oracle.gave_up, "gave up too early")
                self.note("gave up")
            case facts.OwnPause():
                self.note("own pause")
            case facts.LeftBehind():
                self.note("left behind")

    def _on_hang_found(self) -> None:
        oracle, run = self.oracle, self._run_oracle()
        promise(not oracle.paused, "judged while paused")
        promise(not run.is_ending, "a hang was found twice")
        if not self.declared:
            early = oracle.earliest_hang() - self.now
            promise(early <= 0, f"called frozen too early by {early} s")
            promise(
                not is_good(self._living(), self.policy) or run.unlucky,
                "a false kill: it beat twice per timeout",
            )
        run.replacing = True
        oracle.incident = True

    # --- time --------------------------------------------------------------------------------------------------

    def run_until(self, end: float) -> None:
        """Be awake until ``end``: everything is handled at its own instant."""
        ticks, instant = 0, -inf
        while not self.is_over:
            happens = self.tree.next_at() if self.tree is not None else inf
            due = supervisor.deadline(self.sup)
            at = max(self.now, min(happens, inf if due is None else due))
            if at > end:
                break
            self.now = at
            if happens <= at:
                self._deliver()
                continue
            ticks = ticks + 1 if instant == at else 1
            instant = at
            promise(ticks <= TICKS_AT_ONE_INSTANT, "a busy loop: the deadline stays in the past")
            self._tick()
        self.now = max(self.now, end)
        self.check_limits()

    def _deliver(self) -> None:
        tree = self.tree
        if tree is None:
            return
        for happening in tree.happen(self.now):
            self._hand_in(tree, happening)

    def _hand_in(self, tree: Tree, happening: Happening) -> None:
        oracle, run = self.oracle, self.oracle.run
        match happening:
            case LeaderEnded(status=status, left=left):
                assert run is not None
                if not run.is_ending:
                    run.own_end, run.left_helpers = True, left > 0
                if left == 0:
                    oracle.ended(self.now, status)
                self.feed(ChildExited(tree.run.id, status, left))
            case TreeEnded():
                oracle.ended(self.now, tree.status)
                self.feed(TreeEmpty(tree.run.id))
            case Beaten() if happening.source is Source.FILE and not self.notices:
                self.unseen = happening
            case Beaten():
                self.beat(happening)
            case Dumped():
                self.feed(DumpDone())

    def beat(self, beaten: Beaten) -> None:
        """Hand in a sign of life of the present run."""
        progress = beaten.progress if beaten.source is Source.FILE else None
        self.oracle.beat(beaten.source, progress, self.now)
        healthy = self.oracle.is_healthy
        self.feed(Beat(beaten.source, progress, None if self.tree is None else self.tree.run.id))
        if healthy and self.oracle.run is not None and not self.oracle.run.is_ending:
            promise(not self.oracle.incident, "healthy again, but nobody was told")

    def _tick(self) -> None:
        """A deadline has come: one more look at the file, then time decides."""
        if self.unseen is not None and isinstance(self.sup.phase, Up):
            beaten, self.unseen = self.unseen, None
            self.beat(beaten)
        else:
            self.feed(Tick())

    def freeze(self, for_s: float, *, tree_too: bool) -> None:
        """Nobody supervises for a while; with ``tree_too`` the program did not run either."""
        tree, run = self.tree, self.oracle.run
        if tree is not None and not tree.is_empty and run is not None and tree_too:
            count_freeze(run, tree, self.policy, for_s)
            tree.freeze(for_s)
        self.now += for_s
        if run is not None and not run.is_ending:
            run.latest_from = self.now
        self._deliver()
        self.run_until(self.now)

    # --- what must hold ----------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether the supervisor has ended."""
        return supervisor.is_over(self.sup)

    @property
    def is_up(self) -> bool:
        """Whether a run lives and was not asked to end."""
        run = self.oracle.run
        return self.tree is not None and self.tree.leader_lives and run is not None and not run.is_ending

    def check(self) -> None:
        """What holds after each step."""
        sup, oracle = self.sup, self.oracle
        lives = self.tree is not None and not self.tree.is_empty
        if isinstance(sup.phase, Stopped):
            promise(not lives, "ended with a child alive")
            promise(oracle.exit_code is not None, f"ended without a reason (code {sup.phase.exit_code})")
            promise(
                oracle.exit_code == sup.phase.exit_code, f"code {sup.phase.exit_code} for {oracle.exit_code}"
            )
            return
        promise(oracle.exit_code is None, f"did not end with code {oracle.exit_code}")
        promise(lives == isinstance(sup.phase, Up | Stopping), f"child lives: {lives}, but phase {sup.phase}")
        promise(self.told_gave_up == oracle.gave_up, "did not give up at the cap")
        due = supervisor.deadline(sup)
        if not lives:
            promise(due is not None or oracle.may_sleep, "a dead child leaves no deadline")
        run = oracle.run
        if run is not None and run.is_ending:
            promise(isinstance(sup.phase, Stopping), "an end that was begun was forgotten")
            promise(due is not None, "a stop without a deadline")
        if oracle.latest_hang() < inf and not (run is not None and run.is_ending):
            promise(due is not None, "a judged child without a deadline")
        promise(sup.restarts == oracle.total, f"{sup.restarts} restarts counted for {oracle.total}")
        recent = [at for at in oracle.times if self.now - at < self.policy.restart_window_s]
        promise(sup.window.count(self.now) == len(recent), "the window counts differently")

    def check_limits(self) -> None:
        """What holds whenever everything that is due was handled."""
        oracle, run, now = self.oracle, self.oracle.run, self.now
        if self.is_over:
            return
        if run is None:
            late = oracle.spawn_until is not None and now > oracle.spawn_until
            promise(not late, "a start that was due did not come")
            return
        if not run.is_ending:
            promise(now < oracle.latest_hang(), "a hang was missed")
            settled = (
                not oracle.judged and not oracle.paused and now >= run.latest_from + self.policy.start_grace_s
            )
            promise(not (settled and oracle.incident), "it lived through its grace, but nobody was told")
        elif run.kill_at is not None:
            promise(now < run.kill_at + 1.0, "the kill was not repeated")
        elif run.asked_at is not None:
            promise(now < run.asked_at + self.policy.stop_timeout_s, "the kill deadline was forgotten")
        elif run.dump_at is not None:
            promise(now < run.dump_at + self.policy.dump_timeout_s, "the dump takes for ever")


__all__ = ["BrokenPromiseError", "World"]
