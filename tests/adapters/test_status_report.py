"""What ``status`` says: the system is believed before any file, and no text of others can hurt."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from trees import Strangers, python
from waiting import wait_until
from watchdog_cli import render
from watchdog_cli.adapters import procfs, state_file
from watchdog_cli.adapters.instance_lock import holder
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.report import (
    ChildPart,
    Health,
    HeartbeatPart,
    RestartsPart,
    State,
    StatusReport,
    WatchdogPart,
)
from watchdog_cli.core.snapshot import ChildRecord, LastRun, ProcessId, Snapshot
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.status import read_status

HOLDS = """
import sys, time
from watchdog_cli.adapters.instance_lock import InstanceLock
lock = InstanceLock(sys.argv[1])
lock.acquire("tracker")
time.sleep(600)
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(str(tmp_path), "tracker")
    found.make()
    return found


def _snapshot(places: Places, **more: object) -> Snapshot:
    found = Snapshot(
        name="tracker",
        folder=places.folder,
        command=("python", "-m", "tracker"),
        watchdog=ProcessId(1, 1, ""),
        boot_id=procfs.boot_id(),
        state="running",
        heartbeat_file="heartbeat.json",
    )
    return replace(found, **more)  # type: ignore[arg-type]


def _holder(places: Places, others: Strangers) -> subprocess.Popen[bytes]:
    process = others.start([sys.executable, "-c", HOLDS, places.lock])
    wait_until(lambda: holder(places.lock) == process.pid, "the lock")
    return process


def _record(pid: int) -> ChildRecord:
    found = procfs.stat(pid)
    assert found is not None
    return ChildRecord(ProcessId(pid, found.start_ticks, "2026-11-25T03:28:00.000Z"), "r", 3)


# --- reading ---------------------------------------------------------------------------------------------


def test_nothing_was_ever_started(tmp_path: Path) -> None:
    """An empty folder is not running, and asking makes nothing in it."""
    report = read_status(str(tmp_path), "tracker")
    assert (report.state, report.health, report.exit_code) == (
        State.STOPPED,
        Health.NOT_RUNNING,
        ExitCode.NOT_RUNNING,
    )
    assert report.note == "nothing was ever started here under this name"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ended", "state"), [("stopped", State.STOPPED), ("gave up", State.GAVE_UP), ("", State.STOPPED)]
)
def test_how_it_ended(places: Places, ended: str, state: State) -> None:
    """Stopped, gave up and killed are told apart; all are not running."""
    state_file.save(places.state, _snapshot(places, ended=ended))
    report = read_status(places.folder, "tracker")
    assert (report.state, report.exit_code) == (state, ExitCode.NOT_RUNNING)
    assert (report.note == "") == (ended == "stopped")


def test_last_seen_is_the_newest_trace(places: Places) -> None:
    """When nothing runs, the newest of journal, log and heartbeat says when it was last there."""
    state_file.save(places.state, _snapshot(places, ended="stopped"))
    assert read_status(places.folder, "tracker").last_seen_at is None
    Path(places.journal).write_text("")
    os.utime(places.journal, (1_700_000_000, 1_700_000_000))
    assert read_status(places.folder, "tracker").last_seen_at == "2023-11-14T22:13:20.000Z"
    (Path(places.folder) / "heartbeat.json").write_text("{}")
    os.utime(Path(places.folder) / "heartbeat.json", (1_700_000_060, 1_700_000_060))
    assert read_status(places.folder, "tracker").last_seen_at == "2023-11-14T22:14:20.000Z"


def test_child_without_a_watchdog(places: Places, others: Strangers) -> None:
    """The recorded process lives and nobody holds the lock: unsupervised, with its facts."""
    child = others.start(python("import time; held = bytearray(20_000_000); time.sleep(600)"))
    state_file.save(places.state, _snapshot(places, child=_record(child.pid)))
    wait_until(lambda: procfs.resident_bytes(child.pid) > 20_000_000, "its memory")
    report = read_status(places.folder, "tracker")
    assert (report.state, report.health, report.exit_code) == (
        State.RUNNING,
        Health.UNSUPERVISED,
        ExitCode.UNHEALTHY,
    )
    assert report.child is not None
    assert report.child.pid == child.pid
    assert report.child.rss_bytes is not None
    assert report.child.rss_bytes > 20_000_000
    assert report.child.command == ("python", "-m", "tracker")
    child.kill()
    child.wait()
    assert read_status(places.folder, "tracker").exit_code is ExitCode.NOT_RUNNING


