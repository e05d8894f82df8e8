"""Everybody who takes part."""

from pathlib import Path

from kits import Kits
from peer import BareLoop, Peer, ShellLoop, Watchdog
from peers_packaged import Circus, Forever, Pm2, Supervisor
from peers_unpacked import S6, Daemontools, Monit, Runit


def everybody(kits: Kits) -> list[Peer]:
    """All contenders, ours first."""
    return [
        Watchdog(kits),
        BareLoop(kits),
        ShellLoop(kits),
        Supervisor(kits),
        Circus(kits),
        Pm2(kits),
        Forever(kits),
        S6(kits),
        Runit(kits),
        Daemontools(kits),
        Monit(kits),
    ]


def systemd_reason() -> str:
    """Why systemd is left out: it is PID 1 or it is nothing."""
    first = Path("/proc/1/comm").read_text().strip()
    if first == "systemd":
        return "not compared: its units would have to be written into the system"
    return "not compared: it supervises as PID 1 or below it, and is not PID 1 here"
