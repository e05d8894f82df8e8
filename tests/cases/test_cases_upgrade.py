"""The watchdog is replaced by a fresh one: no gap, no lost line, no lost wish (the hand-over of an upgrade)."""

import os
import signal
import sys
import time

import pytest

from printer import COMMAND, PLAIN, PRINTS, assert_gapless, await_lines, folder, lines, programs
from rig import BIN, Rig
from waiting import stays_true, wait_until


@pytest.fixture(autouse=True)
def _printer(rig: Rig) -> None:
    rig.write("prints.py", PRINTS)


def test_upgrade_twice_costs_nothing(rig: Rig) -> None:
    """Same program, same watchdog pid, no line lost, and the exit code of the program is still learned afterwards."""
    watchdog = rig.run(*PLAIN, "--quiet", "--restart", "never", "--", *COMMAND)
    child = rig.child()
    await_lines(rig, 50)
    for turn in (1, 2):
        done = rig.cli("upgrade")
        assert done.returncode == 0, done.stderr
        assert "has taken over" in done.stdout
        rig.fact("adopted", turn)
        assert rig.child() == child
        assert rig.status()["watchdog"]["pid"] == watchdog.pid
        await_lines(rig, 50)
    # Whole at once: the program reads it between two lines.
    rig.write("exit.new", "42").rename(rig.folder / "exit")
    assert watchdog.wait(20) == 42
    assert rig.facts("ended")[0]["exit_code"] == 42
    assert lines(rig)[-1].startswith(b"last line")
    assert_gapless(rig)


def test_upgrade_keeps_a_delay_running(rig: Rig) -> None:
    """An upgrade in the middle of the delay neither starts the program early nor forgets it."""
    rig.run("--no-heartbeat", "--restart-delay", "6s", "--quiet", "--", *COMMAND)
    child = rig.child()
    os.kill(child, signal.SIGKILL)
    rig.fact("restarting")
    began = time.monotonic()
    assert rig.cli("upgrade").returncode == 0
    report = rig.status()
    assert report["state"] == "waiting"
    assert 0 < report["next_start_s"] <= 6
    assert report["restarts"]["in_window"] == 1
    rig.fact("spawned", 2)
    assert time.monotonic() - began > 4
    assert rig.cli("stop").returncode == 0


