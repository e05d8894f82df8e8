"""A folder with a watchdog in it, on Windows: started, asked and ended through the command line alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

from waiting import wait_until

CHILD = Path(__file__).with_name("windows_child.py")
LIMIT_S = 60


class WindowsDog:
    """One folder. All that was started in it is ended by ``close``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dogs: list[subprocess.Popen[bytes]] = []
        home = folder / "home"
        home.mkdir()
        ours = ("WATCHDOG_", "PYTHONUTF8", "LOCALAPPDATA")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self.environment["LOCALAPPDATA"] = str(home)

    def start(self, *options: str, orders: tuple[str, ...] = (), command: tuple[str, ...] = ()):
        """``watchdog run`` over the program with these orders, its own output in the file ``dog.out``."""
        argv = command or (sys.executable, str(CHILD), *orders)
        with (self.folder / "dog.out").open("ab") as output:
            dog = subprocess.Popen(
                [sys.executable, "-m", "watchdog_cli", "run", *options, "--", *argv],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.dogs.append(dog)
        return dog

    def ask(self, *words: str, code: int | None = 0) -> str:
        """One of the short commands; its exit code must be ``code`` unless that is None."""
        done, text = self.python("-m", "watchdog_cli", *words)
        assert code is None or done == code, (words, done, text, self.output())
        return text

    def python(self, *words: str) -> tuple[int, str]:
        """Run Python in the folder to its end: its exit code, and all that it printed."""
        try:
            done = subprocess.run(
                [sys.executable, *words],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            ends = [dog.poll() for dog in self.dogs]
            raise AssertionError((words, late.stdout, "ends of the watchdogs", ends, self.output())) from late
        return done.returncode, done.stdout.decode("utf-8")

    def status(self) -> dict:
        """The report for machines."""
        return json.loads(self.ask("status", "--json", code=None))

    def output(self) -> str:
        """What the watchdog and, through it, the program said."""
        return (self.folder / "dog.out").read_bytes().decode("utf-8", "replace")

    def pids(self, name: str) -> list[int]:
        """The pids that the program noted under this name."""
        path = self.folder / name
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    def ready(self, count: int = 1) -> int:
        """The pid of the program that is ready as the ``count``-th one."""
        wait_until(lambda: len(self.pids("ready")) >= count, f"program {count}: {self.output()}", LIMIT_S)
        return self.pids("ready")[count - 1]

    def close(self) -> None:
        """End what is left: the watchdogs by their handles; their jobs end the rest."""
        for dog in self.dogs:
            if dog.poll() is None:
                dog.kill()
                dog.wait(LIMIT_S)


def lives(pid: int) -> bool:
    """Whether a process with this number runs."""
    try:
        return psutil.Process(pid).is_running()
    except psutil.NoSuchProcess:
        return False


def all_gone(*pids: int) -> bool:
    """Whether none of these runs any more."""
    return not any(lives(pid) for pid in pids)
