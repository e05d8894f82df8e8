"""Tells people about incidents: the story decides what, the wording says it, an outbox for each service sends it.

What is open and what waits lies in one small file, replaced before and after each sending, so a watchdog that is
killed or upgraded in the middle goes on where the last one was.
"""

import os
import time
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from watchdog_cli.core import facts
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.trouble import is_lease_trouble
from watchdog_cli.sinks.channels import make_senders
from watchdog_cli.sinks.masking import Mask
from watchdog_cli.sinks.outbox import Outbox
from watchdog_cli.sinks.scene import Scene
from watchdog_cli.sinks.story import Story
from watchdog_cli.sinks.told_incident import Telling
from watchdog_cli.sinks.wording import compose
from watchdog_kit.os_errors import in_words

VERSION = 1
LAST_CALL_S = 3.0  # at the end of the watchdog: what is due is still sent, within that


class Alerts:
    """The sink of all alerts."""

    def __init__(
        self,
        settings: AlertSettings,
        *,
        restart: Restart,
        grace_s: float,
        who: str,
        mask: Mask,
        say: Callable[[str], None],
        load: Callable[[], object],
        save: Callable[[Mapping[str, object] | None], None],
    ) -> None:
        """Go on where an earlier watchdog left off.

        Args:
            grace_s: a run that says nothing of its health is well after this time.
            who: the program and its machine, for people.
            mask: takes secrets out of a text.
            say: told one line about services that fail.
            load: reads what was saved; None if there is nothing.
            save: keeps it; None: there is nothing to keep.
        """
        self._settings = settings
        self._who = who
        self._mask = mask
        self._say = say
        self._save = save
        self._lines: list[str] = []
        saved = load()
        record: Mapping[str, Any] = (
            saved if isinstance(saved, dict) and saved.get("version") == VERSION else {}
        )
        moved = record.get("moved")
        self._moved: dict[str, str] = (
            {str(old): str(new) for old, new in moved.items()} if isinstance(moved, dict) else {}
        )
        self.story = Story(settings, restart=restart, grace_s=grace_s, make_id=lambda: os.urandom(3).hex())
        self.story.from_record(record.get("story"), time.monotonic(), _elapsed_s(record))
        self._outboxes = self._make_outboxes(record)
        self._kept = self._content(0.0)
        self._cannot_save = False

    def _make_outboxes(self, record: Mapping[str, Any]) -> list[Outbox]:
        senders = make_senders(
            self._settings, say=self._say, chat=self._moved.get(self._chat_key()), moved=self._on_moved
        )
        outboxes = [Outbox(sender, limit=self._settings.queue) for sender in senders]
        waiting = record.get("waiting")
        if isinstance(waiting, dict):
            for outbox in outboxes:
                outbox.take_over(waiting.get(outbox.sender.name))
        return outboxes

    # --- as wiring.sink_threads calls it -------------------------------------------------------------------------

    def tell(self, at: datetime, fact: Fact, extra: Mapping[str, object]) -> None:
        """Take a fact."""
        scene = extra.get("scene")
        if isinstance(scene, Scene) and isinstance(fact, facts.Ended):
            self._lines = scene.last_words()
        elif isinstance(fact, facts.SpawnFault) or is_lease_trouble(fact):
            self._lines = []
        self._add(self.story.on(at, time.monotonic(), fact))
        self._keep()
        self._send_due()

    def due_in_s(self) -> float | None:
        """Return the seconds until there is something to tell or to send."""
        deadline = self.story.deadline()
        waits = [outbox.due_in_s() for outbox in self._outboxes]
        if deadline is not None:
            waits.append(max(0.0, deadline - time.monotonic()))
        return min((wait for wait in waits if wait is not None), default=None)

    def turn(self) -> None:
        """Tell and send what is due."""
        self._add(self.story.turn(time.monotonic()))
        self._keep()
        self._send_due()

    def close(self) -> None:
        """Send what can be sent now; the rest waits on disk for the next watchdog."""
        end = time.monotonic() + LAST_CALL_S
        while True:
            waits = [wait for outbox in self._outboxes if (wait := outbox.due_in_s()) is not None]
            if not waits or time.monotonic() + min(waits) >= end:
                break
            time.sleep(min(waits))  # the pace of a service: at most about a second
            self._send_due()
        self._keep()

    # ---------------------------------------------------------------------------------------------------------

    def _add(self, tellings: list[Telling]) -> None:
        for telling in tellings:
            message = compose(telling, self._who, self._lines, self._mask)
            for outbox in self._outboxes:
                outbox.add(message, telling.at)

    def _send_due(self) -> None:
        for outbox in self._outboxes:
            said = outbox.turn()
            self._keep()
            if said is not None:
                self._say(self._mask(said))

    def _keep(self) -> None:
        """Save what is open and what waits, if it changed; without that nothing is told less."""
        essence = self._content(0.0)
        if essence == self._kept:
            return
        content = self._content(time.monotonic())
        try:
            self._save(
                None
                if content is None
                else {"version": VERSION, "written_at": datetime.now(UTC).isoformat(), **content}
            )
        except OSError as error:
            if not self._cannot_save:
                self._cannot_save = True
                why = in_words(error)
                self._say(
                    f"alerts cannot be kept on disk ({why}); what cannot be sent now is lost with the watchdog"
                )
            return
        self._kept = essence
        self._cannot_save = False

    def _content(self, now: float) -> dict[str, object] | None:
        waiting = {outbox.sender.name: outbox.to_record() for outbox in self._outboxes if outbox.waiting}
        story = self.story.to_record(now)
        if story is None and not waiting and not self._moved:
            return None
        return {"story": story, "waiting": waiting, "moved": dict(self._moved)}

    def _on_moved(self, chat: str) -> None:
        self._moved = {self._chat_key(): chat}
        self._say(
            "the group became a supergroup and has a new number: set telegram-chat to it (it is used already)"
        )

    def _chat_key(self) -> str:
        """Names the chat of the settings without showing it."""
        return f"{zlib.crc32((self._settings.telegram_chat or '').encode()):08x}"


def _elapsed_s(record: Mapping[str, Any]) -> float:
    """How long ago the record was made; by the wall clock, for nothing else outlives a reboot."""
    try:
        written = datetime.fromisoformat(str(record["written_at"]))
        return max(0.0, (datetime.now(UTC) - written).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0
