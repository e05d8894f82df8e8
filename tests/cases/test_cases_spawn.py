"""Programs that cannot be started, at first or any more (case R05 and its kind)."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import Watchdog
from rig import BIN
from waiting import stays_true, wait_until

PLAIN = ("--no-heartbeat", "--restart-delay", "300ms", "--stop-timeout", "3s")


def _make(dog: Watchdog, what: str) -> list[str]:
    """A command that cannot be started."""
    match what:
        case "missing":
            return ["./no-such-program"]
        case "missing in PATH":
            return ["no-such-program-anywhere"]
        case "empty name":
            return [""]
        case "no x bit":
            dog.write("plain", "#!/bin/sh\n").chmod(0o644)
            return ["./plain"]
        case "a folder":
            (dog.folder / "folder").mkdir()
            return ["./folder"]
        case "no interpreter":
            dog.write("script", "#!/no/such/interpreter\n").chmod(0o755)
            return ["./script"]
        case "windows line ends":
            dog.write("script", "#!/bin/sh\r\necho hi\r\n").chmod(0o755)
            return ["./script"]
        case "no program at all":
            dog.write("text", "hello\n").chmod(0o755)
            return ["./text"]
        case "empty file":
            dog.write("text", "").chmod(0o755)
            return ["./text"]
        case "garbage of another machine":
            (dog.folder / "binary").write_bytes(b"\x7fELF" + b"\x09" * 200)
            (dog.folder / "binary").chmod(0o755)
            return ["./binary"]
        case "link loop":
            (dog.folder / "loop").symlink_to("loop")
            return ["./loop"]
        case "line end and colours":
            return ["./no\nsuch\x1b[31m"]
        case "below a file":
            dog.write("file", "")
            return ["./file/program"]
        case _:
            return ["x" * 5000]


BAD = [
    "missing", "missing in PATH", "empty name", "no x bit", "a folder", "no interpreter", "windows line ends",
    "no program at all", "empty file", "garbage of another machine", "link loop", "below a file", "endless name",
    "line end and colours",
]  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_R05_typo_is_one_line_and_13_at_once(dog: Watchdog, what: str) -> None:
    """The first start fails: code 13, one line that says what to do, no second try, nothing left running."""
    command = _make(dog, what)
    began = time.monotonic()
    found = dog.cli("run", *PLAIN, "--", *command)
    assert time.monotonic() - began < 10
    assert (found.returncode, found.stderr.count("\n"), found.stdout) == (13, 1, ""), found.stderr
    assert found.stderr.startswith("Error: ")
    assert len(found.stderr) < 400
    assert "\x1b" not in found.stderr
    assert ("is empty" in found.stderr) == (what == "empty name")
    assert not dog.facts("spawned", "restarting")
    assert dog.cli("check").returncode == 3


def test_R05_folder_of_minus_c_decides_what_a_relative_command_means(dog: Watchdog) -> None:
    """`-C other -- ./bot.sh` starts the one in that folder; a missing folder is 13 and names it."""
    (dog.folder / "other").mkdir()
    bot = dog.write("other/bot.sh", "#!/bin/sh\npwd > here\n")
    bot.chmod(0o755)
    assert dog.run("-C", "other", "--restart", "never", "--", "./bot.sh").wait(20) == 0
    assert (dog.folder / "other" / "here").read_text().strip() == str(dog.folder / "other")
    found = dog.cli("run", "-C", "gone", "--", "./bot.sh")
    assert (found.returncode, found.stderr.count("\n")) == (13, 1)
    assert "gone" in found.stderr


def test_R05_vanished_program_is_tried_calmly_and_comes_back(dog: Watchdog) -> None:
    """It ran and vanished: one line for each try, at its pace even with delay 0, and it runs again when it is back."""
    bot = dog.write("bot", f"#!/bin/sh\nexec {' '.join(dog.command())}\n")
    bot.chmod(0o755)
    process = dog.run(*PLAIN, "--restart-delay", "0", "--max-restarts", "unlimited", "--", "./bot")
    first = dog.ready()
    bot.rename(dog.folder / "away")
    os.kill(first, 9)
    dog.fact("spawn-failed", 2)
    cpu = _cpu_s(process.pid)
    tries = len(dog.facts("spawn-failed"))
    stays_true(lambda: process.poll() is None, "a living watchdog", 3)
    more = len(dog.facts("spawn-failed")) - tries
    assert 1 <= more <= 7
    assert _cpu_s(process.pid) - cpu < 0.5
    report = dog.status()
    assert (report["state"], report["restarts"]["last"][-1]["cause"]) == ("waiting", "spawn")
    assert dog.own_log().count("no such program: ./bot") == len(dog.facts("spawn-failed"))
    (dog.folder / "away").rename(bot)
    dog.ready(other_than=first)
    assert dog.await_health("healthy")["state"] == "running"


def test_R05_program_that_is_being_replaced_is_waited_for(dog: Watchdog) -> None:
    """Somebody still writes the binary (text file busy), even at the first start: no typo, tried again."""
    busy = dog.folder / "program"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", busy)
    with busy.open("r+b"):
        process = dog.run(*PLAIN, "--", "./program", "600")
        dog.fact("spawn-failed", 2)
        assert process.poll() is None
        wait_until(
            lambda: dog.printed().lower().count("text file busy") >= 2, "a line on the screen for each try"
        )
        assert "starting again in" in dog.printed()
    assert dog.await_health("healthy")["state"] == "running"
    assert "watchdog keeps this running" in dog.printed()


def test_R05_giving_up_before_the_first_start_is_told(dog: Watchdog) -> None:
    """The binary stays busy until the cap: the screen has the reason and the end, not only the code."""
    busy = dog.folder / "program"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", busy)
    with busy.open("r+b"):
        assert dog.run(*PLAIN, "--max-restarts", "1", "--", "./program", "600").wait(30) == 12
    assert "text file busy" in dog.printed()
    assert "GAVE UP" in dog.printed()


@pytest.mark.parametrize("most", [8, 12, 16, 20, 24])
def test_R05_few_descriptors_are_no_fault_of_ours(dog: Watchdog, most: int) -> None:
    """Too few descriptors: a plain line and a code for it, or a program that runs; never a fault of ours."""
    limited = ("sh", "-c", f'ulimit -n {most}; exec "$@"', "sh")
    process = dog.run(*PLAIN, "--max-restarts", "2", "--", *dog.command(), prefix=limited)
    wait_until(lambda: process.poll() is not None or dog.stamps(), "a program or an end", 30)
    if process.poll() is None:
        assert dog.status()["state"] in ("running", "waiting")
    else:
        assert process.returncode in (12, 13, 14)
        assert dog.printed().lower().count("too many open files") >= 1
        assert "fault of watchdog" not in dog.printed()


@pytest.mark.parametrize("unset", ["PATH", "HOME", "everything"])
def test_R05_poor_environments_are_enough(dog: Watchdog, unset: str) -> None:
    """No PATH, no HOME, nothing at all, as from a boot script: it starts, and the program has what we promise it."""
    command = [str(BIN / "watchdog"), "run", *PLAIN, "--", *dog.command("note here")]
    drop = ["-i", f"RIG_MARK={dog.mark}"] if unset == "everything" else ["-u", unset]
    with (dog.folder / "poor.out").open("wb") as file:
        process = subprocess.Popen(
            ["/usr/bin/env", *drop, *command],
            cwd=dog.folder,
            env=dog.environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    dog.started.append(process)
    pid = dog.ready()
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    names = {entry.partition(b"=")[0] for entry in environment}
    assert {b"WATCHDOG_RUN_ID", b"WATCHDOG_HEARTBEAT", b"PYTHONUNBUFFERED"} <= names
    assert not {b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"WATCHDOG_PID"} & names
    dog.stop()
    assert process.wait(15) == 0
    assert "Traceback" not in (dog.folder / "poor.out").read_text()


def test_R05_closed_descriptors_of_the_starter_do_no_harm(dog: Watchdog) -> None:
    """Started with stdin, stdout and stderr closed, as some boot scripts do: program, log and status work."""
    closed = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    dog.start(*PLAIN, orders=("print hello",), prefix=closed)
    dog.ready()
    assert dog.await_health("healthy")["state"] == "running"
    wait_until(lambda: dog.log() == "hello\n", "the line in the log")
    dog.stop()


def test_R05_descriptors_of_the_starter_do_not_leak_into_the_program(dog: Watchdog) -> None:
    """A descriptor that the starter left open, and our own lock and sockets: the program has three and no more."""
    leaky = ("sh", "-c", 'exec 9<"$0"; exec "$@"', sys.executable)
    dog.start(*PLAIN, prefix=leaky)
    pid = dog.ready()
    links = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd") if int(name) > 2}
    assert not {link for link in links if not link.endswith("/orders")}, links
    masks = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigBlk")
    ]
    assert masks == ["SigBlk:\t0000000000000000"]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_R05_vanished_folder_is_tried_until_the_cap(dog: Watchdog) -> None:
    """The folder of the program is removed while it runs: it is not made anew, and the end is code 12."""
    place = dog.folder / "place"
    place.mkdir()
    process = dog.run(*PLAIN, "-C", str(place), "--max-restarts", "2", "--", "sleep", "600")
    wait_until(lambda: dog.cli("check", "-C", str(place)).returncode == 0, "health")
    pid = next(pid for pid, line in dog.marked().items() if line.startswith("sleep"))
    shutil.rmtree(place)
    os.kill(pid, 9)
    assert process.wait(30) == 12
    assert "GAVE UP" in dog.printed()
    assert not place.exists()
