"""Start, signal and end one process tree on Windows.

The child is made asleep, put into a job object and only then woken, so nobody of its tree is ever outside the job.
The job ends the tree with us, whatever ends us: there is no adoption here.

A soft stop goes both ways at once. Where we have a console the child shares it, in a process group of its own, and
Ctrl-Break reaches that group and nobody else; Ctrl-C cannot be aimed and is never sent. Where there is none (a task
at boot, a window-less start) the child gets a console without a window, and the stop request remains: a file whose name
stands in its environment, ``WATCHDOG_STOP_FILE``, and which appears when it shall end.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from ctypes import byref, wintypes

from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.launch import RUN_ID, STATE, Launch
from watchdog_cli.adapters.tree import Tree
from watchdog_cli.adapters.windows import api, processes
from watchdog_cli.adapters.windows.inbox import Inbox
from watchdog_cli.adapters.windows.job import Job
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.events import ChildExited, TreeEmpty
from watchdog_cli.core.record import ExitStatus, Run
from watchdog_kit.os_errors import in_words

assert sys.platform == "win32"

STOP_FILE = "WATCHDOG_STOP_FILE"
_REQUEST = "stop-request-"
_MOST_WAITED = 63  # handles in one wait of the system
_CONSOLE_HOST = "conhost.exe"
_ASLEEP = 0x4  # CREATE_SUSPENDED
_LOOK_AGAIN_MS = 50  # for members that may not be opened to be waited for


class ChildTree(Tree[Inbox]):
    """The one process tree that we look after."""

    processes = processes

    def __init__(self, inbox: Inbox, launch: Launch, *, is_init: bool) -> None:
        """Nothing is started yet."""
        del is_init
        super().__init__(inbox, launch)
        self._state_folder = launch.extra.get(STATE, "")
        self._broken_run = ""  # the run that has been sent Ctrl-Break
        self._stop_file = ""  # of the present run: one that cannot be removed must not end the next one
        self._job: Job | None = None
        self._leader: int | None = None  # its handle

    # --- beginning ---------------------------------------------------------------------------------------

    def spawn(self, number: int, run_id: str) -> Run:
        """Start run ``number``.

        Raises:
            SpawnError: with a text for people, and whether trying again can help.
        """
        launch = self._launch
        self._take_requests_back()
        self._stop_file = os.path.join(self._state_folder, _REQUEST + run_id) if self._state_folder else ""
        environment = {**self._environment, RUN_ID: run_id, STOP_FILE: self._stop_file}
        flags = _ASLEEP | subprocess.CREATE_NEW_PROCESS_GROUP
        if not api.has_console():
            flags |= subprocess.CREATE_NO_WINDOW
        try:
            job = Job()
        except OSError as error:
            raise SpawnError(f"no job object to be had: {in_words(error)}", transient=True) from error
        try:
            process = self._start(
                _resolved(launch.argv, launch.folder, environment), environment, flags=flags
            )
        except SpawnError:
            job.close()
            raise
        leader, waited = self._begin_in_job(process, job)
        process.returncode = 0  # we learn of its end ourselves; the Popen object must not
        found = processes.stat(process.pid)
        ticks = found.start_ticks if found else 0
        self._identity = Identity(process.pid, ticks, run_id, number)
        self._job, self._leader, self._leader_gone = job, leader, False
        threading.Thread(
            target=self._wait_for_leader, args=(waited, run_id), name="exit-notice", daemon=True
        ).start()
        return Run(run_id, number, process.pid)

    @staticmethod
    def _begin_in_job(process: "subprocess.Popen[bytes]", job: Job) -> tuple[int, int]:
        """Put the sleeping process into its job and wake it; return two handles of it.

        The second one is for the thread that waits for its end: the first may be closed before that thread begins.
        """
        rights = api.QUERY | api.SYNCHRONIZE | api.TERMINATE_AND_ASSIGN | api.RESUME
        leader = api.open_process(process.pid, rights)
        waited = api.open_process(process.pid, api.SYNCHRONIZE)
        try:
            if leader is None or waited is None:
                raise api.failure("new process")
            job.take(leader)
            api.wake(leader)
        except OSError as error:
            process.kill()
            api.close(leader)
            api.close(waited)
            job.close()
            raise SpawnError(
                f"cannot put the program into a job object: {in_words(error)}", transient=True
            ) from error
        return leader, waited

    def adopt(self, identity: Identity) -> Run:
        """Report a run that an earlier watchdog began as ended: it cannot have outlived its job."""
        self._identity = None
        self._inbox.put(ChildExited(identity.run_id, ExitStatus()))
        return Run(identity.run_id, identity.number, identity.pid)

    # --- ending ------------------------------------------------------------------------------------------

    def _wait_for_leader(self, leader: int, run_id: str) -> None:
        """A thread for each run: the one wait that costs nothing and wakes at once."""
        api.kernel32.WaitForSingleObject(leader, api.INFINITE)
        api.close(leader)
        self._inbox.call(lambda: self._on_notice(run_id))

    def _on_notice(self, run_id: str) -> None:
        if self._identity is not None and self._identity.run_id == run_id:
            self.look()

    def look(self) -> None:
        """Notice an end that nobody has told us of yet."""
        if self._identity is None:
            return
        if self._leader_gone:
            self._check_empty()
        elif self._leader is not None and api.has_ended(self._leader):
            self._on_leader_end(self._leader)

    def on_child_signal(self) -> None:
        """Windows has no such signal."""

    def _on_leader_end(self, leader: int) -> None:
        code = wintypes.LONG()  # with its sign, as %ERRORLEVEL% has it, and as we can hand it on
        known = api.kernel32.GetExitCodeProcess(leader, byref(code))
        status = ExitStatus(code=code.value) if known else ExitStatus()
        identity, job = self._identity, self._job
        if identity is None or job is None:
            return
        self._leader_gone = True
        left = len(_living(job))
        if left:
            threading.Thread(
                target=self._wait_for_rest, args=(job, identity.run_id), name="exit-notice", daemon=True
            ).start()
        else:
            self._forget()
        self._inbox.put(ChildExited(identity.run_id, status, left))

    def _wait_for_rest(self, job: Job, run_id: str) -> None:
        while living := _living(job):
            handles = [
                handle
                for one in living[:_MOST_WAITED]
                if (handle := api.open_process(one.pid, api.SYNCHRONIZE)) is not None
            ]
            if handles:
                array = (wintypes.HANDLE * len(handles))(*handles)
                api.kernel32.WaitForMultipleObjects(len(handles), array, False, api.INFINITE)
                for handle in handles:
                    api.close(handle)
            else:
                threading.Event().wait(_LOOK_AGAIN_MS / 1000)
        self._inbox.call(lambda: self._on_notice(run_id))

    def _check_empty(self) -> None:
        identity, job = self._identity, self._job
        if identity is None or (job is not None and _living(job)):
            return
        self._forget()
        self._inbox.put(TreeEmpty(identity.run_id))

    def _forget(self) -> None:
        self._identity = None
        api.close(self._leader)
        self._leader = None
        if self._job is not None:
            self._job.close()
            self._job = None
        self._take_requests_back()

    # --- signals -----------------------------------------------------------------------------------------

    def terminate(self) -> None:
        """Ask the program to end, in both ways that there are."""
        identity = self._identity
        if identity is None or self._leader_gone:
            return
        self._make_request(identity.run_id)
        self._break()

    def _break(self) -> None:
        """Ctrl-Break for the whole group, once; a window program is in no console, nor is one that just begins."""
        identity = self._identity
        if identity is None or self._broken_run == identity.run_id or not api.is_in_our_console(identity.pid):
            return
        self._broken_run = identity.run_id
        # Not by ``os.kill``: where the event cannot be sent, that ends the process at once instead.
        api.kernel32.GenerateConsoleCtrlEvent(signal.CTRL_BREAK_EVENT, identity.pid)

    def terminate_rest(self) -> None:
        """Ctrl-Break, if it was too early for it; else it reached the whole group, and the request stands for all."""
        if not self._leader_gone:
            self._break()

    def kill(self) -> None:
        """Kill the whole tree."""
        if self._job is not None:
            self._job.end_all()

    def send_to_leader(self, number: int) -> bool:
        """Signals that a program catches do not exist here."""
        del number
        return False

    def pass_on(self, number: int) -> None:
        """As ``send_to_leader``."""

    def _make_request(self, run_id: str) -> None:
        if self._stop_file:
            with contextlib.suppress(OSError), open(self._stop_file, "w", encoding="ascii") as file:
                file.write(f"{run_id}\n")

    def _take_requests_back(self) -> None:
        """Also those that a watchdog left which was killed."""
        try:
            found = os.listdir(self._state_folder) if self._state_folder else []
        except OSError:
            return
        for name in found:
            if name.startswith(_REQUEST):
                with contextlib.suppress(OSError):  # somebody reads it; its run is over, so it means nothing
                    os.unlink(os.path.join(self._state_folder, name))

    # --- who is there ------------------------------------------------------------------------------------

    def members(self) -> list[processes.Stat]:
        """Everybody of the tree who lives, the leader first."""
        identity, job = self._identity, self._job
        if identity is None or job is None:
            return []
        return self._leader_first(_living(job), identity.pid)

    def resident_bytes(self) -> int:
        """Resident memory of the whole tree."""
        return sum(processes.resident_bytes(pid) for pid in (self._job.pids() if self._job else ()))

    def is_member(self, pid: int) -> bool:
        """Whether ``pid`` is of the tree; the launcher of a virtual environment is not the one who beats."""
        return self._job is not None and pid in self._job.pids()


def _living(job: Job) -> list[processes.Stat]:
    """Who of the job lives: the accounts of the system still name one that has just ended.

    The window host of a console belongs to the system and ends with those whom it serves.
    """
    found = (processes.stat(pid) for pid in job.pids())
    return [one for one in found if one is not None and one.name.lower() != _CONSOLE_HOST]


def _resolved(argv: Sequence[str], folder: str, environment: dict[str, str]) -> list[str]:
    """The command with its program as a shell would find it: ``npm`` is a file ``npm.cmd``."""
    import shutil

    program = argv[0]
    if os.path.dirname(program):
        place = os.path.join(folder, program)
        found = shutil.which(place)
    else:
        found = shutil.which(program, path=environment.get("PATH"))
    return [found or program, *argv[1:]]
