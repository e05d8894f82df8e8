"""Which processes are ours: never a stranger is signalled, and a tree is taken over whole."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tree_programs import LEAVES_ONE, STAYS
from trees import Nest, Strangers, await_pid, lives, python
from waiting import wait_until
from watchdog_cli.adapters import child as child_module
from watchdog_cli.adapters import procfs
from watchdog_cli.adapters.child import Identity
from watchdog_cli.adapters.marked import find_marked
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus

# --- only ours -------------------------------------------------------------------------------------------


def test_number_of_a_dead_child_is_never_signalled(nest: Nest, others: Strangers) -> None:
    """A pid that was given to somebody else is nobody we know: no signal, and the run counts as ended."""
    stranger = others.start(python(STAYS))
    found = procfs.stat(stranger.pid)
    assert found is not None
    nest.tree.adopt(Identity(stranger.pid, found.start_ticks - 1, "old", 3))
    nest.tree.terminate()
    nest.tree.terminate_rest()
    nest.tree.kill()
    assert not nest.tree.send_to_leader(signal.SIGTERM)
    nest.tree.look()
    assert nest.await_event(ChildExited) == ChildExited("old", ExitStatus(), 0)
    assert stranger.poll() is None


def test_signal_is_bound_to_the_identity(others: Strangers) -> None:
    """The lowest step itself refuses a process whose start differs from what was seen."""
    stranger = others.start(python(STAYS))
    seen = procfs.stat(stranger.pid)
    assert seen is not None
    assert not child_module._send(replace(seen, start_ticks=seen.start_ticks + 1), signal.SIGKILL)
    assert stranger.poll() is None
    assert child_module._send(seen, signal.SIGKILL)
    assert stranger.wait(10) == -9


def test_children_that_we_had_before_are_strangers(tmp_path: Path, others: Strangers) -> None:
    """A process that was our child before the tree began (a shell's background job, then exec) is let alone."""
    job = others.start(python(STAYS))
    nest = Nest(tmp_path)
    nest.spawn(python(LEAVES_ONE, str(tmp_path / "pid")))
    pid = await_pid(tmp_path / "pid")
    assert nest.await_event(ChildExited).left_behind == 1
    assert [one.pid for one in nest.tree.members()] == [pid]
    nest.tree.kill()
    nest.await_event(TreeEmpty)
    assert job.poll() is None
    nest.spawn(["true"], run_id=f"{nest.run_id}-2")
    assert nest.await_event(ChildExited).left_behind == 0
    nest.close()
    assert job.poll() is None


def test_the_last_of_a_tree_is_reaped_whenever_it_dies(nest: Nest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One who dies after the look for dead children and before the look for living ones stays no zombie."""
    nest.spawn(python(LEAVES_ONE, str(nest.folder / "pid")))
    pid = await_pid(nest.folder / "pid")
    nest.await_event(ChildExited)
    look = nest.tree.members

    def late() -> list[procfs.Stat]:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not lives(pid), "its death")
        assert procfs.stat(pid) is not None, "reaped before its time"
        return look()

    monkeypatch.setattr(nest.tree, "members", late)
    nest.tree.look()
    assert nest.tree.identity is None
    assert procfs.stat(pid) is None


def test_one_who_is_handed_over_during_a_look_is_not_lost(
    nest: Nest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon whose parent went while the processes were listed is below nobody in that list, and still ours."""
    nest.spawn(python(LEAVES_ONE, str(nest.folder / "pid")))
    pid = await_pid(nest.folder / "pid")
    nest.await_event(ChildExited)
    listed = procfs.everybody
    torn: list[int] = []

    def everybody() -> dict[int, procfs.Stat]:
        found = listed()
        if not torn:
            torn.append(pid)
            found[pid] = replace(found[pid], parent=2**22 + 1)
        return found

    monkeypatch.setattr(procfs, "everybody", everybody)
    nest.tree.look()
    assert torn == [pid]
    assert nest.tree.identity is not None
    assert [one.pid for one in nest.tree.members()] == [pid]


def test_init_reaps_strangers_and_signals_only_its_tree(tmp_path: Path, others: Strangers) -> None:
    """As the first process of a container we get everybody's orphans: reaped they are, killed they are not."""
    nest = Nest(tmp_path, is_init=True)
    nest.spawn(python(LEAVES_ONE, str(tmp_path / "pid")))
    stranger = others.start(python(STAYS))
    dead = subprocess.Popen(["true"])
    pid = await_pid(tmp_path / "pid")
    nest.await_event(ChildExited)
    wait_until(lambda: _turned(nest) and procfs.stat(dead.pid) is None, "the reaping of a stranger")
    dead.returncode = 0
    assert [one.pid for one in nest.tree.members()] == [pid]
    nest.tree.kill()
    nest.await_event(TreeEmpty)
    assert stranger.poll() is None
    nest.close()


def _turned(nest: Nest) -> bool:
    nest.turn(0.02)
    return True


def test_process_of_another_user_cannot_stop_us(tmp_path: Path) -> None:
    """A member that we may not signal (it changed its user) is no error: the signal is just not sent.

    Number 0 asks for the right alone; SIGCONT may be sent to anybody of the same session.
    """
    code = """
import os, signal, sys
from watchdog_cli.adapters import child, procfs
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = procfs.stat(1)
print(found is not None and child._send(found, 0))
print(procfs.environment_has(1, b"A=b"), procfs.resident_bytes(1) >= 0, procfs.catches(1, 64) in (True, False))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "False", "True", "True"], done.stderr


# --- taking over -----------------------------------------------------------------------------------------


# A parent that ends at once and a reaper above it: the orphan must not become a child of the tests.
HOLDER = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.run(sys.argv[1:])
while True:
    try: os.wait()
    except ChildProcessError: break
"""
PARENT = """
import os, subprocess, sys
note, run_id, folder = sys.argv[1:4]
marks = {"WATCHDOG_RUN_ID": run_id, "WATCHDOG_STATE": folder}
child = subprocess.Popen(sys.argv[4:], start_new_session=True, env={**os.environ, **marks})
with open(note + ".new", "w") as file: file.write(str(child.pid))
os.rename(note + ".new", note)
os._exit(0)
"""


def _detached(tmp_path: Path, code: str, run_id: str, others: Strangers) -> procfs.Stat:
    """A tree that is not our child, as the one of a watchdog that was killed."""
    note, up = tmp_path / f"leader-{run_id}", tmp_path / f"up-{run_id}"
    parent = python(PARENT, str(note), run_id, str(tmp_path), *python(code, str(up)))
    others.start(python(HOLDER, *parent))
    found = others.note(await_pid(note))
    wait_until(up.exists, "the start of the detached tree")
    return found


UP = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); "


def test_adopted_child_is_watched_until_its_end(nest: Nest, tmp_path: Path, others: Strangers) -> None:
    """The end of a process that is not our child is noticed by the kernel's word; its code stays unknown."""
    found = _detached(tmp_path, UP + STAYS, "old", others)
    run = nest.tree.adopt(Identity(found.pid, found.start_ticks, "old", 4))
    assert (run.pid, run.id, run.number) == (found.pid, "old", 4)
    nest.tree.look()
    nest.turn(0.1)
    assert nest.events == []
    nest.tree.terminate()
    assert nest.await_event(ChildExited) == ChildExited("old", ExitStatus(), 0)
    assert not lives(found.pid)


def test_adopted_tree_is_stopped_as_a_whole(nest: Nest, tmp_path: Path, others: Strangers) -> None:
    """Helpers with their own session, and helpers that threw their environment away, belong to it."""
    code = UP + (
        "import os, subprocess, time\n"
        "subprocess.Popen(['sleep', '601'], start_new_session=True)\n"
        "subprocess.Popen(['sleep', '602'], env={})\n"
        "time.sleep(600)"
    )
    found = _detached(tmp_path, code, "old", others)
    nest.tree.adopt(Identity(found.pid, found.start_ticks, "old", 4))
    wait_until(lambda: len(nest.tree.members()) == 3, "leader and two helpers")
    helpers = nest.tree.members()[1:]
    for one in helpers:
        others.note(one.pid)
    os.kill(found.pid, signal.SIGKILL)
    assert nest.await_event(ChildExited).left_behind == 2
    nest.tree.kill()
    nest.await_event(TreeEmpty)
    assert not [one for one in helpers if lives(one.pid)]


def test_adopting_a_run_that_has_just_ended(nest: Nest, others: Strangers) -> None:
    """Between the look at the state file and the adoption the child may end: then it has ended, no error."""
    gone = others.start(["true"])
    gone.wait()
    nest.tree.adopt(Identity(gone.pid, 12345, "old", 1))
    nest.tree.look()
    assert nest.await_event(ChildExited) == ChildExited("old", ExitStatus(), 0)


def test_our_own_dead_child_is_adopted_with_its_exit_code(nest: Nest, tmp_path: Path) -> None:
    """After an upgrade we are still the parent: a child that ended meanwhile still has its code."""
    child = subprocess.Popen(python("import sys; sys.exit(42)"), start_new_session=True)
    found = wait_until(lambda: procfs.stat(child.pid), "the child")
    wait_until(lambda: procfs.stat(child.pid).is_zombie, "its end")  # type: ignore[union-attr]
    nest.tree.adopt(Identity(child.pid, found.start_ticks, "old", 1))
    nest.tree.look()
    assert nest.await_event(ChildExited) == ChildExited("old", ExitStatus(code=42), 0)
    child.returncode = 42


def test_marked_processes_are_found_oldest_first(tmp_path: Path, others: Strangers) -> None:
    """All that a watchdog of this state folder started is found by its environment; of another folder nothing."""
    first = _detached(tmp_path, UP + STAYS, "one", others)
    second = _detached(tmp_path, UP + STAYS, "two", others)
    found = [
        (one.pid, run_id) for one, run_id in find_marked(str(tmp_path)) if one.pid in (first.pid, second.pid)
    ]
    assert found == [(first.pid, "one"), (second.pid, "two")]
    assert find_marked(str(tmp_path) + "x") == []


def test_those_above_us_are_not_found(tmp_path: Path) -> None:
    """A program may itself ask for a watchdog: it, and whoever asks, are not what was left behind."""
    code = "import sys; from watchdog_cli.adapters.marked import find_marked; print(len(find_marked(sys.argv[1])))"
    shell = 'import subprocess, sys; subprocess.run([sys.executable, "-c", *sys.argv[1:]])'
    environment = {**os.environ, "WATCHDOG_RUN_ID": "r", "WATCHDOG_STATE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", shell, code, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "0", done.stderr


def test_membership_follows_the_parents(nest: Nest, tmp_path: Path) -> None:
    """A pid is of the tree when the leader is above it, however deep."""
    nest.spawn(["sh", "-c", "sh -c 'sleep 600; :'; :"])
    members = wait_until(
        lambda: nest.tree.members() if len(nest.tree.members()) == 3 else None, "three levels"
    )
    assert all(nest.tree.is_member(one.pid) for one in members)
    assert not nest.tree.is_member(os.getpid())
    assert not nest.tree.is_member(1)
    assert not nest.tree.is_member(1 << 30)