def test_stranger_with_the_same_number_is_nobody(places: Places, others: Strangers) -> None:
    """A pid that was given to somebody else is not shown as the program."""
    stranger = others.start(python("import time; time.sleep(600)"))
    record = _record(stranger.pid)
    wrong = replace(record, process=replace(record.process, start_ticks=7))
    state_file.save(places.state, _snapshot(places, child=wrong))
    report = read_status(places.folder, "tracker")
    assert report.child is None
    assert report.exit_code is ExitCode.NOT_RUNNING


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"[1, 2]", b'{"version": 7}', b"x" * 9_000_000])
def test_damaged_state_is_unknown(places: Places, content: bytes) -> None:
    """If the file is damaged and nothing of it lives, nobody can tell; it says so and touches nothing."""
    Path(places.state).write_bytes(content)
    report = read_status(places.folder, "tracker")
    assert (report.state, report.exit_code) == (State.UNKNOWN, ExitCode.UNKNOWN)
    assert "state.json cannot be used" in report.note
    assert Path(places.state).read_bytes() == content


def test_watchdog_that_does_not_answer_is_frozen(places: Places, others: Strangers) -> None:
    """It holds the lock and its socket is there, but nothing comes back: said within the limit."""
    process = _holder(places, others)
    state_file.save(places.state, _snapshot(places))
    with socket.socket(socket.AF_UNIX) as deaf:
        os.chdir(places.state_folder)
        deaf.bind("control")
        deaf.listen()
        began = time.monotonic()
        report = read_status(places.folder, "tracker")
    assert time.monotonic() - began < 3
    assert (report.health, report.exit_code) == (Health.FROZEN, ExitCode.UNHEALTHY)
    assert report.watchdog is not None
    assert report.watchdog.pid == process.pid
    assert f"(pid {process.pid}) does not respond" in report.note


def test_without_a_socket_the_system_tells(places: Places, others: Strangers) -> None:
    """The socket was deleted: child and heartbeat are judged from what can be seen."""
    _holder(places, others)
    child = others.start(python("import time; time.sleep(600)"))
    state_file.save(places.state, _snapshot(places, child=_record(child.pid)))
    (Path(places.folder) / "heartbeat.json").write_text("{}")
    report = read_status(places.folder, "tracker")
    assert (report.state, report.health, report.exit_code) == (State.RUNNING, Health.HEALTHY, ExitCode.OK)
    assert "control socket was deleted" in report.note
    os.utime(Path(places.folder) / "heartbeat.json", (1, 1))
    assert read_status(places.folder, "tracker").health is Health.STALE


def test_one_that_is_just_ending_is_not_called_deaf(places: Places, others: Strangers) -> None:
    """The socket is gone and the lock goes a moment later: that is an end, not a deleted socket."""
    process = _holder(places, others)
    state_file.save(places.state, _snapshot(places, ended="stopped", state="stopped"))
    threading.Timer(0.3, process.kill).start()
    report = read_status(places.folder, "tracker")
    assert report.state is State.STOPPED
    assert report.note == ""


def test_log_and_backups_are_counted(places: Places) -> None:
    """The size of the log and the number of saved copies are shown."""
    folder = Path(places.folder)
    (folder / "logs").mkdir()
    (folder / "logs" / "tracker.log").write_bytes(b"x" * 2048)
    (folder / "backups").mkdir()
    for number in range(3):
        (folder / "backups" / f"{number}.json").write_text("{}")
    (folder / "backups" / "inner").mkdir()
    report = read_status(places.folder, "tracker")
    assert (report.log_file, report.log_bytes, report.backups) == ("logs/tracker.log", 2048, 3)


# --- rendering -------------------------------------------------------------------------------------------

FULL = StatusReport(
    name="tracker",
    folder="/home/u",
    state=State.RUNNING,
    health=Health.HEALTHY,
    note="a note",
    watchdog=WatchdogPart(10, "2026-11-25T03:28:00.000Z"),
    child=ChildPart(11, "2026-11-25T03:28:01.000Z", 61.0, 1.5, 30_000_000, ("python", "-m", "tracker")),
    heartbeat=HeartbeatPart("heartbeat.json", 3.21, 120.0, {"activeTokens": 5, "status": "ok", "x": [1]}),
    restarts=RestartsPart(
        1, 10, 300.0, 7, (LastRun("2026-11-25T03:20:00.000Z", "signal", None, 9, "killed by SIGKILL"),)
    ),
    next_start_s=1.25,
    pause_left_s=60.0,
    log_file="logs/tracker.log",
    log_bytes=1234,
    backups=10,
    last_seen_at="2026-11-25T03:28:00.000Z",
)


