"""The contenders from apt: how each is configured and asked.

Every one is set up with the smallest delay that it allows, in the foreground where it can, with files and sockets
in the folder of the job only. What its configuration does not say is at its default.
"""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from kits import unpacked
from peer import LOG_BACKUPS, LOG_SIZE, NO_HEARTBEAT, NO_LOG, NO_TAIL, PYTHON, Job, Peer


class FromApt(Peer):
    """A peer whose programs lie unpacked in a folder."""

    source = "apt"

    def install(self) -> None:
        self.kits.apt()

    def tool(self, name: str) -> list[str]:
        """The command that starts one of its programs."""
        root = self.kits.apt()
        return ["/usr/bin/env", unpacked(root), str(root / "usr/bin" / name)]

    @staticmethod
    def service(job: Job) -> Path:
        """A folder whose ``run`` is the program."""
        folder = job.folder / "tracker"
        folder.mkdir()
        (folder / "run").symlink_to(job.program)
        return folder


class S6(FromApt):
    """s6-supervise; with a log, its output goes to s6-log through a pipe."""

    name = package = "s6"
    cannot: ClassVar[Mapping[str, str]] = {"hang": NO_HEARTBEAT, "tail": NO_TAIL}

    def command(self, job: Job) -> list[str]:
        supervise = [*self.tool("s6-supervise"), str(self.service(job))]
        if not job.log:
            return supervise
        logger = [*self.tool("s6-log"), f"n{LOG_BACKUPS}", f"s{LOG_SIZE}", str(job.logs)]
        return piped(supervise, logger)

    def log_file(self, job: Job) -> Path:
        return job.logs / "current"

    def status(self, job: Job) -> list[str]:
        return [*self.tool("s6-svstat"), f"{job.folder}/tracker"]


class Runit(FromApt):
    """runsv, which supervises svlogd too where there is a log."""

    name = package = "runit"
    cannot: ClassVar[Mapping[str, str]] = S6.cannot

    def command(self, job: Job) -> list[str]:
        service = self.service(job)
        if job.log:
            job.logs.mkdir()
            (job.logs / "config").write_text(f"s{LOG_SIZE}\nn{LOG_BACKUPS}\n")
            (service / "log").mkdir()
            run = service / "log/run"
            run.write_text(f"#!/bin/sh\nexec {' '.join(self.tool('svlogd'))} {job.logs}\n")
            run.chmod(0o755)
        return [*self.tool("runsv"), str(service)]

    def log_file(self, job: Job) -> Path:
        return job.logs / "current"

    def status(self, job: Job) -> list[str]:
        return [*self.tool("sv"), "status", f"{job.folder}/tracker"]


class Daemontools(FromApt):
    """supervise; with a log, its output goes to multilog through a pipe."""

    name = package = "daemontools"
    cannot: ClassVar[Mapping[str, str]] = S6.cannot

    def command(self, job: Job) -> list[str]:
        supervise = [*self.tool("supervise"), str(self.service(job))]
        if not job.log:
            return supervise
        return piped(supervise, [*self.tool("multilog"), f"n{LOG_BACKUPS}", f"s{LOG_SIZE}", str(job.logs)])

    def log_file(self, job: Job) -> Path:
        return job.logs / "current"

    def status(self, job: Job) -> list[str]:
        return [*self.tool("svstat"), f"{job.folder}/tracker"]


# Programs that monit starts are orphans; somebody has to take them in and reap them, as PID 1 does on a real system.
INIT = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
first = subprocess.Popen(sys.argv[1:])
while os.wait()[0] != first.pid:
    pass
"""


class Monit(FromApt):
    """monit in the foreground, looking once a second, its smallest step; it watches pid and time stamp files."""

    name = package = "monit"
    cannot: ClassVar[Mapping[str, str]] = {"tail": NO_LOG, "log": NO_LOG}

    def command(self, job: Job) -> list[str]:
        (job.folder / "begin").write_text(
            f"cd {job.folder}\n{job.program} </dev/null >/dev/null 2>&1 &\necho $! >child.pid\n"
        )
        (job.folder / "kill").write_text(f"kill $(cat {job.folder}/child.pid)\n")
        text = f"""\
set daemon 1
set pidfile {job.folder}/monit.pid
set idfile {job.folder}/monit.id
set statefile {job.folder}/monit.state
set log {job.folder}/monit.log
set httpd unixsocket {job.folder}/socket allow bench:bench
check process tracker with pidfile {job.folder}/child.pid
  start program = "/bin/sh {job.folder}/begin" with timeout 1 second
  stop program = "/bin/sh {job.folder}/kill"
"""
        if job.hang_s is not None:
            text += f"""\
check file heartbeat with path {job.folder}/heartbeat.json
  if timestamp > {job.hang_s} seconds then exec "/bin/sh {job.folder}/kill"
"""
        config = job.folder / "monitrc"
        config.write_text(text)
        config.chmod(0o600)
        return [PYTHON, "-c", INIT, *self.tool("monit"), "-I", "-c", str(config)]

    def status(self, job: Job) -> list[str]:
        return [*self.tool("monit"), "-c", f"{job.folder}/monitrc", "status"]

    def root(self, job: Job, process: "subprocess.Popen[bytes]") -> int:
        return int((job.folder / "monit.pid").read_text())


def piped(left: list[str], right: list[str]) -> list[str]:
    """One command for two programs with a pipe between them."""
    return ["/bin/sh", "-c", f"{shlex.join(left)} | {shlex.join(right)}"]
