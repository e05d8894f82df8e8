"""The one question of a probe, with as little loaded as it takes."""

from watchdog_cli.adapters import instance_lock
from watchdog_cli.adapters.control import NoAnswerError, ask
from watchdog_cli.wiring.places import Places

ANSWER_S = 1.0


def quick_code(places: Places) -> int | None:
    """The exit code that a living watchdog gives; None when it cannot be had that way."""
    if instance_lock.holder(places.lock) is None:
        return None
    try:
        answer = next(iter(ask(places.state_folder, {"ask": "status"}, limit_s=ANSWER_S)), {})
    except NoAnswerError:
        return None
    code = answer.get("exit_code")
    return code if isinstance(code, int) else None
