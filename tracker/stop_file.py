"""A stop that is asked for by a file: on Windows a program without a console can be asked in no other way.

Whoever watches over us names the file in ``WATCHDOG_STOP_FILE``; it appears when we shall end.
"""

import os
import threading
from collections.abc import Callable

from tracker.inbox import StopAsked

VARIABLE = "WATCHDOG_STOP_FILE"
LOOK_S = 0.25  # chosen: quick for a person, and 0.1 % of a processor


def obey(path: str | None, put: Callable[[StopAsked], None]) -> None:
    """Look for the file as long as we live, in a thread of its own; nothing happens where no file is named."""
    if path:
        threading.Thread(target=_look, args=(path, put), name="stop-file", daemon=True).start()


def _look(path: str, put: Callable[[StopAsked], None]) -> None:
    pause = threading.Event()  # never set; waiting on it is a sleep that says what it is
    while not os.path.exists(path):
        pause.wait(LOOK_S)
    put(StopAsked("stop request"))
