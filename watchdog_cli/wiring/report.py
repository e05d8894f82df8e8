"""Put together all that ``report`` and the metrics say of the past; the files are read, nobody is disturbed."""

import os
import time

from watchdog_cli.adapters import boot_clock, life
from watchdog_cli.adapters.journal_reader import read_notes
from watchdog_cli.adapters.samples import read_samples
from watchdog_cli.adapters.system import locks, processes
from watchdog_cli.core import measured
from watchdog_cli.core.blocks import Block, parse
from watchdog_cli.core.history import History, tell
from watchdog_cli.core.samples import life_tag
from watchdog_cli.core.timeline import PLAUSIBLE, Stamp, Timeline
from watchdog_cli.core.uptime_report import GOAL, KEPT_S, STRIP, Found, UptimeReport, review
from watchdog_cli.wiring.places import Places
from watchdog_kit.quantities import exact_duration

WEEK_S = 7 * 86_400.0
SILENCES = 3
HUNG = "TtXZ"  # states of a watchdog that watches nothing


def read_report(
    folder: str,
    name: str,
    *,
    since_s: float = WEEK_S,
    label: str = "",
    goal: float = GOAL,
    parts: int = STRIP,
) -> UptimeReport:
    """Look back at one program.

    Args:
        since_s: how far the closer look goes back.
        label: how the person wrote that; made from ``since_s`` if empty.
        goal: the wanted uptime, a share from 0 to 1.
        parts: into how many parts the charts are cut.
    """
    places = Places(folder, name)
    now = Stamp(time.time(), boot_clock.now_s(), life.current_boot())
    notes = read_notes(places.journal)
    timeline = Timeline([note.stamp for note in notes], now)
    boots = {life_tag(one): life.boot_of(one) for one in {note.life for note in notes if note.life}}

    def place(block: Block) -> float | None:
        boot = boots.get(block.life)
        at = timeline.place(boot, float(block.up)) if boot else None
        if at is None and PLAUSIBLE <= block.wall <= now.wall:
            at = float(block.wall)
        return at

    back = max(since_s, KEPT_S)
    content = read_samples(places.samples, now.wall - back - 86_400.0)
    placed = measured.place_blocks(parse(content), place, now.wall)
    history = tell(
        notes,
        timeline.times,
        measured.stretches(placed),
        now=now.wall,
        living=_living(places, notes[-1].life) if notes else None,
    )
    return review(
        history,
        _found(placed, history, since_s, parts),
        name=name,
        folder=folder,
        since_s=since_s,
        label=label or exact_duration(since_s),
        goal=goal,
    )


def _found(placed: list[measured.Placed], history: History, since_s: float, parts: int) -> Found:
    start = history.now - since_s
    return Found(
        charts=tuple(measured.buckets(placed, start, history.now, parts)) if placed else (),
        growth=measured.memory_growth(placed, start),
        silences=tuple(measured.longest_silences(placed, start, SILENCES)),
        latest=measured.latest(placed),
    )


def _living(places: Places, newest: str) -> str | None:
    """The life of the watchdog that watches this program now; None when nobody does, or it is frozen.

    Args:
        newest: the life that wrote the last note.
    """
    pid = locks.holder(places.lock)
    if pid is None:
        return None
    found = processes.stat(pid) if pid else None  # 0: it lives in a place that we cannot look into
    if pid and (found is None or found.state in HUNG):
        return None
    known = found is None or not newest or life.start_of(newest) == found.start_ticks
    return newest if known else None


def has_history(folder: str, name: str) -> bool:
    """Whether anything was ever noted under this name."""
    return os.path.exists(Places(folder, name).journal)
