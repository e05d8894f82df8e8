"""Libraries in C that tests put before the system's own."""

import shutil
import subprocess
from pathlib import Path


def build(source: Path, folder: Path, needed_by: str) -> Path:
    """Build a shared library from one source into ``folder`` and return its path.

    Raises:
        AssertionError: there is no C compiler, or it does not take the source.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, f"no C compiler (cc, gcc or clang) is installed; {needed_by} need one"
    library = folder / f"{source.stem}.so"
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, f"{compiler} failed: {built.stderr}"
    return library
