"""Logs: every byte once, never above the ceiling, whatever happens to the files (cases L01 to L10 but L09)."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rig import BIN, QUICK, Rig
from waiting import stays_true, wait_until

PLAIN = ("--no-heartbeat", *QUICK)
COUNTS = """
import os, sys, time
number = 0
while not os.path.exists("enough"):
    number += 1
    os.write(1, b"line %07d\\n" % number)
    time.sleep(float(sys.argv[1]))
time.sleep(600)
"""


def _log(rig: Rig) -> Path:
    return rig.folder / "logs" / "tracker.log"


def _numbers(content: bytes) -> list[int]:
    return [int(line[5:]) for line in content.splitlines() if line.startswith(b"line ") and len(line) == 12]


@pytest.mark.parametrize("way", ["deleted", "moved", "emptied", "folder deleted"])
def test_L01_log_that_is_taken_away_is_made_anew(rig: Rig, way: str) -> None:
    """Somebody deletes, moves or empties the log, or its folder: soon new lines are in a file of that name."""
    rig.write("counts.py", COUNTS)
    watchdog = rig.run(*PLAIN, "--quiet", "--", sys.executable, "-S", "counts.py", "0.02")
    wait_until(lambda: _log(rig).exists() and len(_numbers(_log(rig).read_bytes())) > 5, "some lines")
    if way == "deleted":
        _log(rig).unlink()
    elif way == "moved":
        _log(rig).rename(_log(rig).with_name("moved"))
    elif way == "emptied":
        os.truncate(_log(rig), 0)
    else:
        import shutil

        shutil.rmtree(rig.folder / "logs")
    began = time.monotonic()
    wait_until(lambda: _log(rig).exists() and len(_numbers(_log(rig).read_bytes())) > 5, "new lines")
    assert time.monotonic() - began < 5
    numbers = _numbers(_log(rig).read_bytes())
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    if way == "moved":
        before = _numbers(_log(rig).with_name("moved").read_bytes())
        assert before[-1] + 1 == numbers[0], "not one line fell between the files"
    assert watchdog.poll() is None
    assert rig.cli("stop").returncode == 0


@pytest.mark.parametrize("backups", ["5", "0"])
def test_L02_ceiling_holds_in_a_flood(rig: Rig, backups: str) -> None:
    """Two hundred megabytes at full speed into one megabyte times a few: at no look is more on the disk."""
    code = """
