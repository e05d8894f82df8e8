"""What can go wrong, one fault each; what is chosen follows from the seed."""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable

from soaking.world import SETTINGS, TIMEOUT_S, World, steady
from telegram_server import accept_then, page, too_many

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Faults:
    """Does them to a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def rest(self, least: float, most: float) -> None:
        """Let them work for a while."""
        self.world.over.wait(self.world.random.uniform(least, most))

    def send(self, pid: int | None, number: int) -> None:
        """Signal one of ours."""
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def a_tracker(self) -> int | None:
        """Some tracker, if one lives."""
        return next(iter(self.world.trackers()), None)

    def kill_tracker(self) -> None:
        self.send(self.a_tracker(), signal.SIGKILL)

    def crash_tracker(self) -> None:
        self.send(self.a_tracker(), signal.SIGSEGV)

    def freeze_tracker(self) -> None:
        pid = self.a_tracker()
        started = steady()
        self.send(pid, signal.SIGSTOP)
        self.rest(TIMEOUT_S + 1, TIMEOUT_S + 4)
        self.send(pid, signal.SIGCONT)
        self.world.excuses.append((started, steady()))

    def doze_tracker(self) -> None:
        pid = self.a_tracker()
        self.send(pid, signal.SIGSTOP)
        self.rest(0.2, TIMEOUT_S / 2)
        self.send(pid, signal.SIGCONT)

    def freeze_watchdog(self) -> None:
        pid = self.world.watchdog_pid()
        self.send(pid, signal.SIGSTOP)
        self.rest(0.5, 2.5 * TIMEOUT_S)
        self.send(pid, signal.SIGCONT)

    def freeze_both(self) -> None:
        tracker, watchdog = self.a_tracker(), self.world.watchdog_pid()
        self.send(watchdog, signal.SIGSTOP)
        self.send(tracker, signal.SIGSTOP)
        self.rest(1.2 * TIMEOUT_S, 3 * TIMEOUT_S)
        self.send(tracker, signal.SIGCONT)
        self.send(watchdog, signal.SIGCONT)

    def kill_watchdog(self) -> None:
        self.send(self.world.watchdog_pid(), signal.SIGKILL)
        self.bring_back()

    def kill_both(self) -> None:
        pid = self.world.watchdog_pid()
        self.send(self.a_tracker(), signal.SIGKILL)
        self.send(pid, signal.SIGKILL)
        self.bring_back()

    def bring_back(self) -> None:
        if self.world.supervisor is not None:
            self.world.supervisor.wait(30)
        self.rest(0.0, 1.0)
        self.world.start()

    def spoil_heartbeat(self) -> None:
        path = self.world.folder / "heartbeat.json"
        choice = self.world.random.randrange(4)
        with contextlib.suppress(OSError):
            if choice == 0:
                path.write_bytes(self.world.random.randbytes(500))
            elif choice == 1:
                path.write_text('{"runId": "somebody else"}')
            elif choice == 2:
                path.unlink()
            else:
                path.write_bytes(b"x" * 200_000)

    def delete_logs(self) -> None:
        if self.world.random.random() < 0.5:
            shutil.rmtree(self.world.folder / "logs", ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                (self.world.folder / "logs" / "tracker.log").unlink()

    def delete_control(self) -> None:
        with contextlib.suppress(OSError):
            (self.world.folder / ".watchdog" / "tracker" / "control").unlink()

    def spoil_state(self) -> None:
        path = self.world.folder / ".watchdog" / "tracker" / "state.json"
        with contextlib.suppress(OSError):
            path.write_bytes(
                self.world.random.choice([b"", b"[]", b"\0" * 100, b'{"version": 1', b'{"version": 99}'])
            )
        if self.world.random.random() < 0.5:
            self.kill_watchdog()

    def fill_disk(self) -> None:
        """Only where the folder is a small file system of its own."""
        if shutil.disk_usage(self.world.folder).total > 100_000_000:
            return
        path = self.world.folder / "filler"
        with contextlib.suppress(OSError), path.open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        self.rest(0.5, 3.0)
        path.unlink()

    def ask_restart(self) -> None:
        self.world.cli("restart")

    def ask_pause(self) -> None:
        self.world.cli("pause", "--for", "1s")
        if self.world.random.random() < 0.5:
            self.kill_tracker()

    def ask_pause_and_resume(self) -> None:
        self.world.wanted = False
        self.world.cli("pause")
        if self.world.random.random() < 0.5:
            self.kill_tracker()
        self.rest(0.1, 1.0)
        self.world.cli("resume")
        self.world.wanted = True

    def ask_upgrade(self) -> None:
        self.world.cli("upgrade")

    def ask_stop(self) -> None:
        self.world.wanted = False
        self.world.cli("stop", *(["--now"] if self.world.random.random() < 0.3 else []))
        if self.world.trackers():
            self.world.fail("a tracker lives after `watchdog stop`")
        self.rest(0.0, 1.0)
        self.bring_back()
        self.world.wanted = True

    def stop_without_watchdog(self) -> None:
        self.world.wanted = False
        self.send(self.world.watchdog_pid(), signal.SIGKILL)
        self.rest(0.0, 0.5)
        self.world.cli("stop")
        if self.world.trackers():
            self.world.fail("a tracker lives after `watchdog stop` without a watchdog")
        self.bring_back()
        self.world.wanted = True

    def terminate_watchdog(self) -> None:
        self.world.wanted = False
        self.send(self.world.watchdog_pid(), signal.SIGTERM)
        self.bring_back()
        self.world.wanted = True

    def second_run(self) -> None:
        if self.world.watchdog_pid() is None:
            return
        code, _ = self.world.cli("run", *SETTINGS, "--", "sleep", "1000", limit_s=20)
        if code != 11:
            self.world.fail(f"a second `watchdog run` ended with {code}")

    def step_clock(self) -> None:
        """The wall clock alone jumps, to anywhere within an hour of the true one."""
        clock = self.world.clock
        clock.step(
            self.world.random.choice((-1, 1)) * self.world.random.choice((0.5, 30, 3600)) - clock.offset_s
        )

    def spoil_chat(self) -> None:
        """The service that tells people fails in its ways; the last two had taken the message."""
        answers = [too_many(1), page(502), accept_then(hang=False), accept_then(hang=False)]
        self.world.chat.script(*self.world.random.sample(answers, 2))

    def add_token(self) -> None:
        """A person adds a token, whether the tracker runs, is frozen or is just being started."""
        address = an_address(self.world.random)
        words = (sys.executable, "-m", "tracker", "add", address)
        code, _ = self.world.command(*words, limit_s=30)
        if code == 0:
            self.world.added.add(address)

    def ask_status(self) -> None:
        for _ in range(self.world.random.randint(1, 5)):
            before = set(self.world.trackers())
            code, text = self.world.cli("status", "--json", limit_s=15)
            after = set(self.world.trackers())
            with contextlib.suppress(ValueError):
                report = json.loads(text)
                if report["exit_code"] != code:
                    self.world.fail(f"status ended with {code} and said {report['exit_code']}")
                child = report["child"]
                if child is not None and child["pid"] not in before | after:
                    self.world.fail(f"status names pid {child['pid']}; there were {before} and {after}")
                if report["state"] == "stopped" and before & after:
                    self.world.fail(f"status says stopped while {before & after} lived")

    def table(self) -> list[tuple[int, Callable[[], None]]]:
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
            (3, self.step_clock),
            (2, self.spoil_chat),
            (2, self.add_token),
        ]


def an_address(chance: random.Random) -> str:
    """Some mint address: 32 bytes in base58."""
    number = int.from_bytes(b"\x7f" + chance.randbytes(31))
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return text
