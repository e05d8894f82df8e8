"""The command line of the lease's soak: a beginning, so many faults, an end, a judgement."""

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
from pathlib import Path

from lease_life import lives, told
from lease_soaking.faults import Faults
from lease_soaking.world import TTL_S, World


def main() -> int:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser(description="Torment a lease and check that no two lives overlap.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    asked = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))  # what was started is ended even so
    print(f"seed {asked.seed}, {asked.faults} faults, TTL {TTL_S:g} s", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="lease-soak-"))
    world = World(folder, asked.seed)
    faults = Faults(world)
    try:
        done = faults.torment(asked.faults)
    finally:
        world.close()
    found = lives(world.lives)
    numbers, slowest = len(told(world.lives)), world.slowest_s
    print(f"{len(found)} lives; {numbers} numbers told; slowest return {slowest:.1f} s; faults: {done}")
    for what, gaps in faults.gaps_s.items():
        if gaps:
            middle, most = statistics.median(gaps), max(gaps)
            print(
                f"elsewhere after {what}: {middle:.2f} s in the middle of {len(gaps)}, {most:.2f} s at most"
            )
    for problem in faults.broken:
        print(f"BROKEN: {problem}")
    if not faults.broken:
        shutil.rmtree(folder)
    print(
        f"kept: {folder}"
        if faults.broken
        else "no two lives overlapped, no state went back, nothing told twice"
    )
    return 1 if faults.broken else 0
