"""Restart storms, caps, delays and pauses (cases R01 to R12)."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from harness import Watchdog
from rig import BIN, QUICK
from waiting import stays_true, wait_until

PLAIN = ("--no-heartbeat", *QUICK)


def _gaps(dog: Watchdog) -> list[float]:
    """Seconds from each end to the next begin."""
    return [begin[1] - end[1] for end, begin in zip(dog.stamps("end"), dog.stamps()[1:], strict=False)]


def test_R01_each_start_waits_for_the_delay_and_the_cap_ends_it(dog: Watchdog) -> None:
    """It exits at once: gaps of at least the delay, exactly ten restarts, a plain reason, and no start afterwards."""
    process = dog.start(
        "--no-heartbeat", "--restart-delay", "300ms", "--restart-window", "60s", orders=("exit 3",)
    )
    assert process.wait(50) == 12
    assert len(dog.stamps()) == 11
    assert min(_gaps(dog)) >= 0.3
    report = dog.status()
    assert (report["state"], report["exit_code"]) == ("gave up", 3)
    assert (report["restarts"]["in_window"], report["restarts"]["total"]) == (10, 10)
    assert "GAVE UP: 10 restarts within 1m did not help; last: exit code 3" in dog.printed()
    gave_up = dog.fact("gave-up")
    assert (gave_up["restarts"], gave_up["reason"]) == (10, "exit code 3")
    stays_true(lambda: len(dog.stamps()) == 11, "no further start", 1)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_R01_defaults_are_five_seconds_and_ten_in_five_minutes(dog: Watchdog) -> None:
    """Without any option: eleven starts five seconds apart, then it gives up with code 12."""
    process = dog.start(orders=("exit 1",))
    assert process.wait(120) == 12
    assert len(dog.stamps()) == 11
    gaps = _gaps(dog)
    assert min(gaps) >= 5
    assert sorted(gaps)[5] < 6
    assert "GAVE UP: 10 restarts within 5m did not help" in dog.printed()


def test_R01_delay_counts_from_the_empty_tree(dog: Watchdog) -> None:
    """The leader dies at once, another member needs its time: the delay begins when that one is gone too."""
    dog.plan("deaf-daemon;exit 1", "silent")
    dog.start("--no-heartbeat", "--restart-delay", "1s", "--stop-timeout", "1500ms")
    wait_until(lambda: len(dog.stamps()) == 2, "the second run")
    assert dog.stamps()[1][1] - dog.stamps("end")[0][1] >= 2.5
    member = dog.pids("members")[0]
    assert not Path(f"/proc/{member}").exists()


@pytest.mark.parametrize("lives_s", ["0.2", "1.5"])
def test_R02_every_restart_counts_however_long_the_run(dog: Watchdog, lives_s: str) -> None:
    """It lives a short or a long while, and beats: within the window each death counts, and the cap comes on time."""
    process = dog.start("--restart-delay", "100ms", "--max-restarts", "4", "--restart-window", "60s",
                        orders=("beat 0.1", f"late {lives_s}", "exit 1"))  # fmt: skip
    assert process.wait(50) == 12
    assert len(dog.stamps()) == 5


def test_R03_crash_hang_and_spawn_failure_feed_one_window(dog: Watchdog) -> None:
    """A crash, a hang, a spawn failure and a signal: the cap of four is reached by all of them together."""
    bot = dog.write("bot", f"#!/bin/sh\nexec {' '.join(dog.command())}\n")
    bot.chmod(0o755)
    dog.plan(
        "exit 1", "beat 0.1;late 0.5;note hangs;block", "beat 0.1;late 0.5;die SIGSEGV", "beat 0.1;exit 9"
    )
    process = dog.run(
        *("--restart-delay", "600ms", "--stop-timeout", "2s", "--dump-timeout", "0", "--start-grace", "30s"),
        *("--heartbeat-timeout", "1500ms", "--max-restarts", "4", "--restart-window", "120s", "--", "./bot"),
    )
    wait_until((dog.folder / "hangs").exists, "the hang")
    bot.chmod(0o644)
    dog.fact("spawn-failed")
    assert "chmod +x ./bot" in dog.own_log()
    bot.chmod(0o755)
    assert process.wait(50) == 12
    causes = [run["cause"] for run in dog.status()["restarts"]["last"]]
    assert causes == ["exit", "hang", "spawn", "signal", "exit"]
    assert dog.status()["restarts"]["in_window"] == 4


def test_R03_program_that_never_beat_and_never_starts_again_reaches_the_cap(dog: Watchdog) -> None:
    """Exit, a hang before the first beat, exit, and then it cannot be started any more: all of them count."""
    bot = dog.write(
        "bot.sh",
        "#!/bin/sh\necho x >>lives\n"
        "case $(wc -l <lives) in 1) exit 3;; 2) exec sleep 600;; 3) chmod -x bot.sh; exit 4;; *) exit 5;; esac\n",
    )
    bot.chmod(0o755)
    process = dog.run(*QUICK, "--heartbeat", "beat", "--heartbeat-timeout", "1s", "--max-restarts", "4",
                      "--restart-window", "60s", "--", "./bot.sh")  # fmt: skip
    assert process.wait(40) == 12
    causes = [run["cause"] for run in dog.status()["restarts"]["last"]]
    assert causes == ["exit", "never-beat", "exit", "spawn", "spawn"]


def test_R04_window_forgets_and_the_total_does_not(dog: Watchdog) -> None:
    """Cap 3 in 2.5 s, a death each second: twelve of them never reach it, and the total says twelve."""
    dog.plan(*["late 0.9;exit 1"] * 12, "silent")
    dog.start(
        "--no-heartbeat", "--restart-delay", "100ms", "--max-restarts", "3", "--restart-window", "2500ms"
    )
    wait_until(lambda: len(dog.stamps()) == 13, "the 13th run", 50)
    assert not dog.facts("gave-up")
    report = dog.await_health("healthy")
    assert report["restarts"]["total"] == 12
    wait_until(lambda: dog.status()["restarts"]["in_window"] == 0, "an empty window")


def test_R07_asked_restarts_neither_count_nor_alarm(dog: Watchdog) -> None:
    """Twelve asked restarts: total and window stay, nothing alarming is said; then the whole cap is left for deaths."""
    dog.start("--no-heartbeat", "--restart-delay", "100ms", "--max-restarts", "3", "--stop-timeout", "5s")
    for _ in range(12):
        before = dog.ready()
        assert dog.cli("restart").returncode == 0
        dog.ready(other_than=before)
    report = dog.status()
    assert (report["restarts"]["in_window"], report["restarts"]["total"]) == (0, 0)
    assert len(dog.pids("CLEAN")) == 12
    assert not dog.facts("restarting", "gave-up", "recovered")
    for number in range(3):
        before = dog.ready()
        os.kill(before, 9)
        dog.ready(other_than=before)
        assert len(dog.facts("restarting")) == number + 1
    os.kill(dog.ready(), 9)
    dog.fact("gave-up")


def test_R07_asked_restart_in_the_delay_starts_at_once(dog: Watchdog) -> None:
    """A person does not wait for a delay of a minute."""
    dog.start("--no-heartbeat", "--restart-delay", "60s", "--stop-timeout", "5s")
    first = dog.ready()
    os.kill(first, 9)
    report = dog.await_state("waiting")
    assert 40 < report["next_start_s"] <= 60
    began = time.monotonic()
    assert dog.cli("restart").returncode == 0
    second = dog.ready(other_than=first)
    assert time.monotonic() - began < 15
    assert dog.child_pid() == second
    assert dog.status()["restarts"]["in_window"] == 0


def test_R08_start_by_a_person_clears_the_window(dog: Watchdog) -> None:
    """It gave up and ended; mended and run again it has the whole cap, and the total goes on."""
    dog.plan("exit 1", "exit 1", "exit 1", "exit 1", "beat 0.2")
    limits = ("--restart-delay", "50ms", "--max-restarts", "2", "--start-grace", "30s")
    assert dog.start(*limits).wait(30) == 12
    assert dog.status()["restarts"]["in_window"] == 2
    dog.start(*limits)
    wait_until(lambda: len(dog.stamps()) == 5, "the fifth run")
    report = dog.await_health("healthy")
    assert report["state"] == "running"
    assert report["restarts"]["in_window"] == 1
    assert report["restarts"]["total"] == 3
    assert dog.fact("recovered")["number"] == 5


def test_R08_restart_after_giving_up_heals_at_once(dog: Watchdog) -> None:
    """It gave up and stays (--retry-after); `restart` starts it now with an empty window, and the incident ends."""
    dog.plan("exit 1", "exit 1", "beat 0.2")
    dog.start(
        "--restart-delay", "50ms", "--max-restarts", "1", "--retry-after", "10m", "--start-grace", "30s"
    )
    dog.fact("gave-up")
    report = dog.status()
    assert (report["state"], report["exit_code"]) == ("gave up", 3)
    assert 500 < report["next_start_s"] <= 600
    assert dog.cli("restart").returncode == 0
    report = dog.await_health("healthy")
    assert report["restarts"]["in_window"] == 0
    assert dog.fact("recovered")["number"] == 3


@pytest.mark.parametrize(
    ("rule", "codes"), [("always", (0, 0, 3)), ("on-failure", (3, 4, 0)), ("never", (5,))]
)
def test_R11_three_rules_of_restarting(dog: Watchdog, rule: str, codes: tuple[int, ...]) -> None:
    """After each end, until a clean one, or never: then the code of the program is that of the watchdog."""
    dog.plan(*[f"exit {code}" for code in codes])
    cap = () if rule == "never" else ("--max-restarts", "2", "--restart-delay", "200ms")
    process = dog.start("--no-heartbeat", "--restart", rule, *cap)
    assert process.wait(30) == (12 if rule == "always" else codes[-1])
    assert [fact["exit_code"] for fact in dog.facts("ended")] == list(codes)
    assert all(gap >= 0.2 for gap in _gaps(dog))


def test_R11_hang_is_a_failure_even_when_it_ends_with_0(dog: Watchdog) -> None:
    """A frozen program that ends cleanly when it is asked to is started again by on-failure."""
    dog.plan("beat 0.2;late 0.5;silent", "beat 0.2")
    dog.start(*QUICK, "--restart", "on-failure", "--heartbeat-timeout", "1500ms", "--start-grace", "30s")
    wait_until(lambda: len(dog.stamps()) == 2, "the second run")
    ended = dog.fact("ended")
    assert (ended["cause"], ended["exit_code"]) == ("hang", 0)
    dog.await_health("healthy")


def test_R12_pause_judges_nobody_and_gives_full_time_afterwards(dog: Watchdog) -> None:
    """Paused, it may be silent for many timeouts; after `resume` it has one full timeout, and then it is a hang."""
    dog.start(*QUICK, "--heartbeat-timeout", "2s", "--start-grace", "30s", orders=("beat 0.2",))
    dog.await_health("healthy")
    assert dog.cli("pause").returncode == 0
    report = dog.status()
    assert (report["health"], report["exit_code"]) == ("paused", 5)
    dog.order("silent")
    stays_true(lambda: not dog.facts("hang", "ended"), "nobody is judged", 5)
    began = time.monotonic()
    assert dog.cli("resume").returncode == 0
    dog.fact("hang")
    assert time.monotonic() - began >= 2


def test_R12_pause_in_the_delay_and_its_own_end(dog: Watchdog) -> None:
    """Paused while it waits for its next start: nothing starts until the time of the pause is over."""
    dog.start("--no-heartbeat", "--restart-delay", "4s")
    first = dog.ready()
    os.kill(first, 9)
    dog.await_state("waiting")
    assert dog.cli("pause", "--for", "8s").returncode == 0
    began = time.monotonic()
    report = dog.await_state("paused")
    assert 0 < report["pause_left_s"] <= 8
    dog.ready(other_than=first)
    assert dog.stamps()[-1][1] - began > 5  # the delay alone was over by then
    assert dog.fact("resumed")["by_itself"] is True


def test_R12_stop_and_restart_work_in_a_pause(dog: Watchdog) -> None:
    """A pause forbids the watchdog to act, not the person: `restart` ends it, `stop` stops."""
    process = dog.start(*PLAIN)
    first = dog.ready()
    assert dog.cli("pause").returncode == 0
    assert dog.cli("restart").returncode == 0
    dog.ready(other_than=first)
    assert dog.status()["state"] == "running"
    assert dog.cli("pause").returncode == 0
    dog.stop()
    assert process.wait(15) == 0


@pytest.mark.parametrize(
    "words", [("--for", "0"), ("--for", "-5s"), ("--for", "soon"), ("--for", "9999d"), ("now",)]
)
def test_R12_nonsense_about_a_pause_is_refused(dog: Watchdog, words: tuple[str, ...]) -> None:
    """One line, code 2, and nobody is paused."""
    dog.start(*PLAIN)
    dog.ready()
    found = dog.cli("pause", *words)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
    assert dog.status()["state"] == "running"


def test_R08_restart_of_what_cannot_start_says_so(dog: Watchdog) -> None:
    """The program is gone: `restart` ends at once with the reason and code 13, and tries once."""
    bot = dog.write("bot", f"#!/bin/sh\nexec {' '.join(dog.command())}\n")
    bot.chmod(0o755)
    dog.run(*PLAIN, "--restart-delay", "1m", "--", "./bot")
    dog.ready()
    bot.unlink()
    for number in (1, 2):  # while it runs, and in the delay
        found = dog.cli("restart")
        assert found.returncode == 13, found.stderr
        assert "Error: tracker: it could not be started again: no such program: ./bot" in found.stderr
        assert len(dog.facts("spawn-failed")) == number
    bot.write_text(f"#!/bin/sh\nexec {' '.join(dog.command())}\n")
    bot.chmod(0o755)
    assert dog.cli("restart").returncode == 0
    dog.stop()


def test_R12_restart_that_a_pause_overtakes_says_so(dog: Watchdog) -> None:
    """Somebody pauses while the program is being stopped for it: the restart ends with code 3 and is not done."""
    dog.start("--no-heartbeat", "--stop-timeout", "20s", orders=("slow 6",))
    dog.ready()
    with subprocess.Popen(
        [str(BIN / "watchdog"), "restart"],
        cwd=dog.folder,
        env=dog.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as command:
        dog.await_state("stopping")
        assert dog.cli("pause").returncode == 0
        errors = command.communicate(timeout=30)[1].decode()
    assert (command.returncode, errors.count("paused before it was started again")) == (3, 1), errors
    assert dog.await_state("paused")["child"] is None
    dog.stop()


CATCHES = """
import os, signal, time
signal.signal(signal.SIGUSR1, lambda *_: None)
open(os.environ["WATCHDOG_HEARTBEAT"], "w").write('{"dumpSignal": "SIGUSR1"}')
while True: time.sleep(60)
"""


def test_R08_restart_waits_while_the_hang_is_looked_at(dog: Watchdog) -> None:
    """That takes longer than any answer may: `restart` is told what is going on, and done once."""
    dog.write("catches.py", CATCHES)
    limits = ("--heartbeat-timeout", "3s", "--start-grace", "30s", "--dump-timeout", "5s")
    dog.run(*limits, "--", dog.command()[0], "catches.py")
    dog.fact("hang")
    found = dog.cli("restart")
    assert found.returncode == 0, found.stderr
    assert "looking at where it hangs" in found.stderr
    assert len(dog.facts("spawned")) == 2
    dog.stop()