import os
block = b"".join(b"line of the flood %05d\\n" % number for number in range(2000))
for _ in range(200_000_000 // len(block)):
    os.write(1, block)
open("done", "w").close()
import time
time.sleep(600)
"""
    options = ("--log-size", "1MB", "--log-backups", backups)
    rig.run(*PLAIN, "--quiet", *options, "--", sys.executable, "-S", "-c", code)
    worst = 0

    def look() -> bool:
        nonlocal worst
        total = 0
        for entry in os.scandir(rig.folder / "logs") if (rig.folder / "logs").exists() else ():
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue  # renamed between the two calls
        worst = max(worst, total)
        return (rig.folder / "done").exists()

    wait_until(look, "the end of the flood", limit_s=50)
    assert worst <= (int(backups) + 1) * 1_000_000 + 50_000
    files = sorted(path.name for path in (rig.folder / "logs").glob("tracker.log*"))
    assert files == ["tracker.log", *(f"tracker.log.{number}" for number in range(1, int(backups) + 1))]
    assert rig.cli("stop").returncode == 0


def test_L03_bytes_are_stored_as_they_are(rig: Rig) -> None:
    """Korean, Arabic and broken bytes: the file is identical byte for byte, the watchdog lives, tail shows the rest."""
    code = """
import os, time
whole = "\\uac00\\ub098 \\u0639\\u0631\\u0628 \\U0001f600".encode()
for number in range(200):
    line = b"%03d " % number + whole + b"\\xc1\\xff\\x00 end\\n"
    for at in range(0, len(line), 3):
        os.write(1, line[at : at + 3])
open("done", "w").close()
time.sleep(600)
"""
    watchdog = rig.run(*PLAIN, "--", sys.executable, "-S", "-c", code)
    wait_until((rig.folder / "done").exists, "all output")
    whole = "\uac00\ub098 \u0639\u0631\u0628 \U0001f600".encode()
    expected = b"".join(b"%03d " % number + whole + b"\xc1\xff\x00 end\n" for number in range(200))
    wait_until(lambda: _log(rig).read_bytes() == expected, "the bytes")
    for count in range(1, 40):
        shown = rig.cli("tail-log", "-n", str(count)) if count in (1, 2, 39) else None
        if shown is not None:
            lines = shown.stdout.splitlines()
            assert len(lines) == count
            assert all(
                "\uac00\ub098 \u0639\u0631\u0628 \U0001f600" in line and line.endswith(" end")
                for line in lines
            )
    plain = rig.cli("tail-log", "-n", "3", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert plain.returncode == 0
    assert plain.stdout.count("end") == 3
    assert watchdog.poll() is None
    assert rig.cli("stop").returncode == 0


def test_L04_python_prints_without_delay(rig: Rig) -> None:
    """A Python program that prints one line and sleeps: the line is in the log and on the screen at once."""
    rig.run(*PLAIN, "--", sys.executable, "-c", "print('hello of the program'); import time; time.sleep(600)")
    wait_until(
        lambda: _log(rig).exists() and _log(rig).read_bytes() == b"hello of the program\n", "the line", 5
    )
    wait_until(lambda: "hello of the program" in rig.printed(), "the line on the screen", 5)
    assert "hello of the program" in rig.cli("tail-log").stdout
    assert rig.cli("stop").returncode == 0


def test_L04_the_switch_turns_it_off(rig: Rig) -> None:
    """With the switch, and with a value of the user's own, the environment stays as it is."""
    code = "import os; print(os.environ.get('PYTHONUNBUFFERED'), flush=True)"
    rig.run(
        *PLAIN,
        "--restart",
        "never",
        "--no-python-unbuffered",
        "--",
        sys.executable,
        "-c",
        code,
        PYTHONUNBUFFERED="",
    ).wait(20)
    assert _log(rig).read_text() == "\n" or "None" in _log(rig).read_text()
    rig.run(*PLAIN, "--restart", "never", "--", sys.executable, "-c", code, PYTHONUNBUFFERED="mine").wait(20)
    assert _log(rig).read_text().splitlines()[-1] == "mine"


def test_L05_following_goes_across_rotations(rig: Rig) -> None:
    """Numbered lines at speed across many rotations through `tail-log -f`: each number once and in order."""
    rig.write("counts.py", COUNTS)
    options = ("--log-size", "4kB", "--log-backups", "3")
    rig.run(*PLAIN, "--quiet", *options, "--", sys.executable, "-S", "counts.py", "0.0005")
    wait_until(_log(rig).exists, "the log")
    with (rig.folder / "followed").open("wb") as file:
        follower = subprocess.Popen(
            [BIN / "watchdog", "tail-log", "-f", "-n", "1"],
            cwd=rig.folder,
            env=rig.environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.DEVNULL,
        )
    rig.started.append(follower)
    followed = rig.folder / "followed"
    wait_until(lambda: len(_numbers(followed.read_bytes())) > 7000, "twenty rotations", limit_s=50)
    (rig.folder / "enough").touch()
    last = wait_until(lambda: _settled(_log(rig)), "the last line")
    wait_until(lambda: _numbers(followed.read_bytes())[-1] == last, "the follower to come to the end")
    numbers = _numbers(followed.read_bytes())
    assert numbers == list(range(numbers[0], last + 1))
    follower.send_signal(signal.SIGINT)
    assert follower.wait(10) in (0, 130)
    assert rig.cli("stop").returncode == 0


def _settled(path: Path) -> int:
    before = path.read_bytes()
    end = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > end, "a moment")
    after = path.read_bytes()
    return _numbers(after)[-1] if before == after else 0


