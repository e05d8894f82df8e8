"""Being told of a new heartbeat file: our own inotify descriptor beside the observer of the watchdog library.

Both read the file and look at its time. ``docs/decisions/0002`` rests on these figures.
"""

import os
import select
import subprocess
import time

from stand import LIMIT_S, PYTHON, Stand, figures, median, p95
from table import Row, Table

MIB = 2**20
# Each prints for every beat how long ago it was written, on the clock that all processes share.
LOOK = """
import os, time
last = [b""]
def look():
    with open("heartbeat.json", "rb") as file:
        written = file.read()
    if written != last[0]:
        last[0] = written
        os.write(1, b"%d" % (time.monotonic_ns() - int(written)))
"""
OWN = f"""{LOOK}
from watchdog_cli.adapters.file_notice import InotifyNotice
from watchdog_cli.adapters.inbox import Inbox
inbox = Inbox()
notice = InotifyNotice(inbox, os.path.abspath("heartbeat.json"), look)
assert notice.ensure() is None
os.write(1, b"ready")
while True:
    inbox.get(None)
"""
LIBRARY = f"""{LOOK}
import threading
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
path = os.path.abspath("heartbeat.json")
class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        if path in (event.src_path, event.dest_path) and event.event_type in ("moved", "modified", "attrib"):
            look()
observer = Observer()
observer.schedule(Handler(), os.path.dirname(path))
observer.start()
os.write(1, b"ready")
threading.Event().wait()
"""


def notice(stand: Stand, table: Table, *, quick: bool) -> None:
    """Latency, wake-ups, threads and memory of both."""
    beats = 60 if quick else 200
    table.head("notice", f"{beats} atomic replacements of heartbeat.json to the look at it, in turns")
    folders, processes = {}, {}
    for name, code in (("own inotify descriptor", OWN), ("observer of the library", LIBRARY)):
        folders[name] = stand.folder("notice")
        (folders[name] / "heartbeat.json").write_text("0")
        processes[name] = stand.start([PYTHON, "-c", code], folders[name], stdout=-1)
    samples: dict[str, list[float]] = {name: [] for name in processes}
    for process in processes.values():
        _line(process)
    before = {name: figures(process.pid) for name, process in processes.items()}
    for _ in range(beats):
        for name, process in processes.items():
            draft = folders[name] / "draft"
            draft.write_text(str(time.monotonic_ns()))
            os.replace(draft, folders[name] / "heartbeat.json")
            samples[name].append(int(_line(process)) / 1e6)
            time.sleep(0.02)
    for name, process in processes.items():
        after = figures(process.pid)
        switches = (after.switches - before[name].switches) / beats
        cpu_us = (after.cpu_s - before[name].cpu_s) / beats * 1e6
        held = f"{after.threads} threads, {after.rss / MIB:.1f} MiB"
        note = f"{held}; a beat: {switches:.1f} switches, {cpu_us:.0f} us CPU"
        row = Row(
            f"{name}, median", median(samples[name]), "ms", note=f"p95 {p95(samples[name]):.2f} ms; {note}"
        )
        table.add(row)
        stand.end(process)


def _line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()  # past its buffer, so that select tells the truth
    if not select.select([descriptor], [], [], LIMIT_S)[0]:
        raise TimeoutError("no notice came")
    return os.read(descriptor, 4096)
