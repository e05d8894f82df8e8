"""Consoles on Windows: who hears Ctrl-C and Ctrl-Break, and that nothing appears on the screen."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters.system import controls
from windows_dog import CHILD, LIMIT_S, WindowsDog
from windows_seen import ScreenWatch, windows_now

ROUNDS = 20
CTRL_C, CTRL_BREAK = 2, 21
CONSOLE = Path(__file__).parents[1] / "windows_console.py"
IS_WINE = hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


@pytest.fixture
def dog(tmp_path):
    """A folder of its own, whose watchdogs are gone afterwards."""
    one = WindowsDog(tmp_path)
    yield one
    one.close()


def at_a_console(dog: WindowsDog, *orders: str, first: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """``watchdog run`` with a console, which is without a window, and shared with its program."""
    words = (
        *first,
        "run",
        "--restart-delay",
        "0",
        "--stop-timeout",
        "60s",
        "--",
        sys.executable,
        "-S",
        str(CHILD),
        *orders,
    )
    with (dog.folder / "dog.out").open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, str(CONSOLE), *words],
            cwd=dog.folder,
            env=dog.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
    dog.dogs.append(started)
    return started


@pytest.mark.timeout(180)
def test_W02_ctrl_c_at_the_console_is_for_the_watchdog_alone(dog):
    """It stops in order; the program, in a group of its own, does not hear it and has the time to end softly."""
    running = at_a_console(dog, "hears", "beat")
    pid = dog.ready()
    (dog.folder / "press").touch()
    assert running.wait(LIMIT_S) == 0, dog.output()
    assert dog.pids("CLEAN") == [pid]
    assert CTRL_C not in dog.pids("heard")
    assert "stop asked" in dog.output() or "stopped as asked" in dog.output()
    dog.ask("status", code=3)


@pytest.mark.timeout(240)
def test_W02_a_console_event_ends_the_program_softly_and_nobody_else(dog):
    """Twenty restarts and a stop: each program ends by the event alone, and the watchdog never hears one itself.

    The program takes no notice of stop requests here. Wine refuses Ctrl-Break: Ctrl-C, aimed alike, takes its place.
    """
    running = at_a_console(dog, "enables", "hears", "deaf", "beat", first=("--for-break",) if IS_WINE else ())
    state = str(dog.folder / ".watchdog" / "tracker")
    for number in range(1, ROUNDS + 1):
        dog.ready(number)
        answers = list(controls.ask(state, {"ask": "restart"}, limit_s=LIMIT_S))
        assert answers[-1]["ok"] is True, answers
    dog.ready(ROUNDS + 1)
    assert running.poll() is None
    assert "stop asked (" not in dog.output()
    dog.ask("stop")
    assert running.wait(LIMIT_S) == 0
    assert dog.pids("CLEAN") == dog.pids("ready")
    assert dog.pids("heard") == [CTRL_C if IS_WINE else CTRL_BREAK] * (ROUNDS + 1)


PRESS = """
import os, signal, sys, threading, time
from tracker.__main__ import main
def press():
    while not os.path.exists("tracked_tokens.json"):
        time.sleep(0.05)
    signal.raise_signal(signal.SIGBREAK)  # as the console's thread does it
threading.Thread(target=press, daemon=True).start()
sys.argv[1:] = ["--source", "demo"]
sys.exit(main())
"""


@pytest.mark.timeout(120)
def test_W01_the_tracker_saves_at_ctrl_break(dog):
    """It finishes its turn, says what it was asked by, and ends with 0."""
    code, text = dog.python("-c", PRESS)
    assert code == 0, text
    assert "stop asked (SIGBREAK)" in text
    assert "8 tokens saved" in text


@pytest.mark.timeout(240)
def test_W04_nothing_appears_on_the_screen(dog):
    """A start in the background, three restarts, a grandchild, status and stop: no window; and one would be seen."""
    with ScreenWatch() as control:
        shown = subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            creationflags=subprocess.CREATE_NEW_CONSOLE,
        )
        wait_until(lambda: control.seen, "the window of a new console", LIMIT_S)
        shown.communicate(b"\n")
        wait_until(lambda: not control.seen.keys() & windows_now().keys(), "its end", LIMIT_S)
    with ScreenWatch() as screen:
        command = (sys.executable, "-S", str(CHILD), "grandchild", "exit", "1")
        with (dog.folder / "dog.out").open("ab") as output:
            words = ("run", "--restart-delay", "100ms", "--stop-timeout", "100ms", "--", *command)
            running = subprocess.Popen(
                [sys.executable, "-m", "watchdog_cli", *words],
                cwd=dog.folder,
                env=dog.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                creationflags=subprocess.DETACHED_PROCESS,  # no console at all, as a start by pythonw
            )
        dog.dogs.append(running)
        wait_until(lambda: len(dog.pids("begins")) >= 4, "three restarts", LIMIT_S)
        before = screen.looks
        dog.ask("status", code=None)
        dog.ask("stop")
        assert running.wait(LIMIT_S) == 0
        wait_until(lambda: screen.looks > before + 3, "a last look", LIMIT_S)
    assert screen.seen == {}
