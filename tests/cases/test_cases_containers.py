"""As the first process of a container, and where the system runs short of something (case K02 and its neighbours)."""

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rig import QUICK, Rig
from waiting import wait_until

PLAIN = ("--no-heartbeat", *QUICK)
SLOW = """\
import os, sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "watchdog_cli.cli.main" and "run" in sys.argv:
            open("loading", "w").close()
            while os.path.exists("loading"): time.sleep(0.02)
sys.meta_path.insert(0, Slow())
"""
USER = () if os.getuid() == 0 else ("--user", "--map-root-user")
SPACE = ("unshare", *USER, "--pid", "--fork", "--kill-child", "--mount-proc")
# Since this kernel a pid namespace has a limit of its own; before, it was one for all.
PIDS_OF_A_SPACE = (6, 14)


class Space:
    """A watchdog that is process 1 of a pid namespace, looked at from outside."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.outer: subprocess.Popen[bytes] | None = None

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        """Start ``watchdog run WORDS`` as process 1; the process that is returned ends with its code."""
        self.outer = self.rig.run(*words, prefix=SPACE)
        return self.outer

    @property
    def init(self) -> int:
        """Process 1, by its number out here."""
        assert self.outer is not None
        found = wait_until(lambda: _children(self.outer.pid), "process 1")  # type: ignore[union-attr]
        return found[0]

    def children(self) -> dict[int, str]:
        """The children of process 1 and their states."""
        return {pid: state for pid in _children(self.init) if (state := _state(pid))}

    def enter(self, *words: str) -> subprocess.Popen[bytes]:
        """Start something in the namespace that the watchdog knows nothing of."""
        users = ("--user", "--preserve-credentials") if USER else ()
        process = subprocess.Popen(
            ["nsenter", "--target", str(self.init), *users, "--pid", "--mount", *words],
            cwd=self.rig.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self.rig.started.append(process)
        return process


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.fixture
def space(rig: Rig) -> Space:
    return Space(rig)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("prefix", [SPACE, ()], ids=["process-1", "any-process"])
def test_K02_a_stop_while_it_loads_is_heard(rig: Rig, prefix: tuple[str, ...], number: int) -> None:
    """Process 1 is not sent what it does not handle yet; any other would end, with a traceback at Ctrl-C."""
    rig.write("sitecustomize.py", SLOW)
    outer = rig.run(*PLAIN, "--", "sleep", "1000", prefix=prefix, PYTHONPATH=str(rig.folder))
    wait_until((rig.folder / "loading").exists, "a watchdog that is loading itself")
    os.kill(_children(outer.pid)[0] if prefix else outer.pid, number)
    (rig.folder / "loading").unlink()
    assert outer.wait(30) == 0
    assert "Traceback" not in rig.outputs[0].read_text()
    assert rig.status()["state"] == "stopped"


CLEAN = """
import os, signal, sys, time
def close(*_):
    open("CLEAN", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, close)
for _ in range(50):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.3)
            os._exit(0)
        os._exit(0)
    os.wait()
