"""A real tracker under a real lease: what it tells is told once, also when its whole host dies with it."""

import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Watchdog
from lease_etcd import EtcdServer
from price_server import PriceServer, pool
from tcp_link import TcpLink
from telegram_server import TelegramServer
from tracker_case import FAST, TRACKER, beat, saved
from waiting import wait_until

Hosts = Callable[[str], Watchdog]
LATE_S = 60.0
MINT = "So111111111111111111111111111111111111111"
MINTS = [f"{MINT}{a}{b}" for a in "345" for b in "678"]


class Stage:
    """Two hosts, the prices and the chat."""

    def __init__(self, hosts: Hosts, etcd: EtcdServer, prices: PriceServer, bot: TelegramServer) -> None:
        self.prices = prices
        self.bot = bot
        self._hosts = hosts
        self._etcd = etcd
        prices.prices = {mint: [pool(1.0)] for mint in MINTS}

    def start(self, name: str, ttl: str, port: int = 0, *more: str) -> Watchdog:
        """Start a watchdog, with the same list on each host, and wait until it answers."""
        dog = self._hosts(name)
        if not (dog.folder / "tracked_tokens.json").exists():
            dog.write("tracked_tokens.json", json.dumps({mint: {"token": mint} for mint in MINTS}))
        process = dog.run(
            *("--lease", f"etcd://127.0.0.1:{port or self._etcd.port}/t/main", "--lease-ttl", ttl, "--quiet"),
            *("--restart-delay", "100ms", "--stop-timeout", "2s", "--start-grace", "60s", *more),
            *("--", *TRACKER, *self.prices.options(), *FAST),
            TRACKER_TELEGRAM_TOKEN=self.bot.token,
            TRACKER_TELEGRAM_CHAT="42",
            TRACKER_TELEGRAM_URL=self.bot.url,
        )
        wait_until(
            lambda: (dog.status().get("watchdog") or {}).get("pid") == process.pid, "its answer", LATE_S
        )
        return dog

    def await_work(self, dog: Watchdog) -> None:
        """Until the tracker lives here and has looked at all prices some times."""
        dog.await_health("healthy", LATE_S)
        pid = dog.child()
        wait_until(
            lambda: (found := beat(dog.folder)).get("pid") == pid and found.get("turns", 0) > 3,
            "some turns",
            LATE_S,
        )
        wait_until(lambda: all(t.get("lastPrice") for t in saved(dog.folder).values()), "prices", LATE_S)

    def told(self) -> Counter[str]:
        """How often the people in the chat saw each token."""
        return Counter(re.findall(rf"{MINT}\w\w", "\n".join(self.bot.texts())))


@pytest.fixture
def stage(hosts: Hosts, etcd: EtcdServer) -> Iterator[Stage]:
    """Nothing runs yet."""
    with PriceServer() as prices, TelegramServer() as bot:
        yield Stage(hosts, etcd, prices, bot)


def die(dog: Watchdog) -> None:
    """The power of that host fails: watchdog, guard and tracker are gone at once."""
    everybody = sorted(dog.marked())
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in everybody:
            os.kill(pid, number)
    for process in dog.started:
        process.wait()


def ledger(dog: Watchdog) -> list[dict[str, Any]]:
    """What stands in the ledger of a host, step by step."""
    path = dog.folder / "sent_tokens.ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def steps(dog: Watchdog) -> list[str]:
    """The states in it, one after the other."""
    return [step["state"] for step in ledger(dog)]


