"""One look each second for everybody who watches the same watchdog, however many they are.

Nobody who watches can hold up another: what one client does not take waits in its own short queue, and a client that
falls behind is let go; its browser comes back by itself and begins anew.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from watchdog_cli.core.errors import WatchdogError
from watchdog_cli.core.report import StatusReport
from watchdog_cli.web.extras import Extras
from watchdog_cli.wiring.scene import FACTS, LINES, Look, Scene

EVERY_S = 1.0
WAITING = 30  # messages that a client may be behind
QUIET_S = 15.0  # a stream that says nothing for longer may be cut by what lies between
LINGER_S = 10.0  # how long we go on looking after the last client has gone
POINTS = 900  # of the charts: a quarter of an hour at one point a second
# What changes with each look and is told in the pulse; the rest of a report is sent when it changes.
VOLATILE = {
    "child": ("uptime_s", "cpu_percent", "rss_bytes"),
    "heartbeat": ("age_s",),
    "log": ("size_bytes",),
    "": ("next_start_s", "pause_left_s"),
}
log = logging.getLogger("watchdog.web")


def encode(event: str, value: object) -> bytes:
    """One message as server-sent events have it."""
    return f"event: {event}\ndata: {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n\n".encode(
        "utf-8", "replace"
    )


class Channel:
    """All who watch one watchdog."""

    def __init__(self, scene: Callable[[], Scene], extras: Extras, closing: asyncio.Event) -> None:
        """Nobody watches yet, so nothing is looked at."""
        self._make_scene = scene
        self._extras = extras
        self._closing = closing
        self._clients: set[asyncio.Queue[bytes | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._report: StatusReport | None = None
        self._reported_at = 0.0
        self._reading = asyncio.Lock()
        self._forget()

    def _forget(self) -> None:
        self._facts: deque[Mapping[str, Any]] = deque(maxlen=FACTS)
        self._lines: deque[str] = deque(maxlen=LINES)
        self._points: deque[list[float | None]] = deque(maxlen=POINTS)
        self._steady: Mapping[str, Any] = {}
        self._more: dict[str, Any] = {}

    @property
    def clients(self) -> int:
        """How many watch."""
        return len(self._clients)

    async def report(self) -> StatusReport:
        """How it is, not older than a moment; many who ask at once cost one look."""
        async with self._reading:
            if self._report is None or time.monotonic() - self._reported_at > EVERY_S / 2:
                look = await asyncio.to_thread(self._extras.report)
                self._note(look)
            assert self._report is not None
            return self._report

    def _note(self, report: StatusReport) -> None:
        self._report, self._reported_at = report, time.monotonic()

    async def messages(self) -> AsyncIterator[bytes]:
        """All that a client is sent, from the whole picture on."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        if self._task is None or self._task.done():
            self._forget()
            self._task = asyncio.create_task(self._watch())
        elif self._steady:
            queue.put_nowait(self._whole())
        self._clients.add(queue)
        try:
            yield b"retry: 2000\n\n"
            while not self._closing.is_set():
                try:
                    message = await asyncio.wait_for(queue.get(), QUIET_S)
                except TimeoutError:
                    message = b": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._clients.discard(queue)

    def close(self) -> None:
        """Let all clients go."""
        for queue in list(self._clients):
            self._let_go(queue)

    def _let_go(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._clients.discard(queue)
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                queue.get_nowait()
        queue.put_nowait(None)

    def _send(self, message: bytes) -> None:
        for queue in list(self._clients):
            if queue.full():
                self._let_go(queue)
            else:
                queue.put_nowait(message)

    async def _watch(self) -> None:
        scene = self._make_scene()
        seen_at = time.monotonic()
        try:
            while time.monotonic() - seen_at < LINGER_S and not self._closing.is_set():
                began = time.monotonic()
                if self._clients:
                    seen_at = began
                await self._turn(scene)
                with contextlib.suppress(TimeoutError):
                    wait = max(0.05, EVERY_S - (time.monotonic() - began))
                    await asyncio.wait_for(self._closing.wait(), wait)
        finally:
            scene.close()
            self.close()

    async def _turn(self, scene: Scene) -> None:
        try:
            look, more = await asyncio.to_thread(lambda: (scene.look(), self._extras.look()))
        except (WatchdogError, OSError, ValueError, LookupError, TypeError) as error:
            # A file in the middle of a change, or a watchdog of another version: the next look may be better.
            log.warning("cannot look at it now: %s", error)
            return
        self._tell(look, more)

    def _tell(self, look: Look, more: Mapping[str, Any]) -> None:
        """Send what is new since the last look, and keep it for those who come later."""
        self._note(look.report)
        mapping = look.report.mapping()
        steady, pulse = _parted(mapping)
        rss = look.usage.rss_bytes if look.usage else None
        cpu = look.usage.cpu_percent if look.usage else None
        age = look.report.heartbeat.age_s if look.report.heartbeat else None
        point = [round(time.time(), 1), rss, cpu, None if age is None else round(age, 1)]
        first = not self._steady
        self._points.append(point)
        self._facts.extend(look.facts)
        self._lines.extend(look.lines)
        changed = {key: value for key, value in more.items() if self._more.get(key) != value}
        self._more |= changed
        same, self._steady = steady == self._steady, steady
        if first:
            self._send(self._whole())
            return
        if look.facts:
            self._send(encode("facts", look.facts))
            self._extras.past_changed()
        if look.lines:
            self._send(encode("lines", {"lines": look.lines, "missing": look.lines_missing}))
        if not same:  # after the facts, which tell why
            self._send(encode("state", mapping))
        self._send(encode("pulse", pulse | {"point": point}))
        for key, value in changed.items():
            self._send(encode(key, value))

    def _whole(self) -> bytes:
        assert self._report is not None
        picture = {
            "state": self._report.mapping(),
            "facts": list(self._facts),
            "lines": list(self._lines),
            "points": list(self._points),
        }
        return encode("whole", picture | self._more)


def _parted(mapping: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of a report stays the same while nothing happens, and what moves with time."""
    steady: dict[str, Any] = dict(mapping)
    pulse: dict[str, Any] = {}
    for part, names in VOLATILE.items():
        inner = dict(steady[part] or {}) if part else steady
        pulse |= {name: inner.pop(name, None) for name in names}
        if part:
            steady[part] = inner
    return steady, pulse
