"""Which facts tell of trouble that nobody asked for."""

from watchdog_cli.core.facts import (
    Ended,
    Fact,
    Finished,
    GaveUp,
    HangFound,
    MemoryExceeded,
    Notice,
    SpawnFault,
)
from watchdog_cli.core.lease_facts import LeaseCutOff, LeaseDoubtful, LeaseGained, LeaseGone
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import ASKED, Cause, Ending

# Said by the wiring at the start: the program ended while nobody watched.
UNSEEN = frozenset({"gap", "orphans"})

# Kinds of facts that are no end of a run by its own fault: people are told of them, an incident has no folder for them.
LEASE_TROUBLE = frozenset(fact.kind for fact in (LeaseCutOff, LeaseDoubtful, LeaseGained, LeaseGone))


def is_unplanned(ending: Ending, restart: Restart) -> bool:
    """Say whether a run ended against the will of everybody.

    A clean exit is what the operator expects where it starts nothing again.
    """
    if ending.cause in ASKED:
        return False
    clean = ending.cause is Cause.EXIT and ending.status.code == 0
    return restart is Restart.ALWAYS or not clean


def is_trouble(fact: Fact, restart: Restart) -> bool:
    """Say whether a fact begins an incident, or belongs to one."""
    match fact:
        case Ended(ending=ending):
            return is_unplanned(ending, restart)
        case SpawnFault() | HangFound() | MemoryExceeded() | GaveUp():
            return True
        case Finished(exit_code=code):
            return code != 0
        case Notice(topic=topic):
            return topic in UNSEEN
        case _:
            return False


def is_lease_trouble(fact: Fact) -> bool:
    """Say whether a fact tells that the program had to end, or moved here, though nobody planned it."""
    return fact.kind in LEASE_TROUBLE and not (isinstance(fact, LeaseGained) and not fact.before)
