"""A service manager above us: it is told that we are ready, and that we still live."""

import os
import signal
import socket
import sys
from pathlib import Path

from rig import QUICK, Rig
from waiting import stays_true, wait_until


def test_the_service_manager_hears_ready_pings_and_stopping(rig: Rig) -> None:
    """READY=1 once the program lives, WATCHDOG=1 at half the asked interval, silence when frozen, STOPPING=1."""
    address = str(rig.folder / "manager")
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.setblocking(False)

        def hears(word: str, times: int = 1) -> bool:
            try:
                while True:
                    heard.extend(manager.recv(4096).decode().splitlines())
            except BlockingIOError:
                return heard.count(word) >= times

        program = "import os, time; open('seen', 'w').write(os.environ.get('NOTIFY_SOCKET', 'none')); time.sleep(600)"
        process = rig.run(
            *QUICK, "--", sys.executable, "-c", program, NOTIFY_SOCKET=address, WATCHDOG_USEC="600000"
        )
        wait_until(lambda: hears("READY=1"), "READY=1")
        wait_until(lambda: hears("WATCHDOG=1", 4), "four pings")
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(
            lambda: Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "T", "the frozen watchdog"
        )
        hears("")  # takes in what was on its way
        known = heard.count("WATCHDOG=1")
        stays_true(lambda: not hears("WATCHDOG=1", known + 1), "silence of a frozen watchdog", 1.5)
        os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: hears("WATCHDOG=1", known + 2), "pings again")
        process.terminate()
        wait_until(lambda: hears("STOPPING=1"), "STOPPING=1")
        assert process.wait(20) == 0
        assert (rig.folder / "seen").read_text() == "none"
