"""A peer at work: started, heard, measured and ended again, with everything that it left behind."""

import contextlib
import ctypes
import os
import re
import select
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from peer import Job, Peer
from stand import LIMIT_S, PAGE, Stand, wait_for

PR_SET_CHILD_SUBREAPER = 36
BLOCKED = 'read x <"$never"'


def take_in_orphans() -> None:
    """Make us the parent of every daemon that detaches itself, so that nothing can be lost from sight."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


def end_all() -> None:
    """End whatever is left below us, by pid, until there is nothing."""
    end = time.monotonic() + LIMIT_S
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > end:
            raise TimeoutError(f"cannot end {left}")
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the processes of a supervisor cost together, without the program. Seconds and bytes."""

    cpu_s: float
    switches: int
    rss: int
    pss: int
    descriptors: int
    processes: int


class Contender:
    """A peer with one program under it, a shell that says its pid whenever it starts."""

    def __init__(
        self, stand: Stand, peer: Peer, script: str, *, log: bool = False, hang_s: int | None = None
    ) -> None:
        """Start it and wait for the first word of the program.

        Args:
            script: for the shell, after its word; ``$say`` is a pipe to us, ``$never`` one from which nothing comes.
        """
        self.peer, self.name, self._stand = peer, peer.name, stand
        folder = stand.folder(re.sub("[^a-z0-9]+", "-", peer.name.lower()))
        program = folder / "program"
        self._pipes = []
        for pipe in ("say", "never"):
            os.mkfifo(folder / pipe)
            self._pipes.append(os.open(folder / pipe, os.O_RDWR | os.O_NONBLOCK))
        head = f'#!/bin/sh\ncd {folder}\nsay={folder}/say never={folder}/never\necho $$ >"$say"\n'
        program.write_text(f"{head}{script}\n")
        program.chmod(0o755)
        self.job = Job(folder, program, log=log, hang_s=hang_s, port=_free_port() if hang_s else 0)
        self.samples: list[float] = []
        command = peer.command(self.job)
        begun = time.perf_counter()
        self.process = stand.start(command, folder)
        self.child = 0
        try:
            self.child = int(self.hear().split()[-1])
            self.cold_s = time.perf_counter() - begun
        except TimeoutError:
            self.end()
            raise

    def hear(self, within_s: float = LIMIT_S) -> str:
        """The next words of the program."""
        if not select.select([self._pipes[0]], [], [], within_s)[0]:
            raise TimeoutError(f"{self.name}: the program said nothing for {within_s:g} s")
        return os.read(self._pipes[0], 65536).decode()

    def ear(self) -> int:
        """The pipe on which the program speaks."""
        return self._pipes[0]

    def go(self) -> None:
        """Let a program go on that reads a line from ``$never``."""
        os.write(self._pipes[1], b"go\n")

    def fell(self) -> float:
        """Kill the program; return the seconds to the first word of the next one."""
        begun = time.perf_counter()
        self.kill_program()
        words = self.hear()
        took = time.perf_counter() - begun
        self.child = int(words.split()[-1])
        return took

    def has_words(self) -> bool:
        """Whether the program has said something that nobody has heard yet."""
        return bool(select.select([self._pipes[0]], [], [], 0)[0])

    def program_lives(self) -> bool:
        """Whether the last program that spoke is still there; its number may belong to somebody else by now."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return os.readlink(f"/proc/{self.child}/cwd") == str(
                self.job.folder
            )  # it went there before it spoke
        return False

    def kill_program(self) -> None:
        """End the program, and nothing else that has got its number."""
        if self.program_lives():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)

    def supervisors(self) -> list[psutil.Process]:
        """All processes of the supervisor, without the program and what is below it."""
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ValueError):
            root = psutil.Process(self.peer.root(self.job, self.process))
            return [root, *(one for one in _below(root) if one.pid != self.child)]
        return []

    def cost(self) -> Cost:
        """What they have cost so far, and hold now."""
        cpu_ns = switches = rss = pss = descriptors = 0
        found = self.supervisors()
        if not found:
            raise TimeoutError(f"{self.name} is not there any more")
        for one in found:
            base = f"/proc/{one.pid}"
            for task in os.listdir(f"{base}/task"):
                cpu_ns += int(Path(f"{base}/task/{task}/schedstat").read_text().split()[0])
                status = Path(f"{base}/task/{task}/status").read_text()
                switches += int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
            rss += int(Path(f"{base}/statm").read_text().split()[1]) * PAGE
            rollup = Path(f"{base}/smaps_rollup").read_text()
            pss += int(rollup.split("\nPss:")[1].split()[0]) * 1024
            descriptors += len(os.listdir(f"{base}/fd"))
        return Cost(cpu_ns / 1e9, switches, rss, pss, descriptors, len(found))

    def beat(self) -> None:
        """A sign of life in each of the forms that somebody listens to."""
        draft = self.job.folder / "draft"
        draft.write_text("{}")
        os.replace(draft, self.job.folder / "heartbeat.json")
        if self.job.port:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(f"{self.child};{time.time()}".encode(), ("127.0.0.1", self.job.port))

    def end(self) -> None:
        """End the supervisor first, so that it starts nothing, then the program."""
        found = self.supervisors()
        for one in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGTERM)
        gone_by = time.monotonic() + 8.0
        while any(_lives(one) for one in found) and time.monotonic() < gone_by:
            self._catch_up()
            time.sleep(0.01)
        for one in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._catch_up()
        self.kill_program()
        self._stand.end(self.process)
        for pipe in self._pipes:
            os.close(pipe)

    def _catch_up(self) -> None:
        """The program may have been started once more meanwhile."""
        with contextlib.suppress(BlockingIOError, ValueError, IndexError):
            self.child = int(os.read(self._pipes[0], 65536).split()[-1])


@contextlib.contextmanager
def working(
    stand: Stand,
    peers: list[Peer],
    script: str,
    failed: dict[str, str],
    *,
    log: bool = False,
    hang_s: int | None = None,
) -> Iterator[list[Contender]]:
    """Several contenders side by side, ended whatever happens; who cannot begin is written into ``failed``."""
    found: list[Contender] = []
    try:
        for peer in peers:
            if peer.name in failed:
                continue
            try:
                one = Contender(stand, peer, script, log=log, hang_s=hang_s)
            except TimeoutError as error:
                failed[peer.name] = f"failed: {error}"
                continue
            found.append(one)
            wait_for(one.supervisors, f"the process of {peer.name}")
        yield found
    finally:
        for one in found:
            one.end()


def _below(root: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return root.children(recursive=True)
    return []


def _lives(one: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        if one.status() != psutil.STATUS_ZOMBIE:
            return True
    return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
