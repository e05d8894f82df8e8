"""``windows_console.py [--for-break] WORD...``: ``watchdog WORD...`` at a console, and somebody's hand on Ctrl-C.

It is to be started with a console of its own. When the file ``press`` appears in the present folder, Ctrl-C is pressed
once: the whole console gets it, as from a keyboard. With ``--for-break`` the watchdog sends Ctrl-C where it would send
Ctrl-Break, in the same call and to the same process group: Wine can do the one and refuses the other.
"""

import os
import signal
import sys
import threading
import time

from watchdog_cli.__main__ import main

EVERYBODY = 0  # the process group of a console event that is aimed at none


def press() -> None:
    """Wait for the word, then press."""
    while not os.path.exists("press"):
        time.sleep(0.05)
    os.unlink("press")
    os.kill(EVERYBODY, signal.CTRL_C_EVENT)


words = sys.argv[1:]
if words[0] == "--for-break":
    signal.CTRL_BREAK_EVENT = signal.CTRL_C_EVENT
    words.pop(0)
threading.Thread(target=press, daemon=True).start()
sys.argv[1:] = words
main()
