"""Two minutes of the soak, with a full disk where a small file system can be mounted."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "soak.py"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of a few MB; a plain folder for those who may not mount."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "soak", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_two_minutes_of_torment_break_no_promise(small_disk: Path) -> None:
    """Random faults with a printed seed: never two, never none, no false kill, nothing lost, nothing told twice."""
    words = [sys.executable, str(SCRIPT), "--minutes", "2", "--seed", "20261125", "--folder", str(small_disk)]
    found = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-3000:]
    assert "every promise held" in found.stdout
    assert "is not stepped" not in found.stdout, "a C compiler is needed for the clock that can be stepped"
