"""The short commands, the end of a large log, and the way to the first line of the program."""

import shutil
import time
from pathlib import Path

from stand import PYTHON, WATCHDOG, Stand, median, p95, wait_for
from table import Row, Table

IMPORT_CLICK = (PYTHON, "-c", "import click")
MIB = 2**20
LINE = b"2026-01-01T00:00:00Z a line of a log as programs write them, number "


def status(stand: Stand, table: Table, *, quick: bool) -> None:
    """``status`` and ``check`` of a healthy program."""
    table.head("status", 'status and check of a running program, beside python -c "import click", in turns')
    folder = stand.folder("status")
    process = stand.start([WATCHDOG, "run", "--quiet", "--no-heartbeat", "--", "sleep", "100000"], folder)
    wait_for(
        lambda: stand.run([WATCHDOG, "check"], folder)[0] and (folder / ".watchdog/tracker/control").exists(),
        "the watchdog",
    )
    commands = {"import click": IMPORT_CLICK, "status": (WATCHDOG, "status"), "check": (WATCHDOG, "check")}
    samples = _in_turns(stand, commands, folder, 8 if quick else 30)
    stand.end(process)
    base = median(samples["import click"])
    table.add(Row("import click, median", base, "ms", note=f"p95 {p95(samples['import click']):.0f} ms"))
    for name, limit, ratio in (("status", 60.0, 2.5), ("check", 36.0, 1.5)):
        row = Row(f"{name}, median", median(samples[name]), "ms", limit, median(samples[name]) / base, ratio)
        row.note = f"p95 {p95(samples[name]):.0f} ms; {_at_speed(median(samples[name]), base)}"
        table.add(row)


def tail(stand: Stand, table: Table, *, quick: bool) -> None:
    """The last ten lines of 1 GiB and of 1 MiB."""
    table.head(
        "tail", "the last 10 lines of 1 GiB, beside those of 1 MiB and the tail of coreutils, in turns"
    )
    small, large = _log(stand, MIB), _log(stand, 1024 * MIB)
    ours = (WATCHDOG, "tail-log", "-n", "10")
    theirs = ("tail", "-n", "10", "logs/tracker.log")
    times: dict[str, list[float]] = {"1 MiB": [], "1 GiB": [], "coreutils, 1 GiB": [], "import click": []}
    peak: dict[str, int] = {}
    for _ in range(8 if quick else 25):
        for name, command, folder in (
            ("1 MiB", ours, small),
            ("1 GiB", ours, large),
            ("coreutils, 1 GiB", theirs, large),
            ("import click", IMPORT_CLICK, large),
        ):
            took, peak[name] = stand.run(command, folder)
            times[name].append(took * 1000)
    for folder in (small, large):
        shutil.rmtree(folder)
    ratio = median(times["1 GiB"]) / median(times["1 MiB"])
    note = _at_speed(median(times["1 GiB"]), median(times["import click"]))
    table.add(Row("1 GiB, median", median(times["1 GiB"]), "ms", 70.0, ratio, 1.1, note=note))
    grown = (peak["1 GiB"] - peak["1 MiB"]) / MIB
    table.add(Row("peak memory more than with 1 MiB", grown, "MiB", 0.5))
    table.add(Row("coreutils, median", median(times["coreutils, 1 GiB"]), "ms"))


def cold(stand: Stand, table: Table, *, quick: bool) -> None:
    """From nothing to the first line of the program, through the terminal's pipe."""
    table.head(
        "cold",
        'start of watchdog run to the first line of its shell, beside python -c "import click; print()"',
    )
    program = ("/bin/sh", "-c", "echo up; exec sleep 100000")
    commands = {
        "import click": (PYTHON, "-c", "import click, time; print('up', flush=True); time.sleep(1000)"),
        "watchdog run": (WATCHDOG, "run", "--no-heartbeat", "--", *program),
    }
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(6 if quick else 25):
        for name, command in commands.items():
            folder = stand.folder("cold")
            begun = time.perf_counter()
            process = stand.start(command, folder, stdout=-1)
            assert process.stdout is not None
            if process.stdout.readline() != b"up\n":
                raise AssertionError(f"{name} did not begin with the line of the program")
            samples[name].append((time.perf_counter() - begun) * 1000)
            stand.end(process)
            shutil.rmtree(folder)
    base, ours = median(samples["import click"]), median(samples["watchdog run"])
    note = f"p95 {p95(samples['watchdog run']):.0f} ms; {_at_speed(ours, base)}"
    table.add(Row("import click, median", base, "ms"))
    table.add(Row("watchdog run, median", ours, "ms", 80.0, ours / base, 80.0 / 24.0, note=note))


def _in_turns(
    stand: Stand, commands: dict[str, tuple[str, ...]], folder: Path, rounds: int
) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            samples[name].append(stand.run(command, folder)[0] * 1000)
    return samples


def _at_speed(value: float, base: float) -> str:
    """The targets in milliseconds were set where ``import click`` takes 24 ms."""
    return (
        f"import click takes {base:.0f} ms here; where it takes 24 this would be {value * 24 / base:.0f} ms"
    )


def _log(stand: Stand, size: int) -> Path:
    folder = stand.folder("tail")
    (folder / "logs").mkdir()
    block = b"".join(LINE + b"%06d\n" % number for number in range(MIB // (len(LINE) + 7) + 1))
    with open(folder / "logs/tracker.log", "wb") as file:
        while file.tell() < size:
            file.write(block[: size - file.tell()])
    return folder
