"""What the runner needs of the world; adapters and the fakes of the tests have these shapes."""

from typing import Protocol

from watchdog_cli.core.events import Beat, Event
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.record import Run
from watchdog_cli.core.supervisor import Supervisor


class Clock(Protocol):
    """Time that never jumps."""

    def monotonic(self) -> float:
        """Seconds from some fixed instant."""


class Inbox(Protocol):
    """Where everything that happens arrives."""

    def get(self, until: float | None) -> Event | None:
        """The next event, or None at the latest at ``until`` (monotonic seconds; None: never)."""

    def poll(self) -> None:
        """Take in what the system has to tell right now, without waiting."""

    def put(self, event: Event) -> None:
        """Add an event, from any thread."""


class Child(Protocol):
    """One process tree."""

    def spawn(self, number: int, run_id: str) -> Run:
        """Start the child.

        Raises:
            SpawnError: it could not be started.
        """

    def look(self) -> None:
        """Put an event in the inbox if the leader or the tree has ended unnoticed."""

    def terminate(self) -> None:
        """Ask the leader to end."""

    def terminate_rest(self) -> None:
        """Ask the others of the tree to end."""

    def kill(self) -> None:
        """End the tree at once."""

    def resident_bytes(self) -> int:
        """Memory of the whole tree."""

    def survivors(self) -> list[str]:
        """Who of the tree still lives, for people."""


class Heartbeat(Protocol):
    """The file, as the present run changes it."""

    @property
    def notices_work(self) -> bool:
        """Whether we are told of changes; else somebody must look now and then."""

    def lies_there(self) -> bool:
        """Whether the file exists."""

    def begin_run(self, run_id: str) -> None:
        """Only changes from now on count."""

    def look(self) -> Beat | None:
        """A beat if the file has changed."""


class Dumper(Protocol):
    """Gets the stacks of a frozen child."""

    def begin(self, limit_s: float) -> None:
        """Begin; DumpDone goes to the inbox when it is done or cannot be done."""


class Listeners(Protocol):
    """Everybody who wants to know; none of them can hold up the runner."""

    def tell(self, fact: Fact) -> None:
        """Something happened."""

    def keep(self, sup: Supervisor) -> None:
        """The state changed in a way that a successor must know."""

    def waiting(self, text: str) -> None:
        """A stop takes its time; who is still there."""
