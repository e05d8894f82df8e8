"""The heartbeat file: written by the work loop itself, so that it says that the work goes on."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from tracker.when import utc_text
from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.os_errors import in_words


class Heartbeat:
    """Writes the file.

    Args:
        path: the file.
        run_id: the supervisor's name for this run; None when nobody supervises.
        interval_s: how often a beat is promised.
        dump_signal: signal on which the stacks of all threads are printed, or None.
    """

    def __init__(self, path: str, run_id: str | None, interval_s: float, dump_signal: str | None) -> None:
        self.path = path
        self._run_id = run_id
        self._interval_s = interval_s
        self._dump_signal = dump_signal
        self._seq = 0

    def write(self, status: str, message: str, facts: Mapping[str, Any]) -> str | None:
        """Write a beat; return None, or why only the old file could be touched.

        A touched file is a beat too: a full disk must not look like a hang.
        """
        self._seq += 1
        beat: dict[str, Any] = {"timestamp": utc_text(), "pid": os.getpid()}
        if self._run_id:
            beat["runId"] = self._run_id
        interval = self._interval_s
        beat |= {"seq": self._seq, "intervalSeconds": int(interval) if interval.is_integer() else interval}
        beat |= {"status": status, "message": message, **facts, "memoryUsage": {"rss": resident_bytes()}}
        if self._dump_signal:
            beat["dumpSignal"] = self._dump_signal
        try:
            write_atomic(self.path, json.dumps(beat, indent=2).encode() + b"\n", durable=False)
        except OSError as error:
            try:
                os.utime(self.path)
            except OSError:
                return f"cannot write {self.path}: {in_words(error)}"
            return f"cannot write {self.path}, only touch it: {in_words(error)}"
        return None


def resident_bytes() -> int | None:
    """Return the memory that this process occupies, in bytes; None where it cannot be told cheaply."""
    if sys.platform == "linux":
        try:
            with open("/proc/self/statm", "rb") as file:
                return int(file.read(200).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            pass
    import psutil

    try:
        return int(psutil.Process().memory_info().rss)
    except (OSError, psutil.Error):
        return None
