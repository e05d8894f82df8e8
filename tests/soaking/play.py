"""The play: a choice of faults until the time is over, a rest, and the verdict."""

import argparse
import contextlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from soaking.faults import Faults
from soaking.promises import Promises
from soaking.world import World

SETTLE_S = 40.0


def settle(world: World, faults: Faults, promises: Promises) -> None:
    """After all that, it must become healthy by itself, and take up what was added."""
    end = time.monotonic() + SETTLE_S
    code, text, missing = -1, "", set[str]()
    while time.monotonic() < end:
        if world.watchdog_pid() is None:
            faults.bring_back()
        code, text = world.cli("status", "--json")
        missing = world.added - promises.tokens.keys()
        if code == 0 and not missing:
            return
        time.sleep(0.3)
    world.fail(f"not as before after {SETTLE_S} s of rest: code {code}, missing {missing}: {text[:1500]}")


def finish(world: World) -> None:
    """Stop, and see that nothing is left."""
    world.wanted = False
    world.cli("stop")
    left = list(world.marked())
    if left:
        world.fail(f"left behind: {left}")
    for pid, _ in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main() -> int:
    """Run the soak; the exit code says whether every promise held."""
    parser = argparse.ArgumentParser(description="Torment a watchdog and its tracker; check every promise.")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long (default 2)")
    parser.add_argument(
        "--seed", type=int, default=None, help="repeats an order of faults (default: by chance)"
    )
    parser.add_argument(
        "--folder", type=Path, default=None, help="an empty folder; a small tmpfs allows a full disk"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"soak of {options.minutes} minutes, seed {seed}, in {folder}", flush=True)
    world = World(folder, seed)
    faults, promises, done = Faults(world), Promises(world), Counter[str]()
    world.start()
    watcher = threading.Thread(target=promises.watch, name="watch")
    watcher.start()
    end = time.monotonic() + options.minutes * 60
    table = faults.table()
    try:
        faults.rest(3, 4)
        while time.monotonic() < end:
            fault = world.random.choices([one for _, one in table], [weight for weight, _ in table])[0]
            done[fault.__name__] += 1
            print(f"{time.strftime('%H:%M:%S')} {fault.__name__}", flush=True)
            fault()
            faults.rest(0.1, 2.5)
        settle(world, faults, promises)
    finally:
        finish(world)
        world.over.set()
        watcher.join()
        world.close()
    promises.judge()
    print(f"faults: {', '.join(f'{name} {count}' for name, count in sorted(done.items()))}")
    weights = ", ".join(f"{key} {value:.4g}" for key, value in promises.most().items())
    print(f"most seen in the watchdog: {weights}")
    print(f"tokens kept: {len(promises.tokens)}; rises told: {promises.told().total()}")
    broken = len(world.broken)
    print(f"seed {seed}: {f'{broken} broken promises' if broken else 'every promise held'}")
    if not options.keep and not options.folder and not broken:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if broken else 0
