"""What the log pump of every system shares: where the log stands, and whom it tells that something came."""

import os
import time
from collections.abc import Callable

from watchdog_cli.adapters.log_marks import LogMarks, Position
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.terminal import Terminal

OUTPUT_EVERY_S = 0.05  # chosen: on_output is told at most 20 times a second; last_output is exact


class LogIntake:
    """The log with its marks, opened; a system adds the pipe."""

    def __init__(
        self,
        fifo_path: str,
        log: RotatingFile,
        *,
        terminal: Terminal | None,
        on_output: Callable[[], None] | None,
        on_problem: Callable[[str], None],
    ) -> None:
        """Open the log.

        Args:
            fifo_path: its folder keeps the marks of the log.
            terminal: gets a copy of all bytes.
            on_output: called when something came, at most 20 times a second, in a thread of the pump.
            on_problem: told one line when the pump itself fails; the log has its own such callback.
        Raises:
            StorageError: the log cannot be made.
        """
        self._log = log
        self._terminal = terminal
        self._on_output = on_output
        self._on_problem = on_problem
        self.last_output: float | None = None  # monotonic seconds
        self._told = 0.0
        self._place = self._run_place = ("", 0)
        log.open()
        self._marks = LogMarks(os.path.join(os.path.dirname(fifo_path), "log-marks"), log)
        self._marks.note(log.offset)
        self._publish()

    def position(self) -> Position:
        """Return where the log ends now. For the journal."""
        return self._place

    def run_position(self) -> Position:
        """Return where the output of the run begins for which ``child_fd`` was called last.

        After a spawn ``position`` may already lie behind the first words of the child.
        """
        return self._run_place

    def _publish(self) -> None:
        self._place = (self._marks.file_id, self._log.offset)

    def _tell(self) -> None:
        now = time.monotonic()
        self.last_output = now
        if self._on_output is not None and now - self._told >= OUTPUT_EVERY_S:
            self._told = now
            self._on_output()
