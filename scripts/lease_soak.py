"""Torment watchdogs on three hosts that share one lease, and check that no two lives of their program ever overlap.

Nor may the program tell anything twice to the chat that all of them share.

    python scripts/lease_soak.py --faults 200 --seed 7

Needs root, etcd and ip: each host and each of the three members of etcd lives in a network namespace of its own, so a
partition is a link that is down. The faults follow from the seed, which is printed. Ends with 0 when nothing was
broken, else with 1 and a line for each broken promise.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
from clock_shim.wall_clock import HOUR_S, WallClock  # noqa: E402 - found beside this file
from lease_life import broken, lives, told, told_twice  # noqa: E402 - as above

BIN = Path(sys.executable).parent
TTL_S = 3.0
BACK_S = 60.0  # until a program must live again after everything was mended; the machine may be busy


def run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """One short command."""
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=60)


class Net:
    """A switch and a namespace for each host."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.names: list[str] = []
        self.hub = self._namespace("hub")
        run("ip", "-n", self.hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.hub, "link", "set", "br0", "up")

    def _namespace(self, name: str) -> str:
        full = f"{self.mark}{name}"
        run("ip", "netns", "add", full)
        self.names.append(full)
        run("ip", "-n", full, "link", "set", "lo", "up")
        return full

    def host(self, name: str, address: str) -> str:
        """A namespace with one link to the switch."""
        full = self._namespace(name)
        run(
            *("ip", "link", "add", "eth0", "netns", full, "type", "veth"),
            *("peer", "name", f"v{name}", "netns", self.hub),
        )
        run("ip", "-n", self.hub, "link", "set", f"v{name}", "master", "br0", "up")
        run("ip", "-n", full, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", full, "link", "set", "eth0", "up")
        return full

    def link(self, name: str, *, up: bool) -> None:
        """Plug it in, or pull it out."""
        run("ip", "-n", self.hub, "link", "set", f"v{name}", "up" if up else "down")

    def close(self) -> None:
        """Take everything down."""
        for name in self.names:
            run("ip", "netns", "del", name, check=False)


class World:
    """Three members of etcd, three hosts, and what was done to them."""

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
        self.broken: list[str] = []
        self.slowest_s = 0.0
        self.gaps_s: dict[str, list[float]] = {"a death": [], "a planned stop": []}
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
                    *(sys.executable, "-SE", str(TESTS / "lease_life.py"), str(self.lives), name),
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

    def wait(self, condition: Callable[[], object], what: str, limit_s: float = BACK_S) -> None:
        """Until it is true."""
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {limit_s} s for {what}")
            time.sleep(0.02)

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

    # --- faults ----------------------------------------------------------------------------------------------

    def kill_watchdog(self, host: str) -> None:
        """Its program must end by the guard, or go on under the next watchdog of the same host."""
        os.kill(self.dogs[host].pid, signal.SIGKILL)
        self.dogs[host].wait()
        time.sleep(self.random.choice((0.0, 0.3, TTL_S * 2)))
        self.start_dog(host)

    def kill_host(self, host: str) -> None:
        """Everything there dies at once, as when its power fails; it is back at once, or when another one took over."""
        everybody = [int(pid) for pid in run("ip", "netns", "pids", self.spaces[host]).stdout.split()]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in everybody:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        died = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.dogs[host].wait()
        newest = lives(self.lives)[-1]
        lived_here = newest.label == host and died - newest.last < 0.3e9  # and was not about to move anyway
        if lived_here and self.random.random() < 0.7:
            self.wait(lambda: lives(self.lives)[-1].start > died, "a program elsewhere")
            self.gaps_s["a death"].append((lives(self.lives)[-1].start - died) / 1e9)
        self.start_dog(host)

    def freeze_watchdog(self, host: str) -> None:
        """Past the TTL, or just below."""
        os.kill(self.dogs[host].pid, signal.SIGSTOP)
        time.sleep(self.random.choice((0.5, TTL_S * 0.8, TTL_S * 2)))
        os.kill(self.dogs[host].pid, signal.SIGCONT)

    def cut_off(self, host: str) -> None:
        """Between the holder and etcd."""
        self.net.link(host, up=False)
        time.sleep(self.random.choice((0.5, TTL_S * 0.9, TTL_S * 2)))
        self.net.link(host, up=True)

    def cut_member(self, host: str) -> None:
        """Inside etcd; mostly its leader."""
        del host
        member = self.leader() if self.random.random() < 0.7 else self.random.choice(list(self.members))
        self.net.link(member, up=False)
        time.sleep(self.random.choice((1.0, TTL_S * 1.5)))
        self.net.link(member, up=True)

    def kill_member(self, host: str) -> None:
        """Mostly its leader."""
        del host
        member = self.leader() if self.random.random() < 0.7 else self.random.choice(list(self.members))
        os.kill(self.etcd[member].pid, signal.SIGKILL)
        self.etcd[member].wait()
        time.sleep(self.random.choice((0.5, TTL_S)))
        self.start_member(member)

    def freeze_etcd(self, host: str) -> None:
        """All of it: nobody may hold anything."""
        del host
        for process in self.etcd.values():
            os.kill(process.pid, signal.SIGSTOP)
        time.sleep(self.random.choice((0.5, TTL_S * 1.5)))
        for process in self.etcd.values():
            os.kill(process.pid, signal.SIGCONT)

    def hand_over(self, host: str) -> None:
        """A planned stop: the next one has exactly the last state."""
        stopped = run(str(BIN / "watchdog"), "stop", "-C", str(self.folder / host), check=False)
        if stopped.returncode != 0:
            self.broken.append(f"stop on {host} failed: {stopped.stderr.strip()}")
        self.dogs[host].wait(30)
        self.wait(lambda: lives(self.lives)[-1].label != host, "a program elsewhere")
        found = lives(self.lives)
        mine = max((index for index, life in enumerate(found) if life.label == host), default=-1)
        old, new = found[mine], found[mine + 1]
        if self.last_end(host) == "asked-stop":  # and not by the fault before
            self.gaps_s["a planned stop"].append((new.start - old.last) / 1e9)
            if new.found != old.saved:
                self.broken.append(f"a planned stop handed over {new.found} instead of {old.saved}")
        self.start_dog(host)

    def step_clock(self, host: str) -> None:
        """By hours, back and forth."""
        self.clocks[host].step(self.random.choice((-5, -1, 1, 5)) * HOUR_S)
        time.sleep(TTL_S / 2)

    def kill_program(self, host: str) -> None:
        """An ordinary crash."""
        with contextlib.suppress(KeyError, ProcessLookupError):
            os.kill(self.status(host)["child"]["pid"], signal.SIGKILL)

    def kill_guard(self, host: str) -> None:
        """The watchdog must start another."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            trace = json.loads((self.folder / host / ".watchdog/tracker/lease.json").read_text())
            os.kill(trace["guard_pid"], signal.SIGKILL)
        time.sleep(TTL_S * 0.7)

    def restart_standby(self, host: str) -> None:
        """An overlapping deploy: others come and go while one works."""
        other = self.random.choice([name for name in self.dogs if name != host])
        run(str(BIN / "watchdog"), "stop", "-C", str(self.folder / other), check=False)
        self.dogs[other].wait(30)
        self.start_dog(other)

    def torment(self, faults: int) -> dict[str, int]:
        """So many faults, one after the other, with a living program before each."""
        kinds = [
            *(
                self.kill_watchdog,
                self.kill_host,
                self.kill_host,
                self.freeze_watchdog,
                self.cut_off,
                self.cut_member,
                self.kill_member,
            ),
            *(self.freeze_etcd, self.hand_over, self.step_clock, self.kill_program, self.kill_guard),
            self.restart_standby,
        ]
        done: dict[str, int] = {}
        for name in ("h0", "h1", "h2"):
            self.start_dog(name)
        for index in range(faults):
            host = self.await_life()
            fault = self.random.choice(kinds)
            done[fault.__name__] = done.get(fault.__name__, 0) + 1
            fault(host)
            now = self.broken + broken(lives(self.lives)) + told_twice(self.lives)
            print(
                f"{index + 1:4} {time.strftime('%T')} {fault.__name__:16} {host} broken: {len(now)}",
                flush=True,
            )
            if now:
                break
        self.await_life()
        self.broken += broken(lives(self.lives)) + told_twice(self.lives)
        return done

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


def main() -> int:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser(description="Torment a lease and check that no two lives overlap.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    asked = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))  # what was started is ended even so
    print(f"seed {asked.seed}, {asked.faults} faults, TTL {TTL_S:g} s", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="lease-soak-"))
    world = World(folder, asked.seed)
    try:
        done = world.torment(asked.faults)
    finally:
        world.close()
    found = lives(world.lives)
    numbers, slowest = len(told(world.lives)), world.slowest_s
    print(f"{len(found)} lives; {numbers} numbers told; slowest return {slowest:.1f} s; faults: {done}")
    for what, gaps in world.gaps_s.items():
        if gaps:
            middle, most = statistics.median(gaps), max(gaps)
            print(
                f"elsewhere after {what}: {middle:.2f} s in the middle of {len(gaps)}, {most:.2f} s at most"
            )
    for problem in world.broken:
        print(f"BROKEN: {problem}")
    if not world.broken:
        shutil.rmtree(folder)
    print(
        f"kept: {folder}"
        if world.broken
        else "no two lives overlapped, no state went back, nothing told twice"
    )
    return 1 if world.broken else 0


if __name__ == "__main__":
    sys.exit(main())
