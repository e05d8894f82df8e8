"""Death to the next start, freeze to the kill, and a thousand restarts in a row."""

import os
import signal
import time

from stand import BARE_LOOP, PYTHON, UNLIMITED, WATCHDOG, Figures, Stand, Talker, figures, median, p95
from table import Row, Table

SETTLE_S = (
    0.02  # between two deaths, so that the last one is written down and the other contender has its turn
)
BLOCKED = 'echo $$ >"$say"; read x <"$never"'
UNTIL_HELD = 'echo $$ >"$say"; if [ -e hold ]; then read x <"$never"; fi'
RUN = (WATCHDOG, "run", "--quiet", *UNLIMITED)
TIMEOUT_S = 0.4
BARE_MS = 1.04  # where the targets in milliseconds were set
WARM = 200  # restarts before the first look: a run with a history is compared with one that has a longer one


def death(stand: Stand, table: Table, *, quick: bool) -> None:
    """From SIGKILL to the first word of the next run."""
    table.head(
        "death", "kill -9 of the program to the first word of the next one (a shell), delay 0, in turns"
    )
    loop = 'while :; do "$@"; done'
    contenders = [
        Talker(stand, "bare Python pidfd loop", [PYTHON, BARE_LOOP], BLOCKED),
        Talker(stand, "watchdog", [*RUN, "--no-heartbeat", "--"], BLOCKED),
        Talker(stand, "shell loop", ["/bin/sh", "-c", loop, "sh"], BLOCKED),
    ]
    for _ in range(60 if quick else 250):
        for one in contenders:
            begun = time.perf_counter()
            os.kill(one.child, signal.SIGKILL)
            one.child = int(one.hear())
            one.samples.append((time.perf_counter() - begun) * 1000)
            time.sleep(SETTLE_S)
    bare = contenders[0].samples
    for one in contenders:
        one.end()
        ours = one.name == "watchdog"
        ratio = median(one.samples) / median(bare)
        row = Row(f"{one.name}, median", median(one.samples), "ms", 1.5 if ours else None, ratio)
        row.ratio_limit = 1.5 if ours else None
        row.note = (
            f"p95 {p95(one.samples):.2f} ms, best {min(one.samples):.2f} ({min(one.samples) / min(bare):.2f})"
        )
        if ours:
            here = median(bare)
            row.note += f"; at {BARE_MS} ms for the bare loop this is {BARE_MS * ratio:.2f} (here {here:.2f})"
        table.add(row)


def hang(stand: Stand, table: Table, *, quick: bool) -> None:
    """From the deadline of a silent program to the SIGTERM that reaches it."""
    table.head(
        "hang", f"deadline ({TIMEOUT_S:g} s after the last beat) to the signal in the program, beside a sleep"
    )
    script = f"trap 'echo T >\"$say\"; exit' TERM; {BLOCKED}"
    options = ["--heartbeat-timeout", f"{TIMEOUT_S * 1000:g}ms", "--dump-timeout", "0"]
    one = Talker(stand, "watchdog", [*RUN, *options, "--"], script)
    beat = one.folder / "heartbeat.json"
    over, sleeps = [], []
    for _ in range(12 if quick else 50):
        beat.write_text("{}")
        begun = time.perf_counter()
        words = one.hear().split()
        if words[0] != "T":
            raise AssertionError(f"the program was not asked to end: {words}")
        over.append((time.perf_counter() - begun - TIMEOUT_S) * 1000)
        one.child = int(words[1] if len(words) > 1 else one.hear())
        begun = time.perf_counter()
        time.sleep(0.1)
        sleeps.append((time.perf_counter() - begun - 0.1) * 1000)
    one.end()
    table.add(
        Row("watchdog, median", median(over), "ms", 20.0, note=f"best {min(over):.2f}, worst {max(over):.2f}")
    )
    table.add(Row("watchdog, p95", p95(over), "ms", 50.0))
    table.add(Row("time.sleep of a bare interpreter, p95", p95(sleeps), "ms"))


def rapid(stand: Stand, table: Table, *, quick: bool) -> None:
    """Many restarts without a pause; what is held afterwards."""
    count = 300 if quick else 1000
    table.head(
        "rapid",
        f"{count} restarts in a row of a shell that says one word and ends; without --history, see idle for that",
    )
    rates = {}
    for name, supervisor in (
        ("bare Python pidfd loop", [PYTHON, BARE_LOOP]),
        ("watchdog", [*RUN, "--no-heartbeat", "--no-history", "--"]),
    ):
        one = Talker(stand, name, supervisor, UNTIL_HELD)
        _count(one, WARM)
        before = _at_rest(one)
        begun = time.perf_counter()
        done = _count(one, count)
        rates[name] = done / (time.perf_counter() - begun)
        after = _at_rest(one)
        _count(one, 1)
        one.end()
    ratio = rates["watchdog"] / rates["bare Python pidfd loop"]
    table.add(Row("restarts a second", rates["watchdog"], "/s", 300.0, ratio, at_least=True))
    table.add(Row("descriptors more than before", after.descriptors - before.descriptors, "", 0.0))
    table.add(Row("threads more than before", after.threads - before.threads, "", 0.0))
    grown = (after.rss - before.rss) / 2**20
    note = f"{before.rss / 2**20:.1f} MiB before, {after.rss / 2**20:.1f} after"
    table.add(Row("memory more than before", grown, "MiB", 1.0, note=note))


def _count(one: Talker, wanted: int) -> int:
    seen = 0
    while seen < wanted:
        words = one.hear().split()
        one.child = int(words[-1])
        seen += len(words)
    return seen


def _at_rest(one: Talker) -> Figures:
    """The figures of the supervisor while the present child stays, as they are once everything is written down."""
    hold = one.folder / "hold"
    hold.touch()
    while one.has_words(0.7):
        _count(one, 1)
    found = figures(one.process.pid)
    hold.unlink()
    os.kill(one.child, signal.SIGKILL)
    return found
