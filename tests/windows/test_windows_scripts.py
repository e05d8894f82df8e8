"""The .bat files as cmd.exe runs them, in a folder with blanks and Arabic letters in its path."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from waiting import wait_until
from windows_seen import ScreenWatch

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROMPT = b"> "
IS_WINE = hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
# "timeout" waits; here it cannot: Wine has none and names it, and Windows wants a keyboard for it.
WAITS = re.compile(r"timeout /t|redirection")
# Once in some hundred times Wine's cmd.exe does not find a program that is there, and says so in these words.
LOST = re.compile(r"Can't recognize '[^']*python[^']*' as an internal or external command, or batch script")


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


def _asked(ask: Callable[[], str], tell: Callable[[str], None]) -> str:
    """What it answers. The one fault that is known to be Wine's is told of, and asked over again once."""
    said = ask()
    if IS_WINE and LOST.search(said):
        tell("Wine's cmd.exe lost sight of python; asked once more")
        said = ask()
    return said


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

    def asked(self, word: str) -> str:
        """All that it shows at this answer."""
        self.answer(word)
        return self.shows()

    def end(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        code = self._process.wait(60)
        self._reader.join(60)
        self._process.stdout.close()
        return code


@pytest.mark.timeout(300)
def test_menu_and_starter(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The menu speaks both languages, starts, tells, shows the log and stops; ensure_continuity finds what runs.

    No window appears beside the menu's own (W04).
    """

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    def menu_says(word: str) -> str:
        return _asked(lambda: menu.asked(word), tell)

    def starter_says(called: str) -> str:
        done = subprocess.run(
            ["cmd", "/c", str(place / "scripts" / "ensure_continuity.bat")],
            cwd=place.parent,
            env=_environment() | {"CMDCMDLINE": called},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        return f"{done.returncode} {done.stdout.decode('utf-8')}"

    with ScreenWatch() as screen:
        menu = Menu(place)
        first = menu.shows()
        assert "Start it watched" in first
        assert "تشغيله تحت المراقبة" in first
        assert "could not" not in menu.asked('2" & exit'), "a quotation mark in the answer is no command"
        started = menu_says("2")
        assert "starting the tracker" in started
        assert "يبدأ تشغيل المتتبع" in started
        assert "tracker: running" in started
        assert "مجلد المتتبع" in started
        again = _asked(lambda: starter_says("cmd.exe"), tell)
        assert again.startswith("0 "), again
        assert "starting" not in again
        assert WAITS.search(again) is None, "nobody waits for a key at a prompt"
        clicked = _asked(lambda: starter_says('cmd.exe /c ""C:\\a & b\\ensure_continuity.bat" "'), tell)
        assert clicked.startswith("0 "), clicked
        assert WAITS.search(clicked), "its window stays"
        pids = [re.search(r"watchdog +pid (\d+)", one) for one in (started, again)]
        assert None not in pids
        assert pids[0][1] == pids[1][1]  # type: ignore[index]
        assert "tracker started" in menu_says("4")
        assert "tracker: stopped" in menu_says("5")
        menu.answer("0")
        assert menu.end() == 0
    assert screen.looks > 0
    assert screen.seen == {}


def test_only_what_is_known_of_wine_is_asked_again() -> None:
    """Another failure, or the same one twice, is shown as it is."""
    lost = "Can't recognize 'python -m x' as an internal or external command, or batch script.\r\n"
    told: list[str] = []
    for said, asked in (([lost, "well"], 2), ([lost, lost, "well"], 2), (["Error: x", "well"], 1)):
        rest = iter(said)
        assert _asked(rest.__next__, told.append) == said[asked - 1 if IS_WINE else 0]
    assert len(told) == (2 if IS_WINE else 0)
