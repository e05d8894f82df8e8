"""A process tree where there are signals, sessions and parents: how it is begun and how it is asked to end."""

import os
import signal

from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.launch import RUN_ID, Launch
from watchdog_cli.adapters.procfs import Stat
from watchdog_cli.adapters.tree import InboxT, Tree
from watchdog_cli.core.record import Run

KILL_ROUNDS = 8  # a tree that forks while it is killed needs several
DEEPEST = 64  # deeper trees do not beat

Key = tuple[int, int]  # pid and start ticks


class PosixTree(Tree[InboxT]):
    """A system adds who belongs to the tree, how its ends are noticed, and how one process is signalled."""

    def __init__(self, inbox: InboxT, launch: Launch) -> None:
        """Nothing is started yet."""
        super().__init__(inbox, launch)
        self._is_our_child = True
        self._group_until: int | None = None  # start ticks after which its group may be somebody else's
        self._told: set[Key] = set()

    # --- beginning ---------------------------------------------------------------------------------------

    def spawn(self, number: int, run_id: str) -> Run:
        """Start run ``number``.

        Raises:
            SpawnError: with a text for people, and whether trying again can help.
        """
        process = self._start(self._launch.argv, {**self._environment, RUN_ID: run_id}, session=True)
        process.returncode = 0  # we reap it ourselves; the Popen object must not
        found = self.processes.stat(process.pid)  # a dead one is a zombie: nobody else reaps it
        ticks = found.start_ticks if found else 0
        return self._begin(Identity(process.pid, ticks, run_id, number), is_our_child=True)

    def adopt(self, identity: Identity) -> Run:
        """Take over a run that an earlier watchdog, or an earlier image of this process, started."""
        found = self.processes.stat(identity.pid)
        lives = found is not None and found.start_ticks == identity.start_ticks
        is_our_child = lives and found is not None and found.parent == os.getpid()
        return self._begin(identity, is_our_child=is_our_child, lives=lives)

    def _begin(self, identity: Identity, *, is_our_child: bool, lives: bool = True) -> Run:
        self._identity = identity
        self._is_our_child = is_our_child
        self._leader_gone = False
        self._group_until = None if lives else -1
        self._told.clear()
        self._watch_leader(identity.pid, lives=lives)
        return Run(identity.run_id, identity.number, identity.pid)

    def _watch_leader(self, pid: int, *, lives: bool) -> None:
        """Be woken when the leader ends; one who does not live is found out by ``look``."""
        raise NotImplementedError

    # --- ending ------------------------------------------------------------------------------------------

    def terminate(self) -> None:
        """Ask the leader to end; a stopped one is woken, or it could not."""
        leader = self._leader()
        if leader is not None:
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
                self._send(one, signal.SIGKILL)
                killed.add((one.pid, one.start_ticks))
        if self._leader_gone and self._identity is not None:
            self._watch_members()

    def send_to_leader(self, number: int) -> bool:
        """Send a signal that the leader is known to catch; False when it does not, or is stopped and could not."""
        leader = self._leader()
        if leader is None or leader.state in "Tt" or not self.processes.catches(leader.pid, number):
            return False
        return self._send(leader, number)

    def pass_on(self, number: int) -> None:
        """Give the leader a signal that was sent to us and is meant for it."""
        leader = self._leader()
        if leader is not None:
            self._send(leader, number)

    def _ask(self, one: Stat) -> None:
        self._told.add((one.pid, one.start_ticks))
        self._send(one, signal.SIGTERM)
        if one.state in "Tt":
            self._send(one, signal.SIGCONT)

    @staticmethod
    def _send(one: Stat, number: int) -> bool:
        """Send a signal to just this process, never to another one that got its number."""
        raise NotImplementedError

    # --- who is there ------------------------------------------------------------------------------------

    def _leader(self) -> Stat | None:
        """The leader, if it lives or waits to be reaped."""
        identity = self._identity
        if identity is None or self._leader_gone:
            return None
        found = self.processes.stat(identity.pid)
        return found if found is not None and found.start_ticks == identity.start_ticks else None

    def _watch_members(self) -> int:
        """Be woken when a member ends; return how many there are."""
        raise NotImplementedError

    def _is_group_ours(self, one: Stat) -> bool:
        """Whether this member of the leader's group got there through the leader, and not through a reused number."""
        return self._is_our_child or self._group_until is None or one.start_ticks <= self._group_until

    def is_member(self, pid: int) -> bool:
        """Whether ``pid`` is the leader or one of its descendants."""
        leader = self._identity.pid if self._identity else 0
        for _ in range(DEEPEST):
            if pid == leader:
                return True
            found = self.processes.stat(pid)
            if found is None or found.parent <= 1:
                return False
            pid = found.parent
        return False
