"""A heartbeat in Python: ``watchdog run -- python examples/heartbeat.py``."""

import json
import os
import time
from datetime import UTC, datetime

path, run = os.environ["WATCHDOG_HEARTBEAT"], os.environ["WATCHDOG_RUN_ID"]
while True:
    time.sleep(float(os.environ.get("TURN", "10")))  # your work
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), "runId": run, "lastCycle": datetime.now(UTC).isoformat()}, file)
    os.replace(path + ".tmp", path)  # after the work, never from a timer
