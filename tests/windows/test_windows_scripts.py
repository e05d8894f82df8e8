"""The menu as cmd.exe runs it, in a folder with blanks and Arabic letters in its path."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import wait_until

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROMPT = b"> "


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder with the scripts in it, in which nothing runs any more afterwards."""
    folder = tmp_path / "مجلد المتتبع"
    shutil.copytree(
        SCRIPTS, folder / "scripts", ignore=lambda _, names: [n for n in names if n == "__pycache__"]
    )
    yield folder
    subprocess.run(
        [sys.executable, "-m", "watchdog_cli", "stop", "--now", "-C", str(folder)], check=False, timeout=60
    )


def _environment() -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("WATCHDOG_", "TRACKER_"))}
    return plain | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{plain['PATH']}",
        "TRACKER_SOURCE": "demo",
    }


class Menu:
    """A person before quick_start.bat."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["cmd", "/c", str(folder / "scripts" / "quick_start.bat")],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._seen = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := self._process.stdout.read1():
            self._seen += piece

    def shows(self) -> str:
        """All since the last answer, as soon as it asks for the next one."""
        wait_until(lambda: self._seen.endswith(PROMPT), "the prompt", 120)
        seen, self._seen = self._seen, b""
        return seen.decode("utf-8")

    def answer(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\r\n".encode())
        self._process.stdin.flush()

    def end(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        code = self._process.wait(60)
        self._reader.join(60)
        self._process.stdout.close()
        return code


@pytest.mark.timeout(300)
def test_menu_starts_shows_and_stops(place: Path) -> None:
    """The menu speaks both languages, starts once however often it is asked, shows the log and stops."""
    menu = Menu(place)
    first = menu.shows()
    assert "Start it watched" in first
    assert "تشغيله تحت المراقبة" in first
    menu.answer('2" & exit')
    assert "could not" not in menu.shows(), "a quotation mark in the answer is no command"
    menu.answer("2")
    started = menu.shows()
    assert "starting the tracker" in started
    assert "tracker: running" in started
    assert "مجلد المتتبع" in started
    menu.answer("2")
    again = menu.shows()
    assert "starting" not in again
    pids = [re.search(r"watchdog +pid (\d+)", one) for one in (started, again)]
    assert None not in pids
    assert pids[0][1] == pids[1][1]  # type: ignore[index]
    menu.answer("4")
    assert "tracker started" in menu.shows()
    menu.answer("5")
    assert "tracker: stopped" in menu.shows()
    menu.answer("0")
    assert menu.end() == 0
