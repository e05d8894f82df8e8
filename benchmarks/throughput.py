"""How fast output gets into the rotating log."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from stand import PYTHON, WATCHDOG, Stand, median
from table import Row, Table

# Writes whole lines as fast as they are taken, and says into a file how long that took.
WRITER = """
import os, sys, time
block = (b"x" * 99 + b"\\n") * 650
begun = time.perf_counter()
for _ in range(int(sys.argv[1])):
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(1, rest):]
took = time.perf_counter() - begun
with open(sys.argv[2], "w") as file:
    file.write(str(int(sys.argv[1]) * len(block) / took / 1e6))
"""

# The least that can stand behind a pipe: it widens it and moves the bytes to a file of at most 10 MB. With a second
# pipe the child need not wait while the file is written; what is in that one is lost when the mover is killed.
MOVER = """
import fcntl, os, sys
batch = int(sys.argv[1])
ends = [0, 1]
if sys.argv[2] == "two":
    ends[1:1] = reversed(os.pipe())
for end in ends[:-1]:
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 20)
written = 0
while count := os.splice(ends[0], ends[1], batch):
    written += count
    while len(ends) > 2 and count:
        count -= os.splice(ends[2], ends[3], count)
    if written > 10_000_000:
        written = os.lseek(1, 0, os.SEEK_SET)
        os.ftruncate(1, 0)
"""


def _moved(batch: int, pipes: str) -> tuple[str, ...]:
    return (
        "/bin/sh",
        "-c",
        f'script=$1; shift; "$@" | {PYTHON} -c "$script" {batch} {pipes} >file',
        "sh",
        MOVER,
    )


WAYS = {
    "child >file": ("/bin/sh", "-c", '"$@" >file', "sh"),
    "child | cat >file": ("/bin/sh", "-c", '"$@" | cat >file', "sh"),
    "child | splice >file": _moved(128 << 10, "one"),
    "child | splice | splice >file": _moved(512 << 10, "two"),
    "watchdog": (WATCHDOG, "run", "--quiet", "--no-heartbeat", "--restart", "never", "--"),
}


def log(stand: Stand, table: Table, *, quick: bool) -> None:
    """A program that prints half a gigabyte."""
    blocks, rounds = (4000, 3) if quick else (8000, 7)
    table.head(
        "log", f"a program prints {blocks * 0.065:.0f} MB, 65 kB at once; rotation at 10 MB, 5 backups"
    )
    speeds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, supervisor in WAYS.items():
            speeds[name].append(_speed(stand, supervisor, blocks))
    raw, pipe, _, fastest, ours = (median(found) for found in speeds.values())
    for name, found in speeds.items():
        row = Row(f"{name}, median", median(found), "MB/s", at_least=True, note=f"best {max(found):.0f}")
        if name == "watchdog":
            row.limit, row.ratio, row.ratio_limit = 1700.0, ours / raw, 1700 / 1912
            row.note += (
                f"; {ours / pipe:.2f} of a pipe with nothing but cat behind it, {ours / fastest:.2f} of the fastest "
                f"pipe that we know, which itself is {fastest / raw:.2f} of a plain file"
            )
        table.add(row)


def _speed(stand: Stand, supervisor: Sequence[str], blocks: int) -> float:
    folder = stand.folder("log")
    result = folder / "speed"
    process = stand.start([*supervisor, PYTHON, "-c", WRITER, str(blocks), str(result)], folder)
    process.wait(60)
    speed: float = json.loads(result.read_text())
    _check(folder, blocks)
    stand.end(process)
    shutil.rmtree(folder)
    return speed


def _check(folder: Path, blocks: int) -> None:
    """The log has its newest bytes, in whole lines, below its ceiling; speed without them would be worth nothing."""
    path = folder / "logs/tracker.log"
    if not path.exists():
        return
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        file.seek(max(0, size - 100))
        last = file.read()
    kept = sum(
        os.path.getsize(folder / "logs" / name)
        for name in os.listdir(folder / "logs")
        if "watchdog" not in name
    )
    if last != b"x" * 99 + b"\n" or size > 10_000_000 or kept < min(blocks * 65_000, 49_000_000):
        raise AssertionError(
            f"the log is not what was printed: {kept} bytes kept, the newest file has {size}"
        )
