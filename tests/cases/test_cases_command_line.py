"""What a person types, right or wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rig import BIN, QUICK, Rig
from waiting import wait_until

PRINT_ALL = """
import json, os, sys
with open("seen.tmp", "w") as file:
    json.dump([sys.argv[1:], os.environ.get("STRANGE"), os.environ.get("PYTHONUNBUFFERED")], file)
os.rename("seen.tmp", "seen.json")
"""
ARGUMENTS = ["a b", "", "--", "--timeout", "9", "-C", "--help", "it's", '"quoted"', "100%", "$HOME", "#x", "a\\nb",
             "line\nend", "مرحبا", "é", "*"]  # fmt: skip


def test_G01_arguments_and_environment_arrive_unchanged(rig: Rig) -> None:
    """Spaces, quotes, dashes, signs of shells, line ends, other scripts: all as typed."""
    strange = "100% $HOME #'\" \\n مرحبا"
    process = rig.run(
        "--restart", "never", "--", sys.executable, "-c", PRINT_ALL, *ARGUMENTS, STRANGE=strange
    )
    assert process.wait(30) == 0
    assert json.loads((rig.folder / "seen.json").read_text()) == [ARGUMENTS, strange, "1"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("sys.exit(42)", 42),
        ("os.kill(os.getpid(), 15)", 143),
        ("os.kill(os.getpid(), 9)", 137),
        ("os.kill(os.getpid(), 11)", 139),
    ],
)
def test_R11_with_restart_never_the_code_of_the_program_is_ours(rig: Rig, end: str, code: int) -> None:
    """Normal codes pass through; death by signal n is 128 + n."""
    process = rig.run("--restart", "never", "--", sys.executable, "-c", f"import os, sys; {end}")
    assert process.wait(30) == code


def test_R11_on_failure_a_clean_end_is_the_end(rig: Rig) -> None:
    """`on-failure` restarts after a failure, and ends with 0 after a clean end."""
    program = (
        "import os, sys; there = os.path.exists('x'); open('x', 'w').close(); sys.exit(0 if there else 1)"
    )
    process = rig.run(*QUICK, "--restart", "on-failure", "--", sys.executable, "-c", program)
    assert process.wait(30) == 0
    assert [fact["exit_code"] for fact in rig.facts("ended")] == [1, 0]


def test_a_program_whose_settings_are_wrong_is_not_started_again(rig: Rig) -> None:
    """Exit code 78 ends all, and is our own code too."""
    process = rig.run(*QUICK, "--", sys.executable, "-c", "import sys; sys.exit(78)")
    assert process.wait(30) == 78
    assert len(rig.facts("spawned")) == 1
    assert "its settings are wrong" in rig.printed()


BAD = {
    "no such program": (["run", "--", "./no-such-program"], 13, "./no-such-program"),
    "no such command": (["run", "--", "no-such-program-at-all"], 13, "not found in PATH"),
    "no x bit": (["run", "--", "./plain.sh"], 13, "chmod +x ./plain.sh"),
    "no first line": (["run", "--", "./bare.sh"], 13, "#!/bin/sh"),
    "missing folder": (["run", "-C", "/no/such/folder", "--", "true"], 13, "/no/such/folder"),
    "unknown option": (["run", "--bogus", "--", "true"], 2, "--bogus"),
    "bad duration": (["run", "--restart-delay", "soon", "--", "true"], 2, "'soon'"),
    "negative": (["run", "--max-restarts", "-1", "--", "true"], 2, "-1"),
    "contradiction": (["run", "--restart", "never", "--max-restarts", "3", "--", "true"], 2, "restart=never"),
    "nothing to run": (["run"], 2, "say which program"),
    "unknown command": (["stats"], 2, "did you mean 'status'"),
    "bad name": (["status", "--name", "../x"], 2, "../x"),
    "nothing to stop": (["stop"], 3, "nothing runs"),
    "nothing to restart": (["restart"], 3, "no watchdog"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_command_line_is_one_line_and_a_code(rig: Rig, case: str) -> None:
    """It names the thing, says what to do, comes at once, and nothing is lost or left."""
    rig.write("plain.sh", "#!/bin/sh\n").chmod(0o644)
    rig.write("bare.sh", "true\n").chmod(0o755)
    words, code, part = BAD[case]
    began = time.monotonic()
    found = rig.cli(*words)
    assert time.monotonic() - began < 10
    assert found.returncode == code, found.stderr
    assert len(found.stderr.splitlines()) == 1, found.stderr
    assert found.stderr.startswith("Error: ")
    assert part in found.stderr
    assert not found.stdout


def test_a_bad_file_and_a_bad_variable_are_code_10(rig: Rig) -> None:
    """Settings outside the command line have a code of their own and are named with their place."""
    rig.write("watchdog.toml", 'restart-delay = "soon"\n')
    found = rig.cli("run", "--", "true")
    assert (found.returncode, found.stderr.count("\n")) == (10, 1)
    assert "watchdog.toml: restart-delay" in found.stderr
    (rig.folder / "watchdog.toml").unlink()
    found = rig.cli("run", "--", "true", WATCHDOG_RESTART_DELAY="-3s")
    assert found.returncode == 10
    assert "WATCHDOG_RESTART_DELAY" in found.stderr


def test_R05_a_program_that_vanishes_is_tried_until_the_cap(rig: Rig) -> None:
    """It ran and then was deleted: one line for each try, status answers meanwhile, then gave up."""
    program = rig.write("bot.sh", "#!/bin/sh\nrm -f bot.sh\nexit 1\n")
    program.chmod(0o755)
    process = rig.run("--restart-delay", "300ms", "--max-restarts", "3", "--", "./bot.sh")
    rig.fact("spawn-failed")
    assert rig.status()["state"] in ("waiting", "gave up")
    assert process.wait(30) == 12
    assert len(rig.facts("spawn-failed")) == 3
    assert rig.printed().count("cannot start the program: no such program: ./bot.sh") == 3


def test_a_second_run_names_the_holder_at_once(rig: Rig) -> None:
    """Exit 11 with the pid; a hard-killed holder frees the place at once, and the program is adopted."""
    first = rig.run("--", sys.executable, "-c", "import time; time.sleep(600)")
    pid = rig.child()
    found = rig.cli("run", "--", "true", limit_s=15)
    assert found.returncode == 11
    assert f"pid {first.pid}" in found.stderr
    first.kill()
    first.wait()
    assert rig.status()["health"] == "unsupervised"
    rig.run("--", sys.executable, "-c", "import time; time.sleep(600)")
    wait_until(lambda: rig.facts("adopted"), "the adoption")
    assert rig.child() == pid


def test_a_folder_path_of_250_characters_works(rig: Rig) -> None:
    """Sockets have short addresses; folders may be deep."""
    deep = rig.folder / ("d" * 100) / ("e" * (248 - len(str(rig.folder)) - 102))
    deep.mkdir(parents=True)
    assert len(str(deep)) >= 248
    rig.run(*QUICK, "-C", str(deep), "--sd-notify", "--", sys.executable, "-c",
            "import os, socket, time\n"
            "address = os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1)\n"
            "while True:\n"
            "    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'WATCHDOG=1', address)\n"
            "    time.sleep(0.2)\n")  # fmt: skip
    wait_until(lambda: rig.cli("check", "-C", str(deep)).returncode == 0, "health")
    assert rig.cli("restart", "-C", str(deep)).returncode == 0
    assert rig.cli("stop", "-C", str(deep)).returncode == 0


def test_everything_we_write_is_for_the_user_only(rig: Rig) -> None:
    """Files 0600, folders 0700, sockets and pipes too, whatever the umask."""
    rig.run(*QUICK, "--sd-notify", "--", sys.executable, "-c", "print('x'); import time; time.sleep(600)",
            prefix=("sh", "-c", 'umask 000; exec "$@"', "sh"))  # fmt: skip
    rig.child()
    wait_until((rig.folder / "logs" / "tracker.log").exists, "the log")
    found = {}
    for top in (".watchdog", "logs"):
        for place, _, names in os.walk(rig.folder / top):
            for path in (Path(place), *(Path(place) / name for name in names)):
                found[str(path.relative_to(rig.folder))] = oct(path.stat().st_mode & 0o777)
    wrong = {path: mode for path, mode in found.items() if mode not in ("0o600", "0o700")}
    assert not wrong
    assert found[".watchdog/tracker/control"] == "0o600"
    assert found[".watchdog/tracker"] == "0o700"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (signal.SIGINT, [signal.SIGINT]),
        (signal.SIGTERM, [signal.SIGTERM]),
        (signal.SIGTERM, [signal.SIGHUP, signal.SIGTERM]),
        (signal.SIGHUP, [signal.SIGHUP, signal.SIGTERM, signal.SIGTERM]),
    ],
)
def test_second_signal_ends_a_deaf_program_and_a_hang_up_is_none(
    rig: Rig, first: signal.Signals, then: list[signal.Signals]
) -> None:
    """The first signal begins the stop, a second one shortens it to the kill; a closed terminal is not impatient."""
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); open('deaf', 'w').close(); time.sleep(600)"
    )
    process = rig.run("--stop-timeout", "60s", "--", sys.executable, "-c", deaf)
    wait_until((rig.folder / "deaf").exists, "the deaf program")
    process.send_signal(first)
    wait_until(lambda: rig.status()["state"] == "stopping", "stopping")
    for number in then[:-1]:
        process.send_signal(number)
        for _ in range(3):  # each is asked after the signal, so that has been taken
            assert rig.status()["state"] == "stopping"
    process.send_signal(then[-1])
    assert process.wait(20) == 0
    assert all(fact["forced"] for fact in rig.facts("ended"))


@pytest.mark.parametrize("words", [["config"], ["status"], ["--help"], ["run", "--help"]])
def test_a_reader_that_has_gone_ends_a_command_quietly(rig: Rig, words: list[str]) -> None:
    """`watchdog ... | head`: no traceback, and the code of a closed pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    found = subprocess.run(
        [str(BIN / "watchdog"), *words],
        cwd=rig.folder,
        env=rig.environment(),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=40,
        check=False,
    )
    os.close(writing)
    assert (found.returncode, found.stderr) == (141, b"")
