"""Alerts end to end: each rise reaches people once, whatever Telegram, the disk or a kill does."""

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from price_server import PriceServer, pool
from telegram_server import TelegramServer, accept_then, migrated, page, refuse, too_many
from tracker.alerts import AlertDesk, message_of, plain_price, rise_text
from tracker.ledger import DUE, SENT, UNCERTAIN, Entry, Ledger
from tracker.rules import Rise
from waiting import stays_true, wait_until
from watchdog_kit.notify import ConsoleSender, Message, Outcome, Result
from watchdog_kit.telegram import Telegram

Start = Callable[..., Any]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
FAST = ("--cycle", "100ms", "--save-interval", "200ms", "--heartbeat-interval", "200ms", "--no-rugcheck")


def rise(address: str = MINT, level: float = 50.0) -> Rise:
    return Rise(address, "A < B & C", "ABC", level, 63.07, 4.1e-06, 6.686e-06, 84_000.0, "dexscreener")


@pytest.fixture
def bot() -> Iterator[TelegramServer]:
    with TelegramServer() as running:
        yield running


def desk_of(folder: Path, sender: Any, said: list[str]) -> AlertDesk:
    ledger = Ledger(str(folder / "ledger.jsonl"), str(folder / "sent_tokens.txt"))
    return AlertDesk(ledger, sender, said.append)


def test_a_message_for_people() -> None:
    """The text says who, how much, at which price with how much behind it, and marks only the mint."""
    text = rise_text(rise())
    assert "ABC (A < B & C) is up 63.1 %" in text
    assert "price 0.000006686 USD, first 0.0000041 USD" in text
    message = message_of([Entry(1, DUE, "", MINT, 50.0, text)])
    assert f"<code>{MINT}</code>" in (message.html or "")
    assert "A &lt; B &amp; C" in (message.html or "")
    assert "alert 1" in message.text
    assert plain_price(120.78) == "120.78"
    assert plain_price(5.638e-8) == "0.00000005638"
    assert plain_price(1200.0) == "1200"
    assert plain_price(1e300) == "1e+300"


def test_a_name_of_any_length_in_a_message() -> None:
    """A name from a file of somebody else may fill pages; what is told stays a message, with joined letters joined."""
    text = rise_text(replace(rise(), name="می\u200cخواهم " * 1000, symbol="a\x1b" * 3000))
    assert len(text) < 500
    assert "می\u200cخواهم" in text
    assert "\x1b" not in text
    assert rise_text(replace(rise(), symbol="")).startswith("A < B & C is up")


def test_alerts_are_merged_when_many_wait(tmp_path: Path, bot: TelegramServer) -> None:
    """After a pause everything that waited comes in few messages, none lost, none twice, none too early."""
    bot.script(too_many(1))
    said: list[str] = []
    pauses: list[float] = []
    until = 0.0

    def pause(seconds: float) -> None:
        nonlocal until
        pauses.append(seconds)
        until = time.monotonic() + seconds

    ledger = Ledger(str(tmp_path / "l.jsonl"), str(tmp_path / "s.txt"))
    desk = AlertDesk(
        ledger,
        Telegram(bot.token, "42", bot.url),
        said.append,
        lambda: max(0.0, until - time.monotonic()),
        pause,
    )
    mints = [f"{MINT[:-2]}{a}{b}" for a in "345678" for b in "23456"]
    assert all(desk.rise(rise(mint)) for mint in mints)
    wait_until(lambda: len(ledger.of_state(SENT)) == 30, "all thirty")
    desk.close(5)
    assert bot.calls[1][0] - bot.calls[0][0] >= 1.0
    seen = Counter(re.findall(r"So1\w+", "\n".join(bot.texts())))
    assert seen == Counter(mints)
    assert len(bot.messages) <= 4
    assert pauses == [1.0]
    assert "30" not in said


def test_what_was_not_sent_is_kept(tmp_path: Path, bot: TelegramServer) -> None:
    """Refused, moved and unreachable: the alert waits with its reason, and goes out when it can."""
    bot.script(refuse(401, "Unauthorized"))
    said: list[str] = []
    desk = desk_of(tmp_path, Telegram(bot.token, "-5", bot.url), said)
    desk.rise(rise())
    wait_until(desk.trouble, "the reason")
    assert "Unauthorized" in desk.trouble()
    assert desk.facts() == {"alertsWaiting": 1, "alertsUncertain": 0}
    desk.close(5)
    bot.script(migrated(-1007))
    again = desk_of(tmp_path, Telegram(bot.token, "-5", bot.url), said)
    wait_until(lambda: bot.messages, "the message")
    wait_until(lambda: not again.facts()["alertsWaiting"], "the note")
    again.close(5)
    assert [m.chat for m in bot.messages] == ["-1007"]
    assert bot.token not in "".join(said)


