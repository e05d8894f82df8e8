"""Start, take over, signal and reap one process tree on Linux.

The tree is the leader, its process group and every descendant, also one that called setsid: we are the subreaper of
all of them, so an orphan becomes our own child. Where others may be our children too (as the first process of a
container, or after ``job & exec watchdog run``) an orphan is ours by its group or by the run id in its environment;
so are the processes of a run that an earlier watchdog started. A signal goes through a pidfd that was opened before
the identity was checked, so it can never reach a stranger who got the same number.
"""

import contextlib
import os
import signal

from watchdog_cli.adapters import descriptors, libc, procfs
from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.adapters.launch import RUN_ID, Launch
from watchdog_cli.adapters.posix_tree import PosixTree
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus

__all__ = ["ChildTree", "Identity", "Launch"]

# Members of a tree whose end is waited for by descriptor; fewer where descriptors are short.
MOST_WATCHED = 256
MIXED = "_TRACKER_WATCHDOG_MIXED"  # set across the exec of an upgrade, for ourselves only


def _send(one: procfs.Stat, number: int) -> bool:
    """Send a signal to just this process, never to another one that got its number."""
    try:
        descriptor = os.pidfd_open(one.pid)
    except OSError:
        return False
    try:
        found = procfs.stat(one.pid)
        if found is None or found.start_ticks != one.start_ticks:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(descriptor)
    return True


def _status(code: int, status: int) -> ExitStatus:
    if code == os.CLD_EXITED:
        return ExitStatus(code=status)
    return ExitStatus(signal=status)


