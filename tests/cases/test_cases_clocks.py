"""The wall clock is stepped while the watchdog runs: nothing happens but what is shown."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig import Rig
from waiting import stays_true, wait_until

BEATING = (
    "import os, time\nwhile True:\n    open('b.tmp', 'w').write('{}')\n    os.replace('b.tmp', 'heartbeat.json')\n"
    "    time.sleep(0.2)\n"
)
SHIM = Path(__file__).parent.parent / "clock_shim.c"


@pytest.fixture
def stepped(rig: Rig) -> dict[str, str]:
    """Environment in which the wall clock follows the file ``offset`` in the folder of the rig."""
    compiler = shutil.which("cc")
    assert compiler, "these tests need a C compiler: install the package gcc"
    library = rig.folder / "clock_shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)
    rig.write("offset", "0")
    return {"LD_PRELOAD": str(library), "CLOCK_SHIM": str(rig.folder / "offset")}


def _step(rig: Rig, seconds: int) -> None:
    rig.write("offset.new", str(seconds))
    os.replace(rig.folder / "offset.new", rig.folder / "offset")


@pytest.mark.parametrize("step", [3600, -3600])
def test_C01_a_step_while_it_runs_kills_nobody(rig: Rig, stepped: dict[str, str], step: int) -> None:
    """An hour either way: no kill, no forgotten restart, uptime stays right, and the step is marked once."""
    rig.run(
        "--heartbeat-timeout",
        "2s",
        "--restart-delay",
        "200ms",
        "--",
        sys.executable,
        "-c",
        BEATING,
        **stepped,
    )
    rig.healthy()
    os.kill(rig.child(), signal.SIGKILL)
    rig.fact("spawned", 2)
    rig.healthy()
    pid = rig.child()
    _step(rig, step)
    stays_true(lambda: rig.status()["child"]["pid"] == pid, "the same program", 5)
    report = rig.healthy()
    assert 0 <= report["child"]["uptime_s"] < 300
    assert report["restarts"]["in_window"] == 1
    os.kill(pid, signal.SIGKILL)
    rig.fact("spawned", 3)
    assert rig.status()["restarts"]["in_window"] == 2
    assert not rig.facts("hang")
    marks = [fact for fact in rig.facts("notice") if fact["topic"] == "clock"]
    assert len(marks) == 1
    assert ("forward" if step > 0 else "back") in marks[0]["text"]


def test_C02_a_step_back_in_the_delay_moves_no_start(rig: Rig, stepped: dict[str, str]) -> None:
    """The next start comes on time, and the journal stays in order by its numbers."""
    rig.run(
        "--heartbeat-timeout", "2s", "--restart-delay", "2s", "--", sys.executable, "-c", BEATING, **stepped
    )
    rig.healthy()
    first = rig.child()
    os.kill(first, signal.SIGKILL)
    rig.fact("restarting")
    _step(rig, -3600)
    wait_until(lambda: rig.status()["child"] is not None, "the next start", 15)
    assert rig.child() != first
    numbers = [fact["seq"] for fact in rig.facts()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(fact.get("lived_s", 0) >= 0 for fact in rig.facts())
