"""The words of an alert: bounded, with head and tail, and marks that can always be read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telegram_server import TelegramServer
from watchdog_cli.sinks.masking import make_mask
from watchdog_cli.sinks.told_incident import Kind, Telling
from watchdog_cli.sinks.wording import LIMIT, compose, fold, trial, worth_telling
from watchdog_kit.notify import Message, Outcome, utf16_length
from watchdog_kit.telegram import Telegram

AT = datetime(2026, 11, 25, 4, 38, tzinfo=UTC)
MASK = make_mask(["topsecret"], {})
KOREAN = "한국어 오류 🚀 메시지 "


def telling(kind: Kind = Kind.FIRST, **more: object) -> Telling:
    values: dict[str, object] = {
        "kind": kind,
        "story_id": "abc123",
        "number": 1,
        "began_at": AT,
        "at": AT,
        "ends": 1,
        "fresh": 1,
        "causes": {"exit code 1": 1},
        "what": "exit code 1",
        "cause": "exit",
        "then": "starting again in 5s",
        "lived_s": 12.0,
        "run": 7,
    }
    return Telling(**(values | more))  # type: ignore[arg-type]


def test_it_says_what_happened_and_what_follows() -> None:
    """Program and machine, cause, decision, the last lines, where to read on, and a mark to know a copy by."""
    message = compose(telling(), "bot on box", ["one", "two", ""], MASK)
    lines = message.text.splitlines()
    assert lines[0] == "🔴 bot on box: exit code 1"
    assert "Starting again in 5s." in lines
    assert "Run 7 lived 12s; 2026-11-25 04:38:00 UTC." in lines
    assert "More: watchdog incidents 20261125T043800Z-exit" in lines
    assert lines[-1] == "[abc123/1]"
    assert lines[lines.index("one") + 1] == "two"
    assert message.data is not None
    assert message.data["id"] == "abc123/1"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.CHANGE, "still in trouble, now 12 ends"),
        (Kind.GAVE_UP, "DOWN: exit code 1"),
        (Kind.DOWN, "DOWN: exit code 1"),
        (Kind.OVER, "healthy again"),
        (Kind.STOPPED, "stopped; the incident is closed"),
    ],
)
def test_each_kind_has_its_headline_and_counts(kind: Kind, words: str) -> None:
    """Changes count the ends by cause and say how many are new."""
    causes = {"exit code 1": 9, "killed by SIGKILL": 3}
    then = "" if kind is Kind.OVER else "starting again in 5s"
    told = telling(kind, ends=12, fresh=5, number=2, causes=causes, then=then)
    message = compose(told, "bot on box", ["x"], MASK)
    assert words in message.text.splitlines()[0]
    assert "12 ends since 2026-11-25 04:38:00 UTC (exit code 1 × 9, killed by SIGKILL × 3)." in message.text
    assert ("5 of them since the last message." in message.text) == (kind is not Kind.FIRST)
    assert ("\nx\n" in message.text) == (kind not in {Kind.OVER, Kind.STOPPED})


def test_a_long_traceback_keeps_head_and_tail() -> None:
    """Case N04: 20 kB of Korean and emoji become one message below the limit, with both ends."""
    trace = [
        "Traceback (most recent call last):",
        "  File first.py",
        *[KOREAN * 5] * 250,
        "ValueError: 끝 🚨",
    ]
    assert sum(len(line) for line in trace) > 10_000
    message = compose(telling(), "bot on box", ["noise before", *trace], MASK)
    assert utf16_length(message.text) <= LIMIT
    assert "noise before" not in message.text
    assert "first.py" in message.text
    assert "ValueError: 끝 🚨" in message.text
    assert "[...]" in message.text


@given(
    lines=st.lists(st.text(max_size=2000), max_size=30),
    what=st.text(max_size=5000),
    then=st.text(max_size=5000),
    kind=st.sampled_from(Kind),
    count=st.integers(1, 40),
)
def test_every_message_is_bounded_and_holds_no_secret(
    lines: list[str], what: str, then: str, kind: Kind, count: int
) -> None:
    """Whatever was printed, the text fits, has the mark, and hides what is secret."""
    causes = {f"{what[:50]} {number}": 1 for number in range(count)}
    message = compose(
        telling(kind, what=f"{what} topsecret", then=then, causes=causes, ends=count),
        "bot on box",
        [*lines, "topsecret"],
        MASK,
    )
    assert utf16_length(message.text) <= LIMIT + 40
    assert message.text.endswith("[abc123/1]")
    assert "topsecret" not in message.text
    assert "topsecret" not in (message.html or "")


def test_telegram_can_read_the_marks_of_anything() -> None:
    """Lines full of markup arrive as they are, with marks."""
    lines = ["<b>&amp; </pre> <script>", "a < b && c > d", "سوق العملات 🚀", '"q"']
    with TelegramServer() as server:
        sender = Telegram(server.token, "42", server.url)
        result = sender.send(compose(telling(what="a <b> & c"), "bot on <box>", lines, MASK))
        assert result.outcome is Outcome.SENT
        [seen] = server.messages
    assert seen.html
    for line in lines:
        assert line in seen.text


def test_waiting_messages_become_one_with_the_newest_first() -> None:
    """The newest as a whole, of the others their titles, all within the limit."""
    several = [Message(f"title {number}\nbody {number}") for number in range(300)]
    folded = fold(several, 500)
    assert folded.text.startswith("title 299\nbody 299")
    assert "500 messages had to wait" in folded.text
    assert "· title 0" in folded.text
    assert "· title 298" in folded.text
    assert "body 0" not in folded.text
    assert utf16_length(folded.text) <= LIMIT


def test_only_the_last_lines_are_worth_telling() -> None:
    """Without a traceback the last six lines that are not empty at the end."""
    assert worth_telling([]) == []
    assert worth_telling(["", " "]) == []
    assert worth_telling([str(number) for number in range(9)] + [""]) == ["3", "4", "5", "6", "7", "8"]
    trace = ["Traceback (most recent call last):", "x", "E: 1"]
    assert worth_telling([*trace, "more", *trace, "after"]) == [*trace, "after"]
    dump = [
        "Current thread 0x00007f (most recent call first):",
        *[f"  File {number}" for number in range(20)],
    ]
    assert worth_telling(["Thread 0x1 (most recent call first):", "  x", *dump]) == dump


def test_the_test_message_says_that_it_is_one() -> None:
    """Nobody shall be frightened by it."""
    assert "this is a test" in trial("bot on box").text
