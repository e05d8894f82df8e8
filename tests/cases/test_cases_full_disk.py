"""A disk that is full stops nobody (case L07)."""

import json
import os
import signal
import sys
import time

from rig import QUICK, Rig
from tiny_disk import fill
from trees import lives
from waiting import stays_true, wait_until

SPEAKS = """
import os, sys, time
number = 0
while True:
    number += 1
    os.write(1, b"line %06d %s\\n" % (number, b"x" * 200))
    try: os.utime("heartbeat.json")
    except OSError: pass
    time.sleep(0.01)
"""


def test_L07_full_disk_stops_nobody(small_rig: Rig) -> None:
    """Log, state and journal on a full disk: the program lives and is restarted, the old state is whole, status is
    true; with room again the log goes on and says what was lost.
    """
    rig, disk = small_rig, small_rig.folder
    rig.write("speaks.py", SPEAKS)
    rig.write("heartbeat.json", "{}")
    options = ("--quiet", "--heartbeat-timeout", "3s", "--log-size", "200kB", "--log-backups", "1")
    watchdog = rig.run(*QUICK, *options, "--", sys.executable, "-S", "speaks.py")
    first = rig.healthy()["child"]["pid"]
    state = disk / ".watchdog" / "tracker" / "state.json"
    wait_until(lambda: json.loads(state.read_text())["child"], "the first state")
    filler = fill(disk)
    log = disk / "logs" / "tracker.log"

    def is_stuck() -> bool:
        before = log.stat().st_size
        end = time.monotonic() + 0.5
        wait_until(lambda: time.monotonic() > end, "half a second")
        return log.stat().st_size == before

    wait_until(is_stuck, "the log to stop growing")
    stays_true(lambda: lives(first), "the program goes on", 2)
    os.kill(first, signal.SIGKILL)
    second = rig.other_child(first)
    json.loads(state.read_text())
    report = rig.healthy()
    assert report["child"]["pid"] == second, "the state on the disk is old, the answer is not"
    assert report["restarts"]["total"] == 1
    assert report["restarts"]["last"][-1]["signal"] == 9
    filler.unlink()
    wait_until(lambda: b"bytes" in log.read_bytes() and b"lost" in log.read_bytes(), "the note of the gap")
    wait_until(lambda: json.loads(state.read_text())["restarts"] == 1, "the state to catch up")
    size = log.stat().st_size
    wait_until(lambda: log.stat().st_size != size, "the log to go on")
    assert not rig.facts("hang")
    assert rig.cli("stop").returncode == 0
    assert watchdog.wait(10) == 0
