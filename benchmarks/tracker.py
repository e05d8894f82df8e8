"""Measures the tracker at 1,000 and 10,000 tokens with full history, beside the plainest way to save.

    python benchmarks/tracker.py [--tokens 1000,10000] [--seconds 20]

Prints, for each number of tokens: the time to the first beat of a real tracker process, over a file that it
saved itself and over one that somebody else wrote; its memory (demo market, the cycle and the saving at their
defaults); the longest time in which its work loop looked at nothing; the time of one save, and the same list
written by ``json.dump`` to a file without any flush; and how the cost per token grows.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # this file must not hide the package of its name

POINTS = 50
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

# Runs the tracker as users do, and notes the longest gap between two looks of its loop at what happened.
_PROBE = """
import sys, time, json, os
from tracker import loop
gaps = []
last = [None]
def tick():
    now = time.perf_counter()
    if last[0] is not None:
        gaps.append(now - last[0])
    last[0] = now
between, wait = loop.Loop._between, loop.Loop._wait
def new_between(self):
    tick()
    between(self)
    tick()
def new_wait(self, until):
    tick()
    last[0] = None
    wait(self, until)
    last[0] = time.perf_counter()
loop.Loop._between, loop.Loop._wait = new_between, new_wait
sys.argv = ["tracker", *sys.argv[2:]]
try:
    from tracker.cli import main
    main()
finally:
    peak = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    with open(os.environ["PROBE_RESULT"], "w") as file:
        json.dump({"gaps": sorted(gaps)[-20:], "count": len(gaps), "peak_kb": int(peak.split()[1])}, file)
"""


def address(number: int) -> str:
    """Invent the address of a token: 43 letters are always 32 bytes or fewer, and these are 32."""
    digits = ""
    for _ in range(8):
        number, digit = divmod(number, 58)
        digits += _ALPHABET[digit]
    return "9" + "h" * 34 + digits


def make_tokens(count: int) -> dict[str, Any]:
    """Invent a list with full history, with a name here and there that is not ASCII."""
    return {
        address(number): {
            "token": address(number),
            "name": f"Token {number}" if number % 50 else f"سوق 🚀 {number}",
            "symbol": f"T{number}",
            "startTime": "2026-01-01T00:00:00.000Z",
            "firstPrice": 0.000003977,
            "lastPrice": 0.000003828,
            "maxIncrease": 0.502891626854408,
            "reached50": False,
            "stopped": False,
            "rugcheckStatus": "SIMULATED",
            "lowLiquidity": False,
            "solValue": 10.54,
            "highestPrice": 0.000003997,
            "maxRisePercentage": 0.502891626854408,
            "priceHistoryEvery20s": [
                {
                    "price": 0.000003828 + point * 1e-9,
                    "changePercent": 1.7448856799037238,
                    "timestamp": f"2026-01-01T00:{point:02d}:00.000Z",
                }
                for point in range(POINTS)
            ],
            "lastPriceUpdate20s": "2026-01-01T00:49:00.000Z",
            "priceSource": "demo",
        }
        for number in range(count)
    }


def run(folder: Path, seconds: float) -> dict[str, Any]:
    """Let a tracker live over the list for some time and return what was seen."""
    beat = folder / "heartbeat.json"
    result = folder / "probe.json"
    probe = folder / "probe.py"
    probe.write_text(_PROBE)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(probe), "-m", "--source", "demo", "--history-step", "20s"],
        cwd=folder,
        env=os.environ | {"PROBE_RESULT": str(result), "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.DEVNULL,
    )
    while not beat.exists():
        assert process.poll() is None, "the tracker ended"
        time.sleep(0.005)
    first = time.perf_counter() - begun
    rss = []
    while time.perf_counter() - begun < max(seconds, first + 1):
        status = Path(f"/proc/{process.pid}/statm").read_text().split()
        rss.append(int(status[1]) * os.sysconf("SC_PAGE_SIZE"))
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    seen: dict[str, Any] = json.loads(result.read_text())
    return seen | {"first_s": first, "rss": statistics.median(rss or [0])}


def save_times(folder: Path, count: int) -> tuple[float, float, float]:
    """Return the seconds of reading the list, of one save, and of json.dump to a file without a flush."""
    from tracker.place import Place
    from tracker.store import Store

    store = Store(Place(str(folder)), 10)
    begun = time.perf_counter()
    tokens = store.load().tokens
    load = time.perf_counter() - begun
    assert len(tokens) == count
    saves = []
    for number in range(5):
        changed = {a: t.with_fields(lastPrice=1.0 + number) for a, t in tokens.items()}
        begun = time.perf_counter()
        store.save(changed)
        saves.append(time.perf_counter() - begun)
    plain = json.loads((folder / "tracked_tokens.json").read_bytes())
    dumps = []
    for _ in range(3):
        begun = time.perf_counter()
        with open(folder / "plain.json", "w") as file:
            json.dump(plain, file, indent=2)
        dumps.append(time.perf_counter() - begun)
    return load, statistics.median(saves), statistics.median(dumps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", default="1000,10000")
    parser.add_argument("--seconds", type=float, default=45.0)
    options = parser.parse_args()
    print(
        f"{'tokens':>7} {'first beat':>10} {'(foreign)':>10} {'stall':>8} {'RSS':>8} {'peak':>8} {'load':>8} "
        f"{'save':>8} {'json.dump':>9} {'ratio':>6} {'us/token':>8}"
    )
    cost = []
    for count in (int(word) for word in options.tokens.split(",")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "tracked_tokens.json").write_text(
                json.dumps(make_tokens(count), indent=2, ensure_ascii=False), encoding="utf-8"
            )
            foreign = run(folder, 0)["first_s"]
            (folder / "heartbeat.json").unlink()
            seen = run(folder, options.seconds)
            load, save, dump = save_times(folder, count)
            cost.append(save / count)
            print(
                f"{count:>7} {seen['first_s']:>8.2f} s {foreign:>8.2f} s {seen['gaps'][-1] * 1000:>5.0f} ms "
                f"{seen['rss'] / 1e6:>5.0f} MB {seen['peak_kb'] / 1000:>5.0f} MB {load:>6.2f} s "
                f"{save:>6.2f} s {dump:>7.2f} s {save / dump:>6.2f} {cost[-1] * 1e6:>8.1f}"
            )
    print(f"cost of a save per token, last to first: {cost[-1] / cost[0]:.2f}")


if __name__ == "__main__":
    main()
