"""``watchdog report`` as people and programs use it."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clock_shim.wall_clock import HOUR_S, WallClock
from harness import Watchdog
from rig import BIN, Rig
from waiting import wait_until
from watchdog_cli.core.samples import head_line, life_tag, sample_line

HOUR = 3600.0
DAY = 24 * HOUR
LIFE = "00000000.4711.1000"  # of a boot that is over
UP_AT_START = 1000.0


class Past:
    """A history that is written by hand; times are seconds before now."""

    def __init__(self, folder: Path, begin_s: float) -> None:
        self.state = folder / ".watchdog" / "tracker"
        self.state.mkdir(parents=True, exist_ok=True)
        self.now = time.time()
        self.begin_s = begin_s
        self.seq = 0
        self.lines: list[str] = []
        self.samples: list[str] = []

    def up(self, ago_s: float) -> float:
        """Seconds since that boot."""
        return UP_AT_START + self.begin_s - ago_s

    def fact(self, ago_s: float, kind: str, **more: Any) -> None:
        """Add a fact."""
        self.seq += 1
        at = datetime.fromtimestamp(self.now - ago_s, UTC).isoformat(timespec="milliseconds")
        record = {"v": 1, "seq": self.seq, "at": at, "fact": kind, **more, "text": "for people"}
        self.lines.append(json.dumps(record | {"up": self.up(ago_s), "life": LIFE}))

    def sample(
        self, run: int, begin_s: float, end_s: float, *, rss: float = 20_000, growth: float = 0.0
    ) -> None:
        """Add samples of a run from ``begin_s`` to ``end_s`` before now; ``growth`` is in KiB an hour."""
        ago, left = begin_s, 0
        while ago > end_s:
            if not left:
                wall = int(self.now - ago)
                self.samples.append(head_line(int(self.up(ago)), wall, life_tag(LIFE), run))
                left = 20
            level = int(rss + growth * (begin_s - ago) / HOUR)
            self.samples.append(sample_line(0 if ago == begin_s else 15, level, 30, 7))
            ago, left = ago - 15, left - 1

    def write(self) -> None:
        """Put it where the watchdog would."""
        (self.state / "journal.jsonl").write_text("".join(f"{line}\n" for line in self.lines))
        (self.state / "samples").write_text("".join(self.samples))


def report(rig: Rig, *words: str, **more: str) -> dict[str, Any]:
    """``report --json``, which must succeed."""
    found = rig.cli("report", "--json", *words, **more)
    assert found.returncode == 0, found.stderr
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def window(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """One of its windows."""
    found: dict[str, Any] = next(one for one in answer["uptime"] if one["window"] == name)
    return found


@pytest.fixture
def past(rig: Rig) -> Past:
    """Two days: 36 s down after a crash 30 hours ago, an hour down after a hang 10 hours ago, stopped an hour ago."""
    made = Past(rig.folder, 2 * DAY)
    made.fact(48 * HOUR, "spawned", number=1)
    made.fact(30 * HOUR, "ended", number=1, cause="exit", exit_code=3, signal=None)
    made.fact(30 * HOUR - 36, "spawned", number=2)
    made.fact(9 * HOUR, "hang", number=2, silent_s=HOUR)
    made.fact(9 * HOUR, "ended", number=2, cause="hang", exit_code=None, signal=15)
    made.fact(9 * HOUR, "spawned", number=3)
    made.fact(HOUR, "stopping", number=3)
    made.fact(HOUR, "ended", number=3, cause="asked-stop", exit_code=0, signal=None)
    made.fact(HOUR, "finished", why="stopped as asked", exit_code=0)
    made.sample(1, 48 * HOUR, 30 * HOUR)
    made.sample(2, 30 * HOUR - 36, 9 * HOUR)
    made.sample(3, 9 * HOUR, HOUR, growth=4000)
    made.write()
    return made


def test_numbers_of_a_known_past(rig: Rig, past: Past) -> None:
    """Uptime, failures and their means are those that a person would compute by hand."""
    answer = report(rig, "--since", "49h")
    day, both = window(answer, "24h"), window(answer, "49h")
    assert day["down_s"] == pytest.approx(HOUR, abs=2)
    assert day["planned_s"] == pytest.approx(HOUR, abs=5)
    assert day["percent"] == pytest.approx(100 * 22 / 23, abs=0.01)
    assert both["down_s"] == pytest.approx(HOUR + 36, abs=2)
    assert both["failures"] == 2
    assert both["mtbf_s"] == pytest.approx((46 * HOUR - 36) / 2, abs=5)
    assert both["mttr_s"] == pytest.approx((HOUR + 36) / 2, abs=2)
    assert [(one["cause"], one["count"]) for one in answer["causes"]] == [("exit", 1), ("hang", 1)]
    assert answer["longest_outage"]["length_s"] == pytest.approx(HOUR, abs=2)
    assert (answer["version"], answer["starts"], answer["last_failure"]["cause"]) == (1, 3, "hang")


def test_goal_is_met_or_missed(rig: Rig, past: Past) -> None:
    """The same past meets a goal of 95 % and misses one of 99 %, with the time that is left or too much."""
    modest, high = report(rig, "--goal", "95"), report(rig, "--goal", "99")
    assert (window(modest, "24h")["meets_goal"], window(high, "24h")["meets_goal"]) == (True, False)
    assert window(modest, "24h")["budget_left_s"] == pytest.approx(0.05 * 23 * HOUR - HOUR, abs=2)
    assert window(high, "24h")["budget_left_s"] < 0


def test_history_that_is_shorter_than_the_window(rig: Rig, past: Past) -> None:
    """What lies before the first fact belongs to nothing: it is neither up nor down nor unknown."""
    month = window(report(rig), "30d")
    assert month["covered_s"] == pytest.approx(48 * HOUR, abs=5)
    assert month["up_s"] + month["down_s"] + month["planned_s"] + month["unknown_s"] == pytest.approx(
        48 * HOUR, abs=5
    )


def test_growing_memory_is_warned_of(rig: Rig, past: Past) -> None:
    """Four megabytes an hour over the last run is a growth, in JSON and in words."""
    growth = report(rig)["memory_growth"]
    assert growth["growing"] is True
    assert growth["bytes_per_hour"] == pytest.approx(4000 * 1024, rel=0.05)
    assert "memory has been growing for" in rig.cli("report").stdout


def test_charts_hold_what_was_measured(rig: Rig, past: Past) -> None:
    """Memory and CPU come in parts of the time that was asked for; parts without samples are empty."""
    answer = report(rig, "--since", "4d")
    memory = [one["bytes"] for one in answer["memory"]]
    assert len(memory) == len(answer["cpu"]) == 60
    assert memory[:28] == [None] * 28, "the first two days are older than the history"
    assert memory[32] == pytest.approx(20_000 * 1024, rel=0.01)
    cpu = [one["percent"] for one in answer["cpu"] if one["percent"] is not None]
    assert all(1.9 <= one <= 2.1 for one in cpu)


def test_plain_text_where_no_terminal_is(rig: Rig, past: Past) -> None:
    """Into a pipe goes text without escape sequences, with charts of a fixed width and all that matters."""
    text = rig.cli("report", "--since", "2d").stdout
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 110
    for words in ("tracker: up 97.", "exit code 3", "froze (its heartbeat went silent)", "stopped or paused"):
        assert words in text


def test_output_that_cannot_show_blocks(rig: Rig, past: Past) -> None:
    """Under a plain ASCII locale the charts are drawn with plain characters, not with question marks."""
    text = rig.cli("report", "--since", "2d", PYTHONIOENCODING="ascii").stdout
    timeline = next(line for line in text.splitlines() if "timeline" in line)
    assert text.isascii()
    assert "?" not in text
    assert {"#", "X", "="} <= set(timeline)


@pytest.mark.parametrize("columns", [40, 100, 300])
def test_terminal_gets_colours_and_its_own_width(rig: Rig, past: Past, columns: int) -> None:
    """On a terminal the chart fits the screen and is in colours."""
    leader, follower = pty.openpty()
    environment = rig.environment(COLUMNS=str(columns), TERM="xterm-256color")
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [str(BIN / "watchdog"), "report"], cwd=rig.folder, env=environment, stdout=follower, stderr=follower
    )
    os.close(follower)
    output = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        output += piece
    os.close(leader)
    assert process.wait(20) == 0
    text = output.decode()
    assert "\x1b[32m" in text, "up time is green"
    timeline = next(line for line in text.splitlines() if "timeline" in line)
    assert timeline.count("█") + timeline.count("▒") <= min(columns, 120)


def test_nothing_was_ever_noted(rig: Rig) -> None:
    """Without a history there is one line that says what to do, and exit code 3."""
    found = rig.cli("report")
    assert (found.returncode, found.stdout) == (3, "")
    assert "nothing was ever noted" in found.stderr
    assert "watchdog run" in found.stderr


@pytest.mark.parametrize(
    "words", [("--since", "x"), ("--since", "1s"), ("--since", "9999d"), ("--goal", "101"), ("--goal", "nan")]
)
def test_wrong_options(rig: Rig, words: tuple[str, str]) -> None:
    """A time or a goal that makes no sense is exit code 2 and names the option."""
    found = rig.cli("report", *words)
    assert found.returncode == 2
    assert words[0] in found.stderr


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\x00" * 5000,
        b"[1, 2]\n",
        b'{"seq": "x"}\n' * 50,
        os.urandom(20_000),
        b"A A A A\n1 2 3 4\n" * 100,
    ],
    ids=["empty", "zeros", "no objects", "bad numbers", "noise", "words"],
)
def test_damaged_files_still_give_an_answer(rig: Rig, past: Past, damage: bytes) -> None:
    """Whatever was done to journal and samples, the report says what it can and ends with 0."""
    (past.state / "samples").write_bytes(damage)
    first = report(rig)
    assert window(first, "24h")["failures"] == 1
    (past.state / "journal.jsonl.1").write_bytes((past.state / "journal.jsonl").read_bytes()[:-200])
    (past.state / "journal.jsonl").write_bytes(damage)
    assert report(rig)["version"] == 1
    assert rig.cli("report").returncode == 0
    for name in ("journal.jsonl", "journal.jsonl.1"):  # the rig wants to read all that a watchdog wrote
        (past.state / name).unlink()


def test_part_of_the_journal_is_lost(rig: Rig, past: Past) -> None:
    """Damage in the middle of the journal makes the time around it unknown, never up."""
    lines = (past.state / "journal.jsonl").read_text().splitlines(keepends=True)
    del lines[1:5]
    (past.state / "journal.jsonl").write_text("".join(lines))
    (past.state / "samples").unlink()
    both = window(report(rig, "--since", "2d"), "2d")
    assert both["unknown_s"] == pytest.approx(39 * HOUR, abs=5)
    assert both["up_s"] == pytest.approx(8 * HOUR, abs=5)


# --- a real watchdog ---------------------------------------------------------------------------------------


def test_crash_and_hang_of_a_real_program(dog: Watchdog) -> None:
    """A crash and a freeze under a real watchdog are in the report with cause and downtime."""
    dog.plan("beat 0.1; exit 3", "beat 0.1", "beat 0.1")
    dog.start(
        "--heartbeat-timeout", "1s", "--restart-delay", "300ms", "--stop-timeout", "2s", "--dump-timeout", "0"
    )
    dog.fact("spawned", 2)
    dog.fact("healthy", 2)
    dog.order("silent")
    dog.fact("spawned", 3)
    dog.healthy()
    answer = report(dog)
    assert sorted(one["cause"] for one in answer["causes"]) == ["exit", "hang"]
    day = window(answer, "24h")
    assert day["failures"] == 2
    assert day["down_s"] >= 1.0 + 2 * 0.3, "silence and both delays"
    assert day["unknown_s"] == 0
    assert answer["longest_outage"]["length_s"] >= 1.3
    dog.stop()
    assert report(dog)["causes"] == answer["causes"], "a stop by hand is no failure"


def test_killed_watchdog_is_unknown_and_then_up_again(dog: Watchdog) -> None:
    """After a kill -9 of the watchdog nothing is claimed until the next one takes the program over."""
    first = dog.start("--no-heartbeat", orders=("beat 0.1",))
    dog.ready()
    dog.healthy()
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = window(report(dog), "24h")
    wait_until(
        lambda: window(report(dog), "24h")["unknown_s"] > before["unknown_s"] + 1, "time that nobody watches"
    )
    assert window(report(dog), "24h")["up_s"] == pytest.approx(before["up_s"], abs=0.01)
    dog.start("--no-heartbeat", orders=("beat 0.1",))
    dog.fact("adopted")
    after = wait_until(
        lambda: (one := window(report(dog), "24h"))["up_s"] > before["up_s"] + 0.5 and one,
        "time that is up again",
    )
    assert after["down_s"] == 0
    assert after["failures"] == 0
    kinds = [span["kind"] for span in report(dog)["spans"]]
    assert kinds == ["up", "unknown", "up"]
    dog.stop()


def test_pause_is_planned(dog: Watchdog) -> None:
    """What ends while somebody works on it is no failure, and the time is planned."""
    dog.start("--restart-delay", "100ms", "--no-heartbeat", orders=("beat 0.1",))
    pid = dog.ready()
    assert dog.cli("pause").returncode == 0
    os.kill(pid, signal.SIGKILL)
    dog.fact("ended")
    assert dog.cli("resume").returncode == 0
    dog.ready(other_than=pid)
    answer = report(dog)
    assert answer["causes"] == []
    assert window(answer, "24h")["down_s"] == 0
    assert window(answer, "24h")["planned_s"] > 0
    dog.stop()


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_step_of_the_clock_makes_no_time(dog: Watchdog, tmp_path: Path, step_s: float) -> None:
    """An hour that the clock jumps was neither up nor down, and nothing is negative."""
    (tmp_path / "clock").mkdir()
    clock = WallClock(tmp_path / "clock")
    begun = time.monotonic()
    dog.start("--restart-delay", "200ms", "--no-heartbeat", orders=("beat 0.1",), **clock.environment)
    pid = dog.ready()
    clock.step(step_s)
    os.kill(pid, signal.SIGKILL)
    dog.ready(other_than=pid)
    answer = report(dog, **clock.environment)
    took = time.monotonic() - begun
    day = window(answer, "24h")
    assert 0.2 <= day["down_s"] <= took
    assert 0 < day["up_s"] <= took
    assert day["unknown_s"] == 0
    assert all(span["length_s"] > 0 for span in answer["spans"])
    assert answer["clock_steps"] == 1
    assert "was set once" in dog.cli("report", **clock.environment).stdout
    dog.stop()


@pytest.mark.slow
def test_samples_are_taken_while_it_runs_and_bound_the_unknown(dog: Watchdog) -> None:
    """After 15 seconds there is a sample: it is in the report, and a kill -9 is unknown from it on, not earlier."""
    first = dog.start("--no-heartbeat", orders=("beat 0.5",))
    dog.ready()
    last = dog.healthy()["child"]["pid"]
    samples = dog.folder / ".watchdog" / "tracker" / "samples"
    wait_until(lambda: samples.exists() and samples.read_text().count("\n") >= 2, "a first sample", 40)
    assert samples.stat().st_mode & 0o777 == 0o600
    first.send_signal(signal.SIGKILL)
    first.wait()
    answer = report(dog, "--since", "1m")
    assert window(answer, "24h")["up_s"] >= 14
    assert max(one["bytes"] or 0 for one in answer["memory"]) > 1_000_000
    assert dog.status()["child"]["pid"] == last
    dog.stop()


def test_history_off_takes_no_samples(dog: Watchdog) -> None:
    """With the setting off nothing is measured; uptime is still told from the facts, and the report says so."""
    dog.start("--no-history", "--no-heartbeat", orders=("beat 0.1",))
    dog.ready()
    dog.healthy()
    process = dog.started[0]
    threads = os.listdir(f"/proc/{process.pid}/task")
    assert not (dog.folder / ".watchdog" / "tracker" / "samples").exists()
    assert len(threads) <= 4
    assert window(report(dog), "24h")["up_s"] > 0
    assert "never measured" in dog.cli("report").stdout
    dog.stop()


def test_a_machine_that_only_stood_by_is_not_at_zero(rig: Rig) -> None:
    """There is no percentage of it, in words, in the chart and for programs; and it is not called unknown."""
    past = Past(rig.folder, 4 * HOUR)
    past.fact(4 * HOUR, "standing-by")
    past.fact(HOUR, "lease-gained")
    past.fact(HOUR, "spawned", number=1)
    past.fact(HOUR / 2, "lease-lost", why="it ran out")
    past.fact(HOUR / 2, "ended", number=1, cause="lease", exit_code=None, signal=15)
    past.fact(HOUR / 2, "standing-by")
    past.fact(HOUR / 4, "finished", why="stopped as asked", exit_code=0)
    past.write()
    answer = report(rig, "--since", "4h")
    found = window(answer, "4h")
    assert found["standby_s"] == pytest.approx(3.25 * HOUR, abs=5)
    assert (found["percent"], found["failures"], answer["longest_outage"]) == (100.0, 0, None)
    assert {span["kind"] for span in answer["spans"]} == {"up", "standby", "planned"}
    shown = rig.cli("report", "--since", "4h").stdout
    assert re.search(r"3h 1[45]m standing by, while it could run on another machine; not counted", shown)
    assert "░ standing by" in shown
    later = rig.cli("report", "--since", "20m").stdout.splitlines()[0]
    assert later == "tracker: only stood by in the last 20m"
