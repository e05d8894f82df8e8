"""Signals become words in the inbox, or notes for the main thread; nothing is decided in a handler.

SIGTERM, SIGINT and SIGHUP end us in order. SIGUSR1 and SIGUSR2 are meant for the program and passed on; so are SIGHUP
and SIGQUIT when we are the first process of a container, where no terminal can hang up.
"""

import signal
from collections import deque
from types import FrameType
from typing import Self

from watchdog_cli.adapters.system import inboxes
from watchdog_cli.core.events import By, Continued, StopAsked

# Asks us to make a deleted control socket again. macOS has no real-time signals; SIGINFO does nothing by itself there.
CONTROL = getattr(signal, "SIGRTMIN", getattr(signal, "SIGINFO", None))
ENDING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
_HANGUP = getattr(signal, "SIGHUP", None)
_PASSED = ("SIGUSR1", "SIGUSR2", "SIGQUIT")
_HELD = tuple(
    number
    for number in (*ENDING, CONTROL, *(getattr(signal, name, None) for name in _PASSED))
    if number is not None
)


def hold() -> None:
    """Let signals wait until ``Signals`` is entered: before that, and across an exec, they would end us."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)


class Signals:
    """Context manager: installs the handlers and puts the old ones back."""

    def __init__(self, inbox: "inboxes.Inbox", *, is_init: bool) -> None:
        """Nothing is installed yet."""
        self._inbox = inbox
        self._is_init = is_init
        self.to_pass_on: deque[int] = deque()
        self._before: dict[int, object] = {}
        self.a_child_ended = False
        self.control_is_wanted = False

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._inbox.wake_fd, warn_on_full_buffer=False)
        for number in ENDING:
            # A signal that was ignored when we were started (nohup) stays ignored; SIGTERM never is.
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                self._install(number, self._on_end)
        if hasattr(signal, "SIGCHLD"):
            self._install(signal.SIGCHLD, self._on_child)
            self._install(signal.SIGCONT, self._on_continue)
            self._install(CONTROL, self._on_control)
            passed = ["SIGUSR1", "SIGUSR2", *(("SIGHUP", "SIGQUIT") if self._is_init else ())]
            for name in passed:
                self._install(getattr(signal, name), self._on_passed)
            self._mask_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        return self

    def _install(self, number: int | None, handler: object) -> None:
        if number is None:
            return
        self._before[number] = signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self._inbox.put(StopAsked(By.HANGUP if number == _HANGUP else By.SIGNAL))

    def _on_continue(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self._inbox.put(Continued())

    def _on_child(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self.a_child_ended = True  # the main thread reaps when it is awake, never inside of something else

    def _on_control(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self.control_is_wanted = True  # somebody deleted the socket, and somebody else needs it

    def _on_passed(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self.to_pass_on.append(number)

    def __exit__(self, *error: object) -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup_before)
