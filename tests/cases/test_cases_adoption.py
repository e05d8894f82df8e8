"""The watchdog dies; the program must not notice, and nothing that it prints may be lost."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from printer import (
    COMMAND,
    FLOOD,
    PLAIN,
    PRINTS,
    assert_gapless,
    await_lines,
    folder,
    kill_watchdog,
    lines,
    programs,
)
from rig import QUICK, Rig
from waiting import stays_true, wait_until


@pytest.fixture(autouse=True)
def _printer(rig: Rig) -> None:
    rig.write("prints.py", PRINTS)


def _run_id(pid: int) -> str:
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(entry.decode() for entry in entries if entry.startswith(b"WATCHDOG_RUN_ID="))


def test_killed_watchdog_twice_costs_no_byte(rig: Rig) -> None:
    """Kill -9 under a printing program, twice: same pid and run, no line lost or doubled, nothing restarted."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    run_id = _run_id(child)
    for turn in (1, 2):
        await_lines(rig, 100)
        kill_watchdog(rig)
        report = rig.status()
        assert (report["state"], report["health"], report["exit_code"]) == ("running", "unsupervised", 5)
        assert report["child"]["pid"] == child
        stays_true(lambda: programs(rig) == [child], "the program alone", 0.3)
        rig.run(*PLAIN, "--quiet", "--", *COMMAND)
        rig.fact("adopted", turn)
        assert rig.child() == child
    await_lines(rig, 100)
    assert {fact["run"] for fact in rig.facts("adopted", "spawned")} == {run_id.partition("=")[2]}
    assert rig.status()["restarts"]["total"] == 0
    assert rig.cli("stop").returncode == 0
    assert_gapless(rig)
    assert rig.facts("ended")[0]["exit_code"] is None, "nobody can know it, so it is not invented"


def test_output_up_to_a_full_pipe_waits_for_the_next_watchdog(rig: Rig) -> None:
    """Without a watchdog the program goes on until the pipe is full, then waits; the next one loses no byte of it."""
    rig.write("prints.py", FLOOD)
    rig.run(*PLAIN, "--quiet", "--log-size", "500MB", "--", *COMMAND)
    child = rig.child()
    await_lines(rig, 10)
    kill_watchdog(rig)
    wait_until(lambda: _is_blocked(child), "the program to wait for room")
    rig.run(*PLAIN, "--quiet", "--log-size", "500MB", "--", *COMMAND)
    rig.fact("adopted")
    assert rig.child() == child
    await_lines(rig, 2000)
    assert rig.cli("stop").returncode == 0
    assert_gapless(rig)
    assert {len(line) for line in lines(rig)} <= {11, 8000}


def _is_blocked(pid: int) -> bool:
    before = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    time_before = (before[11], before[12])
    end = time.monotonic() + 0.3
    wait_until(lambda: time.monotonic() > end, "a moment")
    after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return after[0] == "S" and (after[11], after[12]) == time_before


