"""What supervising costs: standing idle side by side, and carrying a log."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from contenders import BLOCKED, Contender, working
from entries import Failed, able, dropped, gathered
from kits import Kits
from peer import Peer, Watchdog
from results import OURS, Discipline
from stand import PYTHON, Stand
from throughput import WRITER

MIB = 2**20
BEAT_S = 60.0


def idle(stand: Stand, peers: list[Peer], kits: Kits, *, seconds: float) -> list[Discipline]:
    """What supervisors cost side by side, in the same minute, with one program that does nothing."""
    more: list[Peer] = []
    if any(peer.name == OURS for peer in peers):
        more = [
            Watchdog(kits, "watchdog, heartbeat", "--heartbeat", "heartbeat.json"),
            Watchdog(kits, "watchdog, --no-history", "--no-heartbeat", "--no-history"),
        ]
    everyone = [*peers, *more]
    failed: Failed = {}
    with working(stand, everyone, BLOCKED, failed) as contenders:
        beating = [one for one in contenders if one.name == "watchdog, heartbeat"]
        for one in beating:
            one.beat()
        time.sleep(min(18.0, seconds))  # what comes late is loaded: a first sample, a first beat
        before = {one.name: one.cost() for one in contenders}
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, BEAT_S / 2))
            for one in beating if left > BEAT_S / 2 or seconds < BEAT_S else ():
                one.beat()
        after = {one.name: one.cost() for one in contenders}
    minute = 60.0 / seconds
    figures: dict[str, Callable[[str], float]] = {
        "idle CPU|ms a minute": lambda who: (after[who].cpu_s - before[who].cpu_s) * 1000 * minute,
        "idle wake-ups|voluntary switches a minute": lambda who: (
            (after[who].switches - before[who].switches) * minute
        ),
        "memory, PSS|MiB": lambda who: after[who].pss / MIB,
        "memory, RSS|MiB": lambda who: after[who].rss / MIB,
    }
    how = (
        f"the supervisor alone, all of its processes, with one idle program, over {seconds:g} s side by side"
    )
    found = []
    for title, figure in figures.items():
        name, unit = title.split("|")
        one_each = {peer.name: [figure(peer.name)] if peer.name in after else [] for peer in everyone}
        found.append(gathered(Discipline(name, unit, how), everyone, "idle", one_each, failed))
        for result in found[-1].results:
            if result.samples and after[result.who].processes > 1:
                result.reason = f"{after[result.who].processes} processes"
    return found


def log(stand: Stand, peers: list[Peer], *, rounds: int, blocks: int) -> list[Discipline]:
    """A program that prints as fast as it is let; over when its last line is in the log."""
    speeds: dict[str, list[float]] = {peer.name: [] for peer in peers}
    cpu: dict[str, list[float]] = {peer.name: [] for peer in peers}
    writer = stand.folder("writer") / "writer.py"
    writer.write_text(WRITER)
    size = blocks * 65_000
    script = f'read go <"$never"\n{PYTHON} {writer} {blocks} speed\necho the-last-line\n{BLOCKED}'
    failed: Failed = {}
    for _ in range(rounds):
        for peer in able(peers, "log"):
            with working(stand, [peer], script, failed, log=True) as contenders:
                for one in list(contenders):
                    before = one.cost().cpu_s
                    begun = time.perf_counter()
                    one.go()
                    try:
                        _wait_for_last_line(one)
                    except TimeoutError as error:
                        dropped(one, error, contenders, failed)
                        continue
                    took = time.perf_counter() - begun
                    cpu[peer.name].append((one.cost().cpu_s - before) * 1000 / (size / 1e8))
                    speeds[peer.name].append(size / took / 1e6)
                    shutil.rmtree(one.job.logs)
    how = f"{size / 1e6:.0f} MB printed, 65 kB at once, rotated at 10 MB, until the last line is in the log"
    fast = Discipline("log throughput", "MB/s", how, less_is_better=False)
    cheap = Discipline("log CPU", "ms for 100 MB", "CPU of the supervisor and its logger in the same runs")
    return [gathered(fast, peers, "log", speeds, failed), gathered(cheap, peers, "log", cpu, failed)]


def _wait_for_last_line(one: Contender) -> None:
    end = time.monotonic() + 120
    while not any(_ends_with_it(file) for file in one.job.logs.iterdir()):
        if time.monotonic() > end:
            raise TimeoutError(f"{one.name}: the last line did not come into the log")
        time.sleep(0.002)


def _ends_with_it(file: Path) -> bool:
    try:
        with open(file, "rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - 100))
            return b"the-last-line" in opened.read()
    except FileNotFoundError:
        return False  # rotated away while we looked
