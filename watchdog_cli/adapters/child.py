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
import subprocess

from watchdog_cli.adapters import descriptors, libc, procfs
from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.adapters.launch import RUN_ID, Launch, child_environment
from watchdog_cli.adapters.spawn_fault import explain
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus, Run, one_line

KILL_ROUNDS = 8  # a tree that forks while it is killed needs several
SHOWN = 4  # survivors named one by one
MOST_WATCHED = (
    256  # members of a tree whose end is waited for by descriptor; fewer where descriptors are short
)
MIXED = "_TRACKER_WATCHDOG_MIXED"  # set across the exec of an upgrade, for ourselves only


class ChildTree:
    """The one process tree that we look after."""

    def __init__(self, inbox: Inbox, launch: Launch, *, is_init: bool) -> None:
        """Nothing is started yet.

        Args:
            is_init: we are the first process of our world and get everybody's orphans.
        """
        self._inbox = inbox
        self._launch = launch
        self._is_mixed = is_init or _had_children()
        self._environment = child_environment(launch.extra)  # made once: it stands between an end and a start
        self._identity: Identity | None = None
        self._leader_fd: int | None = None
        self._is_our_child = True
        self._leader_gone = True
        self._group_until: int | None = (
            None  # start ticks after which its group number may be somebody else's
        )
        self._told: set[tuple[int, int]] = set()
        self._watched: dict[int, int] = {}  # pid -> pidfd
        self.helpers: set[int] = set()  # children of ours that look at the tree and are not of it
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
        process.returncode = 0  # we reap it ourselves, by its pidfd; the Popen object must not
        found = procfs.stat(process.pid)  # a dead one is a zombie and still there: nobody else reaps it
        ticks = found.start_ticks if found else 0
        return self._begin(Identity(process.pid, ticks, run_id, number), is_our_child=True)

    def adopt(self, identity: Identity) -> Run:
        """Take over a run that an earlier watchdog, or an earlier image of this process, started."""
        found = procfs.stat(identity.pid)
        lives = found is not None and found.start_ticks == identity.start_ticks
        is_our_child = lives and found is not None and found.parent == os.getpid()
        return self._begin(identity, is_our_child=is_our_child, lives=lives)

    def _begin(self, identity: Identity, *, is_our_child: bool, lives: bool = True) -> Run:
        self._identity = identity
        self._is_our_child = is_our_child
        self._leader_gone = False
        self._group_until = None if lives else -1
        self._told.clear()
        if lives:
            try:
                self._leader_fd = os.pidfd_open(identity.pid)
            except ProcessLookupError:
                self._leader_fd = None  # an adopted one ended this very moment; look() finds out
        if self._leader_fd is not None:
            self._inbox.register(self._leader_fd, self._on_leader_fd)
        return Run(identity.run_id, identity.number, identity.pid)

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
        if self._is_empty():
            self._forget()
            self._inbox.put(ChildExited(run_id, status))
            return
        left = self._watch_members()
        if not left:  # the last one ended between the two looks
            self._forget()
        self._inbox.put(ChildExited(run_id, status, left))

    def _check_empty(self) -> None:
        if self._identity is None:
            return
        run_id = self._identity.run_id
        if self._is_empty() or not self._watch_members():
            self._forget()
            self._inbox.put(TreeEmpty(run_id))

    def _forget(self) -> None:
        self._identity = None
        for pid in list(self._watched):
            self._unwatch(pid)

    def _close_leader_fd(self) -> None:
        if self._leader_fd is not None:
            self._inbox.unregister(self._leader_fd)
            os.close(self._leader_fd)
            self._leader_fd = None

    # --- signals -----------------------------------------------------------------------------------------

    def terminate(self) -> None:
        """Ask the leader to end; a stopped one is woken, or it could not."""
        identity = self._identity
        if identity is not None and not self._leader_gone:
            found = procfs.stat(identity.pid)
            if found is not None and found.start_ticks == identity.start_ticks:
                self._ask(found)

    def terminate_rest(self) -> None:
        """Ask everybody of the tree who was not asked yet."""
        for one in self.members():
            if (one.pid, one.start_ticks) not in self._told:
                self._ask(one)

    def kill(self) -> None:
        """Kill the whole tree, again and again until no new member turns up."""
        killed: set[tuple[int, int]] = set()
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
        identity = self._identity
        if identity is None or self._leader_gone or not procfs.catches(identity.pid, number):
            return False
        found = procfs.stat(identity.pid)
        if found is None or found.start_ticks != identity.start_ticks or found.state in "Tt":
            return False
        return _send(found, number)

    def pass_on(self, number: int) -> None:
        """Give the leader a signal that was sent to us and is meant for it."""
        identity = self._identity
        if identity is not None and not self._leader_gone:
            found = procfs.stat(identity.pid)
            if found is not None and found.start_ticks == identity.start_ticks:
                _send(found, number)

    def _ask(self, one: procfs.Stat) -> None:
        self._told.add((one.pid, one.start_ticks))
        _send(one, signal.SIGTERM)
        if one.state in "Tt":
            _send(one, signal.SIGCONT)

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
        return sorted(alive, key=lambda one: (one.pid != identity.pid, one.start_ticks, one.pid))

    def _roots(self, identity: Identity, everyone: dict[int, procfs.Stat]) -> set[int]:
        roots = set()
        leader = everyone.get(identity.pid)
        if not self._leader_gone and leader is not None and leader.start_ticks == identity.start_ticks:
            roots.add(identity.pid)
        if self._is_our_child and self._holds_orphans and not self._is_mixed:
            me = os.getpid()  # all our children are of the tree: the leader, and its orphans
            roots.update(one.pid for one in everyone.values() if one.parent == me)
            return roots
        marker = os.fsencode(f"{RUN_ID}={identity.run_id}")
        for one in everyone.values():
            in_group = identity.pid in (one.session, one.group) and self._is_group_ours(one)
            if in_group or procfs.environment_has(one.pid, marker):
                roots.add(one.pid)
        return roots

    def _is_group_ours(self, one: procfs.Stat) -> bool:
        """Whether this member of the leader's group got there through the leader, and not through a reused number."""
        return self._is_our_child or self._group_until is None or one.start_ticks <= self._group_until

    def _is_empty(self) -> bool:
        """Whether nobody of the tree is left; cheap where the kernel can answer it in one call."""
        if self._is_our_child and self._holds_orphans:
            has_children = self._reap_strays()
            if not has_children:
                return True
            if not self._is_mixed and not self.helpers:
                return False
        return not self.members()

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

    def survivors(self) -> list[str]:
        """Who still lives, as ``pid 12 (python)``; the first few."""
        alive = self.members()
        names = [f"pid {one.pid} ({one_line(one.name)})" for one in alive[:SHOWN]]
        return [*names, f"{len(alive) - SHOWN} more"] if len(alive) > SHOWN else names

    def resident_bytes(self) -> int:
        """Resident memory of the whole tree."""
        return sum(procfs.resident_bytes(one.pid) for one in self.members())

    def is_member(self, pid: int) -> bool:
        """Whether ``pid`` is the leader or one of its descendants."""
        leader = self._identity.pid if self._identity else 0
        for _ in range(64):  # deeper trees do not beat
            if pid == leader:
                return True
            found = procfs.stat(pid)
            if found is None or found.parent <= 1:
                return False
            pid = found.parent
        return False


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
