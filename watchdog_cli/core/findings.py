"""What ``doctor`` finds: one sentence for each check, how bad it is, and what to do about it."""

from collections.abc import Iterable
from enum import StrEnum

from watchdog_cli.core.errors import ExitCode
from watchdog_kit.records import dataclass


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it works, but less well than it could, or not for long
    FAULT = "fault"  # something does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer.

    Args:
        check: a word that stays the same, for programs.
        remedy: what to do; "" when there is nothing.
    """

    check: str
    grade: Grade
    text: str
    remedy: str = ""


def ok(check: str, text: str, remedy: str = "") -> Finding:
    """All is well."""
    return Finding(check, Grade.OK, text, remedy)


def warning(check: str, text: str, remedy: str) -> Finding:
    """It works, but."""
    return Finding(check, Grade.WARNING, text, remedy)


def fault(check: str, text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Grade.FAULT, text, remedy)


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Warnings are no failure."""
    return ExitCode.UNHEALTHY if any(one.grade is Grade.FAULT for one in findings) else ExitCode.OK
