"""People are told when the lease takes the program away or brings it here unplanned: real etcd, real webhook."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from harness import Watchdog
from lease_pair import LATE_S, Pair, kill_host, kinds
from telegram_server import Handler, TelegramServer
from waiting import wait_until


class Hook:
    """What all hosts told, as a webhook gets it, each at a path of its own."""

    def __init__(self, server: TelegramServer) -> None:
        self._url = server.url
        self.told: list[tuple[str, dict[str, Any]]] = []
        server.always = self._take

    def _take(self, handler: Handler) -> None:
        self.told.append((handler.path.strip("/"), handler.asked))
        handler.give(200, {})

    def to_be_told_by(self, pair: Pair, name: str) -> None:
        """Set it up for a host that does not run yet."""
        words = f'webhook-url = "{self._url}/{name}"\nalert-stable = "1s"\n'
        settings = pair.hosts(name).folder / "watchdog.toml"
        settings.write_text(words)
        settings.chmod(0o600)

    def wait(self, count: int) -> list[tuple[str, str, str]]:
        """Host, kind and cause of all messages, when there are so many."""
        wait_until(lambda: len(self.told) >= count, f"message {count} after {self.told}", LATE_S)
        return [(name, data["kind"], data["cause"]) for name, data in self.told]

    def title(self) -> str:
        """Of the last one."""
        return str(self.told[-1][1]["text"]).splitlines()[0]


@pytest.fixture
def hook(pair: Pair) -> Iterator[Hook]:
    """Both hosts are to tell it."""
    with TelegramServer() as server:
        made = Hook(server)
        pair.signs = ()  # it beats, so that it can be seen to be well again
        for name in ("a", "b"):
            made.to_be_told_by(pair, name)
        yield made


def _await_holder(standby: Watchdog, pid: int) -> None:
    """Until it knows that this watchdog holds the lease."""
    wait_until(
        lambda: any(fact["holder"].endswith(f"(pid {pid})") for fact in standby.facts("lease-elsewhere")),
        "who holds it",
        LATE_S,
    )


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_takeover_is_told_once_when_nobody_planned_it(pair: Pair, hook: Hook) -> None:
    """Silence at a planned stop; after the death of a host the other one says from whom it took over, and the end."""
    a, b = pair.start_both()
    a.stop()
    pair.await_lives(2)
    a = pair.start("a")
    a.await_health("standing by", LATE_S)
    b.stop()
    pair.await_lives(3)
    b = pair.start("b")
    b.await_health("standing by", LATE_S)
    assert hook.told == []
    pid = pair.processes["a"].pid
    _await_holder(b, pid)
    kill_host(pair, "a")
    pair.await_lives(4)
    assert hook.wait(1) == [("b", "first", "lease-gained")]
    assert f"(pid {pid}), which had not handed over" in hook.title()
    assert hook.wait(2)[1] == ("b", "over", "lease-gained")
    assert hook.told[0][1]["id"].split("/")[0] == hook.told[1][1]["id"].split("/")[0]
    a = pair.start("a")
    _await_holder(a, pair.processes["b"].pid)
    b.stop()
    pair.await_lives(5)
    a.stop()
    assert len(hook.told) == 2, (
        "what the dead one left is no news of its own, and the last stops were planned"
    )


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_frozen_watchdog_leaves_it_to_the_one_that_took_over(pair: Pair, hook: Hook) -> None:
    """One of the two tells of it, though both live."""
    a, b = pair.start_both()
    os.kill(pair.processes["a"].pid, signal.SIGSTOP)
    assert pair.await_lives(2).label == "b"
    os.kill(pair.processes["a"].pid, signal.SIGCONT)
    wait_until(lambda: a.facts("lease-elsewhere"), "who holds it now", LATE_S)
    assert "lease-lost" in kinds(a)
    hook.wait(2)
    wait_until(
        lambda: not (a.folder / ".watchdog/tracker/alerts.json").exists(), "nothing left to tell", LATE_S
    )
    a.stop()
    assert hook.wait(2) == [("b", "first", "lease-gained"), ("b", "over", "lease-gained")]
    b.stop()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_without_etcd_the_holder_tells_and_the_standby_is_silent(pair: Pair, hook: Hook) -> None:
    """Down with the program, over when etcd is back and somebody runs it."""
    _, b = pair.start_both()
    pair.etcd.signal(signal.SIGSTOP)
    assert hook.wait(1) == [("a", "down", "lease-lost")]
    assert hook.title().endswith("DOWN: lost the lease: it could not be renewed in time")
    wait_until(lambda: b.facts("lease-cut-off"), "that the standby knows", LATE_S)
    pair.etcd.signal(signal.SIGCONT)
    pair.await_lives(2)
    wait_until(
        lambda: any(kind == "over" and name == "a" for name, kind, _ in hook.wait(2)), "the end", LATE_S
    )
    assert sum(name == "a" for name, _, _ in hook.wait(2)) == 2
    for name in ("a", "b"):
        pair.hosts(name).stop()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_program_that_is_kept_without_etcd_is_told_and_that_it_is_safe_again(
    pair: Pair, hook: Hook
) -> None:
    """At one's own risk, and one shall know of it; nobody else took the lease, so the end says so."""
    a = pair.start("a", "--lease-lost", "keep")
    pair.await_lives(1)
    pair.etcd.kill()
    assert hook.wait(1) == [("a", "first", "lease-doubtful")]
    pair.etcd.start()
    assert hook.wait(2)[1] == ("a", "over", "lease-doubtful")
    assert "the lease is renewed again" in hook.title()
    a.stop()
    assert len(pair.found()) == 1


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("ttl", ["12s", "60s"])
def test_a_stop_without_etcd_says_that_the_last_state_did_not_move(pair: Pair, ttl: str) -> None:
    """The program saves at its end, and etcd does not answer; with a long TTL a question to it hangs just then."""
    a = pair.start("a", "--lease-ttl", ttl)
    pair.await_lives(1)
    pair.await_saves(2)
    pair.etcd.signal(signal.SIGSTOP)
    try:
        pair.await_saves(pair.found()[-1].saved + 3)
        a.stop()
    finally:
        pair.etcd.signal(signal.SIGCONT)
    said = json.dumps(a.facts("notice"))
    assert "the last state could not be put below the lease" in said
