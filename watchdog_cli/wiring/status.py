"""Put together all that ``status`` says; the operating system is believed before any file."""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from watchdog_cli.adapters import state_file
from watchdog_cli.adapters.system import controls, locks, processes
from watchdog_cli.core.errors import IdentityUnknownError, WatchdogError
from watchdog_cli.core.report import (
    ChildPart,
    Health,
    HeartbeatPart,
    LeasePart,
    RestartsPart,
    State,
    StatusReport,
    WatchdogPart,
)
from watchdog_cli.core.snapshot import Snapshot
from watchdog_cli.wiring import takeover
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.takeover import read_snapshot
from watchdog_kit.wall_time import iso

ANSWER_S = 1.0
LOOK_S = 0.02
LOOKS = 5
BACKUP_FOLDER = "backups"


def read_status(folder: str, name: str) -> StatusReport:
    """Look at everything and say how it is."""
    for _ in range(LOOKS):
        report = _read_once(folder, name)
        if report.watchdog is None or report.child is not None or report.state is not State.RUNNING:
            break
        time.sleep(LOOK_S)  # it ended between the answer and our look at the system: its words are old
    return report


def _read_once(folder: str, name: str) -> StatusReport:
    places = Places(folder, name)
    try:
        pid, live, silent = _ask_watchdog(places)
    except IdentityUnknownError as error:
        return StatusReport(
            name=name,
            folder=folder,
            state=State.UNKNOWN,
            health=Health.UNKNOWN,
            note=str(error),
            **_files(places),
        )
    snapshot, problem = _snapshot_of(live) if live is not None else (None, "")
    if snapshot is None:
        snapshot, problem = read_snapshot(places, repair=False)
    if snapshot is not None:
        places = Places(folder, name, snapshot.log_dir)
    if pid is not None and live is not None:
        return _from_watchdog(places, live, snapshot)
    if pid is not None:
        return _from_silent_watchdog(places, pid, snapshot, silent)
    return _without_watchdog(places, snapshot, problem)


def _ask_watchdog(places: Places) -> tuple[int | None, Mapping[str, Any] | None, str]:
    """The pid of the watchdog, its answer, and why there is none.

    One that begins, ends or hands over has the lock but no socket for a moment: that is looked at again.
    """
    end = time.monotonic() + ANSWER_S
    while True:
        pid = locks.holder(places.lock)
        if pid is None:
            return None, None, ""
        try:
            return (
                pid,
                next(iter(controls.ask(places.state_folder, {"ask": "status"}, limit_s=ANSWER_S)), None),
                "",
            )
        except controls.NoAnswerError as error:
            gone = not os.path.exists(os.path.join(places.state_folder, controls.SOCKET))
            if not gone or time.monotonic() > end:
                return pid, None, str(error)
        time.sleep(LOOK_S)


def _snapshot_of(live: Mapping[str, Any]) -> tuple[Snapshot | None, str]:
    """What the watchdog itself says of its state; an older one does not."""
    try:
        return state_file.from_record(live.get("snapshot")), ""
    except state_file.BadStateError:
        return None, ""


def _from_watchdog(places: Places, live: Mapping[str, Any], snapshot: Snapshot | None) -> StatusReport:
    beat = live["heartbeat"]
    state, health = State(live["state"]), Health(live["health"])
    child = _child(snapshot) if snapshot is not None and state in (State.RUNNING, State.STOPPING) else None
    timeout = snapshot.heartbeat_timeout_s if snapshot is not None else 0.0
    return StatusReport(
        name=places.name,
        folder=places.folder,
        state=state,
        health=health,
        note=_note(live, health),
        watchdog=WatchdogPart(live["watchdog"]["pid"], live["watchdog"]["started_at"]),
        child=child,
        heartbeat=HeartbeatPart(
            snapshot.heartbeat_file if snapshot is not None else "", beat["age_s"], timeout, beat["fields"]
        ),
        restarts=_restarts(snapshot, live["restarts"]["in_window"], live["restarts"]["total"]),
        lease=_lease(live.get("lease")),
        next_start_s=live["next_start_s"],
        pause_left_s=live["pause_left_s"],
        **_files(places),
    )


def _lease(live: object) -> LeasePart | None:
    if not isinstance(live, dict):
        return None
    since = live.get("since")
    return LeasePart(
        live.get("held") is True,
        str(live.get("holder") or ""),
        since if isinstance(since, str) else None,
        str(live.get("problem") or ""),
        live.get("cut_off") is True,
    )


def _note(live: Mapping[str, Any], health: Health) -> str:
    if health is Health.NO_HEARTBEAT:
        return "only its process is watched, a freeze would not be noticed; --no-heartbeat says that this is meant"
    if live["foreign_pid"] is not None:
        return f"the heartbeat names pid {live['foreign_pid']}, not of this program; does somebody else write it?"
    message = live["heartbeat"]["fields"].get("message")
    if health is Health.DEGRADED and isinstance(message, str):
        return message
    return str(live["said"])


def _from_silent_watchdog(places: Places, pid: int, snapshot: Snapshot | None, silent: str) -> StatusReport:
    """The lock says that a watchdog lives, but it does not answer."""
    child = _child(snapshot)
    deaf = not os.path.exists(os.path.join(places.state_folder, controls.SOCKET))
    state = State.RUNNING if child is not None else State.WAITING
    heartbeat = _heartbeat_by_file(places, snapshot)
    if deaf:
        fresh = (
            heartbeat is not None and heartbeat.age_s is not None and heartbeat.age_s < heartbeat.timeout_s
        )
        health = Health.WAITING if child is None else (Health.HEALTHY if fresh else Health.STALE)
        note = (
            "its control socket was deleted; this is what the system says (`watchdog restart` makes it anew)"
        )
    else:
        health = Health.FROZEN
        seen = _last_seen_at(places, snapshot)
        why = silent or "no answer"
        note = f"the watchdog (pid {pid}) does not respond ({why}); last sign of it or the program: {seen or 'none'}"
    return StatusReport(
        name=places.name,
        folder=places.folder,
        state=state,
        health=health,
        note=note,
        watchdog=WatchdogPart(pid, snapshot.watchdog.started_at if snapshot is not None else None),
        child=child,
        heartbeat=heartbeat,
        restarts=_restarts(snapshot),
        **_files(places),
    )