open("ready", "w").close()
while True: time.sleep(60)
"""


def test_K02_first_process_reaps_orphans_and_stops_in_order(space: Space) -> None:
    """As process 1: fifty orphans are reaped, SIGTERM stops the program in order, and all is over in time."""
    space.rig.write("clean.py", CLEAN)
    outer = space.run(*PLAIN, "--", sys.executable, "clean.py")
    wait_until((space.rig.folder / "ready").exists, "the program")
    wait_until(lambda: len(space.children()) == 1, "fifty orphans to be reaped")
    assert "Z" not in space.children().values()
    began = time.monotonic()
    os.kill(space.init, signal.SIGTERM)
    assert outer.wait(20) == 0
    assert time.monotonic() - began < 10
    assert (space.rig.folder / "CLEAN").exists()


@pytest.mark.parametrize(("code", "expected"), [("sys.exit(42)", 42), ("os.kill(os.getpid(), 9)", 137)])
def test_K02_exit_code_of_the_program_is_passed_on(space: Space, code: str, expected: int) -> None:
    """With restart never the container ends as the program ended."""
    outer = space.run(*PLAIN, "--restart", "never", "--", sys.executable, "-c", f"import os, sys; {code}")
    assert outer.wait(30) == expected


def test_K02_giving_up_ends_the_container_with_a_code(space: Space) -> None:
    """A crash loop beyond the cap ends process 1 with the documented code."""
    options = ("--no-heartbeat", "--restart-delay", "0", "--max-restarts", "2")
    assert space.run(*options, "--", "false").wait(30) == 12


def test_K02_grandchildren_with_sessions_of_their_own_go_with_the_run(space: Space) -> None:
    """What a run left behind in other sessions is ended before the next one starts, also as process 1."""
    code = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open("up", "a").write("x")
    while True: time.sleep(60)
while True: time.sleep(60)
"""
    space.rig.write("leaves.py", code)
    space.run(*PLAIN, "--stop-timeout", "500ms", "--", sys.executable, "leaves.py")
    up = space.rig.folder / "up"
    wait_until(up.exists, "the grandchild")
    leader = space.children()
    assert len(leader) == 1
    os.kill(next(iter(leader)), signal.SIGKILL)
    wait_until(lambda: up.read_text() == "xx", "the next run")
    assert len(_below(space.init)) == 2, "the old grandchild is gone"
    assert space.rig.fact("left-behind")["count"] == 1
    os.kill(space.init, signal.SIGTERM)
    assert space.outer is not None
    assert space.outer.wait(20) == 0


def _below(pid: int) -> list[int]:
    found = []
    for child in _children(pid):
        if _state(child) not in ("", "Z"):
            found += [child, *_below(child)]
    return found


def test_K02_strangers_in_the_namespace_are_reaped_and_let_alone(space: Space) -> None:
    """What somebody else starts in the container is no part of the program: no signal, but its zombie is reaped."""
    space.run(*PLAIN, "--", "sleep", "600")
    space.rig.fact("spawned")
    program = next(iter(space.children()))
    space.enter("sh", "-c", "sleep 600 >/dev/null & sleep 0.2 & exit 0").wait(10)
    strangers = wait_until(lambda: [pid for pid in space.children() if pid != program], "strangers")
    wait_until(lambda: len(space.children()) == 2, "the short one to be reaped")
    stranger = next(pid for pid in strangers if _state(pid))
    os.kill(program, signal.SIGKILL)
    space.rig.fact("spawned", 2)
    assert _state(stranger) == "S"
    assert not space.rig.facts("left-behind")
    os.kill(stranger, signal.SIGKILL)
    wait_until(lambda: not _state(stranger), "its reaping")
    os.kill(space.init, signal.SIGTERM)
    assert space.outer is not None
    assert space.outer.wait(20) == 0


def test_K02_signals_for_the_program_are_passed_on(space: Space) -> None:
    """SIGHUP and SIGUSR1 to process 1 reach the program, which reloads; neither ends anything."""
    code = """
import signal, time
for number in (signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda number, _: open(f"got-{number}", "w").close())
open("ready", "w").close()
while True: time.sleep(60)
"""
    space.rig.write("reload.py", code)
    outer = space.run(*PLAIN, "--", sys.executable, "reload.py")
    wait_until((space.rig.folder / "ready").exists, "the program")
    os.kill(space.init, signal.SIGHUP)
    os.kill(space.init, signal.SIGUSR1)
    wait_until((space.rig.folder / f"got-{int(signal.SIGHUP)}").exists, "the hang-up")
    wait_until((space.rig.folder / f"got-{int(signal.SIGUSR1)}").exists, "the other")
    assert outer.poll() is None
    os.kill(space.init, signal.SIGTERM)
    assert outer.wait(20) == 0


# --- running short ---------------------------------------------------------------------------------------

