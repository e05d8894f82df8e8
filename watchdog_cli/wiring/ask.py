"""What the short commands ask of a watchdog that runs elsewhere."""

import os
import signal
import sys
import time
from collections.abc import Callable

from watchdog_cli.adapters.signals import CONTROL
from watchdog_cli.adapters.system import controls, locks, processes
from watchdog_cli.core.errors import ExitCode, NotRunningError, SpawnError, WatchdogError
from watchdog_cli.wiring.places import Places

ANSWER_S = 3.0  # an awake watchdog answers in milliseconds; a busy machine may need more
HANDOVER_S = 15.0
LOOK_S = 0.02
Say = Callable[[str], None]


class NotRespondingError(WatchdogError):
    """The watchdog is there and does not react."""

    exit_code = ExitCode.UNHEALTHY


def watchdog_pid(places: Places) -> int:
    """The living watchdog.

    Raises:
        NotRunningError: there is none.
    """
    pid = locks.holder(places.lock)
    if pid is None:
        raise NotRunningError(
            f"no watchdog looks after {places.name!r} in {places.folder}; start one with: watchdog run -- COMMAND"
        )
    return pid


def request(places: Places, what: dict[str, object], say: Say) -> dict[str, object]:
    """Ask, pass on what it says meanwhile, and return its last answer ({} when it ended without one).

    Raises:
        NotRunningError: there is no watchdog.
        NotRespondingError: it does not answer.
        WatchdogError: it refuses, and says why.
    """
    pid = watchdog_pid(places)
    for attempt in (1, 2):
        try:
            return _converse(places, what, say)
        except controls.NoAnswerError as error:
            # The lock says it, not the process list: a dead one stays there until its parent has looked.
            if locks.holder(places.lock) != pid:
                return {}
            if attempt == 2 or _is_stopped(pid):
                raise NotRespondingError(_why_silent(pid)) from error
            _wish_for_socket(places, pid)
    return {}


def answer(places: Places, what: dict[str, object], say: Say) -> dict[str, object]:
    """As ``request``, for what is done only if the watchdog says so.

    Raises:
        NotRunningError: also when it ended before it answered.
    """
    found = request(places, what, say)
    if not found:
        raise NotRunningError(f"{places.name}: the watchdog ended before it could do that")
    return found


def _converse(places: Places, what: dict[str, object], say: Say) -> dict[str, object]:
    answers = controls.ask(places.state_folder, what, limit_s=ANSWER_S)
    for answer in answers:
        if "say" in answer:
            say(str(answer["say"]))
        elif answer.get("ok") is False and answer.get("error"):
            raise _refused(places, answer)
        else:
            return answer
    return {}


def _refused(places: Places, answer: dict[str, object]) -> WatchdogError:
    error, code = f"{places.name}: {answer['error']}", answer.get("exit_code")
    if code == ExitCode.NOT_RUNNING:
        return NotRunningError(error)
    return SpawnError(error) if code == ExitCode.SPAWN else WatchdogError(str(answer["error"]))


def _is_stopped(pid: int) -> bool:
    found = processes.stat(pid)
    return found is not None and found.state in "Tt"


def _why_silent(pid: int) -> str:
    if _is_stopped(pid):
        return f"the watchdog (pid {pid}) is frozen; wake it with: kill -CONT {pid}, or end it with: kill -9 {pid}"
    if sys.platform == "win32":
        return (
            f"the watchdog (pid {pid}) does not answer; if that lasts, end both with: taskkill /F /PID {pid}"
        )
    return f"the watchdog (pid {pid}) does not answer; if that lasts, end it with: kill -9 {pid}, and run it again"


def _wish_for_socket(places: Places, pid: int) -> None:
    """The socket was deleted, it seems: ask the watchdog by signal to make it again."""
    if not pid or CONTROL is None:
        return
    os.kill(pid, CONTROL)  # the kernel itself has just named this pid as the holder of the lock
    end = time.monotonic() + ANSWER_S
    path = os.path.join(places.state_folder, "control")
    while time.monotonic() < end and not os.path.exists(path) and locks.holder(places.lock) == pid:
        time.sleep(LOOK_S)


def stop(places: Places, *, now: bool, say: Say) -> bool:
    """Stop the watchdog and its program; False when no watchdog runs.

    Raises:
        NotRespondingError: it is there and does not react.
    """
    pid = locks.holder(places.lock)
    if pid is None:
        return False
    try:
        request(places, {"ask": "stop", "now": now}, say)
    except NotRespondingError:
        if not pid or _is_stopped(pid) or sys.platform == "win32":  # where a signal is a kill, and no word
            raise
        os.kill(pid, signal.SIGTERM)
    except NotRunningError:
        return True
    _wait_for_end(places, pid)
    return True


def _wait_for_end(places: Places, pid: int) -> None:
    """The last answer comes a moment before the process ends; a new ``run`` must work right after us."""
    while locks.holder(places.lock) == pid:
        if _is_stopped(pid):
            raise NotRespondingError(_why_silent(pid))
        time.sleep(LOOK_S)


def upgrade(places: Places, prefix: list[str], say: Say) -> dict[str, object]:
    """Let a fresh image go on; return its first answer.

    Raises:
        WatchdogError: it refuses, or does not come back.
    """
    before = answer(places, {"ask": "status"}, say)
    request(places, {"ask": "upgrade", "command": prefix}, say)
    end = time.monotonic() + HANDOVER_S
    while time.monotonic() < end:
        try:
            live = _live(places)
        except (controls.NoAnswerError, NotRunningError):
            live = before
        if live.get("watchdog") != before.get("watchdog"):
            return live
        time.sleep(LOOK_S)
    raise NotRespondingError(
        "the new watchdog did not come up in time; see: watchdog status, watchdog tail-log --watchdog"
    )


def _live(places: Places) -> dict[str, object]:
    watchdog_pid(places)
    return next(iter(controls.ask(places.state_folder, {"ask": "status"}, limit_s=ANSWER_S)), {})