def _without_watchdog(places: Places, snapshot: Snapshot | None, problem: str) -> StatusReport:
    child = None
    try:
        legacy = takeover.inspect(places, repair=False)
    except WatchdogError as error:
        state, health, note = State.UNKNOWN, Health.UNKNOWN, str(error)
    else:
        if legacy.survivor is not None:
            child = _part_of(legacy.survivor.pid, legacy.survivor.start_ticks, snapshot)
        if legacy.survivor is not None:
            state, health = State.RUNNING, Health.UNSUPERVISED
            note = (
                "the program runs, but no watchdog looks after it; the same `watchdog run` command takes it over again"
                if legacy.leader_lives
                else "the program is gone, but processes that it started still run; `watchdog stop` ends them"
            )
        elif problem:
            state, health, note = State.UNKNOWN, Health.UNKNOWN, problem
        else:
            gave_up = snapshot is not None and snapshot.ended == State.GAVE_UP.value
            state, health = (State.GAVE_UP if gave_up else State.STOPPED), Health.NOT_RUNNING
            note = _note_of_the_end(snapshot, gave_up=gave_up)
    return StatusReport(
        name=places.name,
        folder=places.folder,
        state=state,
        health=health,
        note=note,
        child=child,
        heartbeat=_heartbeat_by_file(places, snapshot) if child is not None else None,
        restarts=_restarts(snapshot),
        last_seen_at=_last_seen_at(places, snapshot) if child is None else None,
        **_files(places),
    )


def _note_of_the_end(snapshot: Snapshot | None, *, gave_up: bool) -> str:
    if snapshot is None:
        return "nothing was ever started here under this name"
    if gave_up:
        return "too many restarts; look at `watchdog tail-log`, mend the cause, and run it again"
    if not snapshot.ended:
        return "the watchdog was ended without a word, and the program is gone as well"
    return ""


def _child(snapshot: Snapshot | None) -> ChildPart | None:
    """The child that the snapshot names, if that very process lives now."""
    if snapshot is None or snapshot.child is None or snapshot.boot_id != processes.boot_id():
        return None
    process = snapshot.child.process
    return _part_of(process.pid, process.start_ticks, snapshot)


def _part_of(pid: int, start_ticks: int | None, snapshot: Snapshot | None) -> ChildPart | None:
    everyone = processes.everybody()
    leader = everyone.get(pid)
    if leader is None or leader.is_zombie or leader.start_ticks != start_ticks:
        return None
    tree = [leader, *(everyone[below] for below in processes.descendants({pid}, everyone))]
    age = processes.age_s(leader.start_ticks)
    cpu = sum(processes.cpu_seconds(one.cpu_ticks) for one in tree)
    recorded = snapshot.child if snapshot is not None else None
    started_at = recorded.process.started_at if recorded is not None and recorded.process.pid == pid else None
    return ChildPart(
        pid=pid,
        started_at=started_at,
        uptime_s=round(age, 1),
        cpu_percent=round(100 * cpu / age, 1) if age > 0 else 0.0,
        rss_bytes=sum(processes.resident_bytes(one.pid) for one in tree),
        command=snapshot.command if snapshot is not None else tuple(processes.command_line(pid)),
    )


def _restarts(
    snapshot: Snapshot | None, in_window: int | None = None, total: int | None = None
) -> RestartsPart | None:
    if snapshot is None:
        return None
    if in_window is None:
        now = time.monotonic()
        same_boot = snapshot.boot_id == processes.boot_id()
        in_window = sum(1 for at in snapshot.window if same_boot and now - at < snapshot.window_s)
    return RestartsPart(
        in_window,
        snapshot.cap,
        snapshot.window_s,
        snapshot.restarts if total is None else total,
        snapshot.last,
    )


def _heartbeat_by_file(places: Places, snapshot: Snapshot | None) -> HeartbeatPart | None:
    """Without a watchdog only the file's own time can be had; it is for display."""
    if snapshot is None or not snapshot.heartbeat_file:
        return None
    try:
        age = max(0.0, time.time() - os.stat(os.path.join(places.folder, snapshot.heartbeat_file)).st_mtime)
    except OSError:
        age = None
    return HeartbeatPart(snapshot.heartbeat_file, age, snapshot.heartbeat_timeout_s)


def _files(places: Places) -> dict[str, Any]:
    try:
        size = os.stat(places.log).st_size
    except OSError:
        size = 0
    try:
        backups = sum(
            1 for entry in os.scandir(os.path.join(places.folder, BACKUP_FOLDER)) if entry.is_file()
        )
    except OSError:
        backups = None
    return {"log_file": places.shown(places.log), "log_bytes": size, "backups": backups}


def _last_seen_at(places: Places, snapshot: Snapshot | None) -> str | None:
    newest = 0.0
    beat = snapshot.heartbeat_file if snapshot is not None else ""
    for path in (places.journal, places.log, os.path.join(places.folder, beat or "heartbeat.json")):
        try:
            newest = max(newest, os.stat(path).st_mtime)
        except OSError:
            continue
    return iso(datetime.fromtimestamp(newest, UTC)) if newest else None
