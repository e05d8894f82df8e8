"""A folder of the same name in another file system, as in a container, is another folder."""

import os
import signal
from pathlib import Path

import pytest

from rig import QUICK, Rig
from waiting import wait_until

PLAIN = ("--no-heartbeat", *QUICK)
USER = () if os.getuid() == 0 else ("--user", "--map-root-user")
# Another disk lies over the folder, for this one and what it starts.
ELSEWHERE = 'mount -t tmpfs tmpfs "$0" && cd "$0" && exec "$@"'


def _program_of(pid: int) -> int:
    """The sleeping child of a watchdog, if it has one yet."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text() == "sleep\n":
            return int(child)
    return 0


@pytest.mark.timeout(90)
def test_P05_program_of_a_container_with_the_same_path_is_let_alone(rig: Rig) -> None:
    """Two watchdogs that each have their own /app see all processes, and touch none of the other's."""
    words = ("unshare", *USER, "--mount", "sh", "-c", ELSEWHERE, str(rig.folder))
    inside = rig.run(*PLAIN, "--", "sleep", "600", prefix=words)
    theirs = wait_until(lambda: _program_of(inside.pid), "the program of the container")
    rig.run(*PLAIN, "--", "sleep", "600")
    rig.fact("spawned")
    assert not rig.facts("adopted", "left-behind")
    ours = rig.child()
    assert ours != theirs
    os.kill(ours, signal.SIGKILL)
    rig.fact("spawned", 2)
    assert rig.cli("stop").returncode == 0
    assert _program_of(inside.pid) == theirs
    inside.terminate()
    assert inside.wait(20) == 0
