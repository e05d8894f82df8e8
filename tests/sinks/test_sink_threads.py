"""A sink in a thread of its own: slow, broken or missing, the main thread never notices."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import pytest

from waiting import stays_true, wait_until
from watchdog_cli.core.facts import Fact, FirstSign, Notice, SpawnFault
from watchdog_cli.core.record import Run
from watchdog_cli.wiring import sink_threads
from watchdog_cli.wiring.sink_threads import SinkThread

AT = datetime(2026, 11, 25, tzinfo=UTC)
GOOD = FirstSign(Run("r", 1, 1), 0.1)
BAD = SpawnFault("no such file", 1)


class Recording:
    """A sink that does what the test wants."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.turns: list[float] = []
        self.due: float | None = None
        self.on_tell: Callable[[Fact], None] = lambda _: None
        self.on_turn: Callable[[], None] = lambda: None
        self.closed = threading.Event()

    def tell(self, at: datetime, fact: Fact, extra: Mapping[str, object]) -> None:
        assert at == AT
        assert extra == {"a": 1}
        self.on_tell(fact)
        self.facts.append(fact)

    def due_in_s(self) -> float | None:
        return self.due

    def turn(self) -> None:
        self.turns.append(time.monotonic())
        self.on_turn()

    def close(self) -> None:
        self.closed.set()


class Bench:
    """One thread around one sink, and what it said."""

    def __init__(self) -> None:
        self.sink = Recording()
        self.said: list[str] = []
        self.made = 0
        self.release = threading.Event()
        self.thread = SinkThread(
            "test",
            self.make,
            begins=lambda fact: isinstance(fact, SpawnFault),
            say=self.said.append,
            limit=50,
        )

    def make(self) -> Recording:
        self.made += 1
        return self.sink

    def tell(self, *facts: Fact) -> None:
        for fact in facts:
            self.thread.tell(AT, fact, {"a": 1})


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.release.set()
    made.thread.close(10)


def test_nothing_lives_before_the_first_trouble(bench: Bench) -> None:
    """Good facts start no thread and make no sink; with the first trouble it gets what was before it, in order."""
    before = threading.active_count()
    bench.tell(*(Notice("n", str(number)) for number in range(100)))
    assert threading.active_count() == before
    assert bench.made == 0
    bench.tell(BAD, GOOD)
    wait_until(lambda: GOOD in bench.sink.facts, "the facts")
    told = [fact.text for fact in bench.sink.facts]
    assert told == [*(str(number) for number in range(60, 100)), BAD.text, GOOD.text]
    assert bench.made == 1


def test_a_raising_sink_is_said_once_and_goes_on(bench: Bench) -> None:
    """Each fact raises: one line for people, with the kind of fault, and every later fact still arrives."""
    seen = []

    def fail(fact: Fact) -> None:
        seen.append(fact)
        raise ZeroDivisionError("oh")

    bench.sink.on_tell = fail
    bench.tell(BAD, GOOD, GOOD, GOOD)
    wait_until(lambda: len(seen) == 4, "all facts")
    wait_until(lambda: bench.said, "a word")
    assert len(bench.said) == 1
    assert "ZeroDivisionError: oh" in bench.said[0]
    assert bench.said[0].endswith("supervision goes on")


def test_a_full_disk_is_said_in_the_words_of_the_system(bench: Bench) -> None:
    """An OSError becomes its reason and its file, in one line."""
    error = OSError(28, "No space left on device", "logs/incidents/x\ny")
    bench.sink.on_tell = lambda _: (_ for _ in ()).throw(error)
    bench.tell(BAD)
    wait_until(lambda: bench.said, "a word")
    assert bench.said == ["test: no space left on device (logs/incidents/x y); supervision goes on"]


def test_a_blocking_sink_holds_up_nobody(bench: Bench) -> None:
    """It blocks: a thousand facts are taken in no time, the oldest go, that is said once, and the newest arrive."""
    entered = threading.Event()

    def block(_: Fact) -> None:
        entered.set()
        bench.release.wait(60)

    bench.sink.on_tell = block
    bench.tell(BAD)
    assert entered.wait(10)
    began = time.monotonic()
    bench.tell(*(Notice("n", str(number)) for number in range(1000)))
    assert time.monotonic() - began < 1
    assert len(bench.said) == 1
    assert "does not keep up" in bench.said[0]
    bench.release.set()
    wait_until(lambda: len(bench.sink.facts) == 51, "what was kept")
    assert [fact.text for fact in bench.sink.facts[1:]] == [str(number) for number in range(950, 1000)]


def test_the_end_waits_for_a_blocked_sink_only_so_long(bench: Bench) -> None:
    """Closing is bounded."""
    bench.sink.on_tell = lambda _: bench.release.wait(60) and None
    bench.tell(BAD)
    began = time.monotonic()
    bench.thread.close(0.2)
    assert 0.2 <= time.monotonic() - began < 2
    assert not bench.sink.closed.is_set()


def test_the_end_lets_it_finish(bench: Bench) -> None:
    """What was told before the end arrives before the sink is closed."""
    bench.tell(BAD, *[GOOD] * 30)
    bench.thread.close(10)
    assert len(bench.sink.facts) == 31
    assert bench.sink.closed.is_set()


def test_a_missing_dependency_is_said_once(bench: Bench) -> None:
    """The sink cannot be made: one line, and from then on facts cost nothing."""

    def fail() -> Recording:
        raise ModuleNotFoundError("No module named 'apprise'")

    bench.thread._make = fail
    bench.tell(BAD)
    wait_until(lambda: bench.said, "a word")
    bench.tell(BAD, GOOD, BAD)
    assert len(bench.said) == 1
    assert "No module named 'apprise'" in bench.said[0]
    assert not bench.thread._facts


def test_a_sink_is_called_when_it_is_due(bench: Bench) -> None:
    """Without any fact it gets its turn at the time that it named, and sleeps when it names none."""
    bench.sink.due = 0.05

    def once() -> None:
        bench.sink.due = None

    bench.sink.on_turn = once
    bench.tell(BAD)
    wait_until(lambda: bench.sink.turns, "its turn")
    stays_true(lambda: len(bench.sink.turns) == 1, "one turn", 0.3)


def test_a_failing_turn_does_not_spin(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that is always due and always fails is tried again after a breath, not at once."""
    monkeypatch.setattr(sink_threads, "BREATH_S", 0.2)
    bench.sink.due = 0.0

    def fail() -> None:
        raise OSError(28, "No space left on device")

    bench.sink.on_turn = fail
    bench.tell(BAD)
    wait_until(lambda: len(bench.sink.turns) >= 3, "three turns")
    gaps = [later - sooner for sooner, later in zip(bench.sink.turns, bench.sink.turns[1:], strict=False)]
    assert min(gaps) >= 0.15
    assert len(bench.said) == 1


def test_a_stuck_sink_is_said_though_few_facts_come(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy with one fact for longer than any call may take: said at the next fact."""
    monkeypatch.setattr(sink_threads, "STUCK_S", 0.1)
    bench.sink.on_tell = lambda _: bench.release.wait(60) and None
    bench.tell(BAD)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.3, "some time")
    bench.tell(GOOD)
    assert bench.said == [
        "test: does not keep up (it has been busy for long); supervision goes on without it"
    ]