@pytest.mark.parametrize("answer", [accept_then(hang=False), accept_then(hang=True), page(502)])
def test_what_may_have_arrived_is_uncertain(tmp_path: Path, bot: TelegramServer, answer: Any) -> None:
    """A lost connection, a timeout and a server error mark the alert, and it is never repeated by itself."""
    bot.script(answer)
    said: list[str] = []
    desk = desk_of(tmp_path, Telegram(bot.token, "42", bot.url, limit_s=0.5), said)
    desk.rise(rise())
    wait_until(lambda: desk.facts()["alertsUncertain"], "the mark")
    desk.rise(rise(OTHER))
    desk.close(0)
    again = desk_of(tmp_path, Telegram(bot.token, "42", bot.url), said)
    wait_until(lambda: any(OTHER in text for text in bot.texts()), "the other one")
    wait_until(lambda: not again.facts()["alertsWaiting"], "the note")
    assert sum(MINT in text for text in bot.texts()) <= 1
    assert again.facts()["alertsUncertain"] == 1
    assert again.told(MINT) == 50.0
    assert any("resend 1" in line for line in said)
    before = sum(MINT in text for text in bot.texts())
    again.resend(1)
    wait_until(lambda: sum(MINT in text for text in bot.texts()) == before + 1, "the repetition")
    wait_until(lambda: again.facts()["alertsUncertain"] == 0, "the note")
    again.resend(1)
    again.close(5)
    assert any("not uncertain" in line for line in said)


def test_without_a_ledger_nothing_is_told(tmp_path: Path) -> None:
    """When the ledger cannot be read or written, alerts are held, it is said once, and told when it can."""
    sent: list[str] = []
    said: list[str] = []
    (tmp_path / "ledger.jsonl").mkdir()
    desk = desk_of(tmp_path, ConsoleSender(sent.append), said)
    assert not desk.rise(rise())
    assert not desk.rise(rise())
    assert "cannot read" in desk.trouble()
    assert len(said) == 1
    (tmp_path / "ledger.jsonl").rmdir()
    desk._next_load = 0.0
    assert desk.rise(rise())
    wait_until(lambda: sent, "the alert")
    assert desk.trouble() == ""
    desk.close(5)


class Slow:
    """A sender that takes its time, to be killed in."""

    name, limit = "slow", 4000

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def ready_in_s(self) -> float:
        return 0.0

    def send(self, message: Message) -> Result:
        self.sent.append(message)
        return Result(Outcome.NOT_SENT, "try again")


def test_a_failing_way_is_tried_less_and_less(tmp_path: Path) -> None:
    """Pauses grow from five seconds; the trouble says how many wait."""
    sender = Slow()
    desk = desk_of(tmp_path, sender, [])
    desk.rise(rise())
    wait_until(lambda: sender.sent, "the first try")
    stays_true(lambda: len(sender.sent) == 1, "patience", 1.0)
    wait_until(lambda: "1 alerts wait: try again" in desk.trouble(), "the trouble")
    assert desk.deliver_once() is not None
    assert desk._not_before - time.monotonic() > 9
    desk.close(5)


def settings(bot: TelegramServer, chat: str = "42") -> dict[str, str]:
    return {
        "TRACKER_TELEGRAM_TOKEN": bot.token,
        "TRACKER_TELEGRAM_CHAT": chat,
        "TRACKER_TELEGRAM_URL": bot.url,
    }


def listed(folder: Path, mints: list[str]) -> None:
    text = ",\n".join(f'"{mint}": {{"token": "{mint}"}}' for mint in mints)
    (folder / "tracked_tokens.json").write_text(f"{{{text}}}")


def test_a_rise_reaches_the_chat_once(start: Start, folder: Path, bot: TelegramServer) -> None:
    """From a price at the service to a message in the chat; no second one later, nor after a restart."""
    listed(folder, [MINT])
    with PriceServer() as server:
        server.prices[MINT] = [pool(1.0)]
        tracker = start(*server.options(), *FAST, env=settings(bot))
        tracker.until(lambda: tracker.tokens().get(MINT, {}).get("lastPrice") == 1.0, "the price")
        server.prices[MINT] = [pool(1.75)]
        tracker.until(lambda: bot.messages, "the message")
        assert "is up 75.0 %" in bot.texts()[0]
        tracker.until(lambda: tracker.tokens()[MINT].get("reached50"), "the mark in the file")
        assert tracker.stop() == 0
        assert (folder / "sent_tokens.txt").read_text() == f"{MINT}\n"
        again = start(*server.options(), *FAST, env=settings(bot))
        again.until(lambda: again.beat().get("turns", 0) > 5, "turns")
        assert again.stop() == 0
    assert len(bot.messages) == 1
    everything = tracker.text() + "".join(
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()
    )
    assert "SECRET" not in everything


