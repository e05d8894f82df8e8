"""Death, freeze, and a thousand restarts, for all contenders."""

import select
import time

from contenders import BLOCKED, Contender, Cost, working
from entries import Failed, able, dropped, gathered
from peer import Peer
from results import Discipline
from stand import LIMIT_S, Stand

MIB = 2**20
LONG_LIFE_S = 1.3  # longer than the second for which runit and daemontools hold a restart back
SHORT_LIFE_S = 0.02
HANG_S = 2  # monit counts in whole seconds
RAPID_LIMIT_S = 15.0


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
