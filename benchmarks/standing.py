"""What a watchdog costs while nothing happens: processor time, wake-ups, memory."""

import os
import time
from pathlib import Path

from stand import PYTHON, WATCHDOG, Figures, Stand, figures
from table import Row, Table

BEATS = 12  # in the time of measuring; one a minute would be one sample
SETTLE_S = 18.0  # the first sample of memory comes after 15 s and loads what it needs
MIB = 2**20
SLEEPER = ("/bin/sh", "-c", "sleep 100000 & wait")
RUN = (WATCHDOG, "run", "--quiet")
BARE = "import click, psutil, signal; signal.pause()"
OBSERVER = """
import click, psutil, signal
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        ours = "heartbeat.json" in (event.src_path[-14:], event.dest_path[-14:])
        if ours and event.event_type in ("moved", "modified", "closed", "attrib"):
            open("heartbeat.json", "rb").read()
observer = Observer()
observer.schedule(Handler(), ".")
observer.start()
signal.pause()
"""


def idle(stand: Stand, table: Table, *, quick: bool, seconds: float | None) -> None:
    """Let several stand side by side, beat to some of them, and count."""
    span = seconds if seconds is not None else (15.0 if quick else 60.0)
    table.head("idle", f"{span:g} s of nothing, and {BEATS} beats in them; all threads of a process together")
    commands = {
        "watchdog, no heartbeat, --no-history": [*RUN, "--no-heartbeat", "--no-history", "--", *SLEEPER],
        "watchdog, no heartbeat": [*RUN, "--no-heartbeat", "--", *SLEEPER],
        "watchdog, heartbeat, --no-history": [*RUN, "--no-history", "--", *SLEEPER],
        "watchdog, heartbeat": [*RUN, "--", *SLEEPER],
        "bare click + psutil": [PYTHON, "-c", BARE],
        "bare click + psutil + observer": [PYTHON, "-c", OBSERVER],
    }
    folders = {name: stand.folder("idle") for name in commands}
    beating = {name for name in commands if "heartbeat" in name and "no heartbeat" not in name} | {
        "bare click + psutil + observer"
    }
    for name in beating:
        _beat(folders[name], 0)
    processes = {name: stand.start(command, folders[name]) for name, command in commands.items()}
    time.sleep(3.0 if quick else SETTLE_S)
    for name in beating:
        _beat(folders[name], 1)  # the first one settles what is loaded late
    time.sleep(1.0)
    before = {name: figures(process.pid) for name, process in processes.items()}
    for number in range(BEATS):
        time.sleep(span / BEATS / 2)
        for name in beating:
            _beat(folders[name], number + 2)
        time.sleep(span / BEATS / 2)
    ended = [name for name, process in processes.items() if process.poll() is not None]
    if ended:
        raise AssertionError(f"ended before its time: {', '.join(ended)}")
    after = {name: figures(process.pid) for name, process in processes.items()}
    for process in processes.values():
        stand.end(process)
    _report(table, {name: _difference(before[name], after[name]) for name in commands}, span)
    bare = after["bare click + psutil + observer"].rss
    for name in commands:
        row = Row(f"memory, {name}", after[name].rss / MIB, "MiB", None, after[name].rss / bare)
        row.limit = 22.0 if name.startswith("watchdog") else None
        row.note = (
            f"{after[name].threads} threads"
            if name in ("watchdog, heartbeat", "bare click + psutil + observer")
            else ""
        )
        table.add(row)


def _beat(folder: Path, number: int) -> None:
    draft = folder / "draft"
    draft.write_text(f'{{"seq": {number}}}')
    os.replace(draft, folder / "heartbeat.json")


def _difference(before: Figures, after: Figures) -> tuple[float, int]:
    return (after.cpu_s - before.cpu_s) * 1000, after.switches - before.switches


def _report(table: Table, spent: dict[str, tuple[float, int]], span: float) -> None:
    """Scale to a minute. What beats cost is divided by their number, since there were more than one a minute."""
    minute = 60.0 / span
    for name in ("watchdog, no heartbeat, --no-history", "watchdog, no heartbeat"):
        cpu, switches = spent[name]
        table.add(Row(f"{name}: switches a minute", switches * minute, "", 0.0))
        table.add(Row(f"{name}: CPU a minute", cpu * minute, "ms", 1.0))
    for name, still in (
        ("watchdog, heartbeat, --no-history", "watchdog, no heartbeat, --no-history"),
        ("watchdog, heartbeat", "watchdog, no heartbeat"),
        ("bare click + psutil + observer", "bare click + psutil"),
    ):
        beats = [(spent[name][part] - spent[still][part]) / BEATS for part in (0, 1)]
        cpu_ms, count = (beats[part] + spent[still][part] * minute for part in (0, 1))
        ours = name.startswith("watchdog")
        note = f"a beat: {beats[0]:.2f} ms CPU, {beats[1]:.1f} switches; a minute is that once, and standing still"
        table.add(Row(f"{name}: switches a minute", count, "", 15.0 if ours else None))
        table.add(Row(f"{name}: CPU a minute", cpu_ms, "ms", 1.0 if ours else None, note=note))
