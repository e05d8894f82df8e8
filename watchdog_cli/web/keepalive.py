"""Call the public address from time to time, so that a host which puts quiet programs to sleep lets this one be."""

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime
from urllib.parse import urlsplit

from watchdog_kit.notify_http import HttpClient, HttpError
from watchdog_kit.wall_time import iso

LIMIT_S = 60.0  # a host that wakes something up may take that long
FIRST_S = 2.0  # chosen: soon, so that a wrong address is seen while somebody looks
KEPT = 500  # calls that the rate is of: nearly three days
log = logging.getLogger("watchdog.web")


class KeepAlive:
    """Calls one address for ever and counts how often that worked."""

    def __init__(self, url: str, every_s: float) -> None:
        """Nothing is called yet."""
        parts = urlsplit(url)
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._every_s = every_s
        self._results: deque[bool] = deque(maxlen=KEPT)
        self._last_at: str | None = None
        self._error = ""

    def state(self) -> dict[str, object]:
        """What the page shows."""
        good = sum(self._results)
        return {
            "every_s": self._every_s,
            "calls": len(self._results),
            "good": good,
            "percent": round(100 * good / len(self._results), 1) if self._results else None,
            "last_at": self._last_at,
            "error": self._error,
        }

    async def run(self) -> None:
        """Go on until cancelled."""
        wait = min(FIRST_S, self._every_s)
        while True:
            await asyncio.sleep(wait)
            wait = self._every_s
            error = await asyncio.to_thread(self._call)
            if error and error != self._error:
                log.warning("the keep-alive call failed: %s", error)
            self._error = error
            self._results.append(not error)
            self._last_at = iso(datetime.now(UTC))

    def _call(self) -> str:
        """Make one call; "" when it worked."""
        client = HttpClient(self._base, connect_s=20.0, keep_alive=False)
        try:
            answer = client.request("GET", self._path, limit_s=LIMIT_S, headers={"Accept": "*/*"})
        except HttpError as error:
            return str(error)[:200]
        finally:
            client.close()
        return "" if answer.status < 400 else f"{client.host} answered {answer.status}"