def state_of(dog: Watchdog, mint: str) -> str:
    """What became of the alert for a token, as that host knows it."""
    found = ""
    numbers = set()
    for step in ledger(dog):
        if step.get("token") == mint:
            numbers.add(step["id"])
        if step["id"] in numbers:
            found = step["state"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_dying_host_makes_nobody_tell_it_again(stage: Stage) -> None:
    """At the moment of the arrival, and at random ones around it: no token is told twice, and none is forgotten."""
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    holder, other = "a", "b"
    dog = stage.start(holder, "3s")
    stage.await_work(dog)
    for number, mint in enumerate(MINTS[:3]):
        standby = stage.start(other, "3s")
        standby.await_health("standing by", LATE_S)
        stage.prices.prices[mint] = [pool(2.0)]
        if number % 2 == 0:
            wait_until(lambda mint=mint: stage.told()[mint], f"a message (seed {seed})", LATE_S)
        end = time.monotonic() + chance.choice((0.0, 0.2, 0.5, 0.9))
        wait_until(lambda end=end: time.monotonic() >= end, "the moment")
        die(dog)
        stage.await_work(standby)
        wait_until(
            lambda mint=mint, standby=standby: stage.told()[mint] or state_of(standby, mint) == "uncertain",
            f"what became of it (seed {seed})",
            LATE_S,
        )
        assert max(stage.told().values(), default=0) <= 1, f"seed {seed}: {stage.bot.texts()}"
        dog, holder, other = standby, other, holder
    stage.prices.prices[MINTS[5]] = [pool(2.0)]
    wait_until(lambda: stage.told()[MINTS[5]], "a last message", LATE_S)
    wait_until(lambda: steps(dog)[-1] == "sent", "its note", LATE_S)
    dog.stop()
    assert set(stage.told().values()) == {1}, f"seed {seed}: {stage.bot.texts()}"
    assert set(stage.told()) >= {MINTS[0], MINTS[2], MINTS[5]}
    assert {state_of(dog, mint) for mint in MINTS[:3]} <= {"sent", "uncertain"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_holder_that_is_cut_off_tells_nothing(stage: Stage, etcd: EtcdServer) -> None:
    """What is due meanwhile is told by whoever comes next, once; back again, it is not told once more."""
    link = TcpLink(etcd.port)
    try:
        a = stage.start("a", "12s", link.port)
        stage.await_work(a)
        b = stage.start("b", "12s")
        b.await_health("standing by", LATE_S)
        link.cut()
        stage.prices.prices[MINTS[0]] = [pool(2.0)]
        wait_until(lambda: "sending" in steps(a), "the note on the first host", LATE_S)
        a.await_health("standing by", LATE_S)
        assert "sent" not in steps(a)
        wait_until(lambda: stage.told()[MINTS[0]], "the message", LATE_S)
        wait_until(lambda: steps(b)[-1:] == ["sent"], "the note on the second host", LATE_S)
        link.mend()
        b.stop()
        stage.await_work(a)
        assert steps(a) == steps(b)
        assert stage.told() == {MINTS[0]: 1}
        a.stop()
    finally:
        link.close()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_program_that_needs_no_lease_any_more_is_not_held_back(hosts: Hosts, etcd: EtcdServer) -> None:
    """The next watchdog has none: what the last one wrote for the program would never be confirmed again."""
    dog = hosts("a")
    words = ("--no-heartbeat", "--quiet", "--", sys.executable, "-SEc", "import time; time.sleep(600)")
    lease = ("--lease", f"{etcd.url}/t/main", "--lease-ttl", "30s")
    first = dog.run(*lease, *words)
    pid = dog.child()
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    record = dog.folder / ".watchdog/tracker/carried.json"
    assert f"WATCHDOG_CARRIED={record}".encode() in environ
    told = json.loads(record.read_text())
    assert (told["needed"], sorted(told["files"].values(), key=str)) == (True, [None] * 3)
    first.kill()
    first.wait()
    second = dog.run(*words)
    wait_until(lambda: (dog.status().get("watchdog") or {}).get("pid") == second.pid, "the next", LATE_S)
    assert dog.child() == pid
    assert json.loads(record.read_text())["needed"] is False
    dog.stop()
    dog.run(
        *lease[:1],
        f"{etcd.url}/t/other",
        "--lease-lost",
        "keep",
        *words,
        WATCHDOG_CARRIED="/of/another/watchdog",
    )
    environ = Path(f"/proc/{dog.child()}/environ").read_bytes()
    assert b"WATCHDOG_RUN_ID=" in environ
    assert b"WATCHDOG_CARRIED=" not in environ
    assert json.loads(record.read_text())["needed"] is False
    dog.stop()
