"""What an earlier watchdog left: recognised by the kernel's facts, never by the file's word alone."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trees import Strangers, await_pid, python
from waiting import wait_until
from watchdog_cli.adapters import procfs, state_file
from watchdog_cli.core.errors import IdentityUnknownError
from watchdog_cli.core.snapshot import ChildRecord, ProcessId, Snapshot
from watchdog_cli.wiring import takeover
from watchdog_cli.wiring.places import Places

SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(str(tmp_path), "tracker")
    found.make()
    return found


def _program(places: Places, others: Strangers, run_id: str = "r1", code: str = SLEEPS) -> procfs.Stat:
    """A program as a watchdog of this place starts it; it is a child of the tests."""
    marks = {"WATCHDOG_RUN_ID": run_id, "WATCHDOG_STATE": places.state_folder}
    wrapper = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"
    process = others.start(
        python(wrapper, sys.executable, "-SEc", code, places.folder), env={**os.environ, **marks}
    )
    wait_until(lambda: os.getsid(process.pid) == process.pid, "its session")
    wait_until(
        lambda: (
            procfs.command_line(process.pid)[1:2] == ["-SEc"] and code in procfs.command_line(process.pid)
        ),
        "its exec",
    )
    found = procfs.stat(process.pid)
    assert found is not None
    return found


def _snapshot(places: Places, child: procfs.Stat | None, run_id: str = "r1", **more: object) -> Snapshot:
    record = None
    if child is not None:
        record = ChildRecord(ProcessId(child.pid, child.start_ticks, "t"), run_id, 5)
    found = Snapshot(
        name="tracker",
        folder=places.folder,
        command=(sys.executable, "x"),
        watchdog=ProcessId(1, 1, ""),
        boot_id=procfs.boot_id(),
        state="running",
        child=record,
        number=5,
    )
    return replace(found, **more)  # type: ignore[arg-type]


def _save(places: Places, snapshot: Snapshot) -> None:
    state_file.save(places.state, snapshot)


def test_nothing_was_ever_here(places: Places) -> None:
    """An empty folder leaves nothing to take over, and the first run has number 1."""
    found = takeover.inspect(places, repair=True)
    assert (found.survivor, found.leader_lives, found.snapshot, found.number, found.notes) == (
        None,
        False,
        None,
        0,
        (),
    )


def test_recorded_child_that_lives_is_taken(places: Places, others: Strangers) -> None:
    """Same pid, same start: that is the program."""
    child = _program(places, others)
    _save(places, _snapshot(places, child))
    found = takeover.inspect(places, repair=True)
    assert found.survivor is not None
    assert (found.survivor.pid, found.survivor.start_ticks) == (child.pid, child.start_ticks)
    assert (found.survivor.run_id, found.survivor.number, found.leader_lives) == ("r1", 5, True)


def test_pid_of_somebody_else_is_left_alone(places: Places, others: Strangers) -> None:
    """The recorded pid lives with another start: a stranger, and nothing is taken over."""
    stranger = others.start(python(SLEEPS))
    seen = procfs.stat(stranger.pid)
    assert seen is not None
    _save(places, _snapshot(places, replace(seen, start_ticks=seen.start_ticks - 1)))
    assert takeover.inspect(places, repair=True).survivor is None


def test_unknown_identity_refuses_until_somebody_decides(places: Places, others: Strangers) -> None:
    """Without start ticks a living pid may be anybody: refused by name, unless it carries our run id or by force."""
    stranger = others.start(python(SLEEPS))
    seen = procfs.stat(stranger.pid)
    assert seen is not None
    snapshot = _snapshot(places, None)
    record = ChildRecord(ProcessId(seen.pid, None, ""), "r1", 5)
    _save(places, replace(snapshot, child=record))
    with pytest.raises(IdentityUnknownError, match=rf"process {seen.pid} .*use --force"):
        takeover.inspect(places, repair=True)
    assert takeover.inspect(places, repair=True, force=True).survivor is None
    child = _program(places, others)
    _save(places, replace(snapshot, child=replace(record, process=ProcessId(child.pid, None, ""))))
    found = takeover.inspect(places, repair=True)
    assert found.survivor is not None
    assert found.survivor.start_ticks == child.start_ticks


def test_state_of_another_boot_is_history(places: Places, others: Strangers) -> None:
    """After a reboot no pid of before means anything."""
    stranger = others.start(python(SLEEPS))
    seen = procfs.stat(stranger.pid)
    _save(places, _snapshot(places, seen, boot_id="another"))
    found = takeover.inspect(places, repair=True)
    assert found.survivor is None
    assert not found.same_boot
    assert found.number == 5


@pytest.mark.parametrize("damage", [None, b"", b"\0" * 500, b"[1]", b'{"version": 99}', b"{" * 9000])
def test_program_is_found_without_its_state(places: Places, others: Strangers, damage: bytes | None) -> None:
    """With the state file deleted or damaged, the program is found by what stands in its environment."""
    child = _program(places, others)
    if damage is not None:
        Path(places.state).write_bytes(damage)
    found = takeover.inspect(places, repair=True)
    assert found.survivor is not None
    assert (found.survivor.pid, found.survivor.run_id, found.leader_lives) == (child.pid, "r1", True)
    assert takeover.same_command(found.snapshot, procfs.command_line(child.pid), places.folder, child.pid)
    assert not takeover.same_command(found.snapshot, ["other"], places.folder, child.pid)
    if damage is not None:
        assert "cannot be used" in found.notes[0]
        assert "it was kept as " in found.notes[0]
        assert not Path(places.state).exists()


def test_looking_does_not_repair(places: Places) -> None:
    """Who only asks leaves a damaged file where it is."""
    Path(places.state).write_bytes(b"bad")
    found = takeover.inspect(places, repair=False)
    assert "cannot be used" in found.notes[0]
    assert Path(places.state).read_bytes() == b"bad"


LEAVES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    with open(sys.argv[1] + "/orphan.new", "w") as file: file.write(str(os.getpid()))
    os.rename(sys.argv[1] + "/orphan.new", sys.argv[1] + "/orphan")
    time.sleep(600)
time.sleep(600)
"""