class ChildTree(PosixTree[Inbox]):
    """The one process tree that we look after."""

    processes = procfs
    _send = staticmethod(_send)

    def __init__(self, inbox: Inbox, launch: Launch, *, is_init: bool) -> None:
        """Nothing is started yet.

        Args:
            is_init: we are the first process of our world and get everybody's orphans.
        """
        super().__init__(inbox, launch)
        self._is_mixed = is_init or _had_children()
        self._leader_fd: int | None = None
        self._watched: dict[int, int] = {}  # pid -> pidfd
        try:
            libc.become_subreaper()
            self._holds_orphans = True
        except OSError:
            self._holds_orphans = is_init

    def notes_for_successor(self) -> dict[str, str]:
        """What an image of this process that goes on after an exec could not find out, as environment entries."""
        return {MIXED: "1" if self._is_mixed else "0"}

    @property
    def owns_all_children(self) -> bool:
        """Whether every child of this process belongs to the tree, helpers aside."""
        return self._holds_orphans and not self._is_mixed

    def _watch_leader(self, pid: int, *, lives: bool) -> None:
        if lives:
            # An adopted one ended this very moment; look() finds out.
            with contextlib.suppress(ProcessLookupError):
                self._leader_fd = os.pidfd_open(pid)
                self._inbox.register(self._leader_fd, self._on_leader_fd)

    # --- ending ------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Notice an end that nobody has told us of yet."""
        if self._identity is None:
            return
        if not self._leader_gone:
            if self._leader_fd is None:
                self._on_leader_end(ExitStatus())
            else:
                self._on_leader_fd()
        else:
            self._check_empty()

    def on_child_signal(self) -> None:
        """SIGCHLD: reap every stranger and orphan, and see whether the tree is empty now."""
        self._reap_strays()
        if self._identity is not None and self._leader_gone:
            self._check_empty()

    def _on_leader_fd(self) -> None:
        if self._leader_fd is None or self._leader_gone:
            return
        if not self._is_our_child:
            found = self._identity
            if found is None or procfs.is_same(found.pid, found.start_ticks):
                return
            self._on_leader_end(ExitStatus())
            return
        try:
            result = os.waitid(os.P_PIDFD, self._leader_fd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            self._on_leader_end(ExitStatus())  # reaped by somebody else: nobody knows its code
            return
        if result is not None:
            self._on_leader_end(_status(result.si_code, result.si_status))

    def _on_leader_end(self, status: ExitStatus) -> None:
        if self._identity is None or self._leader_gone:
            return
        self._leader_gone = True
        if self._group_until is None and not self._is_our_child:  # of a child of ours it is never asked
            self._group_until = procfs.ticks_now()
        self._close_leader_fd()
        run_id = self._identity.run_id
        left = self._left()
        if not left:
            self._forget()
        self._inbox.put(ChildExited(run_id, status, left))

    def _check_empty(self) -> None:
        if self._identity is None:
            return
        run_id = self._identity.run_id
        if not self._left():
            self._forget()
            self._inbox.put(TreeEmpty(run_id))

    def _forget(self) -> None:
        self._identity = None
        for pid in list(self._watched):
            self._unwatch(pid)
        self._reap_strays()  # whoever died between the two looks: when we end now, nobody else may reap it

    def _close_leader_fd(self) -> None:
        if self._leader_fd is not None:
            self._inbox.unregister(self._leader_fd)
            os.close(self._leader_fd)
            self._leader_fd = None

    # --- who is there ------------------------------------------------------------------------------------

    def members(self) -> list[procfs.Stat]:
        """Everybody of the tree who lives, the leader first."""
        identity = self._identity
        if identity is None:
            return []
        everyone = procfs.everybody()
        roots = self._roots(identity, everyone)
        found = roots | procfs.descendants(roots, everyone)
        found -= {os.getpid(), *self.helpers}
        alive = [everyone[pid] for pid in found if pid in everyone and not everyone[pid].is_zombie]
        return self._leader_first(alive, identity.pid)

    def _roots(self, identity: Identity, everyone: dict[int, procfs.Stat]) -> set[int]:
        roots = set()
        leader = everyone.get(identity.pid)
        if not self._leader_gone and leader is not None and leader.start_ticks == identity.start_ticks:
            roots.add(identity.pid)
        if self._is_our_child and self.owns_all_children:
            me = os.getpid()  # all our children are of the tree: the leader, and its orphans
            roots.update(one.pid for one in everyone.values() if one.parent == me)
            return roots
        marker = os.fsencode(f"{RUN_ID}={identity.run_id}")
        for one in everyone.values():
            in_group = identity.pid in (one.session, one.group) and self._is_group_ours(one)
            if in_group or procfs.environment_has(one.pid, marker):
                roots.add(one.pid)
        return roots

    def _left(self) -> int:
        """How many of the tree live, each watched from now on; told by one call where the kernel knows of nobody.

        The list of all processes is not of one moment: whoever is handed over to us while it is read is below nobody
        in it. So only a second list without anybody counts.
        """
        if self._is_our_child and self._holds_orphans and not self._reap_strays():
            return 0
        return self._watch_members() or self._watch_members()

    def _reap_strays(self) -> bool:
        """Reap all dead children but the leader; return whether any child is left, dead or alive."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if found is None:
                return True
            if not self._leader_gone and self._identity is not None and found.si_pid == self._identity.pid:
                self._on_leader_fd()
                return True
            with contextlib.suppress(ChildProcessError):  # a helper may be collected by whoever started it
                os.waitid(os.P_PID, found.si_pid, os.WEXITED | os.WNOHANG)

    def _watch_members(self) -> int:
        """Be woken when a member ends; return how many there are."""
        alive = self.members()
        living = {one.pid for one in alive}
        for pid in [pid for pid in self._watched if pid not in living]:
            self._unwatch(pid)
        for one in alive[: descriptors.share(MOST_WATCHED)]:
            if one.pid not in self._watched:
                try:
                    descriptor = os.pidfd_open(one.pid)
                except OSError:
                    continue  # it has just ended, or descriptors are short: SIGCHLD and the kill rounds remain
                self._watched[one.pid] = descriptor
                self._inbox.register(descriptor, self._check_empty)
        return len(alive)

    def _unwatch(self, pid: int) -> None:
        descriptor = self._watched.pop(pid)
        self._inbox.unregister(descriptor)
        os.close(descriptor)


def _had_children() -> bool:
    """Whether we are the parent of processes that no tree of ours began, as after ``job & exec watchdog run``."""
    handed_over = os.environ.pop(MIXED, "")
    if handed_over:
        return handed_over == "1"
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
