"""State files, locks, pid reuse, and a watchdog that is itself frozen or deaf (cases F01 to F06, H12, H14)."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rig import QUICK, Rig
from trees import Strangers
from waiting import stays_true, wait_until

PLAIN = ("--no-heartbeat", *QUICK)
SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")
BEATS = """
import json, os, sys, time
while True:
    if not os.path.exists("hang"):
        with open("hb.tmp", "w") as file: json.dump({"pid": os.getpid()}, file)
        os.replace("hb.tmp", "heartbeat.json")
    time.sleep(0.1)
"""


def _state(rig: Rig) -> Path:
    return rig.folder / ".watchdog" / "tracker" / "state.json"


@pytest.mark.parametrize("who", ["1", "own", "dead", "garbage"])
def test_F01_left_files_decide_nothing(rig: Rig, who: str) -> None:
    """Lock and state files that name pid 1, ourselves, a dead pid or nonsense do not keep us from starting."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    pid = {"1": 1, "own": os.getpid(), "dead": dead.pid, "garbage": 0}[who]
    folder = rig.folder / ".watchdog" / "tracker"
    folder.mkdir(parents=True)
    (folder / "lock").write_text(f"{pid}\n" if pid else "no pid at all")
    identity = {"pid": pid, "start_ticks": 5, "started_at": ""}
    child = {"process": identity, "run_id": "x", "number": 3}
    state = {"version": 1, "watchdog": identity, "child": child, "boot_id": _boot_id(), "state": "running"}
    (folder / "state.json").write_text(json.dumps(state) if pid else "no state")
    rig.run(*PLAIN, "--", *SLEEPS)
    assert rig.child() != pid
    assert rig.cli("stop").returncode == 0


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_F02_unrelated_process_is_never_signalled(rig: Rig, others: Strangers) -> None:
    """The state names the pid of somebody else with another start: start, stop and status leave it alone."""
    stranger = others.start(list(SLEEPS))
    folder = rig.folder / ".watchdog" / "tracker"
    folder.mkdir(parents=True)
    identity = {"pid": stranger.pid, "start_ticks": 5, "started_at": ""}
    child = {"process": identity, "run_id": "x", "number": 3}
    state = {"version": 1, "watchdog": identity, "child": child, "boot_id": _boot_id(), "state": "running"}
    (folder / "state.json").write_text(json.dumps(state))
    report = rig.status()
    assert (report["child"], report["exit_code"]) == (None, 3)
    assert rig.cli("stop").returncode == 3
    rig.run(*PLAIN, "--", *SLEEPS)
    assert rig.child() != stranger.pid
    assert rig.cli("restart").returncode == 0
    assert rig.cli("stop").returncode == 0
    assert stranger.poll() is None


def test_F04_second_start_is_refused_and_a_killed_first_frees_the_way(rig: Rig) -> None:
    """The second start ends within two seconds with its own code and the pid of the first; the third works at once."""
    first = rig.run(*PLAIN, "--", *SLEEPS)
    child = rig.child()
    began = time.monotonic()
    second = rig.run(*PLAIN, "--", *SLEEPS)
    assert second.wait(10) == 11
    assert time.monotonic() - began < 3
    said = rig.outputs[-1].read_text()
    assert f"pid {first.pid}" in said
    assert said.count("\n") == 1
    first.kill()
    first.wait()
    rig.run(*PLAIN, "--", *SLEEPS)
    rig.fact("adopted")
    assert rig.child() == child
    assert rig.cli("stop").returncode == 0


def test_F04_another_name_is_another_lock(rig: Rig) -> None:
    """Two names in one folder run side by side."""
    rig.run(*PLAIN, "--", *SLEEPS)
    rig.run(*PLAIN, "--name", "second", "--", *SLEEPS)
    rig.child()
    other = wait_until(
        lambda: json.loads(rig.cli("status", "--name", "second", "--json").stdout)["child"], "the second"
    )
    assert other["pid"] != rig.child()
    everyone = json.loads(rig.cli("status", "--all", "--json").stdout)
    assert [one["name"] for one in everyone["watchdogs"]] == ["second", "tracker"]
    assert rig.cli("stop", "--name", "second").returncode == 0
    assert rig.status()["state"] == "running"
    assert rig.cli("stop").returncode == 0


def test_F04_deleted_state_folder_does_not_make_two(rig: Rig) -> None:
    """Somebody deletes the state folder under a living watchdog: a second start still starts no second program."""
    import shutil

    first = rig.run(*PLAIN, "--", *SLEEPS)
    child = rig.child()
    shutil.rmtree(rig.folder / ".watchdog")
    second = rig.run(*PLAIN, "--", *SLEEPS)
    assert second.wait(15) == 11
    assert str(first.pid) in rig.outputs[-1].read_text()
    programs = [pid for pid, line in rig.marked().items() if "time.sleep" in line and "watchdog" not in line]
    assert programs == [child]
    first.terminate()
    assert first.wait(15) == 0