def test_stop_works_without_a_watchdog_and_with_a_full_pipe(rig: Rig) -> None:
    """The watchdog is gone and the program sits in a full pipe: stop ends it all the same."""
    rig.write("prints.py", FLOOD)
    rig.run(*PLAIN, "--quiet", "--log-size", "500MB", "--", *COMMAND)
    child = rig.child()
    await_lines(rig, 10)
    kill_watchdog(rig)
    wait_until(lambda: _is_blocked(child), "the program to wait for room")
    stopped = rig.cli("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "tracker: stopped\n")
    assert programs(rig) == []
    report = rig.status()
    assert (report["state"], report["exit_code"]) == ("stopped", 3)
    assert_gapless(rig)


LOSSES = [
    "state deleted",
    "state damaged",
    "control deleted",
    "pipe deleted",
    "journal deleted",
    "lock deleted",
    "all deleted",
]


@pytest.mark.parametrize("loss", LOSSES)
def test_adoption_survives_lost_files(rig: Rig, loss: str) -> None:
    """Whatever of the state folder is lost with the watchdog: the running program is found and kept, never doubled."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    await_lines(rig, 50)
    kill_watchdog(rig)
    place = folder(rig)
    if loss == "all deleted":
        shutil.rmtree(place)
    elif loss == "state damaged":
        (place / "state.json").write_bytes(b"\0" * 100)
    else:
        name = {"state": "state.json", "pipe": "stdout", "journal": "journal.jsonl"}.get(
            loss.split(maxsplit=1)[0], loss.split(maxsplit=1)[0]
        )
        (place / name).unlink()
    if loss != "all deleted":
        assert rig.status()["health"] == "unsupervised"
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    rig.fact("adopted")
    assert rig.child() == child
    assert programs(rig) == [child]
    await_lines(rig, 50)
    assert rig.cli("stop").returncode == 0
    assert_gapless(rig)
    assert rig.cli("status").returncode == 3


def test_another_command_replaces_the_old_tree(rig: Rig) -> None:
    """With another command the old program is stopped first, which is said; then the new one runs alone."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    old = rig.child()
    await_lines(rig, 20)
    kill_watchdog(rig)
    rig.run(*PLAIN, "--quiet", "--", *COMMAND, "another")
    new = rig.other_child(old)
    assert programs(rig) == [new]
    assert any("another command still runs here" in fact["text"] for fact in rig.facts("notice"))
    report = rig.status()["restarts"]
    assert (report["in_window"], report["total"]) == (0, 0)
    assert rig.cli("stop").returncode == 0
    assert_gapless(rig, runs=2)


ORPHAN = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open("orphan.new", "w") as file: file.write(str(os.getpid()))
    os.rename("orphan.new", "orphan")
while True: time.sleep(60)
"""


@pytest.mark.parametrize("state", ["kept", "deleted"])
def test_orphans_of_a_dead_leader_are_stopped_first(rig: Rig, state: str) -> None:
    """Watchdog and program were killed, a deaf grandchild lives in a session of its own: it goes before the start."""
    rig.write("parent.py", ORPHAN)
    command = (sys.executable, "parent.py")
    rig.run(*PLAIN, "--stop-timeout", "500ms", "--", *command)
    old = rig.child()
    orphan = int(wait_until(lambda: _read(rig.folder / "orphan"), "the orphan"))
    kill_watchdog(rig)
    os.kill(old, signal.SIGKILL)
    if state == "deleted":
        (folder(rig) / "state.json").unlink()
    wait_until(lambda: old not in rig.marked(), "the end of the leader")
    assert rig.status()["exit_code"] == 5
    rig.run(*PLAIN, "--stop-timeout", "500ms", "--", *command)
    new = rig.fact("spawned", 2)
    assert orphan not in rig.marked(), "it was stopped before the new program began"
    assert new["pid"] != orphan
    assert rig.cli("stop").returncode == 0


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_end_that_nobody_saw(rig: Rig) -> None:
    """Program and watchdog are both gone: the next start begins anew and says that there was a gap."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    await_lines(rig, 20)
    kill_watchdog(rig)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not programs(rig), "the end of the program")
    report = rig.status()
    assert (report["state"], report["exit_code"]) == ("stopped", 3)
    assert "without a word" in report["note"]
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    assert rig.child() != child
    assert rig.fact("spawned", 2)["number"] == 2
    assert any(fact.get("topic") == "gap" for fact in rig.facts("notice"))
    assert rig.cli("stop").returncode == 0


def test_adopted_program_is_still_watched(rig: Rig) -> None:
    """After the adoption its end is noticed at once and restarted with the usual delay, its code honestly unknown."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    kill_watchdog(rig)
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    rig.fact("adopted")
    rig.write("exit", "3")
    ended = rig.fact("ended")
    (rig.folder / "exit").unlink()
    assert (ended["cause"], ended["exit_code"], ended["signal"]) == ("unknown", None, None)
    assert rig.other_child(child) != child
    assert rig.status()["restarts"]["total"] >= 1
    assert rig.cli("stop").returncode == 0


def test_adopted_program_gets_its_full_time(rig: Rig) -> None:
    """While no watchdog lived its beats were not seen: no false kill afterwards, and a real freeze is still found."""
    code = """
import os, time
while True:
    if not os.path.exists("hang"):
        open("heartbeat.json", "w").close()
    time.sleep(0.2)
"""
    rig.write("beats.py", code)
    options = (*QUICK, "--heartbeat-timeout", "3s")
    rig.run(*options, "--", sys.executable, "beats.py")
    child = rig.healthy()["child"]["pid"]
    kill_watchdog(rig)
    end = time.monotonic() + 4
    wait_until(lambda: time.monotonic() > end, "more than the timeout")
    rig.run(*options, "--", sys.executable, "beats.py")
    assert rig.healthy()["child"]["pid"] == child
    stays_true(lambda: not rig.facts("hang"), "no false alarm", 4)
    (rig.folder / "hang").touch()
    rig.fact("hang")
    assert rig.cli("stop").returncode == 0


def test_window_of_restarts_is_taken_over(rig: Rig) -> None:
    """Restarts before the watchdog was killed still count afterwards: a crash loop does not get fresh lives."""
    options = ("--no-heartbeat", "--restart-delay", "100ms", "--max-restarts", "3")
    rig.run(*options, "--quiet", "--", *COMMAND)
    for _ in range(2):
        child = rig.child()
        os.kill(child, signal.SIGKILL)
        rig.other_child(child)
    kill_watchdog(rig)
    watchdog = rig.run(*options, "--quiet", "--", *COMMAND)
    rig.fact("adopted")
    assert rig.status()["restarts"]["in_window"] == 2
    child = rig.child()
    os.kill(child, signal.SIGKILL)
    os.kill(rig.other_child(child), signal.SIGKILL)
    assert watchdog.wait(20) == 12


@pytest.mark.parametrize("what", ["running", "nothing runs"])
def test_pause_outlives_the_watchdog(rig: Rig, what: str) -> None:
    """Somebody works on it; the watchdog is killed and started anew: nothing is started or judged until resumed."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    assert rig.cli("pause").returncode == 0
    if what == "nothing runs":
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: rig.status()["state"] == "paused", "the end of the program")
    kill_watchdog(rig)
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    wait_until(lambda: rig.status()["health"] == "paused", "the pause")
    if what == "nothing runs":
        stays_true(lambda: not programs(rig), "no start", 1)
        assert rig.cli("resume").returncode == 0
        assert rig.child() != child
    else:
        assert rig.child() == child
    assert rig.cli("stop").returncode == 0


