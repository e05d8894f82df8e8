"""Compares the watchdog with the supervisors that people use instead, in turns, in one run.

    python benchmarks/compare.py [--only DISCIPLINE] [--peer NAME] [--rounds N] [--quick] [--work DIR] [--out DIR]

Fetches the others by package name into a folder of its own (see ``kits.py``), runs every discipline (see
``contests.py``) with every contender that can take part (how each is configured: ``peer.py``, ``peers_packaged.py``,
``peers_unpacked.py``), and prints medians, p95
and ratios to ours; ``--out`` also writes ``comparison.md`` and ``comparison.json``. Run it with the interpreter of the
environment in which ``watchdog`` is installed, on Linux. It takes some ten to fifteen minutes, with ``--quick`` about
four, the first time some more. Whatever it starts it ends, also after Ctrl-C. Times move with whatever else the machine
does: the load is printed with every discipline, and ratios say more than milliseconds.
"""

import argparse
import os
import platform
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from contenders import end_all, take_in_orphans
from contests import contests
from kits import Kits, MissingError, default_work
from peer import Peer
from peers import everybody, systemd_reason
from results import Discipline, Measured, for_page, for_programs, for_terminal
from stand import WATCHDOG, Stand, opened

NAMES = ("death", "hang", "idle", "status", "cold", "tail", "rapid", "log")


def main() -> None:
    """Install, measure, print, write."""
    options = _options()
    if not Path(WATCHDOG).exists():
        sys.exit(
            f"{WATCHDOG} is not there; use the interpreter of the environment where watchdog is installed"
        )
    if sys.platform != "linux":
        sys.exit("the comparison reads /proc: it runs on Linux only")
    signal.signal(signal.SIGTERM, _ended)
    take_in_orphans()
    try:
        _compare(options)
    except KeyboardInterrupt:
        print("interrupted; what is finished stands above", file=sys.stderr)
        sys.exit(130)
    finally:
        end_all()


def _compare(options: argparse.Namespace) -> None:
    kits = Kits(options.work or default_work())
    peers, missing = _installed(kits, options.peer)
    facts = _machine()
    facts |= {f"version of {peer.name}": peer.version() for peer in peers if peer.version()}
    for name, value in facts.items():
        print(f"{name}: {value}", flush=True)
    disciplines: list[Discipline] = []
    with opened() as stand:
        stand.run([WATCHDOG, "--version"], stand.folder("warm"))  # compiles what was never compiled
        for name, contest in contests(kits, quick=options.quick, rounds=options.rounds).items():
            if not options.only or name in options.only:
                disciplines += _shown(stand, contest(stand, peers), missing)
                _write(options.out, disciplines, facts)
    facts["load after"] = _load()
    print(f"load after: {facts['load after']}")
    if options.out is not None:
        _write(options.out, disciplines, facts)
        print(f"written: {options.out}/comparison.md and comparison.json")


def _write(folder: Path | None, disciplines: list[Discipline], facts: dict[str, str]) -> None:
    """After each discipline, so that an end in the middle loses nothing that was measured."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comparison.md").write_text(for_page(disciplines, facts))
        (folder / "comparison.json").write_text(for_programs(disciplines, facts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=NAMES, help="this discipline; may be repeated")
    parser.add_argument("--peer", action="append", metavar="NAME", help="ours and this one; may be repeated")
    parser.add_argument("--rounds", type=int, help="instead of the usual number of each discipline")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; less sure")
    parser.add_argument("--work", type=Path, help=f"where peers are installed [{default_work()}]")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the tables there too")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


def _installed(kits: Kits, wanted: list[str] | None) -> tuple[list[Peer], dict[str, str]]:
    """Those that could be had, and why others could not."""
    everyone = everybody(kits)
    names = [peer.name for peer in everyone]
    for name in wanted or ():
        if name not in names:
            sys.exit(f"no contender is called {name!r}; they are {', '.join(names)}")
    found: list[Peer] = []
    missing = {"systemd": systemd_reason()}
    for peer in everyone:
        if wanted and peer is not everyone[0] and peer.name not in wanted:
            continue
        try:
            peer.install()
            found.append(peer)
        except MissingError as error:
            missing[peer.name] = f"could not be installed: {error}"
            print(f"{peer.name} {missing[peer.name]}", file=sys.stderr)
    return found, missing


def _shown(stand: Stand, found: list[Discipline], missing: dict[str, str]) -> list[Discipline]:
    """Print what a discipline found, with those that are not here at all in its last lines."""
    for one in found:
        one.how += f" (load {os.getloadavg()[0]:.2f})"
        one.results += [Measured(who, reason=reason) for who, reason in missing.items()]
        print(f"\n{for_terminal(one)}", flush=True)
    for folder in stand.base.iterdir():  # full disks have ended many a benchmark
        if folder.name != "state":
            shutil.rmtree(folder, ignore_errors=True)
    end_all()
    return found


def _machine() -> dict[str, str]:
    words = Path("/proc/cpuinfo").read_text().split("model name", 1)
    model = words[1].split("\n", 1)[0].strip("\t :") if len(words) > 1 else platform.machine()
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": f"{os.cpu_count()} x {model}",
        "memory": f"{memory:.1f} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "load before": _load(),
    }


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _ended(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
