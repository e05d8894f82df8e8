"""What the process tree of every system shares: who leads it, how it is started, and how people are told of it."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.launch import RUN_ID, Launch, child_environment
from watchdog_cli.adapters.mailbox import Mailbox
from watchdog_cli.adapters.procfs import Stat
from watchdog_cli.adapters.spawn_fault import explain
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.record import one_line
from watchdog_kit.os_errors import in_words

SHOWN = 4  # survivors named one by one

InboxT = TypeVar("InboxT", bound=Mailbox)


class Processes(Protocol):
    """What a system's module of processes can say; ``procfs`` is the reference."""

    def stat(self, pid: int, /) -> Stat | None:
        """The process as it is now."""

    def is_same(self, pid: int, start_ticks: int, /) -> bool:
        """Whether it is still this one."""

    def everybody(self) -> dict[int, Stat]:
        """All processes."""

    def descendants(self, roots: set[int], everyone: dict[int, Stat], /) -> set[int]:
        """All below these."""

    def resident_bytes(self, pid: int, /) -> int:
        """Memory of one process."""

    def catches(self, pid: int, number: int, /) -> bool:
        """Whether it has a handler for a signal."""

    def environment_has(self, pid: int, entry: bytes, /) -> bool:
        """Whether it was started with this entry."""

    def environment_value(self, pid: int, name: bytes, /) -> bytes | None:
        """What this variable was when it was started."""

    def cpu_seconds(self, ticks: int, /) -> float:
        """CPU ticks in seconds."""

    def ticks_now(self) -> int:
        """The start ticks of a process that began now."""


class Tree(Generic[InboxT]):
    """The one process tree that we look after; a system adds how it is watched and ended."""

    processes: Processes

    def __init__(self, inbox: InboxT, launch: Launch) -> None:
        """Nothing is started yet."""
        self._inbox = inbox
        self._launch = launch
        self._environment = child_environment(launch.extra)  # made once: it stands between an end and a start
        self._identity: Identity | None = None
        self._leader_gone = True
        self.helpers: set[int] = set()  # children of ours that look at the tree and are not of it

    def notes_for_successor(self) -> dict[str, str]:
        """What an image of this process that goes on after an exec could not find out, as environment entries."""
        return {}

    @property
    def identity(self) -> Identity | None:
        """The present run, as long as anybody of it lives."""
        return self._identity

    def told_otherwise(self, pid: int, names: Iterable[str]) -> str:
        """The first of these variables that the next run would get with another value than a running program has.

        "" for none, and for one that was given another environment than we made, or whose environment is hidden.
        """
        value_of = self.processes.environment_value
        if value_of(pid, RUN_ID.encode()) is None:
            return ""
        for name in names:
            value = os.path.normpath(os.fsdecode(value_of(pid, name.encode()) or b""))
            if value != os.path.normpath(self._environment[name]):
                return name
        return ""

    def _start(
        self, argv: Sequence[str], environment: dict[str, str], *, session: bool = False, flags: int = 0
    ) -> "subprocess.Popen[bytes]":
        """Start the leader; its end is ours to learn, and not that of the object that is returned.

        Raises:
            SpawnError: with a text for people, and whether trying again can help.
        """
        launch = self._launch
        try:
            output = launch.output()
        except OSError as error:
            raise SpawnError(f"no descriptor for its output: {in_words(error)}", transient=True) from error
        try:
            return subprocess.Popen(
                argv,
                cwd=launch.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=session,
                creationflags=flags,
            )
        except OSError as error:
            raise explain(error, launch.argv[0], launch.folder, environment) from error
        except ValueError as error:  # a NUL byte in an argument
            raise SpawnError(f"cannot start {launch.argv[0]!r}: {error}") from error
        finally:
            os.close(output)

    def members(self) -> list[Stat]:
        """Everybody of the tree who lives, the leader first."""
        raise NotImplementedError

    @staticmethod
    def _leader_first(alive: Iterable[Stat], leader: int) -> list[Stat]:
        return sorted(alive, key=lambda one: (one.pid != leader, one.start_ticks, one.pid))

    def survivors(self) -> list[str]:
        """Who still lives, as ``pid 12 (python)``; the first few."""
        alive = self.members()
        names = [f"pid {one.pid} ({one_line(one.name)})" for one in alive[:SHOWN]]
        return [*names, f"{len(alive) - SHOWN} more"] if len(alive) > SHOWN else names

    def resident_bytes(self) -> int:
        """Resident memory of the whole tree."""
        return sum(self.processes.resident_bytes(one.pid) for one in self.members())
