"""A program that stamps its life into a folder which all hosts share, and the look at those stamps.

    python lease_life.py FOLDER LABEL

Every few milliseconds it writes the present instant, by the clock that counts suspend, and now and then it saves a
growing number into ``tracked_tokens.json`` and gives a sign of life, as a tracker would. Under a lease it also tells
numbers to a chat that all hosts share, each at most once, in the way that the manual describes.
"""

import itertools
import json
import os
import signal
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # it is started without site-packages, to start quickly
from watchdog_kit.carried import VARIABLE, CarriedLog

SHAPE = "=qqqq"
STAMP_S = 0.005
SAVE_S = 0.2
TELL_S = 0.1  # after the last number was told
STATE = "tracked_tokens.json"
LOG = "sent_tokens.ledger.jsonl"
CHAT = "chat"


class Life(NamedTuple):
    """One run of the program: its first and last stamp in nanoseconds, the number it found and the last it saved."""

    start: int
    last: int
    found: int
    saved: int
    label: str


def lives(folder: Path) -> list[Life]:
    """All lives, in the order of their starts."""
    found = []
    for path in folder.glob("*.life"):
        raw = path.read_bytes()
        if len(raw) == struct.calcsize(SHAPE):
            found.append(Life(*struct.unpack(SHAPE, raw), label=path.name.split("-")[1]))
    return sorted(found)


def broken(found: list[Life]) -> list[str]:
    """What must never be: two lives that overlap, and a state older than what the host before had begun with.

    What a host found when it took over was in etcd; what it saved since, and what it found at a restart of its own,
    may have been lost with it.
    """
    problems = []
    base = found[0].found if found else 0
    for before, after in itertools.pairwise(found):
        if after.start <= before.last:
            over = (before.last - after.start) / 1e6
            problems.append(f"{after.label} began {over:.1f} ms before {before.label} had ended")
        if after.found < base:
            problems.append(f"{after.label} found {after.found}, but {before.label} had taken over {base}")
        if after.label != before.label:
            base = after.found
    return problems


def told(folder: Path) -> list[int]:
    """All numbers that arrived in the chat."""
    try:
        return [int(line) for line in (folder / CHAT).read_text().splitlines()]
    except FileNotFoundError:
        return []


def told_twice(folder: Path) -> list[str]:
    """What must never be in the chat."""
    return [
        f"{number} was told {count} times" for number, count in Counter(told(folder)).items() if count > 1
    ]


class Chat:
    """Tells the next number as soon as the host that takes over would know of it."""

    def __init__(self, folder: Path, record: str) -> None:
        """What an earlier life began to tell is not told again, whether it arrived or not."""
        self._chat = folder / CHAT
        self._log = Path(LOG)
        self._log.touch()
        words = [line.split() for line in self._log.read_text().splitlines()]
        self._number = max((int(number) for number, _ in words), default=0)
        self._carried = CarriedLog(record, LOG)
        self._size = 0  # of the log when the present number was noted; 0 between two
        self._next_at = 0.0

    def turn(self) -> None:
        """Never waits."""
        now = time.monotonic()
        if not self._size and now >= self._next_at:
            self._number += 1
            self._note("sending")
            self._size = self._log.stat().st_size
        elif self._size and self._carried.look(self._size).may_go:
            with self._chat.open("a") as file:
                file.write(f"{self._number}\n")
            self._note("sent")
            self._size = 0
            self._next_at = now + TELL_S

    def _note(self, word: str) -> None:
        with self._log.open("a") as file:
            file.write(f"{self._number} {word}\n")


def main(folder: Path, label: str) -> None:
    """Live until asked to end."""
    start = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    number = _read()
    found = number
    temporary = folder / f"{start}-{label}-{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(descriptor, struct.pack(SHAPE, start, start, found, number), 0)
    temporary.rename(temporary.with_suffix(".life"))
    save_at = time.monotonic()
    record = os.environ.get(VARIABLE)
    chat = Chat(folder, record) if record else None
    while True:
        if time.monotonic() >= save_at or asked:
            save_at = time.monotonic() + SAVE_S
            number += 1
            new = Path(f"{STATE}.new")
            new.write_text(json.dumps({"number": number}))
            new.replace(STATE)
            Path("heartbeat.json").touch()
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.pwrite(descriptor, struct.pack(SHAPE, start, now, found, number), 0)
        if asked:
            return
        if chat is not None:
            chat.turn()
        time.sleep(STAMP_S)


def _read() -> int:
    try:
        return int(json.loads(Path(STATE).read_text())["number"])
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
