"""What is done to them. Each fault is one method; its weight says how often it comes."""

import contextlib
import shutil
import signal
from collections.abc import Callable

from soaking import words
from soaking.promises import Promises
from soaking.world import DELAY_S, SETTINGS, TIMEOUT_S, World, since_boot

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
HOUR_S = 3600.0
FARTHEST_S = 6 * HOUR_S
STORAGE = 14


def base58(data: bytes) -> str:
    """An address of 32 bytes: one that is small, and these."""
    number, text = int.from_bytes(b"\x05" + data), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return text


class Faults:
    """All faults of one soak."""

    def __init__(self, world: World, promises: Promises) -> None:
        self._world = world
        self._saved = promises.saved
        self._random = world.random
        self.done: dict[str, int] = {}
        world_faults: list[tuple[int, Callable[[], None]]] = [
            (5, self.kill_tracker),
            (2, self.crash_tracker),
            (3, self.freeze_tracker),
            (2, self.doze_tracker),
            (3, self.freeze_watchdog),
            (3, self.freeze_both),
            (4, self.spoil_heartbeat),
            (2, self.spoil_tokens),
            (2, self.delete_logs),
            (2, self.delete_control),
            (2, self.spoil_state),
            (3, self.fill_disk),
            (5, self.step_clock),
            (3, self.trouble_receiver),
            (3, self.add_token),
            (1, self.remove_token),
            (3, self.ask_restart),
            (2, self.ask_pause),
            (2, self.ask_pause_and_resume),
            (3, self.ask_upgrade),
            (2, self.second_run),
            (4, self.ask_status),
        ]
        self._harmless_to_watchdog = world_faults
        self._all = [
            *world_faults,
            (5, self.kill_watchdog),
            (2, self.kill_both),
            (2, self.spoil_state_and_kill),
            (3, self.ask_stop),
            (2, self.stop_without_watchdog),
            (2, self.terminate_watchdog),
        ]

    def choose(self, *, spare_watchdog: bool) -> Callable[[], None]:
        """Pick the next one by chance; a watchdog that is spared lives long enough to be seen growing."""
        choice = self._harmless_to_watchdog if spare_watchdog else self._all
        fault = self._random.choices([one for _, one in choice], [weight for weight, _ in choice])[0]
        self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1
        return fault

    # --- signals ---

    def kill_tracker(self) -> None:
        self._world.send(self._world.a_tracker(), signal.SIGKILL)

    def crash_tracker(self) -> None:
        self._world.send(self._world.a_tracker(), signal.SIGSEGV)

    def freeze_tracker(self) -> None:
        started = since_boot()
        with self._world.frozen(self._world.a_tracker()):
            self._world.rest(TIMEOUT_S + 1, TIMEOUT_S + 4)
        self._world.excuses.append((started, since_boot()))

    def doze_tracker(self) -> None:
        with self._world.frozen(self._world.a_tracker()):
            self._world.rest(0.2, TIMEOUT_S / 2)

    def freeze_watchdog(self) -> None:
        pid = self._world.watchdog_pid()
        ask = self._random.random() < 0.5
        with self._world.frozen(pid):
            self._world.rest(0.5, 2.5 * TIMEOUT_S)
            if ask:
                report = words.ask_status(self._world)
                if report is not None and report["exit_code"] == 0 and "control" not in report["note"]:
                    self._world.fail(f"status is content with a frozen watchdog: {report}")

    def freeze_both(self) -> None:
        with self._world.frozen(self._world.watchdog_pid(), self._world.a_tracker()):
            self._world.rest(1.2 * TIMEOUT_S, 3 * TIMEOUT_S)

    def kill_watchdog(self) -> None:
        self._world.send(self._world.watchdog_pid(), signal.SIGKILL)
        if self._random.random() < 0.3:
            self._look_at_the_unsupervised()
        self._world.bring_back()

    def _look_at_the_unsupervised(self) -> None:
        if self._world.supervisor is not None:
            self._world.supervisor.wait(30)
        before = self._world.trackers()
        report = words.ask_status(self._world)
        alive = set(before) & set(self._world.trackers())
        if report is not None and alive and report["exit_code"] == 0:
            self._world.fail(f"status calls a tracker without a watchdog well: {report}")

    def kill_both(self) -> None:
        pid = self._world.watchdog_pid()
        self._world.send(self._world.a_tracker(), signal.SIGKILL)
        self._world.send(pid, signal.SIGKILL)
        self._world.bring_back()

    def terminate_watchdog(self) -> None:
        with self._world.unwanted():
            self._world.send(self._world.watchdog_pid(), signal.SIGTERM)
            self._world.bring_back()

    # --- files ---

    def spoil_heartbeat(self) -> None:
        path = self._world.folder / "heartbeat.json"
        choice = self._random.randrange(4)
        junk = self._random.randbytes(500)
        with contextlib.suppress(OSError):
            if choice == 0:
                path.write_bytes(junk)
            elif choice == 1:
                path.write_text('{"runId": "somebody else"}')
            elif choice == 2:
                path.unlink()
            else:
                path.write_bytes(b"x" * 200_000)

    def spoil_tokens(self) -> None:
        """Damage the saved list in place; half of the time the tracker dies with it."""
        path = self._world.folder / "tracked_tokens.json"
        junk = self._random.choice(
            [b"", b"\0" * 4000, b'{"half": {"token', b"[1, 2]", self._random.randbytes(300)]
        )
        kill = self._random.random() < 0.5
        if not any((self._world.folder / "backups").glob("*.json")):
            return
        with self._saved.damage(), contextlib.suppress(OSError):
            path.write_bytes(junk)
        if kill:
            self.kill_tracker()

    def spoil_state(self) -> None:
        path = self._world.folder / ".watchdog" / "tracker" / "state.json"
        with contextlib.suppress(OSError):
            path.write_bytes(
                self._random.choice([b"", b"[]", b"\0" * 100, b'{"version": 1', b'{"version": 99}'])
            )

    def spoil_state_and_kill(self) -> None:
        self.spoil_state()
        self.kill_watchdog()

    def delete_logs(self) -> None:
        if self._random.random() < 0.5:
            shutil.rmtree(self._world.folder / "logs", ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                (self._world.folder / "logs" / "tracker.log").unlink()

    def delete_control(self) -> None:
        with contextlib.suppress(OSError):
            (self._world.folder / ".watchdog" / "tracker" / "control").unlink()

    def fill_disk(self) -> None:
        """Only where the folder is a small file system of its own."""
        if shutil.disk_usage(self._world.folder).total > 100_000_000:
            return
        kill = self._random.random() < 0.3
        path = self._world.folder / "filler"
        with contextlib.suppress(OSError), path.open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        self._world.rest(0.2, 1.5)
        if kill:
            self.kill_tracker()
        self._world.rest(0.3, 2.5)
        path.unlink()

    # --- the world outside ---

    def step_clock(self) -> None:
        """The wall clock of all of them jumps by up to an hour, either way."""
        by_s = self._random.uniform(-HOUR_S, HOUR_S)
        if self._world.clock is None:
            return
        if abs(self._world.clock.offset_s + by_s) > FARTHEST_S:
            by_s = -by_s
        self._world.clock.step(by_s)

    def trouble_receiver(self) -> None:
        self._world.receiver.trouble(self._random.randrange(3))

    def add_token(self) -> None:
        """A person adds a token; what was confirmed is there for good."""
        address = base58(self._random.randbytes(31))
        code, _ = self._world.tracker_cli("add", address)
        if code == 0:
            self._saved.expect_addition(address)
        elif code != STORAGE:  # the disk may be full
            self._world.fail(f"`tracker add {address}` ended with {code}")

    def remove_token(self) -> None:
        added = sorted(name for name in self._saved.known if not name.startswith(("DEMo", "demo:")))
        if not added:
            return
        address = self._random.choice(added)
        self._saved.expect_removal(address)
        code, _ = self._world.tracker_cli("remove", address)
        if code not in (0, 2, STORAGE):  # 2: it went with a list that was spoiled a moment ago
            self._world.fail(f"`tracker remove {address}` ended with {code}")

    # --- commands in bad moments ---

    def ask_restart(self) -> None:
        self._world.cli("restart")

    def ask_pause(self) -> None:
        self._world.cli("pause", "--for", "1s")
        if self._random.random() < 0.5:
            self.kill_tracker()

    def ask_pause_and_resume(self) -> None:
        with self._world.unwanted():
            self._world.cli("pause")
            if self._random.random() < 0.5:
                self.kill_tracker()
            self._world.rest(0.1, 1.0)
            words.ask_status(self._world)
            self._world.cli("resume")

    def ask_upgrade(self) -> None:
        self._world.cli("upgrade")

    def ask_stop(self) -> None:
        now = ["--now"] if self._random.random() < 0.3 else []
        with self._world.unwanted():
            self._world.cli("stop", *now)
            self._nothing_lives("`watchdog stop`")
            self._world.rest(0.0, 1.0)
            self._world.bring_back()

    def stop_without_watchdog(self) -> None:
        with self._world.unwanted():
            self._world.send(self._world.watchdog_pid(), signal.SIGKILL)
            self._world.rest(0.0, DELAY_S)
            self._world.cli("stop")
            self._nothing_lives("`watchdog stop` without a watchdog")
            self._world.bring_back()

    def _nothing_lives(self, after: str) -> None:
        left = self._world.trackers()
        if left:
            self._world.fail(f"a tracker lives after {after}: {left}")
            return
        report = words.ask_status(self._world)
        if report is not None and report["exit_code"] != words.NOT_RUNNING:
            self._world.fail(f"status after {after}: {report}")

    def second_run(self) -> None:
        if self._world.watchdog_pid() is None:
            return
        code, _ = self._world.cli("run", *SETTINGS, "--", "sleep", "1000", limit_s=30)
        if code != 11:
            self._world.fail(f"a second `watchdog run` ended with {code}")

    def ask_status(self) -> None:
        for _ in range(self._random.randint(1, 4)):
            words.ask_status(self._world)
        if self._random.random() < 0.5:
            words.ask_all_ways(self._world)
