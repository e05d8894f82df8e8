"""The watchdog with its first user: the tracker on its simulated market."""

import os
import signal
import sys

from rig import QUICK, Rig
from waiting import stays_true, wait_until

TRACKER = (
    sys.executable,
    "-m",
    "tracker",
    "--source",
    "demo",
    "--cycle",
    "200ms",
    "--heartbeat-interval",
    "400ms",
)


def test_a_killed_tracker_comes_back_after_the_delay(rig: Rig) -> None:
    """Kill -9: a new one comes after the default delay of five seconds, never earlier."""
    rig.run("--quiet", "--", *TRACKER)
    rig.healthy()
    pid = rig.child()
    os.kill(pid, signal.SIGKILL)
    ended = rig.fact("ended")
    assert (ended["cause"], ended["signal"]) == ("signal", 9)
    waiting = rig.status()
    assert (waiting["state"], waiting["health"], waiting["child"]) == ("waiting", "waiting", None)
    assert rig.other_child(pid) != pid
    first, second = rig.facts("spawned")
    assert first["run"] != second["run"]
    assert _seconds(second["at"]) - _seconds(ended["at"]) >= 5
    rig.healthy()
    assert rig.fact("recovered")["number"] == 2


def test_H01_a_frozen_tracker_is_found_and_replaced(rig: Rig) -> None:
    """SIGSTOP: found when its heartbeat is too old, stopped, and replaced; the cause is a hang, no crash."""
    rig.run(*QUICK, "--heartbeat-timeout", "3s", "--start-grace", "20s", "--quiet", "--", *TRACKER)
    rig.healthy()
    pid = rig.child()
    os.kill(pid, signal.SIGSTOP)
    hang = rig.fact("hang")
    assert hang["cause"] == "hang"
    assert 2.9 <= hang["silent_s"] < 8
    assert rig.other_child(pid) != pid
    assert rig.healthy()["restarts"]["last"][-1]["cause"] == "hang"


def test_a_tracker_that_freezes_by_itself_leaves_its_stacks_in_the_log(rig: Rig) -> None:
    """The frozen tracker is asked for its stacks before it is stopped."""
    rig.run(
        *QUICK,
        *("--heartbeat-timeout", "3s", "--start-grace", "20s", "--max-restarts", "1", "--quiet", "--"),
        *TRACKER,
        *("--freeze-after", "1s"),
    )
    rig.fact("hang")
    rig.fact("ended")
    log = (rig.folder / "logs" / "tracker.log").read_text()
    assert "most recent call first" in log


def test_a_tracker_that_always_crashes_is_given_up(rig: Rig) -> None:
    """Ten restarts in five minutes and one death more: exit 12 and a plain reason."""
    process = rig.run("--restart-delay", "10ms", "--quiet", "--", *TRACKER, "--crash-after", "1ms")
    assert process.wait(55) == 12
    assert len(rig.facts("spawned")) == 11
    assert "GAVE UP: 10 restarts within 5m did not help" in rig.printed()
    report = rig.status()
    assert (report["state"], report["exit_code"], report["restarts"]["in_window"]) == ("gave up", 3, 10)


def test_a_tracker_in_the_dark_is_not_restarted(rig: Rig) -> None:
    """Every price source is out of reach: it stays up, beats, says degraded, and nobody replaces it."""
    dead = "http://127.0.0.1:9"
    rig.write("tracked_tokens.json", '{"So11111111111111111111111111111111111111112": {"token": '
              '"So11111111111111111111111111111111111111112", "name": "Wrapped SOL", "symbol": "SOL"}}')  # fmt: skip
    addresses = [
        word for name in ("dexscreener", "geckoterminal", "coingecko") for word in (f"--{name}-url", dead)
    ]
    rig.run(
        *QUICK,
        *("--heartbeat-timeout", "4s", "--start-grace", "20s", "--quiet", "--"),
        *(sys.executable, "-m", "tracker", "--cycle", "300ms", "--heartbeat-interval", "500ms"),
        *addresses,
    )
    wait_until(lambda: rig.status()["health"] == "degraded", "degraded", 30)
    pid = rig.child()
    stays_true(lambda: rig.status()["health"] == "degraded", "degraded without a restart", 6)
    assert rig.child() == pid
    assert rig.cli("check").returncode == 0
    assert not rig.facts("hang", "ended")


def _seconds(at: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(at).timestamp()
