"""SIGTERM, SIGINT, SIGHUP, SIGCONT, SIGCHLD and SIGUSR2 become words in the inbox; nothing is decided in a handler."""

import signal
from types import FrameType
from typing import Self

from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.core.events import By, Continued, StopAsked

ENDING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


class Signals:
    """Context manager: installs the handlers and puts the old ones back."""

    def __init__(self, inbox: Inbox) -> None:
        """Nothing is installed yet."""
        self._inbox = inbox
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
            self._install(signal.SIGUSR2, self._on_control)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # an upgrade blocks them across its exec
        return self

    def _install(self, number: int, handler: object) -> None:
        self._before[number] = signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self._inbox.put(StopAsked(By.SIGNAL))

    def _on_continue(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self._inbox.put(Continued())

    def _on_child(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self.a_child_ended = True  # the main thread reaps when it is awake, never inside of something else

    def _on_control(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self.control_is_wanted = True  # somebody deleted the socket, and somebody else needs it

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup_before)
