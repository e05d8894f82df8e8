"""The commands in the manual pages: found, and played as a reader would.

A ``console`` block is a session: lines that begin with ``$`` are commands, the others are what they show. The sessions
of a page are played in order in one fresh folder that holds the examples. What is shown is compared loosely: numbers
and times may differ, and other lines may stand in between. ``PID`` in a command is the pid of the program that
``watchdog status`` names. A command that shows nothing need only end. A ``watchdog run`` stays in its terminal, as
it does for the reader, until ``watchdog stop`` or until it ends by itself; so does all else that a reader ends with
Ctrl-C, until another of its kind is started. What is exported holds for all commands after it.

Nothing of the machine is touched: prices and chats are answered by servers on loopback, and what a page serves at a
port of its own (``http://127.0.0.1:8787``) is served, and asked, at one that is free.

A block after ``<!-- not run: REASON -->`` is read and not played: its options must exist, as in all other blocks, and
``test_docs_commands.py`` has the list of all that may stand there.
"""

import json
import re
import shutil
import signal
import subprocess
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Self

from price_server import PriceServer, pool
from rig import Rig
from telegram_server import TelegramServer
from waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "README.ar.md",
        *(page for page in (ROOT / "docs").rglob("*.md") if "decisions" not in page.parts),
    ]
)
FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+) -->\n)?^ *```(?P<kind>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
MINT = "So11111111111111111111111111111111111111112"  # of which prices are known
LIMIT_S = 60.0
ANSWER_S = 60.0
STAYS = re.compile(
    r"(?:[A-Z_]+=\S+ )*"
    r"watchdog (?:run (?!.*; echo)|web\b|metrics .*--(?:port|textfile)|status .*--watch|tail-log .*-f\b)"
    r"|python -m tracker$"
)
AGAIN = re.compile(
    r"watchdog (?:status|check|tail-log|incidents)\b|head |curl -sS http|python -m tracker list"
)
COMMAND = re.compile(
    r"(?:\$ |sudo |export )|(?:[A-Z_]+=\S*\s+)*"
    r"(?:watchdog \S|python \S|pip \S|sh \S|docker \S|kubectl \S|curl \S|systemctl \S|etcdctl \S|\./\S)"
)
POINT = re.compile(r"(?:\d+\.|-) ")
SERVED = re.compile(r"127\.0\.0\.1:(\d+)")


def sessions(page: Path) -> list[list[tuple[str, list[str]]]]:
    """Return the sessions of a page that are played: each a list of commands with the lines that they show."""
    blocks = FENCE.finditer(page.read_text("utf-8"))
    return [steps(block["text"]) for block in blocks if block["kind"] == "console" and not block["why"]]


def steps(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of one session, each with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for line in textwrap.dedent(text).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line.strip())
    return found


def pattern(line: str) -> re.Pattern[str]:
    """Return what a shown line must look like: the same words, any numbers and times."""
    parts = re.split(r"(\d[\w.:,-]*|\s+)", line)
    words = [
        r"[\w.:,-]+" if part[:1].isdigit() else r"\s+" if part.isspace() else re.escape(part)
        for part in parts
    ]
    return re.compile("".join(words))


def missing(shown: list[str], output: str) -> str | None:
    """Return the first line that does not appear, in order, in the output; None if all do."""
    lines = iter(output.splitlines())
    for wanted in shown:
        if not any(pattern(wanted).search(line) for line in lines):
            return wanted
    return None


class Reader:
    """Somebody who types what stands in a page, with services on loopback in the place of those in the world."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.prices = PriceServer()
        self.prices.prices[MINT] = [pool(150.25)]
        self.chat = TelegramServer("123456:ABC...")
        services = ("DEXSCREENER", "GECKOTERMINAL", "COINGECKO", "RUGCHECK")
        self.exported = {f"TRACKER_{name}_URL": self.prices.url for name in services}
        self.exported |= {f"{whose}_TELEGRAM_URL": self.chat.url for whose in ("WATCHDOG", "TRACKER")}
        self.exported |= {"TURN": "0.2", "TRACKER_CYCLE": "1s", "WATCHDOG_WEB_PORT": "0"}
        self.staying: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, str] = {}  # by those in the page
        shutil.copytree(ROOT / "examples", rig.folder / "examples")
        self.exported["HOME"] = str(self.old_tracker(rig.folder / "reader"))

    @staticmethod
    def old_tracker(home: Path) -> Path:
        """Give the reader a home that holds what an older tracker left, in its form."""
        (home / "old-tracker").mkdir(parents=True)
        token: dict[str, object] = {"token": MINT, "name": "Wrapped SOL", "symbol": "SOL", "firstPrice": 100}
        token |= {
            "lastPrice": 151,
            "startTime": "2025-06-01T10:00:00.000Z",
            "reached50": True,
            "theirs": "kept",
        }
        (home / "old-tracker" / "tracked_tokens.json").write_text(json.dumps({MINT: token}))
        (home / "old-tracker" / "sent_tokens.txt").write_text(f"{MINT}\n")
        return home

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for word in list(self.staying):
            self.leave(word)
        self.prices.close()
        self.chat.close()

    def play(self, session: list[tuple[str, list[str]]]) -> None:
        """Type one session, and see what it shows."""
        for command, shown in session:
            typed = self.with_pid(command)
            if setting := re.fullmatch(r"export (\w+)=(.*)", command):
                self.exported[setting[1]] = self.shell(f"printf %s {setting[2]}")[0]
            elif STAYS.match(command):
                self.start(typed, shown)
            else:
                self.ask(SERVED.sub(lambda match: f"127.0.0.1:{self.ports[match[1]]}", typed), shown)

    def with_pid(self, command: str) -> str:
        """Put the program's pid for the word PID."""
        if not re.search(r"\bPID\b", command):
            return command
        return re.sub(r"\bPID\b", str(wait_until(self.pid, "a program that runs", LIMIT_S)), command)

    def pid(self) -> int | None:
        """Return the pid that ``watchdog status`` names."""
        answer = self.shell("watchdog status --json 2>/dev/null")[0]
        child = json.loads(answer or "{}").get("child")
        return child["pid"] if child else None

    def shell(self, command: str) -> tuple[str, int]:
        """Run a command that ends, and return all that it printed, and its code."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.rig.folder,
            env=self.rig.environment(**self.exported),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=ANSWER_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout, done.returncode

    def start(self, command: str, shown: list[str]) -> None:
        """Type a command that stays, and wait until it shows what the page says."""
        kind = " ".join(re.sub(r"^(?:[A-Z_]+=\S+ )*", "", command).split()[:2])
        for other in list(self.staying):
            if other == kind or (kind == "watchdog run" and other == "python -m"):
                self.leave(other)
        written = re.search(r"--port (\d+)", command)
        command = re.sub(r"--port \d+", "--port 0", command)
        output = self.rig.folder / f"terminal-{len(self.rig.outputs)}.out"
        self.rig.outputs.append(output)
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["sh", "-c", re.sub(r"^((?:[A-Z_]+=\S+ )*)", r"\1exec ", command)],
                cwd=self.rig.folder,
                env=self.rig.environment(**self.exported),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if kind == "watchdog run":
            self.rig.started.append(process)
        else:
            self.staying[kind] = process
        wait_until(
            lambda: missing(shown, output.read_text(errors="replace")) is None,
            f"{command!r} to show {shown}",
            LIMIT_S,
        )
        if served := SERVED.search(output.read_text(errors="replace")):
            self.ports[written[1] if written else "8787"] = served[1]

    def leave(self, kind: str) -> None:
        """End what stays, as with Ctrl-C; it must take that well."""
        process = self.staying.pop(kind, None)
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        well = (0, 130, -signal.SIGINT)  # the last: when it had not begun yet
        assert process.wait(LIMIT_S) in well, f"{kind} ended with {process.returncode}"

    def ask(self, command: str, shown: list[str]) -> None:
        """Type a command, again if need be until its time has come, and see what it shows."""
        seen: list[str] = []

        def is_shown() -> bool:
            output, code = self.shell(command)
            seen[:] = [output]
            if not shown:
                assert code == 0, f"{command!r} ended with {code}: {output}"
            return missing(shown, output) is None

        if shown and AGAIN.match(command):
            wait_until(lambda: is_shown() or None, f"{command!r} to show {shown}", LIMIT_S)
        else:
            assert is_shown(), f"{command!r} does not show {missing(shown, seen[0])!r} but: {seen[0]}"


def plain(command: str) -> str:
    """Return a command without the remark behind it."""
    return re.sub(r"\s+# .*$", "", command)


def read_only(page: Path) -> list[tuple[str, str]]:
    """Return the commands of a page that are not played, each with the reason that the page gives."""
    return [
        (plain(command), block["why"])
        for block in FENCE.finditer(page.read_text("utf-8"))
        if block["kind"] == "console" and block["why"]
        for command, _ in steps(block["text"])
    ]


def loose_lines(page: Path) -> list[str]:
    """Return every line that looks like a command in a fenced block that is no session.

    In a block that is only set in by blanks every line is one: nothing there says what kind of text it is.
    """
    text = page.read_text("utf-8")
    blocks = [block["text"] for block in FENCE.finditer(text) if block["kind"] != "console"]
    fenced = [
        line.strip()
        for line in "\n".join(blocks).splitlines()
        if COMMAND.match(line.strip()) and "[OPTIONS]" not in line  # that is a synopsis
    ]
    return fenced + set_in(text)


def set_in(text: str) -> list[str]:
    """Return the lines of the blocks that are only set in by blanks: by four, within a point of a list by eight."""
    found = []
    margin, after_blank = 4, False
    for line in FENCE.sub("", text).splitlines():
        blanks = len(line) - len(line.lstrip())
        if not line.strip():
            after_blank = True
        elif blanks == 0:
            margin, after_blank = 8 if POINT.match(line) else 4, False
        elif after_blank and blanks >= margin:
            found.append(line.strip())
        else:
            after_blank = False
    return found


def points(page: Path) -> int:
    """Return how many points the lists of a page have."""
    return sum(
        1 for line in FENCE.sub("", page.read_text("utf-8")).splitlines() if POINT.match(line.lstrip())
    )


def spoken(page: Path) -> list[str]:
    """Return the calls of the watchdog and the tracker that stand within sentences and tables."""
    text = FENCE.sub("", page.read_text("utf-8"))
    found = [" ".join(call.split()) for call in re.findall(r"`([^`]+)`", text)]
    state = "watchdog frozen"  # what `status` calls it, and no call
    return [
        one for one in found if re.match(r"(?:watchdog [a-z-]|python -m tracker\b)", one) and one != state
    ]
