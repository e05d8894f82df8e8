"""The contenders: how each is configured and asked.

Every one is set up with the smallest delay that it allows, in the foreground where it can, with files and sockets
in the folder of the job only. What its configuration does not say is at its default.
"""

import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kits import Kits, unpacked
from stand import BARE_LOOP, PYTHON, UNLIMITED, WATCHDOG

LOG_SIZE, LOG_BACKUPS = 10_000_000, 5
NO_HEARTBEAT = "looks at the process only, knows no heartbeat"
NO_STATUS = "has no command for it"
NO_LOG = "keeps no log"
NO_TAIL = "has no command for it; coreutils tail reads its files"


@dataclass(frozen=True, slots=True)
class Job:
    """What a peer is to supervise.

    Args:
        program: an executable file.
        log: whether its output goes to ``logs/`` in the folder, rotated where the peer can.
        hang_s: seconds of silence after which it is to be restarted; None where no heartbeat is watched.
        port: for heartbeats that come by UDP.
    """

    folder: Path
    program: Path
    log: bool = False
    hang_s: int | None = None
    port: int = 0

    @property
    def logs(self) -> Path:
        """Where output is kept."""
        return self.folder / "logs"


class Peer:
    """One contender. ``cannot`` names disciplines that it cannot take part in, with the reason.

    Where it was installed is asked for in ``command`` and the like, so that a peer that cannot be had fails there.
    """

    name = ""
    source, package = "", ""
    cannot: ClassVar[Mapping[str, str]] = {}
    remarks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, kits: Kits) -> None:
        self.kits = kits

    def install(self) -> None:
        """Fetch it; raises MissingError."""

    def version(self) -> str:
        """For the report."""
        return self.kits.version(self.source, self.package) if self.source else ""

    def command(self, job: Job) -> list[str]:
        """Write the configuration; return the command that starts the supervisor."""
        raise NotImplementedError

    def status(self, job: Job) -> list[str]:
        """The command by which a person asks how the program is."""
        raise NotImplementedError

    def tail(self, job: Job) -> list[str]:
        """The command that shows the last ten lines of the log."""
        raise NotImplementedError

    def log_file(self, job: Job) -> Path:
        """The newest file of the log."""
        return job.logs / "tracker.log"

    def root(self, job: Job, process: "subprocess.Popen[bytes]") -> int:  # noqa: ARG002 others need the job
        """The process that supervises; it or its descendants, without the program, are what is measured."""
        return process.pid


