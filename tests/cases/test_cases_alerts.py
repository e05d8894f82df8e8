"""People are told of incidents, truly and not too often (cases N01, N02, N04, N06, R07, R08, R12, S07, X06, K01)."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Watchdog
from rig import QUICK
from telegram_server import TelegramServer, too_many
from waiting import stays_true, wait_until

MARKER = "7777777:MARKER-that-nobody-may-see"
PLAIN = ("--no-heartbeat", "--quiet", *QUICK)
BEATS = ("--quiet", *QUICK)  # over a program that beats, so that it can be seen to be well again
FAST = ("--alert-gap", "0", "--alert-stable", "1s")


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with TelegramServer(MARKER, chats={"42"}) as running:
        yield running


def told(server: TelegramServer) -> dict[str, str]:
    """The settings by which a watchdog tells this server."""
    return {
        "WATCHDOG_TELEGRAM_TOKEN": MARKER,
        "WATCHDOG_TELEGRAM_CHAT": "42",
        "WATCHDOG_TELEGRAM_URL": server.url,
    }


def await_texts(server: TelegramServer, count: int, limit_s: float = 30) -> list[str]:
    wait_until(lambda: len(server.texts()) >= count, f"{count} messages", limit_s)
    return server.texts()


def test_N01_a_wish_to_be_left_alone_is_obeyed_while_restarts_go_on(
    dog: Watchdog, server: TelegramServer
) -> None:
    """The service asks for 6 s of rest in a storm: nothing before that, then one summary that counts all of it."""
    server.script(too_many(6))
    dog.start(
        *("--no-heartbeat", "--quiet", "--restart-delay", "100ms", "--max-restarts", "unlimited", *FAST),
        orders=("exit 1",),
        **told(server),
    )
    wait_until(lambda: len(dog.stamps()) >= 15, "fifteen starts", 40)
    gaps = [begin[1] - end[1] for end, begin in zip(dog.stamps("end"), dog.stamps()[1:], strict=False)]
    assert max(gaps) < 2, "restarts do not wait for messages"
    await_texts(server, 1)
    (first, _), (second, _) = server.calls[:2]
    assert second - first >= 6
    assert "messages had to wait" in server.texts()[0]
    wait_until(lambda: "works again" in json.dumps(dog.facts("notice")), "a word about it")
    assert "1 of them since the last message" in server.texts()[0], (
        "each end had its message, and none was lost"
    )
    dog.stop()


def test_N02_ten_crash_and_recover_cycles_are_four_messages(dog: Watchdog, server: TelegramServer) -> None:
    """Ten crashes with recoveries in between: four messages at most, and the last one says that it is well."""
    dog.start(
        *("--quiet", "--restart-delay", "100ms", "--max-restarts", "50"),
        *("--alert-gap", "4s", "--alert-stable", "2s"),
        orders=("beat 0.2",),
        **told(server),
    )
    pid = dog.ready()
    for _ in range(10):
        os.kill(pid, signal.SIGKILL)
        pid = dog.ready(other_than=pid)
    wait_until(lambda: "healthy again" in "".join(server.texts()), "the end", 30)
    texts = server.texts()
    assert len(texts) <= 4
    assert "killed by SIGKILL" in texts[0]
    assert "healthy again" in texts[-1].splitlines()[0]
    assert "10 ends" in texts[-1]
    assert len(dog.facts("ended")) == 10


def test_N04_a_long_foreign_traceback_arrives_with_head_and_tail(
    dog: Watchdog, server: TelegramServer
) -> None:
    """20 kB of Korean and emoji: delivered in one message of legal size, both ends kept."""
    middle = "\\n".join(["  파일 오류 🚀🚨 메시지 " * 10] * 100)
    text = f"Traceback (most recent call last):\\n  first.py{middle}\\nValueError: 마지막 🚨"
    assert len(text.encode()) > 20_000
    dog.plan(f"print {text};exit 1", "silent")
    dog.start(*PLAIN, **told(server))
    [seen] = await_texts(server, 1)
    assert len(seen.encode("utf-16-le")) // 2 <= 4096
    assert "first.py" in seen
    assert "ValueError: 마지막 🚨" in seen
    assert server.messages[0].html


def test_N06_giving_up_is_told_at_that_moment(dog: Watchdog, server: TelegramServer) -> None:
    """Below alert-after and within the gap: told at once, before the watchdog is gone with its code (K01)."""
    process = dog.start(
        *(
            "--no-heartbeat",
            "--quiet",
            "--restart-delay",
            "50ms",
            "--max-restarts",
            "2",
            "--alert-after",
            "100",
        ),
        orders=("exit 5",),
        **told(server),
    )
    assert process.wait(30) == 12
    [seen] = server.texts()
    assert seen.splitlines()[0].startswith("🚨")
    assert "DOWN: exit code 5" in seen
    assert "GAVE UP: 2 restarts within 5m did not help" in seen


def test_N06_a_test_says_if_it_arrived(dog: Watchdog, server: TelegramServer) -> None:
    """`notify --test`: 0 and a message; with a bad token not 0, the reason, and the token hidden."""
    good = dog.cli("notify", "--test", **told(server))
    assert (good.returncode, good.stdout) == (0, "telegram: ok\n")
    assert "this is a test" in server.texts()[0]
    bad = dog.cli("notify", "--test", **(told(server) | {"WATCHDOG_TELEGRAM_TOKEN": "1234567:WRONG-token"}))
    assert bad.returncode == 16
    assert "401: Unauthorized" in bad.stdout
    assert "WRONG" not in bad.stdout + bad.stderr
    none = dog.cli("notify", "--test")
    assert none.returncode == 10
    assert "set telegram-token" in none.stderr
    half = dog.cli("notify", WATCHDOG_TELEGRAM_TOKEN=MARKER)
    assert half.returncode == 10
    assert "telegram-chat is not" in half.stderr
    assert "MARKER" not in half.stderr


def test_R07_what_a_person_asks_for_is_not_told(dog: Watchdog, server: TelegramServer) -> None:
    """Restarts and the stop: no message, and no thread for them either."""
    process = dog.start(*PLAIN, *FAST, **told(server))
    dog.ready()
    for _ in range(5):
        assert dog.cli("restart").returncode == 0
    assert not (dog.folder / ".watchdog" / "tracker" / "alerts.json").exists()
    names = {Path(path).read_text().strip() for path in Path(f"/proc/{process.pid}/task").glob("*/comm")}
    assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) <= 6, names
    dog.stop()
    assert server.calls == []


def test_R08_recovery_after_giving_up_is_told(dog: Watchdog, server: TelegramServer) -> None:
    """It gave up and slowly tries; a person mends and restarts it: the end of the incident is told."""
    dog.plan("exit 1", "exit 1", "beat 0.2")
    dog.start(*BEATS, *FAST, "--max-restarts", "1", "--retry-after", "10m", **told(server))
    wait_until(lambda: any("DOWN" in text for text in server.texts()), "the alarm")
    assert dog.cli("restart").returncode == 0
    wait_until(lambda: "healthy again" in server.texts()[-1], "the end", 20)
    assert "2 ends" in server.texts()[-1]


def test_R08_recovery_is_told_by_the_next_watchdog(dog: Watchdog, server: TelegramServer) -> None:
    """The watchdog ended with 12; mended and run again, the new one tells that it is well."""
    dog.plan("exit 1", "exit 1", "beat 0.2")
    first = dog.start(*BEATS, *FAST, "--max-restarts", "1", **told(server))
    assert first.wait(30) == 12
    before = len(server.texts())
    assert "DOWN" in server.texts()[-1]
    dog.start(*BEATS, *FAST, **told(server))
    await_texts(server, before + 1)
    assert "healthy again" in server.texts()[-1]
    wait_until(lambda: not (dog.folder / ".watchdog/tracker/alerts.json").exists(), "nothing left to tell")


def test_R12_nothing_is_told_during_a_pause(dog: Watchdog, server: TelegramServer) -> None:
    """Paused and killed: no message; after the pause it is told of real trouble again."""
    dog.start(*PLAIN, *FAST, **told(server))
    pid = dog.ready()
    dog.cli("pause")
    os.kill(pid, signal.SIGKILL)
    dog.await_state("paused")
    stays_true(lambda: not server.calls, "no message", 1.5)
    dog.cli("resume")
    pid = dog.ready(other_than=pid)
    os.kill(pid, signal.SIGSEGV)
    assert "killed by SIGSEGV" in await_texts(server, 1)[0]


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGBUS"])
def test_S07_the_message_names_the_signal(dog: Watchdog, server: TelegramServer, name: str) -> None:
    """Any death is a death, with its name."""
    dog.plan(f"die {name}", "silent")
    dog.start(*PLAIN, **told(server))
    assert f"killed by {name}" in await_texts(server, 1)[0].splitlines()[0]


def test_S07_a_freeze_is_told_with_its_stacks_at_hand(dog: Watchdog, server: TelegramServer) -> None:
    """One message for one freeze, and it says where the stacks are."""
    dog.plan("beat 0.2;deaf;note up", "beat 0.2")
    limits = (
        "--heartbeat",
        "heartbeat.json",
        "--heartbeat-timeout",
        "1500ms",
        "--start-grace",
        "20s",
        "--stop-timeout",
        "2s",
    )
    dog.start("--quiet", *QUICK, *limits, **told(server))
    wait_until((dog.folder / "up").exists, "its start")
    dog.order("block")
    [seen] = await_texts(server, 1)
    assert "froze (its heartbeat went silent)" in seen.splitlines()[0]
    incident = seen.partition("watchdog incidents ")[2].split()[0]
    # It is told as soon as it is known; its folder is written beside that, with what the end brings.
    wait_until(lambda: dog.cli("incidents", incident).returncode == 0, "the incident of the message")


def test_X06_the_token_is_seen_nowhere(dog: Watchdog, server: TelegramServer) -> None:
    """All commands, a failing service, an incident whose log names it: the marker is in no file and no output."""
    hook = "https://u:MARKER-password@127.0.0.1:9/MARKER-path?q=MARKER-query"
    more = told(server) | {"WATCHDOG_WEBHOOK_URL": hook, "WATCHDOG_TELEGRAM_URL": "http://127.0.0.1:9"}
    dog.write("watchdog.toml", 'alert-gap = "0"\n')
    dog.plan(f"print cannot reach https://api.example.org/bot{MARKER}/x;exit 1", "silent")
    dog.start(*PLAIN, **more)
    wait_until(lambda: dog.facts("notice"), "a word about the services")
    wait_until(lambda: list((dog.folder / "logs" / "incidents").glob("2*")), "the incident")
    shown = ""
    for words in (
        ("status",), ("status", "--json"), ("status", "--all"), ("check",), ("config",), ("config", "--json"),
        ("notify",), ("notify", "--test"), ("incidents",), ("incidents", "--json"), ("incidents", "last"),
        ("incidents", "last", "--json"), ("tail-log", "--watchdog"), ("report",), ("metrics",), ("--help",),
        ("run", "--help"), ("run", "--telegram-token", MARKER, "--", "true"),
    ):  # fmt: skip
        found = dog.cli(*words, **more)
        shown += found.stdout + found.stderr
    dog.stop()
    shown += dog.printed()
    assert "MARKER" not in shown.replace("--telegram-token", "")
    assert "set, not shown" in shown
    log = dog.folder / "logs" / "tracker.log"
    assert MARKER in log.read_text(), "the log is the program's own and is kept as it is"
    for path in dog.folder.rglob("*"):
        if path.is_file() and path not in {log, dog.folder / "plan"}:
            assert b"MARKER" not in path.read_bytes(), path


def test_what_waits_is_told_by_the_next_watchdog(dog: Watchdog) -> None:
    """The network is away, the watchdog is killed; when both are back people hear of it."""
    gone = TelegramServer(MARKER)
    gone.close()
    dog.plan("exit 7", "silent")
    first = dog.start(*PLAIN, *FAST, **told(gone))
    kept = dog.folder / ".watchdog" / "tracker" / "alerts.json"
    wait_until(lambda: kept.exists() and "exit code 7" in kept.read_text(), "the kept message")
    assert kept.stat().st_mode & 0o077 == 0
    assert MARKER not in kept.read_text()
    assert "waiting to be told: 1" in dog.cli("notify", **told(gone)).stdout
    first.kill()
    first.wait()
    with TelegramServer(MARKER) as server:
        dog.start(*PLAIN, *FAST, **told(server))
        texts = await_texts(server, 1)
        assert "exit code 7" in texts[0]
        dog.stop()


def test_a_service_that_never_answers_holds_up_nothing(dog: Watchdog, server: TelegramServer) -> None:
    """It takes the call and is silent: restarts are on time, status answers, the stop is quick."""
    server.always = lambda handler: handler.server.owner.ended.wait(60) and None
    process = dog.start(
        *("--no-heartbeat", "--quiet", "--restart-delay", "100ms", "--max-restarts", "unlimited", *FAST),
        **told(server),
    )
    pid = dog.ready()
    for _ in range(4):
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        pid = dog.ready(other_than=pid)
        assert time.monotonic() - began < 3
    assert server.calls
    assert dog.status()["state"] == "running"
    began = time.monotonic()
    dog.stop()
    assert process.wait(20) == 0
    assert time.monotonic() - began < 8


def test_a_missing_extra_is_said_and_the_others_work(dog: Watchdog, server: TelegramServer) -> None:
    """notify-url without a usable library or address: one notice, and Telegram is told all the same."""
    dog.plan("exit 1", "silent")
    dog.start(*PLAIN, WATCHDOG_NOTIFY_URL="nonsense-MARKER://x", **told(server))
    assert "exit code 1" in await_texts(server, 1)[0]
    said = [fact["message"] for fact in dog.facts("notice") if fact["topic"] == "sink"]
    assert len(said) == 1
    assert "notify" in said[0]
    assert "MARKER" not in said[0]


def test_an_upgrade_in_the_middle_of_an_incident_loses_nothing(dog: Watchdog, server: TelegramServer) -> None:
    """First told by one watchdog, its end by its successor, each once."""
    dog.plan("exit 1", "beat 0.2")
    dog.start(*BEATS, "--alert-stable", "2s", **told(server))
    await_texts(server, 1)
    assert dog.cli("upgrade").returncode == 0
    await_texts(server, 2)
    first, last = server.texts()
    assert "exit code 1" in first
    assert "healthy again" in last
    stays_true(lambda: len(server.texts()) == 2, "no copy", 1)


def test_garbage_in_the_kept_state_stops_nobody(dog: Watchdog, server: TelegramServer) -> None:
    """alerts.json holds anything: the watchdog starts, and tells of the next crash."""
    folder = dog.folder / ".watchdog" / "tracker"
    folder.mkdir(parents=True)
    (folder / "alerts.json").write_text(
        json.dumps({"version": 1, "story": [], "waiting": {"telegram": [{}]}})
    )
    dog.plan("exit 1", "silent")
    dog.start(*PLAIN, **told(server))
    assert "exit code 1" in await_texts(server, 1)[0]
