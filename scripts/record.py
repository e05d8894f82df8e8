"""Records the session that the README shows: a real watchdog finds a real freeze and heals it.

``python scripts/record.py`` runs ``watchdog run -- python -m tracker --source demo`` with short times in a fresh
folder, stops the tracker with SIGSTOP once it has lived for longer than its timeout, waits until the watchdog has
replaced it, asks for the status and the incident, stops everything, and writes what was printed, colours and all, to
``docs/session.svg``. Nothing of it is written by hand but the prompts.
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "session.svg"
WIDTH = 116
LIMIT_S = 60.0
RUN = (
    *("watchdog", "run", "--heartbeat-timeout", "3s", "--restart-delay", "1s"),
    *("--", "python", "-m", "tracker", "--source", "demo", "--cycle", "1s", "--heartbeat-interval", "1s"),
)


class Session:
    """A terminal in which one command stays, and others for short questions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown = bytearray()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        plain = {
            key: value for key, value in os.environ.items() if not key.startswith(("WATCHDOG_", "TRACKER_"))
        }
        self.environment = plain | {
            "PATH": path,
            "TERM": "xterm-256color",
            "COLUMNS": str(WIDTH),
            "XDG_STATE_HOME": str(folder / "home"),
        }
        self.environment.pop("NO_COLOR", None)

    def begin(self, shown: bytearray, *words: str) -> tuple[subprocess.Popen[bytes], threading.Thread]:
        """Start a command on a terminal of its own, and collect what appears there."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        reader = threading.Thread(target=_read, args=(master, shown), daemon=True)
        reader.start()
        return process, reader

    def ask(self, *words: str) -> str:
        """Run a short command on a terminal and return what it showed."""
        shown = bytearray()
        process, reader = self.begin(shown, *words)
        process.wait(LIMIT_S)
        reader.join(LIMIT_S)
        return _plain(shown)

    def status(self) -> dict[str, dict[str, int]]:
        """Return what ``watchdog status --json`` says."""
        answer = subprocess.run(
            ["watchdog", "status", "--json"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=False,
        )
        return json.loads(answer.stdout or b"{}")  # type: ignore[no-any-return] # our own format

    def wait_for(self, health: str, other_than: int) -> int:
        """Wait until a run with another pid is well, and return its pid."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            found = self.status()
            pid = (found.get("child") or {}).get("pid", other_than)
            if found.get("health") == health and pid != other_than:
                return pid
            time.sleep(0.1)
        raise SystemExit(f"the tracker did not become {health}")


def _read(master: int, shown: bytearray) -> None:
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the last one who had the terminal open is gone
            data = b""
        if not data:
            os.close(master)
            return
        shown += data


def _plain(shown: bytearray) -> str:
    return shown.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")


def record(folder: Path) -> list[tuple[str, str]]:
    """Play the session; return each prompt with what was shown after it."""
    session = Session(folder)
    watchdog, _ = session.begin(session.shown, *RUN)
    try:
        first = session.wait_for("healthy", 0)
        time.sleep(5)  # longer than the timeout: what follows is the doing of SIGSTOP alone
        if session.wait_for("healthy", 0) != first:
            raise SystemExit("the tracker was replaced before it was frozen")
        before = len(_plain(session.shown))
        os.kill(first, signal.SIGSTOP)
        session.wait_for("healthy", first)
        time.sleep(1.5)  # the incident is written beside it
        whole = _plain(session.shown)
        scenes = [
            (f"$ {' '.join(RUN)}", whole[:before]),
            (
                f"$ kill -STOP {first}     # in another terminal: the tracker freezes",
                whole[before:].lstrip("\n"),
            ),
            ("$ watchdog status", session.ask("watchdog", "status")),
            ("$ watchdog incidents", session.ask("watchdog", "incidents")),
            ("$ watchdog stop", session.ask("watchdog", "stop")),
        ]
    finally:
        watchdog.terminate()
        watchdog.wait(LIMIT_S)
    return scenes


def main() -> None:
    """Record, and write the picture."""
    with tempfile.TemporaryDirectory(prefix="bot") as made:
        folder = Path(made)
        scenes = [
            (prompt, shown.replace(str(folder.resolve()), "/home/me/bot")) for prompt, shown in record(folder)
        ]
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115 - the picture is what counts
    for number, (prompt, shown) in enumerate(scenes):
        if number:
            console.print()
        console.print(Text(prompt, style="bold"), soft_wrap=False)
        console.print(Text.from_ansi(shown), soft_wrap=False)
    svg = console.export_svg(title="watchdog finds a freeze and heals it", unique_id="session")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # nothing is fetched from elsewhere
    note = "<!-- written by scripts/record.py: a real session, nothing is staged but the short times -->\n"
    PICTURE.write_text(note + svg, "utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
