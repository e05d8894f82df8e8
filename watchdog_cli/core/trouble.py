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
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import ASKED, Cause, Ending

# Said by the wiring at the start: the program ended while nobody watched.
UNSEEN = frozenset({"gap", "orphans"})


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
