"""How long ``watchdog report`` takes for 30 days: an ordinary month, and one with all files filled to the brim.

``python benchmarks/report.py`` prints medians of several runs, beside a bare ``python -c "import click"`` for scale.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from watchdog_cli.adapters.samples import BACKUPS, BLOCK, SIZE
from watchdog_cli.core.samples import EVERY_S, head_line, life_tag, sample_line

MONTH_S = 30 * 86_400.0
LIFE = "00000000.4711.1000"
JOURNAL_SIZE, JOURNAL_FILES = 5_000_000, 3
ROUNDS = 7


class Month:
    """Journal and samples of a program that dies every so often for 30 days."""

    def __init__(self, folder: Path, lived_s: float) -> None:
        self.state = folder / ".watchdog" / "tracker"
        self.state.mkdir(parents=True)
        self.now = time.time()
        self.begin = self.now - MONTH_S
        self.chance = random.Random(1)
        self.facts: list[bytes] = []
        self.starts: list[float] = []
        at = self.begin
        while at < self.now - lived_s:
            self._run(at, lived_s)
            at += lived_s + 5
        self._write("journal.jsonl", b"".join(self.facts), JOURNAL_SIZE, JOURNAL_FILES)
        self._write("samples", self._samples().encode(), SIZE, BACKUPS + 1)

    def _fact(self, at: float, kind: str, **more: object) -> None:
        shown = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        record = {"v": 1, "seq": len(self.facts) + 1, "at": shown, "fact": kind, **more}
        record |= {
            "text": "a sentence for people, about as long as usual",
            "up": at - self.begin + 100,
            "life": LIFE,
        }
        self.facts.append(json.dumps(record).encode() + b"\n")

    def _run(self, at: float, lived_s: float) -> None:
        self.starts.append(at)
        number = len(self.starts)
        run = {"run": f"{self.chance.getrandbits(128):032x}", "number": number, "pid": 1000 + number}
        self._fact(at, "spawned", **run, log={"file_id": "65024:2155486:18eb308caf1e9f9a", "offset": 123456})
        self._fact(at + 1, "healthy", **run, after_s=1.0)
        ending = {
            "cause": "exit",
            "exit_code": self.chance.choice([1, 2, 3]),
            "signal": None,
            "forced": False,
        }
        self._fact(at + lived_s, "ended", **run, **ending, detail="", lived_s=lived_s)
        self._fact(at + lived_s, "restarting", delay_s=5.0, in_window=1, cap=10, window_s=300.0)

    def _samples(self) -> str:
        lines, at, last, left, number = [], self.begin, self.begin, 0, 0
        while at < self.now:
            begun = number
            while number < len(self.starts) and self.starts[number] <= at:
                number += 1
            if number != begun or not left:
                lines.append(head_line(int(last - self.begin + 100), int(last), life_tag(LIFE), number))
                left = BLOCK
            rss, cpu = 20_000 + self.chance.randrange(2000), self.chance.randrange(50)
            lines.append(sample_line(int(at) - int(last), rss, cpu, self.chance.randrange(60)))
            left, last, at = left - 1, at, at + EVERY_S
        return "".join(lines)

    def _write(self, name: str, content: bytes, size: int, files: int) -> None:
        parts = []
        while content:
            cut = content.rfind(b"\n", 0, size) + 1
            parts.append(content[:cut])
            content = content[cut:]
        for number, part in enumerate(reversed(parts[-files:])):
            (self.state / (f"{name}.{number}" if number else name)).write_bytes(part)


def median_ms(words: list[str], folder: str) -> float:
    """Of several runs."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


def main() -> None:
    """Measure and print."""
    watchdog = str(Path(sys.executable).parent / "watchdog")
    bare = median_ms([sys.executable, "-c", "import click"], os.curdir)
    print(f"python -c 'import click'                     {bare:7.0f} ms")
    for what, lived_s in (("ends once a day", 86_395.0), ("ends every 3.5 minutes, files full", 202.0)):
        with tempfile.TemporaryDirectory() as folder:
            month = Month(Path(folder), lived_s)
            took = median_ms([watchdog, "report", "--since", "30d"], folder)
            print(f"30 days, {what:<34}  {took:7.0f} ms   ({len(month.facts)} facts)")


if __name__ == "__main__":
    main()
