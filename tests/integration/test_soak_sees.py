"""The soak would notice: each of its judges is shown a broken promise and finds it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from soaking.growth import grown, measure
from soaking.journal import Journal
from soaking.receiver import Receiver, count
from soaking.saved import Saved
from soaking.words import code_of, contradictions
from soaking.world import World
from tracker.alerts import message_of, rise_text
from tracker.ledger import DUE, Entry
from tracker.rules import Rise
from tracker.sources.demo import MARKET
from watchdog_kit.telegram import Telegram

MINT = next(iter(MARKET))


def rise(level: float) -> str:
    """A rise as the tracker writes it."""
    return rise_text(
        Rise(
            address=MINT,
            name="Rocket (simulated)",
            symbol="ROCKET",
            level=level,
            percent=level + 1,
            price=2.0,
            first_price=1.0,
            liquidity=84_000.0,
            source="demo",
        )
    )


def test_an_alert_that_arrives_twice_is_seen() -> None:
    """The same token and level in two messages, alone and merged with another: told twice."""
    first = Entry(1, DUE, "", MINT, 50.0, rise(50.0))
    again = Entry(2, DUE, "", MINT, 50.0, rise(50.0))
    other = Entry(3, DUE, "", MINT, 0.5, rise(0.5))
    with Receiver() as receiver:
        settings = receiver.environment()
        sender = Telegram(settings["TRACKER_TELEGRAM_TOKEN"], settings["TRACKER_TELEGRAM_CHAT"], receiver.url)
        sender.send(message_of([first]))
        assert receiver.twice() == []
        sender.send(message_of([other, again]))
        rises, numbers = receiver.counts()
        assert rises == {(MINT, "50"): 2, (MINT, "0.5"): 1}
        assert set(numbers) == {1, 2, 3}
        assert receiver.twice() == [f"level 50 % of {MINT} (2 times)"]
    assert count(["alert 4", "x\nalert 4"])[1] == {4: 2}


def saved_by(folder: Path, content: Any) -> None:
    """Replace the list as the tracker does."""
    beside = folder / "beside"
    beside.write_text(json.dumps(content))
    beside.replace(folder / "tracked_tokens.json")


def test_lost_tokens_and_prices_are_seen(tmp_path: Path) -> None:
    """A token that is gone, a first price that changed, a highest price that fell, and one removed that is back."""
    saved = Saved(tmp_path)
    token = {"token": "a", "startTime": "t", "firstPrice": 1, "highestPrice": 5, "maxRisePercentage": 400}
    saved_by(tmp_path, {"a": token, "b": token})
    assert saved.look() == []
    saved_by(tmp_path, {"a": token | {"highestPrice": 6}})
    assert saved.look() == ["token b was lost"]
    saved_by(tmp_path, {"a": token | {"firstPrice": 2}})
    assert saved.look() == ["firstPrice of a went from 1 to 2", "highestPrice of a fell from 6 to 5"]
    saved.expect_removal("a")
    saved_by(tmp_path, {"b": token})
    assert saved.look() == []
    saved_by(tmp_path, {"a": token, "b": token})
    assert saved.look() == ["token a was removed and is back"]
    (tmp_path / "tracked_tokens.json").write_text("{")
    assert len(saved.look()) == 1
    (tmp_path / "tracked_tokens.json").unlink()
    assert saved.look() == ["tracked_tokens.json is gone"]


def test_damage_on_purpose_is_no_loss(tmp_path: Path) -> None:
    """After a spoiled file the newest backup is the measure; what it held must be there again."""
    saved = Saved(tmp_path)
    saved_by(tmp_path, {"a": {"token": "a", "highestPrice": 9}, "b": {"token": "b"}})
    assert saved.look() == []
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "kept.json").write_text(json.dumps({"a": {"token": "a", "highestPrice": 5}}))
    with ThreadPoolExecutor() as watcher:
        with saved.damage():
            saved_by(tmp_path, {"a": {"token": "a", "highestPrice": 9}, "b": {"token": "b"}})
            meanwhile = watcher.submit(saved.look)
            assert wait([meanwhile], 0.2).not_done  # a look at what is still good would end the excuse
            (tmp_path / "tracked_tokens.json").write_text("[1]")
        assert meanwhile.result(30) == []
    assert saved.look() == []
    saved_by(tmp_path, {"a": {"token": "a", "highestPrice": 4}})
    assert saved.look() == ["highestPrice of a fell from 5 to 4"]


def test_a_false_kill_is_seen_and_a_gap_is_not_one(tmp_path: Path) -> None:
    """A hang outside every freeze is told, one inside is not; a gap of a full disk has no number and no fault."""
    folder = tmp_path / ".watchdog" / "tracker"
    folder.mkdir(parents=True)
    lines = [
        {"seq": 1, "fact": "hang", "up": 100.0},
        {"fact": "journal-gap", "lost_bytes": 4},
        {"seq": 3, "fact": "hang", "up": 500.0},
    ]
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Receiver() as receiver:
        (tmp_path / "aside").mkdir()
        world = World(tmp_path, tmp_path / "aside", 1, receiver)
        world.excuses.append((95.0, 101.0))
        journal = Journal(world)
        assert journal.look() == []
        assert [text for text in journal.judge() if "500.0" in text] == journal.judge()
        assert len(journal.judge()) == 1
        world.close()


def test_growth_is_seen_and_noise_is_not() -> None:
    """One more descriptor in each late look is growth; a heavy moment early or late is none."""
    flat = [{"descriptors": 15.0 + at % 3, "threads": 4.0, "rss_mb": 20.0 + at % 2} for at in range(120)]
    assert grown(flat) == []
    assert grown([*flat[:-1], {"descriptors": 60.0, "threads": 9.0, "rss_mb": 50.0}]) == []
    leaking = [look | {"descriptors": look["descriptors"] + at / 20} for at, look in enumerate(flat)]
    assert [text.split()[0] for text in grown(leaking)] == ["descriptors"]
    assert grown(leaking[:40]) == []  # too few to say anything
    assert measure(os.getpid()) is None  # no watchdog


@pytest.mark.parametrize(
    ("change", "code", "before", "after", "said"),
    [
        ({}, 0, [7], [7], ""),
        ({}, 5, [7], [7], "said 0"),
        ({"exit_code": 5}, 5, [7], [7], "for 'running' and 'healthy'"),
        ({}, 0, [8], [9], "names pid 7"),
        ({"child": None}, 0, [], [], "without a program"),
        ({"state": "stopped", "health": "not running", "exit_code": 3, "child": None}, 3, [7], [7], "while"),
        ({"heartbeat": {"age_s": -1.0}}, 0, [7], [7], "heartbeat.age_s is -1.0"),
    ],
)
def test_a_status_that_lies_is_seen(
    change: dict[str, Any], code: int, before: list[int], after: list[int], said: str
) -> None:
    """Against its own code, the documented one, the living trackers, and time."""
    report = {
        "state": "running",
        "health": "healthy",
        "exit_code": 0,
        "child": {"pid": 7, "uptime_s": 3.0},
        "heartbeat": {"age_s": 0.1},
    } | change
    found = contradictions(report, code, before, after)
    assert (not found) == (not said)
    assert said in " ".join(found)
    assert code_of({"state": "unknown", "health": "unknown"}) == 4
