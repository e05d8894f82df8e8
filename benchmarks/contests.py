"""The disciplines of the comparison, each for all contenders in turns or side by side."""

import functools
import os
import select
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from contenders import BLOCKED, Contender, Cost, working
from kits import Kits
from peers import Peer, Watchdog
from results import OURS, Discipline, Measured
from stand import LIMIT_S, PYTHON, Stand
from throughput import WRITER

MIB = 2**20
LONG_LIFE_S = 1.3  # longer than the second for which s6, runit and daemontools hold a restart back
SHORT_LIFE_S = 0.02
HANG_S = 2  # monit counts in whole seconds
RAPID_LIMIT_S = 15.0
BEAT_S = 60.0
LINE = b"2026-01-01T00:00:00Z a line of a log as programs write them, number "


def able(peers: list[Peer], what: str) -> list[Peer]:
    """Those that can take part."""
    return [one for one in peers if what not in one.cannot]


Failed = dict[str, str]


def gathered(
    discipline: Discipline,
    peers: list[Peer],
    what: str,
    samples: dict[str, list[float]],
    failed: Failed,
) -> Discipline:
    """A discipline with a result or a reason for every peer."""
    for peer in peers:
        if what in peer.cannot:
            discipline.results.append(Measured(peer.name, reason=peer.cannot[what]))
        else:
            remark = failed.get(peer.name) or peer.remarks.get(what, "")
            discipline.results.append(Measured(peer.name, samples[peer.name], remark))
    return discipline


def dropped(one: Contender, error: Exception, contenders: list[Contender], failed: Failed) -> None:
    """A contender that does not answer any more is out of this discipline; the others go on."""
    failed[one.name] = f"dropped out: {error}"
    contenders.remove(one)
    one.end()


def death(stand: Stand, peers: list[Peer], *, rounds: int) -> list[Discipline]:
    """From the kill of the program to the first word of the next: after a longer life, and again at once."""
    late: dict[str, list[float]] = {peer.name: [] for peer in peers}
    again: dict[str, list[float]] = {peer.name: [] for peer in peers}
    failed: Failed = {}
    with working(stand, peers, BLOCKED, failed) as contenders:
        for _ in range(rounds):
            time.sleep(LONG_LIFE_S)
            for one in list(contenders):
                try:
                    late[one.name].append(one.fell() * 1000)
                    for _ in range(5):
                        time.sleep(SHORT_LIFE_S)
                        again[one.name].append(one.fell() * 1000)
                        if again[one.name][-1] > 200:
                            break  # it holds restarts back; more of them would only take time
                except TimeoutError as error:
                    dropped(one, error, contenders, failed)
    first = Discipline(
        "death", "ms", f"kill -9 of a program that lived {LONG_LIFE_S:g} s to the next one's first word"
    )
    then = Discipline(
        "death again", "ms", "the same for a program that was started a moment ago: a crash loop"
    )
    return [gathered(first, peers, "death", late, failed), gathered(then, peers, "death", again, failed)]


def hang(stand: Stand, peers: list[Peer], *, rounds: int) -> list[Discipline]:
    """From the deadline of a silent program to the SIGTERM in it; all side by side."""
    over: dict[str, list[float]] = {peer.name: [] for peer in peers}
    script = f"trap 'echo T >\"$say\"; exit' TERM; {BLOCKED}"
    failed: Failed = {}
    with working(stand, able(peers, "hang"), script, failed, hang_s=HANG_S) as contenders:
        _alive_for(contenders, 1.5)  # circus learns of its programs, monit of its file
        for number in range(rounds):
            for name, took in _all_frozen(contenders, failed).items():
                over[name].append((took - HANG_S) * 1000)
            _alive_for(contenders, 0.3 + 0.1 * (number % 7))  # at another place of everybody's rhythm
    how = f"deadline ({HANG_S} s after the last beat) to the SIGTERM in the program; all in the same minutes"
    return [gathered(Discipline("hang", "ms", how), peers, "hang", over, failed)]


