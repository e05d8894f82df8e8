"""Torment a watchdog and its tracker at random, and check all the while that every promise holds.

    python scripts/soak.py --minutes 2 --seed 7

The faults and their order follow from the seed, which is printed; their moments do not, since the programs are real.
Ends with 0 when nothing was broken, else with 1 and a line for each broken promise.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

BIN = Path(sys.executable).parent
TIMEOUT_S = 3.0
DELAY_S = 0.3
STOP_S = 3.0
ABSENT_LIMIT_S = 20.0  # delay, ladder, and the start of Python on a machine that is busy with other things
SETTLE_S = 25.0
SETTINGS = [
    *("--heartbeat-timeout", f"{TIMEOUT_S}s", "--start-grace", "15s", "--restart-delay", f"{DELAY_S}s"),
    *("--max-restarts", "unlimited", "--stop-timeout", f"{STOP_S}s", "--dump-timeout", "300ms"),
    *("--log-size", "200kB", "--log-backups", "2", "--quiet"),
]
TRACKER = ["--source", "demo", "--cycle", "200ms", "--heartbeat-interval", "400ms", "--save-interval", "1s"]


class World:
    """One folder with one watchdog and one tracker, and what we know of what was done to them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.tag = f"soak-{os.getpid()}-{seed}"
        self.random = random.Random(seed)
        self.broken: list[str] = []
        self.done: dict[str, int] = {}
        self.wanted = True  # a tracker should run, or come back by itself
        self.absent_since: float | None = None
        self.excuses: list[tuple[float, float]] = []  # when a tracker was frozen on purpose
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.over = threading.Event()
        self.tokens: set[str] = set()
        self.most = {"descriptors": 0, "threads": 0, "rss_mb": 0.0}
        self.output = (folder / "watchdog.out").open("ab")

    # --- the programs ----------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Ours, with a mark by which all processes of this soak are known."""
        plain = {
            key: value for key, value in os.environ.items() if not key.startswith(("WATCHDOG_", "TRACKER_"))
        }
        return plain | {"SOAK_TAG": self.tag, "XDG_STATE_HOME": str(self.folder / "home")}

    def start(self) -> None:
        """Start the watchdog, as a boot entry would."""
        command = [str(BIN / "watchdog"), "run", *SETTINGS, "--", sys.executable, "-m", "tracker", *TRACKER]
        self.supervisor = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def cli(self, *arguments: str, limit_s: float = 60.0) -> tuple[int, str]:
        """One command, as a person would type it."""
        try:
            found = subprocess.run(
                [str(BIN / "watchdog"), *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.fail(f"`watchdog {' '.join(arguments)}` did not end within {limit_s} s")
            return -1, ""
        text = found.stdout.decode("utf-8", "replace")
        errors = found.stderr.decode("utf-8", "replace")
        if "Traceback" in errors or found.returncode == 1:
            self.fail(f"`watchdog {' '.join(arguments)}` ended with {found.returncode}: {errors[-600:]}")
        return found.returncode, text

    def marked(self) -> Iterator[tuple[int, list[str]]]:
        """Every living process of this soak but our own short commands."""
        mark = f"SOAK_TAG={self.tag}".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError):
                if mark not in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    continue
                if Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    continue
                words = Path(f"/proc/{entry}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                yield int(entry), words

    def trackers(self) -> list[int]:
        """The living trackers."""
        return [
            pid for pid, words in self.marked() if "-m" in words and "tracker" in words and "run" not in words
        ]

    def watchdog_pid(self) -> int | None:
        """The living watchdog that we started."""
        if self.supervisor is None or self.supervisor.poll() is not None:
            return None
        return self.supervisor.pid

    def fail(self, text: str) -> None:
        """Note a broken promise."""
        self.broken.append(f"{time.strftime('%H:%M:%S')} {text}")
        print(f"BROKEN {self.broken[-1]}", flush=True)

    # --- the promises ----------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Look at everything again and again, until the end."""
        while not self.over.is_set():
            self.look_at_trackers()
            self.look_at_saved_state()
            self.look_at_watchdog()
            self.over.wait(0.1)

    def look_at_trackers(self) -> None:
        """Never two; never none for long."""
        first = self.trackers()
        if len(first) > 1:
            second = self.trackers()  # one may just have been ending while we read
            both = sorted(set(first) & set(second))
            if len(both) > 1:
                self.fail(f"two trackers at once: {both}")
        now = time.monotonic()
        if first or not self.wanted:
            self.absent_since = None
        elif self.absent_since is None:
            self.absent_since = now
        elif now - self.absent_since > ABSENT_LIMIT_S:
            self.fail(f"no tracker for {ABSENT_LIMIT_S} s")
            self.absent_since = None

    def look_at_saved_state(self) -> None:
        """The main file always loads and has lost no token; nothing was told twice."""
        try:
            saved = json.loads((self.folder / "tracked_tokens.json").read_bytes())
        except FileNotFoundError:
            return
        except ValueError as error:
            self.fail(f"tracked_tokens.json does not load: {error}")
            return
        names = set(saved)
        if not names >= self.tokens:
            self.fail(f"tokens were lost: {sorted(self.tokens - names)[:3]}")
        self.tokens |= names
        with contextlib.suppress(FileNotFoundError):
            told = (self.folder / "sent_tokens.txt").read_text().split()
            if len(told) != len(set(told)):
                self.fail("an address stands twice in sent_tokens.txt")

    def look_at_watchdog(self) -> None:
        """It does not grow."""
        pid = self.watchdog_pid()
        if pid is None:
            return
        with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
            status = Path(f"/proc/{pid}/status").read_text()
            values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            seen = {
                "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": int(values["Threads"]),
                "rss_mb": int(values["VmRSS"].split()[0]) / 1024,
            }
            for key, limit in (("descriptors", 64), ("threads", 10), ("rss_mb", 60)):
                self.most[key] = max(self.most[key], seen[key])
                if seen[key] > limit:
                    self.fail(f"the watchdog has {seen[key]} {key}")

    def judge_journal(self) -> None:
        """No hang was declared but for a tracker that was frozen on purpose."""
        facts = []
        for name in ("journal.jsonl.2", "journal.jsonl.1", "journal.jsonl"):
            with contextlib.suppress(FileNotFoundError):
                for line in (self.folder / ".watchdog" / "tracker" / name).read_bytes().splitlines():
                    with contextlib.suppress(ValueError):
                        facts.append(json.loads(line))
        numbers = [fact["seq"] for fact in facts if "seq" in fact]
        if numbers != sorted(numbers):
            self.fail("the journal is out of order")
        from datetime import datetime

        for fact in facts:
            if fact.get("fact") != "hang":
                continue
            at = datetime.fromisoformat(fact["at"]).timestamp()
            if not any(start <= at <= end + TIMEOUT_S + 2 for start, end in self.excuses):
                self.fail(f"a false kill: {fact}")
        for name in ("logs/tracker.log", "watchdog.out", "logs/tracker.watchdog.log"):
            with contextlib.suppress(FileNotFoundError):
                if b"Traceback" in (self.folder / name).read_bytes():
                    self.fail(f"a traceback in {name}")

    # --- the faults ------------------------------------------------------------------------------------------

    def rest(self, least: float, most: float) -> None:
        """Let them work for a while."""
        self.over.wait(self.random.uniform(least, most))

    def send(self, pid: int | None, number: int) -> None:
        """Signal one of ours."""
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def a_tracker(self) -> int | None:
        """Some tracker, if one lives."""
        return next(iter(self.trackers()), None)

    def kill_tracker(self) -> None:
        self.send(self.a_tracker(), signal.SIGKILL)

    def crash_tracker(self) -> None:
        self.send(self.a_tracker(), signal.SIGSEGV)

    def freeze_tracker(self) -> None:
        pid = self.a_tracker()
        started = time.time()
        self.send(pid, signal.SIGSTOP)
        self.rest(TIMEOUT_S + 1, TIMEOUT_S + 4)
        self.send(pid, signal.SIGCONT)
        self.excuses.append((started, time.time()))

    def doze_tracker(self) -> None:
        pid = self.a_tracker()
        self.send(pid, signal.SIGSTOP)
        self.rest(0.2, TIMEOUT_S / 2)
        self.send(pid, signal.SIGCONT)

    def freeze_watchdog(self) -> None:
        pid = self.watchdog_pid()
        self.send(pid, signal.SIGSTOP)
        self.rest(0.5, 2.5 * TIMEOUT_S)
        self.send(pid, signal.SIGCONT)

    def freeze_both(self) -> None:
        tracker, watchdog = self.a_tracker(), self.watchdog_pid()
        self.send(watchdog, signal.SIGSTOP)
        self.send(tracker, signal.SIGSTOP)
        self.rest(1.2 * TIMEOUT_S, 3 * TIMEOUT_S)
        self.send(tracker, signal.SIGCONT)
        self.send(watchdog, signal.SIGCONT)

    def kill_watchdog(self) -> None:
        self.send(self.watchdog_pid(), signal.SIGKILL)
        self.bring_back()

    def kill_both(self) -> None:
        pid = self.watchdog_pid()
        self.send(self.a_tracker(), signal.SIGKILL)
        self.send(pid, signal.SIGKILL)
        self.bring_back()

    def bring_back(self) -> None:
        if self.supervisor is not None:
            self.supervisor.wait(30)
        self.rest(0.0, 1.0)
        self.start()

    def spoil_heartbeat(self) -> None:
        path = self.folder / "heartbeat.json"
        choice = self.random.randrange(4)
        with contextlib.suppress(OSError):
            if choice == 0:
                path.write_bytes(self.random.randbytes(500))
            elif choice == 1:
                path.write_text('{"runId": "somebody else"}')
            elif choice == 2:
                path.unlink()
            else:
                path.write_bytes(b"x" * 200_000)

    def delete_logs(self) -> None:
        if self.random.random() < 0.5:
            shutil.rmtree(self.folder / "logs", ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                (self.folder / "logs" / "tracker.log").unlink()

    def delete_control(self) -> None:
        with contextlib.suppress(OSError):
            (self.folder / ".watchdog" / "tracker" / "control").unlink()

    def spoil_state(self) -> None:
        path = self.folder / ".watchdog" / "tracker" / "state.json"
        with contextlib.suppress(OSError):
            path.write_bytes(
                self.random.choice([b"", b"[]", b"\0" * 100, b'{"version": 1', b'{"version": 99}'])
            )
        if self.random.random() < 0.5:
            self.kill_watchdog()

    def fill_disk(self) -> None:
        """Only where the folder is a small file system of its own."""
        if shutil.disk_usage(self.folder).total > 100_000_000:
            return
        path = self.folder / "filler"
        with contextlib.suppress(OSError), path.open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        self.rest(0.5, 3.0)
        path.unlink()

    def ask_restart(self) -> None:
        self.cli("restart")

    def ask_pause(self) -> None:
        self.cli("pause", "--for", "1s")
        if self.random.random() < 0.5:
            self.kill_tracker()

    def ask_pause_and_resume(self) -> None:
        self.wanted = False
        self.cli("pause")
        if self.random.random() < 0.5:
            self.kill_tracker()
        self.rest(0.1, 1.0)
        self.cli("resume")
        self.wanted = True

    def ask_upgrade(self) -> None:
        self.cli("upgrade")

    def ask_stop(self) -> None:
        self.wanted = False
        self.cli("stop", *(["--now"] if self.random.random() < 0.3 else []))
        if self.trackers():
            self.fail("a tracker lives after `watchdog stop`")
        self.rest(0.0, 1.0)
        self.bring_back()
        self.wanted = True

    def stop_without_watchdog(self) -> None:
        self.wanted = False
        self.send(self.watchdog_pid(), signal.SIGKILL)
        self.rest(0.0, 0.5)
        self.cli("stop")
        if self.trackers():
            self.fail("a tracker lives after `watchdog stop` without a watchdog")
        self.bring_back()
        self.wanted = True

    def terminate_watchdog(self) -> None:
        self.wanted = False
        self.send(self.watchdog_pid(), signal.SIGTERM)
        self.bring_back()
        self.wanted = True

    def second_run(self) -> None:
        if self.watchdog_pid() is None:
            return
        code, _ = self.cli("run", *SETTINGS, "--", "sleep", "1000", limit_s=20)
        if code != 11:
            self.fail(f"a second `watchdog run` ended with {code}")

    def ask_status(self) -> None:
        for _ in range(self.random.randint(1, 5)):
            before = set(self.trackers())
            code, text = self.cli("status", "--json", limit_s=15)
            after = set(self.trackers())
            with contextlib.suppress(ValueError):
                report = json.loads(text)
                if report["exit_code"] != code:
                    self.fail(f"status ended with {code} and said {report['exit_code']}")
                child = report["child"]
                if child is not None and child["pid"] not in before | after:
                    self.fail(f"status names pid {child['pid']}; there were {before} and {after}")
                if report["state"] == "stopped" and before & after:
                    self.fail(f"status says stopped while {before & after} lived")

    def faults(self) -> list[tuple[int, Callable[[], None]]]:
        """Weight and fault."""
        return [
            (5, self.kill_tracker),
            (2, self.crash_tracker),
            (3, self.freeze_tracker),
            (2, self.doze_tracker),
            (3, self.freeze_watchdog),
            (3, self.freeze_both),
            (5, self.kill_watchdog),
            (2, self.kill_both),
            (4, self.spoil_heartbeat),
            (2, self.delete_logs),
            (2, self.delete_control),
            (2, self.spoil_state),
            (2, self.fill_disk),
            (3, self.ask_restart),
            (2, self.ask_pause),
            (2, self.ask_pause_and_resume),
            (3, self.ask_upgrade),
            (3, self.ask_stop),
            (2, self.stop_without_watchdog),
            (2, self.terminate_watchdog),
            (2, self.second_run),
            (4, self.ask_status),
        ]


def settle(world: World) -> None:
    """After all that, it must become healthy by itself."""
    end = time.monotonic() + SETTLE_S
    code, text = -1, ""
    while time.monotonic() < end:
        if world.watchdog_pid() is None:
            world.bring_back()
        code, text = world.cli("status", "--json")
        if code == 0:
            return
        time.sleep(0.3)
    world.fail(f"not healthy after {SETTLE_S} s of rest: code {code}: {text[:1500]}")


def finish(world: World) -> None:
    """Stop, and see that nothing is left."""
    world.wanted = False
    world.cli("stop")
    left = list(world.marked())
    if left:
        world.fail(f"left behind: {left}")
    for pid, _ in left:
        world.send(pid, signal.SIGKILL)


def main() -> int:
    """Run the soak."""
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
    world.start()
    watcher = threading.Thread(target=world.watch, name="watch")
    watcher.start()
    end = time.monotonic() + options.minutes * 60
    faults = world.faults()
    try:
        world.rest(3, 4)
        while time.monotonic() < end:
            fault = world.random.choices([one for _, one in faults], [weight for weight, _ in faults])[0]
            world.done[fault.__name__] = world.done.get(fault.__name__, 0) + 1
            print(f"{time.strftime('%H:%M:%S')} {fault.__name__}", flush=True)
            fault()
            world.rest(0.1, 2.5)
        settle(world)
    finally:
        finish(world)
        world.over.set()
        watcher.join()
    world.judge_journal()
    counted = ", ".join(f"{name} {count}" for name, count in sorted(world.done.items()))
    print(f"faults: {counted}")
    print(f"most seen in the watchdog: {world.most}; tokens kept: {len(world.tokens)}")
    print(
        f"seed {seed}: {'every promise held' if not world.broken else f'{len(world.broken)} broken promises'}"
    )
    if not options.keep and not options.folder and not world.broken:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if world.broken else 0


if __name__ == "__main__":
    sys.exit(main())
