"""Is it true what status says? (cases T01 to T03)"""

import json
import os
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from harness import Watchdog
from rig import BIN, QUICK
from waiting import stays_true, wait_until

CODES = {"healthy": 0, "degraded": 0, "not running": 3, "unknown": 4}  # all else is 5


def _agree(dog: Watchdog, state: str, health: str) -> dict[str, Any]:
    """Wait for these two words; table, JSON, their codes and ``check`` must say the same at that time."""
    code = CODES.get(health, 5)

    def look() -> dict[str, Any] | None:
        found = dog.cli("status", "--json")
        report: dict[str, Any] = json.loads(found.stdout)
        if (report["state"], report["health"]) != (state, health):
            return None
        table, check = dog.cli("status"), dog.cli("check")
        assert (found.returncode, report["exit_code"], table.returncode, check.returncode) == (code,) * 4
        assert (check.stdout, check.stderr, table.stderr) == ("", "", "")
        head = table.stdout.splitlines()[0]
        assert head.startswith(f"tracker: {state}"), head
        assert health in head or health in ("not running", state), head
        return report

    return wait_until(look, f"{state}, {health}", 30)  # type: ignore[return-value]


def test_T01_killed_program_is_never_shown_as_living(dog: Watchdog) -> None:
    """Hard-killed, with a long delay: at once waiting, no pid, and when it comes again; a shown pid always lives."""
    dog.start("--restart-delay", "60s", "--no-heartbeat")
    pid = dog.ready()
    assert dog.status()["child"]["pid"] == pid
    os.kill(pid, signal.SIGKILL)
    report = dog.await_state("waiting", 5)
    assert (report["health"], report["exit_code"], report["child"]) == ("waiting", 5, None)
    assert 30 < report["next_start_s"] <= 60
    last = report["restarts"]["last"][-1]
    assert (last["cause"], last["signal"], last["exit_code"]) == ("signal", 9, None)
    assert str(pid) not in dog.cli("status").stdout


def test_T01_pid_in_a_storm_is_of_a_process_that_was_there(dog: Watchdog) -> None:
    """It dies several times a second: each answer is right in itself, and comes at once."""
    dog.start("--quiet", "--no-heartbeat", "--restart-delay", "100ms", "--max-restarts", "unlimited",
              orders=("late 0.1", "exit 1"))  # fmt: skip
    began = {"running": 0, "waiting": 0}

    def look() -> bool:
        report = dog.status()
        assert (report["child"] is not None) == (report["state"] == "running"), report
        began[report["state"]] = began.get(report["state"], 0) + 1
        return began["running"] >= 3 and began["waiting"] >= 3

    wait_until(look, "both states several times", 40)


def test_T01_frozen_or_killed_watchdog_does_not_make_status_lie(dog: Watchdog) -> None:
    """The watchdog was killed, and then its program too: unsupervised, then stopped, whatever the file says."""
    process = dog.start("--no-heartbeat")
    pid = dog.ready()
    process.kill()
    process.wait()
    report = _agree(dog, "running", "unsupervised")
    assert report["child"]["pid"] == pid
    assert report["watchdog"] is None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the program")
    report = _agree(dog, "stopped", "not running")
    assert (report["child"], report["watchdog"]) == (None, None)
    assert "without a word" in report["note"]