def test_notify_signs_reach_the_next_watchdog_in_a_deep_folder(rig: Rig) -> None:
    """Signs by sd_notify go to a name that the next watchdog listens at too, however long the path is."""
    deep = rig.folder / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    code = """
import os, socket, time
address = os.environ["NOTIFY_SOCKET"]
address = chr(0) + address[1:] if address[0] == "@" else address
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    try: sender.sendto(b"WATCHDOG=1", address)
    except OSError: pass
    time.sleep(0.2)
"""
    options = ("-C", str(deep), *QUICK, "--sd-notify", "--heartbeat-timeout", "2s", "--")
    rig.run(*options, sys.executable, "-c", code)

    def report() -> dict[str, object]:
        found = json.loads(rig.cli("status", "-C", str(deep), "--json").stdout)
        assert isinstance(found, dict)
        return found

    wait_until(lambda: report()["health"] == "healthy", "signs of life")
    child = report()["child"]
    assert isinstance(child, dict)
    kill_watchdog(rig)
    rig.run(*options, sys.executable, "-c", code)
    wait_until(lambda: report()["health"] == "healthy", "signs of life at the next watchdog")
    stays_true(lambda: report()["health"] == "healthy", "no false alarm", 4)
    again = report()["child"]
    assert isinstance(again, dict)
    assert again["pid"] == child["pid"]
    assert rig.cli("stop", "-C", str(deep)).returncode == 0


TELLS = """
import os, socket, time
while True:
    open(os.environ["WATCHDOG_HEARTBEAT"], "w").close()
    if "NOTIFY_SOCKET" in os.environ:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"READY=1\\nWATCHDOG=1", os.environ["NOTIFY_SOCKET"])
    time.sleep(0.1)
"""


@pytest.mark.parametrize("changed", [("--heartbeat", "other.json"), ("--sd-notify",)])
def test_other_place_for_signs_is_no_hang(rig: Rig, changed: tuple[str, ...]) -> None:
    """Its signs of life are expected elsewhere now, which it cannot know: it is restarted as asked, not as frozen."""
    rig.write("tells.py", TELLS)
    limits = (*QUICK, "--heartbeat-timeout", "3s", "--quiet")
    command = ("--", sys.executable, "-S", "tells.py")
    rig.run(*limits, "--heartbeat", "./first.json", *command)
    first = rig.healthy()["child"]["pid"]
    kill_watchdog(rig)
    rig.run(*limits, "--heartbeat", "first.json", *command)  # the same, otherwise written
    rig.fact("adopted")
    assert rig.healthy()["child"]["pid"] == first
    kill_watchdog(rig)
    rig.run(*limits, *changed, *command)
    second = rig.fact("spawned", 2)["pid"]
    assert rig.healthy()["child"]["pid"] == second
    assert [fact["cause"] for fact in rig.facts("ended")] == ["asked-restart"]
    assert any(fact.get("topic") == "replaced" for fact in rig.facts("notice"))
    assert rig.status()["restarts"]["total"] == 0
    assert rig.cli("stop").returncode == 0


def test_stop_without_a_watchdog_keeps_to_what_that_was_told(rig: Rig) -> None:
    """Stop timeout and log folder stood on the command line of the one that is gone: they count all the same."""
    rig.run(*PLAIN, "--stop-timeout", "25s", "--log-dir", "elsewhere", "--quiet", "--", *COMMAND)
    rig.child()
    kill_watchdog(rig)
    done = rig.cli("stop")
    assert done.returncode == 0
    assert "it has 25s" in done.stderr
    assert not (rig.folder / "logs").exists()
    assert rig.status()["log"]["file"] == "elsewhere/tracker.log"
