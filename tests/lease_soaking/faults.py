"""What is done to them, one thing after the other, and what is wrong afterwards."""

import contextlib
import json
import os
import signal
import threading
import time

from clock_shim.wall_clock import HOUR_S
from lease_life import broken, lives, told_twice
from lease_soaking.net import run
from lease_soaking.world import BIN, TTL_S, World


class Faults:
    """Each takes the host on which the program lives now."""

    def __init__(self, world: World) -> None:
        self.broken: list[str] = []
        self.gaps_s: dict[str, list[float]] = {"a death": [], "a planned stop": []}
        self._world = world
        self._random = world.random
        self._rest = threading.Event().wait  # it is never set: how long a fault lasts is no condition

    def kill_watchdog(self, host: str) -> None:
        """Its program must end by the guard, or go on under the next watchdog of the same host."""
        os.kill(self._world.dogs[host].pid, signal.SIGKILL)
        self._world.dogs[host].wait()
        self._rest(self._random.choice((0.0, 0.3, TTL_S * 2)))
        self._world.start_dog(host)

    def kill_host(self, host: str) -> None:
        """Everything there dies at once, as when its power fails; it is back at once, or when another one took over."""
        everybody = [int(pid) for pid in run("ip", "netns", "pids", self._world.spaces[host]).stdout.split()]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in everybody:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        died = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._world.dogs[host].wait()
        newest = lives(self._world.lives)[-1]
        lived_here = newest.label == host and died - newest.last < 0.3e9  # and was not about to move anyway
        if lived_here and self._random.random() < 0.7:
            self._world.wait(lambda: lives(self._world.lives)[-1].start > died, "a program elsewhere")
            self.gaps_s["a death"].append((lives(self._world.lives)[-1].start - died) / 1e9)
        self._world.start_dog(host)

    def freeze_watchdog(self, host: str) -> None:
        """Past the TTL, or just below."""
        os.kill(self._world.dogs[host].pid, signal.SIGSTOP)
        self._rest(self._random.choice((0.5, TTL_S * 0.8, TTL_S * 2)))
        os.kill(self._world.dogs[host].pid, signal.SIGCONT)

    def cut_off(self, host: str) -> None:
        """Between the holder and etcd."""
        self._world.net.link(host, up=False)
        self._rest(self._random.choice((0.5, TTL_S * 0.9, TTL_S * 2)))
        self._world.net.link(host, up=True)

    def cut_member(self, host: str) -> None:
        """Inside etcd; mostly its leader."""
        del host
        member = (
            self._world.leader()
            if self._random.random() < 0.7
            else self._random.choice(list(self._world.members))
        )
        self._world.net.link(member, up=False)
        self._rest(self._random.choice((1.0, TTL_S * 1.5)))
        self._world.net.link(member, up=True)

    def kill_member(self, host: str) -> None:
        """Mostly its leader."""
        del host
        member = (
            self._world.leader()
            if self._random.random() < 0.7
            else self._random.choice(list(self._world.members))
        )
        os.kill(self._world.etcd[member].pid, signal.SIGKILL)
        self._world.etcd[member].wait()
        self._rest(self._random.choice((0.5, TTL_S)))
        self._world.start_member(member)

    def freeze_etcd(self, host: str) -> None:
        """All of it: nobody may hold anything."""
        del host
        for process in self._world.etcd.values():
            os.kill(process.pid, signal.SIGSTOP)
        self._rest(self._random.choice((0.5, TTL_S * 1.5)))
        for process in self._world.etcd.values():
            os.kill(process.pid, signal.SIGCONT)

    def hand_over(self, host: str) -> None:
        """A planned stop: the next one has exactly the last state."""
        stopped = run(str(BIN / "watchdog"), "stop", "-C", str(self._world.folder / host), check=False)
        if stopped.returncode != 0:
            self.broken.append(f"stop on {host} failed: {stopped.stderr.strip()}")
        self._world.dogs[host].wait(30)
        self._world.wait(lambda: lives(self._world.lives)[-1].label != host, "a program elsewhere")
        found = lives(self._world.lives)
        mine = max((index for index, life in enumerate(found) if life.label == host), default=-1)
        old, new = found[mine], found[mine + 1]
        if self._world.last_end(host) == "asked-stop":  # and not by the fault before
            self.gaps_s["a planned stop"].append((new.start - old.last) / 1e9)
            if new.found != old.saved:
                self.broken.append(f"a planned stop handed over {new.found} instead of {old.saved}")
        self._world.start_dog(host)

    def step_clock(self, host: str) -> None:
        """By hours, back and forth."""
        self._world.clocks[host].step(self._random.choice((-5, -1, 1, 5)) * HOUR_S)
        self._rest(TTL_S / 2)

    def kill_program(self, host: str) -> None:
        """An ordinary crash."""
        with contextlib.suppress(KeyError, ProcessLookupError):
            os.kill(self._world.status(host)["child"]["pid"], signal.SIGKILL)

    def kill_guard(self, host: str) -> None:
        """The watchdog must start another."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            trace = json.loads((self._world.folder / host / ".watchdog/tracker/lease.json").read_text())
            os.kill(trace["guard_pid"], signal.SIGKILL)
        self._rest(TTL_S * 0.7)

    def restart_standby(self, host: str) -> None:
        """An overlapping deploy: others come and go while one works."""
        other = self._random.choice([name for name in self._world.dogs if name != host])
        run(str(BIN / "watchdog"), "stop", "-C", str(self._world.folder / other), check=False)
        self._world.dogs[other].wait(30)
        self._world.start_dog(other)

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
            self._world.start_dog(name)
        for index in range(faults):
            host = self._world.await_life()
            fault = self._random.choice(kinds)
            done[fault.__name__] = done.get(fault.__name__, 0) + 1
            fault(host)
            now = self.broken + broken(lives(self._world.lives)) + told_twice(self._world.lives)
            print(
                f"{index + 1:4} {time.strftime('%T')} {fault.__name__:16} {host} broken: {len(now)}",
                flush=True,
            )
            if now:
                break
        self._world.await_life()
        self.broken += broken(lives(self._world.lives)) + told_twice(self._world.lives)
        return done
