"""The whole watchdog on a world that has what macOS has, and nothing else: no /proc, no pidfd, no epoll, no splice."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import QUICK, Rig
from waiting import wait_until
from watchdog_cli.adapters import procfs

WORLD = str(Path(__file__).parents[1] / "mac_world.py")
# Beats twice a second under its own pid; "quit" in its folder ends it with code 3.
PROGRAM = """
import os, time
print("here", os.getpid(), flush=True)
while not os.path.exists("quit"):
    with open("new", "w") as file: file.write("{}")
    os.replace("new", os.environ["WATCHDOG_HEARTBEAT"])
    time.sleep(0.3)
os.unlink("quit")
raise SystemExit(3)
"""


class Mac:
    """A folder deeper than the address of a socket may be long, and the commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ("so deep that no socket address holds it " * 2) / "عربي and more of it"
        self.folder.mkdir(parents=True)
        self.rig = Rig(self.folder)

    def run(self) -> "subprocess.Popen[bytes]":
        """Start ``watchdog run``; it is ended by its pid at the end."""
        with (self.folder / "out").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, WORLD, "run", *QUICK, "--", sys.executable, "-SEc", PROGRAM],
                cwd=self.folder,
                env=self.rig.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.rig.started.append(process)
        return process

    def cli(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """One command, to its end."""
        return subprocess.run(
            [sys.executable, WORLD, *words],
            cwd=self.folder,
            env=self.rig.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def said(self) -> str:
        """What all watchdogs have printed so far."""
        return (self.folder / "out").read_text("utf-8")

    def await_health(self, *, but: int = 0) -> int:
        """The pid of the program, once it is healthy and not ``but``."""

        def healthy() -> int:
            report = json.loads(self.cli("status", "--json").stdout or "{}")
            pid = (report.get("child") or {}).get("pid", 0)
            return pid if report.get("exit_code") == 0 and pid != but else 0

        return wait_until(healthy, "a healthy program", 60)


@pytest.fixture
def mac(tmp_path: Path) -> Iterator[Mac]:
    found = Mac(tmp_path)
    yield found
    for process in found.rig.started:
        process.kill()
        process.wait()
    for one in procfs.everybody().values():
        if procfs.environment_has(one.pid, f"RIG_MARK={found.rig.mark}".encode()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, 9)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_whole_life_on_a_mac(mac: Mac) -> None:
    """A program ends and comes back, outlives its watchdog, is adopted, restarted and stopped."""
    first = mac.run()
    pid = mac.await_health()
    assert mac.cli("check").returncode == 0
    assert mac.cli("run", "--", "true").returncode == 11

    (mac.folder / "quit").touch()
    second = mac.await_health(but=pid)
    assert "ended: exit code 3" in mac.said()

    first.kill()
    first.wait()
    assert "unsupervised" in mac.cli("status").stdout
    mac.run()
    assert mac.await_health() == second
    assert "took over the running program" in mac.said()

    (mac.folder / ".watchdog" / "tracker" / "control").unlink()
    # It is made again when it is asked for by signal; a busy machine may need more than the second that one try takes.
    wait_until(lambda: mac.cli("restart").returncode == 0, "a restart without its socket", 60)
    third = mac.await_health(but=second)

    done = mac.cli("stop")
    assert done.returncode == 0, done.stderr
    assert mac.cli("status").returncode == 3
    wait_until(lambda: procfs.stat(third) is None, "its end")
    log = (mac.folder / "logs" / "tracker.log").read_text("utf-8")
    assert [f"here {one}" in log for one in (pid, second, third)] == [True] * 3
    assert not list(mac.folder.glob(".watchdog/tracker/control"))


def test_sd_notify_is_refused_on_a_mac(mac: Mac) -> None:
    """A socket of macOS cannot say who speaks, so the protocol is refused in words, not half obeyed."""
    done = mac.cli("run", "--sd-notify", "--", "true")
    assert done.returncode == 10
    assert "Linux" in done.stderr
