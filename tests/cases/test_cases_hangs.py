"""Hangs and heartbeats (cases H01 to H13)."""

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from harness import Watchdog
from rig import QUICK
from waiting import stays_true, wait_until

BEATS = "beat 0.2"


def _limit(seconds: float) -> tuple[str, ...]:
    return (*QUICK, "--heartbeat-timeout", f"{seconds}s", "--start-grace", "30s")


def test_H01_silence_after_beats_is_a_hang_and_no_crash(dog: Watchdog) -> None:
    """Three beats, then it blocks for ever while it lives: replaced on time, and every record says hang."""
    dog.plan(BEATS, BEATS)
    dog.start(*_limit(2))
    first = dog.ready()
    dog.await_health("healthy")
    dog.order("block")
    hang = dog.fact("hang")
    assert 1.9 <= hang["silent_s"] < 6
    second = dog.other_child(first)
    assert second != first
    assert dog.fact("ended")["cause"] == "hang"
    assert [run["cause"] for run in dog.status()["restarts"]["last"]] == ["hang"]
    assert dog.await_health("healthy")["restarts"]["in_window"] == 1
    assert dog.fact("recovered")["number"] == 2


@pytest.fixture
def mute_server() -> Iterator[int]:
    """A price server that accepts and never answers; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                kept.append(listener.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    for one in kept:
        one.close()


def test_H02_call_without_a_limit_is_found_as_a_hang(dog: Watchdog, mute_server: int) -> None:
    """A program that waits for ever for an answer of the network is replaced as hung."""
    waits = (
        f"import os, socket\nopen(os.environ['WATCHDOG_HEARTBEAT'], 'w').write('{{}}')\n"
        f"link = socket.create_connection(('127.0.0.1', {mute_server}))\nlink.recv(1)\n"
    )
    dog.write("waits.py", waits)
    dog.run(*_limit(2), "--max-restarts", "1", "--", dog.command()[0], "waits.py")
    assert dog.fact("hang")["cause"] == "hang"
    assert dog.fact("ended")["cause"] == "hang"


def test_H02_tracker_with_a_mute_price_server_goes_on_and_is_left_alone(
    dog: Watchdog, mute_server: int
) -> None:
    """Our own tracker limits each call: it keeps beating, says degraded, and nobody replaces it."""
    mint = "So11111111111111111111111111111111111111112"
    dog.write("tracked_tokens.json", f'{{"{mint}": {{"token": "{mint}", "name": "SOL", "symbol": "SOL"}}}}')
    mute = f"http://127.0.0.1:{mute_server}"
    dog.run(
        *_limit(5),
        *("--quiet", "--", dog.command()[0], "-m", "tracker"),
        *("--cycle", "500ms", "--heartbeat-interval", "500ms", "--request-timeout", "500ms"),
        *("--dexscreener-url", mute, "--geckoterminal-url", mute, "--coingecko-url", mute),
    )
    dog.await_health("degraded")
    pid = dog.child_pid()
    stays_true(lambda: not dog.facts("hang", "ended"), "no restart", 8)
    assert dog.child_pid() == pid
    assert "did not answer within 0.5 s" in dog.log()


def test_H03_standing_still_is_a_hang_only_where_asked(dog: Watchdog) -> None:
    """Beats with a counter that stands: replaced as no-progress with the rule, left alone without it."""
    orders = ('beat 0.2 {"done": 7, "status": "degraded", "message": "no prices"}',)
    rule = ("--progress-key", "done", "--progress-timeout", "2s")
    dog.start(*_limit(10), *rule, orders=orders)
    first = dog.ready()
    hang = dog.fact("hang")
    assert hang["cause"] == "no-progress"
    assert 1.9 <= hang["silent_s"] < 6
    assert dog.other_child(first) != first
    dog.stop()
    known = len(dog.facts("hang"))
    dog.start(*_limit(10), orders=orders)
    report = dog.await_health("degraded")
    assert (report["exit_code"], report["note"]) == (0, "no prices")
    stays_true(lambda: len(dog.facts("hang")) == known, "no kill", 4)


def test_H03_progress_that_moves_is_no_hang(dog: Watchdog) -> None:
    """The counter moves with each beat: the rule is on and nobody is replaced; when it stands, the hang comes."""
    dog.start(
        *_limit(10), "--progress-key", "done", "--progress-timeout", "2s", orders=('beat 0.2 {"done": $seq}',)
    )
    dog.await_health("healthy")
    stays_true(lambda: not dog.facts("hang"), "no kill", 5)
    dog.order('write {"done": 1}')
    assert dog.fact("hang")["cause"] == "no-progress"


def test_H04_beat_of_before_is_no_beat_for_each_run(dog: Watchdog) -> None:
    """An old file, and a program that needs longer than the limit: no kill, not in the next run either."""
    path = dog.write("heartbeat.json", "{}")
    os.utime(path, (time.time() - 600, time.time() - 600))
    dog.start(*_limit(1.5), orders=("late 3", BEATS))
    report = dog.status()
    assert report["heartbeat"] is None or report["heartbeat"]["age_s"] is None
    first = dog.ready()
    dog.await_health("healthy")
    os.kill(first, 9)
    second = dog.ready(other_than=first)
    dog.await_health("healthy")
    assert not dog.facts("hang")
    assert [fact["pid"] for fact in dog.facts("spawned")] == [first, second]
    assert all(fact["after_s"] >= 3 for fact in dog.facts("healthy"))


def test_H04_beat_with_another_run_id_is_no_beat(dog: Watchdog) -> None:
    """A survivor of an earlier run goes on writing: its beats do not keep a silent program alive."""
    dog.plan('beat 0.2 {"runId": "$run"}', 'beat 0.2 {"runId": "of yesterday"}')
    dog.start(*QUICK, "--heartbeat-timeout", "2s", "--start-grace", "4s")
    first = dog.ready()
    dog.await_health("healthy")
    os.kill(first, 9)
    dog.ready(other_than=first)
    hang = dog.fact("hang")
    assert (hang["number"], hang["cause"]) == (2, "never-beat")
    assert len([fact for fact in dog.facts("notice") if "of yesterday" in fact["text"]]) >= 1


def test_H06_start_has_a_grace_of_its_own(dog: Watchdog) -> None:
    """Limit 1 s, grace 6 s: who beats first after 3 s lives; who never beats is replaced at the end of the grace."""
    dog.plan(f"late 3;{BEATS}", "silent")
    dog.start(*QUICK, "--heartbeat", "heartbeat.json", "--heartbeat-timeout", "1s", "--start-grace", "6s")
    first = dog.ready()
    dog.await_health("healthy")
    assert not dog.facts("hang")
    os.kill(first, 9)
    hang = dog.fact("hang")
    assert (hang["number"], hang["cause"]) == (2, "never-beat")
    assert 5.9 <= hang["silent_s"] < 10


def test_H09_deaf_and_stale_goes_down_the_ladder_once(dog: Watchdog) -> None:
    """Stale and deaf for the soft stop: one hang, asked, killed after the stop timeout, replaced; each step once."""
    dog.plan(f"deaf;{BEATS}", BEATS)
    dog.start("--restart-delay", "500ms", "--stop-timeout", "2s", "--dump-timeout", "500ms",
              "--heartbeat-timeout", "2s", "--start-grace", "30s")  # fmt: skip
    first = dog.ready()
    dog.await_health("healthy")
    dog.order("block")
    wait_until(lambda: dog.pids("blocked"), "the block")
    began = time.monotonic()
    second = dog.ready(other_than=first)
    assert dog.stamps()[-1][1] - began < 2 + 0.5 + 2 + 0.5 + 5
    kinds = [
        fact["fact"] for fact in dog.facts("hang", "stopping", "killing", "ended", "restarting", "spawned")
    ]
    assert kinds == ["spawned", "hang", "stopping", "killing", "ended", "restarting", "spawned"]
    ended = dog.fact("ended")
    assert (ended["cause"], ended["forced"], ended["signal"]) == ("hang", True, 9)
    assert dog.child_pid() == second


def test_H10_dump_names_the_place_in_all_threads(dog: Watchdog) -> None:
    """A program that opted in hangs inside stuck_here(), in three threads: the log has all stacks, then it is gone."""
    beats = f'dump-handler SIGUSR1;threads 2;{BEATS} {{"dumpSignal": "SIGUSR1"}}'
    dog.plan(f"deaf;{beats}", BEATS)
    dog.start("--restart-delay", "200ms", "--stop-timeout", "2s", "--dump-timeout", "5s",
              "--heartbeat-timeout", "2s", "--start-grace", "30s", "--quiet")  # fmt: skip
    first = dog.ready()
    dog.await_health("healthy")
    dog.order("block")
    dog.fact("hang")
    dog.fact("stopping")
    log = dog.log()
    assert log.count("most recent call first") == 3
    assert log.count("in stuck_here") == 3
    dog.ready(other_than=first)
    times = {fact["fact"]: fact["up"] for fact in dog.facts("hang", "stopping", "killing")}
    assert times["stopping"] - times["hang"] < 4, "the dump is waited for only until it has come"
    assert times["killing"] - times["hang"] < 5 + 2 + 3


def test_H10_signal_that_nobody_catches_is_not_sent(dog: Watchdog) -> None:
    """The heartbeat names a dump signal that would kill: it is not sent, and the stop is an orderly one."""
    dog.plan(f'{BEATS} {{"dumpSignal": "SIGUSR1"}}', BEATS)
    dog.start(*_limit(2))
    first = dog.ready()
    dog.await_health("healthy")
    dog.order("silent")
    dog.ready(other_than=first)
    assert dog.pids("CLEAN") == [first]
    assert dog.fact("ended")["exit_code"] == 0


def test_H10_program_that_never_finishes_its_dump_is_not_waited_for(dog: Watchdog) -> None:
    """It catches the signal and prints nothing: after the dump timeout the stop goes on."""
    catches = (
        "import os, signal, time\nsignal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "open(os.environ['WATCHDOG_HEARTBEAT'], 'w').write('{\"dumpSignal\": \"SIGUSR1\"}')\n"
        "while True: time.sleep(60)\n"
    )
    dog.write("catches.py", catches)
    dog.run("--restart-delay", "0", "--dump-timeout", "1s", "--heartbeat-timeout", "1500ms", "--start-grace", "30s",
            "--max-restarts", "1", "--", dog.command()[0], "catches.py")  # fmt: skip
    dog.fact("ended")
    times = {fact["fact"]: fact["up"] for fact in dog.facts("hang", "stopping")[:2]}
    assert 0.9 <= times["stopping"] - times["hang"] < 4


ODD_WRITER = """
import os, sys, time
path = os.environ["WATCHDOG_HEARTBEAT"]
end = time.monotonic() + float(sys.argv[1])
number = 0
while time.monotonic() < end:
    number += 1
    step = number % 6
    if step == 0:
        with open(path + ".new", "w") as file: file.write('{"seq": %d}' % number)
        os.replace(path + ".new", path)
    elif step == 1:
        with open(path, "w") as file: file.write('{"seq": %d, "na' % number)
    elif step == 2:
        open(path, "w").close()
    elif step == 3:
        os.remove(path)
    elif step == 4:
        os.mkdir(path)
        os.rmdir(path)
    else:
        with open(path, "wb") as file: file.write(b"\\xff\\x00" * number)
    time.sleep(0.05)
with open(path, "w") as file: file.write('{"seq": 1, "na')
open("writer-stopped", "w").close()
time.sleep(600)
"""


def test_H13_writer_of_all_kinds_of_nonsense_is_borne(dog: Watchdog) -> None:
    """Valid, cut, empty, missing, a folder, garbage in turn: no restart, no error; when it ends cut, a hang."""
    dog.write("odd.py", ODD_WRITER)
    process = dog.run(*_limit(3), "--max-restarts", "1", "--", dog.command()[0], "odd.py", "8")
    dog.await_health("healthy")
    stopped = dog.folder / "writer-stopped"
    stays_true(lambda: stopped.exists() or not dog.facts("hang", "ended"), "no restart", 6)
    wait_until(stopped.exists, "the end of the writer")
    began = time.monotonic()
    hang = dog.fact("hang")
    assert time.monotonic() - began < 8
    assert (hang["number"], hang["cause"]) == (1, "hang")
    assert process.poll() is None
    oddities = [fact["text"] for fact in dog.facts("notice") if fact["topic"] == "heartbeat"]
    assert len(oddities) == len(set(oddities)) <= 4, "each oddity is said once"
