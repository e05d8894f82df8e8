"""A disk that is full where the output goes is no fault of the program, on whatever Python."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("words", ["watchdog_cli status", "watchdog_cli config", "watchdog_cli --help"])
def test_output_on_a_full_disk_is_one_line(tmp_path: Path, words: str) -> None:
    """Told in one line, with the code for storage; nothing is kept as a fault to report."""
    done = _run(tmp_path, f"-m {words} > /dev/full")
    assert (done.returncode, done.stderr) == (14, "Error: cannot write the output: disk full\n")
    assert list(tmp_path.iterdir()) == []


def test_the_code_counts_where_no_word_can_be_written(tmp_path: Path) -> None:
    """Not even the error can be said."""
    assert _run(tmp_path, "-m watchdog_cli status > /dev/full 2>&1").returncode == 14


def test_the_tracker_says_it_as_well(tmp_path: Path) -> None:
    """The same code, and a line instead of a traceback."""
    done = _run(tmp_path, "-m tracker --help > /dev/full")
    assert (done.returncode, done.stderr) == (14, "Error: cannot write the output: no space left on device\n")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_the_tracker_works_though_nobody_can_listen(tmp_path: Path, closed: str) -> None:
    """Closed streams, as of pythonw on Windows, are no reason not to work, and no file of ours gets their numbers."""
    short = "-m tracker --source demo --cycle 100ms --save-interval 100ms --crash-after 3s"
    done = _run(tmp_path, f"{short} {closed}")
    assert done.returncode == 1
    assert done.stderr == "" or "crashed on purpose" in done.stderr
    assert len(json.loads((tmp_path / "tracked_tokens.json").read_bytes())) == 8
    for words, code in (("list", 0), ("import -", 0), ("alerts --test", 0), ("add x", 2)):
        done = _run(tmp_path, f"-m tracker {words} {closed}")
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr


def _run(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"'{sys.executable}' {line}"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
