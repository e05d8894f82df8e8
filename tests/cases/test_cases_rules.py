"""The rules of restart and liveness that are switched on by option."""

import os
import signal
import sys
from pathlib import Path

import pytest

from rig import QUICK, Rig
from waiting import stays_true, wait_until

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def test_R12_a_pause_starts_nothing_until_it_is_over(rig: Rig) -> None:
    """Paused: a death starts nothing; `resume` does; a pause with an end resumes by itself."""
    rig.run(*QUICK, "--no-heartbeat", "--", *SLEEP)
    first = rig.child()
    assert rig.cli("pause").returncode == 0
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: rig.status()["state"] == "paused", "paused")
    stays_true(lambda: rig.status()["child"] is None, "nothing started", 2)
    assert rig.status()["exit_code"] == 5
    assert rig.cli("resume").returncode == 0
    second = rig.child()
    rig.cli("pause", "--for", "2s")
    os.kill(second, signal.SIGKILL)
    assert rig.status()["state"] == "paused"
    assert rig.other_child(second) != second
    assert not rig.facts("restarting")


def test_R07_asked_restarts_do_not_count(rig: Rig) -> None:
    """Twelve asked restarts leave the window empty; the next deaths have the whole cap."""
    rig.run("--restart-delay", "50ms", "--max-restarts", "2", "--no-heartbeat", "--", *SLEEP)
    rig.child()
    for _ in range(12):
        assert rig.cli("restart").returncode == 0
    assert rig.status()["restarts"]["in_window"] == 0
    for _ in range(2):
        pid = rig.child()
        os.kill(pid, signal.SIGKILL)
        rig.other_child(pid)
    os.kill(rig.child(), signal.SIGKILL)
    rig.fact("gave-up")


def test_R08_after_giving_up_a_person_may_start_at_once(rig: Rig) -> None:
    """--retry-after stays and tries again; `restart` starts at once with an empty window."""
    bad = rig.write("bad", "")
    program = "import os, sys, time; sys.exit(1) if os.path.exists('bad') else time.sleep(600)"
    rig.run("--restart-delay", "50ms", "--max-restarts", "2", "--retry-after", "3s", "--no-heartbeat", "--",
            sys.executable, "-c", program)  # fmt: skip
    rig.fact("gave-up")
    assert (rig.status()["state"], rig.status()["exit_code"]) == ("gave up", 3)
    rig.fact("gave-up", 2)
    bad.unlink()
    assert rig.cli("restart").returncode == 0
    assert rig.status()["restarts"]["in_window"] == 0
    assert rig.healthy()["health"] == "healthy"


def test_too_much_memory_is_a_cause_of_its_own(rig: Rig) -> None:
    """Over the limit twice in a row: replaced, and told as memory."""
    program = (
        "import os, time\nkept = []\nwhile True:\n    kept.append(bytearray(b'x') * 20_000_000)\n"
        "    open('heartbeat.json', 'w').write('{}')\n    time.sleep(0.6)\n"
    )
    rig.run(*QUICK, "--memory-limit", "120MB", "--max-restarts", "1", "--", sys.executable, "-c", program)
    assert rig.fact("memory")["rss"] > 120_000_000
    assert rig.fact("ended")["cause"] == "memory"


def test_H03_beating_without_progress_is_a_hang(rig: Rig) -> None:
    """The value of the watched key stands still: replaced as no-progress; without the rule nobody is."""
    program = "import time\nwhile True:\n    open('heartbeat.json', 'w').write('{\"done\": 7}')\n    time.sleep(0.2)\n"
    rig.run(*QUICK, "--progress-key", "done", "--progress-timeout", "2s", "--max-restarts", "1", "--",
            sys.executable, "-c", program)  # fmt: skip
    assert rig.fact("hang")["cause"] == "no-progress"
    rig.cli("stop")
    known = len(rig.facts("hang"))
    rig.run(*QUICK, "--", sys.executable, "-c", program)
    rig.healthy()
    stays_true(lambda: len(rig.facts("hang")) == known, "nobody is replaced", 3)


def test_output_can_be_the_sign_of_life(rig: Rig) -> None:
    """--alive-on-output: printing keeps it alive, silence is a hang."""
    program = "import time\nfor i in range(12):\n    print(i)\n    time.sleep(0.25)\ntime.sleep(600)"
    rig.run(*QUICK, "--alive-on-output", "--heartbeat-timeout", "1500ms", "--max-restarts", "1", "--",
            sys.executable, "-c", program)  # fmt: skip
    rig.healthy()
    hang = rig.fact("hang")
    assert hang["cause"] == "hang"
    assert "11\n" in (rig.folder / "logs" / "tracker.log").read_text()


