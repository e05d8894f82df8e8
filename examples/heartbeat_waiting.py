"""A heartbeat of a bot that waits for people: ``watchdog run -- python examples/heartbeat_waiting.py``."""

import asyncio
import json
import os
from datetime import UTC, datetime


async def ask() -> None:
    """A small piece of the real work: ``await bot.get_me()``, say."""
    await asyncio.sleep(0)


def write(path: str, state: dict[str, object]) -> None:
    """Put it there whole."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump(state, file)
    os.replace(path + ".tmp", path)


async def beat(path: str, turn: float) -> None:
    """Run in the loop that serves people: when it is stuck, nothing is written."""
    while True:
        state: dict[str, object] = {
            "pid": os.getpid(),
            "runId": os.environ["WATCHDOG_RUN_ID"],
            "status": "ok",
        }
        try:
            await ask()
        except OSError as error:  # or what your client raises: the service is away, no reason to be restarted
            state |= {"status": "degraded", "message": str(error)}
        state["lastCycle"] = datetime.now(UTC).isoformat()
        write(path, state)  # after the answer, never from a thread of its own
        await asyncio.sleep(turn)


async def main() -> None:
    """Serve, and beat beside it."""
    async with asyncio.TaskGroup() as both:
        if path := os.environ.get("WATCHDOG_HEARTBEAT"):  # not there without the watchdog
            both.create_task(beat(path, float(os.environ.get("TURN", "30"))))
        both.create_task(asyncio.Event().wait())  # your bot


asyncio.run(main())
