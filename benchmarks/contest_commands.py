"""The answers that a person gets, and the way to the first word of the program."""

import os

from contenders import BLOCKED, working
from entries import Failed, able, gathered
from peer import Peer
from results import OURS, Discipline, Measured
from stand import Stand

MIB = 2**20
LINE = b"2026-01-01T00:00:00Z a line of a log as programs write them, number "


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
