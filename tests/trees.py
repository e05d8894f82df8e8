"""A process tree under test, driven in the process of the tests, and what is needed to look at it from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from waiting import wait_until
from watchdog_cli.adapters import libc, procfs
from watchdog_cli.adapters.child import ChildTree, Launch
from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.core.events import Event

E = TypeVar("E")


def python(code: str, *arguments: str) -> list[str]:
    """A command that runs a few lines of Python, started as fast as it can be."""
    return [sys.executable, "-SEc", code, *arguments]


def lives(pid: int) -> bool:
    """Whether a process is there and not dead."""
    found = procfs.stat(pid)
    return found is not None and not found.is_zombie


def read_pid(path: Path) -> int:
    """The pid that a process has written into a file; 0 before it has."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def await_pid(path: Path) -> int:
    """Wait for a pid in a file."""
    return wait_until(lambda: read_pid(path), f"a pid in {path.name}")


class Nest:
    """One ``ChildTree`` with its inbox, and everything that it puts there."""

    def __init__(self, folder: Path, *, is_init: bool = False) -> None:
        self.folder = folder
        self.is_init = is_init
        self.inbox = Inbox()
        self.argv: list[str] = []
        self.extra: dict[str, str] = {}
        self.cwd = str(folder)
        self.output_path = folder / "output"
        self.events: list[Event] = []
        # No leftover of another test may pass for one of this tree.
        self.run_id = f"run-{os.urandom(6).hex()}"
        self.tree = self.new_tree()

    def new_tree(self) -> ChildTree:
        """Another tree in the same nest, as a fresh watchdog would make it."""
        launch = Launch(argv=self.argv, folder=self.cwd, extra=self.extra, output=self._output)
        return ChildTree(self.inbox, launch, is_init=self.is_init)

    def _output(self) -> int:
        return os.open(self.output_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def spawn(self, argv: Sequence[str], run_id: str | None = None, number: int = 1) -> int:
        """Start a tree; return the pid of its leader."""
        self.run_id = run_id or self.run_id
        self.argv[:] = argv
        return self.tree.spawn(number, self.run_id).pid

    def await_event(self, kind: type[E], limit_s: float = 20.0) -> E:
        """The next event of this kind, with the loop of a watchdog around it; others are kept aside."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            event = self.inbox.get(time.monotonic() + 0.02)
            self.tree.on_child_signal()
            if event is None:
                continue
            self.events.append(event)
            if isinstance(event, kind):
                return event
        raise AssertionError(
            f"no {kind.__name__} in {limit_s} s; seen: {self.events}; {self.tree.survivors()}"
        )

    def turn(self, for_s: float = 0.1) -> None:
        """Let the loop run for a while."""
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            event = self.inbox.get(time.monotonic() + 0.01)
            self.tree.on_child_signal()
            if event is not None:
                self.events.append(event)

    def close(self) -> None:
        """End whatever is left, and let go."""
        wait_until(self._is_gone, "the end of the tree")
        self.inbox.close()
        libc._lib.prctl(libc._PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)  # orphans of other tests are not ours

    def _is_gone(self) -> bool:
        if self.tree.identity is None:
            return True
        self.tree.kill()
        self.tree.look()
        self.turn(0.02)
        return self.tree.identity is None


class Strangers:
    """Processes beside the tree; each is ended by its pid at the end."""

    def __init__(self) -> None:
        self._ours: list[subprocess.Popen[bytes]] = []
        self._others: list[procfs.Stat] = []

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one as a child of the tests."""
        process = subprocess.Popen(
            list(argv), env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self._ours.append(process)
        return process

    def note(self, pid: int) -> procfs.Stat:
        """Have a process ended that is nobody's child; return what the kernel says of it."""
        found = procfs.stat(pid)
        assert found is not None, f"process {pid} is gone already"
        self._others.append(found)
        return found

    def close(self) -> None:
        """End all that still live."""
        for one in self._others:
            if procfs.is_same(one.pid, one.start_ticks):
                os.kill(one.pid, signal.SIGKILL)
        for process in self._ours:
            if process.poll() is None:
                process.kill()
            process.wait()


@contextlib.contextmanager
def strangers() -> Iterator[Strangers]:
    """Processes beside the tree, for the time of a test."""
    found = Strangers()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def nest(tmp_path: Path) -> Iterator[Nest]:
    """A tree to be, in a folder of its own; nobody of it is left at the end."""
    found = Nest(tmp_path)
    yield found
    found.close()


@pytest.fixture
def others() -> Iterator[Strangers]:
    """Processes beside the tree, for the time of a test."""
    with strangers() as found:
        yield found
