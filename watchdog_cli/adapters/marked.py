"""Processes that carry the marks of a watchdog in their environment, whoever their parent is by now."""

import os

from watchdog_cli.adapters.launch import RUN_ID, STATE
from watchdog_cli.adapters.system import processes


def find_marked(state_folder: str) -> list[tuple[processes.Stat, str]]:
    """All living processes that a watchdog with this state folder started, with their run ids.

    Ourselves and our ancestors are left out: the program may have started us. So are those of a container in which
    another watchdog has a folder of the same name.
    """
    everyone = processes.everybody()
    above = {os.getpid()}
    pid = os.getppid()
    while pid in everyone and pid not in above:
        above.add(pid)
        pid = everyone[pid].parent
    marker = os.fsencode(f"{STATE}={state_folder}")
    found = []
    for one in everyone.values():
        if one.pid in above or one.is_zombie or not processes.environment_has(one.pid, marker):
            continue
        if processes.sees_another(one.pid, state_folder):
            continue
        run_id = processes.environment_value(one.pid, RUN_ID.encode())
        if run_id:
            found.append((one, run_id.decode("ascii", "replace")))
    return sorted(found, key=lambda pair: (pair[0].start_ticks, pair[0].pid))
