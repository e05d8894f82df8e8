"""Process trees: started, signalled and reaped as a whole, and never anybody else."""

import contextlib
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trees import Nest, Strangers, await_pid, lives, python
from waiting import stays_true, wait_until
from watchdog_cli.adapters import child as child_module
from watchdog_cli.adapters import procfs
from watchdog_cli.adapters.child import Identity
from watchdog_cli.adapters.marked import find_marked
from watchdog_cli.adapters.spawn_fault import explain
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus

# Starts a grandchild in a session of its own that is deaf to SIGTERM, and writes its pid to a file.
LEAVES_ONE = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(sys.argv[1] + ".new", "w") as file: file.write(str(os.getpid()))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    time.sleep(600)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""
STAYS = "import signal, time; time.sleep(600)"


# --- starting --------------------------------------------------------------------------------------------


def test_child_gets_what_it_should_and_nothing_of_ours(nest: Nest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child has its run id, its extra entries, its own session, an empty stdin, and none of our keys."""
    for key in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.setenv(key, "ours")
    monkeypatch.setenv("KEPT", "naïve \u0639 %d $HOME \n\\")
    nest.extra["EXTRA"] = "yes"
    nest.tree = nest.new_tree()
    code = (
        "import os, sys, json; print(json.dumps([dict(os.environ), os.getsid(0) == os.getpid(), sys.stdin.read(),"
        " os.getcwd(), sorted(os.listdir('/proc/self/fd'))]))"
    )
    nest.spawn(python(code), run_id="abc")
    assert nest.await_event(ChildExited).status == ExitStatus(code=0)
    import json

    environment, is_session_leader, standard_input, folder, descriptors = json.loads(
        nest.output_path.read_bytes()
    )
    assert environment["WATCHDOG_RUN_ID"] == "abc"
    assert environment["EXTRA"] == "yes"
    assert environment["KEPT"] == "naïve \u0639 %d $HOME \n\\"
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(environment)
    assert is_session_leader
    assert standard_input == ""
    assert folder == nest.cwd
    assert descriptors[:3] == ["0", "1", "2"]
    assert len(descriptors) == 4, "the fourth is the listing itself"


def test_run_says_who_it_is(nest: Nest) -> None:
    """A spawned run carries the number and id that were asked for, and the identity has the kernel's own ticks."""
    pid = nest.spawn(python(STAYS), run_id="xyz", number=7)
    assert nest.tree.identity == Identity(pid, procfs.stat(pid).start_ticks, "xyz", 7)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(0)", ExitStatus(code=0)),
        ("raise SystemExit(3)", ExitStatus(code=3)),
        ("import os; os._exit(255)", ExitStatus(code=255)),
        ("import os; os.kill(os.getpid(), 9)", ExitStatus(signal=9)),
        ("import os; os.kill(os.getpid(), 15)", ExitStatus(signal=15)),
        ("import os, resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); os.abort()", ExitStatus(signal=6)),
    ],
)
def test_end_is_told_as_the_kernel_tells_it(nest: Nest, code: str, expected: ExitStatus) -> None:
    """Exit codes and signals of the leader arrive unchanged, and nobody is left."""
    nest.spawn(python(code))
    assert nest.await_event(ChildExited) == ChildExited(nest.run_id, expected, 0)
    assert nest.tree.identity is None
    assert nest.tree.members() == []


def test_spawn_does_not_leak(nest: Nest) -> None:
    """After many short lives there are as many open descriptors as before, and no zombie."""
    nest.spawn(["true"])
    nest.await_event(ChildExited)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(40):
        nest.spawn(["true"], run_id=f"run-{number}", number=number)
        nest.await_event(ChildExited)
    assert len(os.listdir("/proc/self/fd")) == before
    assert not [one for one in procfs.everybody().values() if one.parent == os.getpid() and one.is_zombie]


def _script(folder: Path, name: str, content: str, mode: int = 0o755) -> str:
    path = folder / name
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def _wrong_commands(folder: Path) -> dict[str, tuple[list[str], str]]:
    (folder / "a folder").mkdir()
    return {
        "not in PATH": (
            ["no-such-program-here"],
            "no such program: no-such-program-here (not found in PATH)",
        ),
        "no such path": (["./nowhere/x"], "no such program: ./nowhere/x (looked in "),
        "not executable": (
            [_script(folder, "plain", "#!/bin/sh\n", 0o644)],
            "is not executable; allow it with: chmod +x",
        ),
        "a folder": ([str(folder / "a folder")], "is a folder, not a program"),
        "no first line": (
            [_script(folder, "bare", "echo hello\n")],
            "a script needs a first line such as #!/bin/sh",
        ),
        "dead interpreter": (
            [_script(folder, "dead", "#!/no/such/sh\n")],
            "names an interpreter in its first line",
        ),
        "endless arguments": (["true", "x" * (1 << 18)], "too long for the system"),
        "NUL": (["true", "a\0b"], "cannot start 'true'"),
    }


