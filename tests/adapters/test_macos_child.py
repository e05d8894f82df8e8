"""Process trees on macOS: what is promised of trees on Linux holds without pidfds and without a subreaper."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mac_world
import trees
from trees import Nest, Strangers, await_pid, lives, python
from waiting import stays_true, wait_until
from watchdog_cli.adapters import procfs
from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.macos import child, processes
from watchdog_cli.adapters.macos.inbox import Inbox
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus

STAYS = "import time; time.sleep(600)"
# Starts one in a session of its own that is deaf to SIGTERM and has lost its environment; then waits or ends.
LEAVES_ONE = """
import os, signal, sys, time
path, ends = sys.argv[1], sys.argv[2] == "ends"
if os.fork() == 0:
    os.setsid()
    code = ("import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            "open(sys.argv[1] + '.new', 'w').write(str(os.getpid())); "
            "os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(600)")
    environment = {} if sys.argv[3] == "bare" else dict(os.environ)
    os.execve(sys.executable, [sys.executable, "-SEc", code, path], environment)
while not os.path.exists(path): time.sleep(0.01)
while not ends: time.sleep(1)
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> mac_world.Library:
    found = mac_world.enter(monkeypatch)
    monkeypatch.setattr(trees, "ChildTree", child.ChildTree)
    monkeypatch.setattr(trees, "Inbox", Inbox)
    return found


@pytest.fixture
def nest(library: mac_world.Library, tmp_path: Path) -> Iterator[Nest]:
    found = Nest(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(0)", ExitStatus(code=0)),
        ("raise SystemExit(3)", ExitStatus(code=3)),
        ("import os; os.kill(os.getpid(), 9)", ExitStatus(signal=9)),
    ],
)
def test_end_of_our_child_is_told_as_the_kernel_tells_it(nest: Nest, code: str, expected: ExitStatus) -> None:
    """Exit codes and signals of the leader arrive unchanged, it is reaped, and nothing is watched any more."""
    pid = nest.spawn(python(code))
    assert nest.await_event(ChildExited) == ChildExited(nest.run_id, expected, 0)
    assert nest.tree.identity is None
    assert procfs.stat(pid) is None
    assert not nest.inbox._processes


def test_wrong_command_is_explained(nest: Nest) -> None:
    """A program that is not there is the user's typo, in words."""
    with pytest.raises(SpawnError, match="no-such-program"):
        nest.spawn(["no-such-program"])


def test_end_without_any_signal_is_noticed_by_kqueue(nest: Nest) -> None:
    """The notice alone is enough: nobody need have taken SIGCHLD."""
    nest.spawn(python("raise SystemExit(4)"))
    event = None
    end = time.monotonic() + 30
    while event is None and time.monotonic() < end:
        event = nest.inbox.get(time.monotonic() + 1)
    assert event == ChildExited(nest.run_id, ExitStatus(code=4), 0)


def test_notice_may_come_before_it_can_be_reaped(nest: Nest, monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS tells of an end a moment before the status can be had; the code is had a moment later, not lost."""
    real, early = os.waitpid, [3]

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        if early[0]:
            early[0] -= 1
            return 0, 0
        return real(pid, options)

    monkeypatch.setattr(os, "waitpid", waitpid)
    nest.spawn(python("raise SystemExit(5)"))
    event = None
    end = time.monotonic() + 30
    while event is None and time.monotonic() < end:
        event = nest.inbox.get(time.monotonic() + 1)
    assert event == ChildExited(nest.run_id, ExitStatus(code=5), 0)
    assert early == [0]


def test_one_that_ends_before_it_can_be_watched_is_not_missed(
    nest: Nest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses to watch who is ending already; a look by the clock takes its place."""
    monkeypatch.setattr(nest.inbox, "watch_process", lambda *_: False)
    nest.spawn(python("import time; time.sleep(0.3); raise SystemExit(6)"))
    event = None
    end = time.monotonic() + 30
    while event is None and time.monotonic() < end:
        event = nest.inbox.get(time.monotonic() + 1)
    assert event == ChildExited(nest.run_id, ExitStatus(code=6), 0)
    assert len(nest.inbox._timers) <= 1, "looks by the clock do not pile up"


@pytest.mark.parametrize("environment", ["bare", "kept"])
def test_helper_in_a_session_of_its_own_is_killed_with_the_tree(
    nest: Nest, tmp_path: Path, library: mac_world.Library, environment: str
) -> None:
    """Whoever was seen below the leader stays of the tree when the leader has ended, also without our mark."""
    nest.spawn(python(LEAVES_ONE, str(tmp_path / "pid"), "stays", environment))
    helper = await_pid(tmp_path / "pid")
    assert {one.pid for one in nest.tree.members()} == {nest.tree.identity.pid, helper}  # type: ignore[union-attr]
    nest.tree.terminate()
    library.orphans.add(helper)
    assert nest.await_event(ChildExited) == ChildExited(nest.run_id, ExitStatus(signal=15), 1)
    assert lives(helper)
    assert nest.tree.survivors()[0].startswith(f"pid {helper} (")
    nest.tree.kill()
    assert nest.await_event(TreeEmpty) == TreeEmpty(nest.run_id)
    wait_until(lambda: not lives(helper), "its end")


def test_orphan_is_found_by_its_mark(nest: Nest, tmp_path: Path, library: mac_world.Library) -> None:
    """A helper that nobody saw before its parent ended carries the run id in its environment."""
    nest.spawn(python(LEAVES_ONE, str(tmp_path / "pid"), "ends", "kept"))
    helper = await_pid(tmp_path / "pid")
    library.orphans.add(helper)
    assert nest.await_event(ChildExited) == ChildExited(nest.run_id, ExitStatus(code=0), 1)
    nest.tree.kill()
    assert nest.await_event(TreeEmpty) == TreeEmpty(nest.run_id)


def test_stopped_leader_is_woken_to_hear_of_its_end(nest: Nest) -> None:
    """SIGTERM to a stopped program is followed by SIGCONT."""
    pid = nest.spawn(python(STAYS))
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: (one := processes.stat(pid)) is not None and one.state == "T", "it stops")
    nest.tree.terminate()
    assert nest.await_event(ChildExited).status == ExitStatus(signal=15)


