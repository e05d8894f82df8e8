"""A rotating log on the disk and what its tests look at."""

import fcntl
import os
import sys
import termios
from pathlib import Path

from watchdog_cli.adapters.rotating_file import RotatingFile


def opened(path: Path, size: int, backups: int, **more) -> RotatingFile:
    log = RotatingFile(str(path), size, backups, **more)
    log.open()
    return log


def row(path: Path) -> list[Path]:
    """Return the files of a log, oldest first."""
    older = [entry for entry in path.parent.iterdir() if entry.name.startswith(path.name + ".")]
    older.sort(key=lambda entry: int(entry.name.rpartition(".")[2]), reverse=True)
    return [*older, *([path] if path.exists() else [])]


def all_bytes(path: Path) -> bytes:
    return b"".join(entry.read_bytes() for entry in row(path))


def pipe_with(data: bytes) -> int:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, data)
    os.close(write)
    return read


def waiting(source: int) -> int:
    return int.from_bytes(fcntl.ioctl(source, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