def test_killed_around_sending(start: Start, folder: Path, bot: TelegramServer, command: Command) -> None:
    """Kill -9 while messages are on their way, again and again: nobody hears of a token twice."""
    mints = [f"{MINT[:-2]}{a}{b}" for a in "345" for b in "2345"]
    listed(folder, mints)
    with PriceServer() as server:
        server.prices = {mint: [pool(1.0)] for mint in mints}
        first = start(*server.options(), *FAST, env=settings(bot))
        first.until(lambda: all(t.get("lastPrice") for t in first.tokens().values()), "first prices")
        assert first.stop() == 0
        bot.always = accept_then(hang=True)
        for number, mint in enumerate(mints[:5]):
            server.prices[mint] = [pool(2.0)]
            heard = len(bot.calls)
            tracker = start(*server.options(), *FAST, env=settings(bot))
            tracker.until(lambda heard=heard: len(bot.calls) > heard, f"a message on its way ({number})")
            tracker.process.send_signal(signal.SIGKILL)
            tracker.process.wait(10)
        bot.always = None
        last = start(*server.options(), *FAST, env=settings(bot))
        last.until(lambda: last.beat().get("turns", 0) > 3, "turns")
        server.prices[mints[6]] = [pool(2.0)]
        last.until(lambda: any(mints[6] in text for text in bot.texts()), "a proper one")
        last.until(
            lambda: (last.beat().get("alertsUncertain"), last.beat().get("alertsWaiting")) == (5, 0),
            "the counts",
        )
        seen = Counter(re.findall(r"So1\w+", "\n".join(bot.texts())))
        assert max(seen.values()) == 1
        shown = command("alerts", env=settings(bot))
        assert shown.stdout.count("UNCERTAIN") == 5
        again = command("alerts", "resend", "1", env=settings(bot))
        assert again.returncode == 0
        last.until(
            lambda: (last.beat().get("alertsUncertain"), last.beat().get("alertsWaiting")) == (4, 0),
            "one less",
        )
        assert last.stop() == 0
    assert command("alerts", "resend", "1", env=settings(bot)).returncode == 2
    assert command("alerts", "resend", "2", env=settings(bot)).returncode == 0
    seen = Counter(re.findall(r"So1\w+", "\n".join(bot.texts())))
    assert sorted(seen.values())[-2:] == [2, 2]
    assert command("alerts", env=settings(bot)).stdout.count("UNCERTAIN") == 3


def test_the_test_message(command: Command, folder: Path, bot: TelegramServer) -> None:
    """``alerts --test`` says that it arrived, or the server's reason with a code that is not 0, token hidden."""
    done = command("alerts", "--test", env=settings(bot))
    assert done.returncode == 0
    assert "telegram" in done.stdout
    assert len(bot.messages) == 1
    wrong = settings(bot) | {"TRACKER_TELEGRAM_TOKEN": "999:WRONG-secret"}
    done = command("alerts", "--test", env=wrong)
    assert done.returncode == 5
    assert "Unauthorized" in done.stderr
    assert "WRONG-secret" not in done.stderr + done.stdout
    (folder / "tracker.toml").write_text('notify-url = "ntfy://secret-topic"\n')
    done = command("alerts", "--test", env=settings(bot))
    assert done.returncode == 78
    assert "secret-topic" not in done.stderr


def test_old_and_uncertain_are_left_in_the_ledger(tmp_path: Path) -> None:
    """A desk that only sends one alert by order touches no other."""
    ledger = Ledger(str(tmp_path / "l.jsonl"), str(tmp_path / "s.txt"))
    ledger.load()
    ledger.add(MINT, 50.0, "a")
    ledger.add(OTHER, 50.0, "b")
    ledger.mark([2], UNCERTAIN)
    sent: list[str] = []
    desk = AlertDesk(
        Ledger(str(tmp_path / "l.jsonl"), str(tmp_path / "s.txt")),
        ConsoleSender(sent.append),
        print,
        send=False,
    )
    desk.resend(2)
    desk.deliver_only(2)
    assert sent == ["b; alert 2"]
    assert desk.facts() == {"alertsWaiting": 1, "alertsUncertain": 0}
