"""Restart storms: the delay, the one window, and when it is over."""

import os
import signal
import sys
from datetime import datetime

from rig import QUICK, Rig
from waiting import stays_true, wait_until


def _at(fact: dict[str, object]) -> float:
    return datetime.fromisoformat(str(fact["at"])).timestamp()


def test_R01_a_crash_loop_keeps_its_distance_and_ends(rig: Rig) -> None:
    """Gaps of at least the delay, exactly the cap of restarts, a plain reason, and no further start."""
    process = rig.run(
        "--restart-delay", "500ms", "--max-restarts", "4", "--restart-window", "30s", "--", "false"
    )
    assert process.wait(40) == 12
    spawned, ended = rig.facts("spawned"), rig.facts("ended")
    assert len(spawned) == 5
    gaps = [_at(start) - _at(end) for end, start in zip(ended[:-1], spawned[1:], strict=True)]
    assert min(gaps) >= 0.499
    gave_up = rig.fact("gave-up")
    assert (gave_up["restarts"], gave_up["reason"]) == (4, "exit code 1")
    assert rig.status()["state"] == "gave up"


def test_R02_longer_lives_count_as_well(rig: Rig) -> None:
    """A program that lives for more than a second still reaches the cap inside the window."""
    process = rig.run("--restart-delay", "100ms", "--max-restarts", "3", "--restart-window", "60s", "--",
                      sys.executable, "-c", "import time; time.sleep(1.2); raise SystemExit(9)")  # fmt: skip
    assert process.wait(40) == 12
    assert len(rig.facts("spawned")) == 4


def test_R03_all_causes_feed_one_window(rig: Rig) -> None:
    """Crash, hang and a spawn that fails, in turn: the cap is reached by all of them together."""
    program = rig.write(
        "bot.sh",
        "#!/bin/sh\necho x >>lives\n"
        "case $(wc -l <lives) in 1) exit 3;; 2) exec sleep 600;; 3) chmod -x bot.sh; exit 4;; *) exit 5;; esac\n",
    )
    program.chmod(0o755)
    process = rig.run(*QUICK, "--heartbeat", "beat", "--heartbeat-timeout", "1s", "--max-restarts", "4",
                      "--restart-window", "60s", "--", "./bot.sh")  # fmt: skip
    assert process.wait(40) == 12
    causes = [run["cause"] for run in rig.status()["restarts"]["last"]]
    assert causes == ["exit", "never-beat", "exit", "spawn", "spawn"]


def test_R04_the_window_forgets(rig: Rig) -> None:
    """Deaths further apart than the window allows never give up; the lifetime total is kept for reports."""
    rig.run("--restart-delay", "50ms", "--max-restarts", "2", "--restart-window", "1500ms", "--no-heartbeat", "--",
            sys.executable, "-c", "import time; time.sleep(1); raise SystemExit(1)")  # fmt: skip
    rig.fact("ended", 8, limit_s=50)
    assert not rig.facts("gave-up")
    assert rig.status()["restarts"]["total"] >= 7


def test_R08_a_restart_while_it_waits_starts_at_once(rig: Rig) -> None:
    """In the delay `restart` does not wait for it, and empties the window."""
    bad = rig.write("bad", "")
    program = "import os, sys, time; sys.exit(1) if os.path.exists('bad') else time.sleep(600)"
    rig.run("--restart-delay", "10m", "--no-heartbeat", "--", sys.executable, "-c", program)
    rig.fact("restarting")
    assert rig.status()["next_start_s"] > 500
    bad.unlink()
    assert rig.cli("restart").returncode == 0
    assert rig.healthy()["restarts"]["in_window"] == 0


def test_T01_status_never_names_a_dead_program(rig: Rig) -> None:
    """Killed, and the next start is far: at once no pid is shown and the state is waiting."""
    rig.run(
        "--restart-delay", "10m", "--no-heartbeat", "--", sys.executable, "-c", "import time; time.sleep(600)"
    )
    pid = rig.child()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end")
    report = wait_until(lambda: (r := rig.status())["state"] == "waiting" and r, "waiting", 3)
    assert isinstance(report, dict)
    assert report["child"] is None
    assert report["restarts"]["last"][-1]["signal"] == 9


def test_T02_each_state_has_its_word_and_its_code(rig: Rig) -> None:
    """Text, JSON, `status` and `check` say the same of each state."""
    seen: dict[str, int] = {}

    def note() -> str:
        report = rig.status()
        text = rig.cli("status").stdout.splitlines()[0]
        code = rig.cli("check").returncode
        if rig.status()["health"] == report["health"]:  # nothing changed while we looked
            assert report["state"] in text
            assert report["health"] in text or report["health"] == "not running"
            assert code == report["exit_code"]
            seen[f"{report['state']}/{report['health']}"] = code
        return str(report["health"])

    assert note() == "not running"
    program = (
        "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.1)\nwhile True:\n"
        "    open('heartbeat.json', 'w').write('{}')\n    time.sleep(0.2)\n"
    )
    process = rig.run("--restart-delay", "10m", "--heartbeat-timeout", "5s", "--start-grace", "60s", "--",
                      sys.executable, "-c", program)  # fmt: skip
    pid = rig.child()
    assert note() == "starting"
    rig.write("go", "")
    rig.healthy()
    assert note() == "healthy"
    rig.cli("pause")
    assert note() == "paused"
    rig.cli("resume")
    os.kill(process.pid, signal.SIGSTOP)
    assert note() == "watchdog frozen"
    os.kill(process.pid, signal.SIGCONT)
    rig.healthy()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: rig.status()["state"] == "waiting", "waiting")
    note()
    rig.cli("stop")
    note()
    assert seen == {
        "stopped/not running": 3,
        "running/starting": 5,
        "running/healthy": 0,
        "running/paused": 5,
        "running/watchdog frozen": 5,
        "waiting/waiting": 5,
    }


def test_G02_the_values_of_max_restarts(rig: Rig) -> None:
    """0 never restarts, `unlimited` always does, everything else that is no whole number is refused."""
    for bad in ("-1", "abc", "1e12", "1.5", ""):
        found = rig.cli("run", f"--max-restarts={bad}", "--", "true")
        assert (found.returncode, found.stderr.count("\n")) == (2, 1), bad
    process = rig.run("--max-restarts", "0", "--", "false")
    assert process.wait(20) == 12
    assert len(rig.facts("spawned")) == 1
    rig.run("--max-restarts", "unlimited", "--restart-delay", "20ms", "--", "false")
    rig.fact("spawned", 30)
    assert len(rig.facts("gave-up")) == 1
    stays_true(lambda: rig.status()["state"] != "gave up", "going on", 1)


def test_G03_contradictions_name_both_and_config_tells_all(rig: Rig) -> None:
    """An error at the start that names both settings; `config` prints each value and its place."""
    found = rig.cli("run", "--restart", "never", "--retry-after", "5m", "--", "true")
    assert found.returncode == 2
    assert "restart" in found.stderr
    assert "retry-after" in found.stderr
    rig.write("watchdog.toml", 'restart-delay = "7s"\n')
    shown = rig.cli("config", "--max-restarts", "4", WATCHDOG_STOP_TIMEOUT="9s").stdout
    lines = {line.split()[0]: line for line in shown.splitlines() if line.startswith("  ")}
    assert "7s" in lines["restart-delay"]
    assert "watchdog.toml" in lines["restart-delay"]
    assert "WATCHDOG_STOP_TIMEOUT" in lines["stop-timeout"]
    assert "--max-restarts" in lines["max-restarts"]
    assert "default" in lines["log-size"]
