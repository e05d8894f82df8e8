"""Process trees are ended as a whole: whoever is left, deaf, stopped or forking."""

import os
import signal
import sys
import time
from pathlib import Path

from tree_programs import LEAVES_ONE
from trees import Nest, await_pid, lives, python
from waiting import wait_until
from watchdog_cli.adapters import procfs
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus

# --- ending ----------------------------------------------------------------------------------------------


def test_what_the_leader_leaves_behind_is_counted_and_killed(nest: Nest, tmp_path: Path) -> None:
    """A grandchild with a session of its own outlives the leader, is told of, and dies by the kill."""
    nest.spawn(python(LEAVES_ONE, str(tmp_path / "pid")))
    exited = nest.await_event(ChildExited)
    assert exited == ChildExited(nest.run_id, ExitStatus(code=0), 1)
    pid = await_pid(tmp_path / "pid")
    assert [one.pid for one in nest.tree.members()] == [pid]
    assert nest.tree.survivors() == [f"pid {pid} ({procfs.stat(pid).name})"]  # type: ignore[union-attr]
    nest.tree.terminate_rest()
    nest.turn(0.2)
    assert lives(pid), "it is deaf to SIGTERM"
    nest.tree.kill()
    assert nest.await_event(TreeEmpty) == TreeEmpty(nest.run_id)
    assert not lives(pid)
    assert nest.tree.identity is None


def test_soft_stop_goes_to_the_leader_alone(nest: Nest, tmp_path: Path) -> None:
    """The helpers of a pool are not hit first; they are asked in the second step."""
    code = "import os, time, sys; os.fork() or time.sleep(600); open(sys.argv[1], 'w').write(''); time.sleep(600)"
    nest.spawn(python("import signal; signal.signal(15, lambda *_: None); " + code, str(tmp_path / "up")))
    wait_until(lambda: len(nest.tree.members()) == 2 and (tmp_path / "up").exists(), "leader and helper")
    helper = nest.tree.members()[1]
    nest.tree.terminate()
    nest.turn(0.2)
    assert len(nest.tree.members()) == 2, "the leader does not end, and nobody else was asked"
    os.kill(helper.pid, signal.SIGKILL)
    wait_until(lambda: len(nest.tree.members()) == 1, "the end of the helper")
    nest.tree.kill()
    assert nest.await_event(ChildExited).status == ExitStatus(signal=9)


def test_stopped_process_is_woken_to_hear_of_its_end(nest: Nest, tmp_path: Path) -> None:
    """A leader that somebody froze with SIGSTOP can still be asked to end."""
    code = (
        "import signal, sys, time, pathlib; signal.signal(15, lambda *_: sys.exit(5));"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    pid = nest.spawn(python(code, str(tmp_path / "up")))
    wait_until((tmp_path / "up").exists, "its handler")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: procfs.stat(pid).state == "T", "the freeze")  # type: ignore[union-attr]
    nest.tree.terminate()
    assert nest.await_event(ChildExited).status == ExitStatus(code=5)


def test_tree_that_forks_while_it_is_killed_does_not_escape(nest: Nest, tmp_path: Path) -> None:
    """A process that replaces itself by a fresh fork every moment is caught together with its group."""
    hops = """
import os, signal, sys, time
signal.signal(15, signal.SIG_IGN)
signal.signal(17, signal.SIG_IGN)
end = time.monotonic() + 25
if os.fork() == 0:
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
    os._exit(0)
open(sys.argv[1], "w").write("")
time.sleep(25)
"""
    nest.spawn(python(hops, str(tmp_path / "up")))
    wait_until((tmp_path / "up").exists, "the hopping")
    started = time.monotonic()
    nest.tree.kill()
    nest.tree.look()
    wait_until(lambda: _is_over(nest), "the end of the whole tree", limit_s=15)
    assert time.monotonic() - started < 10


def _is_over(nest: Nest) -> bool:
    if nest.tree.identity is not None:
        nest.turn(0.05)
        nest.tree.kill()
        nest.tree.look()
    return nest.tree.identity is None


def test_leader_whose_main_thread_ended_is_alive(nest: Nest, tmp_path: Path) -> None:
    """The kernel calls it a zombie although its other threads work on: it is a member, and can be killed."""
    code = """
import ctypes, pathlib, signal, sys, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def work():
    time.sleep(0.2)
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(60)
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    pid = nest.spawn([sys.executable, "-c", code, str(tmp_path / "up")])
    wait_until(
        lambda: (tmp_path / "up").exists() and procfs.stat(pid).state == "Z", "a leader without a head"
    )  # type: ignore[union-attr]
    assert [one.pid for one in nest.tree.members()] == [pid]
    assert procfs.is_same(pid, nest.tree.identity.start_ticks)  # type: ignore[union-attr]
    nest.tree.kill()
    assert nest.await_event(ChildExited).status == ExitStatus(signal=9)


def test_names_of_survivors_cannot_steer_a_terminal(nest: Nest, tmp_path: Path) -> None:
    """A process may call itself anything: brackets, spaces, line ends and escapes; what is shown is one clean line."""
    code = (
        "import pathlib, sys, time; open('/proc/self/comm', 'wb').write(b') R (\\n\\x1b[2J');"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    pid = nest.spawn(python(code, str(tmp_path / "up")))
    wait_until((tmp_path / "up").exists, "its name")
    assert [one.pid for one in nest.tree.members()] == [pid]
    (shown,) = nest.tree.survivors()
    assert shown.startswith(f"pid {pid} () R (")
    assert shown.isprintable()


def test_few_survivors_are_named_and_the_rest_counted(nest: Nest) -> None:
    """With many survivors the first four are named."""
    nest.spawn(["sh", "-c", "for i in 1 2 3 4 5 6; do sleep 600 & done; wait"])
    wait_until(lambda: len(nest.tree.members()) == 7, "seven processes")
    shown = nest.tree.survivors()
    assert len(shown) == 5
    assert shown[-1] == "3 more"


def test_memory_of_the_whole_tree_is_added_up(nest: Nest) -> None:
    """Resident memory counts leader and helpers together."""
    code = "import os, time; os.fork(); held = bytearray(os.urandom(1)) * 30_000_000; time.sleep(600)"
    nest.spawn(python(code))
    wait_until(lambda: nest.tree.resident_bytes() > 60_000_000, "30 MB in each of two processes")
    assert nest.tree.resident_bytes() < 200_000_000


# --- odds and ends ---------------------------------------------------------------------------------------


def test_dump_signal_only_reaches_whoever_catches_it(nest: Nest, tmp_path: Path) -> None:
    """A signal without a handler would kill, and a frozen process could not answer: neither is sent."""
    code = (
        "import signal, sys, time, pathlib\n"
        "signal.signal(signal.SIGUSR1, lambda *_: pathlib.Path(sys.argv[1] + '-got').touch())\n"
        "pathlib.Path(sys.argv[1]).touch()\nwhile True: time.sleep(1)"
    )
    pid = nest.spawn(python(code, str(tmp_path / "up")))
    wait_until((tmp_path / "up").exists, "the handler")
    assert not nest.tree.send_to_leader(signal.SIGUSR2)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: procfs.stat(pid).state == "T", "the freeze")  # type: ignore[union-attr]
    assert not nest.tree.send_to_leader(signal.SIGUSR1)
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: procfs.stat(pid).state == "S", "the thaw")  # type: ignore[union-attr]
    assert nest.tree.send_to_leader(signal.SIGUSR1)
    wait_until((tmp_path / "up-got").exists, "the handler's work")
    assert lives(pid)