def test_upgrade_keeps_a_pause(rig: Rig) -> None:
    """Paused with nothing running: the fresh watchdog is paused too and starts nothing."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    assert rig.cli("pause", "--for", "10m").returncode == 0
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: rig.status()["state"] == "paused", "the end of the program")
    assert rig.cli("upgrade").returncode == 0
    report = rig.status()
    assert report["state"] == "paused"
    assert 500 < report["pause_left_s"] <= 600
    stays_true(lambda: not programs(rig), "no start", 1)
    assert rig.cli("resume").returncode == 0
    rig.child()
    assert rig.cli("stop").returncode == 0


def test_upgrade_does_not_undo_a_stop(rig: Rig) -> None:
    """While the program is being stopped an upgrade is refused with a reason, and the stop goes on to its end."""
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); open('ready', 'w').close(); time.sleep(600)"
    )
    watchdog = rig.run("--no-heartbeat", "--stop-timeout", "3s", "--", sys.executable, "-c", code)
    wait_until((rig.folder / "ready").exists, "the program")
    watchdog.terminate()
    rig.fact("stopping")
    refused = rig.cli("upgrade")
    assert refused.returncode != 0
    assert "being stopped" in refused.stderr
    assert watchdog.wait(20) == 0
    assert rig.marked() == {}


def test_upgrade_after_giving_up_goes_on_waiting(rig: Rig) -> None:
    """Gave up with slow tries: the fresh watchdog keeps to the time of the next try."""
    options = ("--no-heartbeat", "--restart-delay", "0", "--max-restarts", "1", "--retry-after", "20s")
    rig.run(*options, "--", sys.executable, "-c", "import sys; sys.exit(1)")
    rig.fact("gave-up")
    assert rig.cli("upgrade").returncode == 0
    report = rig.status()
    assert report["state"] == "gave up"
    assert 0 < report["next_start_s"] <= 20
    assert len(rig.facts("spawned")) == 2
    assert rig.cli("stop").returncode == 0


def _image(rig: Rig, meanwhile: str) -> None:
    """A new version that takes its time to come up."""
    words = f"os.execv({sys.executable!r}, [{sys.executable!r}, {str(BIN / 'watchdog')!r}, *sys.argv[1:]])"
    code = f"#!{sys.executable} -S\nimport os, sys, time\n{meanwhile}\ntime.sleep(1)\n{words}\n"
    rig.write("image", code).chmod(0o755)


def test_commands_during_an_upgrade_hurt_nobody(rig: Rig) -> None:
    """Commands that meet the moment of the hand-over neither end the watchdog nor double anything."""
    _image(rig, "pass")
    watchdog = rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    asked = _ask(rig, {"ask": "upgrade", "command": [str(rig.folder / "image")]})
    assert asked["ok"] is True
    wait_until(lambda: not (folder(rig) / "control").exists(), "the hand-over")
    report = rig.status()
    assert report["watchdog"]["pid"] == watchdog.pid
    assert rig.cli("restart").returncode == 0
    assert watchdog.poll() is None
    new = rig.other_child(child)
    assert programs(rig) == [new]
    assert rig.cli("stop").returncode == 0


def _ask(rig: Rig, request: dict[str, object]) -> dict[str, object]:
    from watchdog_cli.adapters.control import ask

    return next(iter(ask(str(folder(rig)), request, limit_s=10)))


def test_program_that_ends_during_an_upgrade_keeps_its_exit_code(rig: Rig) -> None:
    """It ends just while nobody listens: the fresh watchdog still learns how, counts it, and keeps the delay."""
    rig.run("--no-heartbeat", "--restart-delay", "2s", "--quiet", "--", *COMMAND)
    child = rig.child()
    meanwhile = (
        "open('exit.new', 'w').write('42'); os.rename('exit.new', 'exit'); time.sleep(1); os.unlink('exit')"
    )
    _image(rig, meanwhile)
    assert _ask(rig, {"ask": "upgrade", "command": [str(rig.folder / "image")]})["ok"] is True
    ended = rig.fact("ended")
    assert (ended["exit_code"], ended["cause"]) == (42, "exit")
    assert rig.fact("restarting")["in_window"] == 1
    assert rig.other_child(child) != child
    assert rig.cli("stop").returncode == 0


def test_stop_signal_during_an_upgrade_is_not_lost(rig: Rig) -> None:
    """SIGTERM in the very moment of the hand-over stops program and watchdog in order."""
    _image(rig, "pass")
    watchdog = rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    rig.child()
    assert _ask(rig, {"ask": "upgrade", "command": [str(rig.folder / "image")]})["ok"] is True
    wait_until(lambda: not (folder(rig) / "control").exists(), "the hand-over")
    watchdog.terminate()
    assert watchdog.wait(20) == 0
    assert rig.marked() == {}


@pytest.mark.parametrize("prefix", [["/no/such/watchdog"], ["/etc/passwd"]])
def test_upgrade_to_nothing_is_refused(rig: Rig, prefix: list[str]) -> None:
    """A new version that cannot be started is refused, and the old one goes on."""
    rig.run(*PLAIN, "--quiet", "--", *COMMAND)
    child = rig.child()
    answer = _ask(rig, {"ask": "upgrade", "command": prefix})
    assert answer["ok"] is False
    assert prefix[0] in str(answer["error"])
    assert rig.child() == child
    assert rig.cli("stop").returncode == 0


def test_upgrade_of_one_whose_first_folder_is_gone_is_refused(rig: Rig) -> None:
    """Started elsewhere with -C, and that place was removed: it goes on, and the command says what to do."""
    gone = rig.folder / "gone"
    gone.mkdir()
    process = rig.run("-C", "..", *PLAIN, "--quiet", "--", *COMMAND, prefix=("env", "-C", str(gone)))
    pid = rig.child()
    gone.rmdir()
    refused = rig.cli("upgrade")
    assert refused.returncode == 13
    assert "use: watchdog stop, then watchdog run" in refused.stderr
    assert rig.child() == pid
    assert rig.status()["watchdog"]["pid"] == process.pid
    assert rig.cli("stop").returncode == 0