def test_T01_zombie_is_not_alive(dog: Watchdog) -> None:
    """The program is dead and not reaped, for the watchdog is frozen: it is not shown as running."""
    process = dog.start("--no-heartbeat")
    pid = dog.ready()
    process.send_signal(signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", "a zombie")
    report = dog.status()
    assert (report["health"], report["exit_code"], report["child"]) == ("watchdog frozen", 5, None)
    process.send_signal(signal.SIGCONT)


def test_T02_nothing_was_ever_started(dog: Watchdog) -> None:
    """A fresh folder: 3, in all forms; and looking leaves nothing behind."""
    report = _agree(dog, "stopped", "not running")
    assert "nothing was ever started" in report["note"]
    assert os.listdir(dog.folder) == []


def test_T02_words_and_codes_of_a_life(dog: Watchdog) -> None:
    """Starting, healthy, degraded, paused, waiting, stopped: one word each in table and JSON, and its code."""
    dog.plan("silent", "beat 0.2")
    dog.start("--heartbeat", "heartbeat.json", "--restart-delay", "60s", "--start-grace", "60s")
    first = dog.ready()
    _agree(dog, "running", "starting")
    dog.order('beat 0.2 {"status": "degraded", "message": "no prices"}')
    assert _agree(dog, "running", "degraded")["note"] == "no prices"
    dog.order("beat 0.2")
    _agree(dog, "running", "healthy")
    dog.cli("pause")
    _agree(dog, "running", "paused")
    dog.cli("resume")
    _agree(dog, "running", "healthy")
    os.kill(first, signal.SIGKILL)
    _agree(dog, "waiting", "waiting")
    dog.cli("pause")
    _agree(dog, "paused", "paused")
    dog.stop()
    _agree(dog, "stopped", "not running")


def test_T02_words_of_giving_up_and_of_silence(dog: Watchdog) -> None:
    """Gave up, for good and with a slow retry; a program that nobody can judge; one that is being stopped."""
    dog.plan("exit 1", "exit 1", "exit 1", "exit 1", "silent;deaf")
    quick = ("--restart-delay", "50ms", "--max-restarts", "1")
    assert dog.start(*quick).wait(30) == 12
    _agree(dog, "gave up", "not running")
    process = dog.start(*quick, "--retry-after", "10m", "--heartbeat-timeout", "1s", "--stop-timeout", "30s")
    dog.fact("gave-up", 2)
    _agree(dog, "gave up", "not running")
    dog.cli("restart")
    dog.ready()
    report = _agree(dog, "running", "no heartbeat")
    assert "--no-heartbeat" in report["note"]
    process.terminate()
    _agree(dog, "stopping", "stopping")
    process.terminate()
    assert process.wait(20) == 0


def test_T03_hung_and_being_stopped_is_stale(dog: Watchdog) -> None:
    """It hangs and is deaf: while it is being stopped, health says why, and the code is not 0."""
    dog.start("--restart-delay", "200ms", "--stop-timeout", "8s", "--heartbeat-timeout", "2s", "--start-grace", "30s",
              orders=("deaf", "beat 0.2"))  # fmt: skip
    pid = dog.ready()
    dog.await_health("healthy")
    dog.order("block")
    assert _agree(dog, "stopping", "stale")["child"]["pid"] == pid


def test_T02_codes_stand_in_the_help(dog: Watchdog) -> None:
    """Nobody has to search for the codes."""
    for command in ("status", "check"):
        text = " ".join(dog.cli(command, "--help").stdout.split())
        for part in ("0 ", "3 ", "4 ", "5 "):
            assert part in text, (command, part)


def test_T02_json_has_its_fields_in_every_state(dog: Watchdog) -> None:
    """The same keys whether something runs or not, so that a program can read it without asking first."""
    empty = dog.status()
    dog.start("--heartbeat-timeout", "60s", orders=('beat 0.2 {"activeTokens": 3, "text": "مرحبا"}',))
    full = dog.await_health("healthy")
    assert set(empty) == set(full)
    assert {
        "version",
        "name",
        "state",
        "health",
        "exit_code",
        "watchdog",
        "child",
        "heartbeat",
        "restarts",
    } <= set(full)
    assert {"pid", "started_at"} <= set(full["watchdog"])
    assert {"pid", "started_at", "uptime_s", "cpu_percent", "rss_bytes", "command"} <= set(full["child"])
    assert {"file", "age_s", "timeout_s", "fields"} <= set(full["heartbeat"])
    assert {"in_window", "cap", "window_s", "total", "last"} <= set(full["restarts"])
    assert full["heartbeat"]["fields"] == {"activeTokens": 3, "text": "مرحبا"}
    assert full["version"] == 1
    assert full["child"]["rss_bytes"] > 1_000_000


def test_T02_hostile_heartbeat_cannot_steer_the_terminal(dog: Watchdog) -> None:
    """A message with escape codes and line ends is one harmless line of the table."""
    fields = json.dumps(
        {"status": "degraded", "message": "x\x1b[2Jy\nfake: healthy\r", "activeTokens": "\x07" * 9}
    )
    dog.start("--heartbeat-timeout", "60s", orders=(f"beat 0.2 {fields}",))
    dog.await_health("degraded")
    table = dog.cli("status").stdout
    assert not {"\x1b", "\x07", "\r"} & set(table)
    assert not any(line.startswith("fake") for line in table.splitlines())


def test_T02_status_all_shows_each_and_the_worst_code(dog: Watchdog) -> None:
    """Two names in one folder, one of them waiting: both are listed, and the code is that of the worse one."""
    dog.start("--no-heartbeat", "--name", "first")
    dog.run("--no-heartbeat", "--name", "second", "--restart-delay", "60s", "--", "false")
    wait_until(lambda: dog.cli("check", "--name", "first").returncode == 0, "the first")
    wait_until(lambda: "waiting" in dog.cli("status", "--name", "second").stdout, "the second waits")
    found = dog.cli("status", "--all", "--json")
    record = json.loads(found.stdout)
    assert found.returncode == 5
    assert record["version"] == 1
    assert {one["name"]: one["state"] for one in record["watchdogs"]} == {
        "first": "running",
        "second": "waiting",
    }
    assert dog.cli("stop", "--name", "first").returncode == 0
    lines = dog.cli("status", "--all").stdout.splitlines()
    assert lines[0].startswith("second: waiting")
    assert lines[-2:] == ["", f"first: stopped  {dog.folder}"], (
        "one at rest takes one line, behind the others"
    )
    assert dog.cli("stop", "--name", "second").returncode == 0


def test_T02_answer_goes_into_a_closed_pipe_without_noise(dog: Watchdog) -> None:
    """`watchdog status | head -0`: no traceback, no complaint."""
    line = f"'{BIN}/watchdog' status 2>noise | true"
    subprocess.run(["sh", "-c", line], cwd=dog.folder, env=dog.environment(), check=True, timeout=30)
    assert (dog.folder / "noise").read_text() == ""


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_T02_every_locale_can_be_written_to(dog: Watchdog, locale: str) -> None:
    """Other scripts in the heartbeat, and a terminal that knows ASCII only: the answer comes all the same."""
    dog.start(
        "--heartbeat-timeout", "60s", orders=('beat 0.2 {"message": "مرحبا é 日本", "status": "degraded"}',)
    )
    dog.await_health("degraded")
    plain = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words in (("status",), ("status", "--json"), ("config",), ("tail-log",)):
        found = dog.cli(*words, **plain)
        assert found.returncode == 0, found.stderr
        assert found.stderr == ""


def test_T03_process_and_health_are_two_facts(dog: Watchdog) -> None:
    """Its signs are old and nobody acts yet, for the watchdog is frozen: the process runs, health is not well."""
    process = dog.start(*QUICK, "--heartbeat-timeout", "2s", "--start-grace", "30s", orders=("beat 0.2",))
    pid = dog.ready()
    dog.await_health("healthy")
    dog.order("silent")
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    stays_true(lambda: Path(f"/proc/{pid}").exists(), "silence beyond the timeout", 3)
    report = dog.status()
    assert (report["state"], report["child"]["pid"], report["exit_code"]) == ("running", pid, 5)
    assert 2 < report["heartbeat"]["age_s"] < time.monotonic() - began + 10
    _agree(dog, "running", "watchdog frozen")
    process.send_signal(signal.SIGCONT)


def test_T03_age_is_shown_while_it_grows(dog: Watchdog) -> None:
    """A long limit: after the last beat its age grows from answer to answer and stands beside the limit."""
    dog.start("--heartbeat-timeout", "60s", orders=("beat 0.2",))
    dog.await_health("healthy")
    dog.order("silent")
    wait_until(lambda: dog.status()["heartbeat"]["age_s"] > 1.5, "a growing age")
    report = dog.status()
    assert (report["health"], report["heartbeat"]["timeout_s"]) == ("healthy", 60)
    assert "(limit 1m)" in dog.cli("status").stdout


def test_T03_last_seen_is_the_newest_sign_of_all(dog: Watchdog) -> None:
    """Nothing runs: the newest of journal, log and heartbeat, whatever that one is called, says when it was seen."""
    dog.start("--heartbeat", "my-beat", "--heartbeat-timeout", "60s", orders=("print hello", "beat 0.2"))
    dog.await_health("healthy")
    dog.stop()
    base = time.time()
    for number, name in enumerate((".watchdog/tracker/journal.jsonl", "logs/tracker.log", "my-beat")):
        os.utime(dog.folder / name, (base - 3000 + 1000 * number,) * 2)
    seen = dog.status()["last_seen_at"]
    assert abs(datetime.fromisoformat(seen).timestamp() - (base - 1000)) < 2