def test_sd_notify_gives_signs_status_and_trigger(rig: Rig) -> None:
    """READY=1 and WATCHDOG=1 are signs, STATUS= is shown, WATCHDOG=trigger is a hang; our own socket stays ours."""
    program = """
import os, socket, time
assert int(os.environ["WATCHDOG_USEC"]) == 3_000_000 and "WATCHDOG_PID" not in os.environ
def say(text):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
say("READY=1\\nSTATUS=counting beans")
for _ in range(20):
    time.sleep(0.2)
    say("WATCHDOG=1")
say("WATCHDOG=trigger")
time.sleep(600)
"""
    rig.run(*QUICK, "--sd-notify", "--heartbeat-timeout", "3s", "--max-restarts", "1", "--", sys.executable, "-c",
            program, NOTIFY_SOCKET="/nowhere", WATCHDOG_PID="1", WATCHDOG_USEC="5")  # fmt: skip
    assert rig.healthy()["note"] == "counting beans"
    hang = rig.fact("hang")
    assert (hang["cause"], hang["detail"]) == ("hang", "it said so itself")


def test_all_sources_must_give_signs_when_asked(rig: Rig) -> None:
    """--alive-when all: printing alone is not enough when a heartbeat file was named too."""
    program = "import time\nwhile True:\n    print('still here')\n    time.sleep(0.2)"
    rig.run(*QUICK, "--alive-on-output", "--heartbeat", "beat", "--alive-when", "all", "--heartbeat-timeout", "2s",
            "--max-restarts", "1", "--", sys.executable, "-c", program)  # fmt: skip
    assert rig.fact("hang")["cause"] == "never-beat"


def test_a_program_in_the_background_is_told_to_stay_in_front(rig: Rig) -> None:
    """Its leader ends with 0 while its tree lives on: said, the tree is stopped, and it counts."""
    process = rig.run(*QUICK, "--max-restarts", "1", "--", "sh", "-c", "setsid sleep 600 & exit 0")
    assert process.wait(30) == 12
    assert rig.fact("ended")["cause"] == "background"
    assert rig.fact("left-behind")["count"] == 1
    assert "run it in the foreground" in rig.printed()


def test_the_delay_can_grow(rig: Rig) -> None:
    """--backoff: each delay in the window is about twice the one before, up to its limit."""
    process = rig.run("--restart-delay", "100ms", "--backoff", "--backoff-max", "2s", "--max-restarts", "3", "--",
                      sys.executable, "-c", "raise SystemExit(1)")  # fmt: skip
    assert process.wait(40) == 12
    delays = [fact["delay_s"] for fact in rig.facts("restarting")]
    assert len(delays) == 3
    assert 0.7 <= delays[0] <= 1.0
    assert 1.4 <= delays[1] <= 2.0
    assert 1.4 <= delays[2] <= 2.0


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_thousand_restarts_leave_no_trace(rig: Rig) -> None:
    """Descriptors, threads, zombies and memory of the watchdog are after 1,000 restarts as after 50."""
    process = rig.run(
        "--quiet", "--restart-delay", "0", "--max-restarts", "unlimited", "--no-heartbeat", "--", "false"
    )
    rig.fact("restarting", 50)
    early = _looks(process.pid)
    wait_until(lambda: rig.status()["restarts"]["total"] >= 1050, "1,000 more restarts", 150)
    late = _looks(process.pid)
    for what, more in {"descriptors": 0, "threads": 0, "zombies": 0, "rss_kb": 3000}.items():
        lightest, heaviest = min(look[what] for look in late), max(look[what] for look in early)
        assert lightest <= heaviest + more, f"{what}: {lightest} at least, {heaviest} at most before"


def _looks(pid: int) -> list[dict[str, int]]:
    """Many looks: what is open only for a moment within one restart is no leak, a leak is there at each look."""
    return [_look(pid) for _ in range(40)]


def _look(pid: int) -> dict[str, int]:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    zombies = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            zombies += fields[0] == "Z" and int(fields[1]) == pid
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
        "rss_kb": int(status["VmRSS"].split()[0]),
        "zombies": zombies,
    }
