"""``watchdog run --lease`` with a real etcd: who runs, who stands by, and what follows when something dies."""

import json
import os
import re
import signal
import time

import pytest

import lease_life
from lease_pair import LATE_S, TTL_S, Pair, kill_watchdog, kinds
from waiting import stays_true, wait_until


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_planned_stop_hands_over_program_and_state(pair: Pair) -> None:
    """The second says who holds it, is well, and goes on with exactly what the first had saved."""
    a = pair.start("a")
    pair.await_lives(1)
    pair.await_saves(3)
    b = pair.start("b")
    report = b.await_health("standing by", LATE_S)
    assert (report["state"], report["exit_code"], report["lease"]["held"]) == ("standing by", 0, False)
    holder = pair.processes["a"].pid
    found = wait_until(lambda: b.status()["lease"]["holder"], "who holds it", LATE_S)
    assert found.endswith(f"(pid {holder})")
    assert b.cli("check").returncode == 0
    assert "held by" in b.cli("status").stdout
    assert a.status()["lease"]["held"] is True
    for dog, held in ((a, 1), (b, 0)):
        metrics = dog.cli("metrics").stdout
        assert re.findall(r"^watchdog_lease_(\w+)\{.*\} (\d)\.0$", metrics, re.MULTILINE) == [
            ("held", str(held)),
            ("cut_off", "0"),
        ]
    refused = b.cli("restart")
    assert refused.returncode == 3
    assert "stands by" in refused.stderr
    a.stop()
    second = pair.await_lives(2)
    first = pair.found()[0]
    assert (second.label, second.found) == ("b", first.saved)
    assert json.loads((a.folder / lease_life.STATE).read_text())["number"] == first.saved
    b.stop()
    assert pair.etcd.ctl("get", "--prefix", "t/main", "--keys-only").split()[-1] == "t/main/state"


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_frozen_watchdog_never_runs_beside_the_new_holder(pair: Pair) -> None:
    """Its program is dead before the other one starts, though nobody can tell it; resumed, it stands by."""
    a, b = pair.start_both()
    os.kill(pair.processes["a"].pid, signal.SIGSTOP)
    assert pair.await_lives(2).label == "b"
    os.kill(pair.processes["a"].pid, signal.SIGCONT)
    a.await_health("standing by", LATE_S)
    assert "lease-lost" in kinds(a)
    assert a.status()["restarts"]["in_window"] == 0, "it is no crash"
    b.stop()
    assert pair.await_lives(3).label == "a"
    a.stop()
    pair.found()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_killed_watchdog_leaves_no_program_behind_when_its_lease_ends(pair: Pair) -> None:
    """The guard ends the program, and only then the other host begins."""
    _, b = pair.start_both()
    kill_watchdog(pair, "a")
    assert pair.await_lives(2).label == "b"
    b.stop()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_killed_watchdog_is_followed_in_time_without_an_interruption(pair: Pair) -> None:
    """The next one on the same host goes on with lease and program; an upgrade does as well."""
    a = pair.start("a", "--lease-ttl", "20s")
    first = pair.await_lives(1)
    kill_watchdog(pair, "a")
    a = pair.start("a", "--lease-ttl", "20s")
    a.await_health("healthy", LATE_S)
    assert "adopted" in kinds(a)
    assert a.cli("upgrade").returncode == 0
    a.await_health("healthy", LATE_S)
    before = pair.found()[-1].last
    wait_until(lambda: pair.found()[-1].last > before, "more of its life", LATE_S)
    assert [life.start for life in pair.found()] == [first.start]
    a.stop()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_without_etcd_the_program_ends_in_time_and_comes_back_with_it(pair: Pair) -> None:
    """It is asked to end, which is no crash; `status` says what is wrong."""
    a = pair.start("a")
    pair.await_lives(1)
    pair.etcd.signal(signal.SIGSTOP)
    began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    report = a.await_health("standing by", LATE_S)
    assert report["lease"]["held"] is False
    assert not report["lease"]["holder"], "we do not: who does is not known"
    assert (pair.found()[0].last - began) / 1e9 < TTL_S, "it was dead before the lease could be anybody's"
    assert "etcd does not answer" in report["lease"]["problem"]
    assert report["restarts"]["total"] == 0
    report = wait_until(
        lambda: now if (now := a.status())["lease"]["cut_off"] else None, "the verdict", LATE_S
    )
    assert report["exit_code"] == a.cli("check").returncode == 5, "it could not take over"
    pair.etcd.signal(signal.SIGCONT)
    assert pair.await_lives(2).label == "a"
    assert a.await_health("healthy", LATE_S)["lease"]["cut_off"] is False
    a.stop()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_keep_goes_on_without_etcd(pair: Pair) -> None:
    """At one's own risk, and loudly."""
    a = pair.start("a", "--lease-lost", "keep")
    pair.await_lives(1)
    pair.etcd.kill()
    wait_until(lambda: "lease-doubtful" in kinds(a), "the warning", LATE_S)
    before = pair.found()[0].last
    stays_true(lambda: a.status()["state"] == "running", "a running program", TTL_S)
    assert pair.found()[0].last > before
    assert len(pair.found()) == 1
    pair.etcd.start()
    wait_until(lambda: a.status()["lease"]["problem"] == "", "a renewed lease", LATE_S)
    a.stop()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_key_that_somebody_removes_ends_the_program_at_once(pair: Pair) -> None:
    """Nobody can know who has taken it since."""
    a = pair.start("a")
    pair.await_lives(1)
    pair.etcd.ctl("del", "t/main")
    wait_until(lambda: "lease-lost" in kinds(a), "the loss", LATE_S)
    pair.await_lives(2)
    a.stop()
