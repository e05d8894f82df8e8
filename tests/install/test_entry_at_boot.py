"""A real systemd starts what ``install`` wrote: at boot, after a kill, never after a stop; and after a power cut."""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from systemd_box import Box
from waiting import stays_true, wait_until

UNIT = "tracker-watchdog@tracker.service"
ODD = ['a"b $HOME %h \\ ;\n', "", "o'b", ";", "été", "متتبع"]
PROGRAM = """\
import json, os, sys, time
json.dump(sys.argv[1:], open("args.new", "w"))
os.replace("args.new", "args")
while True: time.sleep(0.05)
"""
PLAIN = ("--no-heartbeat", "--restart-delay", "200ms", "--dump-timeout", "500ms")
HOLD = """\
import os, sys, time
if "run" in sys.orig_argv and os.path.exists("hold"):
    os.rename("hold", "held")
    time.sleep(60)
"""
OFF_S = 2.5  # how long the machine is off: more than the report rounds away


def place(box: Box, name: str) -> Path:
    """A folder for a program."""
    folder = box.folder.parent / name
    folder.mkdir()
    return folder


def quick(box: Box, *lines: str) -> None:
    """A drop-in, so that nobody waits for longer than a test needs."""
    folder = box.units / f"{UNIT}.d"
    folder.mkdir(exist_ok=True)
    (folder / "quick.conf").write_text("\n".join(["[Service]", "RestartSec=200ms", *lines, ""]))


def done(box: Box, folder: Path, *words: str) -> str:
    """What a command says that must work."""
    found = box.run(*words, folder=folder)
    assert found.returncode == 0, (found.stdout, found.stderr, box.console())
    return found.stdout


def status(box: Box, folder: Path) -> dict[str, object]:
    """``watchdog status --json`` inside."""
    report: dict[str, object] = json.loads(box.run("watchdog", "status", "--json", folder=folder).stdout)
    return report


def pids(report: dict[str, object]) -> tuple[int, int]:
    """Of the watchdog and of its program; zeros for who is not there."""
    watchdog, child = (report[key] or {} for key in ("watchdog", "child"))
    return watchdog.get("pid", 0), child.get("pid", 0)  # type: ignore[attr-defined]


