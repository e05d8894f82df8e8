"""Process groups, orphans and zombies: the whole tree, never two, never a stranger (cases P01 to P08)."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rig import BIN, QUICK, Rig
from waiting import stays_true, wait_until

PLAIN = ("--no-heartbeat", *QUICK)

# Says its pid and that it is ready, and ignores SIGTERM if told to.
MEMBER = """
import os, signal, sys, time
if "deaf" in sys.argv[2:]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1] + ".new", "w") as file: file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True: time.sleep(60)
"""


def _pid(path: Path) -> int:
    return int(wait_until(lambda: path.read_text() if path.exists() else "", f"a pid in {path.name}"))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_P01_stop_covers_shell_and_both_pythons(rig: Rig) -> None:
    """A shell that starts a Python that starts a Python: after the stop none of the three is left."""
    rig.write("member.py", MEMBER)
    rig.write(
        "outer.py", "import subprocess, sys; subprocess.run([sys.executable, 'member.py', 'inner.pid'])"
    )
    watchdog = rig.run(*PLAIN, "--", "sh", "-c", f"{sys.executable} outer.py; true")
    inner = _pid(rig.folder / "inner.pid")
    assert len(rig.marked()) == 4
    assert rig.cli("stop").returncode == 0
    assert not _lives(inner)
    assert watchdog.wait(10) == 0
    assert rig.marked() == {}


@pytest.mark.parametrize("session", [False, True])
def test_P02_member_that_outlives_the_leader_is_waited_for_and_killed(rig: Rig, session: bool) -> None:
    """The leader ends at once, another member is deaf: stop returns only when that one is gone, after the timeout."""
    rig.write("member.py", MEMBER)
    start = (
        f"subprocess.Popen([sys.executable, 'member.py', 'deaf.pid', 'deaf'], start_new_session={session})"
    )
    rig.write("leader.py", f"import subprocess, sys, time; {start}; time.sleep(600)")
    rig.run(*PLAIN, "--stop-timeout", "1500ms", "--", sys.executable, "leader.py")
    deaf = _pid(rig.folder / "deaf.pid")
    began = time.monotonic()
    assert rig.cli("stop").returncode == 0
    assert not _lives(deaf)
    assert time.monotonic() - began > 1.3
    assert rig.facts("killing")


def test_P03_next_start_waits_for_the_old_tree(rig: Rig) -> None:
    """A worker behind a shell needs its time to close: the lives of two workers never overlap, over many restarts."""
    worker = """
import os, signal, sys, time
def stamp(word):
    with open("stamps", "a") as file: file.write(f"{word} {os.getpid()} {time.monotonic()}\\n")
def close(*_):
    time.sleep(0.4)
    stamp("end")
    os._exit(0)
signal.signal(signal.SIGTERM, close)
stamp("begin")
while True: time.sleep(60)
"""
    rig.write("worker.py", worker)
    rig.run(
        *PLAIN,
        "--restart-delay",
        "0",
        "--max-restarts",
        "unlimited",
        "--",
        "sh",
        "-c",
        f"{sys.executable} worker.py; true",
    )
    stamps = rig.folder / "stamps"

    def begun() -> int:
        return stamps.read_text().count("begin") if stamps.exists() else 0

    for round_ in range(1, 8):
        wait_until(lambda least=round_: begun() >= least, f"worker {round_}")  # type: ignore[misc]
        if round_ % 2:
            os.kill(rig.child(), signal.SIGKILL)  # the shell alone: the worker is left behind
        else:
            assert rig.cli("restart").returncode == 0
    assert rig.cli("stop").returncode == 0
    words = [line.split() for line in stamps.read_text().splitlines()]
    assert [word[0] for word in words] == ["begin", "end"] * (len(words) // 2)
    assert all(words[at][1] == words[at + 1][1] for at in range(0, len(words), 2))
    assert len(words) >= 14


SLOW = """
import signal, sys, time
def close(*_):
    time.sleep(30)
signal.signal(signal.SIGTERM, close)
open("ready", "w").close()
while True: time.sleep(60)
"""


def test_P04_second_interrupt_shortens_the_stop(rig: Rig) -> None:
    """Ctrl-C twice: the first asks, the second kills at once; nobody is left."""
    rig.write("slow.py", SLOW)
    watchdog = rig.run(*PLAIN, "--stop-timeout", "25s", "--", sys.executable, "slow.py")
    wait_until((rig.folder / "ready").exists, "the program")
    watchdog.send_signal(signal.SIGINT)
    rig.fact("stopping")
    stays_true(lambda: watchdog.poll() is None, "waiting for the program", 0.3)
    watchdog.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert watchdog.wait(15) == 0
    assert time.monotonic() - began < 10
    assert rig.marked() == {}


CLEAN = """
import signal, sys, time
def close(*_):
    open("CLEAN", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, close)