@pytest.mark.parametrize("fault", ["read-only folder", "log is a folder"])
def test_L07_log_that_cannot_be_written_is_told_at_start(rig: Rig, fault: str) -> None:
    """At the start a log that cannot be written is one line and its code; nothing is started."""
    if fault == "log is a folder":
        _log(rig).mkdir(parents=True)
    else:
        rig.write("logs", "a file where the folder should be")
    watchdog = rig.run(*PLAIN, "--", "sleep", "600")
    assert watchdog.wait(20) == 14
    assert rig.printed().count("\n") == 1
    assert "logs" in rig.printed()
    assert rig.marked() == {}


def test_L10_closed_output_costs_nothing(rig: Rig) -> None:
    """The program closes stdout and stderr and works on: no spinning, and its beats are still judged."""
    code = """
import os, time
os.close(1)
os.close(2)
while True:
    if not os.path.exists("hang"):
        open("heartbeat.json", "w").close()
    time.sleep(0.2)
"""
    rig.write("closes.py", code)
    watchdog = rig.run(*QUICK, "--heartbeat-timeout", "3s", "--", sys.executable, "closes.py")
    child = rig.healthy()["child"]["pid"]
    before = _cpu(watchdog.pid)
    stays_true(lambda: watchdog.poll() is None, "the watchdog", 5)
    assert _cpu(watchdog.pid) - before < 0.15
    (rig.folder / "hang").touch()
    rig.fact("hang")
    (rig.folder / "hang").unlink()
    assert rig.other_child(child) != child
    assert rig.cli("stop").returncode == 0


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_line_without_end_is_passed_on(rig: Rig) -> None:
    """A progress display that never ends its line is in the log as it comes, and a later run begins behind it."""
    rig.run(
        *PLAIN,
        "--",
        sys.executable,
        "-S",
        "-c",
        "import os, time; os.write(1, b'10% 20% 30%'); time.sleep(600)",
    )
    wait_until(lambda: _log(rig).exists() and _log(rig).read_bytes() == b"10% 20% 30%", "the unfinished line")
    assert rig.cli("restart").returncode == 0
    wait_until(lambda: _log(rig).read_bytes().count(b"10%") == 2, "the next run")
    assert rig.cli("stop").returncode == 0


@pytest.mark.parametrize("reader", ["frozen pipe", "closed pipe"])
def test_screen_that_takes_nothing_holds_up_nobody(rig: Rig, reader: str) -> None:
    """What stands behind `watchdog run` reads nothing or is gone: log and supervision go on at full speed."""
    rig.write("counts.py", COUNTS)
    read, write = os.pipe()
    watchdog = subprocess.Popen(
        [BIN / "watchdog", "run", *PLAIN, "--", sys.executable, "-S", "counts.py", "0"],
        cwd=rig.folder,
        env=rig.environment(),
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=write,
        start_new_session=True,
    )
    rig.started.append(watchdog)
    os.close(write)
    if reader == "closed pipe":
        os.close(read)
    wait_until(lambda: _log(rig).exists() and _log(rig).stat().st_size > 300_000, "much output", limit_s=40)
    assert rig.status()["state"] == "running"
    assert rig.cli("restart").returncode == 0
    assert rig.cli("stop").returncode == 0
    assert watchdog.wait(10) == 0
    if reader == "frozen pipe":
        os.close(read)


def test_state_of_the_log_is_in_the_report(rig: Rig) -> None:
    """Status names the log and its size."""
    rig.run(
        *PLAIN, "--", sys.executable, "-S", "-c", "import os, time; os.write(1, b'x' * 5000); time.sleep(600)"
    )
    wait_until(lambda: _log(rig).exists() and _log(rig).stat().st_size == 5000, "the output")
    assert rig.status()["log"] == {"file": "logs/tracker.log", "size_bytes": 5000}
    journal = (rig.folder / ".watchdog" / "tracker" / "journal.jsonl").read_text().splitlines()
    spawned = next(fact for line in journal if (fact := json.loads(line))["fact"] == "spawned")
    assert spawned["log"]["offset"] == 0
    assert rig.cli("stop").returncode == 0
