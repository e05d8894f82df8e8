"""The tracker as a process: it starts, beats, saves, stops, and misbehaves only when ordered to."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waiting import stays_true, wait_until

Start = Callable[..., Any]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
DEMO = ("--source", "demo", "--cycle", "100ms", "--save-interval", "200ms", "--heartbeat-interval", "200ms")


def test_demo_lives(start: Start, folder: Path) -> None:
    """The demo needs no network, beats and saves, labels everything as simulated, and ends with 0."""
    tracker = start(*DEMO)
    tracker.until(lambda: tracker.beat().get("seq", 0) > 2, "beats")
    tokens = tracker.until(tracker.tokens, "a save")
    assert len(tokens) == 8
    assert all("simulated" in token["name"] for token in tokens.values())
    assert all(token["rugcheckStatus"] == "SIMULATED" for token in tokens.values())
    beat = tracker.beat()
    assert beat["status"] == "ok"
    assert "simulated" in beat["message"]
    assert (beat["activeTokens"], beat["totalTokens"], beat["pid"]) == (8, 8, tracker.process.pid)
    assert beat["memoryUsage"]["rss"] > 1_000_000
    tracker.until((folder / "sent_tokens.txt").exists, "a rise")
    assert "[SIMULATED]" in tracker.text()
    assert tracker.stop() == 0
    assert "SIMULATED" in tracker.text().splitlines()[0]
    assert "Traceback" not in tracker.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_polite_request_saves_and_ends(start: Start, number: int) -> None:
    """SIGTERM, Ctrl-C and a closed terminal finish the turn, save what is new, and end with 0."""
    tracker = start("--source", "demo", "--cycle", "100ms", "--save-interval", "1h")
    tracker.until(lambda: tracker.beat().get("turns"), "the first turn")
    tracker.until(tracker.tokens, "the save of a first start")
    before = tracker.tokens()
    end = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > end, "some turns")
    assert tracker.stop(number) == 0
    assert tracker.tokens() != before
    assert signal.Signals(number).name in tracker.text()


def test_the_first_beat_comes_after_the_first_turn(start: Start) -> None:
    """With a cycle of an hour the first beat is there at once, and the stop does not wait for the cycle."""
    tracker = start("--source", "demo", "--cycle", "1h")
    beat = tracker.until(tracker.beat, "the first beat")
    assert beat["turns"] == 1
    assert beat["lastCycle"]
    begun = time.monotonic()
    assert tracker.stop() == 0
    assert time.monotonic() - begun < 3


def test_a_long_cycle_does_not_stop_the_heart(start: Start) -> None:
    """The interval of the heartbeat is kept where a cycle takes longer: a watchdog would take it for a freeze."""
    tracker = start("--source", "demo", "--cycle", "1h", "--heartbeat-interval", "200ms")
    beat = tracker.until(lambda: (b := tracker.beat()).get("seq", 0) > 3 and b, "beats within one cycle")
    assert beat["turns"] == 1
    assert tracker.stop() == 0


def test_what_the_watchdog_hands_over(start: Start, tmp_path: Path) -> None:
    """The run id stands in each beat, and the beat where the watchdog wants it, with the way to a dump."""
    path = tmp_path / "elsewhere.json"
    tracker = start(*DEMO, env={"WATCHDOG_RUN_ID": "run-7", "WATCHDOG_HEARTBEAT": str(path)})
    tracker.until(path.exists, "the heartbeat")
    beat = json.loads(path.read_bytes())
    assert beat["runId"] == "run-7"
    assert beat["dumpSignal"] == "SIGUSR1"
    assert beat["intervalSeconds"] == 0.2
    assert not (tracker.folder / "heartbeat.json").exists()
    tracker.process.send_signal(signal.SIGUSR1)
    tracker.until(lambda: "most recent call first" in tracker.text(), "the stacks")
    assert tracker.stop() == 0


def test_a_crash_to_order(start: Start) -> None:
    """``--crash-after`` ends with a traceback and a code that is not 0, without a last save."""
    tracker = start("--source", "demo", "--cycle", "100ms", "--save-interval", "1h", "--crash-after", "600ms")
    assert tracker.process.wait(15) == 1
    assert "crashed on purpose" in tracker.text()
    assert "stop asked" not in tracker.text()


def test_a_freeze_to_order(start: Start) -> None:
    """``--freeze-after`` leaves a living process that neither beats nor hears; its stacks name the place."""
    tracker = start(*DEMO, "--freeze-after", "600ms")
    tracker.until(lambda: tracker.beat().get("uptime", 0) >= 0.3, "a beat")
    seq = tracker.until(
        lambda: (s := tracker.beat()["seq"]) and _unchanged(lambda: tracker.beat()["seq"], 0.8) and s,
        "silence",
    )
    tracker.process.send_signal(signal.SIGTERM)
    stays_true(lambda: tracker.process.poll() is None, "life", 0.5)
    tracker.process.send_signal(signal.SIGUSR1)
    tracker.until(lambda: "frozen_on_purpose" in tracker.text(), "the stacks")
    assert tracker.beat()["seq"] == seq
    tracker.process.kill()
    assert tracker.process.wait(10) == -signal.SIGKILL


def _unchanged(value: Callable[[], object], for_s: float) -> bool:
    before, end = value(), time.monotonic() + for_s
    wait_until(lambda: time.monotonic() > end or value() != before, "a change")
    return value() == before


def test_an_outage_to_order(start: Start) -> None:
    """``--fail-for`` makes the demo market fail, be degraded, and recover."""
    tracker = start(*DEMO, "--fail-for", "1500ms")
    beat = tracker.until(lambda: (b := tracker.beat()).get("status") == "degraded" and b, "degraded")
    assert "outage" in beat["message"]
    tracker.until(lambda: tracker.beat().get("status") == "ok", "ok again")
    assert tracker.stop() == 0


def test_a_real_price_is_never_overwritten_by_a_simulated_one(start: Start, folder: Path) -> None:
    """In a folder with real prices the demo leaves them alone; one without any price gets a labelled one."""
    real = {"token": MINT, "firstPrice": 1.0, "lastPrice": 2.0, "mine": [1]}
    (folder / "tracked_tokens.json").write_text(json.dumps({MINT: real, OTHER: {"token": OTHER}}))
    tracker = start(*DEMO)
    tracker.until(lambda: tracker.tokens().get(OTHER, {}).get("lastPrice"), "a simulated price")
    assert tracker.stop() == 0
    tokens = tracker.tokens()
    assert set(tokens) == {MINT, OTHER}
    assert tokens[MINT] == real
    assert tokens[OTHER]["priceSource"] == "demo"


def test_an_empty_list_is_a_normal_start(start: Start, folder: Path) -> None:
    """Without tokens the live tracker runs, beats ok, and says how to add one."""
    tracker = start("--cycle", "100ms", "--save-interval", "200ms")
    beat = tracker.until(tracker.beat, "a beat")
    assert beat["status"] == "ok"
    assert "tracker add ADDRESS" in beat["message"]
    assert "tracker add ADDRESS" in tracker.text()
    assert tracker.stop() == 0
    assert (folder / "tracked_tokens.json").read_text() == "{}"


def test_a_second_tracker_is_refused(start: Start, command: Command) -> None:
    """In a folder with a running tracker another one ends with 11, and names the first; then it may start."""
    tracker = start(*DEMO)
    tracker.until(tracker.beat, "a beat")
    second = command(*DEMO)
    assert second.returncode == 11
    assert str(tracker.process.pid) in second.stderr
    assert second.stderr.count("\n") == 1
    tracker.process.kill()
    tracker.process.wait(10)
    third = start(*DEMO)
    third.until(third.beat, "a beat of the next one")
    assert third.stop() == 0


@pytest.mark.parametrize(
    ("args", "env", "code", "said"),
    [
        (("--cycle", "0"), {}, 2, "--cycle"),
        (("--levels", "abc"), {}, 2, "50,100"),
        (("--source", "real"), {}, 2, "live"),
        (("--dexscreener-url", "ftp://x"), {}, 2, "https://host"),
        (("--telegram-token", "1:a"), {}, 2, "No such option"),
        (("nonsense",), {}, 2, "No such command"),
        ((), {"TRACKER_CYCLE": "soon"}, 78, "TRACKER_CYCLE"),
        ((), {"TRACKER_TELEGRAM_TOKEN": "1:SECRET"}, 78, "telegram-chat"),
        ((), {"TRACKER_CYCEL": "5s"}, 78, "TRACKER_CYCLE"),
        (("-C", "nowhere"), {}, 14, "nowhere"),
    ],
)
def test_wrong_settings_end_with_one_clear_line(
    command: Command, args: tuple[str, ...], env: dict[str, str], code: int, said: str
) -> None:
    """A wrong option is a usage error, a wrong variable means "do not restart me"; secrets stay unseen."""
    done = command(*args, env=env)
    assert done.returncode == code
    assert said in done.stderr
    assert "SECRET" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_settings_from_a_file(start: Start, command: Command, folder: Path) -> None:
    """``tracker.toml`` sets what options do not; a wrong line there names itself."""
    (folder / "tracker.toml").write_text(
        'source = "demo"\ncycle = 0.1\nlevels = [20, 40]\nheartbeat-interval = "7s"\n'
    )
    tracker = start("--heartbeat-interval", "9s")
    beat = tracker.until(tracker.beat, "a beat")
    assert beat["intervalSeconds"] == 9
    assert beat["totalTokens"] == 8
    assert tracker.stop() == 0
    (folder / "tracker.toml").write_text("max-backups = -1\n")
    wrong = command()
    assert wrong.returncode == 78
    assert "tracker.toml: max-backups" in wrong.stderr


def test_damage_is_mended_and_said(start: Start, folder: Path) -> None:
    """A damaged main file is restored from the newest backup; log and alert say which and how old."""
    first = start(*DEMO)
    first.until(lambda: len(list(folder.glob("backups/*.json"))) > 2, "backups")
    assert first.stop() == 0
    (folder / "tracked_tokens.json").write_bytes(b"\0" * 100)
    second = start(*DEMO)
    second.until(second.beat, "a beat")
    second.until(lambda: "ALERT" in second.text(), "the alert")
    assert "restored 8 tokens from backup tracked_tokens." in second.text()
    assert "restored 8 tokens" in second.beat()["message"]
    assert len(second.until(second.tokens, "the list")) == 8
    assert second.stop() == 0
    assert len(list(folder.glob("tracked_tokens.damaged-*.json"))) == 1


def test_nothing_valid_is_not_restarted(command: Command, folder: Path) -> None:
    """Saved data of which nothing is valid ends with 78 and a word on what to do; nothing is changed."""
    (folder / "tracked_tokens.json").write_bytes(b"not json")
    done = command("--source", "demo")
    assert done.returncode == 78
    assert "verify" in done.stderr
    assert (folder / "tracked_tokens.json").read_bytes() == b"not json"
    assert not (folder / "heartbeat.json").exists()


def test_killed_again_and_again(start: Start, folder: Path) -> None:
    """Ended by kill -9 twenty times, the list always loads, all tokens are there, and nothing is told twice."""
    for number in range(20):
        tracker = start(
            "--source", "demo", "--cycle", "100ms", "--save-interval", "100ms", "--history-step", "100ms"
        )
        tracker.until(lambda t=tracker: t.beat(), "a beat")
        end = time.monotonic() + 0.05 * (number % 7)
        wait_until(lambda end=end: time.monotonic() >= end, "a moment")
        tracker.process.kill()
        tracker.process.wait(10)
        assert len(tracker.tokens()) in (0, 8) if number == 0 else len(tracker.tokens()) == 8
    last = start(*DEMO)
    last.until(last.beat, "a beat")
    assert last.stop() == 0
    text = last.text()
    assert "damaged" not in text
    ledger = [json.loads(line) for line in (folder / "sent_tokens.ledger.jsonl").read_text().splitlines()]
    risen = [step["token"] for step in ledger if step.get("token")]
    assert risen
    assert len(risen) == len(set(risen))
    told = re.findall(r"alert (\d+)(?:;|\n)", text)
    assert told
    assert len(told) == len(set(told))
    assert not [name for name in os.listdir(folder) if name.endswith("wdtmp")]


def test_a_disk_that_takes_nothing(start: Start, folder: Path) -> None:
    """When nothing can be written, the tracker lives, touches its heartbeat, says so; then all works again."""
    limited = (
        "import resource, signal, sys, runpy\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.argv = ['tracker', *sys.argv[1:]]\n"
        "runpy.run_module('tracker', run_name='__main__', alter_sys=True)\n"
    )
    output = folder.parent / "out"
    with open(output, "ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", limited, *DEMO], cwd=folder, stdout=subprocess.PIPE, stderr=file
        )
    import resource

    try:
        wait_until(lambda: (folder / "heartbeat.json").exists() and list(folder.glob("backups/*")), "a save")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        good = (folder / "tracked_tokens.json").read_bytes()
        seen = os.stat(folder / "heartbeat.json").st_mtime_ns
        wait_until(lambda: os.stat(folder / "heartbeat.json").st_mtime_ns > seen + 10**9, "touches")
        assert len(json.loads((folder / "tracked_tokens.json").read_bytes())) == 8
        assert process.poll() is None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: (folder / "tracked_tokens.json").read_bytes() != good, "a save after that")
        errors = wait_until(
            lambda: json.loads((folder / "heartbeat.json").read_bytes()).get("saveErrors"), "the count"
        )
        assert errors >= 1
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=15)[0].decode()
        assert process.returncode == 0
        assert "only touch it" in said
        assert "cannot save" in said or "cannot make a backup" in said
        assert "saving works again" in said
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def test_a_last_save_that_fails_is_no_clean_end(start: Start, folder: Path) -> None:
    """When the last save is not possible the code says so, and the file of before is intact."""
    often = ("--cycle", "100ms", "--heartbeat-interval", "100ms")
    tracker = start("--source", "demo", "--save-interval", "1h", *often)
    tracker.until(lambda: tracker.beat().get("lastSave"), "the first save")
    turns = tracker.beat()["turns"]
    tracker.until(lambda: tracker.beat().get("turns", 0) > turns + 1, "turns after it")
    os.rename(folder, folder.parent / "gone")
    (folder.parent / "work").write_text("a file in the place of the folder")
    assert tracker.stop() == 14
    assert "ended without the last save" in tracker.text()
    assert len(json.loads((folder.parent / "gone" / "tracked_tokens.json").read_bytes())) == 8


def test_output_that_nobody_reads(folder: Path, clean_env: dict[str, str]) -> None:
    """A closed output stops no tracker."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", *DEMO], cwd=folder, stdout=writer, stderr=writer, env=clean_env
    )
    os.close(writer)
    os.close(reader)
    try:
        wait_until((folder / "sent_tokens.txt").exists, "a rise that was printed to nobody")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