open("ready", "w").close()
time.sleep(600)
"""


def test_P04_term_stops_in_order(rig: Rig) -> None:
    """SIGTERM alone gives the program its time and leaves nobody."""
    rig.write("clean.py", CLEAN)
    watchdog = rig.run(*PLAIN, "--", sys.executable, "clean.py")
    wait_until((rig.folder / "ready").exists, "the program")
    watchdog.terminate()
    assert watchdog.wait(15) == 0
    assert (rig.folder / "CLEAN").exists()
    assert rig.marked() == {}


def test_P04_closed_terminal_leaves_nobody(rig: Rig) -> None:
    """The window is closed: SIGHUP stops program and watchdog in order."""
    rig.write("clean.py", CLEAN)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(rig.folder)
        os.execve(
            BIN / "watchdog", ["watchdog", "run", *PLAIN, "--", sys.executable, "clean.py"], rig.environment()
        )
    wait_until((rig.folder / "ready").exists, "the program")
    os.close(terminal)
    wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, "the end of the watchdog")
    assert (rig.folder / "CLEAN").exists()
    assert rig.marked() == {}


def test_P05_never_two_after_the_supervisor_was_killed(rig: Rig) -> None:
    """Kill -9 of the watchdog, then the same start again: exactly one program, and it is said what was done."""
    rig.write("member.py", MEMBER)
    watchdog = rig.run(*PLAIN, "--", sys.executable, "member.py", "one.pid")
    first = _pid(rig.folder / "one.pid")
    watchdog.kill()
    watchdog.wait()
    rig.run(*PLAIN, "--", sys.executable, "member.py", "one.pid")
    rig.fact("adopted")
    assert rig.child() == first
    programs = [
        line for line in rig.marked().values() if "member.py one.pid" in line and "watchdog" not in line
    ]
    assert len(programs) == 1
    assert rig.cli("stop").returncode == 0


def test_P07_hundred_crashes_leave_no_zombie_and_no_handle(rig: Rig) -> None:
    """A hundred crashes in a row: no defunct child at any look, descriptors and threads as at the start."""
    rig.write("crash.py", "import os, sys; open('count', 'a').write('x'); sys.exit(1)")
    watchdog = rig.run(
        *PLAIN, "--restart-delay", "0", "--max-restarts", "unlimited", "--", sys.executable, "-S", "crash.py"
    )
    count = rig.folder / "count"
    home = Path(f"/proc/{watchdog.pid}")

    def rounds() -> int:
        return count.stat().st_size if count.exists() else 0

    def handles() -> tuple[int, int]:
        return len(os.listdir(home / "fd")), len(os.listdir(home / "task"))

    worst = 0

    def looks_until(number: int) -> list[tuple[int, int]]:
        """The handles and threads at each look until so many rounds are over."""
        nonlocal worst
        seen: list[tuple[int, int]] = []

        def look() -> bool:
            nonlocal worst
            children = (home / "task" / str(watchdog.pid) / "children").read_text().split()
            worst = max(
                worst, sum(Path(f"/proc/{pid}").exists() and not _lives(int(pid)) for pid in children)
            )
            seen.append((len(os.listdir(home / "fd")), len(os.listdir(home / "task"))))
            return rounds() >= number

        wait_until(look, f"{number} rounds", limit_s=40)
        return seen

    looks_until(10)
    before = looks_until(40)
    looks_until(110)
    after = looks_until(140)
    for early, late in zip(zip(*before, strict=True), zip(*after, strict=True), strict=True):
        assert min(late) <= max(early), "a leak is there at each look; what is open for a moment is none"
    assert worst <= 1, "a dead child is reaped before the next one starts"
    assert rig.cli("stop").returncode == 0


SLEEPER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
open("ready-" + str(len(__import__("glob").glob("ready-*"))), "w").close()
time.sleep(600)
"""


def test_P08_detached_sleeper_that_holds_stdout_delays_nothing(rig: Rig) -> None:
    """A sleeper that the program left holds its stdout: crash and stop are noticed by the process, at normal speed."""
    rig.write("sleeper.py", SLEEPER)
    rig.run(*PLAIN, "--", sys.executable, "sleeper.py")
    wait_until((rig.folder / "ready-0").exists, "the first run")
    began = time.monotonic()
    os.kill(rig.child(), signal.SIGKILL)
    wait_until((rig.folder / "ready-1").exists, "the next run")
    assert time.monotonic() - began < 8
    began = time.monotonic()
    assert rig.cli("stop").returncode == 0
    assert time.monotonic() - began < 8
    assert rig.marked() == {}


def test_job_of_the_shell_that_became_the_watchdog_is_let_alone(rig: Rig) -> None:
    """A shell starts a job and then becomes the watchdog: crash, restart and stop leave that job running."""
    rig.write("member.py", MEMBER)
    job_line = f"{sys.executable} member.py job.pid"
    line = f"{job_line} & exec {BIN}/watchdog run {' '.join(PLAIN)} -- {sys.executable} member.py one.pid"
    shell = subprocess.Popen(
        ["sh", "-c", line],
        cwd=rig.folder,
        env=rig.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    rig.started.append(shell)
    job, first = _pid(rig.folder / "job.pid"), _pid(rig.folder / "one.pid")
    try:
        os.kill(first, signal.SIGKILL)
        rig.other_child(first)
        assert rig.fact("ended")["cause"] == "signal"
        assert rig.facts("left-behind") == []
        assert rig.cli("upgrade").returncode == 0
        assert rig.cli("restart").returncode == 0
        assert _lives(job)
        assert rig.cli("stop").returncode == 0
        assert _lives(job)
    finally:
        os.kill(job, signal.SIGKILL)
    shell.wait(10)
    wait_until(lambda: not _lives(job), "the end of the job")
