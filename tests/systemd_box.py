"""A real systemd as process 1 of its own namespaces, with its own units: what it starts at boot, and a power cut.

It sees the files of this machine, but has its own /run, /etc/systemd/system, machine id, boot id and processes, and may
not write the machine's limits, which a booting systemd raises. A power cut is a SIGKILL to its process 1: the kernel
kills everything in the namespace at that instant.

Needs root (of a namespace that may mount) and the program systemd; Debian has it in the package ``systemd``.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import wait_until

PROGRAM = "/lib/systemd/systemd"
TARGETS = ("sysinit", "basic", "shutdown", "network", "network-online", "multi-user")
SETTLES = """\
set -eu
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind "$1/boot-id" /proc/sys/kernel/random/boot_id
mount --bind "$1/machine-id" /etc/machine-id
mount -t tmpfs -o mode=755 tmpfs /run
umount -l -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind "$1/system" /etc/systemd/system
mount --bind /dev/null /dev/console
mount --bind /dev/null /dev/kmsg
exec env -i PATH="$PATH" container=test SYSTEMD_UNIT_PATH="/etc/systemd/system:$1/targets" \\
    SYSTEMD_LOG_TARGET=console /lib/systemd/systemd --system --unit=multi-user.target
"""


def _cgroups() -> Path:
    """Where the second version of control groups is mounted, alone or beside the first."""
    for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
        if (path / "cgroup.procs").exists():
            return path
    raise AssertionError("no cgroup2 is mounted here; systemd needs one")


class Box:
    """One machine that can be switched on and off."""

    def __init__(self, folder: Path) -> None:
        assert Path(PROGRAM).exists(), "these tests need systemd; install it with: apt-get install systemd"
        assert shutil.which("unshare")
        assert shutil.which("nsenter")
        self.folder = folder
        self.units = folder / "system"
        self.home = folder / "home"
        for path in (self.units, folder / "targets", self.home):
            path.mkdir(parents=True)
        for name in TARGETS:
            (folder / "targets" / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        (folder / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
        (folder / "settle.sh").write_text(SETTLES)
        self.group = _cgroups() / f"box-{uuid.uuid4().hex[:12]}"
        self._outer: subprocess.Popen[bytes] | None = None
        self.init = 0

    def boot(self) -> None:
        """Switch it on, and wait until it has started what it starts."""
        (self.folder / "boot-id").write_text(f"{uuid.uuid4()}\n")
        self.group.mkdir(exist_ok=True)
        spaces = ("--pid", "--mount", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL")
        enter = 'echo 0 > "$1/cgroup.procs"; shift; exec "$@"'
        settle = ("sh", str(self.folder / "settle.sh"), str(self.folder))
        with (self.folder / "console").open("ab") as console:
            self._outer = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    "sh",
                    "-c",
                    enter,
                    "sh",
                    str(self.group),
                    "unshare",
                    *spaces,
                    *settle,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        self.init = int(wait_until(lambda: children.read_text().split(), "process 1", 30)[0])

        def settled() -> bool:
            assert self._outer is not None
            assert self._outer.poll() is None, self.console()
            return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

        wait_until(settled, "a system that has booted", 60)

    def console(self) -> str:
        """What systemd said."""
        return (self.folder / "console").read_text(errors="replace")

    def run(self, *words: str, folder: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """One command inside, to its end."""
        bin_folder = str(Path(sys.executable).parent)
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("WATCHDOG_", "XDG_"))}
        environ = plain | {"PATH": f"{bin_folder}:{plain['PATH']}", "HOME": str(self.home)} | more
        enter = ["nsenter", "-t", str(self.init), "-m", "-p", "-C", "-u", "-i"]
        inside = ["sh", "-c", 'cd "$1"; shift; exec "$@"', "sh", str(folder or self.folder)]
        return subprocess.run(
            [*enter, *inside, *words],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit."""
        found = self.run("systemctl", "show", unit, *(f"--property={one}" for one in properties))
        return dict(line.split("=", 1) for line in found.stdout.splitlines())

    def command_lines(self) -> list[list[str]]:
        """The words of everybody who runs inside."""
        found = []
        for pid in _members(self.group):
            with contextlib.suppress(OSError):
                found.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0"))
        return found

    def cut_power(self) -> None:
        """Everything is gone at once, without a word to anybody."""
        if self._outer is None:
            return
        if self.init:  # 0 would be ourselves and all who belong to us
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)
        self._outer.wait(60)
        self._outer = None
        wait_until(lambda: not _members(self.group), "an empty machine", 30)

    def close(self) -> None:
        """Cut the power and remove its control groups."""
        if self._outer is not None and not self.init:
            self._outer.kill()  # it did not even begin; its namespace dies with it
        self.cut_power()
        for path, _, _ in os.walk(self.group, topdown=False):
            os.rmdir(path)


def _members(group: Path) -> list[str]:
    found = []
    for path in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            found += path.read_text().split()
    return found


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A machine of its own, switched off."""
    made = Box(tmp_path / "box")
    try:
        yield made
    finally:
        made.close()
