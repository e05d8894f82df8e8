"""What is told of a lease."""

from watchdog_cli.core.facts import Fact, Level
from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class StandbyBegun(Fact):
    """Nothing may run here until the lease is ours."""

    kind = "standing-by"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return "standing by: the program starts here when this watchdog holds the lease"


@dataclass(frozen=True, slots=True)
class LeaseGained(Fact):
    """The lease is ours.

    Args:
        before: another machine that held it and did not hand it over, for people; "" when there is none.
    """

    before: str = ""
    kind = "lease-gained"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return (
            f"holds the lease now; {self.before} had not handed it over"
            if self.before
            else "holds the lease now"
        )


@dataclass(frozen=True, slots=True)
class LeaseGone(Fact):
    """The lease is not ours any more, or could pass to others soon."""

    why: str
    kind = "lease-lost"
    level = Level.WARNING

    @property
    def text(self) -> str:
        return f"lost the lease: {self.why}; the program must end here"


@dataclass(frozen=True, slots=True)
class LeaseDoubtful(Fact):
    """The lease may be somebody else's by now, and the program was to be kept running."""

    kind = "lease-doubtful"
    level = Level.ALARM

    @property
    def text(self) -> str:
        return (
            "the lease could not be renewed in time and may pass to another machine; "
            "the program is kept running, as lease-lost says"
        )


@dataclass(frozen=True, slots=True)
class LeaseRenewed(Fact):
    """The doubt is over: it was ours all the time."""

    kind = "lease-renewed"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return "the lease is renewed again; nobody else had it meanwhile"


@dataclass(frozen=True, slots=True)
class LeaseElsewhere(Fact):
    """A standby has seen who holds it."""

    holder: str
    kind = "lease-elsewhere"

    @property
    def text(self) -> str:
        return f"{self.holder} holds the lease"


@dataclass(frozen=True, slots=True)
class LeaseCutOff(Fact):
    """A standby could not even try to get the lease for longer than one lasts."""

    why: str
    kind = "lease-cut-off"
    level = Level.WARNING

    @property
    def text(self) -> str:
        return (
            f"finds no way to the lease ({self.why}): this machine could not take over, "
            "and perhaps the program runs nowhere"
        )
