r"""A program to supervise on Windows: ``windows_child.py ORDER...``; orders are obeyed one after the other.

``beat`` begins to beat every 0.2 s; ``say TEXT``; ``exit CODE``; ``grandchild`` starts one that sleeps; ``launcher``
starts a copy of itself with the rest of the orders and only waits for it, as the launcher of a virtual environment
does; ``frozen`` beats no more; ``deaf`` ignores stop requests; ``hears`` obeys Ctrl-Break, and Ctrl-C where it gets
that, and notes which; ``enables`` lets itself be sent Ctrl-C, which a process group of its own keeps away; ``flood
LINES`` prints that many numbered lines. At the end it waits until it shall end, writes ``CLEAN`` and ends with 0.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

SLEEPER = "import time; time.sleep(600)"


def note(name, text):
    with open(name, "a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def beat(frozen):
    seq = 0
    while not frozen.is_set():
        seq += 1
        content = {"pid": os.getpid(), "runId": os.environ.get("WATCHDOG_RUN_ID"), "seq": seq}
        for _ in range(100):  # a reader may hold the file for a moment
            try:
                with open("heartbeat.new", "w", encoding="utf-8") as file:
                    json.dump(content, file)
                os.replace("heartbeat.new", "heartbeat.json")
                break
            except PermissionError:
                time.sleep(0.02)
        time.sleep(0.2)


def main(orders):
    frozen, told = threading.Event(), threading.Event()
    deaf = False

    def hear(number, _frame):
        note("heard", number)
        told.set()

    note("begins", os.getpid())
    while orders:
        order = orders.pop(0)
        if order == "beat":
            threading.Thread(target=beat, args=(frozen,), daemon=True).start()
        elif order == "say":
            print(orders.pop(0), flush=True)
        elif order == "exit":
            os._exit(int(orders.pop(0)))
        elif order == "grandchild":
            note("grandchildren", subprocess.Popen([sys.executable, "-S", "-c", SLEEPER]).pid)
        elif order == "launcher":
            sys.exit(subprocess.call([sys.executable, __file__, *orders]))
        elif order == "frozen":
            time.sleep(1)
            frozen.set()
        elif order == "deaf":
            deaf = True
        elif order == "hears":
            signal.signal(signal.SIGBREAK, hear)
            signal.signal(signal.SIGINT, hear)
        elif order == "enables":
            ctypes.WinDLL("kernel32").SetConsoleCtrlHandler(None, False)
        elif order == "flood":
            for number in range(int(orders.pop(0))):
                sys.stdout.write(f"line {number:06d} {'x' * 80}\n")
            sys.stdout.flush()
    note("ready", os.getpid())
    stop = os.environ.get("WATCHDOG_STOP_FILE", "")
    while not told.is_set() and (deaf or not os.path.exists(stop)):
        time.sleep(0.05)
    note("CLEAN", os.getpid())


main(sys.argv[1:])