@pytest.mark.parametrize(
    "what",
    [
        "not in PATH",
        "no such path",
        "not executable",
        "a folder",
        "no first line",
        "dead interpreter",
        "endless arguments",
        "NUL",
    ],
)
def test_wrong_command_is_explained(nest: Nest, tmp_path: Path, what: str) -> None:
    """A command that cannot be started says in one line which thing is wrong, and that trying again is no use."""
    argv, words = _wrong_commands(tmp_path)[what]
    with pytest.raises(SpawnError) as caught:
        nest.spawn(argv)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caught.value.transient
    assert nest.tree.identity is None


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """A working folder that has vanished is the thing that is named, not the program."""
    folder = tmp_path / "gone"
    folder.mkdir()
    nest = Nest(folder)
    nest.output_path = tmp_path / "output"
    folder.rmdir()
    with pytest.raises(SpawnError, match=r"folder .*gone does not exist; pick another with -C"):
        nest.spawn(["true"])
    nest.close()


def test_passing_trouble_is_no_fault_of_the_folder(tmp_path: Path) -> None:
    """No process or descriptor to be had is told as such and tried again, whatever the folder looks like."""
    for number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE):
        told = explain(OSError(number, os.strerror(number)), "true", str(tmp_path / "gone"), {})
        assert told.transient
        assert os.strerror(number) in str(told)


def test_program_that_is_being_written_may_work_later(nest: Nest, tmp_path: Path) -> None:
    """A program file that somebody holds open for writing is a passing trouble."""
    program = tmp_path / "copy"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    with program.open("ab"), pytest.raises(SpawnError) as caught:
        nest.spawn([str(program)])
    assert caught.value.transient
    nest.spawn([str(program)])
    assert nest.await_event(ChildExited).status == ExitStatus(code=0)


def _take_all_descriptors(kept: list[int]) -> None:
    with contextlib.suppress(OSError):
        while True:
            kept.append(os.dup(0))


def test_short_descriptors_are_a_passing_trouble(nest: Nest) -> None:
    """A spawn without a free descriptor fails as transient, and works when there are some again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    kept: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        _take_all_descriptors(kept)
        with pytest.raises(SpawnError) as caught:
            nest.spawn(["true"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in kept:
            os.close(descriptor)
    assert caught.value.transient
    nest.spawn(["true"])
    assert nest.await_event(ChildExited).status == ExitStatus(code=0)


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
    from dataclasses import replace

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


def test_output_goes_where_it_should(nest: Nest) -> None:
    """Stdout and stderr are the given descriptor, in order."""
    nest.spawn(["sh", "-c", "echo one; echo two >&2; echo three"])
    nest.await_event(ChildExited)
    assert nest.output_path.read_text() == "one\ntwo\nthree\n"
    assert stat.S_IMODE(nest.output_path.stat().st_mode) == 0o600


def test_many_orphans_do_not_eat_all_descriptors(tmp_path: Path) -> None:
    """With few descriptors and many processes left behind, the tree is still ended and nothing fails."""
    code = """
import os, pathlib, resource, sys, time
sys.path[:0] = sys.argv[1:3]
from trees import Nest
from watchdog_cli.core.events import ChildExited, TreeEmpty
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
nest = Nest(pathlib.Path(sys.argv[3]))
nest.spawn(["sh", "-c", "for i in $(seq 80); do setsid sleep 600 & done; kill -9 $$"])
exited = nest.await_event(ChildExited)
free = 40 - len(os.listdir("/proc/self/fd"))
nest.tree.kill()
nest.await_event(TreeEmpty)
print(exited.status.signal, exited.left_behind >= 70, free >= 10, nest.tree.members())
"""
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tests), str(tests.parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.stdout.split() == ["9", "True", "True", "[]"], done.stderr
    stays_true(lambda: not find_marked(str(tmp_path)), "nobody is left", 0.1)
