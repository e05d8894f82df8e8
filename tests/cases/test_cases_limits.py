"""The machine runs out of processes or descriptors for a while: the watchdog waits, says so, and goes on."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import QUICK, Rig
from waiting import wait_until

STEADY = (*QUICK, "--quiet", "--no-heartbeat", "--max-restarts", "unlimited")
SLEEPER = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
USER = 61_234  # nobody's, so that nobody else's processes count
AS_SOMEBODY = (
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
    # May read all files, is not root.
    *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"),
)
ROOTS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of its own that can limit the number of processes."""
    for root in ROOTS:
        path = root / f"few-{uuid.uuid4().hex[:12]}"
        with contextlib.suppress(OSError):
            if (root / "cgroup.controllers").exists():
                (root / "cgroup.subtree_control").write_text("+pids")
            path.mkdir()
            (path / "pids.max").write_text("max")
            break
        with contextlib.suppress(OSError):
            path.rmdir()
    else:
        pytest.fail(f"no control group with pids.max can be made in {ROOTS}; run the tests as root on Linux")
    yield path
    wait_until(lambda: not (path / "cgroup.procs").read_text(), "an empty group", 30)
    path.rmdir()


@pytest.mark.timeout(120)
def test_R05_no_process_to_be_had_for_a_while(rig: Rig, group: Path) -> None:
    """pids.max is reached: each start fails and is told with its reason; when it is lifted the program comes back."""
    enter = ("sh", "-c", f'echo 0 > {group}/cgroup.procs; exec "$@"', "sh")
    process = rig.run(*STEADY, "--", *SLEEPER, prefix=enter)
    pid = rig.child()
    (group / "pids.max").write_text("1")
    os.kill(pid, signal.SIGKILL)
    failed = rig.fact("spawn-failed", 2, 60)
    assert "temporarily unavailable" in failed["text"]
    assert process.poll() is None
    assert rig.status()["state"] in ("waiting", "starting")
    (group / "pids.max").write_text("max")
    assert rig.other_child(pid) != pid
    assert rig.healthy()["state"] == "running"
    assert rig.cli("stop").returncode == 0
    assert process.wait(30) == 0


def _let_have(pid: int, count: str) -> None:
    """Set how many processes its user may have, as that user may itself (``ulimit -u``)."""
    prefix = AS_SOMEBODY if os.geteuid() == 0 else ()
    subprocess.run([*prefix, "prlimit", "--pid", str(pid), f"--nproc={count}:"], check=True, timeout=30)


@pytest.mark.timeout(150)
def test_R05_no_process_for_this_user_for_a_while(rig: Rig) -> None:
    """``ulimit -u`` is reached, which root would not feel: told with its reason, and over when the limit is lifted."""
    rig.folder.chmod(0o777)
    prefix = AS_SOMEBODY if os.geteuid() == 0 else ()
    process = rig.run(*STEADY, "--", *SLEEPER, prefix=prefix)
    pid = rig.child()
    usual = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    _let_have(process.pid, "1")
    os.kill(pid, signal.SIGKILL)
    failed = rig.fact("spawn-failed", 2, 60)
    assert "temporarily unavailable" in failed["text"]
    assert process.poll() is None
    assert rig.status()["state"] in ("waiting", "starting")
    assert rig.cli("stop").returncode == 0  # also without a process to be had
    assert process.wait(30) == 0
    process = rig.run(*STEADY, "--", *SLEEPER, prefix=prefix)
    pid = rig.child()
    _let_have(process.pid, "1")
    os.kill(pid, signal.SIGKILL)
    rig.fact("spawn-failed", len(rig.facts("spawn-failed")) + 2, 60)
    _let_have(process.pid, str(usual) if usual != resource.RLIM_INFINITY else "unlimited")
    assert rig.other_child(pid) != pid
    assert rig.healthy()["state"] == "running"
    assert rig.cli("stop").returncode == 0
    assert process.wait(30) == 0


@pytest.mark.timeout(120)
def test_R05_no_descriptor_to_be_had_for_a_while(rig: Rig) -> None:
    """No file can be opened for a while: the watchdog lives, and all works again when the limit is lifted."""
    process = rig.run(*STEADY, "--", *SLEEPER)
    pid = rig.child()
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (1, before[1]))
    os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: not Path(f"/proc/{pid}").exists() or process.poll() is not None, "the end to be seen", 30
    )
    assert process.poll() is None
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    assert rig.other_child(pid) != pid
    assert rig.healthy()["state"] == "running"
    rig.fact("ended")
    assert rig.cli("stop").returncode == 0
    assert process.wait(30) == 0