@pytest.mark.parametrize("state", ["kept", "child unknown", "lost"])
def test_orphan_with_a_session_of_its_own_is_no_leader(
    places: Places, others: Strangers, tmp_path: Path, state: str
) -> None:
    """The leader is dead and a grandchild that called setsid lives: it is stopped, not taken for the program."""
    child = _program(places, others, code=LEAVES)
    orphan = others.note(await_pid(tmp_path / "orphan"))
    if state == "kept":
        _save(places, _snapshot(places, child))
    elif state == "child unknown":
        _save(places, _snapshot(places, None))
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: procfs.stat(child.pid) is None or procfs.stat(child.pid).is_zombie, "its end")  # type: ignore[union-attr]
    for process in others._ours:
        process.wait()
    found = takeover.inspect(places, repair=True)
    assert found.survivor is not None
    assert found.survivor.run_id == "r1"
    if state == "kept":
        assert not found.leader_lives
        assert not procfs.is_same(orphan.pid, found.survivor.start_ticks)


def test_clean_end_is_not_searched(places: Places, others: Strangers) -> None:
    """After an orderly end nothing is ours, whoever carries our marks (a shell that the program left on purpose)."""
    _program(places, others)
    _save(places, _snapshot(places, None, ended="stopped"))
    assert takeover.inspect(places, repair=True).survivor is None


def test_dead_child_of_our_own_still_has_something_to_tell(places: Places) -> None:
    """Across an upgrade the child may end: it is taken over all the same, for its exit code."""
    child = subprocess.Popen(python("import sys; sys.exit(3)"))
    seen = wait_until(lambda: procfs.stat(child.pid), "the child")
    wait_until(lambda: procfs.stat(child.pid).is_zombie, "its end")  # type: ignore[union-attr]
    _save(places, _snapshot(places, seen))
    found = takeover.inspect(places, repair=True)
    assert child.wait() == 3
    assert found.survivor is not None
    assert found.survivor.pid == child.pid


def test_same_command_needs_the_same_folder_and_words(places: Places) -> None:
    """A changed word, its order or the folder is another command."""
    snapshot = _snapshot(places, None, command=("a", "b", ""))
    assert takeover.same_command(snapshot, ["a", "b", ""], places.folder, 0)
    assert not takeover.same_command(snapshot, ["a", "b"], places.folder, 0)
    assert not takeover.same_command(snapshot, ["b", "a", ""], places.folder, 0)
    assert not takeover.same_command(snapshot, ["a", "b", ""], "/elsewhere", 0)
