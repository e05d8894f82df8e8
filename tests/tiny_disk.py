"""A disk of two megabytes, to be filled."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


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
