"""Hosts under one lease, each a folder with a watchdog of its own, over programs that stamp their lives."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lease_life
from harness import Watchdog
from lease_etcd import EtcdServer
from waiting import wait_until

Hosts = Callable[[str], Watchdog]
TTL_S = 4
LATE_S = 60.0


class Pair:
    """Two hosts under one lease, and the folder in which their programs stamp their lives."""

    def __init__(self, hosts: Hosts, etcd: EtcdServer, folder: Path) -> None:
        self.etcd = etcd
        self.hosts = hosts
        self.lives = folder / "lives"
        self.lives.mkdir()
        self.processes: dict[str, Any] = {}
        self.signs: tuple[str, ...] = ("--no-heartbeat",)

    def start(self, name: str, *more: str, url: str = "") -> Watchdog:
        """Start a watchdog and wait until it answers.

        Args:
            url: its own way to etcd.
        """
        dog = self.hosts(name)
        life = Path(lease_life.__file__)
        self.processes[name] = dog.run(
            *("--lease", f"{url or self.etcd.url}/t/main", "--lease-ttl", f"{TTL_S}s", *self.signs),
            *("--restart-delay", "100ms", "--stop-timeout", "2s", *more),
            *("--", sys.executable, "-SE", str(life), str(self.lives), name),
        )
        pid = self.processes[name].pid
        wait_until(lambda: (dog.status().get("watchdog") or {}).get("pid") == pid, "its answer", LATE_S)
        return dog

    def start_both(self) -> tuple[Watchdog, Watchdog]:
        """Host a, which runs the program, and host b, which stands by."""
        a = self.start("a")
        self.await_lives(1)
        b = self.start("b")
        b.await_health("standing by", LATE_S)
        return a, b

    def found(self) -> list[lease_life.Life]:
        """All lives so far, checked."""
        found = lease_life.lives(self.lives)
        assert lease_life.broken(found) == []
        return found

    def await_lives(self, count: int) -> lease_life.Life:
        """The newest, when there are so many."""
        return wait_until(
            lambda: found[-1] if len(found := self.found()) >= count else None, f"life {count}", LATE_S
        )

    def await_saves(self, least: int) -> None:
        """Until the newest life has saved that often."""
        wait_until(lambda: self.found()[-1].saved >= least, f"{least} saves", LATE_S)


def kinds(dog: Watchdog) -> list[str]:
    """The facts in the journal of a host."""
    lines = (dog.folder / ".watchdog/tracker/journal.jsonl").read_text().splitlines()
    return [json.loads(line)["fact"] for line in lines]


def kill_watchdog(pair: Pair, name: str) -> None:
    """As the kernel does it when memory is short."""
    pair.processes[name].kill()
    pair.processes[name].wait()


def kill_host(pair: Pair, name: str) -> int:
    """End everything of a host at once, as when its power fails; return when, by the clock of the lives."""
    dog = pair.hosts(name)
    folder = dog.folder / ".watchdog/tracker"
    guard = json.loads((folder / "lease.json").read_text())["guard_pid"]
    program = json.loads((folder / "state.json").read_text())["child"]["process"]["pid"]
    for pid in (pair.processes[name].pid, guard, program):  # the guard before it can follow
        os.kill(pid, signal.SIGKILL)
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    pair.processes[name].wait()
    return now