def _all_frozen(contenders: list[Contender], failed: Failed) -> dict[str, float]:
    """Beat once and fall silent; return when each program was asked to end, in seconds after that beat.

    Whoever has been restarted beats again until the others are ready too.
    """
    for one in contenders:
        one.beat()
    begun = time.perf_counter()
    asked: dict[str, float] = {}
    waiting = {one.ear(): one for one in contenders}
    while waiting and time.perf_counter() - begun < LIMIT_S:
        for ear in select.select(list(waiting), [], [], 0.2)[0]:
            now = time.perf_counter()
            one = waiting[ear]
            for word in one.hear().split():
                if word == "T":
                    asked[one.name] = now - begun
                else:
                    one.child = int(word)
                    del waiting[ear]
        for one in contenders:
            if one.ear() not in waiting:
                one.beat()
    for one in waiting.values():
        error = TimeoutError(f"a frozen program was not restarted within {LIMIT_S:g} s")
        dropped(one, error, contenders, failed)
    return asked


def _alive_for(contenders: list[Contender], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in contenders:
            one.beat()
        time.sleep(0.05)


def idle(stand: Stand, peers: list[Peer], kits: Kits, *, seconds: float) -> list[Discipline]:
    """What supervisors cost side by side, in the same minute, with one program that does nothing."""
    more: list[Peer] = []
    if any(peer.name == OURS for peer in peers):
        more = [
            Watchdog(kits, "watchdog, heartbeat", "--heartbeat", "heartbeat.json"),
            Watchdog(kits, "watchdog, --no-history", "--no-heartbeat", "--no-history"),
        ]
    everyone = [*peers, *more]
    failed: Failed = {}
    with working(stand, everyone, BLOCKED, failed) as contenders:
        beating = [one for one in contenders if one.name == "watchdog, heartbeat"]
        for one in beating:
            one.beat()
        time.sleep(min(18.0, seconds))  # what comes late is loaded: a first sample, a first beat
        before = {one.name: one.cost() for one in contenders}
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, BEAT_S / 2))
            for one in beating if left > BEAT_S / 2 or seconds < BEAT_S else ():
                one.beat()
        after = {one.name: one.cost() for one in contenders}
    minute = 60.0 / seconds
    figures: dict[str, Callable[[str], float]] = {
        "idle CPU|ms a minute": lambda who: (after[who].cpu_s - before[who].cpu_s) * 1000 * minute,
        "idle wake-ups|voluntary switches a minute": lambda who: (
            (after[who].switches - before[who].switches) * minute
        ),
        "memory, PSS|MiB": lambda who: after[who].pss / MIB,
        "memory, RSS|MiB": lambda who: after[who].rss / MIB,
    }
    how = (
        f"the supervisor alone, all of its processes, with one idle program, over {seconds:g} s side by side"
    )
    found = []
    for title, figure in figures.items():
        name, unit = title.split("|")
        one_each = {peer.name: [figure(peer.name)] if peer.name in after else [] for peer in everyone}
        found.append(gathered(Discipline(name, unit, how), everyone, "idle", one_each, failed))
        for result in found[-1].results:
            if result.samples and after[result.who].processes > 1:
                result.reason = f"{after[result.who].processes} processes"
    return found


def log(stand: Stand, peers: list[Peer], *, rounds: int, blocks: int) -> list[Discipline]:
    """A program that prints as fast as it is let; over when its last line is in the log."""
    speeds: dict[str, list[float]] = {peer.name: [] for peer in peers}
    cpu: dict[str, list[float]] = {peer.name: [] for peer in peers}
    writer = stand.folder("writer") / "writer.py"
    writer.write_text(WRITER)
    size = blocks * 65_000
    script = f'read go <"$never"\n{PYTHON} {writer} {blocks} speed\necho the-last-line\n{BLOCKED}'
    failed: Failed = {}
    for _ in range(rounds):
        for peer in able(peers, "log"):
            with working(stand, [peer], script, failed, log=True) as contenders:
                for one in list(contenders):
                    before = one.cost().cpu_s
                    begun = time.perf_counter()
                    one.go()
                    try:
                        _wait_for_last_line(one)
                    except TimeoutError as error:
                        dropped(one, error, contenders, failed)
                        continue
                    took = time.perf_counter() - begun
                    cpu[peer.name].append((one.cost().cpu_s - before) * 1000 / (size / 1e8))
                    speeds[peer.name].append(size / took / 1e6)
                    shutil.rmtree(one.job.logs)
    how = f"{size / 1e6:.0f} MB printed, 65 kB at once, rotated at 10 MB, until the last line is in the log"
    fast = Discipline("log throughput", "MB/s", how, less_is_better=False)
    cheap = Discipline("log CPU", "ms for 100 MB", "CPU of the supervisor and its logger in the same runs")
    return [gathered(fast, peers, "log", speeds, failed), gathered(cheap, peers, "log", cpu, failed)]


