"""Stacks of a frozen Python program from outside, and what is said where that cannot work."""

import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from trees import Nest, lives, python
from waiting import wait_until
from watchdog_cli.adapters import process_facts, stack_spy
from watchdog_cli.adapters.forensics import Dump
from watchdog_cli.adapters.stack_spy import StackSpy
from watchdog_cli.core.events import ChildExited, DumpDone, Event

FROZEN = (
    "import pathlib, sys, threading, time\n"
    "def other_place(): time.sleep(600)\n"
    "def stuck_here():\n    pathlib.Path(sys.argv[1]).touch()\n    while True: time.sleep(600)\n"
    "threading.Thread(target=other_place, daemon=True).start()\nstuck_here()"
)


class Bench:
    """A spy on a real tree."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.dumps: list[Dump] = []
        self.looks = 0
        self.done = threading.Event()
        self.events: list[Event] = []
        self.spy = StackSpy(
            who=lambda: nest.tree.identity,
            put=self._put,
            keep=self.dumps.append,
            look=self._look,
            helpers=nest.tree.helpers,
        )

    def _look(self) -> None:
        self.looks += 1

    def _put(self, event: Event) -> None:
        self.events.append(event)
        self.done.set()

    def dump(self, limit_s: float = 20.0) -> Dump:
        began = time.monotonic()
        self.spy.begin(limit_s)
        assert self.done.wait(limit_s + 5)
        assert time.monotonic() - began < limit_s + 1
        [dump] = self.dumps
        assert self.looks == 1
        assert self.events == [DumpDone(self.nest.run_id)]
        assert not self.nest.tree.helpers
        return dump


def start(nest: Nest, folder: Path) -> int:
    pid = nest.spawn(python(FROZEN, str(folder / "up")))
    wait_until((folder / "up").exists, "the freeze")
    return pid


def fake_spy(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program of that name that does what the test wants."""
    path = folder / "bin" / stack_spy.PROGRAM
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")


def test_all_threads_of_a_frozen_program_are_named(nest: Nest, tmp_path: Path) -> None:
    """The extra is installed: every thread with its functions, and the program lives on."""
    assert stack_spy.find_spy(), "py-spy is missing: pip install 'tracker-watchdog[forensics]'"
    pid = start(nest, tmp_path)
    dump = Bench(nest).dump()
    assert dump.source == "py-spy"
    assert "stuck_here" in dump.text
    assert "other_place" in dump.text
    assert lives(pid)


def test_a_stopped_program_is_read_as_it_stands(nest: Nest, tmp_path: Path) -> None:
    """Ctrl-Z or SIGSTOP froze it: its stacks are there all the same, and the note says what had happened to it."""
    pid = start(nest, tmp_path)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "the stop")
    dump = Bench(nest).dump()
    assert "stuck_here" in dump.text
    assert "stopped by a signal" in dump.note


def test_a_python_program_behind_a_shell_is_found(nest: Nest, tmp_path: Path) -> None:
    """The leader is a shell: the Python process below it is looked at."""
    script = tmp_path / "frozen.py"
    script.write_text(FROZEN)
    nest.spawn(["/bin/sh", "-c", f"{sys.executable} -SE {script} {tmp_path / 'up'}; echo over"])
    wait_until((tmp_path / "up").exists, "the freeze")
    assert "stuck_here" in Bench(nest).dump().text


def test_no_python_program_is_said(nest: Nest) -> None:
    """A shell has no stacks that could be read, and that costs no time."""
    nest.spawn(["/bin/sleep", "600"])
    dump = Bench(nest).dump()
    assert dump.source == "none"
    assert "no Python program" in dump.note


