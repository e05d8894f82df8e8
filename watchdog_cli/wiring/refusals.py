"""What a running watchdog answers when it does not do what is asked."""

from watchdog_cli.adapters.system import controls
from watchdog_cli.core.errors import ExitCode


def _refusal(error: str, code: int = ExitCode.NOT_RUNNING) -> controls.Answer:
    return {"ok": False, "error": error, "exit_code": int(code)}


STANDS_BY = _refusal("it stands by: another watchdog holds the lease; restart it there")
BEING_STOPPED = _refusal("it is being stopped")
PAUSED = _refusal("it was paused before it was started again; go on with: watchdog resume")
STARTED_NOWHERE = _refusal(
    "the folder in which its watchdog was started is gone, so that command cannot be repeated there; "
    "use: watchdog stop, then watchdog run",
    ExitCode.SPAWN,
)


def not_started(reason: str) -> controls.Answer:
    """To a restart whose start has failed."""
    return _refusal(f"it could not be started again: {reason}", ExitCode.SPAWN)