def test_signal_never_reaches_somebody_else_under_that_number(
    library: mac_world.Library, others: Strangers
) -> None:
    """A signal meant for an earlier owner of a number is not sent."""
    process = others.start(python(STAYS))
    found = processes.stat(process.pid)
    assert found is not None
    earlier = procfs.Stat(process.pid, "x", "S", 1, 0, 0, 0, found.start_ticks - 1)
    assert not child._send(earlier, signal.SIGKILL)
    stays_true(lambda: lives(process.pid), "the stranger lives", 0.1)
    assert child._send(found, signal.SIGKILL)
    process.wait()


def test_dump_signal_only_reaches_whoever_catches_it(nest: Nest, tmp_path: Path) -> None:
    """A signal is sent to a leader that has a handler for it, and to no other."""
    ready = tmp_path / "ready"
    code = (
        "import os, signal, sys, time; signal.signal(signal.SIGUSR1, lambda *_: os._exit(9)); "
        "open(sys.argv[1], 'w').close(); time.sleep(600)"
    )
    nest.spawn(python(code, str(ready)))
    wait_until(ready.exists, "it is ready")
    assert not nest.tree.send_to_leader(signal.SIGUSR2)
    assert nest.tree.send_to_leader(signal.SIGUSR1)
    assert nest.await_event(ChildExited).status == ExitStatus(code=9)


# --- runs of an earlier watchdog ---------------------------------------------------------------------------


def _identity(process: "subprocess.Popen[bytes]", run_id: str) -> Identity:
    found = processes.stat(process.pid)
    assert found is not None
    return Identity(process.pid, found.start_ticks, run_id, 3)


def test_adopted_run_tells_its_exit_code(
    nest: Nest, tmp_path: Path, library: mac_world.Library, others: Strangers
) -> None:
    """The notice has the status of a process that is not our child: an adopted run's code is known here."""
    go = tmp_path / "go"
    code = (
        "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\nraise SystemExit(7)"
    )
    process = others.start(python(code, str(go)))
    library.orphans.add(process.pid)
    nest.tree.adopt(_identity(process, "old"))
    nest.turn()
    assert nest.events == []
    go.touch()
    assert nest.await_event(ChildExited) == ChildExited("old", ExitStatus(code=7), 0)


def test_adopting_a_run_that_has_ended(nest: Nest, library: mac_world.Library, others: Strangers) -> None:
    """A run that ended before we could watch it is told as ended, with a code that nobody knows."""
    process = others.start(python("pass"))
    identity = _identity(process, "old")
    process.wait()
    nest.tree.adopt(identity)
    assert nest.await_event(ChildExited) == ChildExited("old", ExitStatus(), 0)


def test_members_that_end_unseen_are_looked_at_again(
    nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that kqueue will not watch, for it is just ending, does not keep the tree waiting."""
    nest.spawn(python(LEAVES_ONE, str(tmp_path / "pid"), "ends", "kept"))
    helper = await_pid(tmp_path / "pid")
    monkeypatch.setattr(nest.inbox, "watch_process", lambda *_: False)
    assert nest.await_event(ChildExited).left_behind == 1
    os.kill(helper, signal.SIGKILL)
    event = None
    end = time.monotonic() + 30
    while event is None and time.monotonic() < end:
        event = nest.inbox.get(time.monotonic() + 1)
    assert event == TreeEmpty(nest.run_id)
    assert len(nest.inbox._timers) <= 1


def test_membership_and_memory_of_the_tree(nest: Nest, tmp_path: Path, others: Strangers) -> None:
    """Descendants are members, strangers are not, and the memory of all members is added."""
    pid = nest.spawn(python(LEAVES_ONE, str(tmp_path / "pid"), "stays", "kept"))
    helper = await_pid(tmp_path / "pid")
    stranger = others.start(python(STAYS))
    assert nest.tree.is_member(pid)
    assert nest.tree.is_member(helper)
    assert not nest.tree.is_member(stranger.pid)
    assert nest.tree.resident_bytes() > processes.resident_bytes(pid) > 0
