"""What a running watchdog answers at its control socket."""

import os
import time
from collections.abc import Callable, Sequence

from watchdog_cli.adapters import state_file
from watchdog_cli.adapters.heartbeat import HeartbeatFile
from watchdog_cli.adapters.system import controls
from watchdog_cli.core.diagnosis import describe
from watchdog_cli.core.events import By, Event, PauseAsked, RestartAsked, ResumeAsked, StopAsked
from watchdog_cli.core.phases import StandingBy
from watchdog_cli.core.report import exit_code
from watchdog_cli.core.supervisor import next_start, silent_s
from watchdog_cli.runner import Runner
from watchdog_cli.wiring.hub import Hub
from watchdog_cli.wiring.refusals import BEING_STOPPED, STANDS_BY, STARTED_NOWHERE

YEAR_S = 366 * 86400.0


class Answers:
    """Handles each ask in the main thread."""

    def __init__(
        self,
        *,
        runner: Callable[[], Runner],
        hub: Callable[[], Hub],
        heartbeat: HeartbeatFile,
        status_text: Callable[[], str],
        upgrade: Callable[[list[str]], str],
        lease: Callable[[], dict[str, object] | None],
        arguments: Sequence[str],
    ) -> None:
        """Nothing is asked yet.

        Args:
            status_text: what the child last said of itself through sd_notify.
            upgrade: hand over to a fresh image with these first words of its command; returns why not, or "".
            lease: what is known of it; None without one.
            arguments: of our own command line, so that a new version can try them before it takes over.
        """
        self._runner = runner
        self._hub = hub
        self._heartbeat = heartbeat
        self._status_text = status_text
        self._upgrade = upgrade
        self._lease = lease
        self._arguments = list(arguments)

    def handle(self, ask: str, request: controls.Answer, client: controls.Client) -> controls.Answer | None:
        """Answer, or return None when the answer comes when what was asked is done."""
        match ask:
            case "status":
                return self._live()
            case "stop":
                client.waits_for = "stop"
                self._do(StopAsked(By.COMMAND, now=request.get("now") is True))
                return None
            case "restart":
                return self._restart(client)
            case "pause":
                return self._pause(request)
            case "resume":
                was_paused = self._runner().sup.pause is not None
                self._do(ResumeAsked())
                return {"ok": True, "was_paused": was_paused}
            case "arguments":
                return self._own_arguments()
            case "upgrade":
                words = request.get("command")
                if (
                    not isinstance(words, list)
                    or not all(isinstance(word, str) for word in words)
                    or not words
                ):
                    return {"ok": False, "error": "no command to hand over to"}
                error = self._upgrade(words)
                return {"ok": not error, "error": error}
            case _:
                return {
                    "ok": False,
                    "error": f"this watchdog does not know {ask[:40]!r}; is it older than the command?",
                }

    def _do(self, event: Event) -> None:
        self._runner().ask(event)

    def _own_arguments(self) -> controls.Answer:
        try:
            return {"ok": True, "arguments": self._arguments, "folder": os.getcwd()}
        except OSError:
            return dict(STARTED_NOWHERE)

    def _restart(self, client: controls.Client) -> controls.Answer | None:
        if not self._runner().sup.want_up:
            return BEING_STOPPED
        if isinstance(self._runner().sup.phase, StandingBy):
            return STANDS_BY
        client.waits_for = "restart"
        self._do(RestartAsked())
        return None

    def _pause(self, request: controls.Answer) -> controls.Answer:
        for_s = request.get("for_s")
        if for_s is not None and (
            isinstance(for_s, bool) or not isinstance(for_s, int | float) or not 0 < for_s < YEAR_S
        ):
            return {"ok": False, "error": "the time of a pause must be more than 0 and at most a year"}
        if not self._runner().sup.want_up:
            return BEING_STOPPED
        self._do(PauseAsked(None if for_s is None else float(for_s)))
        return {"ok": True}

    def _live(self) -> controls.Answer:
        runner = self._runner()
        beat = runner.look_for_beat()  # a notice may have been lost: the answer tells of what is there now
        if beat is not None:
            runner.ask(beat)
        sup = runner.sup
        now = time.monotonic()
        fields = self._heartbeat.fields
        state, health = describe(sup, now, degraded=fields.get("status") == "degraded")
        snapshot = self._hub().snapshot
        lease = self._lease()
        cut_off = lease is not None and lease["cut_off"] is True
        return {
            "ok": True,
            "state": state.value,
            "health": health.value,
            "exit_code": int(exit_code(state, health, cut_off=cut_off)),
            "watchdog": {"pid": snapshot.watchdog.pid, "started_at": snapshot.watchdog.started_at},
            "heartbeat": {"age_s": silent_s(sup, now), "fields": dict(fields)},
            "restarts": {"in_window": sup.window.count(now), "total": sup.restarts},
            "next_start_s": _left(next_start(sup), now),
            "pause_left_s": _left(sup.pause.until if sup.pause is not None else None, now),
            "judged": sup.judged,
            "said": self._status_text(),
            "lease": lease,
            "foreign_pid": self._heartbeat.foreign_pid,
            "snapshot": state_file.to_record(snapshot),  # the file may be old: a full disk, a deleted folder
        }


def _left(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, at - now)
