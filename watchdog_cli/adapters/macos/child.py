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

from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.launch import RUN_ID, Launch
from watchdog_cli.adapters.macos import processes
from watchdog_cli.adapters.macos.inbox import Inbox
from watchdog_cli.adapters.posix_tree import Key, PosixTree
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus

__all__ = ["ChildTree", "Launch"]

# Chosen: until the next look at one who is ending and tells no more; then twice as long each time.
SOON_MS = 20
LATEST_MS = 1000


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


class ChildTree(PosixTree[Inbox]):
    """The one process tree that we look after."""

    processes = processes
    _send = staticmethod(_send)

    def __init__(self, inbox: Inbox, launch: Launch, *, is_init: bool) -> None:
        """Nothing is started yet.

        Args:
            is_init: never so here; launchd is the first process.
        """
        del is_init
        super().__init__(inbox, launch)
        self._seen: set[Key] = set()  # members so far; one whose parent has ended cannot be found again by it
        self._watched: set[int] = set()
        self._leader_is_watched = False
        self._next_look_ms = SOON_MS
        self._look_is_due = False

    def _watch_leader(self, pid: int, *, lives: bool) -> None:
        self._seen.clear()
        self._next_look_ms = SOON_MS
        self._leader_is_watched = lives and self._inbox.watch_process(pid, self._on_leader_notice)
        if not self._leader_is_watched:
            self._look_soon()  # it is ending this very moment

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
            # It tells but once; SIGCHLD comes before the next look, as a rule.
            self._leader_is_watched = False
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

    # --- who is there ------------------------------------------------------------------------------------

    def terminate(self) -> None:
        """Ask the leader to end; whoever is below it now is known when it has ended."""
        self.members()
        super().terminate()

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
        return self._leader_first(alive, identity.pid)

    def _is_root(self, one: processes.Stat, identity: Identity) -> bool:
        key = (one.pid, one.start_ticks)
        if key in self._seen or (not self._leader_gone and key == (identity.pid, identity.start_ticks)):
            return True
        if identity.pid in (one.session, one.group) and self._is_group_ours(one):
            return True
        return processes.environment_has(one.pid, os.fsencode(f"{RUN_ID}={identity.run_id}"))
