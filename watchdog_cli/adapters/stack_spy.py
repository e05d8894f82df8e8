"""The stacks of a frozen Python program that did not opt in to print them: py-spy reads them from outside.

It is an extra. It is run as a process of its own, with a limit, and is killed at it; the frozen program is none the
worse for that, for the kernel lets go of it. Where it cannot work, one sentence says why and what to do.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchdog_cli.adapters.forensics import NO_ROOM, Dump
from watchdog_cli.adapters.machine_facts import YAMA, read_number
from watchdog_cli.adapters.system import processes
from watchdog_cli.core.events import DumpDone, Event
from watchdog_cli.core.record import one_line
from watchdog_kit.os_errors import in_words

if TYPE_CHECKING:
    from watchdog_cli.adapters.identity import Identity

PROGRAM = "py-spy"
MOST_PROCESSES = 4  # of one tree
OUTPUT_LIMIT = 200_000  # characters
_ITS_ENVIRONMENT = frozenset({"PATH", "LANG", "HOME", "SYSTEMROOT", "TEMP"})
MAPS_LIMIT = 1 << 20
MARGIN_S = 0.1  # of the limit, for killing and collecting it
OPT_IN = (
    "add faulthandler.register(signal.SIGUSR1, all_threads=True) to it "
    'and "dumpSignal": "SIGUSR1" to its heartbeat'
)


class StackSpy:
    """Looks into the Python processes of one tree."""

    def __init__(
        self,
        *,
        who: "Callable[[], Identity | None]",
        put: Callable[[Event], None],
        keep: Callable[[Dump], None],
        look: Callable[[], None],
        helpers: set[int],
    ) -> None:
        """Nothing is looked at yet.

        Args:
            who: the present run.
            put: into the inbox, from any thread.
            keep: gets what was found, from any thread.
            look: called while the program still lives, in our thread, to see what else is to be seen of it.
            helpers: gets the pid of py-spy while it runs: it is a child of ours, but not of the tree.
        """
        self._who = who
        self._put = put
        self._keep = keep
        self._look_around = look
        self._helpers = helpers

    def begin(self, limit_s: float) -> None:
        """Begin; DumpDone comes when it is done, at the latest when the limit is over."""
        identity = self._who()
        if identity is None:
            self._put(DumpDone())
            return
        thread = threading.Thread(target=self._run, args=(identity, limit_s), name="stack-spy", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._keep(Dump("none", note=NO_ROOM))
            self._put(DumpDone(identity.run_id))

    def _run(self, identity: "Identity", limit_s: float) -> None:
        end = time.monotonic() + limit_s - min(MARGIN_S, limit_s / 4)
        try:
            self._look_around()
            self._keep(self._look(identity.pid, end))
        finally:
            self._put(DumpDone(identity.run_id))

    def _look(self, leader: int, end: float) -> Dump:
        everyone = processes.everybody()
        tree = [leader, *sorted(processes.descendants({leader}, everyone))]
        pythons = [pid for pid in tree if is_python(pid)][:MOST_PROCESSES]
        if not pythons:
            return Dump(
                "none", note="no stacks: it is no Python program, and its heartbeat names no dumpSignal"
            )
        program = find_spy()
        if program is None:
            return Dump(
                "none",
                note=f"no stacks: {PROGRAM} is not installed (pip install 'tracker-watchdog[forensics]'); or {OPT_IN}",
            )
        texts: list[str] = []
        reason = ""
        for pid in pythons:
            text, failed = self._ask(program, pid, end)
            if text:
                texts.append(text)
            reason = reason or failed
        if texts:
            return Dump(PROGRAM, "\n".join(texts)[:OUTPUT_LIMIT], note=reason)
        return Dump("none", note=f"no stacks: {reason}")

    def _ask(self, program: str, pid: int, end: float) -> tuple[str, str]:
        """Return what py-spy prints of one process, and why there is nothing or not all of it."""
        left = end - time.monotonic()
        if left <= 0:
            return "", f"{PROGRAM} took too long; a longer --dump-timeout gives it more time"
        environment = {key: value for key, value in os.environ.items() if key.upper() in _ITS_ENVIRONMENT}
        # It would wait in vain for a stopped process (Ctrl-Z, SIGSTOP) to stop; nothing moves there anyway.
        still = ["--nonblocking"] if _is_stopped(pid) else []
        try:
            process = subprocess.Popen(
                [program, "dump", *still, "--pid", str(pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment | {"RUST_BACKTRACE": "0"},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            return "", f"{PROGRAM} cannot be started ({in_words(error)})"
        self._helpers.add(process.pid)
        try:
            output, errors = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            return _decoded(output), f"{PROGRAM} took too long; a longer --dump-timeout gives it more time"
        finally:
            self._helpers.discard(process.pid)
        text = _decoded(output)
        # Its exit code may have been collected by the main thread, which reaps everybody: what it printed decides.
        if "Thread " not in text:
            return "", _explain(_decoded(errors))
        return text, "the process had been stopped by a signal" if still else ""


def find_spy() -> str | None:
    """Where py-spy is: on the path, or beside the Python that runs us."""
    beside = os.path.join(os.path.dirname(sys.executable), PROGRAM)
    return shutil.which(PROGRAM) or shutil.which(beside)


def is_python(pid: int) -> bool:
    """Whether the process runs Python, by its file or by a library that it has loaded."""
    if sys.platform == "win32":
        found = processes.stat(pid)
        return found is not None and found.name.lower().startswith(("python", "pypy"))
    with contextlib.suppress(OSError):
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        if name.startswith(("python", "pypy")):
            return True
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            return b"libpython" in file.read(MAPS_LIMIT)
    except OSError:
        return False


def _is_stopped(pid: int) -> bool:
    found = processes.stat(pid)
    return found is not None and found.state in "Tt"


def _explain(errors: str) -> str:
    """Why py-spy has nothing to say, and what a person can do."""
    said = " ".join(one_line(errors).split())[:300]
    low = said.lower()
    if "permission denied" not in low and "not permitted" not in low:
        return f"{PROGRAM} failed: {said or 'it said nothing'}"
    scope = read_number(YAMA)
    if scope:
        return (
            f"this system lets no process look into another one (Yama, ptrace_scope {scope}): "
            f"run the watchdog with CAP_SYS_PTRACE, or {OPT_IN}"
        )
    return (
        f"{PROGRAM} may not look into the program (in a container it needs --cap-add SYS_PTRACE; another user's "
        f"program needs root); or {OPT_IN}"
    )


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()