FILLS = """
import os, sys, time
pids = []
try:
    while len(pids) < 1000:
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
        pids.append(pid)
except OSError:
    pass
open("filled", "w").write(str(len(pids)))
while not os.path.exists("free"): time.sleep(0.05)
for pid in pids: os.kill(pid, 9)
for pid in pids: os.wait()
open("freed", "w").close()
"""
NO_FORK = """
import os, sys
if sys.argv[1:2] == ["run"]:
    import _posixsubprocess, subprocess
    real = _posixsubprocess.fork_exec
    def fork_exec(*words):
        if os.path.exists("filled") and not os.path.exists("freed"):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(*words)
    subprocess._fork_exec = _posixsubprocess.fork_exec = fork_exec
"""


def test_no_process_left_to_be_had(space: Space) -> None:
    """While no new process can be made, the start is tried again and again, nobody is harmed, and then it works."""
    rig = space.rig
    kernel = tuple(int(part) for part in platform.release().split(".")[:2])
    own_limit = kernel >= PIDS_OF_A_SPACE and not USER
    patch = {}
    if not own_limit:
        (rig.folder / "patch").mkdir()
        rig.write("patch/sitecustomize.py", NO_FORK)
        patch = {"PYTHONPATH": str(rig.folder / "patch")}
    space.outer = rig.run(
        "--no-heartbeat", "--restart-delay", "300ms", "--max-restarts", "unlimited", "--", "sleep", "600",
        prefix=SPACE, **patch,
    )  # fmt: skip
    rig.fact("spawned")
    program = next(iter(space.children()))
    rig.write("fills.py", FILLS)
    if own_limit:
        space.enter(
            "sh",
            "-c",
            f"cd {rig.folder}; echo 340 >/proc/sys/kernel/pid_max; exec {sys.executable} -S fills.py",
        )
        wait_until((rig.folder / "filled").exists, "a full table")
    else:
        (rig.folder / "filled").touch()
    os.kill(program, signal.SIGKILL)
    failed = rig.fact("spawn-failed", 3)
    assert "unavailable" in failed["text"]
    assert _state(space.init) in "SR"
    assert len(rig.facts("spawned")) == 1
    (rig.folder / "free").touch()
    if not own_limit:
        (rig.folder / "freed").touch()
    rig.fact("spawned", 2)
    os.kill(space.init, signal.SIGTERM)
    assert space.outer.wait(20) == 0


def _start(pid: int) -> tuple[int, int]:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]), pid


def test_few_descriptors_are_enough(rig: Rig) -> None:
    """With thirty-two descriptors: crashes, many left processes, a crowd at the control socket and a stop all work."""
    import socket

    code = """
import os, signal, sys, time
for _ in range(30):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
open("up", "a").write("x")
time.sleep(600)
"""
    rig.write("many.py", code)
    limit = ("prlimit", "--nofile=32:32")
    watchdog = rig.run(*PLAIN, "--stop-timeout", "500ms", "--", sys.executable, "-S", "many.py", prefix=limit)
    up = rig.folder / "up"
    wait_until(up.exists, "the program")
    folder = os.open(rig.folder / ".watchdog" / "tracker", os.O_RDONLY)
    crowd = []
    for _ in range(40):
        one = socket.socket(socket.AF_UNIX)
        one.connect(f"/proc/self/fd/{folder}/control")
        crowd.append(one)
    for turn in (1, 2):
        os.kill(min(_children(watchdog.pid), key=_start), signal.SIGKILL)
        wait_until(lambda turn=turn: up.read_text() == "x" * (turn + 1), "the next run")  # type: ignore[misc]
    for one in crowd:
        one.close()
    os.close(folder)
    assert watchdog.poll() is None
    assert rig.status()["state"] == "running"
    assert rig.cli("stop").returncode == 0
    assert watchdog.wait(10) == 0
    assert rig.marked() == {}


def test_far_too_few_descriptors_are_one_line(rig: Rig) -> None:
    """Where it cannot work at all it says so in one line, and leaves nothing behind."""
    watchdog = rig.run(*PLAIN, "--", "sleep", "600", prefix=("prlimit", "--nofile=9:9"))
    assert watchdog.wait(20) != 0
    said = rig.printed()
    assert "Too many open files" in said or "too many open files" in said
    assert said.count("\n") == 1
    assert rig.marked() == {}