@pytest.mark.parametrize("step", ["write", "rename"])
def test_F05_failed_save_keeps_the_old_state(rig: Rig, step: str) -> None:
    """While no new state can be written, the old file stays whole, supervision goes on, and later it catches up."""
    (rig.folder / "patch").mkdir()
    fault = {
        "write": "atomic_file.Steps.write = lambda *a: fail() if os.path.exists(flag) else real_write(*a)",
        "rename": "atomic_file.Steps.replace = lambda *a: fail() if os.path.exists(flag) else real_replace(*a)",
    }[step]
    rig.write(
        "patch/sitecustomize.py",
        "import os, sys\nflag = os.environ.get('FULL_FLAG')\nif flag and 'run' in sys.argv[1:2]:\n"
        "    pass\n"
        "try:\n    from watchdog_kit import atomic_file\nexcept ImportError:\n    atomic_file = None\n"
        "def fail(): raise OSError(28, 'No space left on device')\n"
        "if flag and atomic_file:\n"
        "    real_write, real_replace = atomic_file.Steps.write, atomic_file.Steps.replace\n"
        f"    {fault}\n",
    )
    flag = rig.folder / "full"
    watchdog = rig.run(*PLAIN, "--", *SLEEPS, PYTHONPATH=str(rig.folder / "patch"), FULL_FLAG=str(flag))
    first = rig.child()
    wait_until(lambda: json.loads(_state(rig).read_text())["child"], "the first state")
    before = _state(rig).read_bytes()
    flag.touch()
    os.kill(first, signal.SIGKILL)
    second = rig.other_child(first)
    assert _state(rig).read_bytes() == before
    assert not list(_state(rig).parent.glob("*.wdtmp"))
    assert "cannot write" in (rig.folder / "logs" / "tracker.watchdog.log").read_text()
    assert watchdog.poll() is None
    flag.unlink()
    wait_until(lambda: json.loads(_state(rig).read_text())["child"]["process"]["pid"] == second, "the state")
    assert rig.cli("stop").returncode == 0


def test_F05_killed_watchdog_with_an_old_state_still_finds_its_program(rig: Rig) -> None:
    """The state on the disk names a run that is over: the living one is found all the same, no second started."""
    watchdog = rig.run(*PLAIN, "--", *SLEEPS)
    first = rig.child()
    wait_until(lambda: json.loads(_state(rig).read_text())["child"], "the first state")
    before = _state(rig).read_bytes()
    os.kill(first, signal.SIGKILL)
    second = rig.other_child(first)
    watchdog.kill()
    watchdog.wait()
    _state(rig).write_bytes(before)
    assert rig.status()["health"] == "unsupervised"
    rig.run(*PLAIN, "--", *SLEEPS)
    rig.fact("adopted")
    assert rig.child() == second
    assert rig.cli("stop").returncode == 0


BAD = {
    "empty": b"",
    "NUL": b"\0" * 5000,
    "cut": b'{"version": 1, "name": "tra',
    "list": b"[1, 2, 3]",
    "wrong kinds": b'{"version": 1, "watchdog": {"pid": "x"}, "command": 5}',
    "huge": b" " * 9_000_000,
    "deep": b"[" * 100_000,
    "newer": b'{"version": 999}',
}


@pytest.mark.parametrize("what", list(BAD))
def test_F06_bad_state_is_set_aside_and_work_goes_on(rig: Rig, what: str) -> None:
    """Whatever lies in state.json: status says that nobody can tell, run works, says so, and keeps the bad file."""
    _state(rig).parent.mkdir(parents=True)
    _state(rig).write_bytes(BAD[what])
    status = rig.cli("status", "--json")
    assert (status.returncode, json.loads(status.stdout)["state"]) == (4, "unknown")
    assert rig.cli("check").returncode == 4
    rig.run(*PLAIN, "--", *SLEEPS)
    rig.child()
    kept = list(_state(rig).parent.glob("state.json.bad-*"))
    assert [path.read_bytes() for path in kept] == [BAD[what]]
    assert "cannot be used" in rig.fact("notice")["text"]
    assert rig.cli("stop").returncode == 0
    for path in kept:
        path.unlink()


@pytest.mark.parametrize("what", ["folder", "pipe", "link loop"])
def test_F06_odd_things_in_place_of_the_state(rig: Rig, what: str) -> None:
    """A folder, a pipe or a loop under that name hangs nobody."""
    _state(rig).parent.mkdir(parents=True)
    if what == "folder":
        _state(rig).mkdir()
    elif what == "pipe":
        os.mkfifo(_state(rig))
    else:
        _state(rig).symlink_to("state.json")
    assert rig.cli("status", limit_s=15).returncode in (3, 4)
    rig.run(*PLAIN, "--", *SLEEPS)
    rig.child()
    assert rig.cli("stop").returncode == 0