class Watchdog(Peer):
    """Ours, as installed beside the interpreter that runs this."""

    name = "watchdog"

    def __init__(self, kits: Kits, name: str = "watchdog", *options: str) -> None:
        super().__init__(kits)
        self.name = name
        self.options = options or ("--no-heartbeat",)

    def version(self) -> str:
        return subprocess.run(
            [WATCHDOG, "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()

    def command(self, job: Job) -> list[str]:
        options = list(self.options)
        if job.hang_s is not None:
            options = ["--heartbeat-timeout", f"{job.hang_s}s", "--dump-timeout", "0"]
        return [WATCHDOG, "run", "--quiet", *UNLIMITED, *options, "--", str(job.program)]

    def status(self, job: Job) -> list[str]:  # noqa: ARG002
        return [WATCHDOG, "status"]

    def tail(self, job: Job) -> list[str]:  # noqa: ARG002
        return [WATCHDOG, "tail-log", "-n", "10"]


class ShellLoop(Peer):
    """The three words that people begin with."""

    name = "shell loop"
    cannot: ClassVar[Mapping[str, str]] = {
        "hang": NO_HEARTBEAT,
        "status": NO_STATUS,
        "tail": NO_LOG,
        "log": NO_LOG,
    }

    def command(self, job: Job) -> list[str]:
        return ["/bin/sh", "-c", 'while :; do "$@"; done', "sh", str(job.program)]


class BareLoop(Peer):
    """The barest supervisor in Python: a yardstick, not a supervisor to use."""

    name = "bare Python pidfd loop"
    cannot: ClassVar[Mapping[str, str]] = ShellLoop.cannot

    def command(self, job: Job) -> list[str]:
        return [PYTHON, BARE_LOOP, str(job.program)]


class Supervisor(Peer):
    """supervisord in the foreground; ``startsecs=0`` takes every start as a good one, so that it never gives up."""

    name = "supervisord"
    source, package = "pip", "supervisor"
    cannot: ClassVar[Mapping[str, str]] = {"hang": NO_HEARTBEAT}
    remarks: ClassVar[Mapping[str, str]] = {"tail": "the last 1,000 bytes: it counts bytes, not lines"}

    def install(self) -> None:
        self.kits.pip(self.package)

    def command(self, job: Job) -> list[str]:
        job.logs.mkdir()
        log = str(self.log_file(job)) if job.log else "NONE"
        config = job.folder / "supervisord.conf"
        config.write_text(f"""\
[unix_http_server]
file={job.folder}/socket
[supervisord]
nodaemon=true
logfile={job.folder}/supervisord.log
pidfile={job.folder}/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{job.folder}/socket
[program:tracker]
command={job.program}
autorestart=true
startsecs=0
startretries=1000000000
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes={LOG_SIZE}
stdout_logfile_backups={LOG_BACKUPS}
""")
        return [str(self.kits.pip(self.package) / "supervisord"), "-c", str(config)]

    def _ask(self, job: Job, *words: str) -> list[str]:
        return [
            str(self.kits.pip(self.package) / "supervisorctl"),
            "-c",
            f"{job.folder}/supervisord.conf",
            *words,
        ]

    def status(self, job: Job) -> list[str]:
        return self._ask(job, "status")

    def tail(self, job: Job) -> list[str]:
        return self._ask(job, "tail", "-1000", "tracker")


class Circus(Peer):
    """circusd in the foreground, looking ten times a second; its watchdog plugin takes heartbeats by UDP."""

    name = "circus"
    source, package = "pip", "circus"
    cannot: ClassVar[Mapping[str, str]] = {"tail": NO_TAIL}

    def install(self) -> None:
        self.kits.pip(self.package)

    def command(self, job: Job) -> list[str]:
        job.logs.mkdir()
        config = job.folder / "circus.ini"
        text = f"""\
[circus]
check_delay = 0.1
endpoint = ipc://{job.folder}/endpoint
pubsub_endpoint = ipc://{job.folder}/pubsub
logoutput = {job.folder}/circus.log
[watcher:tracker]
cmd = {job.program}
copy_env = True
max_retry = -1
warmup_delay = 0
graceful_timeout = 5
"""
        if job.log:
            text += f"""\
stdout_stream.class = FileStream
stdout_stream.filename = {self.log_file(job)}
stdout_stream.max_bytes = {LOG_SIZE}
stdout_stream.backup_count = {LOG_BACKUPS}
"""
        else:
            text += "close_child_stdout = True\n"
        if job.hang_s is not None:
            text += f"""\
[plugin:watchdog]
use = circus.plugins.watchdog.WatchDog
watchers_regex = ^tracker$
loop_rate = 0.1
max_count = {job.hang_s * 10}
ip = 127.0.0.1
port = {job.port}
"""
        config.write_text(text)
        return [str(self.kits.pip(self.package) / "circusd"), str(config)]

    def status(self, job: Job) -> list[str]:
        return [
            str(self.kits.pip(self.package) / "circusctl"),
            "--endpoint",
            f"ipc://{job.folder}/endpoint",
            "status",
        ]


class Pm2(Peer):
    """pm2: a client starts the daemon, which stays behind; its home is the folder of the job."""

    name = "pm2"
    source, package = "npm", "pm2"
    cannot: ClassVar[Mapping[str, str]] = {"hang": NO_HEARTBEAT}
    remarks: ClassVar[Mapping[str, str]] = {
        "log": "without rotation: that is a module of its own, pm2-logrotate"
    }

    def install(self) -> None:
        self.kits.npm(self.package)

    def _ask(self, job: Job, *words: str) -> list[str]:
        settings = [f"PM2_HOME={job.folder}/pm2", "PM2_NO_INTERACTION=true", "PM2_DISCRETE_MODE=true"]
        return ["/usr/bin/env", *settings, "node", str(self.kits.npm(self.package) / "bin/pm2"), *words]

    def command(self, job: Job) -> list[str]:
        job.logs.mkdir()
        log = str(self.log_file(job)) if job.log else "/dev/null"
        app = {
            "name": "tracker",
            "script": str(job.program),
            "interpreter": "none",
            "exec_mode": "fork",
            "autorestart": True,
            "restart_delay": 0,
            "min_uptime": 0,
            "max_restarts": 1_000_000_000,
            "merge_logs": True,
            "out_file": log,
            "error_file": log,
            "pmx": False,
            "vizion": False,
        }
        config = job.folder / "pm2.json"
        config.write_text(json.dumps({"apps": [app]}))
        return self._ask(job, "start", str(config))

    def status(self, job: Job) -> list[str]:
        return self._ask(job, "list")

    def tail(self, job: Job) -> list[str]:
        return self._ask(job, "logs", "tracker", "--nostream", "--lines", "10")

    def root(self, job: Job, process: "subprocess.Popen[bytes]") -> int:  # noqa: ARG002
        return int((job.folder / "pm2/pm2.pid").read_text())


class Forever(Peer):
    """forever in the foreground."""

    name = "forever"
    source, package = "npm", "forever"
    cannot: ClassVar[Mapping[str, str]] = {
        "hang": NO_HEARTBEAT,
        "tail": "forever logs starts coreutils tail for daemons only",
    }
    remarks: ClassVar[Mapping[str, str]] = {"log": "without rotation: it has none"}

    def install(self) -> None:
        self.kits.npm(self.package)

    def _ask(self, job: Job, *words: str) -> list[str]:
        home = [f"FOREVER_ROOT={job.folder}/forever", f"HOME={job.folder}"]
        return ["/usr/bin/env", *home, "node", str(self.kits.npm(self.package) / "bin/forever"), *words]

    def command(self, job: Job) -> list[str]:
        job.logs.mkdir()
        log = str(self.log_file(job)) if job.log else "/dev/null"
        quick = ["--minUptime", "1", "--spinSleepTime", "1"]  # 0 would be taken for "not set"
        return self._ask(
            job, *quick, "-s", "-a", "-o", log, "-e", "/dev/null", "-c", "/bin/sh", str(job.program)
        )

    def status(self, job: Job) -> list[str]:
        return self._ask(job, "list")


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

    def root(self, job: Job, process: "subprocess.Popen[bytes]") -> int:  # noqa: ARG002
        return int((job.folder / "monit.pid").read_text())


def piped(left: list[str], right: list[str]) -> list[str]:
    """One command for two programs with a pipe between them."""
    return ["/bin/sh", "-c", f"{shlex.join(left)} | {shlex.join(right)}"]


def everybody(kits: Kits) -> list[Peer]:
    """All contenders, ours first."""
    return [
        Watchdog(kits),
        BareLoop(kits),
        ShellLoop(kits),
        Supervisor(kits),
        Circus(kits),
        Pm2(kits),
        Forever(kits),
        S6(kits),
        Runit(kits),
        Daemontools(kits),
        Monit(kits),
    ]


def systemd_reason() -> str:
    """Why systemd is left out: it is PID 1 or it is nothing."""
    first = Path("/proc/1/comm").read_text().strip()
    if first == "systemd":
        return "not compared: its units would have to be written into the system"
    return "not compared: it supervises as PID 1 or below it, and is not PID 1 here"