def test_json_has_the_promised_shape() -> None:
    """Names, nesting and version of the form for machines."""
    found = json.loads(render.status_json(FULL))
    assert found["version"] == 1
    assert (found["name"], found["state"], found["health"], found["exit_code"]) == (
        "tracker",
        "running",
        "healthy",
        0,
    )
    assert found["watchdog"] == {"pid": 10, "started_at": "2026-11-25T03:28:00.000Z"}
    assert set(found["child"]) == {"pid", "started_at", "uptime_s", "cpu_percent", "rss_bytes", "command"}
    assert found["child"]["command"] == ["python", "-m", "tracker"]
    assert found["heartbeat"] == {
        "file": "heartbeat.json",
        "age_s": 3.21,
        "timeout_s": 120.0,
        "fields": {"activeTokens": 5, "status": "ok", "x": [1]},
    }
    assert {"in_window", "cap", "window_s", "total", "last"} == set(found["restarts"])
    assert set(found["restarts"]["last"][0]) >= {"at", "cause", "exit_code", "signal"}
    assert found["log"] == {"file": "logs/tracker.log", "size_bytes": 1234}


def test_json_of_all_wraps_each() -> None:
    """Several reports are one versioned object."""
    found = json.loads(render.all_json([FULL, FULL]))
    assert found["version"] == 1
    assert len(found["watchdogs"]) == 2
    assert json.loads(render.all_json([])) == {"version": 1, "watchdogs": []}


def test_text_says_all_that_matters() -> None:
    """The lines for people hold pid, uptime, heartbeat age and limit, restarts and the last cause."""
    text = render.status_text(FULL)
    assert text.splitlines()[0] == "tracker: running, healthy"
    for part in (
        "pid 11, up ",
        ": python -m tracker",
        "3.2s ago (limit 2m)",
        "1 of at most 10 in the last 5m",
        "7 in total",
    ):
        assert part in text
    for part in ("killed by SIGKILL", "activeTokens 5", "a note", "backups", "in 1.2s", "pid 10, since"):
        assert part in text


WILD = "\x1b[2J\n\r\x07\x00\u202e\ud800 \u0639"


def test_an_empty_field_of_the_heartbeat_is_left_out() -> None:
    """A tracker that has nothing to say writes an empty message: there is no word about it."""
    fields = {"activeTokens": 0, "status": "ok", "message": "", "lastSave": None}
    report = replace(FULL, heartbeat=replace(FULL.heartbeat, fields=fields))  # type: ignore[type-var]
    assert "  activeTokens 0 · status ok\n" in render.status_text(report)


def test_no_text_of_others_steers_the_terminal() -> None:
    """Heartbeat fields, messages, arguments, causes, folder and log names come out as plain lines."""
    report = replace(
        FULL,
        note=WILD,
        folder=WILD,
        log_file=WILD,
        last_seen_at=WILD,
        watchdog=WatchdogPart(1, WILD),
        child=replace(FULL.child, command=(WILD,)),  # type: ignore[type-var]
        heartbeat=replace(FULL.heartbeat, fields={"status": WILD, "message": {WILD: WILD}, WILD: 1}),  # type: ignore[type-var]
        restarts=replace(FULL.restarts, last=(LastRun(WILD, WILD, None, None, WILD),)),  # type: ignore[type-var]
    )
    lines = render.status_text(report).split("\n")
    assert len(lines) == len(render.status_text(FULL).split("\n"))
    assert all(line.isprintable() for line in lines)
    assert "\u0639" in lines[1], "letters of other scripts stay"
    json.loads(render.status_json(report))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("health", list(Health))
def test_every_mixture_has_a_code_and_a_colour(state: State, health: Health) -> None:
    """Text, JSON and code agree for every state and health."""
    report = replace(FULL, state=state, health=health, child=None, heartbeat=None, restarts=None)
    assert json.loads(render.status_json(report))["exit_code"] == int(report.exit_code)
    assert int(report.exit_code) in (0, 3, 4, 5)
    assert render.colour(report) in ("green", "yellow", "red")
    assert (render.colour(report) == "green") == (report.exit_code == 0)
    assert render.headline(report).startswith(f"tracker: {state.value}")
