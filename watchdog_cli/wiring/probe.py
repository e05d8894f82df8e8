"""The one question of a probe, with as little loaded as it takes."""

from watchdog_cli.adapters.system import controls, locks
from watchdog_cli.core.errors import ExitCode, IdentityUnknownError
from watchdog_cli.wiring.places import Places

ANSWER_S = 1.0
PATIENT_S = 5.0  # chosen: who asks whether the watchdog lives may kill it for a late answer


def quick_code(places: Places, *, limit_s: float = ANSWER_S) -> int | None:
    """The exit code that a living watchdog gives; None when it cannot be had that way."""
    try:
        if locks.holder(places.lock) is None:
            return None
    except IdentityUnknownError as error:
        return error.exit_code
    try:
        answer = next(iter(controls.ask(places.state_folder, {"ask": "status"}, limit_s=limit_s)), {})
    except controls.NoAnswerError:
        return None
    code = answer.get("exit_code")
    return code if isinstance(code, int) else None


def watchdog_code(places: Places) -> int:
    """Whether the watchdog itself lives and answers, however its program is."""
    try:
        if locks.holder(places.lock) is None:
            return ExitCode.NOT_RUNNING
    except IdentityUnknownError as error:
        return error.exit_code
    return ExitCode.OK if quick_code(places, limit_s=PATIENT_S) is not None else ExitCode.UNHEALTHY
