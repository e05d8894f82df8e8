"""What an earlier watchdog left behind: a living child, orphans of its tree, or only its memory."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from watchdog_cli.adapters import foreign_json, log_reader, state_file
from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.launch import RUN_ID
from watchdog_cli.adapters.system import marked, processes
from watchdog_cli.core.errors import AlreadyRunningError, IdentityUnknownError
from watchdog_cli.core.settings import Settings
from watchdog_cli.core.snapshot import Snapshot
from watchdog_cli.wiring.places import Places
from watchdog_kit.records import dataclass

JOB_ENDS_S = 5.0
LOOK_S = 0.02
JOURNAL_LOOK = 500  # lines; a run tells of more only while it is in trouble


@dataclass(frozen=True, slots=True)
class Legacy:
    """What was found.

    Args:
        snapshot: the last saved state, if it could be read.
        survivor: the run of which somebody still lives.
        leader_lives: its leader is among the living.
        same_boot: monotonic instants in the snapshot still mean something.
        notes: what a person should know of it.
    """

    snapshot: Snapshot | None
    survivor: Identity | None
    leader_lives: bool
    same_boot: bool
    notes: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """The newest run number under this name."""
        known = self.snapshot.number if self.snapshot else 0
        return max(known, self.survivor.number if self.survivor else 0)


def read_snapshot(places: Places, *, repair: bool) -> tuple[Snapshot | None, str]:
    """The saved state, and what is wrong with it; ``repair`` sets a bad file aside."""
    try:
        return state_file.load(places.state), ""
    except state_file.BadStateError as error:
        shown = places.shown(places.state)
        if not repair:
            return None, f"{shown} cannot be used: {error}"
        aside = state_file.set_aside(places.state)
        kept = f"it was kept as {places.shown(aside)}" if aside else "it could not be moved away"
        return None, f"{shown} cannot be used: {error}; {kept}; starting without it"


def inspect(places: Places, *, repair: bool, force: bool = False) -> Legacy:
    """Look for what an earlier watchdog left.

    Raises:
        IdentityUnknownError: a living process may or may not be the old child; ``force`` takes it for a stranger.
        AlreadyRunningError: its watchdog lives, only the state folder was deleted.
    """
    snapshot, problem = read_snapshot(places, repair=repair)
    notes = [problem] if problem else []
    same_boot = snapshot is not None and snapshot.boot_id == processes.boot_id()
    survivor = None
    leader_lives = False
    if snapshot is not None and snapshot.child is not None and same_boot:
        survivor = _recorded(snapshot, force=force)
        leader_lives = survivor is not None
    clean = snapshot is not None and snapshot.ended != "" and snapshot.child is None
    if survivor is None and not clean:
        survivor, leader_lives = _marked(places, snapshot)
    if survivor is not None and leader_lives:
        _refuse_if_watched(survivor.pid, places)
    return Legacy(snapshot, survivor, leader_lives, same_boot, tuple(notes))


def _recorded(snapshot: Snapshot, *, force: bool) -> Identity | None:
    """The child that the state file names, if that very process lives."""
    child = snapshot.child
    if child is None:
        return None
    found = processes.stat(child.process.pid)
    if found is None or (found.is_zombie and found.parent != os.getpid()):
        return None  # a dead one of our own, after an upgrade, still has an exit code to tell
    if sys.platform == "win32":
        _wait_for_the_job(found.pid, child.process.start_ticks)
        return None
    if child.process.start_ticks is None:
        marker = os.fsencode(f"{RUN_ID}={child.run_id}")
        if child.run_id and processes.environment_has(found.pid, marker):
            return Identity(found.pid, found.start_ticks, child.run_id, child.number)
        if force:
            return None
        raise IdentityUnknownError(
            f"cannot tell whether process {found.pid} ({found.name}) is the program that was started here before; "
            "look at it, then use --force to take it for a stranger"
        )
    if found.start_ticks != child.process.start_ticks:
        return None  # its number was given to somebody else
    return Identity(found.pid, found.start_ticks, child.run_id, child.number)


def _wait_for_the_job(pid: int, start_ticks: int | None) -> None:
    """On Windows the job object ends the program with its watchdog; it may take a moment.

    Raises:
        IdentityUnknownError: it lives on. It cannot be adopted, and two of it must not run.
    """
    end = time.monotonic() + JOB_ENDS_S
    while start_ticks is not None and processes.is_same(pid, start_ticks):
        if time.monotonic() > end:
            raise IdentityUnknownError(
                f"the program of a watchdog that is gone still runs (pid {pid}); end it with: "
                f"taskkill /F /T /PID {pid}"
            )
        time.sleep(LOOK_S)


def _marked(places: Places, snapshot: Snapshot | None) -> tuple[Identity | None, bool]:
    """The newest run that still has members, found by what stands in their environment."""
    living = marked.find_marked(places.state_folder)
    if not living:
        return None, False
    run_id = living[-1][1]
    members = [one for one, owner in living if owner == run_id]
    first = members[0]
    recorded = snapshot.child if snapshot is not None else None
    if recorded is not None and recorded.run_id == run_id:
        # It would have been found by its identity; others may lead sessions of their own.
        leader_lives = False
        number = recorded.number
    else:
        pid, number = _by_journal(places, run_id)
        # The leader is the first process of its run, and leads its session; others may lead sessions of their own.
        leader_lives = first.pid == (pid or first.session)
        number = number or (snapshot.number if snapshot else 0) + 1
    gone = -1  # no process has these start ticks
    return Identity(first.pid, first.start_ticks if leader_lives else gone, run_id, number), leader_lives


def _by_journal(places: Places, run_id: str) -> tuple[int, int]:
    """Pid of the leader and number of a run as the journal tells them; zeros when it does not."""
    for line in reversed(log_reader.last_lines(places.journal, JOURNAL_LOOK)):
        try:
            fact = foreign_json.parse(line)
        except ValueError:
            continue
        if (
            isinstance(fact, dict)
            and fact.get("fact") in ("spawned", "adopted")
            and fact.get("run") == run_id
        ):
            pid, number = fact.get("pid"), fact.get("number")
            if isinstance(pid, int) and isinstance(number, int):
                return pid, number
    return 0, 0


def _refuse_if_watched(leader_pid: int, places: Places) -> None:
    """The lock is free, yet the watchdog lives: somebody deleted the state folder under it."""
    leader = processes.stat(leader_pid)
    if leader is None or leader.parent == os.getpid() or not _holds_lock_file(leader.parent, places):
        return
    raise AlreadyRunningError(
        f"a watchdog (pid {leader.parent}) still looks after {places.name!r} here, although its state folder was "
        f"deleted; end both with: kill {leader.parent}"
    )


def _holds_lock_file(pid: int, places: Places) -> bool:
    """Whether the process has the lock file of this place open, also a deleted one: then it is its watchdog."""
    folder = f"/proc/{pid}/fd"
    try:
        links = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
    except OSError:
        return False
    lock = os.path.realpath(places.lock)  # the state folder may be a link to another place
    return any(link.removesuffix(" (deleted)") == lock for link in links)


def same_command(snapshot: Snapshot | None, argv: Sequence[str], folder: str, pid: int) -> bool:
    """Whether the running child is what is asked for now."""
    if snapshot is not None and snapshot.command:
        return tuple(argv) == snapshot.command and folder == snapshot.folder
    return list(argv) == processes.command_line(pid)


def as_before(settings: Settings, snapshot: Snapshot | None) -> Settings:
    """The settings, with what the watchdog that is gone was told, perhaps on its command line."""
    if snapshot is None:
        return settings
    policy = replace(settings.policy, heartbeat_timeout_s=snapshot.heartbeat_timeout_s)
    if snapshot.stop_timeout_s is not None:
        policy = replace(policy, stop_timeout_s=snapshot.stop_timeout_s)
    heartbeat = snapshot.heartbeat_file or settings.heartbeat
    return replace(settings, policy=policy, heartbeat=heartbeat, log_dir=snapshot.log_dir)
