"""A program that stamps its life into a folder which all hosts share, and the look at those stamps.

    python lease_life.py FOLDER LABEL

Every few milliseconds it writes the present instant, by the clock that counts suspend, and now and then it saves a
growing number into ``tracked_tokens.json`` as a tracker would.
"""

import itertools
import json
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

SHAPE = "=qqqq"
STAMP_S = 0.005
SAVE_S = 0.2
STATE = "tracked_tokens.json"


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
    while True:
        if time.monotonic() >= save_at or asked:
            save_at = time.monotonic() + SAVE_S
            number += 1
            new = Path(f"{STATE}.new")
            new.write_text(json.dumps({"number": number}))
            new.replace(STATE)
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.pwrite(descriptor, struct.pack(SHAPE, start, now, found, number), 0)
        if asked:
            return
        time.sleep(STAMP_S)


def _read() -> int:
    try:
        return int(json.loads(Path(STATE).read_text())["number"])
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