def environment(folder: Path) -> Path:
    """The Python of a virtual environment of its own that has watchdog, at a path that needs care."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    (packages,) = folder.glob("lib/python*/site-packages")
    theirs = sysconfig.get_path("purelib")
    (packages / "borrowed.pth").write_text(f"import site; site.addsitedir({theirs!r})\n")
    return folder / "bin" / "python"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_G06_the_entry_keeps_every_word_and_the_program_outlives_its_watchdog(box: Box) -> None:
    """Words arrive unchanged, a second install changes nothing, kill -9 is adopted, a stop stays, nothing is left."""
    box.boot()
    folder = place(box, "50% $x متتبع été")
    quick(box)
    python = environment(box.folder.parent / "o'my venv")
    words = (str(python), "-m", "watchdog_cli", "install", *PLAIN, "--", "python", "-c", PROGRAM, *ODD)
    assert "enabled and running" in done(box, folder, *words)
    assert next(line for line in box.command_lines() if line[1:4] == ["-P", "-m", "watchdog_cli"])[0] == str(
        python
    )
    wait_until((folder / "args").exists, "the program's arguments", 60)
    assert json.loads((folder / "args").read_text()) == ODD
    assert box.show(UNIT, "ActiveState", "UnitFileState") == {
        "ActiveState": "active",
        "UnitFileState": "enabled",
    }
    watchdog, child = pids(status(box, folder))

    assert "is as it should be" in done(box, folder, *words)
    assert pids(status(box, folder)) == (watchdog, child)

    done(box, folder, "kill", "-9", str(watchdog))
    wait_until(lambda: pids(status(box, folder))[0] not in (0, watchdog), "the next watchdog", 60)
    assert pids(status(box, folder))[1] == child, "the program was not interrupted"
    assert box.show(UNIT, "NRestarts") == {"NRestarts": "1"}

    done(box, folder, "watchdog", "stop")
    wait_until(lambda: box.show(UNIT, "ActiveState")["ActiveState"] == "inactive", "a unit at rest", 60)
    stays_true(lambda: box.show(UNIT, "ActiveState")["ActiveState"] == "inactive", "a stop", 1.5)
    assert pids(status(box, folder)) == (0, 0)

    said = done(box, folder, "watchdog", "uninstall")
    assert str(folder / "logs" / "tracker.log") in said
    assert [path.name for path in box.units.iterdir()] == [f"{UNIT}.d"], "only the drop-in, which is not ours"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_tracker_survives_a_power_cut(box: Box) -> None:
    """Everything is killed at once; at the next boot one tracker runs with its tokens, and the gap is not called up."""
    box.boot()
    folder = place(box, "my bot")
    quick(box)
    done(
        box,
        folder,
        "watchdog",
        "install",
        "--",
        "python",
        "-m",
        "tracker",
        "--source",
        "demo",
        "--save-interval",
        "1s",
    )

    def tokens() -> dict[str, object]:
        path = folder / "tracked_tokens.json"
        found = json.loads(path.read_text()) if path.exists() else []
        rows = found if isinstance(found, list) else list(found.values())
        return {row["token"]: row["startTime"] for row in rows}

    saved = wait_until(tokens, "saved tokens", 60)
    wait_until(lambda: status(box, folder)["health"] == "healthy", "a healthy tracker", 60)
    box.cut_power()
    stays_true(lambda: True, "a machine that is off", OFF_S)
    box.boot()

    wait_until(lambda: status(box, folder)["health"] == "healthy", "a healthy tracker after the cut", 60)
    assert box.show(UNIT, "ActiveState") == {"ActiveState": "active"}
    trackers = [line for line in box.command_lines() if line[1:3] == ["-m", "tracker"]]
    assert len(trackers) == 1, box.command_lines()
    wait_until(lambda: saved.items() <= tokens().items(), "the tokens of before", 60)
    report = json.loads(done(box, folder, "watchdog", "report", "--json"))
    gap = sum(span["length_s"] for span in report["spans"] if span["kind"] == "unknown")
    assert gap >= OFF_S, report["spans"]
    assert all(span["length_s"] < OFF_S for span in report["spans"] if span["kind"] == "down"), (
        "nobody saw it"
    )
    notes = box.run("watchdog", "tail-log", "--watchdog", folder=folder).stdout
    assert "did not end in order; the program is gone as well" in notes


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_a_deaf_watchdog_leaves_is_stopped_too(box: Box) -> None:
    """``systemctl stop`` ends the program of a deaf watchdog too; an install goes on from a killed one."""
    box.boot()
    folder = place(box, "bot")
    quick(box, "KillSignal=SIGWINCH", "TimeoutStopSec=8")  # nobody reacts to that signal
    words = (*PLAIN, "--", "python", "-c", PROGRAM)
    shown = done(box, folder, "watchdog", "install", "--dry-run", *words).splitlines()
    (box.units / UNIT).write_text("\n".join([*shown[1 : shown.index("# then:")], ""]))  # then killed
    assert "is as it should be" in done(box, folder, "watchdog", "install", *words)
    assert box.show(UNIT, "UnitFileState") == {"UnitFileState": "enabled"}
    _, child = pids(status(box, folder))
    assert child
    done(box, folder, "systemctl", "stop", UNIT)
    assert box.show(UNIT, "Result") == {"Result": "timeout"}
    assert pids(status(box, folder)) == (0, 0)
    assert box.run("kill", "-0", str(child)).returncode != 0
    said = box.run("watchdog", "doctor", folder=folder)
    assert said.returncode == 5
    assert f"{UNIT} is failed" in said.stdout

    quick(box, "RestartSec=600")
    done(box, folder, "systemctl", "daemon-reload")
    done(box, folder, "systemctl", "start", UNIT)
    watchdog, child = pids(status(box, folder))
    done(box, folder, "kill", "-9", str(watchdog))
    wait_until(lambda: box.show(UNIT, "SubState")["SubState"] == "auto-restart", "a unit that waits", 60)
    said = box.run("watchdog", "doctor", folder=folder)
    assert said.returncode == 5
    assert f"{UNIT} does not stay up" in said.stdout
    assert f"a program still runs under this name (pid {child})" in done(box, folder, "watchdog", "uninstall")
    done(box, folder, "watchdog", "stop")
    assert pids(status(box, folder)) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_stop_is_heard_by_a_watchdog_that_has_just_begun(box: Box) -> None:
    """SIGTERM that comes before it can be heard ends what a killed watchdog left; one that cannot start is told of."""
    box.boot()
    folder = place(box, "bot")
    (folder / "sitecustomize.py").write_text(HOLD)
    quick(box, f"Environment=PYTHONPATH={folder}")
    done(box, folder, "watchdog", "install", *PLAIN, "--", "python", "-c", PROGRAM)
    watchdog, child = pids(status(box, folder))
    (folder / "hold").touch()
    done(box, folder, "kill", "-9", str(watchdog))
    wait_until((folder / "held").exists, "a watchdog that has just begun", 60)
    assert pids(status(box, folder)) == (0, child)
    done(box, folder, "systemctl", "stop", UNIT)
    assert pids(status(box, folder)) == (0, 0)
    assert box.show(UNIT, "ActiveState") == {"ActiveState": "inactive"}

    shutil.rmtree(folder / ".watchdog")
    (folder / ".watchdog").touch()
    box.run("systemctl", "start", "--no-block", UNIT)
    wait_until(
        lambda: box.show(UNIT, "SubState")["SubState"] == "stop-post", "a watchdog that cannot start", 60
    )
    said = box.run("watchdog", "doctor", folder=folder)
    assert said.returncode == 5
    assert "does not stay up (status 14)" in said.stdout
    assert f"{folder}/.watchdog: not a directory" in said.stdout
    (folder / ".watchdog").unlink()
    wait_until(lambda: box.show(UNIT, "ActiveState")["ActiveState"] == "active", "the next start", 60)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_entry_never_takes_the_place_of_another(box: Box) -> None:
    """A foreign file, another folder's entry and a watchdog of a person are left alone; a full disk is told of."""
    box.boot()
    folder, other = place(box, "bot"), place(box, "other")
    words = ("watchdog", "install", *PLAIN, "--", "sleep", "600")
    foreign = box.units / "tracker-watchdog@mine.service"
    foreign.write_text("[Service]\nExecStart=/bin/true\n")
    found = box.run("watchdog", "install", "--name", "mine", "--", "sleep", "600", folder=folder)
    assert (found.returncode, foreign.read_text()) == (17, "[Service]\nExecStart=/bin/true\n")
    assert "left alone" in found.stderr
    found = box.run("watchdog", "uninstall", "--name", "mine", folder=folder)
    assert found.returncode == 17
    assert foreign.exists()

    full = 'mount -t tmpfs -o size=4k t "$1"; head -c 4096 /dev/zero >"$1/full"; shift; exec "$@"'
    small = ("unshare", "--mount", "sh", "-c", full, "sh", "/etc/systemd/system")
    found = box.run(*small, "watchdog", "install", "--name", "full", "--", "sleep", "600", folder=folder)
    assert (found.returncode, found.stdout) == (14, "")
    assert "no space left" in found.stderr

    box.run("sh", "-c", "setsid watchdog run --no-heartbeat -- sleep 600 >/dev/null 2>&1 &", folder=folder)
    wait_until(lambda: status(box, folder)["state"] == "running", "its program", 60)
    by_hand = pids(status(box, folder))
    said = done(box, folder, *words)
    assert f"not started: a watchdog (pid {by_hand[0]})" in said
    assert pids(status(box, folder)) == by_hand

    found = box.run(*words, folder=other)
    assert found.returncode == 17
    assert str(folder) in found.stderr
    done(box, folder, "watchdog", "stop")
    changed = done(
        box, folder, "watchdog", "install", "--restart-delay", "7s", *PLAIN[:1], "--", "sleep", "600"
    )
    assert "--restart-delay=7s" in changed
    assert "enabled and running" in changed
    assert done(box, folder, "watchdog", "doctor").count(f"{UNIT} is active and enabled") == 1


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_user_has_entries_of_her_own(box: Box) -> None:
    """A user's own systemd runs it, from her home; without one the answer is one line and a code."""
    box.boot()
    folder = place(box, "bot")
    words = ("watchdog", "install", "--user", *PLAIN, "--", "sleep", "600")
    found = box.run(*words, folder=folder)
    assert found.returncode == 17
    assert "does not run for this user" in found.stderr
    (box.folder / "targets" / "manager.service").write_text(
        "[Service]\nDelegate=yes\nType=notify\nExecStart=/lib/systemd/systemd --user\n"
        "ExecStartPre=/bin/mkdir -p -m 700 /run/user/0\n"
        f"Environment=XDG_RUNTIME_DIR=/run/user/0 HOME={box.home} PATH=/usr/bin:/bin\n"
    )
    done(box, folder, "systemctl", "start", "manager")
    said = done(box, folder, *words)
    assert "loginctl enable-linger" in said
    assert (box.home / ".config/systemd/user" / UNIT).exists()
    assert status(box, folder)["state"] == "running"
    done(box, folder, "watchdog", "uninstall", "--user")
    assert pids(status(box, folder)) == (0, 0)
    assert not (box.home / ".config/systemd/user" / UNIT).exists()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_frozen_watchdog_is_replaced_and_giving_up_is_final(box: Box) -> None:
    """A pause outlives a kill. Frozen: it is killed, the program goes on. A program that cannot run is left at rest."""
    box.boot()
    folder = place(box, "bot")
    quick(box)
    done(box, folder, "watchdog", "install", *PLAIN, "--", "python", "-c", PROGRAM)
    done(box, folder, "watchdog", "pause")
    watchdog, child = pids(status(box, folder))
    done(box, folder, "kill", "-9", *(str(pid) for pid in (watchdog, child) if pid))
    old = str(watchdog)
    wait_until(lambda: box.show(UNIT, "MainPID")["MainPID"] not in ("0", old), "the next watchdog", 60)
    wait_until(
        lambda: box.show(UNIT, "ActiveState")["ActiveState"] == "active", "a watchdog that is ready", 60
    )
    assert status(box, folder)["state"] == "paused"

    quick(box, "WatchdogSec=6")
    done(box, folder, "systemctl", "daemon-reload")
    done(box, folder, "systemctl", "restart", UNIT)
    watchdog, child = pids(status(box, folder))
    done(box, folder, "kill", "-STOP", str(watchdog))
    wait_until(lambda: pids(status(box, folder))[0] not in (0, watchdog), "the next watchdog", 60)
    assert pids(status(box, folder))[1] == child, "the program was not interrupted"

    words = ("--no-heartbeat", "--restart-delay", "50ms", "--max-restarts", "1", "--", "false")
    box.run("watchdog", "install", *words, folder=folder)
    wait_until(lambda: box.show(UNIT, "ActiveState")["ActiveState"] == "failed", "a unit that has failed", 60)
    stays_true(lambda: box.show(UNIT, "ActiveState")["ActiveState"] == "failed", "no new start", 1.0)
    assert box.show(UNIT, "ExecMainStatus") == {"ExecMainStatus": "12"}