def test_F06_damaged_journal_does_not_stop_us(rig: Rig) -> None:
    """Garbage in the journal: run, status and tail-log work, and new facts are readable."""
    journal = rig.folder / ".watchdog" / "tracker" / "journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"\0" * 3000 + b'{"seq": 1e999}\n[[[[{"half')
    rig.run(*PLAIN, "--", *SLEEPS)
    rig.child()
    wait_until(lambda: b'"fact": "spawned"' in journal.read_bytes(), "the fact")
    assert rig.cli("tail-log", "-n", "5").returncode == 0
    assert rig.cli("stop").returncode == 0
    lines = journal.read_bytes().splitlines()
    assert json.loads(lines[-1])["fact"] == "finished"
    journal.write_bytes(b"".join(line + b"\n" for line in lines if line.startswith(b'{"v"')))


# --- the watchdog itself ---------------------------------------------------------------------------------


def test_H12_frozen_watchdog_is_told_from_outside(rig: Rig) -> None:
    """The watchdog is frozen by a signal: status answers within three seconds, says so, and is not 0."""
    rig.write("beats.py", BEATS)
    watchdog = rig.run(*QUICK, "--heartbeat-timeout", "20s", "--", sys.executable, "beats.py")
    rig.healthy()
    watchdog.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    report = rig.status()
    assert time.monotonic() - began < 3
    assert (report["health"], report["exit_code"]) == ("watchdog frozen", 5)
    assert f"(pid {watchdog.pid}) does not respond" in report["note"]
    assert rig.cli("check").returncode == 5
    watchdog.send_signal(signal.SIGCONT)
    assert rig.healthy()["child"]["pid"] == report["child"]["pid"]
    assert not rig.facts("hang")
    watchdog.send_signal(signal.SIGSTOP)
    stopped = rig.cli("stop")
    assert stopped.returncode == 5
    assert f"kill -CONT {watchdog.pid}" in stopped.stderr
    watchdog.send_signal(signal.SIGCONT)
    assert watchdog.wait(20) == 0, "the wish to stop was heard while it was frozen"


NO_INOTIFY = """
import sys
if sys.argv[1:2] == ["run"]:
    from watchdog_cli.adapters import libc
    def refuse(): raise OSError(24, "Too many open files")
    libc.inotify_open = refuse
"""


def test_H14_without_notices_age_decides(rig: Rig) -> None:
    """The system gives no notices at all: said once; fresh beats stay fresh, and silence is found in time."""
    (rig.folder / "patch").mkdir()
    rig.write("patch/sitecustomize.py", NO_INOTIFY)
    rig.write("beats.py", BEATS)
    rig.run(
        *QUICK,
        "--heartbeat-timeout",
        "2s",
        "--",
        sys.executable,
        "beats.py",
        PYTHONPATH=str(rig.folder / "patch"),
    )
    rig.healthy()
    stays_true(lambda: not rig.facts("hang"), "no false alarm", 5)
    (rig.folder / "hang").touch()
    began = time.monotonic()
    rig.fact("hang")
    assert time.monotonic() - began < 6
    said = [fact for fact in rig.facts("notice") if "no notices of file changes" in fact["text"]]
    assert len(said) == 1
    assert rig.cli("stop").returncode == 0


MAPPED = """
import mmap, os, time
with open("heartbeat.json", "w+b") as file:
    file.write(b'{"seq": 000000}')
    file.flush()
    page = mmap.mmap(file.fileno(), 15)
number = 100000
while True:
    number += 1
    if not os.path.exists("hang"):
        page[8:14] = str(number).encode()
        page.flush()
    time.sleep(0.1)
"""


def test_H14_changes_that_raise_no_notice_count(rig: Rig) -> None:
    """A program that writes through mapped memory raises no notice: its beats are seen when the time is up."""
    rig.write("mapped.py", MAPPED)
    rig.run(*QUICK, "--heartbeat-timeout", "2s", "--", sys.executable, "mapped.py")
    rig.healthy()
    stays_true(lambda: not rig.facts("hang"), "no false alarm", 6)
    (rig.folder / "hang").touch()
    began = time.monotonic()
    rig.fact("hang")
    assert time.monotonic() - began < 6
    assert rig.cli("stop").returncode == 0


def test_deleted_control_socket_hinders_no_command(rig: Rig) -> None:
    """With the socket deleted, status tells what the system says, restart makes it anew, and stop works."""
    rig.write("beats.py", BEATS)
    rig.run(*QUICK, "--heartbeat-timeout", "20s", "--", sys.executable, "beats.py")
    first = rig.healthy()["child"]["pid"]
    control = rig.folder / ".watchdog" / "tracker" / "control"
    control.unlink()
    report = rig.status()
    assert (report["state"], report["exit_code"]) == ("running", 0)
    assert "control socket was deleted" in report["note"]
    assert rig.cli("restart").returncode == 0
    assert rig.other_child(first) != first
    assert control.exists()
    control.unlink()
    assert rig.cli("stop").returncode == 0
    assert rig.status()["state"] == "stopped"
