"""Start, take over, signal and reap one process tree on macOS.

There is no subreaper and no pidfd. An orphan goes to launchd, so the tree is the leader, whoever was seen below it
once and still lives, its process group and session, and everybody who carries its run id in the environment; the
system hides the environment of its own protected programs, and such a one is lost when it leaves the session *and* its
parent ends before we look. kqueue tells of the end of any process, with its exit status also when it is not our child.
A signal goes by number right after the identity was checked; what is left of the race is the time of two system calls,
and none for the leader that we started, whose number nobody gets before we have reaped it.
"""

import contextlib
import os
import signal
import subprocess

from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.launch import RUN_ID, Launch, child_environment
from watchdog_cli.adapters.macos import processes
from watchdog_cli.adapters.macos.inbox import Inbox
from watchdog_cli.adapters.spawn_fault import explain
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus, Run, one_line

__all__ = ["ChildTree", "Launch"]

KILL_ROUNDS = 8  # a tree that forks while it is killed needs several
SHOWN = 4  # survivors named one by one
SOON_MS = (
    20  # chosen: until the next look at one who is ending and tells no more; then twice as long each time
)
LATEST_MS = 1000

Key = tuple[int, int]  # pid and start ticks


class ChildTree:
    """The one process tree that we look after."""

    def __init__(self, inbox: Inbox, launch: Launch, *, is_init: bool) -> None:
        """Nothing is started yet.

        Args:
            is_init: never so here; launchd is the first process.
        """
        del is_init
        self._inbox = inbox
        self._launch = launch
        self._environment = child_environment(launch.extra)  # made once: it stands between an end and a start
        self._identity: Identity | None = None
        self._is_our_child = True
        self._leader_gone = True
        self._group_until: int | None = None  # start ticks after which its group may be somebody else's
        self._seen: set[Key] = set()  # members so far; one whose parent has ended cannot be found again by it
        self._told: set[Key] = set()
        self._watched: set[int] = set()
        self._leader_is_watched = False
        self._next_look_ms = SOON_MS
        self._look_is_due = False
        self.helpers: set[int] = set()  # children of ours that look at the tree and are not of it

    def notes_for_successor(self) -> dict[str, str]:
        """What an image of this process that goes on after an exec could not find out: nothing."""
        return {}

    @property
    def identity(self) -> Identity | None:
        """The present run, as long as anybody of it lives."""
        return self._identity

    # --- beginning ---------------------------------------------------------------------------------------

    def spawn(self, number: int, run_id: str) -> Run:
        """Start run ``number``.

        Raises:
            SpawnError: with a text for people, and whether trying again can help.
        """
        launch = self._launch
        environment = {**self._environment, RUN_ID: run_id}
        try:
            output = launch.output()
        except OSError as error:
            raise SpawnError(f"no descriptor for its output: {error.strerror}", transient=True) from error
        try:
            process = subprocess.Popen(
                launch.argv,
                cwd=launch.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise explain(error, launch.argv[0], launch.folder, environment) from error
        except ValueError as error:  # a NUL byte in an argument
            raise SpawnError(f"cannot start {launch.argv[0]!r}: {error}") from error
        finally:
            os.close(output)
        process.returncode = 0  # we reap it ourselves; the Popen object must not
        found = processes.stat(process.pid)  # a dead one is a zombie and still there: nobody else reaps it
        ticks = found.start_ticks if found else 0
        return self._begin(Identity(process.pid, ticks, run_id, number), is_our_child=True)

    def adopt(self, identity: Identity) -> Run:
        """Take over a run that an earlier watchdog, or an earlier image of this process, started."""
        found = processes.stat(identity.pid)
        lives = found is not None and found.start_ticks == identity.start_ticks
        is_our_child = lives and found is not None and found.parent == os.getpid()
        return self._begin(identity, is_our_child=is_our_child, lives=lives)

    def _begin(self, identity: Identity, *, is_our_child: bool, lives: bool = True) -> Run:
        self._identity = identity
        self._is_our_child = is_our_child
        self._leader_gone = False
        self._group_until = None if lives else -1
        self._seen.clear()
        self._told.clear()
        self._next_look_ms = SOON_MS
        self._leader_is_watched = lives and self._inbox.watch_process(identity.pid, self._on_leader_notice)
        if not self._leader_is_watched:
            self._look_soon()  # it is ending this very moment
        return Run(identity.run_id, identity.number, identity.pid)

    # --- ending ------------------------------------------------------------------------------------------

    def _look_soon(self) -> None:
        """Look again by the clock at one of whom kqueue tells nothing: it is ending already, or memory is short."""
        if not self._look_is_due:
            self._look_is_due = True
            self._inbox.call_after(self._next_look_ms, self._look_is_due_now)
            self._next_look_ms = min(2 * self._next_look_ms, LATEST_MS)

    def _look_is_due_now(self) -> None:
        self._look_is_due = False
        self.look()

    def look(self) -> None:
        """Notice an end that nobody has told us of yet."""
        identity = self._identity
        if identity is None:
            return
        if self._leader_gone:
            self._check_empty()
        elif self._is_our_child:
            if not self._reap_leader() and not self._leader_is_watched:
                self._look_soon()
        elif not processes.is_same(identity.pid, identity.start_ticks):
            self._on_leader_end(ExitStatus())
        elif not self._leader_is_watched:
            self._look_soon()

    def on_child_signal(self) -> None:
        """SIGCHLD: reap the leader, or see whether the tree is empty now."""
        if self._is_our_child or self._leader_gone:
            self.look()

    def _on_leader_notice(self, status: int | None) -> None:
        """Told by kqueue, for a child of ours a moment before it can be reaped."""
        identity = self._identity
        if identity is None or self._leader_gone:
            return
        if not self._is_our_child:
            self._on_leader_end(ExitStatus() if status is None else _status(status))
        else:
            self._leader_is_watched = (
                False  # it tells but once; SIGCHLD comes before the next look, as a rule
            )
            self.look()

    def _reap_leader(self) -> bool:
        identity = self._identity
        if identity is None or self._leader_gone:
            return True
        try:
            pid, status = os.waitpid(identity.pid, os.WNOHANG)
        except ChildProcessError:
            self._on_leader_end(ExitStatus())  # reaped by somebody else: nobody knows its code
            return True
        if pid:
            self._on_leader_end(_status(status))
        return pid != 0

    def _on_leader_end(self, status: ExitStatus) -> None:
        identity = self._identity
        if identity is None or self._leader_gone:
            return
        self._leader_gone = True
        self._inbox.forget_process(identity.pid)
        if self._group_until is None and not self._is_our_child:  # of a child of ours it is never asked
            self._group_until = processes.ticks_now()
        left = self._watch_members()
        if not left:
            self._forget()
        self._inbox.put(ChildExited(identity.run_id, status, left))

    def _check_empty(self) -> None:
        identity = self._identity
        if identity is not None and self._leader_gone and not self._watch_members():
            self._forget()
            self._inbox.put(TreeEmpty(identity.run_id))

    def _on_member_notice(self, pid: int) -> None:
        self._watched.discard(pid)
        self._check_empty()

    def _forget(self) -> None:
        self._identity = None
        for pid in self._watched:
            self._inbox.forget_process(pid)
        self._watched.clear()

    def _watch_members(self) -> int:
        """Be woken when a member ends; return how many there are."""
        alive = self.members()
        living = {one.pid for one in alive}
        for pid in self._watched - living:
            self._inbox.forget_process(pid)
        self._watched &= living
        is_ending = False
        for pid in living - self._watched:
            if self._inbox.watch_process(pid, lambda _, pid=pid: self._on_member_notice(pid)):  # type: ignore[misc]
                self._watched.add(pid)
            else:
                is_ending = True
        if is_ending:
            self._look_soon()
        return len(alive)

    # --- signals -----------------------------------------------------------------------------------------

    def terminate(self) -> None:
        """Ask the leader to end; a stopped one is woken, or it could not."""
        leader = self._leader()
        if leader is not None:
            self.members()  # whoever is below it now is known when it has ended
            self._ask(leader)

    def terminate_rest(self) -> None:
        """Ask everybody of the tree who was not asked yet."""
        for one in self.members():
            if (one.pid, one.start_ticks) not in self._told:
                self._ask(one)

    def kill(self) -> None:
        """Kill the whole tree, again and again until no new member turns up."""
        killed: set[Key] = set()
        for _ in range(KILL_ROUNDS):
            fresh = [one for one in self.members() if (one.pid, one.start_ticks) not in killed]
            if not fresh:
                break
            for one in fresh:
                _send(one, signal.SIGKILL)
                killed.add((one.pid, one.start_ticks))
        if self._leader_gone and self._identity is not None:
            self._watch_members()

    def send_to_leader(self, number: int) -> bool:
        """Send a signal that the leader is known to catch; False when it does not, or is stopped and could not."""
        leader = self._leader()
        if leader is None or leader.state == "T" or not processes.catches(leader.pid, number):
            return False
        return _send(leader, number)

    def pass_on(self, number: int) -> None:
        """Give the leader a signal that was sent to us and is meant for it."""
        leader = self._leader()
        if leader is not None:
            _send(leader, number)

    def _ask(self, one: processes.Stat) -> None:
        self._told.add((one.pid, one.start_ticks))
        _send(one, signal.SIGTERM)
        if one.state == "T":
            _send(one, signal.SIGCONT)

    # --- who is there ------------------------------------------------------------------------------------

    def _leader(self) -> processes.Stat | None:
        """The leader, if it lives or waits to be reaped."""
        identity = self._identity
        if identity is None or self._leader_gone:
            return None
        found = processes.stat(identity.pid)
        return found if found is not None and found.start_ticks == identity.start_ticks else None

    def members(self) -> list[processes.Stat]:
        """Everybody of the tree who lives, the leader first."""
        identity = self._identity
        if identity is None:
            return []
        everyone = processes.everybody()
        roots = {pid for pid, one in everyone.items() if self._is_root(one, identity)}
        found = (roots | processes.descendants(roots, everyone)) - {os.getpid(), *self.helpers}
        alive = [everyone[pid] for pid in found if not everyone[pid].is_zombie]
        self._seen = {(one.pid, one.start_ticks) for one in alive}
        return sorted(alive, key=lambda one: (one.pid != identity.pid, one.start_ticks, one.pid))

    def _is_root(self, one: processes.Stat, identity: Identity) -> bool:
        key = (one.pid, one.start_ticks)
        if key in self._seen or (not self._leader_gone and key == (identity.pid, identity.start_ticks)):
            return True
        if identity.pid in (one.session, one.group) and self._is_group_ours(one):
            return True
        return processes.environment_has(one.pid, os.fsencode(f"{RUN_ID}={identity.run_id}"))

    def _is_group_ours(self, one: processes.Stat) -> bool:
        """Whether this member of the leader's group got there through the leader, and not through a reused number."""
        return self._is_our_child or self._group_until is None or one.start_ticks <= self._group_until

    def survivors(self) -> list[str]:
        """Who still lives, as ``pid 12 (python)``; the first few."""
        alive = self.members()
        names = [f"pid {one.pid} ({one_line(one.name)})" for one in alive[:SHOWN]]
        return [*names, f"{len(alive) - SHOWN} more"] if len(alive) > SHOWN else names

    def resident_bytes(self) -> int:
        """Resident memory of the whole tree."""
        return sum(processes.resident_bytes(one.pid) for one in self.members())

    def is_member(self, pid: int) -> bool:
        """Whether ``pid`` is the leader or one of its descendants."""
        leader = self._identity.pid if self._identity else 0
        for _ in range(64):  # deeper trees do not beat
            if pid == leader:
                return True
            found = processes.stat(pid)
            if found is None or found.parent <= 1:
                return False
            pid = found.parent
        return False


def _send(one: processes.Stat, number: int) -> bool:
    """Send a signal to just this process, not to another one that got its number."""
    found = processes.stat(one.pid)
    if found is None or found.start_ticks != one.start_ticks:
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(one.pid, number)
        return True
    return False


def _status(status: int) -> ExitStatus:
    """What wait(2) gave, in our words."""
    code = os.waitstatus_to_exitcode(status)
    return ExitStatus(signal=-code) if code < 0 else ExitStatus(code=code)
