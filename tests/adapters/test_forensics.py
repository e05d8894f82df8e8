"""Asking a frozen program for its stacks: bounded, only by signals that it catches, and done when it is quiet."""

import signal
import threading
import time
from pathlib import Path

import pytest

from trees import Nest, lives, python
from waiting import wait_until
from watchdog_cli.adapters.forensics import Dump, SignalDumper
from watchdog_cli.adapters.identity import Identity
from watchdog_cli.core.events import DumpDone, Event


class Bench:
    """A dumper whose surroundings can be set."""

    def __init__(self, fields: dict[str, object], *, catches: bool = True) -> None:
        self.sent: list[int] = []
        self.output: float | None = 1.0
        self.done = threading.Event()
        self.events: list[Event] = []
        self.catches = catches
        self.kept: list[Dump] = []
        self.dumper = SignalDumper(
            who=lambda: Identity(1, 1, "run-1", 1),
            fields=lambda: fields,
            send=self._send,
            last_output=lambda: self.output,
            put=self._put,
            place=lambda: ("1:2:birth", 0),
            keep=self.kept.append,
            look=lambda: None,
            otherwise=lambda _: self._put(DumpDone("otherwise")),
        )

    def _send(self, number: int) -> bool:
        self.sent.append(number)
        return self.catches

    def _put(self, event: Event) -> None:
        self.events.append(event)
        self.done.set()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGUSR1", signal.SIGUSR1),
        ("USR1", signal.SIGUSR1),
        (10, 10),
        ("SIGQUIT", signal.SIGQUIT),
        ("RTMIN", signal.SIGRTMIN),
    ],
)
def test_signal_may_be_named_in_several_ways(name: object, number: int) -> None:
    """With or without SIG, or as a number."""
    bench = Bench({"dumpSignal": name})
    bench.dumper.begin(0.1)
    assert bench.done.wait(10)
    assert bench.sent == [number]


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "NOSUCH",
        "SIG_IGN",
        "_IGN",
        "sigusr1",
        0,
        -1,
        65,
        1 << 40,
        True,
        1.5,
        [10],
        {"a": 1},
        "alarm",
    ],
)
def test_what_names_no_signal_is_not_sent(name: object) -> None:
    """Anything else in that field sends nothing, and somebody else is asked at once."""
    bench = Bench({"dumpSignal": name})
    bench.dumper.begin(30.0)
    assert bench.done.is_set()
    assert bench.sent == []
    assert bench.events == [DumpDone("otherwise")]


def test_no_heartbeat_fields_is_no_dump() -> None:
    """A program that did not opt in is not asked."""
    bench = Bench({})
    bench.dumper.begin(30.0)
    assert bench.done.is_set()
    assert bench.sent == []


def test_signal_that_would_kill_goes_on_at_once() -> None:
    """If the program does not catch the signal there is nothing to wait for: somebody else is asked."""
    bench = Bench({"dumpSignal": "SIGUSR1"}, catches=False)
    bench.dumper.begin(30.0)
    assert bench.done.is_set()


def test_silent_program_is_waited_for_only_so_long() -> None:
    """If nothing comes, the limit ends it; the word of it names its run, for the next one may freeze by then."""
    bench = Bench({"dumpSignal": "SIGUSR1"})
    began = time.monotonic()
    bench.dumper.begin(0.3)
    assert not bench.done.is_set(), "the main thread does not wait"
    assert bench.done.wait(10)
    assert time.monotonic() - began >= 0.3
    assert bench.events == [DumpDone("run-1")]
    assert [dump.source for dump in bench.kept] == ["none"]


def test_end_of_the_output_ends_the_wait() -> None:
    """When output came and paused, the dump is complete long before the limit."""
    bench = Bench({"dumpSignal": "SIGUSR1"})
    bench.dumper.begin(60.0)
    bench.output = 2.0
    assert bench.done.wait(10)


def test_program_that_never_stops_printing_is_cut() -> None:
    """Output without a pause does not stretch the limit."""
    bench = Bench({"dumpSignal": "SIGUSR1"})
    began = time.monotonic()
    bench.dumper.begin(0.5)
    while not bench.done.wait(0.01):
        bench.output = time.monotonic()
    assert time.monotonic() - began < 5


def test_real_program_prints_its_stacks(nest: Nest, tmp_path: Path) -> None:
    """A Python program with a dump handler that hangs in one function names that function, and lives on."""
    code = (
        "import faulthandler, pathlib, signal, sys, time\n"
        "faulthandler.register(signal.SIGUSR1)\n"
        "def stuck_here():\n    pathlib.Path(sys.argv[1]).touch()\n    while True: time.sleep(100)\n"
        "stuck_here()"
    )
    pid = nest.spawn(python(code, str(tmp_path / "up")))
    wait_until((tmp_path / "up").exists, "the hang")
    done = threading.Event()
    output = nest.output_path
    dumper = SignalDumper(
        fields=lambda: {"dumpSignal": "SIGUSR1"},
        send=nest.tree.send_to_leader,
        last_output=lambda: output.stat().st_mtime if output.stat().st_size else None,
        put=lambda _: done.set(),
        who=lambda: nest.tree.identity,
        place=lambda: ("1:2:birth", 0),
        keep=lambda _: None,
        look=lambda: None,
        otherwise=lambda _: None,
    )
    dumper.begin(20.0)
    assert done.wait(25)
    assert b"stuck_here" in output.read_bytes()
    assert lives(pid)
