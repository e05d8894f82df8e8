"""The contenders from pip and npm: how each is configured and asked.

Every one is set up with the smallest delay that it allows, in the foreground where it can, with files and sockets
in the folder of the job only. What its configuration does not say is at its default.
"""

import json
import subprocess
from collections.abc import Mapping
from typing import ClassVar

from peer import LOG_BACKUPS, LOG_SIZE, NO_HEARTBEAT, NO_TAIL, Job, Peer


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

    def root(self, job: Job, process: "subprocess.Popen[bytes]") -> int:
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
