"""The command line of the soak: a beginning, faults for so many minutes, a rest, an end, a judgement."""

import argparse
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

from soaking.faults import Faults
from soaking.promises import Promises
from soaking.receiver import Receiver
from soaking.world import World

SETTLE_S = 40.0
SPARED_S = 150.0  # every other stretch of this length ends no watchdog, so that a long life can be looked at


def main() -> int:
    """Run the soak; 0 when nothing was broken."""
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
    aside = Path(tempfile.mkdtemp(prefix="soak-"))
    folder = options.folder or aside / "folder"
    folder.mkdir(exist_ok=True)
    print(f"soak of {options.minutes:g} minutes, seed {seed}, in {folder}; beside it {aside}", flush=True)
    with Receiver() as receiver:
        world = World(folder, aside, seed, receiver)
        if world.clock is None:
            print("no C compiler is installed: the wall clock is not stepped", flush=True)
        _torment(world, options.minutes * 60)
        world.close()
    print(f"seed {seed}: {_verdict(world)}")
    if not options.keep and not world.broken:
        shutil.rmtree(aside, ignore_errors=True)
    return 1 if world.broken else 0


def _verdict(world: World) -> str:
    return f"{len(world.broken)} broken promises" if world.broken else "every promise held"


def _torment(world: World, seconds: float) -> None:
    promises = Promises(world)
    faults = Faults(world, promises)
    world.start()
    watcher = threading.Thread(target=promises.watch, name="watch")
    watcher.start()
    begun = time.monotonic()
    try:
        world.rest(3, 4)
        while (passed := time.monotonic() - begun) < seconds:
            if not watcher.is_alive():
                world.fail("nobody watches any more: the watching thread has ended")
                break
            spare = int(passed / SPARED_S) % 2 == 1
            fault = faults.choose(spare_watchdog=spare)
            print(f"{time.strftime('%H:%M:%S')} {fault.__name__}", flush=True)
            fault()
            world.rest(0.1, 2.5)
        _settle(world)
    finally:
        _finish(world)
        world.over.set()
        watcher.join()
    promises.judge()
    _tell(world, promises, faults, time.monotonic() - begun)


def _settle(world: World) -> None:
    """After all that, it must become healthy by itself."""
    end = time.monotonic() + SETTLE_S
    code, text = -1, ""
    while time.monotonic() < end:
        if world.watchdog_pid() is None:
            world.bring_back()
        code, text = world.cli("status", "--json")
        if code == 0:
            return
        world.over.wait(0.3)
    world.fail(f"not healthy after {SETTLE_S:g} s of rest: code {code}: {text[:1500]}")


def _finish(world: World) -> None:
    """Stop, and see that nothing is left."""
    world.wanted = False
    world.cli("stop")
    left = list(world.marked())
    if left:
        world.fail(f"left behind: {left}")
    for pid, _ in left:
        world.send(pid, signal.SIGKILL)


def _tell(world: World, promises: Promises, faults: Faults, seconds: float) -> None:
    rises, numbers = world.receiver.counts()
    counted = ", ".join(f"{name} {count}" for name, count in sorted(faults.done.items()))
    print(f"{sum(faults.done.values())} faults in {seconds:.0f} s: {counted}")
    print(
        f"alerts that arrived: {sum(numbers.values())}, of {len(rises)} tokens and levels; "
        f"tokens kept: {len(promises.saved.known)}, in {promises.saved.looks} different saved lists; "
        f"journal: {promises.journal.facts} facts, {len(promises.journal.hangs)} hangs"
    )
    print(
        f"most seen in the watchdog: {promises.growth.most}; "
        f"long lives judged alone: {promises.growth.long_lives}"
    )
