"""The one question of a probe, with as little loaded as it takes."""

from watchdog_cli.adapters.system import controls, locks
from watchdog_cli.wiring.places import Places

ANSWER_S = 1.0


def quick_code(places: Places) -> int | None:
    """The exit code that a living watchdog gives; None when it cannot be had that way."""
    if locks.holder(places.lock) is None:
        return None
    try:
        answer = next(iter(controls.ask(places.state_folder, {"ask": "status"}, limit_s=ANSWER_S)), {})
    except controls.NoAnswerError:
        return None
    code = answer.get("exit_code")
    return code if isinstance(code, int) else None