def test_a_missing_extra_is_said_with_its_remedy(
    nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not installed: how to get it, and the line that makes it needless."""
    start(nest, tmp_path)
    monkeypatch.setattr(stack_spy, "PROGRAM", "py-spy-that-is-not-there")
    dump = Bench(nest).dump()
    assert dump.source == "none"
    assert "not installed (pip install 'tracker-watchdog[forensics]')" in dump.note
    assert "faulthandler.register" in dump.note


def test_a_spy_that_hangs_is_killed_at_the_limit(
    nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not delay the end of the frozen program: bounded, said, and nothing is left of it."""
    pid = start(nest, tmp_path)
    fake_spy(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/spy; exec sleep 600")
    dump = Bench(nest).dump(1.0)
    assert "took too long" in dump.note
    assert not lives(int((tmp_path / "spy").read_text()))
    assert lives(pid)


def test_a_refusal_of_the_system_is_explained(
    nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permission denied in a container, or by Yama: who may help, in one sentence."""
    start(nest, tmp_path)
    fake_spy(
        tmp_path, monkeypatch, "echo 'Error: Permission Denied: Try running again with sudo' >&2; exit 1"
    )
    scope = tmp_path / "scope"
    monkeypatch.setattr(stack_spy, "YAMA", str(scope))
    assert "--cap-add SYS_PTRACE" in Bench(nest).dump().note
    scope.write_text("1\n")
    assert "Yama, ptrace_scope 1" in Bench(nest).dump().note


def test_a_failure_without_words_is_said(nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends and says nothing, or garbage: one line all the same."""
    start(nest, tmp_path)
    fake_spy(tmp_path, monkeypatch, r"printf '\033[31m\377garbage\nmore' >&2; exit 3")
    note = Bench(nest).dump().note
    assert "py-spy failed" in note
    assert note.isprintable()


def test_the_spy_is_no_member_of_the_tree(
    nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program ends while it is looked at: its tree is empty, though our own helper still runs."""
    pid = start(nest, tmp_path)
    fake_spy(
        tmp_path,
        monkeypatch,
        f"echo $$ > {tmp_path}/spy.new; mv {tmp_path}/spy.new {tmp_path}/spy; exec sleep 600",
    )
    bench = Bench(nest)
    bench.spy.begin(8.0)
    wait_until((tmp_path / "spy").exists, "the helper")
    spy = int((tmp_path / "spy").read_text())
    wait_until(lambda: spy in nest.tree.helpers, "the helper is known")
    assert spy not in [one.pid for one in nest.tree.members()]
    os.kill(pid, 9)
    exited = nest.await_event(ChildExited)
    assert exited.left_behind == 0
    assert lives(spy)
    assert bench.done.wait(15)
    assert not lives(spy)


def test_what_can_be_seen_of_a_living_process(nest: Nest, tmp_path: Path) -> None:
    """Threads, memory, open files and sockets with their other side."""
    code = (
        "import pathlib, socket, sys, threading, time\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname())\n"
        "six = socket.create_server(('::1', 0), family=socket.AF_INET6)\n"
        "unix = socket.socket(socket.AF_UNIX); unix.bind(sys.argv[1] + '.sock')\n"
        "file = open('/dev/zero')\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "client.sendall(b'hello')\n"
        "pathlib.Path(sys.argv[1]).write_text(str(server.getsockname()[1])); time.sleep(600)"
    )
    pid = nest.spawn(python(code, str(tmp_path / "up")))
    wait_until(lambda: (tmp_path / "up").exists() and (tmp_path / "up").read_text(), "the sockets")
    port = (tmp_path / "up").read_text()
    identity = nest.tree.identity
    assert identity is not None
    facts = process_facts.look(pid, identity.start_ticks)
    assert facts is not None
    text = "\n".join(facts.lines)
    assert facts.numbers["threads"] == 2
    assert facts.numbers["sockets"] == 4
    assert facts.numbers["rss_bytes"] > 1_000_000
    assert "/dev/zero" in text
    assert f"-> 127.0.0.1:{port} ESTABLISHED" in text
    assert "[::1]:" in text
    assert "up.sock" in text
    assert process_facts.look(pid, identity.start_ticks + 1) is None
    assert process_facts.look(2**22 + 5, None) is None
