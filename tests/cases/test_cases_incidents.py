"""Every unplanned end leaves what is needed to understand it (cases H10, L09, S07, K01)."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness import Watchdog
from rig import QUICK
from waiting import stays_true, wait_until

FREEZE = ("--heartbeat", "heartbeat.json", "--heartbeat-timeout", "1500ms", "--start-grace", "20s")
OWN = '{"dumpSignal": "SIGUSR1"}'


def incidents(dog: Watchdog) -> list[dict[str, Any]]:
    """As the command lists them, newest first."""
    found = dog.cli("incidents", "--json")
    assert found.returncode == 0, found.stderr
    records: list[dict[str, Any]] = json.loads(found.stdout)["incidents"]
    return records


def await_incidents(dog: Watchdog, count: int) -> list[dict[str, Any]]:
    """That many, when they are there."""
    wait_until(lambda: len(incidents(dog)) >= count, f"{count} incidents")
    return incidents(dog)


def text_of(dog: Watchdog, record: dict[str, Any], name: str) -> str:
    return (dog.folder / "logs" / "incidents" / record["id"] / name).read_text()


def assert_private(dog: Watchdog) -> None:
    for path in (dog.folder / "logs" / "incidents").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("orders", "source"),
    [
        (("dump-handler SIGUSR1", "threads 2", f"beat 0.2 {OWN}", "deaf", "note up"), "its own handler"),
        (("threads 2", "beat 0.2", "deaf", "note up"), "py-spy"),
    ],
)
def test_H10_stacks_of_a_freeze_are_stored(dog: Watchdog, orders: tuple[str, ...], source: str) -> None:
    """It hangs in stuck_here and is deaf: all threads are named, and it is gone within dump wait and stop timeout."""
    dog.start(*QUICK, *FREEZE, "--dump-timeout", "4s", "--max-restarts", "0", orders=orders)
    pid = dog.ready()
    wait_until((dog.folder / "up").exists, "its start")
    dog.order("block")
    hang = dog.fact("hang")
    ended = dog.fact("ended")
    assert ended["up"] - hang["up"] < 4 + 3 + 1
    assert not Path(f"/proc/{pid}").exists()
    [record] = await_incidents(dog, 1)
    assert record["cause"] == "hang"
    assert record["forced"] is True
    assert record["stacks"]["source"] == source
    stacks = text_of(dog, record, "stacks.txt")
    assert stacks.count("stuck_here") >= 3
    assert stacks.lower().count("thread ") >= 3
    assert record["process"]["threads"] == 3
    assert "heartbeat.json" not in stacks
    assert record["silent_s"] >= 1.4
    shown = dog.cli("incidents", "last").stdout
    assert "stuck_here" in shown
    assert f"Stacks, by {source}" in shown
    assert_private(dog)


def test_H10_without_any_means_it_is_said_and_costs_no_time(dog: Watchdog) -> None:
    """A frozen shell: no stacks, one sentence why, and the process facts are there."""
    program = ["/bin/sh", "-c", "touch heartbeat.json; while :; do sleep 1; done"]
    dog.run(*QUICK, *FREEZE, "--dump-timeout", "20s", "--max-restarts", "0", "--", *program)
    hang = dog.fact("hang")
    assert dog.fact("stopping")["up"] - hang["up"] < 5
    [record] = await_incidents(dog, 1)
    assert record["stacks"]["source"] == "none"
    assert "no Python program" in record["stacks"]["note"]
    assert "Threads: 1" in text_of(dog, record, "process.txt")


def test_L09_the_last_lines_before_a_hard_end_are_kept(dog: Watchdog) -> None:
    """A hundred lines and os._exit(1): the incident has them in order, and none of another run."""
    text = "\\n".join(f"line {number}" for number in range(100))
    dog.plan(f"print {text};exit 1", "print the next run;silent")
    dog.start("--no-heartbeat", "--restart-delay", "0")
    dog.ready()
    [record] = await_incidents(dog, 1)
    assert text_of(dog, record, "log.txt").splitlines()[-50:] == [
        f"line {number}" for number in range(50, 100)
    ]
    assert "the next run" not in text_of(dog, record, "log.txt")
    assert record["last_line"] == "line 99"
    assert "starting again now" in record["decision"]
    assert [entry["fact"] for entry in record["timeline"]][-2:] == ["ended", "restarting"]


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGBUS"])
def test_S07_each_death_has_its_reason(dog: Watchdog, name: str) -> None:
    """The name of the signal is in the record, in the list and in what a person reads."""
    dog.plan(f"die {name}", "silent")
    dog.start("--no-heartbeat", *QUICK)
    [record] = await_incidents(dog, 1)
    assert (record["cause"], record["signal"]) == ("signal", signal.Signals[name].value)
    assert record["text"] == f"killed by {name}"
    assert f"killed by {name}" in dog.cli("incidents").stdout
    assert ("kill -9" in dog.cli("incidents", "last").stdout) == (name == "SIGKILL")


def test_S07_a_memory_limit_has_its_reason_and_numbers(dog: Watchdog) -> None:
    """Ended for its memory: the cause is memory."""
    dog.plan("grow 150;beat 0.3", "silent")
    dog.start(*QUICK, "--memory-limit", "100MB")
    [record] = await_incidents(dog, 1)
    assert record["cause"] == "memory"
    assert any(entry["fact"] == "memory" for entry in record["timeline"])


def test_K01_the_last_incident_of_a_crash_loop_says_that_it_gave_up(dog: Watchdog) -> None:
    """Exit code 12, and the newest incident carries the decision."""
    process = dog.start(
        "--no-heartbeat", "--restart-delay", "50ms", "--max-restarts", "3", orders=("exit 9",)
    )
    assert process.wait(40) == 12
    records = incidents(dog)
    assert [record["number"] for record in records] == [4, 3, 2, 1]
    assert "GAVE UP" in records[0]["decision"]
    assert {record["exit_code"] for record in records} == {9}


def test_a_storm_keeps_twenty_and_loses_no_restart(dog: Watchdog) -> None:
    """Sixty crashes in a row: the newest runs are kept, twenty of them at most, each whole."""
    process = dog.start("--no-heartbeat", "--restart-delay", "0", "--max-restarts", "60", orders=("exit 1",))
    assert process.wait(50) == 12
    assert len(dog.stamps()) == 61
    records = incidents(dog)
    assert len(records) == 20
    assert all(text_of(dog, record, "summary.txt").startswith("exit code 1") for record in records)
    assert records[0]["number"] == 61
    assert "GAVE UP" in records[0]["decision"]
    assert sum(1 + record.get("left_out", 0) for record in records) >= 40


def test_what_a_person_ends_is_no_incident(dog: Watchdog) -> None:
    """Restarts and the stop that were asked for leave no folder."""
    process = dog.start("--no-heartbeat", *QUICK)
    dog.ready()
    for _ in range(3):
        assert dog.cli("restart").returncode == 0
    dog.stop()
    assert process.wait(20) == 0
    assert incidents(dog) == []
    assert not (dog.folder / "logs" / "incidents").exists()
    assert "No incidents" in dog.cli("incidents").stdout


def test_a_place_that_cannot_be_written_holds_up_nothing(dog: Watchdog) -> None:
    """A file lies where the folder should be: restarts go on in time, it is said once, and healed later."""
    (dog.folder / "logs").mkdir()
    (dog.folder / "logs" / "incidents").write_text("in the way")
    dog.start("--no-heartbeat", "--restart-delay", "100ms", "--max-restarts", "unlimited")
    pid = dog.ready()
    for _ in range(3):
        os.kill(pid, signal.SIGKILL)
        pid = dog.ready(other_than=pid)
    said = wait_until(
        lambda: [fact for fact in dog.facts("notice") if fact["topic"] == "sink"], "a word about it"
    )
    assert len(said) == 1
    assert "incidents" in said[0]["message"]
    gaps = [fact["delay_s"] for fact in dog.facts("restarting")]
    assert gaps == [0.1] * 3
    (dog.folder / "logs" / "incidents").unlink()
    os.kill(pid, signal.SIGKILL)
    assert await_incidents(dog, 1)[0]["text"] == "killed by SIGKILL"


def test_a_frozen_disk_holds_up_no_restart(dog: Watchdog) -> None:
    """The folder of incidents is a pipe that nobody reads: the sink hangs in it or fails, supervision does not."""
    (dog.folder / "logs").mkdir()
    os.mkfifo(dog.folder / "logs" / "incidents")
    dog.start("--no-heartbeat", "--restart-delay", "0", "--max-restarts", "unlimited")
    pid = dog.ready()
    began = time.monotonic()
    for _ in range(5):
        os.kill(pid, signal.SIGKILL)
        pid = dog.ready(other_than=pid)
    assert time.monotonic() - began < 15
    stays_true(lambda: Path(f"/proc/{pid}").exists(), "the program lives", 0.3)


def test_an_end_that_nobody_saw_is_an_incident(dog: Watchdog) -> None:
    """Watchdog and program were both killed: the next watchdog keeps what was printed last."""
    first = dog.start("--no-heartbeat", *QUICK, orders=("print before the cut",))
    pid = dog.ready()
    wait_until(lambda: "before the cut" in dog.log(), "the line in the log")
    first.kill()
    os.kill(pid, signal.SIGKILL)
    first.wait()
    wait_until(lambda: not dog.tagged(), "the end of both")
    dog.start("--no-heartbeat", *QUICK)
    [record] = await_incidents(dog, 1)
    assert record["cause"] == "unseen"
    assert record["number"] == 1
    assert "before the cut" in text_of(dog, record, "log.txt")


def test_one_incident_is_found_by_any_part_of_its_name(dog: Watchdog) -> None:
    """The whole name, a part that only one has, or last; what fits several or none is a wrong argument."""
    dog.plan("exit 1", "die SIGSEGV", "silent")
    dog.start("--no-heartbeat", *QUICK)
    records = await_incidents(dog, 2)
    assert dog.cli("incidents", records[1]["id"]).stdout.startswith(records[1]["id"])
    assert dog.cli("incidents", "signal").stdout.startswith(records[0]["id"])
    assert dog.cli("incidents", "last").stdout.startswith(records[0]["id"])
    for wrong in ("nothing", "2", "../.."):
        found = dog.cli("incidents", wrong)
        assert found.returncode == 2
        assert found.stderr.startswith("Error: ")
        assert found.stderr.count("\n") == 1
