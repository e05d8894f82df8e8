"""A disk of two megabytes, to be filled, and a watchdog that lives on it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import Rig


@contextlib.contextmanager
def tiny_disk(folder: Path) -> Iterator[None]:
    """Mount it at a folder; gone at the end, whoever still uses it."""
    sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
    options = f"size=2m,mode=0777,uid={os.getuid()}"
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run([*sudo, "umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that its disk has left; return the file, whose removal gives it back."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


@pytest.fixture
def small_rig(tmp_path: Path) -> Iterator[Rig]:
    """As ``rig``, with such a disk for its folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with tiny_disk(disk):
        found = Rig(disk)
        try:
            yield found
        finally:
            found.close()