def _wait_for_last_line(one: Contender) -> None:
    end = time.monotonic() + 120
    while not any(_ends_with_it(file) for file in one.job.logs.iterdir()):
        if time.monotonic() > end:
            raise TimeoutError(f"{one.name}: the last line did not come into the log")
        time.sleep(0.002)


def _ends_with_it(file: Path) -> bool:
    try:
        with open(file, "rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - 100))
            return b"the-last-line" in opened.read()
    except FileNotFoundError:
        return False  # rotated away while we looked


def status(stand: Stand, peers: list[Peer], *, rounds: int) -> list[Discipline]:
    """How long the answer takes that a person gets."""
    samples: dict[str, list[float]] = {peer.name: [] for peer in peers}
    check: list[float] = []
    failed: Failed = {}
    with working(stand, able(peers, "status"), BLOCKED, failed) as contenders:
        for warm in range(rounds + 1):
            for one in contenders:
                took, _ = stand.run(one.peer.status(one.job), one.job.folder)
                if warm:
                    samples[one.name].append(took * 1000)
                if warm and one.name == OURS:
                    quiet = [*one.peer.status(one.job)[:1], "check"]
                    check.append(stand.run(quiet, one.job.folder)[0] * 1000)
    found = gathered(
        Discipline("status", "ms", "the command by which a person asks, in turns"),
        peers,
        "status",
        samples,
        failed,
    )
    if check:
        found.results.append(Measured("watchdog check", check, "the same question without output"))
    return [found]


def tail(stand: Stand, peers: list[Peer], *, rounds: int) -> list[Discipline]:
    """The last ten lines of a log of 1 GiB."""
    samples: dict[str, list[float]] = {peer.name: [] for peer in peers}
    coreutils: list[float] = []
    large = stand.folder("large") / "log"
    block = b"".join(LINE + b"%06d\n" % number for number in range(MIB // (len(LINE) + 7)))
    with open(large, "wb") as file:
        while file.tell() < 1024 * MIB:
            file.write(block)
    failed: Failed = {}
    with working(stand, able(peers, "tail"), BLOCKED, failed, log=True) as contenders:
        for one in contenders:
            shown = one.peer.log_file(one.job)
            shown.parent.mkdir(exist_ok=True)
            shown.unlink(missing_ok=True)
            os.link(large, shown)
        for warm in range(rounds + 1):
            for one in contenders:
                took, _ = stand.run(one.peer.tail(one.job), one.job.folder)
                if warm:
                    samples[one.name].append(took * 1000)
            coreutils.append(stand.run(["tail", "-n", "10", str(large)], large.parent)[0] * 1000)
    large.unlink()
    found = gathered(
        Discipline("tail", "ms", "the last 10 lines of a log of 1 GiB, in turns"),
        peers,
        "tail",
        samples,
        failed,
    )
    found.results.append(Measured("coreutils tail", coreutils, "no supervisor"))
    return [found]


def cold(stand: Stand, peers: list[Peer], *, rounds: int) -> list[Discipline]:
    """From the command that starts the supervisor to the first word of the program."""
    samples: dict[str, list[float]] = {peer.name: [] for peer in peers}
    failed: Failed = {}
    for warm in range(rounds + 1):
        for peer in peers:
            with working(stand, [peer], BLOCKED, failed) as contenders:
                if warm and contenders:
                    samples[peer.name].append(contenders[0].cold_s * 1000)
    how = "command that starts the supervisor to the first word of its program, in turns"
    return [gathered(Discipline("cold start", "ms", how), peers, "cold", samples, failed)]


def rapid(stand: Stand, peers: list[Peer], *, count: int, limit_s: float) -> list[Discipline]:
    """A program that ends at once, again and again: how fast, and what is left of it in the supervisor."""
    rates: dict[str, list[float]] = {peer.name: [] for peer in peers}
    descriptors: dict[str, list[float]] = {peer.name: [] for peer in peers}
    memory: dict[str, list[float]] = {peer.name: [] for peer in peers}
    remarks: dict[str, str] = {}
    failed: Failed = {}
    script = f"if [ -e hold ]; then {BLOCKED}; fi"
    for peer in peers:
        with working(stand, [peer], script, failed) as contenders:
            for one in list(contenders):
                try:
                    seen, took, before, after = _many(one, count, limit_s)
                except TimeoutError as error:
                    dropped(one, error, contenders, failed)
                    continue
                rates[peer.name].append(seen / took)
                descriptors[peer.name].append(after.descriptors - before.descriptors)
                memory[peer.name].append((after.rss - before.rss) / MIB)
                kept = f"{before.rss / MIB:.1f} -> {after.rss / MIB:.1f} MiB"
                remarks[peer.name] = kept if seen >= count else f"{seen} in {limit_s:g} s; {kept}"
    how = f"{count} restarts of a program that ends at once, at most {limit_s:g} s"
    found = [
        gathered(
            Discipline("rapid restarts", "/s", how, less_is_better=False), peers, "rapid", rates, failed
        ),
        gathered(
            Discipline("descriptors more after them", "", "afterwards less before"),
            peers,
            "rapid",
            descriptors,
            failed,
        ),
        gathered(
            Discipline("memory more after them", "MiB RSS", "afterwards less before"),
            peers,
            "rapid",
            memory,
            failed,
        ),
    ]
    for discipline in found:
        for result in discipline.results:
            if result.samples and discipline.unit == "/s":
                result.reason = remarks[result.who]
    return found


def _many(one: Contender, count: int, limit_s: float) -> tuple[int, float, Cost, Cost]:
    """Let it restart so often; return how many there were, in which time, and the cost before and after."""
    before = _held(one)
    begun = time.perf_counter()
    seen = 0
    while seen < count and time.perf_counter() - begun < limit_s:
        words = one.hear().split()
        one.child = int(words[-1])
        seen += len(words)
    took = time.perf_counter() - begun
    return seen, took, before, _held(one)


def _held(one: Contender) -> Cost:
    """The cost of the supervisor while the present program stays, once everything is written down."""
    hold = one.job.folder / "hold"
    hold.touch()
    end = time.monotonic() + LIMIT_S
    while select.select([one.ear()], [], [], 2.0)[0] or not one.program_lives():
        if one.has_words():
            one.child = int(one.hear().split()[-1])
        if time.monotonic() > end:
            raise TimeoutError(f"the program was not started again within {LIMIT_S:g} s")
    found = one.cost()
    hold.unlink()
    one.kill_program()
    return found


Contest = Callable[[Stand, list[Peer]], list[Discipline]]


def contests(kits: Kits, *, quick: bool, rounds: int | None) -> dict[str, Contest]:
    """Every discipline by the name that ``--only`` takes."""

    def several(usual: int, few: int) -> int:
        return rounds or (few if quick else usual)

    return {
        "death": functools.partial(death, rounds=several(10, 3)),
        "hang": functools.partial(hang, rounds=several(12, 3)),
        "idle": functools.partial(idle, kits=kits, seconds=15.0 if quick else 60.0),
        "status": functools.partial(status, rounds=several(15, 3)),
        "cold": functools.partial(cold, rounds=several(10, 2)),
        "tail": functools.partial(tail, rounds=several(15, 3)),
        "rapid": functools.partial(
            rapid, count=200 if quick else 1000, limit_s=8.0 if quick else RAPID_LIMIT_S
        ),
        "log": functools.partial(log, rounds=several(3, 1), blocks=1500 if quick else 3000),
    }
