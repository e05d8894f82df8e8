"""Waits, under a lease, until the machine that takes over would know that an alert is being sent.

Without that, a machine could tell something and die before its ledger was carried away; the next one would tell it
again. With it, the next one finds ``sending`` and makes it ``uncertain``, as after any other kill.
"""

import os
import time
from collections.abc import Callable, Mapping

from watchdog_kit.carried import VARIABLE, CarriedLog
from watchdog_kit.os_errors import in_words

_LOOK_S = 0.03
_LIMIT_S = 30.0  # a large state takes seconds to pack on a slow machine; longer, and people should know


class Carriage:
    """What is noted in the ledger, and whether it moved on."""

    def __init__(self, ledger: str, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        """Nothing is waited for where no watchdog says that there is a lease."""
        record = environ.get(VARIABLE)
        self._log = CarriedLog(record, ledger) if record else None
        self._path = ledger
        self._say = say
        self._warned = False

    def wait(self, pause: Callable[[float], bool]) -> str:
        """Wait until all that stands in the ledger now is safe; return why it is not, or nothing.

        Args:
            pause: waits so many seconds; True when the tracker is to end.
        """
        if self._log is None:
            return ""
        try:
            size = os.stat(self._path).st_size
        except OSError as error:
            return f"cannot look at {self._path}: {in_words(error)}"
        end = time.monotonic() + _LIMIT_S
        while not (look := self._log.look(size)).may_go:
            if pause(_LOOK_S):
                return "the tracker was ended before the lease had confirmed that it is noted"
            if time.monotonic() >= end:
                return look.why
        if look.why and not self._warned:
            self._warned = True
            self._say(f"{look.why}: whoever takes over cannot know what was told; name it in lease-carry")
        return ""
