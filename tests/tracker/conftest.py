"""What the tracker's tests share: a real tracker process in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracker.place import Place
from waiting import wait_until

Start = Callable[..., "Running"]


class Running:
    """A tracker at work."""

    def __init__(self, folder: Path, args: tuple[str, ...], env: dict[str, str]) -> None:
        self.folder = folder
        self.output = folder.parent / f"{folder.name}.out"
        with open(self.output, "ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tracker", *args],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        """What it said so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def beat(self) -> dict[str, Any]:
        """Its last heartbeat, or nothing yet."""
        try:
            found = json.loads((self.folder / "heartbeat.json").read_bytes())
        except (OSError, ValueError):
            return {}
        assert isinstance(found, dict)
        return found if found.get("pid") == self.process.pid else {}

    def tokens(self) -> dict[str, Any]:
        """What it saved last."""
        try:
            found = json.loads((self.folder / "tracked_tokens.json").read_bytes())
        except FileNotFoundError:
            return {}
        assert isinstance(found, dict)
        return found

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = 20.0) -> Any:
        """Wait for something, and show what the tracker said when it does not come."""
        try:
            return wait_until(condition, what, limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}\n{self.beat()}") from None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask for an orderly end and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(15)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty working folder."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def clean_env() -> dict[str, str]:
    """The environment without settings of anybody else."""
    return {n: v for n, v in os.environ.items() if not n.startswith(("TRACKER_", "WATCHDOG_"))}


@pytest.fixture
def start(folder: Path, clean_env: dict[str, str]) -> Iterator[Start]:
    """Starts trackers in the folder; whatever still runs at the end is killed."""
    running: list[Running] = []

    def begin(*args: str, env: dict[str, str] | None = None) -> Running:
        running.append(Running(folder, args, clean_env | (env or {})))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait(10)


@pytest.fixture
def command(folder: Path, clean_env: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one command of the tracker to its end."""

    def run(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tracker", *args],
            cwd=folder,
            env=clean_env | (env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(str(tmp_path))
    place.prepare()
    return place
