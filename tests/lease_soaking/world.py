"""What is tormented: three members of etcd and three hosts with a watchdog each, every one in its namespace."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from clock_shim.wall_clock import WallClock
from lease_life import lives
from lease_soaking.net import Net, run
from waiting import wait_until

BIN = Path(sys.executable).parent
LIFE = Path(__file__).resolve().parents[1] / "lease_life.py"
TTL_S = 3.0
BACK_S = 60.0  # until a program must live again after everything was mended; the machine may be busy


class World:
    """Three members of etcd and three hosts."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.net = Net(f"ls{os.getpid()}")
        self.lives = folder / "lives"
        self.lives.mkdir()
        self.etcd: dict[str, subprocess.Popen[bytes]] = {}
        self.dogs: dict[str, subprocess.Popen[bytes]] = {}
        self.clocks: dict[str, WallClock] = {}
        self.spaces: dict[str, str] = {}
        self.slowest_s = 0.0
        self.members = {f"e{number}": f"10.9.8.{10 + number}" for number in range(3)}
        for name, address in self.members.items():
            self.spaces[name] = self.net.host(name, address)
            self.start_member(name)
        for number in range(3):
            name = f"h{number}"
            (folder / name).mkdir()
            (folder / name / "clock").mkdir()
            self.clocks[name] = WallClock(folder / name / "clock")
            self.spaces[name] = self.net.host(name, f"10.9.8.{20 + number}")
        self.await_etcd()

    def start_member(self, name: str) -> None:
        """Start a member of etcd, with the data that it has."""
        at = self.members[name]
        cluster = ",".join(f"{one}=http://{address}:2380" for one, address in self.members.items())
        with (self.folder / f"{name}.log").open("ab") as log:
            self.etcd[name] = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self.spaces[name], "etcd", "--name", name),
                    *("--data-dir", str(self.folder / f"{name}.data"), "--initial-cluster", cluster),
                    *(
                        "--listen-client-urls",
                        f"http://{at}:2379",
                        "--advertise-client-urls",
                        f"http://{at}:2379",
                    ),
                    *("--listen-peer-urls", f"http://{at}:2380"),
                    *("--initial-advertise-peer-urls", f"http://{at}:2380"),
                    *("--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000"),
                    "--log-level=error",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Ask the cluster, from the hub of the network."""
        points = ",".join(f"{address}:2379" for address in self.members.values())
        return subprocess.run(
            ["ip", "netns", "exec", self.spaces["h0"], "etcdctl", f"--endpoints={points}", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "ETCDCTL_API": "3"},
        )

    def await_etcd(self) -> None:
        """Until all members are well."""
        self.wait(lambda: self.ctl("endpoint", "health").returncode == 0, "a healthy etcd")

    def leader(self) -> str:
        """The member that leads now; any when nobody says."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            for one in json.loads(self.ctl("endpoint", "status", "-w", "json").stdout):
                if one["Status"]["leader"] == one["Status"]["header"]["member_id"]:
                    return next(n for n, a in self.members.items() if a in one["Endpoint"])
        return "e0"

    def start_dog(self, name: str) -> None:
        """Start a watchdog on a host."""
        points = ",".join(f"{address}:2379" for address in self.members.values())
        with (self.folder / f"{name}.out").open("ab") as out:
            self.dogs[name] = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self.spaces[name], str(BIN / "watchdog"), "run"),
                    *("--lease", f"etcd://{points}/soak", "--lease-ttl", f"{TTL_S}s", "--no-heartbeat"),
                    *(
                        "--restart-delay",
                        "100ms",
                        "--max-restarts",
                        "unlimited",
                        "--stop-timeout",
                        "2s",
                        "--",
                    ),
                    *(sys.executable, "-SE", str(LIFE), str(self.lives), name),
                ],
                cwd=self.folder / name,
                env={**os.environ, **self.clocks[name].environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.wait(
            lambda: self.status(name).get("watchdog", {}).get("pid") == self.dogs[name].pid, "a watchdog"
        )

    def status(self, name: str) -> dict[str, dict[str, int]]:
        """What ``status`` says on a host; nothing when it says nothing of a watchdog."""
        with contextlib.suppress(ValueError):
            found = run(str(BIN / "watchdog"), "status", "--json", "-C", str(self.folder / name), check=False)
            return {key: value for key, value in json.loads(found.stdout).items() if isinstance(value, dict)}
        return {}

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Until it is true."""
        wait_until(condition, what, BACK_S)

    def last_end(self, name: str) -> str:
        """Why the program ended the last time on a host."""
        journal = (self.folder / name / ".watchdog/tracker/journal.jsonl").read_text().splitlines()
        ends = [fact["cause"] for fact in map(json.loads, journal) if fact["fact"] == "ended"]
        return ends[-1] if ends else ""

    def holder(self) -> str:
        """The host on which the program lives now; "" for none."""
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        found = lives(self.lives)
        return found[-1].label if found and now - found[-1].last < 0.3e9 else ""

    def await_life(self) -> str:
        """Until the program lives somewhere."""
        began = time.monotonic()
        self.wait(self.holder, "a living program")
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        return self.holder()

    def close(self) -> None:
        """End all that was started."""
        for process in self.etcd.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
        for name, process in self.dogs.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            run(str(BIN / "watchdog"), "stop", "--now", "-C", str(self.folder / name), check=False)
        for process in (*self.dogs.values(), *self.etcd.values()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if process in self.dogs.values():
                    process.wait(20)
            process.kill()
            process.wait()
        self.net.close()
