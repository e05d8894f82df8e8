"""The commands in the manual pages: found, and played as a reader would.

A ``console`` block is a session: lines that begin with ``$`` are commands, the others are what they show. The sessions
of a page are played in order in one fresh folder that holds the examples. What is shown is compared loosely: numbers
and times may differ, and other lines may stand in between. ``PID`` in a command is the pid of the program that
``watchdog status`` names. A command that shows nothing need only end. A ``watchdog run`` stays in its terminal, as
it does for the reader, until ``watchdog stop`` or until it ends by itself.

A block after ``<!-- not run: REASON -->`` is read and not played: its options must exist, as in all other blocks.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

from rig import Rig
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
LIMIT_S = 60.0
ANSWER_S = 60.0
STAYS = re.compile(r"^watchdog run (?!.*; echo)")


def sessions(page: Path) -> list[list[tuple[str, list[str]]]]:
    """Return the sessions of a page that are played: each a list of commands with the lines that they show."""
    blocks = FENCE.finditer(page.read_text("utf-8"))
    return [steps(block["text"]) for block in blocks if block["kind"] == "console" and not block["why"]]


def steps(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of one session, each with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
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
    """Somebody who types what stands in a page."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        shutil.copytree(ROOT / "examples", rig.folder / "examples")

    def play(self, session: list[tuple[str, list[str]]]) -> None:
        """Type one session, and see what it shows."""
        for command, shown in session:
            typed = self.with_pid(command)
            if STAYS.match(command):
                self.start(typed, shown)
            else:
                self.ask(typed, shown)

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
            env=self.rig.environment(TURN="0.2"),
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
        output = self.rig.folder / f"terminal-{len(self.rig.outputs)}.out"
        self.rig.outputs.append(output)
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self.rig.folder,
                env=self.rig.environment(TURN="0.2"),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.rig.started.append(process)
        wait_until(
            lambda: missing(shown, output.read_text(errors="replace")) is None,
            f"{command!r} to show {shown}",
            LIMIT_S,
        )

    def ask(self, command: str, shown: list[str]) -> None:
        """Type a command, again if need be until its time has come, and see what it shows."""
        seen: list[str] = []

        def is_shown() -> bool:
            output, code = self.shell(command)
            seen[:] = [output]
            if not shown:
                assert code == 0, f"{command!r} ended with {code}: {output}"
            return missing(shown, output) is None

        if re.match(r"watchdog (status|check|tail-log|incidents)\b", command):
            wait_until(lambda: is_shown() or None, f"{command!r} to show {shown}", LIMIT_S)
        else:
            assert is_shown(), f"{command!r} does not show {missing(shown, seen[0])!r} but: {seen[0]}"


def command_lines(page: Path) -> list[str]:
    """Return every line in a code block of a page that calls the watchdog or the tracker and is not played."""
    text = page.read_text("utf-8")
    blocks = []
    for block in FENCE.finditer(text):
        if block["kind"] != "console":
            blocks.append(block["text"])
        elif block["why"]:
            blocks.append("\n".join(command for command, _ in steps(block["text"])))
    plain = FENCE.sub("", text)
    blocks += re.findall(r"(?:(?:^ {4,}\S.*|^)\n)+", plain, re.MULTILINE)
    lines = []
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        words = re.sub(r"\s+#.*$", "", line.strip().removeprefix("$ "))
        if re.match(r"(?:[A-Z_]+=\S*\s+)*(?:watchdog \S|python -m tracker\b)", words):
            lines.append(words)
    return lines
